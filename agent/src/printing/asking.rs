//! How a unit is asked how it is: rounds of real-time queries, and what they show of the unit itself.
//!
//! Answers to DLE EOT are single bytes that do not say which question they answer, so they are matched with the
//! questions in order. That works as long as each question is answered. Where not, the unit is asked more carefully:
//!
//! | pace | a round | for units that |
//! |---|---|---|
//! | burst | all that it answers, in one write | are as they should be |
//! | late | the same and one more, which pushes the last answer out | give each answer only with the next one |
//! | single | one, and the next when it is answered or [`ANSWER_MS_MAX`] have passed | have answered a burst in part |
//!
//! A burst that is answered in part is followed by a round of single questions. Those that are not answered, the unit
//! lacks. If all of them are, and the burst was the first of the connection, the unit is late: the first answer was the
//! one that it had held back. Later on, an answer may just have been lost on the line, so it takes a second time. With a
//! late unit a round after one that was answered in part begins with one question, whatever it answers: it holds the
//! answer to that one. A connection to a unit that was late begins so, too, and if it answers, it is late no more.
//!
//! Counting cannot tell a late unit that holds something back from before and one that is not late at all. So the
//! probe of the fences looks at it too ([`Asker::set_late`]): an answer to DLE EOT that comes only with the answer to
//! a fence had been held back, and so is the rest of an answer that is not whole when the unit has fallen silent.
//!
//! All of this is done without a ticket in flight only, when a unit has no reason to be busy. While there is one,
//! questions stay open: a unit that was switched off and on in the middle of it does not answer what it was asked
//! before, and is not to be believed ([`Asker::is_settled`]).

use super::profile::Queries;
use super::status::{OPEN_MAX, Query, Reader};
use std::time::{Duration, Instant};

/// How long a unit that is not busy takes to answer, at most: serial lines and slow processors included.
pub const ANSWER_MS_MAX: u64 = 800;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Burst,
    Late,
    /// The round that is under way, if one is.
    Single(Option<Step>),
    /// A late unit gets a question whose answer it will hold back.
    Aligning {
        asked_at: Instant,
    },
}

/// A question of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// Place in [`Query::ALL`].
    place: usize,
    asked_at: Instant,
    /// Those that were answered in this round.
    found: Queries,
}

/// What a round has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Which queries it answers.
    pub queries: Queries,
    /// Whether each answer comes only with the next.
    pub late: bool,
}

/// Asks over one connection.
#[derive(Debug)]
pub struct Asker {
    /// What is asked: nothing where a person says that nothing is answered.
    which: Queries,
    pace: Pace,
    /// Bursts that were answered in part.
    in_part: u32,
    /// Of a late unit it is known what it holds back.
    is_aligned: bool,
    /// Questions of a round are open.
    in_round: bool,
    /// When the last real-time answer came.
    heard_at: Option<Instant>,
    last_asked_at: Option<Instant>,
    /// When a round was answered last, as far as the unit answers.
    complete_at: Option<Instant>,
    rounds: u64,
    shown: Option<Shown>,
}

impl Asker {
    /// `which`: what is asked at first. `late`: the unit was known to be late.
    pub fn new(which: Queries, late: bool) -> Self {
        Self {
            which,
            pace: if late { Pace::Late } else { Pace::Burst },
            in_part: 0,
            is_aligned: false,
            in_round: false,
            heard_at: None,
            last_asked_at: None,
            complete_at: None,
            rounds: 0,
            shown: None,
        }
    }

    /// Begins a round unless too much is open; whether it asked anything.
    pub fn ask(&mut self, reader: &mut Reader, out: &mut Vec<u8>, now: Instant) -> bool {
        if !self.which.any() {
            return false;
        }
        match self.pace {
            Pace::Single(Some(_)) | Pace::Aligning { .. } => return false,
            Pace::Single(None) => return self.step(0, Queries::NONE, reader, out, now),
            Pace::Late if !self.is_aligned => return self.begin_aligning(reader, out, now),
            Pace::Burst | Pace::Late if reader.open() + self.round() > OPEN_MAX => return false,
            Pace::Burst | Pace::Late => {}
        }
        let asked = Query::ALL.into_iter().zip(self.which.0).filter(|(_, is_asked)| *is_asked);
        for (query, _) in asked {
            push(query, reader, out);
        }
        if self.pace == Pace::Late {
            push(Query::Printer, reader, out);
        }
        self.last_asked_at = Some(now);
        self.in_round = true;
        true
    }

