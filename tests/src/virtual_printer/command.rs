//! Where a command ends.
//!
//! ESC/POS has no framing: a printer must know each command's length to find the next one. Lengths are after
//! Epson's ESC/POS reference, with the commands that Chinese makers added (`ESC B`, `FS &`, `ESC 9`). A
//! command that is not in this table is unknown, and what follows it will come out as text, as it does on a
//! device.

/// ESC, the head of most commands.
pub const ESC: u8 = 0x1B;
/// FS, the head of commands for Chinese characters.
pub const FS: u8 = 0x1C;
/// GS, the head of newer commands.
pub const GS: u8 = 0x1D;
/// DLE, the head of real-time commands.
pub const DLE: u8 = 0x10;

/// Longest list of a command that ends with NUL: a bar code of the old form, or tab positions.
const NUL_LIST_BYTES_MAX: usize = 257;

/// What is known of a command's length from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// It takes more bytes to know.
    More,
    /// So many bytes, the head included.
    Whole(usize),
    /// Not a command; so many bytes are to be flagged and dropped.
    Unknown(usize),
}

use Measure::{More, Unknown, Whole};

/// Measures the command at the start of `head`, whose first byte is DLE, ESC, FS or GS.
pub(super) fn measure(head: &[u8]) -> Measure {
    match head.first() {
        None => More,
        Some(&DLE) => real_time(head),
        Some(&ESC) => escape(head),
        Some(&FS) => chinese(head),
        Some(&GS) => group(head),
        Some(_) => Unknown(1),
    }
}

fn real_time(head: &[u8]) -> Measure {
    match (head.get(1), head.get(2)) {
        (None, _) => More,
        // DLE EOT n; 7 and 8 carry one more byte.
        (Some(0x04), None) => More,
        (Some(0x04), Some(7 | 8)) => Whole(4),
        (Some(0x04), Some(_)) => Whole(3),
        // DLE ENQ n.
        (Some(0x05), _) => Whole(3),
        // DLE DC4 fn: 1 pulse, 2 power off, 8 clear buffers.
        (Some(0x14), None) => More,
        (Some(0x14), Some(1 | 2)) => Whole(5),
        (Some(0x14), Some(8)) => Whole(10),
        (Some(0x14), Some(_)) => Unknown(3),
        (Some(_), _) => Unknown(1),
    }
}

fn escape(head: &[u8]) -> Measure {
    let Some(&code) = head.get(1) else { return More };
    match code {
        b'@' | b'2' | b'S' | b'i' | b'm' | b'v' | b'L' | 0x0C => Whole(2),
        b' ' | b'!' | b'%' | b'-' | b'3' | b'9' | b'=' | b'?' | b'E' | b'G' | b'J' | b'K' | b'M' | b'R'
        | b'T' | b'V' | b'a' | b'd' | b'e' | b'r' | b't' | b'u' | b'{' => Whole(3),
        b'$' | b'\\' | b'B' | b'c' => Whole(4),
        b'p' => Whole(5),
        b'W' => Whole(10),
        b'*' => bit_image(head),
        b'D' => nul_list(head, 2),
        b'(' => counted(head),
        b'&' => own_characters(head),
        _ => unknown(code),
    }
}

fn chinese(head: &[u8]) -> Measure {
    let Some(&code) = head.get(1) else { return More };
    match code {
        b'&' | b'.' => Whole(2),
        b'!' | b'-' | b'C' | b'W' => Whole(3),
        b'S' | b'?' | b'p' => Whole(4),
        // FS 2 c1 c2 and 24 by 24 dots: a Chinese character of one's own.
        b'2' => Whole(4 + 72),
        b'(' => counted(head),
        _ => unknown(code),
    }
}

fn group(head: &[u8]) -> Measure {
    let Some(&code) = head.get(1) else { return More };
    match code {
        b':' => Whole(2),
        b'!' | b'/' | b'B' | b'H' | b'I' | b'T' | b'a' | b'b' | b'f' | b'h' | b'r' | b'w' => Whole(3),
        b'$' | b'\\' | b'L' | b'P' | b'W' => Whole(4),
        b'^' | b'z' => Whole(5),
        b'g' => Whole(6),
        b'V' => match head.get(2) {
            None => More,
            Some(65 | 66 | 97 | 98 | 103 | 104) => Whole(4),
            Some(_) => Whole(3),
        },
        b'k' => match (head.get(2), head.get(3)) {
            (None, _) => More,
            (Some(0..=6), _) => nul_list(head, 3),
            (Some(65..=79), None) => More,
            (Some(65..=79), Some(&count)) => Whole(4 + usize::from(count)),
            (Some(_), _) => Unknown(3),
        },
        b'v' => match (head.get(2), head.get(4..8)) {
            (None, _) => More,
            (Some(b'0'), None) => More,
            (Some(b'0'), Some(size)) => Whole(8 + word(size, 0) * word(size, 2)),
            (Some(_), _) => Unknown(3),
        },
        b'*' => match (head.get(2), head.get(3)) {
            (Some(&x), Some(&y)) => Whole(4 + usize::from(x) * usize::from(y) * 8),
            _ => More,
        },
        b'8' => match (head.get(2), head.get(3..7)) {
            (None, _) => More,
            (Some(b'L'), None) => More,
            (Some(b'L'), Some(size)) => Whole(7 + word(size, 0) + (word(size, 2) << 16)),
            (Some(_), _) => Unknown(3),
        },
        b'(' => counted(head),
        _ => unknown(code),
    }
}

