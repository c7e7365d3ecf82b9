//! The paper that hangs out of the printer, and the receipts that were torn off it.

use super::options::PaperWidth;
use super::paper::Item;
use super::receipt::{Flag, FlagKind, Kick, Printed, Receipt, text};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Items of one receipt; a driver that never cuts gets receipts of this length.
const ITEMS_MAX: usize = 20_000;
/// Bytes of one receipt, likewise.
const RAW_BYTES_MAX: usize = 4 << 20;
/// Flags that one receipt keeps; all are counted.
const FLAGS_MAX: usize = 1_000;
/// Drawer kicks that one receipt keeps; all are counted.
const KICKS_MAX: usize = 100;
/// Bytes of all receipts that are kept, whatever their number.
const STACK_BYTES_MAX: usize = 256 << 20;

/// The paper since the last cut.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    items: Vec<Item>,
    raw: Vec<u8>,
    flags: Vec<Flag>,
    kicks: Vec<Kick>,
    buzzes: u32,
    first_received_at: Option<Instant>,
}

impl Sheet {
    pub fn print(&mut self, item: Item) {
        self.items.push(item);
    }

    pub fn raw(&mut self, bytes: &[u8], received_at: Instant) {
        self.first_received_at.get_or_insert(received_at);
        if self.raw.len() + bytes.len() > RAW_BYTES_MAX && self.items.is_empty() {
            // Settings without end and no paper: only the newest are of interest.
            self.raw.clear();
        }
        self.raw.extend_from_slice(bytes);
    }

    /// Takes back the last bytes: real-time commands are no part of a receipt.
    pub fn forget_raw(&mut self, length: usize) {
        self.raw.truncate(self.raw.len().saturating_sub(length));
        if self.raw.is_empty() && self.items.is_empty() {
            self.first_received_at = None;
        }
    }

    /// A flag for the bytes that were taken last.
    pub fn flag(&mut self, flag: Flag) {
        if self.flags.len() < FLAGS_MAX {
            let offset = self.raw.len().saturating_sub(flag.length);
            self.flags.push(Flag { offset, ..flag });
        }
    }

    pub fn kick(&mut self, kick: Kick) {
        if self.kicks.len() < KICKS_MAX {
            self.kicks.push(kick);
        }
    }

    pub fn buzz(&mut self, times: u8) {
        self.buzzes = self.buzzes.saturating_add(u32::from(times));
    }

    /// Grown past what a receipt may be; notes that on it.
    pub fn is_full(&mut self) -> bool {
        let full = self.items.len() >= ITEMS_MAX || self.raw.len() >= RAW_BYTES_MAX;
        if full {
            self.flag(Flag { kind: FlagKind::PaperTooLong, offset: 0, length: 0, bytes: Vec::new() });
        }
        full
    }

    pub fn text(&self) -> String {
        text(&self.items)
    }
}

/// Finished receipts, a bounded number of them.
#[derive(Debug)]
pub(super) struct Stack {
    receipts: VecDeque<Receipt>,
    count: u64,
    kept: usize,
    bytes: usize,
}

impl Stack {
    pub fn new(kept: usize) -> Stack {
        Stack { receipts: VecDeque::new(), count: 0, kept, bytes: 0 }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Kept receipts with numbers from `first` on.
    pub fn from(&self, first: u64) -> Vec<Receipt> {
        let oldest = self.count - self.receipts.len() as u64 + 1;
        let skip = usize::try_from(first.saturating_sub(oldest)).unwrap_or(usize::MAX);
        self.receipts.iter().skip(skip).cloned().collect()
    }

    /// Ends a sheet as a receipt; gives it back where there is no paper to it.
    pub fn put(
        &mut self,
        sheet: Sheet,
        paper: PaperWidth,
        cut: bool,
        received_at: Instant,
        printed_at: Instant,
    ) -> Option<Sheet> {
        if sheet.items.is_empty() {
            return Some(sheet);
        }
        self.count += 1;
        let receipt = Receipt(Arc::new(Printed {
            number: self.count,
            paper,
            items: sheet.items,
            raw: sheet.raw,
            flags: sheet.flags,
            kicks: sheet.kicks,
            buzzes: sheet.buzzes,
            cut,
            first_received_at: sheet.first_received_at.unwrap_or(received_at),
            received_at,
            printed_at,
        }));
        self.bytes += receipt.raw().len();
        self.receipts.push_back(receipt);
        while self.receipts.len() > self.kept || self.bytes > STACK_BYTES_MAX {
            let Some(oldest) = self.receipts.pop_front() else { break };
            self.bytes -= oldest.raw().len();
        }
        None
    }
}
