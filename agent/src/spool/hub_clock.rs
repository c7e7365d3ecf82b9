//! The hub's time, as far as it is known here. Until when a ticket is of use is said by the hub's clock, and a PC's may
//! be hours off: an RTC in local time that is read as UTC, or one whose battery is empty.
//!
//! Each session says the time once, when it begins. From then on it is counted by the time that passes, so it does not
//! matter when the PC's clock is set meanwhile. (A PC that sleeps has lost its session, and hears it anew.) A start
//! without a link goes by the PC's clock and the difference that was seen last, which is kept in the database.
//!
//! Rejected: times of expiry by the PC's clock, reckoned when a ticket comes: wrong by hours once the clock is set.

use docket_protocol::ids::UnixMs;
use std::time::Instant;

/// A difference that has changed by less is not stored anew.
const CHANGE_MS_MIN: u64 = 60_000;

/// What the hub has told this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct HubClock {
    told: Option<(UnixMs, Instant)>,
}

impl HubClock {
    /// The hub's clock said `time` at this moment.
    pub fn hear(&mut self, time: UnixMs, at: Instant) {
        self.told = Some((time, at));
    }

    /// The hub's time: as it was told or, before that, by the PC's clock and the difference that was seen last.
    pub fn time(self, pc: UnixMs, at: Instant, ahead_ms: i64) -> UnixMs {
        match self.told {
            Some((time, told_at)) => {
                let passed = at.saturating_duration_since(told_at).as_millis();
                UnixMs(time.0.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX)))
            }
            None => UnixMs(pc.0.saturating_add(ahead_ms)),
        }
    }
}

/// How far the hub's clock is ahead of the PC's, where that differs enough from what is stored.
pub fn changed(hub: UnixMs, pc: UnixMs, stored_ms: i64) -> Option<i64> {
    let ahead_ms = hub.0.saturating_sub(pc.0);
    (ahead_ms.abs_diff(stored_ms) >= CHANGE_MS_MIN).then_some(ahead_ms)
}
