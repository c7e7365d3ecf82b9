//! A filled-in template becomes a document: each mark of a line begins a block, each mark of a bar a cell.

use super::OUTPUT_BYTES_MAX;
use super::error::{Bound, Fault};
use super::source::{Source, is_mark};
use super::words::Head;
use docket_protocol::document::{Align, Block, Cell, Document, Style};

/// Blocks of a document at most: more than any order makes, and less than what hurts a printer or a link.
pub const BLOCKS_MAX: usize = 4_000;
/// Width of the narrowest bar: 20 characters of Code 128 then fit 58 mm paper, and scanners read it.
const BARCODE_MODULE_DOTS: u8 = 2;

/// Reads what the template language has written. A fault comes with the template's line.
pub(super) fn document(written: &str, source: &Source) -> Result<Document, (usize, Fault)> {
    let mut document = Document::default();
    let (mut number, mut head, mut begun) = (0, &Head::PLAIN, 0);
    // Text is bounded before; a picture comes as often as its line does.
    let mut bytes = written.len();
    for (at, character) in written.char_indices().filter(|(_, character)| is_mark(*character)) {
        let Some(line) = source.line(character) else { continue };
        push(&mut document, head, &written[begun..at], source);
        if document.blocks.len() > BLOCKS_MAX {
            return Err((number, Fault::Bound { bound: Bound::Blocks }));
        }
        (number, head, begun) = (line.number, &line.head, at + character.len_utf8());
        if let Head::Image { image, .. } = head {
            bytes += image.rows.len();
        }
        if bytes > OUTPUT_BYTES_MAX {
            return Err((number, Fault::Bound { bound: Bound::Bytes }));
        }
    }
    push(&mut document, head, &written[begun..], source);
    match document.blocks.iter().any(prints) {
        true => Ok(document),
        false => Err((0, Fault::Blank)),
    }
}

/// Whether anything of it can be seen.
fn prints(block: &Block) -> bool {
    match block {
        Block::Text { .. }
        | Block::Row { .. }
        | Block::Rule { .. }
        | Block::Qr { .. }
        | Block::Image { .. }
        | Block::Barcode { .. } => true,
        Block::Feed { .. } | Block::Cut | Block::Drawer { .. } | Block::Buzzer { .. } => false,
    }
}

/// One line. Where text is wanted and none came of the order, there is no line.
fn push(document: &mut Document, head: &Head, text: &str, source: &Source) {
    let text = text.trim_end();
    let plain = || -> String { text.chars().filter(|&character| !is_mark(character)).collect() };
    let block = match head {
        Head::Text { style, align } => text_or_row(text, *style, *align, source),
        Head::Rule => Some(Block::Rule { title: plain().trim().to_owned() }),
        Head::Qr { module_dots } => {
            let data = plain().trim().to_owned();
            (!data.is_empty()).then_some(Block::Qr { data, module_dots: *module_dots })
        }
        Head::Barcode { height_dots, symbology, caption } => {
            let data = plain().trim().to_owned();
            (!data.is_empty()).then_some(Block::Barcode {
                data,
                symbology: *symbology,
                height_dots: *height_dots,
                module_dots: BARCODE_MODULE_DOTS,
                caption: *caption,
            })
        }
        Head::Feed { lines } => Some(Block::Feed { lines: *lines }),
        Head::Image { image, align } => Some(Block::Image { image: image.clone(), align: *align }),
        Head::Cut => Some(Block::Cut),
        Head::Drawer { connector } => Some(Block::Drawer { connector: *connector }),
        Head::Buzzer { times } => Some(Block::Buzzer { times: *times }),
    };
    document.blocks.extend(block);
}

fn text_or_row(text: &str, style: Style, align: Align, source: &Source) -> Option<Block> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut cell = Cell { text: String::new(), columns: None, align };
    for character in text.chars() {
        match source.bar(character) {
            Some(bar) => {
                let next = Cell { text: String::new(), columns: bar.columns, align: bar.align };
                let left = std::mem::replace(&mut cell, next);
                if !bar.leads {
                    cells.push(left);
                }
            }
            None if is_mark(character) => {}
            None => cell.text.push(character),
        }
    }
    if cells.is_empty() && cell.columns.is_none() {
        return (!cell.text.trim().is_empty()).then_some(Block::Text { text: cell.text, style, align });
    }
    cells.push(cell);
    for (place, cell) in cells.iter_mut().enumerate() {
        // The first keeps what it is indented by.
        let text = if place == 0 { cell.text.trim_end() } else { cell.text.trim() };
        cell.text = text.to_owned();
    }
    cells.iter().any(|cell| !cell.text.trim().is_empty()).then_some(Block::Row { cells, style })
}
