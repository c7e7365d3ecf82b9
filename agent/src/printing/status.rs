//! What a printer's bytes mean.
//!
//! Four kinds of answers come down one line without framing: single bytes that answer DLE EOT or GS r,
//! four bytes of automatic status (ASB), and seven bytes that answer GS ( H. Fixed bits tell them apart; which
//! DLE EOT a byte answers follows from the order of the questions. A real-time answer may come in the middle
//! of a longer one. What fits nothing is counted and dropped.

use std::collections::VecDeque;

/// Questions that are open at most, two rounds; a unit that answers none is asked no further.
pub const OPEN_MAX: usize = 11;

/// Flow control of a serial line: some units send it over any line.
const XON: u8 = 0x11;
const XOFF: u8 = 0x13;

/// A real-time query, DLE EOT n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// n = 1: is it online.
    Printer,
    /// n = 2: why is it offline.
    Offline,
    /// n = 3: which error.
    Error,
    /// n = 4: how is the paper.
    Paper,
}

impl Query {
    /// All, in the order in which they are asked.
    pub const ALL: [Query; 4] = [Query::Printer, Query::Offline, Query::Error, Query::Paper];

    /// The bytes that ask.
    pub fn bytes(self) -> [u8; 3] {
        let number = match self {
            Query::Printer => 1,
            Query::Offline => 2,
            Query::Error => 3,
            Query::Paper => 4,
        };
        [0x10, 0x04, number]
    }
}

/// What a printer said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// To DLE EOT.
    RealTime(Query, u8),
    /// By itself (ASB).
    Automatic([u8; 4]),
    /// To GS r.
    Transmitted(u8),
    /// To GS ( H, with the id that was sent.
    Process([u8; 4]),
}

/// Cuts what a printer sends into answers, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Reader {
    asked: VecDeque<Query>,
    /// The newest of them whose bytes have not left.
    unsent: usize,
    partial: Partial,
    unasked: u64,
    garbage: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Partial {
    #[default]
    None,
    Automatic {
        bytes: [u8; 4],
        have: usize,
    },
    /// 37 22 d1 d2 d3 d4 00
    Process {
        bytes: [u8; 7],
        have: usize,
    },
}

impl Reader {
    /// A query was written.
    pub fn asked(&mut self, query: Query) {
        self.asked.push_back(query);
    }

    /// So many of the newest queries have not left yet: what comes now is no answer to them.
    pub fn set_unsent(&mut self, unsent: usize) {
        self.unsent = unsent;
    }

    /// Queries without an answer.
    pub fn open(&self) -> usize {
        self.asked.len()
    }

    /// No more answers are expected to what was asked.
    pub fn forget(&mut self) {
        self.asked.clear();
    }

    /// No more answers are expected, except to so many of the newest questions.
    pub fn keep_newest(&mut self, count: usize) {
        self.asked.drain(..self.asked.len().saturating_sub(count));
    }

    /// Whether it is in the middle of an answer.
    pub fn has_part(&self) -> bool {
        self.partial != Partial::None
    }

    /// Answers to real-time queries that were not asked: a unit that holds answers back gives them later, and some find
    /// queries in the data of an image.
    pub fn unasked(&self) -> u64 {
        self.unasked
    }

    /// Bytes that fitted nothing.
    pub fn garbage(&self) -> u64 {
        self.garbage
    }

    /// Takes a byte; what it completes.
    pub fn take(&mut self, byte: u8) -> Option<Answer> {
        // It stands wherever the unit's buffer was full, in the middle of an answer, too, and is part of none.
        if matches!(byte, XON | XOFF) {
            return None;
        }
        if byte & 0x93 == 0x12
            && self.asked.len() > self.unsent
            && let Some(query) = self.asked.front().copied()
        {
            self.asked.pop_front();
            return Some(Answer::RealTime(query, byte));
        }
        match self.partial {
            Partial::None => self.start(byte),
            Partial::Automatic { mut bytes, have } if byte & 0x90 == 0 => {
                bytes[have] = byte;
                if have + 1 < bytes.len() {
                    self.partial = Partial::Automatic { bytes, have: have + 1 };
                    return None;
                }
                self.partial = Partial::None;
                Some(Answer::Automatic(bytes))
            }
            Partial::Process { mut bytes, have } if fits_process(have, byte) => {
                bytes[have] = byte;
                if have + 1 < bytes.len() {
                    self.partial = Partial::Process { bytes, have: have + 1 };
                    return None;
                }
                self.partial = Partial::None;
                Some(Answer::Process([bytes[2], bytes[3], bytes[4], bytes[5]]))
            }
            Partial::Automatic { have, .. } | Partial::Process { have, .. } => {
                self.garbage += have as u64;
                self.partial = Partial::None;
                self.start(byte)
            }
        }
    }

