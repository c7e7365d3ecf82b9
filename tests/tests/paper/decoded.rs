//! Any document, laid out and encoded, comes out of the printer as it was laid out.

use super::any_document::{document, marks};
use super::{Unit, width_of};
use docket_paper::escpos::{Dialect, encode};
use docket_paper::glyphs::{Glyphs, NoGlyphs};
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use docket_paper::raster::{BAND_ROWS, has_real_time};
use docket_paper::text::{PLACEHOLDER, is_printable};
use docket_paper::{COLUMN_DOTS, Paper, picture, svg};
use docket_protocol::document::{Align, Block, Document, Image, Style, Symbology};
use docket_tests::virtual_printer::{Kick, Receipt};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A line as the printer tells it, and as it was meant.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    text: String,
    size: (u8, u8),
    bold: bool,
    align: Align,
    columns: u16,
}

/// What each slip of a ticket is meant to show.
fn meant(lines: &[Line]) -> Vec<Vec<Printed>> {
    lines.split(|line| *line == Line::Cut).map(|slip| slip.iter().flat_map(printed).collect()).collect()
}

fn printed(line: &Line) -> Vec<Printed> {
    let symbol = |text: String, align| Printed { text, size: (1, 1), bold: false, align, columns: 0 };
    match line {
        Line::Text { text, .. } if text.is_empty() => Vec::new(),
        Line::Text { text, style, align } => {
            let shown = |character| if is_printable(character) { character } else { PLACEHOLDER };
            let dots = picture::text_dots(text, *style);
            vec![Printed {
                text: text.trim_end().chars().map(shown).collect(),
                size: (style.width, style.height),
                bold: style.bold,
                align: *align,
                columns: u16::try_from(dots).unwrap() / COLUMN_DOTS,
            }]
        }
        Line::Qr { data, .. } => vec![symbol(format!("[QR: {data}]"), Align::Center)],
        Line::Barcode { code, .. } => {
            let system = match code.symbology() {
                Symbology::Code128 => "CODE128",
                Symbology::Ean13 => "EAN13",
            };
            vec![symbol(format!("[{system}: {}]", code.caption()), Align::Center)]
        }
        Line::Image { image, align } => (0..image.height_dots())
            .step_by(BAND_ROWS)
            .map(|row| {
                let rows = BAND_ROWS.min(image.height_dots() - row);
                symbol(format!("[IMAGE {}x{rows}]", image.row_bytes() * 8), *align)
            })
            .collect(),
        Line::Feed(_) | Line::Cut | Line::Drawer { .. } | Line::Buzzer { .. } => Vec::new(),
    }
}

fn found(receipt: &Receipt) -> Vec<Printed> {
    receipt
        .lines()
        .into_iter()
        .map(|line| Printed {
            text: line.text,
            size: (line.width, line.height),
            bold: line.bold,
            align: line.align,
            columns: line.columns,
        })
        .collect()
}

fn kicks(lines: &[Line]) -> Vec<Kick> {
    let kick = |line: &Line| match line {
        Line::Drawer { connector } => Some(Kick { pin: connector - 1, on_ms: 50, off_ms: 500 }),
        _ => None,
    };
    lines.iter().filter_map(kick).collect()
}

fn buzzes(lines: &[Line]) -> u32 {
    let times = |line: &Line| if let Line::Buzzer { times } = line { u32::from(*times) } else { 0 };
    lines.iter().map(times).sum()
}

fn cuts(lines: &[Line]) -> usize {
    lines.iter().filter(|line| **line == Line::Cut).count()
}

/// Every slip has paper: what only opens the drawer is counted with the slip after it.
fn with_an_end(mut document: Document) -> Document {
    document.blocks.push(Block::Text { text: "完".into(), style: Style::NORMAL, align: Align::Left });
    document
}

/// Everything that a font could have.
struct Solid;

