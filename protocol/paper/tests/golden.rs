//! The bytes of every kind of block at both widths, as they were when it was added. Printers in stores were tried with
//! them: a line of `golden_bytes.txt` changes only when what comes out of a printer is meant to change.
//!
//! `DOCKET_GOLDEN=write cargo nextest run -p docket-paper golden` writes the file anew.

use docket_paper::Paper;
use docket_paper::escpos::{Dialect, encode};
use docket_paper::glyphs::NoGlyphs;
use docket_paper::layout::{Marks, lay_out};
use docket_protocol::document::{Align, Block, Cell, Document, Image, Style, Symbology};
use std::fmt::Write;
use std::path::Path;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden_bytes.txt");
/// Bytes in a line of the file.
const LINE_BYTES: usize = 48;

fn text(text: &str, style: Style, align: Align) -> Block {
    Block::Text { text: text.into(), style, align }
}

fn cell(text: &str, columns: Option<u8>, align: Align) -> Cell {
    Cell { text: text.into(), columns, align }
}

/// A disc of 100 by 60 dots, with a sequence in it that units must not get.
fn disc() -> Image {
    let mut rows = vec![0_u8; 13 * 60];
    for (y, row) in rows.chunks_exact_mut(13).enumerate() {
        for x in 0..100 {
            let (across, down) = (x as i32 * 6 - 297, y as i32 * 10 - 295);
            if across * across + down * down < 300 * 300 {
                row[x / 8] |= 0x80 >> (x % 8);
            }
        }
    }
    rows[..3].copy_from_slice(&[0x10, 0x04, 0x01]);
    Image { width_dots: 100, rows }
}

fn barcode(data: &str, symbology: Symbology, caption: bool) -> Block {
    Block::Barcode { data: data.into(), symbology, height_dots: 80, module_dots: 3, caption }
}

/// One of each. The `match` is there to be incomplete when a kind is added.
fn blocks() -> Vec<(&'static str, Block)> {
    let underlined = Style { underline: true, ..Style::NORMAL };
    let blocks = vec![
        text("宫保鸡丁 Kung Pao", Style::NORMAL, Align::Left),
        text("美团外卖 #9", Style::BIG, Align::Center),
        text("加急", Style { reverse: true, ..Style::TALL }, Align::Right),
        text("不要香菜 no coriander", underlined, Align::Left),
        text("不要香菜", Style { width: 2, height: 2, ..underlined }, Align::Left),
        Block::Row {
            cells: vec![
                cell("招牌红烧牛肉面加大份不要香菜", None, Align::Left),
                cell("x2", Some(6), Align::Right),
                cell("¥56.00", Some(10), Align::Right),
            ],
            style: Style::TALL,
        },
        Block::Rule { title: "1号口袋".into() },
        Block::Feed { lines: 2 },
        Block::Qr { data: "https://x.cn/单".into(), module_dots: 6 },
        Block::Image { image: disc(), align: Align::Center },
        Block::Image { image: Image { width_dots: 700, rows: vec![0xFF; 88 * 4] }, align: Align::Left },
        barcode("690123456789", Symbology::Ean13, true),
        barcode("MT2026112400", Symbology::Code128, false),
        barcode("单号 17", Symbology::Code128, true),
        Block::Cut,
        Block::Drawer { connector: 2 },
        Block::Buzzer { times: 3 },
    ];
    let name = |block: &Block| match block {
        Block::Text { .. } => "text",
        Block::Row { .. } => "row",
        Block::Rule { .. } => "rule",
        Block::Feed { .. } => "feed",
        Block::Qr { .. } => "qr",
        Block::Image { .. } => "image",
        Block::Barcode { .. } => "barcode",
        Block::Cut => "cut",
        Block::Drawer { .. } => "drawer",
        Block::Buzzer { .. } => "buzzer",
    };
    blocks.into_iter().map(|block| (name(&block), block)).collect()
}

#[test]
fn the_bytes_of_every_block_are_kept() {
    let marks = Marks { repeat: 2, backup_for: Some("后厨 1".into()), late_min: 0 };
    let mut found = String::new();
    let mut add = |name: &str, blocks: Vec<Block>, marks: &Marks, paper: Paper| {
        let lines = lay_out(&Document { blocks }, paper, marks);
        let encoded = encode(&lines, paper, &Dialect::default(), &mut NoGlyphs);
        writeln!(found, "{name} {paper:?}").unwrap();
        for line in encoded.bytes.chunks(LINE_BYTES) {
            let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(found, "  {}", hex.join(" ")).unwrap();
        }
    };
    for paper in [Paper::Mm80, Paper::Mm58] {
        add("marks", Vec::new(), &marks, paper);
        for (name, block) in blocks() {
            // A cut is done only between two things.
            let blocks = match block {
                Block::Cut => {
                    let slip = |name: &str| text(name, Style::NORMAL, Align::Left);
                    vec![slip("a"), block, slip("b")]
                }
                block => vec![block],
            };
            add(name, blocks, &Marks::default(), paper);
        }
    }
    let late = Marks { late_min: 200, ..Marks::default() };
    for paper in [Paper::Mm80, Paper::Mm58] {
        add("late", Vec::new(), &late, paper);
    }
    if std::env::var("DOCKET_GOLDEN").is_ok_and(|how| how == "write") {
        std::fs::write(Path::new(FILE), &found).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap();
    for (at, (kept, found)) in kept.lines().zip(found.lines()).enumerate() {
        assert_eq!(kept, found, "line {} of golden_bytes.txt", at + 1);
    }
    assert_eq!(kept.lines().count(), found.lines().count());
}