    /// Asks one thing among a ticket's bytes, only to see whether it is answered.
    pub fn ask_in_ticket(&mut self, reader: &mut Reader, out: &mut Vec<u8>) {
        push(Query::Printer, reader, out);
    }

    /// A real-time answer came.
    pub fn heard(&mut self, reader: &mut Reader, out: &mut Vec<u8>, now: Instant) {
        self.heard_at = Some(now);
        match self.pace {
            Pace::Burst if reader.open() == 0 => self.complete(now),
            Pace::Late if reader.open() == 1 => self.complete(now),
            // It holds nothing back. Out of a round, something else has pushed it out.
            Pace::Late if reader.open() == 0 && self.in_round => {
                self.pace = Pace::Burst;
                self.complete(now);
            }
            // It has nothing held back from before, so one that answers at once is not late.
            Pace::Aligning { .. } if self.rounds == 0 => {
                self.pace = Pace::Burst;
                self.ask(reader, out, now);
            }
            Pace::Aligning { .. } => self.align(reader, out, now),
            Pace::Burst | Pace::Late | Pace::Single(None) => {}
            Pace::Single(Some(mut step)) => {
                step.found.0[step.place] = true;
                self.step_on(step, reader, out, now);
            }
        }
    }

    /// The time has come, or may have. Only where no ticket is in flight.
    pub fn handle_timeout(&mut self, reader: &mut Reader, out: &mut Vec<u8>, now: Instant) {
        if self.timeout(reader).is_none_or(|at| now < at) {
            return;
        }
        match self.pace {
            Pace::Burst => {
                reader.forget();
                self.in_part += 1;
                self.which = Queries::ALL;
                self.step(0, Queries::NONE, reader, out, now);
            }
            Pace::Late => {
                self.begin_aligning(reader, out, now);
            }
            Pace::Aligning { .. } => self.align(reader, out, now),
            Pace::Single(Some(step)) => {
                reader.forget();
                self.step_on(step, reader, out, now);
            }
            Pace::Single(None) => {}
        }
    }

    /// When [`Asker::handle_timeout`] has something to do.
    pub fn timeout(&self, reader: &Reader) -> Option<Instant> {
        let patience = Duration::from_millis(ANSWER_MS_MAX);
        match self.pace {
            Pace::Single(step) => step.map(|step| step.asked_at + patience),
            Pace::Aligning { asked_at } => Some(asked_at + patience),
            Pace::Burst | Pace::Late => {
                // The last answer came after the questions, so it was one of theirs.
                let heard_at =
                    self.heard_at.filter(|&at| self.last_asked_at.is_some_and(|asked| at >= asked));
                heard_at.filter(|_| self.is_in_part(reader)).map(|at| at + patience)
            }
        }
    }

    /// Forgets questions that will not be answered any more: it has spoken since, and had the time. Only where no ticket
    /// is in flight. `heard_at`: when anything came last.
    pub fn begin_anew(&mut self, heard_at: Option<Instant>, reader: &mut Reader) {
        let answered_since = heard_at.zip(self.last_asked_at).is_some_and(|(heard, asked)| heard >= asked);
        let held_back = usize::from(self.pace == Pace::Late);
        if answered_since
            && self.timeout(reader).is_none()
            && reader.open() > held_back
            && matches!(self.pace, Pace::Burst | Pace::Late)
        {
            reader.keep_newest(held_back);
        }
    }

    /// Nothing that was asked will be answered any more.
    pub fn give_up(&mut self, reader: &mut Reader) {
        reader.forget();
        self.in_round = false;
        match self.pace {
            Pace::Burst => {}
            Pace::Late | Pace::Aligning { .. } => {
                self.pace = Pace::Late;
                self.is_aligned = false;
            }
            Pace::Single(_) => self.pace = Pace::Single(None),
        }
    }

    /// Whether all was answered that was asked, except for what a late unit holds back.
    pub fn is_settled(&self, reader: &Reader) -> bool {
        match self.pace {
            Pace::Burst | Pace::Late => reader.open() <= 1,
            Pace::Single(step) => step.is_none(),
            Pace::Aligning { .. } => false,
        }
    }

    /// Whether a round was answered in part so far.
    pub fn is_in_part(&self, reader: &Reader) -> bool {
        let held_back = usize::from(self.pace == Pace::Late);
        match self.pace {
            Pace::Burst | Pace::Late => reader.open().saturating_sub(held_back) % self.round() != 0,
            Pace::Single(_) | Pace::Aligning { .. } => false,
        }
    }

