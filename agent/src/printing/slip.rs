//! What a claimed ticket puts on paper: its document with its marks, as often as it has copies.
//!
//! A ticket is one promise, however many copies it has: they are one job with a cut between them and one fence at
//! the end. So nothing comes between two copies, not even an urgent ticket, and where it is not known whether all
//! came out, all are printed again, each marked. Rejected: a job for each copy (an outcome for half a ticket means
//! nothing to the kitchen, and the hub would have to count them).

use crate::spool::Claim;
use docket_paper::Paper;
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use docket_protocol::ticket::COPIES_MAX;

/// The lines of all copies.
pub fn lines(claim: &Claim, paper: Paper) -> Vec<Line> {
    let marks = Marks {
        repeat: claim.repeat,
        backup_for: claim.backup_for.as_ref().map(|printer| printer.as_str().to_owned()),
        late_min: claim.late_min,
    };
    let slip = lay_out(&claim.ticket.document, paper, &marks);
    // A drawer is opened and a buzzer sounds once for each ticket.
    let further: Vec<Line> = slip.iter().filter(|line| is_on_paper(line)).cloned().collect();
    let copies = usize::from(claim.ticket.copies.clamp(1, COPIES_MAX));
    let mut lines = slip;
    if further.is_empty() {
        return lines;
    }
    for _ in 1..copies {
        lines.push(Line::Cut);
        lines.extend_from_slice(&further);
    }
    lines
}

fn is_on_paper(line: &Line) -> bool {
    match line {
        Line::Drawer { .. } | Line::Buzzer { .. } => false,
        Line::Text { .. }
        | Line::Feed(_)
        | Line::Qr { .. }
        | Line::Image { .. }
        | Line::Barcode { .. }
        | Line::Cut => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use docket_protocol::document::{Align, Block, Document, Style};
    use docket_protocol::ids::{OrderKey, Platform, PrinterName, Station, TicketId, UnixMs};
    use docket_protocol::ticket::{Ticket, TicketKind};

    fn claim(copies: u8, blocks: Vec<Block>) -> Claim {
        let ticket = Ticket {
            id: TicketId::from_bytes([1; 16]),
            order: OrderKey { platform: Platform::Meituan, id: "1".into() },
            kind: TicketKind::Bill,
            station: Station::new("front"),
            title: "#1".into(),
            made_at: UnixMs(0),
            maybe_printed: false,
            urgent: false,
            copies,
            expires_at: None,
            document: Document { blocks },
        };
        Claim { ticket, attempt: 1, repeat: 0, backup_for: None, late_min: 0 }
    }

    fn text(text: &str) -> Block {
        Block::Text { text: text.into(), style: Style::NORMAL, align: Align::Left }
    }

    fn shown(claim: &Claim) -> Vec<String> {
        let word = |line: &Line| match line {
            Line::Text { text, .. } => text.clone(),
            Line::Cut => "✂".into(),
            Line::Drawer { .. } => "drawer".into(),
            other => panic!("{other:?}"),
        };
        lines(claim, Paper::Mm80).iter().map(word).collect()
    }

    #[test]
    fn copies_are_cut_apart_and_open_the_drawer_once() {
        let blocks = vec![Block::Drawer { connector: 1 }, text("a"), Block::Cut, text("b")];
        assert_eq!(
            shown(&claim(3, blocks.clone())),
            ["drawer", "a", "✂", "b", "✂", "a", "✂", "b", "✂", "a", "✂", "b"]
        );
        assert_eq!(shown(&claim(1, blocks.clone())), ["drawer", "a", "✂", "b"]);
        assert_eq!(shown(&claim(0, blocks)), ["drawer", "a", "✂", "b"], "a ticket without copies is one");
        assert_eq!(shown(&claim(255, vec![text("a")])).len(), usize::from(COPIES_MAX) * 2 - 1);
        assert_eq!(shown(&claim(2, vec![Block::Drawer { connector: 2 }])), ["drawer"]);
    }

    #[test]
    fn each_copy_bears_the_marks() {
        let mut claim = claim(2, vec![text("a")]);
        claim.repeat = 2;
        claim.backup_for = Some(PrinterName::new("kitchen"));
        claim.late_min = 75;
        let copy = ["【补打 2】", "【备用】kitchen", "【迟到】75分钟", "a"];
        assert_eq!(shown(&claim), [&copy[..], &["✂"], &copy].concat());
    }
}
