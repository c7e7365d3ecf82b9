//! What of a printer's conditions people are told: a printer that comes and goes is one piece of news, not fifty.
//!
//! A loose plug makes a printer unreachable and well again every few seconds. When one such condition has come
//! [`ONSETS_MIN`] times within [`WINDOW_MS`], the printer *flaps*: that is told, with the conditions of that
//! moment beside it. From then on what is beside it is brought up to date every [`TELL_MS`] only. After [`QUIET_MS`]
//! without a change it is over, and what is so is told again as it is.
//!
//! It counts how often *the same* condition comes: changing a roll makes five changes within a minute (near end, out,
//! cover, in, closed), each once. What people do with their hands, paper and cover, has to come far more often
//! ([`ONSETS_BY_HAND_MIN`]) than anyone is able to: then it is a sensor that is broken. Nothing here decides whether a
//! ticket is printed; that is done with the conditions as they are.

use super::health::Conditions;
use docket_protocol::printer::Condition;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So often a condition of the line or the unit has to come.
pub const ONSETS_MIN: usize = 4;
/// So often one that people bring about has to come.
pub const ONSETS_BY_HAND_MIN: usize = 30;
/// In so much time.
pub const WINDOW_MS: u64 = 60_000;
/// How often what is beside it is brought up to date while it flaps.
pub const TELL_MS: u64 = 15_000;
/// How long nothing must change until it is over.
pub const QUIET_MS: u64 = 60_000;
/// Onsets that are remembered. More in a window are not needed to know.
const ONSETS_KEPT: usize = 64;

/// Watches one printer. It is given the time.
#[derive(Debug, Default)]
pub struct Flapping {
    newest: Conditions,
    told: Conditions,
    onsets: VecDeque<(Instant, Condition)>,
    flaps: Option<Flaps>,
}

#[derive(Debug, Clone, Copy)]
struct Flaps {
    changed_at: Instant,
    told_at: Instant,
}

impl Flapping {
    /// Takes what is so now; what is to be told.
    pub fn observe(&mut self, conditions: Conditions, now: Instant) -> Conditions {
        if conditions != self.newest {
            self.note(conditions, now);
        }
        match &mut self.flaps {
            None => self.told = conditions,
            Some(flaps) if now >= flaps.changed_at + Duration::from_millis(QUIET_MS) => {
                self.flaps = None;
                self.onsets.clear();
                self.told = conditions;
            }
            Some(flaps) if now >= flaps.told_at + Duration::from_millis(TELL_MS) => {
                flaps.told_at = now;
                self.told = conditions.with(Condition::Flapping);
            }
            Some(_) => {}
        }
        self.told
    }

    /// When [`Flapping::observe`] may tell something else of the same conditions.
    pub fn timeout(&self) -> Option<Instant> {
        let flaps = self.flaps?;
        let over_at = flaps.changed_at + Duration::from_millis(QUIET_MS);
        let is_told = self.told == self.newest.with(Condition::Flapping);
        Some(if is_told { over_at } else { over_at.min(flaps.told_at + Duration::from_millis(TELL_MS)) })
    }

    fn note(&mut self, conditions: Conditions, now: Instant) {
        // Not to be known for a moment is part of every new connection.
        let came = conditions
            .iter()
            .filter(|&condition| condition != Condition::Unknown && !self.newest.contains(condition));
        for condition in came {
            if self.onsets.len() == ONSETS_KEPT {
                self.onsets.pop_front();
            }
            self.onsets.push_back((now, condition));
        }
        self.newest = conditions;
        let window = Duration::from_millis(WINDOW_MS);
        while self.onsets.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > window) {
            self.onsets.pop_front();
        }
        if let Some(flaps) = &mut self.flaps {
            flaps.changed_at = now;
            return;
        }
        let often = |condition| {
            self.onsets.iter().filter(|(_, other)| *other == condition).count() >= onsets_min(condition)
        };
        if self.onsets.iter().any(|&(_, condition)| often(condition)) {
            self.flaps = Some(Flaps { changed_at: now, told_at: now });
            self.told = conditions.with(Condition::Flapping);
        }
    }
}

