//! Tickets that come late: made at the hub and printed much later, since the store was offline or its printer could not
//! print.
//!
//! There is one rule, by the age of a ticket (the hub's clock now, less when the hub made it):
//!
//! | age | |
//! |---|---|
//! | below [`LateRule::mark_after_ms`] | it is printed as it is |
//! | from then on | it bears 【迟到】 and how long it waited: whoever reads it asks before cooking |
//! | at its end | it waits for a person, not begun (`expiry`) |
//!
//! Its end is the time that the ticket itself names, where it names one: whoever made it knows what it is good for. Else
//! it is [`LateRule::hold_after_ms`] after it was made. It is reckoned once, when the ticket comes, and kept with it.
//!
//! What a person lets go after its end is printed, and bears the mark. A ticket of this store's own counter or page is
//! never late: it was made by this PC's clock, and people stood beside it.
//!
//! Rejected: a mark from the moment of arrival on (a printer that was out of paper for an hour makes a ticket as late
//! as a link does); two ways to be held, one by age and one by the ticket.

use docket_protocol::ids::UnixMs;
use docket_protocol::ticket::Ticket;

/// When a ticket of the hub is late, and when it is too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LateRule {
    /// From this age on it is marked; `None`: never.
    pub mark_after_ms: Option<u64>,
    /// From this age on it waits for a person, unless it names a time of its own; `None`: never.
    pub hold_after_ms: Option<u64>,
}

/// How late a ticket was, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness {
    /// How old it was when it was printed, as it says itself; or how old it is, where it waits.
    pub minutes: u32,
    /// How much of that it had waited at the hub, before this PC had it.
    pub at_hub_minutes: u32,
}

impl Lateness {
    /// For people: (zh-CN, en).
    pub fn words(self) -> (String, String) {
        let Lateness { minutes, at_hub_minutes } = self;
        if at_hub_minutes * 2 >= minutes {
            (
                format!("迟到 {minutes} 分钟:断网期间在总部等了 {at_hub_minutes} 分钟"),
                format!(
                    "{minutes} min late: it waited {at_hub_minutes} min at headquarters while there was no link"
                ),
            )
        } else {
            (
                format!("迟到 {minutes} 分钟:到店后等打印机"),
                format!("{minutes} min late: it waited for the printer"),
            )
        }
    }
}

impl LateRule {
    /// When the ticket is too late, by the hub's clock. `made_at` is `None` where the hub did not make it.
    pub(super) fn expires_at(self, ticket: &Ticket, made_at: Option<UnixMs>) -> Option<UnixMs> {
        ticket.expires_at.or_else(|| {
            let after_ms = i64::try_from(self.hold_after_ms?).unwrap_or(i64::MAX);
            Some(UnixMs(made_at?.0.saturating_add(after_ms)))
        })
    }

    /// The minutes that it bears if it is begun now; 0 where it is not late.
    pub(super) fn late_min(self, made_at: Option<UnixMs>, hub_now: UnixMs) -> u32 {
        let Some((made_at, mark_after_ms)) = made_at.zip(self.mark_after_ms) else { return 0 };
        let age_ms = hub_now.since(made_at);
        if age_ms < mark_after_ms { 0 } else { minutes(age_ms).max(1) }
    }
}

/// Whole minutes.
pub(super) fn minutes(ms: u64) -> u32 {
    u32::try_from(ms / 60_000).unwrap_or(u32::MAX)
}
