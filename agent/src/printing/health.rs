//! What is wrong with a printer, from what it says.
//!
//! A unit tells the same thing in several answers. Each answer is taken for what it knows; the newest counts. As long
//! as it has said nothing it is unknown: no news is not good news.

use super::profile::Queries;
use super::status::{Answer, Query};
use docket_protocol::ids::UnixMs;
use docket_protocol::printer::{Condition, PrinterHealth, Since};

/// A set of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions(u16);

impl Conditions {
    /// None.
    pub const NONE: Self = Self(0);

    const ALL: [Condition; 14] = [
        Condition::Unreachable,
        Condition::Silent,
        Condition::Offline,
        Condition::CoverOpen,
        Condition::PaperOut,
        Condition::PaperNearEnd,
        Condition::Cutter,
        Condition::Heat,
        Condition::Fatal,
        Condition::Unknown,
        Condition::Flapping,
        Condition::Paused,
        Condition::Journal,
        Condition::Queue,
    ];

    /// With one more.
    #[must_use]
    pub fn with(self, condition: Condition) -> Self {
        Self(self.0 | 1 << condition as u16)
    }

    /// With one more if it is so.
    #[must_use]
    pub fn with_if(self, is_so: bool, condition: Condition) -> Self {
        if is_so { self.with(condition) } else { self }
    }

    /// With all of the others.
    #[must_use]
    pub fn with_all(self, others: Conditions) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether it is among them.
    pub fn contains(self, condition: Condition) -> bool {
        self.0 & 1 << condition as u16 != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Condition> {
        Self::ALL.into_iter().filter(move |&condition| self.contains(condition))
    }

    /// Whether tickets wait until they are mended.
    pub fn stop_printing(self) -> bool {
        self.iter().any(Condition::stops_printing)
    }
}

/// What a unit has last said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signs {
    offline: bool,
    cover: bool,
    /// DLE EOT 2 only: it stopped because the paper ended.
    paper_stop: bool,
    paper_out: bool,
    paper_near_end: bool,
    cutter: bool,
    fatal: bool,
    heat: bool,
    /// DLE EOT 2 only: some error.
    error: bool,
}

impl Signs {
    /// Takes what it said. Bits as in `spec/escpos.md`.
    pub fn take(&mut self, answer: Answer) {
        match answer {
            Answer::RealTime(Query::Printer, byte) => self.offline = byte & 0x08 != 0,
            Answer::RealTime(Query::Offline, byte) => {
                self.cover = byte & 0x04 != 0;
                self.paper_stop = byte & 0x20 != 0;
                self.error = byte & 0x40 != 0;
            }
            Answer::RealTime(Query::Error, byte) => {
                self.cutter = byte & 0x08 != 0;
                self.fatal = byte & 0x20 != 0;
                self.heat = byte & 0x40 != 0;
            }
            Answer::RealTime(Query::Paper, byte) => {
                self.paper_near_end = byte & 0x0C != 0;
                self.paper_out = byte & 0x60 != 0;
            }
            Answer::Automatic([first, second, third, _]) => {
                self.offline = first & 0x08 != 0;
                self.cover = first & 0x20 != 0;
                self.cutter = second & 0x08 != 0;
                self.fatal = second & 0x20 != 0;
                self.heat = second & 0x40 != 0;
                self.paper_near_end = third & 0x03 != 0;
                self.paper_out = third & 0x0C != 0;
                // It does not tell these two; online there is neither.
                self.paper_stop &= self.offline;
                self.error &= self.offline;
            }
            // GS r 1 tells the state at its place in the stream, not now.
            Answer::Transmitted(_) | Answer::Process(_) => {}
        }
    }

    /// Of a unit that does not answer all queries: if it is online, nothing stops it, whatever it has said before.
    pub fn trust_online(&mut self) {
        if !self.offline {
            *self = Self { paper_near_end: self.paper_near_end, ..Self::default() };
        }
    }

    /// Forgets what only the answers to queries tell that the unit does not answer.
    pub fn keep_only(&mut self, answered: Queries) {
        let [printer, offline, error, paper] = answered.0;
        self.offline &= printer;
        self.cover &= offline;
        self.paper_stop &= offline;
        self.error &= offline;
        self.cutter &= error;
        self.fatal &= error;
        self.heat &= error;
        self.paper_out &= paper;
        self.paper_near_end &= paper;
    }

