//! What the Windows spooler says of a queue and of the jobs in it, as conditions.
//!
//! A bit that is set was set by a driver or by the spooler, for a reason. One that is not set says nothing: many drivers
//! never set any, and the spooler itself finds out that a port is dead only when it has a job for it. So no bits are
//! never "well", and a job that the spooler calls printed is one that the port has taken, which is not paper.
//!
//! The bits are those of winspool.h, written here so that this is tried wherever the rest is.

use crate::printing::health::Conditions;
use docket_protocol::printer::Condition;

/// Bits of `PRINTER_INFO_2.Status`.
mod printer {
    pub(super) const PAUSED: u32 = 0x1;
    pub(super) const ERROR: u32 = 0x2;
    pub(super) const PENDING_DELETION: u32 = 0x4;
    pub(super) const PAPER_JAM: u32 = 0x8;
    pub(super) const PAPER_OUT: u32 = 0x10;
    pub(super) const MANUAL_FEED: u32 = 0x20;
    pub(super) const PAPER_PROBLEM: u32 = 0x40;
    pub(super) const OFFLINE: u32 = 0x80;
    pub(super) const OUTPUT_BIN_FULL: u32 = 0x800;
    pub(super) const NOT_AVAILABLE: u32 = 0x1000;
    pub(super) const USER_INTERVENTION: u32 = 0x10_0000;
    pub(super) const OUT_OF_MEMORY: u32 = 0x20_0000;
    pub(super) const DOOR_OPEN: u32 = 0x40_0000;
    pub(super) const SERVER_UNKNOWN: u32 = 0x80_0000;
    pub(super) const SERVER_OFFLINE: u32 = 0x200_0000;
}

/// Bits of `PRINTER_INFO_2.Attributes`.
mod attribute {
    pub(super) const WORK_OFFLINE: u32 = 0x400;
}

/// Bits of `JOB_INFO_1.Status`.
mod job {
    pub(super) const PAUSED: u32 = 0x1;
    pub(super) const ERROR: u32 = 0x2;
    pub(super) const OFFLINE: u32 = 0x20;
    pub(super) const PAPEROUT: u32 = 0x40;
    pub(super) const PRINTED: u32 = 0x80;
    pub(super) const DELETED: u32 = 0x100;
    pub(super) const BLOCKED_DEVQ: u32 = 0x200;
    pub(super) const USER_INTERVENTION: u32 = 0x400;
    pub(super) const COMPLETE: u32 = 0x1000;
}

/// What a queue's status and attributes come to.
pub(super) fn of_queue(status: u32, attributes: u32) -> Conditions {
    let says = |bits| status & bits != 0;
    // A person sets it, and Windows does where it has seen the printer go.
    let works_offline = attributes & attribute::WORK_OFFLINE != 0;
    let told = Conditions::NONE
        .with_if(says(printer::PAUSED | printer::PENDING_DELETION) || works_offline, Condition::Queue)
        .with_if(
            says(
                printer::OFFLINE | printer::NOT_AVAILABLE | printer::SERVER_UNKNOWN | printer::SERVER_OFFLINE,
            ),
            Condition::Unreachable,
        )
        .with_if(says(printer::DOOR_OPEN), Condition::CoverOpen)
        .with_if(says(printer::PAPER_OUT), Condition::PaperOut)
        // In a receipt printer paper jams at the cutter.
        .with_if(says(printer::PAPER_JAM), Condition::Cutter)
        .with_if(says(printer::OUT_OF_MEMORY), Condition::Fatal);
    let untold = says(
        printer::ERROR
            | printer::MANUAL_FEED
            | printer::PAPER_PROBLEM
            | printer::OUTPUT_BIN_FULL
            | printer::USER_INTERVENTION,
    );
    told.with_if(untold && !told.stop_printing(), Condition::Offline)
}

/// What the status of a job comes to. `is_ours`: it is one of the agent's tickets. Any job in error holds up those behind
/// it; a paused one only itself.
pub(super) fn of_job(status: u32, is_ours: bool) -> Conditions {
    let says = |bits| status & bits != 0;
    if says(job::PRINTED | job::DELETED | job::COMPLETE) {
        return Conditions::NONE;
    }
    let is_stuck = says(job::ERROR | job::BLOCKED_DEVQ) || is_ours && says(job::PAUSED);
    let told = Conditions::NONE
        .with_if(says(job::OFFLINE), Condition::Unreachable)
        .with_if(says(job::PAPEROUT), Condition::PaperOut)
        .with_if(is_stuck, Condition::Queue);
    told.with_if(says(job::USER_INTERVENTION) && !told.stop_printing(), Condition::Offline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Condition::{CoverOpen, Cutter, Fatal, Offline, PaperOut, Queue, Unreachable};

    fn shown(conditions: Conditions) -> Vec<Condition> {
        conditions.iter().collect()
    }

    #[test]
    fn what_a_queue_says_is_shown() {
        let table: [(u32, &[Condition]); 15] = [
            (0x1, &[Queue]),
            (0x2, &[Offline]),
            (0x4, &[Queue]),
            (0x8, &[Cutter]),
            (0x10, &[PaperOut]),
            (0x40, &[Offline]),
            (0x80, &[Unreachable]),
            (0x1000, &[Unreachable]),
            (0x10_0000, &[Offline]),
            (0x20_0000, &[Fatal]),
            (0x40_0000, &[CoverOpen]),
            (0x200_0000, &[Unreachable]),
            // What says less of the cause is left out.
            (0x2 | 0x10 | 0x10_0000, &[PaperOut]),
            (0x2 | 0x80, &[Unreachable]),
            (0x1 | 0x40_0000 | 0x10, &[CoverOpen, PaperOut, Queue]),
        ];
        for (status, expected) in table {
            assert_eq!(shown(of_queue(status, 0)), expected, "{status:#x}");
            assert!(of_queue(status, 0).stop_printing(), "{status:#x}");
        }
        assert_eq!(shown(of_queue(0, 0x400)), [Queue]);
    }

    #[test]
    fn work_and_silence_stop_nothing() {
        // Busy, printing, waiting, processing, warming up, saving power; toner is no matter of a thermal printer.
        for status in [0, 0x100, 0x200, 0x400, 0x2000, 0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x100_0000] {
            assert_eq!(shown(of_queue(status, !0x400)), [], "{status:#x}");
        }
        // Spooling, printing, printed, deleted, complete, kept.
        for status in [0, 0x8, 0x10, 0x80, 0x82, 0x100, 0x1000, 0x2080] {
            assert_eq!(shown(of_job(status, true)), [], "{status:#x}");
        }
    }

    #[test]
    fn a_job_that_is_stuck_holds_up_the_queue() {
        for is_ours in [false, true] {
            let of_job = |status| shown(of_job(status, is_ours));
            assert_eq!(of_job(0x2 | 0x10), [Queue]);
            assert_eq!(of_job(0x200), [Queue]);
            assert_eq!(of_job(0x40 | 0x10), [PaperOut]);
            assert_eq!(of_job(0x20 | 0x2), [Unreachable, Queue]);
            assert_eq!(of_job(0x400), [Offline]);
            assert_eq!(of_job(0x1), if is_ours { vec![Queue] } else { vec![] });
        }
    }
}
