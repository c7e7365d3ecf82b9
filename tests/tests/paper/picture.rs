//! The picture of a ticket and what the printer makes of its bytes, dot by dot where both draw the same, and within
//! the width of a stroke where each has its own font.

use super::Unit;
use docket_paper::escpos::{Dialect, encode};
use docket_paper::font::Fonts;
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use docket_paper::picture::{MARGIN_DOTS, draw, draw_line};
use docket_paper::{Paper, dither, png};
use docket_protocol::document::{Align, Block, Cell, Document, Image, Style, Symbology};
use docket_tests::virtual_printer::Font;

/// Bold strokes, hinting and grey edges: fonts are drawn by two programs.
const STROKE_DOTS: usize = 4;
/// What counts as black in the printer's grey picture.
const BLACK_MAX: u8 = 128;

/// A picture as rows of black dots.
struct Dots {
    width: usize,
    dots: Vec<bool>,
}

impl Dots {
    fn of_png(file: &[u8]) -> Self {
        let mut decoder = ::png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(::png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut samples = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut samples).unwrap();
        let channels = info.color_type.samples();
        let dots = samples.chunks_exact(channels).map(|dot| dot[0] < BLACK_MAX).collect();
        Dots { width: info.width as usize, dots }
    }

    fn height(&self) -> usize {
        self.dots.len() / self.width
    }

    fn rows(&self, from: usize, to: usize) -> &[bool] {
        &self.dots[from * self.width..to * self.width]
    }

    /// Left, right, top and bottom of what is black in some rows.
    fn ink(&self, from: usize, to: usize) -> Option<[usize; 4]> {
        let rows = self.rows(from, to);
        let black = || rows.iter().enumerate().filter(|(_, black)| **black).map(|(at, _)| at);
        let columns = || black().map(|at| at % self.width);
        Some([columns().min()?, columns().max()?, black().min()? / self.width, black().max()? / self.width])
    }
}

fn text(text: &str, style: Style, align: Align) -> Block {
    Block::Text { text: text.into(), style, align }
}

fn ticket() -> Document {
    let cell = |text: &str, columns, align| Cell { text: text.into(), columns, align };
    let dish = |name: &str, count: &str, price: &str, style| Block::Row {
        cells: vec![
            cell(name, None, Align::Left),
            cell(count, Some(6), Align::Right),
            cell(price, Some(10), Align::Right),
        ],
        style,
    };
    let underlined = Style { underline: true, ..Style::NORMAL };
    let reversed = Style { reverse: true, ..Style::BIG };
    // A wedge from white to black.
    let wedge =
        dither::Grey::new(256, (0..256 * 40).map(|at| (at % 256) as u8).collect()).unwrap().dithered();
    Document {
        blocks: vec![
            text("美团外卖 #9", Style::BIG, Align::Center),
            text("预订 12:30", reversed, Align::Center),
            Block::Image { image: wedge, align: Align::Center },
            Block::Image { image: Image { width_dots: 20, rows: vec![0xAA; 90] }, align: Align::Right },
            Block::Rule { title: "1号口袋".into() },
            dish("红烧牛肉面(大份)", "x2", "￥56.00", Style::TALL),
            dish("招牌红烧牛肉面加大份不要香菜多放辣椒", "x1", "￥128.00", Style::NORMAL),
            dish("Coca-Cola 330ml", "x12", "￥60.00", Style::BOLD),
            text("备注:少放盐,到了打电话", underlined, Align::Left),
            text("高高的", Style { width: 3, height: 4, ..Style::NORMAL }, Align::Left),
            text("谢谢惠顾", Style::NORMAL, Align::Right),
            Block::Feed { lines: 2 },
            Block::Barcode {
                data: "6901234567892".into(),
                symbology: Symbology::Ean13,
                height_dots: 80,
                module_dots: 3,
                caption: true,
            },
            Block::Barcode {
                data: "MT20261124000017".into(),
                symbology: Symbology::Code128,
                height_dots: 64,
                module_dots: 2,
                caption: true,
            },
            Block::Qr { data: "https://docket.example/o/17".into(), module_dots: 6 },
        ],
    }
}

