//! What is printed where no template makes anything of an order: an order must not stay unprinted because of
//! how it was to look. It has no template, no bound that it could exceed, and cannot fail.

use super::OUTPUT_BYTES_MAX;
use super::view::{Slip, without_phones};
use crate::layout::CUT_SHORT;
use docket_protocol::document::{Align, Block, Document, Style};

/// Bytes of a text at most: what platforms' adapters leave of a name fits.
const TEXT_BYTES_MAX: usize = 640;
/// What a block takes on the link besides its text.
const BLOCK_BYTES: usize = 16;

/// A slip with what nobody can do without: whose it is, where it goes, what is to be made. Where even that is
/// too much for a frame of the link, it says so.
pub fn plain(slip: &Slip<'_>) -> Document {
    let order = slip.order;
    let mut list = List::default();
    let title = format!("{}{} #{}", slip.kind.prefix(), order.key.platform.title(), order.pickup_number);
    list.line(&title, Style::BIG, Align::Center);
    list.line(&format!("{} {}", slip.kind.ticket().title(), slip.station), Style::NORMAL, Align::Center);
    list.line(&format!("订单号 {}", order.key.id), Style::NORMAL, Align::Left);
    list.line(&without_phones(&order.note), Style::TALL, Align::Left);
    for dish in slip.parts.iter().flat_map(|part| &part.dishes) {
        list.line(&format!("×{} {} {}", dish.quantity, dish.name, dish.spec), Style::TALL, Align::Left);
        list.line(&format!("  {}", dish.choices.join(" ")), Style::NORMAL, Align::Left);
    }
    if list.is_full {
        let text = CUT_SHORT.to_owned();
        list.document.blocks.push(Block::Text { text, style: Style::BOLD, align: Align::Center });
    }
    list.document
}

#[derive(Default)]
struct List {
    document: Document,
    bytes: usize,
    is_full: bool,
}

impl List {
    fn line(&mut self, text: &str, style: Style, align: Align) {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        self.is_full |= self.bytes + text.len() + BLOCK_BYTES > OUTPUT_BYTES_MAX;
        if !self.is_full && !text.trim().is_empty() {
            self.bytes += text.len() + BLOCK_BYTES;
            self.document.blocks.push(Block::Text { text: text.to_owned(), style, align });
        }
    }
}
