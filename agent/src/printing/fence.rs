//! Fences: what a unit answers only when everything before it is printed, and what such an answer proves.
//!
//! A ticket is sent with the best fence that its unit is known to have ([`super::profile`]): GS ( H with a number of
//! its own, else GS r 1, else none. A unit that does not know GS ( H may print its parameters, so it is never put
//! where they would show.
//!
//! # Late answers
//! Numbers rise from ticket to ticket, so a late answer to GS ( H never ends a newer ticket. Answers to GS r all
//! look the same: they are matched in order with what was asked on this connection. A unit that still prints
//! what an earlier connection sent will answer *that* first; while such answers may be owed, none to GS r counts, until
//! a numbered fence has come or a ticket has ended without one.
//!
//! # Of an earlier life
//! A line that outlives the process (USB, serial) may still bring the answer to a fence of a ticket that an earlier
//! life began. It bears that ticket's number, so it is a proof, and [`Fences::expect_earlier`] waits for it.
//!
//! # Garbage
//! An answer to GS r is one byte, and in garbage one byte in sixteen looks like it: from a unit that has sent garbage
//! no answer to GS r counts ([`super::job`]).

use super::profile::FenceKind;
use std::collections::VecDeque;

/// GS ( H with function 48, without its id.
const PROCESS: [u8; 7] = [0x1D, 0x28, 0x48, 0x06, 0x00, 0x30, 0x30];
/// GS r 1.
const TRANSMIT_PAPER: [u8; 3] = [0x1D, 0x72, 0x01];
/// Characters of ids. None of them looks like the beginning of another answer, or like a real-time one.
const ID_ALPHABET: &[u8; 16] = b"13579=QSUWYqsuwy";
/// Ids of the same kind, and no ticket's: of the probe, and behind ESC @.
const PROBE_ID: [u8; 4] = *b"[__]";
const INIT_ID: [u8; 4] = *b"]__[";
/// Fences that are remembered: many tickets' worth, for a unit that answers late or never.
const FENCES_MAX: usize = 64;

/// Where a fence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In no ticket: it is to be seen whether the unit answers.
    Probe,
    /// In no ticket, behind ESC @: it is to be seen whether the unit keeps what follows that.
    Init,
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
    /// Where it stood.
    pub place: Place,
    /// What it was.
    pub kind: FenceKind,
}

/// The fences of one connection that have no answer yet.
#[derive(Debug)]
pub struct Fences {
    open: VecDeque<(Question, Passed)>,
    /// Answers to GS r that were asked before may still come.
    owed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Process([u8; 4]),
    Transmit,
}

impl Fences {
    /// `owed`: an earlier connection, or an earlier life, may have left fences without an answer.
    pub fn new(owed: bool) -> Self {
        Self { open: VecDeque::new(), owed }
    }

    /// Appends the bytes of a ticket's fence.
    pub fn ask(&mut self, kind: FenceKind, serial: u64, place: Place, out: &mut Vec<u8>) {
        let question = match kind {
            FenceKind::Process => {
                let id = id(serial, place);
                out.extend_from_slice(&PROCESS);
                out.extend_from_slice(&id);
                Question::Process(id)
            }
            FenceKind::Transmit => {
                out.extend_from_slice(&TRANSMIT_PAPER);
                Question::Transmit
            }
        };
        self.open.push_back((question, Passed { serial, place, kind }));
        while self.open.len() > FENCES_MAX {
            self.open.pop_front();
        }
    }

    /// Appends both fences, outside of any ticket. The last one pushes out what a late unit holds back.
    pub fn probe(&mut self, out: &mut Vec<u8>) {
        for kind in [FenceKind::Transmit, FenceKind::Process, FenceKind::Transmit] {
            self.ask(kind, 0, Place::Probe, out);
        }
    }

    /// Numbered fences of a ticket that an earlier life sent count, should they come.
    pub fn expect_earlier(&mut self, serial: u64) {
        for place in [Place::Content, Place::Cut] {
            let passed = Passed { serial, place, kind: FenceKind::Process };
            self.open.push_back((Question::Process(id(serial, place)), passed));
        }
    }

    /// GS ( H was answered.
    pub fn process(&mut self, id: [u8; 4]) -> Option<Passed> {
        self.answered(Question::Process(id))
    }