fn onsets_min(condition: Condition) -> usize {
    match condition {
        Condition::CoverOpen
        | Condition::PaperOut
        | Condition::PaperNearEnd
        | Condition::Cutter
        | Condition::Paused
        | Condition::Queue => ONSETS_BY_HAND_MIN,
        Condition::Unreachable
        | Condition::Silent
        | Condition::Offline
        | Condition::Heat
        | Condition::Fatal
        | Condition::Unknown
        | Condition::Flapping
        | Condition::Journal => ONSETS_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Conditions = Conditions::NONE;

    fn is(condition: Condition) -> Conditions {
        WELL.with(condition)
    }

    struct Watch {
        flapping: Flapping,
        now: Instant,
        told: Vec<Conditions>,
    }

    impl Watch {
        fn new() -> Self {
            Self { flapping: Flapping::default(), now: Instant::now(), told: Vec::new() }
        }

        /// These are so for some time; news are kept.
        fn pass(&mut self, conditions: Conditions, ms: u64) {
            let end = self.now + Duration::from_millis(ms);
            loop {
                let told = self.flapping.observe(conditions, self.now);
                if self.told.last() != Some(&told) {
                    self.told.push(told);
                }
                match self.flapping.timeout() {
                    Some(at) if at <= end => {
                        assert!(at > self.now, "it would be woken for nothing");
                        self.now = at;
                    }
                    _ => break,
                }
            }
            self.now = end;
        }
    }

    #[test]
    fn a_loose_plug_is_one_piece_of_news() {
        let mut watch = Watch::new();
        for _ in 0..50 {
            watch.pass(is(Condition::Unreachable), 1_500);
            watch.pass(is(Condition::Unknown), 100);
            watch.pass(WELL, 1_500);
        }
        // The first times are told as they are; then every 15 seconds at most, in 130 seconds.
        assert!(watch.told.len() <= 10 + 12, "{:?}", watch.told);
        assert!(watch.told[10..].iter().all(|told| told.contains(Condition::Flapping)), "{:?}", watch.told);
        watch.pass(WELL, QUIET_MS + 1);
        assert_eq!(watch.told.last(), Some(&WELL));
        assert_eq!(watch.flapping.timeout(), None);
    }

    #[test]
    fn the_newest_conditions_stand_beside_it() {
        let mut watch = Watch::new();
        for _ in 0..4 {
            watch.pass(is(Condition::Unreachable), 1_000);
            watch.pass(WELL, 1_000);
        }
        watch.pass(is(Condition::PaperOut), TELL_MS);
        assert_eq!(watch.told.last(), Some(&is(Condition::PaperOut).with(Condition::Flapping)));
        // It lasts, so it does not come and go: told as it is.
        watch.pass(is(Condition::PaperOut), QUIET_MS);
        assert_eq!(watch.told.last(), Some(&is(Condition::PaperOut)));
    }

    #[test]
    fn a_change_of_the_roll_is_told_step_by_step() {
        let mut watch = Watch::new();
        let cover = is(Condition::CoverOpen);
        let steps = [
            is(Condition::PaperNearEnd),
            is(Condition::PaperOut),
            cover.with(Condition::PaperOut),
            cover,
            WELL,
            cover,
            WELL,
        ];
        for conditions in steps {
            watch.pass(conditions, 3_000);
        }
        assert_eq!(watch.told, steps);
    }

    #[test]
    fn hands_are_told_from_a_broken_sensor() {
        let mut watch = Watch::new();
        for _ in 0..ONSETS_BY_HAND_MIN - 1 {
            watch.pass(is(Condition::CoverOpen), 500);
            watch.pass(WELL, 500);
        }
        assert!(watch.told.iter().all(|told| !told.contains(Condition::Flapping)));
        watch.pass(is(Condition::CoverOpen), 500);
        assert!(watch.told.last().is_some_and(|told| told.contains(Condition::Flapping)));
    }

    #[test]
    fn seldom_is_not_often() {
        let mut watch = Watch::new();
        for _ in 0..20 {
            watch.pass(is(Condition::Offline), 1_000);
            watch.pass(WELL, 25_000);
        }
        assert!(watch.told.iter().all(|told| !told.contains(Condition::Flapping)));
    }
}
