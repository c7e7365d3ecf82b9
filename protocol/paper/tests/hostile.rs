//! What customers, platforms and their mistakes put into a document: it is laid out, printed and shown, and all three
//! agree.

use docket_paper::escpos::{Dialect, encode};
use docket_paper::glyphs::{Glyphs, NoGlyphs};
use docket_paper::layout::{Marks, PAPER_DOTS_MAX, is_cut_short, lay_out};
use docket_paper::line::Line;
use docket_paper::raster::has_real_time;
use docket_paper::text::columns;
use docket_paper::{LINE_DOTS, Paper, picture, svg};
use docket_protocol::document::{Align, Block, Cell, Document, Image, Style, Symbology};
use std::time::{Duration, Instant};

/// Far longer than laying anything out takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

fn text(text: impl Into<String>) -> Block {
    Block::Text { text: text.into(), style: Style::NORMAL, align: Align::Left }
}

fn styled(text: &str, scale: u8) -> Block {
    let style = Style { width: scale, height: scale, bold: false, underline: true, reverse: false };
    Block::Text { text: text.into(), style, align: Align::Center }
}

fn row(texts: &[&str], columns: Option<u8>) -> Block {
    let cell = |text: &&str| Cell { text: (*text).to_owned(), columns, align: Align::Right };
    Block::Row { cells: texts.iter().map(cell).collect(), style: Style::NORMAL }
}

fn image(width_dots: u16, bytes: usize) -> Block {
    Block::Image { image: Image { width_dots, rows: vec![0x10; bytes] }, align: Align::Center }
}

fn barcode(data: &str) -> Block {
    let (height_dots, module_dots) = (0, 255);
    Block::Barcode {
        data: data.into(),
        symbology: Symbology::Code128,
        height_dots,
        module_dots,
        caption: true,
    }
}

/// Fonts that have everything.
struct Solid;

impl Glyphs for Solid {
    fn glyph(&mut self, _: char, width_dots: u16, height_dots: u16) -> Option<Image> {
        let row_bytes = usize::from(width_dots).div_ceil(8);
        Some(Image { width_dots, rows: vec![0xFF; row_bytes * usize::from(height_dots)] })
    }
}

/// The text lines of a document, once everything that must hold of them has been looked at.
fn shown(blocks: Vec<Block>, paper: Paper) -> Vec<String> {
    let lines = lay_out(&Document { blocks }, paper, &Marks::default());
    let dots: u32 = lines.iter().map(Line::height_dots).sum();
    assert!(dots <= PAPER_DOTS_MAX + LINE_DOTS_OF_THE_WARNING, "{dots} dots");
    let mut texts = Vec::new();
    for line in &lines {
        if let Line::Text { text, style, .. } = line {
            assert!(columns(text) * usize::from(style.width) <= usize::from(paper.columns()), "{text:?}");
            assert!(!text.contains(char::is_control), "{text:?}");
            texts.push(text.clone());
        }
    }
    let high = picture::draw(&lines, paper, &mut NoGlyphs).height_dots();
    let latin = Dialect { chinese: false, qr: false, barcode: false, ..Dialect::default() };
    for dialect in [Dialect::default(), latin] {
        for glyphs in [&mut NoGlyphs as &mut dyn Glyphs, &mut Solid] {
            let printed = encode(&lines, paper, &dialect, glyphs);
            assert!(!has_real_time(&printed.bytes));
            let seen = svg::draw(&lines, paper, &dialect, glyphs);
            assert!(seen.contains(&format!("height=\"{high}\" font-family")), "{high}: {}", &seen[..200]);
            assert!(!seen.contains(char::is_control));
        }
    }
    texts
}

/// 内容过长 itself.
const LINE_DOTS_OF_THE_WARNING: u32 = LINE_DOTS as u32;

#[test]
fn long_texts_are_whole_or_say_that_they_are_not() {
    for paper in [Paper::Mm58, Paper::Mm80] {
        let note: String = "不要香菜，".repeat(1_000);
        assert_eq!(shown(vec![text(&note)], paper).concat(), note);
        let word = "x".repeat(5_000);
        assert_eq!(shown(vec![text(&word)], paper).concat(), word);
        let cell = shown(vec![row(&["a", &word[..4_000]], Some(8))], paper);
        assert_eq!(
            cell.iter().map(|line| line.trim_start().trim_start_matches('a').trim()).collect::<String>(),
            word[..4_000]
        );
        let title = "x".repeat(5_000);
        assert_eq!(shown(vec![Block::Rule { title: title.clone() }], paper).concat(), title);
    }
    // Endless ones are only laid out: their pictures would be as long.
    for endless in [text("香".repeat(200_000)), styled(&"大".repeat(4_000), 255)] {
        let lines = lay_out(&Document { blocks: vec![endless] }, Paper::Mm58, &Marks::default());
        assert!(is_cut_short(&lines), "{:?}", lines.last());
    }
}