    /// What that comes to.
    pub fn conditions(&self) -> Conditions {
        let paper_out = self.paper_out || self.paper_stop;
        let told = Conditions::default()
            .with_if(self.cover, Condition::CoverOpen)
            .with_if(paper_out, Condition::PaperOut)
            .with_if(self.cutter, Condition::Cutter)
            .with_if(self.heat, Condition::Heat)
            .with_if(self.fatal, Condition::Fatal);
        let untold = (self.offline || self.error) && !told.stop_printing();
        // Where there is none left, "near its end" says nothing more.
        told.with_if(untold, Condition::Offline)
            .with_if(self.paper_near_end && !paper_out, Condition::PaperNearEnd)
    }
}

/// Writes conditions into a health, keeping since when each has been seen; whether any came or went.
pub fn update(health: &mut PrinterHealth, conditions: Conditions, now: UnixMs) -> bool {
    let same = health.conditions.len() == conditions.iter().count()
        && health.conditions.iter().all(|since| conditions.contains(since.condition));
    if same {
        return false;
    }
    let before = std::mem::take(&mut health.conditions);
    health.conditions = conditions
        .iter()
        .map(|condition| {
            let seen = before.iter().find(|since| since.condition == condition).copied();
            seen.unwrap_or(Since { condition, since: now })
        })
        .collect();
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use docket_protocol::ids::PrinterName;

    fn check(answers: &[Answer], expected: &[Condition]) {
        let mut signs = Signs::default();
        answers.iter().for_each(|&answer| signs.take(answer));
        assert_eq!(signs.conditions().iter().collect::<Vec<_>>(), expected, "{answers:x?}");
    }

    #[test]
    fn bits_become_conditions() {
        use Condition::{CoverOpen, Cutter, Fatal, Heat, Offline, PaperNearEnd, PaperOut};
        let real_time = |query, bits: u8| Answer::RealTime(query, 0x12 | bits);
        check(&[], &[]);
        check(&[real_time(Query::Printer, 0x08)], &[Offline]);
        check(&[real_time(Query::Printer, 0x08), real_time(Query::Offline, 0x04)], &[CoverOpen]);
        check(&[real_time(Query::Offline, 0x20)], &[PaperOut]);
        check(&[real_time(Query::Offline, 0x40)], &[Offline]);
        check(&[real_time(Query::Error, 0x08)], &[Cutter]);
        check(&[real_time(Query::Error, 0x20)], &[Fatal]);
        check(&[real_time(Query::Error, 0x40)], &[Heat]);
        check(&[real_time(Query::Paper, 0x0C)], &[PaperNearEnd]);
        check(&[real_time(Query::Paper, 0x6C)], &[PaperOut]);
        check(&[Answer::Automatic([0x38, 0, 0, 0])], &[CoverOpen]);
        check(&[Answer::Automatic([0x18, 0x68, 0x0F, 0])], &[PaperOut, Cutter, Heat, Fatal]);
        check(&[Answer::Automatic([0x10, 0, 0x03, 0])], &[PaperNearEnd]);
        check(&[real_time(Query::Offline, 0x60), Answer::Automatic([0x10, 0, 0, 0])], &[]);
    }

    #[test]
    fn since_stays_while_a_condition_lasts() {
        let mut health = PrinterHealth {
            printer: PrinterName::new("front"),
            conditions: Vec::new(),
            heard_at: None,
            waiting: 0,
        };
        let cover = Conditions::default().with(Condition::CoverOpen);
        assert!(update(&mut health, cover, UnixMs(1)));
        assert!(!update(&mut health, cover, UnixMs(2)));
        assert!(update(&mut health, cover.with(Condition::PaperOut), UnixMs(3)));
        assert_eq!(
            health.conditions,
            [
                Since { condition: Condition::CoverOpen, since: UnixMs(1) },
                Since { condition: Condition::PaperOut, since: UnixMs(3) }
            ]
        );
        assert!(update(&mut health, Conditions::default(), UnixMs(4)));
        assert!(health.prints());
    }
}
