//! What a printer has heard of a ticket, told from its bytes.
//!
//! Between tickets an agent asks and sets: DLE EOT, ESC @ with GS a FF behind it; and on a new connection zeros, which end
//! what another left open, and fences of their own that ask what it answers. A ticket begins with FS & or with a GS a FF of its
//! own. So whatever is no whole word of the former, and no beginning of one, is of a ticket.

use docket_tests::virtual_printer::VirtualPrinter;

/// The status queries that come before a ticket.
pub const PREFLIGHT_QUERIES: usize = 4;
const STATUS_QUERY: [u8; 2] = [0x10, 0x04];
/// ESC @, GS a FF.
const INITIALIZATION: [u8; 5] = [0x1B, 0x40, 0x1D, 0x61, 0xFF];
/// GS ( H, function 48: behind the content, and behind the cut.
const FENCE: [u8; 7] = [0x1D, 0x28, 0x48, 0x06, 0x00, 0x30, 0x30];
const FENCE_ID_BYTES: usize = 4;
/// GS r 1, a fence with the probe's id, GS r 1.
const PROBE: [u8; 17] = *b"\x1dr\x01\x1d(H\x06\x0000[__]\x1dr\x01";
/// A fence that is asked behind ESC @, in no ticket.
const INITIALIZED: [u8; 11] = *b"\x1d(H\x06\x0000]__[";

/// How much of a ticket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing. `asked`: how many questions came whole.
    Nothing { asked: usize },
    /// Not yet the fence that asks whether it is on paper.
    Part,
    /// That one, too.
    Fence,
}

impl Heard {
    /// What of a ticket is in the first bytes that an idle printer heard.
    pub fn in_bytes(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let mut asked = 0;
        loop {
            if let [0x10, 0x04, 1..=4, after @ ..] = rest {
                asked += 1;
                rest = after;
            } else if let Some(after) = rest
                .strip_prefix(&[0])
                .or_else(|| rest.strip_prefix(&INITIALIZATION))
                .or_else(|| rest.strip_prefix(&PROBE))
                .or_else(|| rest.strip_prefix(&INITIALIZED))
            {
                rest = after;
            } else {
                break;
            }
        }
        if STATUS_QUERY.starts_with(rest) || INITIALIZATION.starts_with(rest) {
            return Heard::Nothing { asked };
        }
        let fence = rest.windows(FENCE.len()).position(|bytes| bytes == FENCE);
        match fence {
            Some(at) if rest.len() >= at + FENCE.len() + FENCE_ID_BYTES => Heard::Fence,
            Some(_) | None => Heard::Part,
        }
    }
}

/// What a printer heard since it had received so many bytes.
pub fn heard_after(printer: &VirtualPrinter, before: u64) -> anyhow::Result<Vec<u8>> {
    let heard = printer.heard_after(before);
    heard.ok_or_else(|| anyhow::anyhow!("{} has forgotten what it heard", printer.plug()))
}
