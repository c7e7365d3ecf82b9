//! Slips as wholes: marks, cuts, what is done besides printing, and what becomes of what a unit lacks.

use docket_paper::Paper;
use docket_paper::escpos::{Dialect, Encoded, encode};
use docket_paper::glyphs::{Glyphs, NoGlyphs};
use docket_paper::layout::{Marks, PAPER_DOTS_MAX, is_cut_short, lay_out};
use docket_paper::line::Line;
use docket_paper::raster::has_real_time;
use docket_protocol::document::{Align, Block, Cell, Document, Image, Style, Symbology};
use std::collections::BTreeSet;

fn text(text: &str) -> Block {
    Block::Text { text: text.into(), style: Style::NORMAL, align: Align::Left }
}

fn lines(blocks: Vec<Block>, marks: &Marks) -> Vec<Line> {
    lay_out(&Document { blocks }, Paper::Mm58, marks)
}

/// Each line in a word.
fn outline(blocks: Vec<Block>, marks: &Marks) -> Vec<String> {
    lines(blocks, marks)
        .into_iter()
        .map(|line| match line {
            Line::Text { text, .. } => text,
            Line::Cut => "cut".into(),
            Line::Drawer { connector } => format!("drawer {connector}"),
            Line::Buzzer { times } => format!("buzzer {times}"),
            Line::Barcode { code, module_dots, .. } => format!("bars {} {module_dots}", code.caption()),
            other => format!("{other:?}"),
        })
        .collect()
}