impl Glyphs for Solid {
    fn glyph(&mut self, _: char, width_dots: u16, height_dots: u16) -> Option<Image> {
        let row_bytes = usize::from(width_dots).div_ceil(8);
        Some(Image { width_dots, rows: vec![0xFF; row_bytes * usize::from(height_dots)] })
    }
}

fn dialect() -> impl Strategy<Value = Dialect> {
    any::<[bool; 5]>().prop_map(|[chinese, kanji_size, qr, barcode, buzzer]| Dialect {
        chinese,
        kanji_size,
        qr,
        barcode,
        buzzer,
    })
}

fn check(
    paper: Paper,
    cases: u32,
    test: impl Fn(&mut Unit, Document, Marks, Dialect) -> Result<(), TestCaseError>,
) {
    let unit = std::cell::RefCell::new(Unit::start(paper));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&(document(), marks(), dialect()), |(document, marks, dialect)| {
            test(&mut unit.borrow_mut(), with_an_end(document), marks, dialect)
        })
        .unwrap();
}

fn print(unit: &mut Unit, content: &[u8], cuts: usize) -> (Vec<Receipt>, Vec<u8>) {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(unit.print(content, cuts)))
}

fn comes_out_as_laid_out(paper: Paper) {
    check(paper, ProptestConfig::default().cases, |unit, document, marks, _| {
        let lines = lay_out(&document, paper, &marks);
        let encoded = encode(&lines, paper, &Dialect::default(), &mut NoGlyphs);
        prop_assert!(!has_real_time(&encoded.bytes));
        let (receipts, said) = print(unit, &encoded.bytes, cuts(&lines));
        prop_assert_eq!(said, b"", "the unit was asked something");
        for receipt in &receipts {
            prop_assert_eq!(receipt.flags(), []);
            prop_assert_eq!(receipt.paper(), width_of(paper));
            let widest = receipt.lines().iter().map(|line| line.columns).max();
            prop_assert!(widest <= Some(paper.columns()));
        }
        prop_assert_eq!(receipts.iter().map(found).collect::<Vec<_>>(), meant(&lines));
        let found: Vec<Kick> = receipts.iter().flat_map(Receipt::drawer_kicks).copied().collect();
        prop_assert_eq!(found, kicks(&lines));
        prop_assert_eq!(receipts.iter().map(Receipt::buzzes).sum::<u32>(), buzzes(&lines));
        let foreign =
            |line: &Line| matches!(line, Line::Text { text, .. } if !text.chars().all(is_printable));
        prop_assert_eq!(encoded.missing.is_empty(), !lines.iter().any(foreign));
        Ok(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn any_document_comes_out_of_80_mm_as_it_was_laid_out() {
    comes_out_as_laid_out(Paper::Mm80);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_document_comes_out_of_58_mm_as_it_was_laid_out() {
    comes_out_as_laid_out(Paper::Mm58);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_document_comes_out_of_any_unit_as_high_as_its_picture() {
    let paper = Paper::Mm58;
    // Each draws some metres of paper, without optimization.
    check(paper, ProptestConfig::default().cases / 4, |unit, document, marks, dialect| {
        let lines = lay_out(&document, paper, &marks);
        let encoded = encode(&lines, paper, &dialect, &mut Solid);
        prop_assert!(!has_real_time(&encoded.bytes));
        prop_assert!(encoded.missing.is_empty());
        let (receipts, said) = print(unit, &encoded.bytes, cuts(&lines));
        prop_assert_eq!(said, b"");
        for (receipt, slip) in receipts.iter().zip(lines.split(|line| *line == Line::Cut)) {
            prop_assert_eq!(receipt.flags(), []);
            let image = picture::draw(slip, paper, &mut Solid);
            let margins = 2 * picture::MARGIN_DOTS;
            prop_assert_eq!(image.height_dots() - margins, receipt.height_dots() as usize);
        }
        // And it can be shown.
        let svg = svg::draw(&lines, paper, &dialect, &mut Solid);
        prop_assert!(svg.ends_with("</svg>") && !svg.contains(char::is_control));
        Ok(())
    });
}