#[test]
fn cuts_without_end_take_no_time() {
    // As many as a frame of the link holds.
    let pulses = std::iter::repeat_n(Block::Drawer { connector: 1 }, 11_000);
    let cuts = std::iter::repeat_n(Block::Cut, 230_000);
    let blocks: Vec<Block> = pulses.chain(cuts).chain([text("a")]).collect();
    let began = Instant::now();
    let lines = lay_out(&Document { blocks }, Paper::Mm58, &Marks::default());
    assert_eq!(lines.len(), 11_001, "nothing is cut where nothing is printed");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn nothing_is_nothing() {
    let nothing: [Block; 14] = [
        row(&[], None),
        row(&["", ""], None),
        row(&["\u{1b}", ""], Some(0)),
        Block::Rule { title: "\u{200f}".into() },
        Block::Feed { lines: 0 },
        Block::Qr { data: "\u{10}\u{4}\u{1}".into(), module_dots: 0 },
        image(0, 0),
        image(0, 500),
        image(8, 0),
        image(10_000, 1_249),
        image(u16::MAX, 0),
        barcode(""),
        Block::Cut,
        Block::Buzzer { times: 0 },
    ];
    for block in nothing {
        let lines = lay_out(&Document { blocks: vec![block.clone()] }, Paper::Mm58, &Marks::default());
        let ink = picture::draw(&lines, Paper::Mm58, &mut Solid).rows.iter().any(|&byte| byte != 0);
        let is_rule = matches!(block, Block::Rule { .. });
        assert_eq!(ink, is_rule, "{block:?}");
        shown(vec![block], Paper::Mm58);
    }
    assert_eq!(shown(Vec::new(), Paper::Mm80), [""; 0]);
}

#[test]
fn images_of_any_size_fit_or_are_said_to_be_missing() {
    for paper in [Paper::Mm58, Paper::Mm80] {
        for (width, bytes) in [(1, 1), (10_000, 125_000), (u16::MAX, 8_192 * 20), (8, 10_000), (9, 3)] {
            assert_eq!(shown(vec![image(width, bytes)], paper), [""; 0], "{width} dots");
        }
        assert_eq!(shown(vec![image(8, 400_000)], paper), ["……内容过长,未打完……"]);
    }
}

#[test]
fn what_people_type_stays_readable() {
    let on_58 = |typed: &str| shown(vec![text(typed)], Paper::Mm58);
    assert_eq!(on_58("¥5\t加\u{a0}辣\u{7}"), ["￥5 加 辣"]);
    assert_eq!(on_58("2\r3\u{2028}4\r\n5"), ["2", "3", "4", "5"]);
    let zalgo: String =
        "辣".chars().chain(std::iter::repeat_n('\u{334}', 1_000)).chain("!".chars()).collect();
    assert_eq!(on_58(&zalgo), ["辣!"]);
    assert_eq!(on_58("\u{202e}元5\u{202c} \u{2066}a\u{2069}\u{61c}"), ["元5 a"]);
    assert_eq!(on_58("👩\u{200d}🍳👍🏽1\u{fe0f}\u{20e3}"), ["👩🍳👍1"]);
    assert_eq!(
        shown(vec![row(&["合计\r", "-0.01\u{1b}@"], None)], Paper::Mm58),
        ["            合计          -0.01@"]
    );
}

#[test]
fn a_code_that_cannot_be_is_its_text() {
    for data in ["中文", "x\u{1}y", &"9".repeat(65), &"7".repeat(500)] {
        let said: String = shown(vec![barcode(data)], Paper::Mm58).concat();
        assert_eq!(said, data.replace('\u{1}', ""));
    }
    let long = "长".repeat(800);
    let qr = Block::Qr { data: long.clone(), module_dots: 255 };
    assert_eq!(shown(vec![qr], Paper::Mm58).concat(), long);
}