fn printed(block: Block, dialect: &Dialect, glyphs: &mut dyn Glyphs) -> Encoded {
    encode(&lines(vec![block], &Marks::default()), Paper::Mm58, dialect, glyphs)
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// Solid cells for the given characters, and the cells that were asked for.
#[derive(Default)]
struct Solid(BTreeSet<char>);

impl Glyphs for Solid {
    fn glyph(&mut self, character: char, width_dots: u16, height_dots: u16) -> Option<Image> {
        let row_bytes = usize::from(width_dots).div_ceil(8);
        let rows = vec![0xFF; row_bytes * usize::from(height_dots)];
        self.0.contains(&character).then_some(Image { width_dots, rows })
    }
}

const RASTER: &[u8] = b"\x1dv0\0";

#[test]
fn marks_stand_first_on_every_part() {
    let marks = Marks { repeat: 3, backup_for: Some("后厨\u{1b}@1".into()), late_min: 0 };
    let slips = vec![text("甲"), Block::Cut, text("乙")];
    let expected = ["【补打 3】", "【备用】后厨@1", "甲", "cut", "【补打 3】", "【备用】后厨@1", "乙"];
    assert_eq!(outline(slips, &marks), expected);
    let backup = Marks { repeat: 0, backup_for: Some("吧台".into()), late_min: 0 };
    assert_eq!(outline(vec![text("甲")], &backup), ["【备用】吧台", "甲"]);
    let Line::Text { style, align, .. } = &lines(Vec::new(), &backup)[0] else { panic!() };
    assert_eq!((*style, *align), (Style::BIG, Align::Center));
    let late = Marks { repeat: 1, backup_for: Some("吧台".into()), late_min: 45 };
    assert_eq!(outline(vec![text("甲")], &late), ["【补打 1】", "【备用】吧台", "【迟到】45分钟", "甲"]);
    for (minutes, said) in
        [(119, "119分钟"), (120, "2小时"), (200, "3小时"), (2_879, "47小时"), (3_185, "2天")]
    {
        let late = Marks { late_min: minutes, ..Marks::default() };
        assert_eq!(outline(Vec::new(), &late), [format!("【迟到】{said}")]);
    }
}

#[test]
fn only_paper_is_cut_and_the_end_is_not_the_documents() {
    let table: [(Vec<Block>, &[&str]); 6] = [
        (vec![Block::Cut, text("a")], &["a"]),
        (vec![text("a"), Block::Cut], &["a"]),
        (vec![text("a"), Block::Cut, Block::Cut, text("b")], &["a", "cut", "b"]),
        (vec![text("a"), Block::Cut, Block::Drawer { connector: 1 }], &["a", "drawer 1"]),
        (vec![Block::Drawer { connector: 1 }, Block::Cut, text("a")], &["drawer 1", "a"]),
        (vec![text("a"), Block::Cut, Block::Feed { lines: 0 }, text("b"), Block::Cut], &["a", "cut", "b"]),
    ];
    for (blocks, expected) in table {
        assert_eq!(outline(blocks.clone(), &Marks::default()), expected, "{blocks:?}");
    }
}

#[test]
fn a_repeat_sounds_the_buzzer_but_opens_no_drawer() {
    let blocks = || vec![Block::Drawer { connector: 9 }, Block::Buzzer { times: 0 }, text("a")];
    assert_eq!(outline(blocks(), &Marks::default()), ["drawer 2", "buzzer 1", "a"]);
    let repeat = Marks { repeat: 1, ..Marks::default() };
    assert_eq!(outline(blocks(), &repeat), ["【补打 1】", "buzzer 1", "a"]);
}

#[test]
fn a_bar_code_fits_or_is_text() {
    let bars = |data: &str, symbology, module_dots| {
        let block =
            Block::Barcode { data: data.into(), symbology, height_dots: 0, module_dots, caption: true };
        outline(vec![block], &Marks::default())
    };
    assert_eq!(bars("6901234567892", Symbology::Ean13, 3), ["bars 6901234567892 3", "6901234567892"]);
    // 95 modules: 4 dots each fit 384, and 2 are the least.
    assert_eq!(bars("6901234567892", Symbology::Ean13, 200)[0], "bars 6901234567892 4");
    assert_eq!(bars("6901234567892", Symbology::Ean13, 0)[0], "bars 6901234567892 2");
    assert_eq!(bars("6901234567890", Symbology::Ean13, 3), ["6901234567890"]);
    assert_eq!(bars("单\u{1d}V号", Symbology::Code128, 3), ["单V号"]);
    assert_eq!(bars(&"x".repeat(40), Symbology::Code128, 2), ["x".repeat(32), "x".repeat(8)]);
}

#[test]
fn what_no_font_has_is_a_box_and_is_told() {
    let printed = printed(text("盐😀x"), &Dialect::default(), &mut NoGlyphs);
    assert!(contains(&printed.bytes, &[0xD1, 0xCE, 0xA1, 0xF5, b'x', 0x0A]));
    assert_eq!(printed.missing, BTreeSet::from(['😀']));
}

#[test]
fn what_a_font_has_is_drawn_with_its_whole_line() {
    let mut glyphs = Solid("盐😀x".chars().collect());
    let drawn = printed(text("盐😀 x"), &Dialect::default(), &mut glyphs);
    assert_eq!(drawn.missing, BTreeSet::new());
    // Two bands: 24 rows of characters, and 6 of the space to the next line. Five columns and a space are 72 dots.
    let bands: [&[u8]; 2] = [b"\x1dv0\0\x09\0\x18\0", b"\x1dv0\0\x09\0\x06\0"];
    assert!(bands.iter().all(|band| contains(&drawn.bytes, band)), "{:02x?}", drawn.bytes);
    let row: &[u8] = &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x0F, 0xFF];
    assert!(contains(&drawn.bytes, &[row, row].concat()));

    // One of two is better than none.
    let one = printed(text("😀🐟"), &Dialect::default(), &mut glyphs);
    assert!(contains(&one.bytes, RASTER));
    assert_eq!(one.missing, BTreeSet::from(['🐟']));
    // But not at the price of what the unit has.
    let lossy = printed(text("😀糖"), &Dialect::default(), &mut glyphs);
    assert!(contains(&lossy.bytes, &[0xA1, 0xF5, 0xCC, 0xC7, 0x0A]));
    assert_eq!(lossy.missing, BTreeSet::from(['😀']));
}

