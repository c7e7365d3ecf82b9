//! What goes wrong, and when.

use super::NOTE_END;
use docket_tests::platform::orders::Chance;
use docket_tests::virtual_printer::{Fault, Status, VirtualPrinter};
use std::time::Duration;

/// How long a moment is waited for; then it happens all the same.
const MOMENT_MAX: Duration = Duration::from_secs(6);
/// How long the next cut is waited for; there may be none.
const CUT_MAX: Duration = Duration::from_secs(2);
/// How long a fault lasts at most.
const LASTS_MS_MAX: usize = 700;
/// Bytes after which a contact is lost: less than a ticket has.
const LOOSE_BYTES_MAX: usize = 500;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    PaperOut,
    CoverOpen,
    CutterJam,
    Heat,
    SwitchedOff,
    Unplugged,
    LooseContact,
    Hangs,
    Silent,
    Garbage,
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Before the ticket is there.
    Before,
    /// A part of it is on paper.
    Middle,
    /// All of it is on paper; its fences and the cut may be under way.
    After,
}

impl Trouble {
    /// What passes within a moment once it is mended.
    pub const QUICK: [Trouble; 8] = [
        Trouble::PaperOut,
        Trouble::CoverOpen,
        Trouble::CutterJam,
        Trouble::Heat,
        Trouble::SwitchedOff,
        Trouble::Unplugged,
        Trouble::LooseContact,
        Trouble::Hangs,
    ];
    /// What leaves an answer that never comes, and so takes half a minute.
    pub const SLOW: [Trouble; 2] = [Trouble::Silent, Trouble::Garbage];

    /// Whether the printer goes on by itself, so that a ticket comes out once, whatever the moment.
    pub fn keeps_the_line(self) -> bool {
        match self {
            Trouble::PaperOut | Trouble::CoverOpen | Trouble::CutterJam | Trouble::Heat | Trouble::Hangs => {
                true
            }
            Trouble::SwitchedOff
            | Trouble::Unplugged
            | Trouble::LooseContact
            | Trouble::Silent
            | Trouble::Garbage => false,
        }
    }

    fn faults(self, chance: &mut Chance) -> (Fault, Option<Fault>) {
        match self {
            Trouble::PaperOut => (Fault::PaperOut, Some(Fault::PaperIn)),
            Trouble::CoverOpen => (Fault::CoverOpen, Some(Fault::CoverClosed)),
            Trouble::CutterJam => (Fault::CutterJamAtNextCut, Some(Fault::CutterOk)),
            Trouble::Heat => (Fault::Heat(true), Some(Fault::Heat(false))),
            Trouble::SwitchedOff => (Fault::Power(false), Some(Fault::Power(true))),
            Trouble::Unplugged => (Fault::Unplugged(true), Some(Fault::Unplugged(false))),
            Trouble::LooseContact => (Fault::DropAfterBytes(chance.below(LOOSE_BYTES_MAX) as u64), None),
            Trouble::Hangs => (Fault::Hang(true), Some(Fault::Hang(false))),
            Trouble::Silent => (Fault::Silent(true), Some(Fault::Silent(false))),
            Trouble::Garbage => (Fault::Garbage(true), Some(Fault::Garbage(false))),
        }
    }
}

impl Moment {
    /// All of them.
    pub const ALL: [Moment; 3] = [Moment::Before, Moment::Middle, Moment::After];
}

/// One run: what, when, and by which chance.
#[derive(Debug, Clone)]
pub struct Run {
    pub trouble: Trouble,
    pub moment: Moment,
    pub chance: Chance,
}

impl Run {
    /// What has to be so before the ticket is placed.
    pub fn prepare(&mut self, printer: &VirtualPrinter) {
        if self.moment == Moment::Before {
            printer.set(self.trouble.faults(&mut self.chance).0);
        }
    }

    /// Waits for the moment, makes it go wrong for a while, and mends it. `before` is from before the ticket. Whether
    /// the moment came.
    pub async fn happen(mut self, printer: &VirtualPrinter, before: &Status) -> bool {
        let lines = before.lines_printed;
        let came = match self.moment {
            Moment::Before => true,
            Moment::Middle => {
                let begun = |status: &Status| status.lines_printed > lines && !status.paper_so_far.is_empty();
                printer.wait_until(MOMENT_MAX, begun).await.is_ok()
            }
            Moment::After => {
                let receipts = before.receipts;
                let is_out =
                    |status: &Status| status.receipts > receipts || status.paper_so_far.contains(NOTE_END);
                printer.wait_until(MOMENT_MAX, is_out).await.is_ok()
            }
        };
        let (fault, mended) = self.trouble.faults(&mut self.chance);
        if self.moment != Moment::Before {
            printer.set(fault);
        }
        tokio::time::sleep(Duration::from_millis(self.chance.below(LASTS_MS_MAX) as u64)).await;
        if self.trouble == Trouble::CutterJam && !printer.status().conditions.cutter_error {
            // It goes wrong at the next cut, and that has to come first.
            let jammed = |status: &Status| status.conditions.cutter_error;
            let _ = printer.wait_until(CUT_MAX, jammed).await;
        }
        if let Some(mended) = mended {
            printer.set(mended);
        }
        came
    }
}
