//! The hub's time, as far as it is known here. Until when a ticket is of use, and how late it is, is said by the hub's
//! clock, and a PC's may be hours off: an RTC in local time that is read as UTC, or one whose battery is empty.
//!
//! Each session says the time once, when it begins. From then on it is counted by the time that passes, sleep included
//! ([`clock::uptime`]), so it does not matter when the PC's clock is set meanwhile. What the hub's clock said at the
//! start of this boot is kept in the database: an agent that is started again in the same boot, with a link or
//! without, goes on from there. In another boot without a link there is only the PC's clock with the difference that was
//! seen last, and that it cannot be earlier than it was.
//!
//! Rejected: times of expiry by the PC's clock, reckoned when a ticket comes: wrong by hours once the clock is set.
//!
//! [`clock::uptime`]: crate::clock::uptime

use docket_protocol::ids::UnixMs;
use std::time::Duration;

/// A difference that has changed by less is not stored anew.
const CHANGE_MS_MIN: u64 = 60_000;
/// Nor is another start of the boot: each session's word has been on its way for some milliseconds.
const ZERO_CHANGE_MS_MIN: u64 = 1_000;

/// What the hub has told in this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubClock {
    /// What its clock said when the PC was started.
    zero: Option<UnixMs>,
}

impl HubClock {
    /// As an earlier life has kept it, in this boot.
    pub fn kept(zero: Option<i64>) -> Self {
        HubClock { zero: zero.map(UnixMs) }
    }

    /// The hub's clock said `time` at this moment.
    pub fn hear(&mut self, time: UnixMs, uptime: Duration) {
        self.zero = Some(UnixMs(time.0.saturating_sub(ms(uptime))));
    }

    /// What is to be kept, where that differs enough from what is.
    pub fn changed(self, kept: Option<i64>) -> Option<i64> {
        let zero = self.zero?.0;
        kept.is_none_or(|kept| kept.abs_diff(zero) >= ZERO_CHANGE_MS_MIN).then_some(zero)
    }

    /// The hub's time: as it was told or, before that, by the PC's clock and the difference that was seen last, and not
    /// before what was seen last.
    pub fn time(self, pc: UnixMs, uptime: Duration, ahead_ms: i64, seen: UnixMs) -> UnixMs {
        match self.zero {
            Some(zero) => UnixMs(zero.0.saturating_add(ms(uptime))),
            None => seen.max(UnixMs(pc.0.saturating_add(ahead_ms))),
        }
    }
}

fn ms(uptime: Duration) -> i64 {
    i64::try_from(uptime.as_millis()).unwrap_or(i64::MAX)
}

/// How far the hub's clock is ahead of the PC's, where that differs enough from what is stored.
pub fn changed(hub: UnixMs, pc: UnixMs, stored_ms: i64) -> Option<i64> {
    let ahead_ms = hub.0.saturating_sub(pc.0);
    (ahead_ms.abs_diff(stored_ms) >= CHANGE_MS_MIN).then_some(ahead_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const NEVER: UnixMs = UnixMs(0);

    fn up(ms: i64) -> Duration {
        Duration::from_millis(ms.unsigned_abs())
    }

    #[test]
    fn a_clock_that_is_set_changes_nothing_once_the_hub_was_heard() {
        let mut clock = HubClock::default();
        let hub = UnixMs(1_000 * HOUR_MS);
        clock.hear(hub, up(500));
        for pc in [hub.0 - 8 * HOUR_MS, hub.0 + 9_000 * HOUR_MS, 0] {
            let later = clock.time(UnixMs(pc), up(500 + 2 * HOUR_MS), 0, NEVER);
            assert_eq!(later, UnixMs(hub.0 + 2 * HOUR_MS));
        }
    }

    #[test]
    fn another_life_in_the_same_boot_goes_on_from_there() {
        let mut clock = HubClock::default();
        clock.hear(UnixMs(1_000 * HOUR_MS), up(HOUR_MS));
        let kept = clock.changed(None);
        let next = HubClock::kept(kept);
        assert_eq!(next.time(UnixMs(0), up(3 * HOUR_MS), 0, NEVER), UnixMs(1_002 * HOUR_MS));
        clock.hear(UnixMs(1_000 * HOUR_MS + 400), up(HOUR_MS));
        assert_eq!(clock.changed(kept), None, "some milliseconds are not stored");
    }

    #[test]
    fn in_another_boot_it_is_the_pcs_clock_and_never_earlier_than_it_was() {
        let clock = HubClock::default();
        let seen = UnixMs(1_000 * HOUR_MS);
        let ahead = 8 * HOUR_MS;
        assert_eq!(clock.time(UnixMs(993 * HOUR_MS), up(0), ahead, seen), UnixMs(1_001 * HOUR_MS));
        assert_eq!(clock.time(UnixMs(3), up(0), ahead, seen), seen, "the clock's battery is empty");
    }
}