#[test]
fn what_a_unit_has_no_command_for_is_drawn_or_left_out() {
    let nothing = Dialect { chinese: false, kanji_size: false, qr: false, barcode: false, buzzer: false };
    let qr = || Block::Qr { data: "https://x.cn".into(), module_dots: 4 };
    let bars = || Block::Barcode {
        data: "12345678".into(),
        symbology: Symbology::Code128,
        height_dots: 50,
        module_dots: 2,
        caption: false,
    };
    for (block, command) in [(qr(), b"\x1d(k".as_slice()), (bars(), b"\x1dk")] {
        let made = printed(block.clone(), &Dialect::default(), &mut NoGlyphs).bytes;
        assert!(contains(&made, command) && !contains(&made, RASTER));
        let drawn = printed(block, &nothing, &mut NoGlyphs).bytes;
        assert!(!contains(&drawn, command) && contains(&drawn, RASTER));
    }
    assert_eq!(printed(Block::Buzzer { times: 2 }, &nothing, &mut NoGlyphs).bytes, b"");

    let latin = printed(text("No.\u{3000}9"), &nothing, &mut NoGlyphs);
    assert_eq!((latin.bytes.as_slice(), latin.missing), (b"No.  9\n".as_slice(), BTreeSet::new()));
    let chinese = printed(text("盐x"), &nothing, &mut NoGlyphs);
    assert_eq!((chinese.bytes.as_slice(), chinese.missing), (b"??x\n".as_slice(), BTreeSet::from(['盐'])));
    let drawn = printed(text("盐x"), &nothing, &mut Solid("盐x".chars().collect()));
    assert!(contains(&drawn.bytes, RASTER) && drawn.missing.is_empty());

    let big = |dialect: &Dialect| {
        let block = Block::Text { text: "盐".into(), style: Style::BIG, align: Align::Left };
        printed(block, dialect, &mut NoGlyphs).bytes
    };
    assert!(contains(&big(&Dialect::default()), b"\x1c!"));
    assert!(!contains(&big(&Dialect { kanji_size: false, ..Dialect::default() }), b"\x1c!"));
}

#[test]
fn no_length_of_a_qr_code_is_a_command() {
    for length in 1..=2_331 {
        let block = Block::Qr { data: "a".repeat(length), module_dots: 16 };
        let bytes = printed(block, &Dialect::default(), &mut NoGlyphs).bytes;
        assert!(!has_real_time(&bytes), "{length}");
        // 3 + 1,037 is 04 10, and 3 + 1,293 is 05 10.
        assert_eq!(contains(&bytes, RASTER), [1_037, 1_293].contains(&length), "{length}");
    }
}

#[test]
fn every_ticket_ends() {
    let block = |lines| Block::Feed { lines };
    let image = Image { width_dots: 8, rows: vec![0; 10_000] };
    let huge = Style { width: 8, height: 8, ..Style::NORMAL };
    let long = |text| Cell { text, columns: None, align: Align::Left };
    let endless = [
        vec![text(&"\n".repeat(50_000))],
        vec![text(&"长".repeat(200_000))],
        vec![Block::Text { text: "x".repeat(50_000), style: huge, align: Align::Left }],
        vec![Block::Row {
            cells: vec![long("长\n".repeat(20_000)), long("x".repeat(20_000))],
            style: Style::BIG,
        }],
        vec![block(255); 10_000],
        vec![Block::Image { image, align: Align::Left }; 50],
        vec![Block::Drawer { connector: 1 }; 50_000],
        (0..50_000).flat_map(|_| [text("a"), Block::Cut]).collect(),
    ];
    for blocks in endless {
        let lines = lines(blocks, &Marks::default());
        let dots: u32 = lines.iter().map(Line::height_dots).sum();
        assert!(lines.len() <= 12_001 && dots <= PAPER_DOTS_MAX + 30, "{} lines, {dots} dots", lines.len());
        let Some(Line::Text { text, .. }) = lines.last() else { panic!("{:?}", lines.last()) };
        assert_eq!(text, "……内容过长,未打完……");
        assert!(is_cut_short(&lines));
    }
}
