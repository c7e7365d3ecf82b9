//! A printer's state and the status bytes that it makes of it.
//!
//! Bits after Epson's ESC/POS reference (DLE EOT, GS a, GS r); `spec/escpos.md` has the part that Docket
//! uses. A fixed pattern tells the kinds of answer apart: `& 0x93` is `0x12` for DLE EOT and `0x10` for the
//! first byte of an automatic status, `& 0x90` is 0 for everything else.

use serde_json::{Value, json};

/// Fixed bits of an answer to DLE EOT.
pub const REAL_TIME_FIXED: u8 = 0x12;
/// Fixed bits of the first byte of an automatic status.
pub const ASB_FIXED: u8 = 0x10;
/// Fourth byte of an automatic status; its low bits are reserved and set on Epson's devices.
const ASB_FOURTH: u8 = 0x0F;
/// The part of `GS a` that means: changes of the online state.
const ASB_ONLINE: u8 = 0x02;
/// The part of `GS a` that means: changes of errors.
const ASB_ERRORS: u8 = 0x04;
/// The part of `GS a` that means: changes of the paper sensors.
const ASB_PAPER: u8 = 0x08;

/// What is in the roll holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Paper {
    /// Enough.
    #[default]
    In,
    /// Nearly used up; it still prints.
    NearEnd,
    /// Nothing.
    Out,
}

/// What is wrong with the mechanism. This alone makes the status bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// The roll.
    pub paper: Paper,
    /// The cover is open.
    pub cover_open: bool,
    /// The cutter is jammed.
    pub cutter_error: bool,
    /// The head is too hot.
    pub heat: bool,
    /// Only switching off helps.
    pub fatal: bool,
    /// Offline without a reason that it tells.
    pub offline: bool,
}

impl Conditions {
    /// Whether it prints.
    pub fn online(&self) -> bool {
        let stopped = self.cover_open || self.offline || self.paper == Paper::Out;
        !stopped && !self.error()
    }

    fn error(&self) -> bool {
        self.cutter_error || self.heat || self.fatal
    }

    /// The answer to `DLE EOT n`, n from 1 to 4.
    pub(super) fn real_time(&self, n: u8) -> Option<u8> {
        let bits = match n {
            1 => bit(!self.online(), 0x08),
            2 => bit(self.cover_open, 0x04) | bit(self.paper == Paper::Out, 0x20) | bit(self.error(), 0x40),
            3 => bit(self.cutter_error, 0x08) | bit(self.fatal, 0x20) | bit(self.heat, 0x40),
            // A roll that is out has also passed the near-end sensor.
            4 => bit(self.paper != Paper::In, 0x0C) | bit(self.paper == Paper::Out, 0x60),
            _ => return None,
        };
        Some(REAL_TIME_FIXED | bits)
    }

    /// The answer to `GS r 1`. Out is never told this way: the command waits while there is no paper.
    pub(super) fn paper_sensor(&self) -> u8 {
        bit(self.paper != Paper::In, 0x03) | bit(self.paper == Paper::Out, 0x0C)
    }

    /// The four bytes of an automatic status.
    pub(super) fn automatic(&self) -> [u8; 4] {
        [
            ASB_FIXED | bit(!self.online(), 0x08) | bit(self.cover_open, 0x20),
            bit(self.cutter_error, 0x08) | bit(self.fatal, 0x20) | bit(self.heat, 0x40),
            bit(self.paper != Paper::In, 0x03) | bit(self.paper == Paper::Out, 0x0C),
            ASB_FOURTH,
        ]
    }

    /// Whether the step from `before` is one that `GS a mask` asked to be told.
    pub(super) fn differs_for(&self, before: &Conditions, mask: u8) -> bool {
        let (now, then) = (self.automatic(), before.automatic());
        (mask & ASB_ONLINE != 0 && now[0] != then[0])
            || (mask & ASB_ERRORS != 0 && now[1] != then[1])
            || (mask & ASB_PAPER != 0 && now[2] != then[2])
    }
}

fn bit(set: bool, bits: u8) -> u8 {
    if set { bits } else { 0 }
}

