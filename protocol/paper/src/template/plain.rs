//! What is printed where no template makes anything of an order: an order must not stay unprinted because of
//! how it was to look. It has no template, no bound that it could exceed, and cannot fail.

use super::blocks::BLOCKS_MAX;
use super::view::{Slip, without_phones};
use docket_protocol::document::{Align, Block, Document, Style};

/// Bytes of a text at most; platforms' adapters cut theirs far below.
const TEXT_BYTES_MAX: usize = 4_096;

/// A slip with what nobody can do without: whose it is, where it goes, what is to be made.
pub fn plain(slip: &Slip<'_>) -> Document {
    let order = slip.order;
    let mut document = Document::default();
    let mut line = |text: &str, style, align| {
        if !text.trim().is_empty() && document.blocks.len() < BLOCKS_MAX {
            let text = text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned();
            document.blocks.push(Block::Text { text, style, align });
        }
    };
    let title = format!("{}{} #{}", slip.kind.prefix(), order.key.platform.title(), order.pickup_number);
    line(&title, Style::BIG, Align::Center);
    line(&format!("{} {}", slip.kind.ticket().title(), slip.station), Style::NORMAL, Align::Center);
    for dish in slip.parts.iter().flat_map(|part| &part.dishes) {
        line(&format!("{} {} ×{}", dish.name, dish.spec, dish.quantity), Style::TALL, Align::Left);
        line(&format!("  {}", dish.choices.join(" ")), Style::NORMAL, Align::Left);
    }
    line(&without_phones(&order.note), Style::TALL, Align::Left);
    line(&format!("订单号 {}", order.key.id), Style::NORMAL, Align::Left);
    document
}