/// A second byte that is itself a control byte may begin the next command, so only the head is dropped.
fn unknown(code: u8) -> Measure {
    if code < b' ' { Unknown(1) } else { Unknown(2) }
}

/// `X ( f pL pH` and so many bytes.
fn counted(head: &[u8]) -> Measure {
    match head.get(3..5) {
        Some(size) => Whole(5 + word(size, 0)),
        None => More,
    }
}

/// `ESC * m nL nH` and 1 or 3 bytes a column.
fn bit_image(head: &[u8]) -> Measure {
    match (head.get(2), head.get(3..5)) {
        (Some(0 | 1), Some(columns)) => Whole(5 + word(columns, 0)),
        (Some(32 | 33), Some(columns)) => Whole(5 + word(columns, 0) * 3),
        (None | Some(0 | 1 | 32 | 33), None) => More,
        (Some(_), _) => Unknown(3),
        (None, Some(_)) => More,
    }
}

/// A list that ends with NUL, from `start`.
fn nul_list(head: &[u8], start: usize) -> Measure {
    match head.iter().skip(start).position(|&byte| byte == 0) {
        Some(at) => Whole(start + at + 1),
        None if head.len() < start + NUL_LIST_BYTES_MAX => More,
        None => Unknown(head.len()),
    }
}

/// `ESC & y c1 c2` and for each character its width and y bytes a column.
fn own_characters(head: &[u8]) -> Measure {
    let (Some(&height), Some(&first), Some(&last)) = (head.get(2), head.get(3), head.get(4)) else {
        return More;
    };
    if height == 0 || last < first {
        return Unknown(5);
    }
    let mut length = 5;
    for _ in first..=last {
        let Some(&width) = head.get(length) else { return More };
        length += 1 + usize::from(width) * usize::from(height);
    }
    Whole(length)
}

/// A 16-bit number, low byte first, at `at`; 0 where there is none.
pub(super) fn word(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at..at + 2) {
        Some(pair) => usize::from(pair[0]) | usize::from(pair[1]) << 8,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let table: &[(&[u8], Measure)] = &[
            (b"\x1b", More),
            (b"\x1b@", Whole(2)),
            (b"\x1ba", Whole(3)),
            (b"\x1bp", Whole(5)),
            (b"\x1bB", Whole(4)),
            (b"\x1bz", Unknown(2)),
            (b"\x1b\x1b", Unknown(1)),
            (b"\x1b*\x00\x05\x00", Whole(10)),
            (b"\x1b*\x21\x05\x00", Whole(20)),
            (b"\x1b*\x21\x05", More),
            (b"\x1b*\x07", Unknown(3)),
            (b"\x1bD\x08\x10", More),
            (b"\x1bD\x08\x10\x00", Whole(5)),
            (b"\x1b&\x03\x41\x42\x01abc", More),
            (b"\x1b&\x03\x41\x42\x01abc\x02", Whole(16)),
            (b"\x1c&", Whole(2)),
            (b"\x1c!", Whole(3)),
            (b"\x1dV\x00", Whole(3)),
            (b"\x1dV\x42", Whole(4)),
            (b"\x1dV", More),
            (b"\x1dk\x02123", More),
            (b"\x1dk\x02123\x00", Whole(7)),
            (b"\x1dk\x49\x05", Whole(9)),
            (b"\x1dv0\x00\x02\x00\x03", More),
            (b"\x1dv0\x00\x02\x00\x03\x00", Whole(14)),
            (b"\x1d(k\x04\x00", Whole(9)),
            (b"\x1d8L\x01\x00\x01\x00", Whole(8 + 65_536)),
            (b"\x10\x04\x01", Whole(3)),
            (b"\x10\x04", More),
            (b"\x10\x05\x01", Whole(3)),
            (b"\x10A", Unknown(1)),
        ];
        for (head, expected) in table {
            assert_eq!(measure(head), *expected, "{head:02x?}");
        }
    }
}
