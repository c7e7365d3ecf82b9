//! Who prints for whom: while a printer cannot print, its backup takes tickets from its queue.
//!
//! Nothing is moved. A ticket stays in the queue of the printer that it is meant for; only a claim says which
//! printer took it, and a claim that is given back leaves no trace. So when the printer is back, what was not
//! taken is its own again without a step that a crash could cut in two, and no ticket can go round in a circle.
//! What is claimed has not been begun: a ticket whose earlier attempt is in doubt bears 补打 here as there.
//!
//! A printer cannot print while its task wants no tickets. How long that lasts is known only since this process
//! runs: after a restart the time begins anew. A unit that comes for a moment and goes again has not been back:
//! the time goes on until it has printed something, or stayed for [`STEADY_MS_MIN`].
//!
//! Rejected: moving rows to the backup's queue (a hundred thousand rows at each flap of a plug, and the way back
//! is a second truth); a backup for what a person has sent to one printer, such as its test page.

use super::SpoolOptions;
use std::time::{Duration, Instant};

/// How long a printer takes tickets without printing one until it counts as back.
const STEADY_MS_MIN: u64 = 5_000;

/// What the printers want now, and who stands in for whom.
pub(super) struct Desk {
    printers: Vec<Demand>,
    after: Duration,
}

struct Demand {
    want: u32,
    /// Since when it wants anything.
    back_since: Option<Instant>,
    /// Since when it cannot print; stays while it is only just back.
    out_since: Option<Instant>,
    backup: Option<usize>,
}

impl Desk {
    pub(super) fn new(options: &SpoolOptions, now: Instant) -> Self {
        let printers = options.printers.iter().map(|printer| Demand {
            want: 0,
            back_since: None,
            out_since: Some(now),
            backup: printer
                .backup
                .as_ref()
                .and_then(|backup| options.printers.iter().position(|other| other.name == *backup)),
        });
        Self { printers: printers.collect(), after: Duration::from_millis(options.backup_after_ms) }
    }

    pub(super) fn want(&self, printer: usize) -> u32 {
        self.printers[printer].want
    }

    pub(super) fn set_want(&mut self, printer: usize, want: u32, now: Instant) {
        let demand = &mut self.printers[printer];
        demand.want = want;
        if want > 0 {
            demand.back_since.get_or_insert(now);
            return;
        }
        if let Some(since) = demand.back_since.take()
            && now.saturating_duration_since(since) >= Duration::from_millis(STEADY_MS_MIN)
        {
            demand.out_since = None;
        }
        demand.out_since.get_or_insert(now);
    }

    /// A ticket came out of it: it is back, or has been until now.
    pub(super) fn has_printed(&mut self, printer: usize, now: Instant) {
        let demand = &mut self.printers[printer];
        demand.out_since = (demand.want == 0).then_some(now);
    }

    /// The printer that takes from the queue of `home` now, where it is another one: the first of the chain of
    /// backups that can print. `is_paused`: a person has told it to wait.
    pub(super) fn stand_in(
        &self,
        home: usize,
        is_paused: impl Fn(usize) -> bool,
        now: Instant,
    ) -> Option<usize> {
        if self.printers[home].want > 0 || is_paused(home) || self.due(home).is_none_or(|due| now < due) {
            return None;
        }
        let mut next = self.printers[home].backup;
        // As many steps as there are printers: a chain that comes back to itself ends there.
        for _ in 0..self.printers.len() {
            let backup = next.filter(|&backup| backup != home)?;
            if self.printers[backup].want > 0 && !is_paused(backup) {
                return Some(backup);
            }
            next = self.printers[backup].backup;
        }
        None
    }

    /// From when a backup may take from this queue; `None` while it prints itself, or has no backup.
    pub(super) fn due(&self, home: usize) -> Option<Instant> {
        let demand = &self.printers[home];
        let out_since = demand.out_since.filter(|_| demand.want == 0 && demand.backup.is_some())?;
        Some(out_since + self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::PrinterRoute;
    use docket_protocol::ids::PrinterName;

    const AFTER_MS: u64 = 1_000;

    /// `a:b` is a printer and its backup.
    fn desk(printers: &[&str], now: Instant) -> Desk {
        let route = |text: &&str| {
            let (name, backup) = text.split_once(':').unwrap_or((text, ""));
            PrinterRoute {
                name: PrinterName::new(name),
                stations: Vec::new(),
                default: false,
                backup: (!backup.is_empty()).then(|| PrinterName::new(backup)),
            }
        };
        let mut options = SpoolOptions::new(printers.iter().map(route).collect(), None);
        options.backup_after_ms = AFTER_MS;
        Desk::new(&options, now)
    }

    fn later(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn nobody(_: usize) -> bool {
        false
    }

    #[test]
    fn the_first_of_the_chain_that_can_print_stands_in() {
        let start = Instant::now();
        let mut desk = desk(&["a:b", "b:c", "c:a"], start);
        let due = later(start, AFTER_MS);
        assert_eq!(desk.stand_in(0, nobody, due), None, "nobody can print: the circle ends");
        desk.set_want(2, 1, start);
        assert_eq!(desk.stand_in(0, nobody, later(due, 0) - Duration::from_millis(1)), None, "not yet");
        assert_eq!(desk.stand_in(0, nobody, due), Some(2));
        desk.set_want(1, 1, start);
        assert_eq!(desk.stand_in(0, nobody, due), Some(1));
        assert_eq!(desk.stand_in(0, |printer| printer == 1, due), Some(2), "who is paused is passed over");
        assert_eq!(
            desk.stand_in(0, |printer| printer == 0, due),
            None,
            "a pause keeps the queue where it is"
        );
        desk.set_want(0, 1, start);
        assert_eq!(desk.stand_in(0, nobody, due), None);
        assert_eq!(desk.stand_in(2, nobody, due), None);
    }

    #[test]
    fn a_unit_that_comes_and_goes_has_not_been_back() {
        let start = Instant::now();
        let mut desk = desk(&["a:b", "b"], start);
        desk.set_want(1, 1, start);
        for blip in 1..=3 {
            desk.set_want(0, 1, later(start, AFTER_MS + blip * 10));
            assert_eq!(desk.stand_in(0, nobody, later(start, AFTER_MS + blip * 10)), None);
            desk.set_want(0, 0, later(start, AFTER_MS + blip * 10 + 5));
            assert_eq!(desk.stand_in(0, nobody, later(start, AFTER_MS + blip * 10 + 5)), Some(1));
        }
        // It prints: the time begins anew when it goes.
        desk.set_want(0, 1, later(start, 2_000));
        desk.has_printed(0, later(start, 2_050));
        desk.set_want(0, 0, later(start, 2_100));
        assert_eq!(desk.stand_in(0, nobody, later(start, 3_099)), None);
        assert_eq!(desk.stand_in(0, nobody, later(start, 3_100)), Some(1));
        // Its last ticket is known to be out only after it has gone.
        desk.set_want(0, 1, later(start, 3_200));
        desk.set_want(0, 0, later(start, 3_300));
        desk.has_printed(0, later(start, 3_400));
        assert_eq!(desk.stand_in(0, nobody, later(start, 4_399)), None);
        assert_eq!(desk.stand_in(0, nobody, later(start, 4_400)), Some(1));
        // So it does after a while without anything to print.
        desk.set_want(0, 1, later(start, 5_000));
        desk.set_want(0, 0, later(start, 5_000 + STEADY_MS_MIN));
        assert_eq!(desk.stand_in(0, nobody, later(start, 5_000 + STEADY_MS_MIN)), None);
    }
}