async fn what_is_seen_is_what_is_printed(paper: Paper) {
    let marks = Marks { repeat: 1, backup_for: Some("后厨".into()), late_min: 45 };
    let lines = lay_out(&ticket(), paper, &marks);
    let mut fonts = Fonts::installed();
    let shown = Dots::of_png(&png::encode(&draw(&lines, paper, &mut fonts)));
    let encoded = encode(&lines, paper, &Dialect::default(), &mut fonts);
    let (receipts, _) = Unit::start(paper).print(&encoded.bytes, 0).await;
    let [receipt] = &receipts[..] else { panic!("{} receipts", receipts.len()) };
    assert_eq!(receipt.flags(), []);
    let printed = Dots::of_png(&receipt.png(&Font::find().unwrap()));
    assert_eq!((shown.width, shown.height()), (printed.width, printed.height()));

    let mut y = MARGIN_DOTS;
    for line in &lines {
        let end = y + draw_line(line, paper, &mut fonts).height_dots();
        let (seen, made) = (shown.ink(y, end), printed.ink(y, end));
        match line {
            Line::Qr { .. } | Line::Image { .. } => {
                assert!(shown.rows(y, end) == printed.rows(y, end), "{line:?}: other dots");
            }
            // The virtual printer draws a box where the bars are.
            Line::Barcode { .. } => assert_eq!(seen, made, "{line:?}"),
            Line::Text { style: Style { reverse: true, .. }, .. } => assert_eq!(seen, made, "{line:?}"),
            Line::Text { .. } => {
                let (seen, made) = (seen.unwrap(), made.unwrap());
                let apart = seen.iter().zip(&made).map(|(seen, made)| seen.abs_diff(*made)).max();
                assert!(apart <= Some(STROKE_DOTS), "{line:?}: {seen:?} is seen, {made:?} is printed");
            }
            Line::Feed(_) => assert_eq!((seen, made), (None, None)),
            Line::Cut | Line::Drawer { .. } | Line::Buzzer { .. } => panic!("{line:?} is not in the ticket"),
        }
        y = end;
    }
    assert_eq!(y + MARGIN_DOTS, shown.height());
}

#[tokio::test]
async fn what_is_seen_is_what_is_printed_on_80_mm() {
    what_is_seen_is_what_is_printed(Paper::Mm80).await;
}

#[tokio::test]
async fn what_is_seen_is_what_is_printed_on_58_mm() {
    what_is_seen_is_what_is_printed(Paper::Mm58).await;
}

#[tokio::test]
async fn a_line_with_an_emoji_is_printed_dot_by_dot_as_it_is_seen() {
    let paper = Paper::Mm80;
    let mut fonts = Fonts::installed();
    assert!(fonts.has('😀'), "no installed font has an outline of 😀: DejaVu Sans has one");
    let document = Document {
        blocks: vec![
            text("少放盐😀 谢谢", Style::NORMAL, Align::Left),
            text("大😀", Style::BIG, Align::Center),
            text("右😀", Style { reverse: true, ..Style::TALL }, Align::Right),
        ],
    };
    let lines = lay_out(&document, paper, &Marks::default());
    let encoded = encode(&lines, paper, &Dialect::default(), &mut fonts);
    assert!(encoded.missing.is_empty());
    let (receipts, _) = Unit::start(paper).print(&encoded.bytes, 0).await;
    assert_eq!(receipts[0].flags(), []);
    let printed = Dots::of_png(&receipts[0].png(&Font::find().unwrap()));
    let shown = Dots::of_png(&png::encode(&draw(&lines, paper, &mut fonts)));
    assert_eq!(shown.height(), printed.height());
    assert!(shown.dots == printed.dots, "other dots");
}
