//! Which orders a person should look at. Lateness comes of time alone, without any event, so it is derived each
//! time that the console is drawn and stored nowhere.

use crate::storage::views::{OrderView, TicketView};
use docket_protocol::ids::UnixMs;
use serde::Serialize;

/// An order that is not in a store's spool by then is late.
pub const SPOOL_LATE_MS: u64 = 10_000;
/// An order that is not printed by then is late.
pub const PRINT_LATE_MS: u64 = 60_000;

/// From this age on stores print 迟到 on a ticket, unless they are set up otherwise.
pub const MARKED_LATE_MS: u64 = 30 * 60_000;

/// Why a person should look at an order, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Late {
    /// Its shop belongs to no store: nothing is printed.
    Unrouted,
    /// A ticket waits for a person.
    Held,
    /// A ticket is not in the store's spool, though it should be by now.
    NotSpooled,
    /// A ticket has not come out, though it should have by now.
    NotPrinted,
}

/// Of a whole order: the worst of its tickets.
pub fn of_order(order: &OrderView, at: UnixMs) -> Option<Late> {
    if order.store.is_none() && !order.cancelled {
        return Some(Late::Unrouted);
    }
    order.tickets.iter().filter_map(|ticket| of_ticket(ticket, at)).min()
}

/// Of one ticket.
pub fn of_ticket(ticket: &TicketView, at: UnixMs) -> Option<Late> {
    if ticket.printed_at.is_some() || matches!(ticket.state, "printed" | "settled") {
        return None;
    }
    let age_ms = at.since(ticket.made_at);
    match ticket.state {
        "held" => Some(Late::Held),
        _ if ticket.spooled_at.is_none() && age_ms > SPOOL_LATE_MS => Some(Late::NotSpooled),
        _ if age_ms > PRINT_LATE_MS => Some(Late::NotPrinted),
        _ => None,
    }
}

/// Of a printed ticket that came out so late that its store marks it 迟到 unless it is set up otherwise: how many minutes
/// after it was made, and how many of them it had waited here.
pub fn printed_late(ticket: &TicketView) -> Option<(u64, u64)> {
    let age_ms = ticket.printed_at?.since(ticket.made_at);
    let at_hub_ms = ticket.spooled_at.map_or(0, |at| at.since(ticket.made_at));
    (age_ms >= MARKED_LATE_MS).then_some((age_ms / 60_000, at_hub_ms.min(age_ms) / 60_000))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_ticket_is_late_by_time_alone() {
        let ticket = sample::ticket("queued", 1_000);
        let at = |ms: u64| UnixMs(1_000 + i64::try_from(ms).unwrap());
        assert_eq!(of_ticket(&ticket, at(SPOOL_LATE_MS)), None);
        assert_eq!(of_ticket(&ticket, at(SPOOL_LATE_MS + 1)), Some(Late::NotSpooled));
        let spooled = TicketView { spooled_at: Some(UnixMs(2_000)), ..sample::ticket("spooled", 1_000) };
        assert_eq!(of_ticket(&spooled, at(SPOOL_LATE_MS + 1)), None);
        assert_eq!(of_ticket(&spooled, at(PRINT_LATE_MS + 1)), Some(Late::NotPrinted));
        let printed = TicketView { printed_at: Some(UnixMs(90_000)), ..sample::ticket("printed", 1_000) };
        assert_eq!(of_ticket(&printed, at(100_000)), None);
        assert_eq!(of_ticket(&sample::ticket("held", 1_000), at(0)), Some(Late::Held));
    }

    #[test]
    fn what_was_printed_late_says_where_it_waited() {
        const MINUTE: i64 = 60_000;
        let printed = |spooled: i64, printed: i64| {
            printed_late(&TicketView {
                spooled_at: Some(UnixMs(spooled * MINUTE)),
                printed_at: Some(UnixMs(printed * MINUTE)),
                ..sample::ticket("printed", 0)
            })
        };
        assert_eq!(printed(0, 29), None);
        assert_eq!(printed(29, 30), Some((30, 29)));
        assert_eq!(printed(0, 45), Some((45, 0)));
        assert_eq!(printed_late(&sample::ticket("queued", 0)), None);
    }

    #[test]
    fn an_order_is_as_late_as_its_worst_ticket() {
        let mut order = sample::order("17", 0);
        order.tickets = vec![sample::ticket("held", 0), sample::ticket("queued", 0)];
        assert_eq!(of_order(&order, UnixMs(20_000)), Some(Late::Held));
        order.store = None;
        assert_eq!(of_order(&order, UnixMs(0)), Some(Late::Unrouted));
        order.cancelled = true;
        order.tickets.clear();
        assert_eq!(of_order(&order, UnixMs(i64::MAX)), None);
    }
}