/// Everything there is to know of a virtual printer at a moment, except its receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What is wrong with the mechanism.
    pub conditions: Conditions,
    /// Switched on.
    pub powered: bool,
    /// Its cable is plugged in.
    pub plugged: bool,
    /// New connections are refused.
    pub refusing: bool,
    /// Answers nothing.
    pub silent: bool,
    /// Takes nothing.
    pub hanging: bool,
    /// A client is connected; on a serial line or USB, which know of no clients, that it is there and switched on.
    pub connected: bool,
    /// Connections accepted since the start, or how often it was plugged in or switched on.
    pub connections: u64,
    /// Bytes read from all connections since the start.
    pub bytes_received: u64,
    /// Bytes that wait in the receive buffer.
    pub bytes_waiting: usize,
    /// Lines, images and symbols that were put on paper since the start.
    pub lines_printed: u64,
    /// Receipts that ended since the start; not all of them may be kept.
    pub receipts: u64,
    /// Unknown or malformed commands and bytes since the start.
    pub flags: u64,
    /// Drawer kicks since the start.
    pub drawer_kicks: u64,
    /// `ESC @` obeyed since the start: drivers begin a ticket with it.
    pub resets: u64,
    /// Fences answered (`GS ( H` and `GS r`) since the start.
    pub fences_answered: u64,
    /// `DLE EOT` requests seen since the start, answered or not.
    pub status_requests: u64,
    /// The mask of `GS a`; 0 is off.
    pub automatic_status: u8,
    /// Lines until the paper is out, where that was asked for.
    pub paper_lines_left: Option<u32>,
    /// Text of the receipt that has not ended.
    pub paper_so_far: String,
}

impl Status {
    /// Whether it would print a line now.
    pub fn online(&self) -> bool {
        self.powered && self.conditions.online()
    }

    /// As `status` on the control port shows it.
    pub fn to_json(&self) -> Value {
        json!({
            "online": self.online(),
            "paper": match self.conditions.paper {
                Paper::In => "in",
                Paper::NearEnd => "near-end",
                Paper::Out => "out",
            },
            "paper_lines_left": self.paper_lines_left,
            "cover_open": self.conditions.cover_open,
            "cutter_error": self.conditions.cutter_error,
            "heat": self.conditions.heat,
            "fatal": self.conditions.fatal,
            "offline": self.conditions.offline,
            "powered": self.powered,
            "plugged": self.plugged,
            "refusing": self.refusing,
            "silent": self.silent,
            "hanging": self.hanging,
            "connected": self.connected,
            "connections": self.connections,
            "bytes_received": self.bytes_received,
            "bytes_waiting": self.bytes_waiting,
            "lines_printed": self.lines_printed,
            "receipts": self.receipts,
            "flags": self.flags,
            "drawer_kicks": self.drawer_kicks,
            "resets": self.resets,
            "fences_answered": self.fences_answered,
            "status_requests": self.status_requests,
            "automatic_status": self.automatic_status,
            "paper_so_far": self.paper_so_far,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_bytes_follow_the_specification() {
        let fine = Conditions::default();
        let table = [
            (fine, [0x12, 0x12, 0x12, 0x12], [0x10, 0, 0, 0x0F]),
            (Conditions { paper: Paper::NearEnd, ..fine }, [0x12, 0x12, 0x12, 0x1E], [0x10, 0, 0x03, 0x0F]),
            (Conditions { paper: Paper::Out, ..fine }, [0x1A, 0x32, 0x12, 0x7E], [0x18, 0, 0x0F, 0x0F]),
            (Conditions { cover_open: true, ..fine }, [0x1A, 0x16, 0x12, 0x12], [0x38, 0, 0, 0x0F]),
            (Conditions { cutter_error: true, ..fine }, [0x1A, 0x52, 0x1A, 0x12], [0x18, 0x08, 0, 0x0F]),
            (Conditions { fatal: true, ..fine }, [0x1A, 0x52, 0x32, 0x12], [0x18, 0x20, 0, 0x0F]),
            (Conditions { heat: true, ..fine }, [0x1A, 0x52, 0x52, 0x12], [0x18, 0x40, 0, 0x0F]),
            (Conditions { offline: true, ..fine }, [0x1A, 0x12, 0x12, 0x12], [0x18, 0, 0, 0x0F]),
        ];
        for (conditions, real_time, automatic) in table {
            for (n, expected) in (1..).zip(real_time) {
                assert_eq!(conditions.real_time(n), Some(expected), "{conditions:?} n={n}");
                assert_eq!(expected & 0x93, REAL_TIME_FIXED);
            }
            assert_eq!(conditions.automatic(), automatic, "{conditions:?}");
            assert_eq!(automatic[0] & 0x93, ASB_FIXED);
            assert_eq!(conditions.paper_sensor() & 0x90, 0);
        }
        assert_eq!(fine.real_time(0), None);
        assert_eq!(fine.real_time(5), None);
    }

    #[test]
    fn only_changes_that_were_asked_for_are_told() {
        let fine = Conditions::default();
        let near_end = Conditions { paper: Paper::NearEnd, ..fine };
        assert!(near_end.differs_for(&fine, 0xFF));
        assert!(near_end.differs_for(&fine, ASB_PAPER));
        assert!(!near_end.differs_for(&fine, ASB_ONLINE | ASB_ERRORS));
        assert!(!fine.differs_for(&fine, 0xFF));
    }
}