    /// GS r was answered.
    pub fn transmitted(&mut self) -> Option<Passed> {
        if self.owed { None } else { self.answered(Question::Transmit) }
    }

    /// Whether answers to GS r prove nothing for now.
    pub fn is_owed(&self) -> bool {
        self.owed
    }

    /// Whether a connection after this one may get answers to fences of this one.
    pub fn owes(&self) -> bool {
        self.owed || self.open.iter().any(|(question, _)| *question == Question::Transmit)
    }

    /// Nothing is waited for any more. `owed`: it, or older ones, may still be answered.
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
        Place::Probe => return PROBE_ID,
        Place::Init => return INIT_ID,
        Place::Content => 0,
        Place::Cut => 1,
    });
    [12, 8, 4, 0].map(|shift| ID_ALPHABET[usize::from((number >> shift) as u8 & 0x0F)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: FenceKind, owed: bool) -> (Fences, Vec<u8>, [Passed; 2]) {
        let mut fences = Fences::new(owed);
        let mut out = Vec::new();
        fences.ask(kind, 7, Place::Content, &mut out);
        fences.ask(kind, 7, Place::Cut, &mut out);
        let passed = |place| Passed { serial: 7, place, kind };
        (fences, out, [passed(Place::Content), passed(Place::Cut)])
    }

    #[test]
    fn only_the_one_that_the_unit_knows_is_sent() {
        // 7 * 2 and 7 * 2 + 1 are the last two digits of the alphabet.
        let (_, bytes, _) = asked(FenceKind::Process, false);
        assert_eq!(bytes, b"\x1d(H\x06\x0000111w\x1d(H\x06\x0000111y");
        let (_, bytes, _) = asked(FenceKind::Transmit, false);
        assert_eq!(bytes, b"\x1dr\x01\x1dr\x01");
    }

    #[test]
    fn each_counts_once() {
        let (mut fences, _, [first, second]) = asked(FenceKind::Transmit, false);
        assert!(fences.owes());
        assert_eq!([fences.transmitted(), fences.transmitted()], [Some(first), Some(second)]);
        assert_eq!((fences.transmitted(), fences.owes()), (None, false));
    }

    #[test]
    fn a_newer_answer_stands_for_the_older_ones() {
        let (mut fences, _, [_, second]) = asked(FenceKind::Process, false);
        assert_eq!([fences.process(*b"111y"), fences.process(*b"111w")], [Some(second), None]);
        assert_eq!(fences.transmitted(), None);
    }

    #[test]
    fn what_is_owed_counts_for_nothing_until_a_number_comes() {
        let (mut fences, _, _) = asked(FenceKind::Transmit, true);
        assert_eq!((fences.transmitted(), fences.transmitted()), (None, None));
        let mut out = Vec::new();
        fences.probe(&mut out);
        assert_eq!(out, b"\x1dr\x01\x1d(H\x06\x0000[__]\x1dr\x01");
        assert_eq!(fences.process(*b"QQQQ"), None);
        assert!(fences.is_owed());
        assert_eq!(fences.process(PROBE_ID).map(|passed| passed.place), Some(Place::Probe));
        assert!(!fences.is_owed());
    }

    #[test]
    fn a_number_of_an_earlier_life_is_known_again() {
        let mut fences = Fences::new(true);
        fences.expect_earlier(7);
        fences.probe(&mut Vec::new());
        assert_eq!(
            fences.process(*b"111w").map(|passed| (passed.serial, passed.place)),
            Some((7, Place::Content))
        );
        assert_eq!(fences.process(*b"111w"), None);
    }

    #[test]
    fn ids_look_like_no_other_answer() {
        for byte in ID_ALPHABET.iter().copied().chain(PROBE_ID).chain(INIT_ID) {
            assert!(byte & 0x93 != 0x12 && byte & 0x93 != 0x10 && byte & 0x90 != 0, "{byte:02x}");
            assert!((0x20..=0x7E).contains(&byte));
        }
        assert!([PROBE_ID, INIT_ID].as_flattened().iter().all(|byte| !ID_ALPHABET.contains(byte)));
        assert_ne!(PROBE_ID, INIT_ID);
    }
}