    /// Whether it is being found out which queries the unit answers.
    pub fn is_probing(&self) -> bool {
        matches!(self.pace, Pace::Single(Some(_)) | Pace::Aligning { .. })
    }

    /// Whether the unit has answered a query on this connection.
    pub fn has_heard(&self) -> bool {
        self.heard_at.is_some()
    }

    /// Whether each answer comes only with the next.
    pub fn is_late(&self) -> bool {
        self.pace == Pace::Late
    }

    /// It was seen otherwise whether each answer comes only with the next.
    pub fn set_late(&mut self, late: bool, reader: &mut Reader) {
        reader.forget();
        self.pace = if late { Pace::Late } else { Pace::Burst };
        // What it holds back is no answer to a query.
        self.is_aligned = late;
    }

    /// When a round was answered last.
    pub fn complete_at(&self) -> Option<Instant> {
        self.complete_at
    }

    /// How many rounds were answered.
    pub fn rounds(&self) -> u64 {
        self.rounds
    }

    /// What a round has shown since this was last asked.
    pub fn take_shown(&mut self) -> Option<Shown> {
        self.shown.take()
    }

    /// Questions of a round.
    fn round(&self) -> usize {
        let asked = self.which.0.into_iter().filter(|is_asked| *is_asked).count();
        (asked + usize::from(self.pace == Pace::Late)).max(1)
    }