    fn start(&mut self, byte: u8) -> Option<Answer> {
        match byte {
            0x37 => self.partial = Partial::Process { bytes: [0x37, 0, 0, 0, 0, 0, 0], have: 1 },
            _ if byte & 0x93 == 0x10 => self.partial = Partial::Automatic { bytes: [byte, 0, 0, 0], have: 1 },
            // Near end and out are two bits each, set together.
            _ if byte & 0x90 == 0 && matches!(byte & 0x0F, 0x00 | 0x03 | 0x0C | 0x0F) => {
                return Some(Answer::Transmitted(byte));
            }
            _ if byte & 0x93 == 0x12 => self.unasked += 1,
            _ => self.garbage += 1,
        }
        None
    }
}

fn fits_process(have: usize, byte: u8) -> bool {
    match have {
        1 => byte == 0x22,
        2..=5 => (0x20..=0x7E).contains(&byte),
        _ => byte == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], asked: &[Query]) -> (Vec<Answer>, u64) {
        let mut reader = Reader::default();
        asked.iter().for_each(|&query| reader.asked(query));
        let answers = bytes.iter().filter_map(|&byte| reader.take(byte)).collect();
        (answers, reader.garbage())
    }

    #[test]
    fn answers_are_told_apart() {
        let bytes = [
            0x12, 0x12, 0x12, 0x12, // DLE EOT 1 to 4
            0x10, 0x00, 0x00, 0x00, // ASB
            0x37, 0x22, b'1', b'Q', b's', b'y', 0x00, // GS ( H
            0x00, // GS r 1
            0x14, 0x00, 0x00, 0x0F, // ASB, drawer bit, paper out
        ];
        let (answers, garbage) = read(&bytes, &Query::ALL);
        let mut expected: Vec<Answer> =
            Query::ALL.iter().map(|&query| Answer::RealTime(query, 0x12)).collect();
        expected.extend([
            Answer::Automatic([0x10, 0, 0, 0]),
            Answer::Process(*b"1Qsy"),
            Answer::Transmitted(0),
            Answer::Automatic([0x14, 0, 0, 0x0F]),
        ]);
        assert_eq!((answers, garbage), (expected, 0));
    }

    #[test]
    fn a_real_time_answer_may_come_at_any_byte_of_a_longer_one() {
        let longer: [(&[u8], Answer); 2] = [
            (&[0x37, 0x22, b'1', b'3', b'5', b'7', 0], Answer::Process(*b"1357")),
            (&[0x18, 0x08, 0x0C, 0x00], Answer::Automatic([0x18, 0x08, 0x0C, 0x00])),
        ];
        for (bytes, answer) in longer {
            for at in 0..=bytes.len() {
                let mut mixed = bytes.to_vec();
                mixed.insert(at, 0x1A);
                let (mut answers, garbage) = read(&mixed, &[Query::Printer]);
                let real_time = Answer::RealTime(Query::Printer, 0x1A);
                let at = answers.iter().position(|&answer| answer == real_time).unwrap();
                answers.remove(at);
                assert_eq!((answers, garbage), (vec![answer], 0));
            }
        }
    }

    #[test]
    fn one_byte_says_how_the_paper_is_or_nothing() {
        assert_eq!(
            read(&[0x00, 0x03, 0x0C, 0x6F], &[]),
            ([0x00, 0x03, 0x0C, 0x6F].map(Answer::Transmitted).into(), 0)
        );
        // Half of a sensor.
        assert_eq!(read(&[0x01, 0x02, 0x04, 0x48], &[]), (Vec::new(), 4));
        // Flow control is no word of the printer's.
        assert_eq!(read(&[XON, XOFF], &[]), (Vec::new(), 0));
    }

    #[test]
    fn after_garbage_it_finds_its_way_again() {
        let table: [(&[u8], u64); 5] =
            [(&[0xFF, 0x93], 2), (&[0x37], 1), (&[0x37, 0x22, 0x33], 3), (&[0x10, 0x00], 2), (&[0x12], 0)];
        for (noise, expected) in table {
            let bytes = [noise, &[0x10, 0x00, 0x00, 0x00]].concat();
            let (answers, garbage) = read(&bytes, &[]);
            assert_eq!(
                (answers, garbage),
                (vec![Answer::Automatic([0x10, 0, 0, 0])], expected),
                "{noise:x?}"
            );
        }
    }
}
