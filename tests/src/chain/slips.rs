//! What lies on the counter: slips, whole or not.
//!
//! A receipt is what lies between two cuts. Where a line was lost before the cut, it holds several slips: the one that
//! was interrupted, and the one that was printed instead.

use crate::virtual_printer::{Receipt, VirtualPrinter};

/// What a slip's mark begins with.
const MARK: &str = "【补打 ";
/// What every title of an order holds, before the pick-up number.
const TITLE: &str = "美团外卖 #";

/// A slip, whole or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// The number after 补打; `None` is unmarked.
    pub repeat: Option<u32>,
    /// The pick-up number; `None` where the paper ends before it.
    pub pickup: Option<u32>,
    /// Its last line, blank ones left out.
    pub last_line: String,
    /// Whether the paper that it is on was cut.
    pub cut: bool,
}

/// All slips of a printer in the order of printing.
pub fn on_paper(printer: &VirtualPrinter) -> Vec<Slip> {
    printer.receipts().iter().flat_map(on_receipt).collect()
}

/// The slips of one receipt. Each begins with its mark, if it has one, and its title in 2×2.
pub fn on_receipt(receipt: &Receipt) -> Vec<Slip> {
    let mut slips: Vec<Slip> = Vec::new();
    let slip = |repeat, pickup| Slip { repeat, pickup, last_line: String::new(), cut: receipt.was_cut() };
    for line in receipt.lines() {
        let mark = line.text.strip_prefix(MARK).and_then(|rest| rest.strip_suffix('】')?.parse().ok());
        let title = line.text.split_once(TITLE).filter(|_| line.width == 2 && line.height == 2);
        let pickup = title.and_then(|(_, number)| number.parse().ok());
        match (mark, pickup, slips.last_mut()) {
            (Some(mark), _, _) => slips.push(slip(Some(mark), None)),
            // The title that follows a mark is of the same slip.
            (None, Some(pickup), Some(last)) if last.repeat.is_some() && last.pickup.is_none() => {
                last.pickup = Some(pickup);
            }
            (None, Some(pickup), _) => slips.push(slip(None, Some(pickup))),
            (None, None, _) => {}
        }
        if let Some(last) = slips.last_mut()
            && !line.text.trim().is_empty()
        {
            last.last_line = line.text;
        }
    }
    slips
}

/// Whether a ticket's slips are in order, given the 补打 numbers in the order of printing: at most the first is
/// unmarked, and the numbers rise.
pub fn are_marked_rightly(slips: &[Slip]) -> bool {
    slips.is_sorted_by(|before, after| before.repeat.unwrap_or(0) < after.repeat.unwrap_or(0))
}
