//! What a printer's task lets others see of it.

use crate::clock;
use crate::printing::flapping::Flapping;
use crate::printing::health::{self, Conditions};
use crate::spool::{Counts, SpoolError};
use docket_protocol::ids::{PrinterName, UnixMs};
use docket_protocol::printer::{Condition, PrinterHealth, Since};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often a changed number of waiting tickets is made known.
const WAITING_EVERY_MS: u64 = 1_000;

/// A health before anything is known: tell it so until the task has its first word.
pub fn unknown_health(printer: &PrinterName) -> PrinterHealth {
    let conditions = vec![Since { condition: Condition::Unknown, since: clock::now() }];
    PrinterHealth { printer: printer.clone(), conditions, heard_at: None, waiting: 0 }
}

/// The health of one printer, as watchers see it.
#[derive(Debug)]
pub(super) struct Shown {
    printer: PrinterName,
    health: watch::Sender<PrinterHealth>,
    counts: watch::Receiver<Counts>,
    waiting_told_at: Option<Instant>,
    flapping: Flapping,
    /// As they were last observed.
    conditions: Option<Conditions>,
}

impl Shown {
    pub(super) fn new(
        printer: PrinterName,
        health: watch::Sender<PrinterHealth>,
        counts: watch::Receiver<Counts>,
    ) -> Self {
        Self {
            printer,
            health,
            counts,
            waiting_told_at: None,
            flapping: Flapping::default(),
            conditions: None,
        }
    }

    /// Another spool counts from now on.
    pub(super) fn go_on(&mut self, counts: watch::Receiver<Counts>) {
        self.counts = counts;
    }

    /// What watchers see.
    pub(super) fn watch(&self) -> watch::Receiver<PrinterHealth> {
        self.health.subscribe()
    }

    /// The printer cannot be reached.
    pub(super) fn unreachable(&mut self) {
        self.publish(Some(Conditions::default().with(Condition::Unreachable)), None, Instant::now());
    }

    /// Brings the health up to date; watchers are woken only where there is news for them. Without conditions, those
    /// of before are still so.
    pub(super) fn publish(&mut self, conditions: Option<Conditions>, heard_at: Option<UnixMs>, now: Instant) {
        let waiting = self.waiting();
        self.conditions = conditions.or(self.conditions);
        let conditions = self.conditions.map(|conditions| self.flapping.observe(conditions, now));
        let may_tell =
            self.waiting_told_at.is_none_or(|at| now >= at + Duration::from_millis(WAITING_EVERY_MS));
        let mut told_waiting = false;
        self.health.send_if_modified(|health| {
            let mut changed =
                conditions.is_some_and(|conditions| health::update(health, conditions, clock::now()));
            if heard_at.is_some() {
                changed |= health.heard_at.is_none();
                health.heard_at = heard_at;
            }
            if health.waiting != waiting && (may_tell || changed) {
                health.waiting = waiting;
                told_waiting = true;
                changed = true;
            }
            changed
        });
        if told_waiting {
            self.waiting_told_at = Some(now);
        }
    }

    /// When something that was told too recently, or too often, may be told.
    pub(super) fn tell_at(&self) -> Option<Instant> {
        self.tell_waiting_at().into_iter().chain(self.flapping.timeout()).min()
    }

    fn tell_waiting_at(&self) -> Option<Instant> {
        let told_at = self.waiting_told_at?;
        let differs = self.health.borrow().waiting != self.waiting();
        differs.then(|| told_at + Duration::from_millis(WAITING_EVERY_MS))
    }

    /// Returns when the spool's counts have changed.
    pub(super) async fn counts_changed(&mut self) -> Result<(), SpoolError> {
        self.counts.changed().await.map_err(|_| SpoolError::Closed)
    }

    /// Whether a person has told the printer to wait.
    pub(super) fn is_paused(&self) -> bool {
        self.counts.borrow().paused_since(&self.printer).is_some()
    }

    fn waiting(&self) -> u32 {
        self.counts.borrow().waiting_for(&self.printer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printing::flapping::{ONSETS_MIN, QUIET_MS, TELL_MS};

    impl Shown {
        fn shows(&self, condition: Condition) -> bool {
            self.health.borrow().conditions.iter().any(|since| since.condition == condition)
        }
    }

    #[test]
    fn a_flapping_printer_of_which_nothing_new_is_known_wakes_nobody_in_vain() {
        let printer = PrinterName::new("front");
        let (health, _) = watch::channel(unknown_health(&printer));
        let (_counting, counts) = watch::channel(Counts::default());
        let mut shown = Shown::new(printer, health, counts);
        let mut now = Instant::now();
        shown.publish(None, None, now);
        assert!(shown.shows(Condition::Unknown), "nothing was ever observed");
        for _ in 0..=ONSETS_MIN {
            for conditions in [Conditions::NONE, Conditions::NONE.with(Condition::Unreachable)] {
                now += Duration::from_millis(1_000);
                shown.publish(Some(conditions), None, now);
            }
        }
        assert!(shown.shows(Condition::Flapping));
        for after_ms in [TELL_MS, QUIET_MS] {
            now += Duration::from_millis(after_ms);
            shown.publish(None, None, now);
            assert!(shown.tell_at().is_none_or(|at| at > now), "{after_ms} ms");
        }
        assert!(shown.shows(Condition::Unreachable) && !shown.shows(Condition::Flapping), "it lasts");
    }
}
