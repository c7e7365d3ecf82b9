//! Real-time commands, found in the bytes as they are received.
//!
//! They are obeyed at once, even when the buffer waits because the paper is out. Epson's reference says that
//! a printer looks for them everywhere, also inside an image's data; so a driver may get an answer that it
//! did not ask for, and this printer keeps that trap. The bytes go into the buffer all the same and are
//! skipped there.

use super::command::DLE;
use super::receipt::Kick;

/// What a real-time command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// `DLE EOT n`.
    Status(u8),
    /// `DLE ENQ 1`: go on after the error was mended.
    Resume,
    /// `DLE ENQ 2`: go on after the error was mended, with empty buffers.
    ClearAndResume,
    /// `DLE DC4 1 m t`: a pulse to the drawer.
    Kick(Kick),
}

/// Looks for real-time commands over the borders of reads.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    held: [u8; 5],
    length: usize,
}

impl Scanner {
    /// The first request in `input`, and how many bytes were looked at up to its end.
    pub fn next(&mut self, input: &[u8]) -> Option<(usize, Request)> {
        let mut at = 0;
        while at < input.len() {
            if self.length == 0 {
                // Most bytes are text: look for the next head at once.
                at += input[at..].iter().position(|&byte| byte == DLE)?;
            }
            self.held[self.length] = input[at];
            self.length += 1;
            at += 1;
            if let Some(request) = self.complete() {
                self.length = 0;
                return Some((at, request));
            }
        }
        None
    }

    fn complete(&mut self) -> Option<Request> {
        match self.held[..self.length] {
            [DLE] | [DLE, 0x04 | 0x05 | 0x14] | [DLE, 0x14, 1] | [DLE, 0x14, 1, 0 | 1] => None,
            [DLE, 0x04, n @ 1..=4] => Some(Request::Status(n)),
            [DLE, 0x05, 1] => Some(Request::Resume),
            [DLE, 0x05, 2] => Some(Request::ClearAndResume),
            [DLE, 0x14, 1, pin, n @ 1..=8] => {
                // The reference gives t in units of 100 ms, for the pulse and the pause alike.
                Some(Request::Kick(Kick { pin, on_ms: u16::from(n) * 100, off_ms: u16::from(n) * 100 }))
            }
            [.., last] => {
                // What broke the sequence may begin one.
                self.held[0] = last;
                self.length = usize::from(last == DLE);
                None
            }
            [] => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(chunks: &[&[u8]]) -> Vec<Request> {
        let mut scanner = Scanner::default();
        let mut found = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while let Some((taken, request)) = scanner.next(rest) {
                found.push(request);
                rest = &rest[taken..];
            }
        }
        found
    }

    #[test]
    fn requests_are_found_in_text_and_over_borders() {
        let kick = Request::Kick(Kick { pin: 1, on_ms: 200, off_ms: 200 });
        let table: &[(&[&[u8]], &[Request])] = &[
            (&[b"abc\x10\x04\x01def\x10\x04\x04"], &[Request::Status(1), Request::Status(4)]),
            (&[b"\x10", b"\x04", b"\x02"], &[Request::Status(2)]),
            (&[b"\x10\x10\x04\x03"], &[Request::Status(3)]),
            (&[b"\x10\x04\x10\x04\x01"], &[Request::Status(1)]),
            (&[b"\x10\x05\x01\x10\x05\x02"], &[Request::Resume, Request::ClearAndResume]),
            (&[b"\x10\x14\x01\x01\x02"], &[kick]),
            (&[b"\x10\x04\x09\x10\x06\x01"], &[]),
        ];
        for (chunks, expected) in table {
            assert_eq!(scan(chunks), *expected, "{chunks:02x?}");
        }
    }
}