    fn step(
        &mut self,
        place: usize,
        found: Queries,
        reader: &mut Reader,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> bool {
        push(Query::ALL[place], reader, out);
        self.last_asked_at = Some(now);
        self.pace = Pace::Single(Some(Step { place, asked_at: now, found }));
        true
    }

    /// The question of `step` was answered or is given up: the next.
    fn step_on(&mut self, step: Step, reader: &mut Reader, out: &mut Vec<u8>, now: Instant) {
        let next = (step.place + 1..Query::ALL.len()).find(|&place| self.which.0[place]);
        if let Some(next) = next {
            self.step(next, step.found, reader, out, now);
            return;
        }
        self.pace = Pace::Single(None);
        if !step.found.0[0] {
            // All that answer any answer the first. It is busy, and may answer all of it later.
            self.pace = Pace::Burst;
            self.which = Queries::ALL;
            return;
        }
        let lacks_some = step.found != Queries::ALL;
        self.which = step.found;
        if lacks_some || (self.rounds > 0 && self.in_part <= 1) {
            self.pace = Pace::Burst;
        } else {
            // Each alone was answered, and not all of them together: the last one is still held back.
            self.pace = Pace::Late;
            self.is_aligned = true;
            reader.asked(Query::Paper);
        }
        self.complete(now);
    }

    fn begin_aligning(&mut self, reader: &mut Reader, out: &mut Vec<u8>, now: Instant) -> bool {
        reader.forget();
        push(Query::Printer, reader, out);
        self.last_asked_at = Some(now);
        self.pace = Pace::Aligning { asked_at: now };
        true
    }

    /// Whatever it has answered to the one question: the answer to that is what it holds back now.
    fn align(&mut self, reader: &mut Reader, out: &mut Vec<u8>, now: Instant) {
        reader.forget();
        reader.asked(Query::Printer);
        self.pace = Pace::Late;
        self.is_aligned = true;
        self.ask(reader, out, now);
    }

    fn complete(&mut self, now: Instant) {
        self.complete_at = Some(now);
        self.rounds += 1;
        self.in_round = false;
        self.shown = Some(Shown { queries: self.which, late: self.pace == Pace::Late });
    }
}

fn push(query: Query, reader: &mut Reader, out: &mut Vec<u8>) {
    out.extend_from_slice(&query.bytes());
    reader.asked(query);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printing::status::Answer;

    /// A unit that answers some queries, perhaps late, in simulated time.
    struct Bench {
        asker: Asker,
        reader: Reader,
        out: Vec<u8>,
        now: Instant,
        answers: [bool; 4],
        late: bool,
        held: Option<u8>,
        /// Answers that the line loses.
        lose: usize,
        told: Vec<(Query, u8)>,
    }

    impl Bench {
        fn new(answers: [bool; 4], late: bool) -> Self {
            Self {
                asker: Asker::new(Queries::ALL, false),
                reader: Reader::default(),
                out: Vec::new(),
                now: Instant::now(),
                answers,
                late,
                held: None,
                lose: 0,
                told: Vec::new(),
            }
        }

        /// A round, with all that follows from it. Each query has an answer of its own.
        fn round(&mut self) {
            self.told.clear();
            self.asker.ask(&mut self.reader, &mut self.out, self.now);
            loop {
                let asked = std::mem::take(&mut self.out);
                for query in asked.chunks(3).map(|query| query[2]) {
                    if !self.answers[usize::from(query) - 1] {
                        continue;
                    }
                    let answer = 0x12 | [0x08, 0x04, 0x20, 0x60][usize::from(query) - 1];
                    let said = if self.late { self.held.replace(answer) } else { Some(answer) };
                    let said = if self.lose > 0 { None } else { said };
                    self.lose = self.lose.saturating_sub(1);
                    if let Some(Answer::RealTime(query, byte)) = said.and_then(|byte| self.reader.take(byte))
                    {
                        self.told.push((query, byte));
                        self.asker.heard(&mut self.reader, &mut self.out, self.now);
                    }
                }
                if self.out.is_empty() {
                    let Some(at) = self.asker.timeout(&self.reader) else { return };
                    self.now = at;
                    self.asker.handle_timeout(&mut self.reader, &mut self.out, self.now);
                }
            }
        }

        fn check_attribution(&self) {
            for (query, byte) in &self.told {
                let place = Query::ALL.iter().position(|asked| asked == query).unwrap();
                assert_eq!(*byte, 0x12 | [0x08, 0x04, 0x20, 0x60][place], "{:?}", self.told);
            }
        }
    }

    #[test]
    fn a_unit_that_answers_all_is_asked_in_bursts() {
        let mut bench = Bench::new([true; 4], false);
        bench.round();
        bench.check_attribution();
        assert_eq!(bench.told.len(), 4);
        assert_eq!(bench.asker.take_shown(), Some(Shown { queries: Queries::ALL, late: false }));
    }

    #[test]
    fn what_a_unit_lacks_is_found_and_not_asked_again() {
        for lacking in 1..4 {
            let mut answers = [true; 4];
            answers[lacking] = false;
            let mut bench = Bench::new(answers, false);
            bench.round();
            assert_eq!(bench.asker.take_shown(), Some(Shown { queries: Queries(answers), late: false }));
            bench.round();
            bench.check_attribution();
            assert_eq!(bench.told.len(), 3);
            assert!(bench.asker.is_settled(&bench.reader));
        }
    }

    #[test]
    fn a_late_unit_is_found_and_its_answers_are_told_apart() {
        let mut bench = Bench::new([true; 4], true);
        bench.round();
        assert_eq!(bench.asker.take_shown(), Some(Shown { queries: Queries::ALL, late: true }));
        for _ in 0..3 {
            bench.round();
            bench.check_attribution();
            assert_eq!(bench.told.len(), 5, "what was held back, and all but the last of this round");
            assert!(bench.told.iter().any(|(query, _)| *query == Query::Paper));
        }
        // Switched off and on, it holds nothing back.
        bench.held = None;
        bench.round();
        bench.round();
        bench.check_attribution();
        // On another connection.
        bench.asker = Asker::new(Queries::ALL, true);
        bench.reader = Reader::default();
        bench.held = None;
        bench.round();
        bench.round();
        bench.check_attribution();
        assert_eq!(bench.asker.take_shown(), Some(Shown { queries: Queries::ALL, late: true }));
        // Another unit stands there.
        let mut other = Bench::new([true; 4], false);
        other.asker = Asker::new(Queries::ALL, true);
        other.round();
        other.check_attribution();
        assert_eq!(other.asker.take_shown(), Some(Shown { queries: Queries::ALL, late: false }));
    }

    #[test]
    fn an_answer_that_is_lost_on_the_line_makes_no_late_unit() {
        let mut bench = Bench::new([true; 4], false);
        bench.round();
        bench.lose = 1;
        bench.round();
        assert_eq!(bench.asker.take_shown(), Some(Shown { queries: Queries::ALL, late: false }));
        bench.round();
        bench.check_attribution();
        assert_eq!(bench.told.len(), 4);
    }

    #[test]
    fn silence_is_no_answer_and_shows_nothing() {
        let mut bench = Bench::new([false; 4], false);
        bench.round();
        bench.round();
        assert_eq!((bench.asker.take_shown(), bench.asker.complete_at()), (None, None));
        assert!(!bench.asker.is_settled(&bench.reader) && !bench.asker.has_heard());
    }

    #[test]
    fn where_nothing_is_answered_by_a_persons_word_nothing_is_asked() {
        let mut bench = Bench::new([true; 4], false);
        bench.asker = Asker::new(Queries::NONE, false);
        bench.round();
        assert!(bench.told.is_empty() && bench.asker.is_settled(&bench.reader));
    }
}
