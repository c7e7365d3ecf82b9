//! Fences: what a unit answers only when everything before it is printed, and what such an answer proves.
//!
//! Each fence is asked for twice, by GS ( H with a number of its own and by GS r 1, since some units know only
//! one of them.
//!
//! # Late answers
//! Numbers rise from ticket to ticket, so a late answer to GS ( H never ends a newer ticket. Answers to GS r all
//! look the same: they are matched in order with what was asked on this connection. A unit that still prints
//! what an earlier connection sent will answer *that* first; while such answers may be owed, none to GS r counts, until
//! a numbered fence has come or a ticket has ended without one.
//!
//! # Garbage
//! An answer to GS r is one byte, and in garbage one byte in sixteen looks like it. So from a unit that has answered by
//! number on this connection only numbers count, and from one that has sent garbage no answer to GS r does
//! ([`super::job`]).

use std::collections::VecDeque;

/// GS ( H with function 48, without its id.
const PROCESS: [u8; 7] = [0x1D, 0x28, 0x48, 0x06, 0x00, 0x30, 0x30];
/// GS r 1.
const TRANSMIT_PAPER: [u8; 3] = [0x1D, 0x72, 0x01];
/// Characters of ids. None of them looks like the beginning of another answer, or like a real-time one.
const ID_ALPHABET: &[u8; 16] = b"13579=QSUWYqsuwy";
/// Fences that are remembered: many tickets' worth, for a unit that answers late or never.
const FENCES_MAX: usize = 64;

/// Where in a ticket a fence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Behind the content: on paper.
    Content,
    /// Behind the cut.
    Cut,
}

/// A fence that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The ticket's.
    pub serial: u64,
    /// Which of its two.
    pub place: Place,
}

/// The fences of one connection that have no answer yet.
#[derive(Debug)]
pub struct Fences {
    open: VecDeque<(Question, Passed)>,
    /// Answers to GS r that were asked before may still come.
    owed: bool,
    /// The unit answers GS ( H.
    numbered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Process([u8; 4]),
    Transmit,
}

impl Fences {
    /// `owed`: an earlier connection, or an earlier life, may have left fences without an answer.
    pub fn new(owed: bool) -> Self {
        Self { open: VecDeque::new(), owed, numbered: false }
    }

    /// Appends the bytes of a fence.
    pub fn ask(&mut self, serial: u64, place: Place, out: &mut Vec<u8>) {
        let id = id(serial, place);
        out.extend_from_slice(&PROCESS);
        out.extend_from_slice(&id);
        out.extend_from_slice(&TRANSMIT_PAPER);
        let passed = Passed { serial, place };
        self.open.extend([(Question::Process(id), passed), (Question::Transmit, passed)]);
        while self.open.len() > FENCES_MAX {
            self.open.pop_front();
        }
    }

    /// GS ( H was answered.
    pub fn process(&mut self, id: [u8; 4]) -> Option<Passed> {
        let passed = self.answered(Question::Process(id));
        self.numbered |= passed.is_some();
        passed
    }

    /// GS r was answered.
    pub fn transmitted(&mut self) -> Option<Passed> {
        if self.owed {
            return None;
        }
        if !self.numbered {
            return self.answered(Question::Transmit);
        }
        // The rest of a fence that was passed by its number.
        if let Some((Question::Transmit, _)) = self.open.front() {
            self.open.pop_front();
        }
        None
    }

    /// Whether answers to GS r prove nothing for now.
    pub fn is_owed(&self) -> bool {
        self.owed
    }

    /// Whether a connection after this one may get answers to fences of this one.
    pub fn owes(&self) -> bool {
        self.owed || self.open.iter().any(|(question, _)| *question == Question::Transmit)
    }

    /// A ticket has ended without its fences. `owed`: they, or older ones, may still be answered.
    pub fn give_up(&mut self, owed: bool) {
        self.open.clear();
        self.owed = owed;
    }

    fn answered(&mut self, question: Question) -> Option<Passed> {
        let at = self.open.iter().position(|(open, _)| *open == question)?;
        let (_, passed) = self.open[at];
        // Answers come in order: what was before this one will not be answered any more, and what was owed has
        // come.
        self.open.drain(..=at);
        self.owed = false;
        Some(passed)
    }
}

fn id(serial: u64, place: Place) -> [u8; 4] {
    let number = serial.wrapping_mul(2).wrapping_add(match place {
        Place::Content => 0,
        Place::Cut => 1,
    });
    [12, 8, 4, 0].map(|shift| ID_ALPHABET[usize::from((number >> shift) as u8 & 0x0F)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Passed = Passed { serial: 7, place: Place::Content };
    const SECOND: Passed = Passed { serial: 7, place: Place::Cut };

    fn asked(owed: bool) -> Fences {
        let mut fences = Fences::new(owed);
        let mut out = Vec::new();
        fences.ask(7, Place::Content, &mut out);
        fences.ask(7, Place::Cut, &mut out);
        // 7 * 2 and 7 * 2 + 1 are the last two digits of the alphabet.
        assert_eq!(out, b"\x1d(H\x06\x0000111w\x1dr\x01\x1d(H\x06\x0000111y\x1dr\x01");
        fences
    }

    #[test]
    fn either_answer_counts_and_each_once() {
        let mut fences = asked(false);
        assert_eq!((fences.transmitted(), fences.transmitted()), (Some(FIRST), Some(SECOND)));
        assert_eq!((fences.process(*b"111y"), fences.transmitted()), (None, None));
        assert!(!fences.owes());
    }

    #[test]
    fn where_numbers_come_only_numbers_count() {
        let mut fences = asked(false);
        assert_eq!((fences.process(*b"111w"), fences.transmitted()), (Some(FIRST), None));
        // One more than there can be: it takes nothing away from the number that follows.
        assert_eq!(fences.transmitted(), None);
        assert_eq!((fences.process(*b"111y"), fences.transmitted()), (Some(SECOND), None));
        assert!(!fences.owes());
    }

    #[test]
    fn a_newer_answer_stands_for_the_older_ones() {
        let mut fences = asked(false);
        assert_eq!(fences.process(*b"111y"), Some(SECOND));
        assert_eq!(fences.process(*b"111w"), None);
        assert!(fences.owes(), "the last GS r is still to be answered");
    }

    #[test]
    fn what_is_owed_counts_for_nothing_until_a_number_comes() {
        let mut fences = asked(true);
        assert_eq!((fences.transmitted(), fences.transmitted()), (None, None));
        assert_eq!(fences.process(*b"QQQQ"), None);
        assert!(fences.is_owed());
        assert_eq!(fences.process(*b"111w"), Some(FIRST));
        assert!(!fences.is_owed());
    }

    #[test]
    fn ids_look_like_no_other_answer() {
        for &byte in ID_ALPHABET {
            assert!(byte & 0x93 != 0x12 && byte & 0x93 != 0x10 && byte & 0x90 != 0, "{byte:02x}");
            assert!((0x20..=0x7E).contains(&byte));
        }
    }
}
