//! What a test sees of a shop: the conditions that headquarters shows, the record, and the paper on the counter.

use super::shop::PRINTED;
use super::slips::{Slip, are_marked_rightly, on_paper};
use super::{PATIENCE, Shop, TicketRow, wait_for};
use crate::platform::orders::PlacedOrder;
use crate::virtual_printer::Status;
use anyhow::ensure;
use serde_json::Value;
use std::time::Duration;

/// A fault is to be seen at headquarters so soon. A printer tells most of them by itself; that it is silent, or cannot
/// be reached, takes a few seconds to know.
pub const MOMENTS: Duration = Duration::from_secs(8);
/// In the hub's record: the agent has it.
pub const SPOOLED: i64 = 2;
/// In the hub's record: it waits for a person.
pub const HELD: i64 = 4;

/// Waits until headquarters sees exactly these conditions of the printer, each with what to do about it.
///
/// # Errors
/// When they are not within [`MOMENTS`]; with the last state.
pub async fn until_shown(shop: &Shop, codes: &[&str]) -> anyhow::Result<()> {
    until_shown_within(shop, codes, MOMENTS).await
}

/// [`until_shown`] with another patience.
///
/// # Errors
/// When they are not in time; with the last state.
pub async fn until_shown_within(shop: &Shop, codes: &[&str], patience: Duration) -> anyhow::Result<()> {
    let what = format!("the printer to show {codes:?}");
    let conditions = |overview: &Value| {
        let conditions = overview["stores"][0]["printers"][0]["conditions"].as_array()?.clone();
        let shown = conditions.iter().filter_map(|one| one["code"].as_str());
        // After so many faults the printer comes and goes indeed, and that is shown besides.
        let shown: Vec<&str> = shown.filter(|&code| code != "flapping").collect();
        (shown == codes).then_some(conditions)
    };
    for condition in shop.hub.until_overview(&what, patience, conditions).await? {
        for language in ["zh", "en"] {
            let remedy = condition[language].as_str().unwrap_or_default();
            ensure!(!remedy.is_empty(), "no remedy in {language}: {condition}");
        }
        ensure!(condition["since"].as_i64().is_some_and(|since| since > 0), "no age: {condition}");
    }
    Ok(())
}

/// Waits until the order's ticket is in a state.
///
/// # Errors
/// When it never comes to that; with its last state and the agent's log.
pub async fn until_state(shop: &Shop, order: &PlacedOrder, state: i64) -> anyhow::Result<TicketRow> {
    let ledger = shop.hub.ledger()?;
    wait_for(&format!("state {state} of the ticket"), PATIENCE, || {
        let tickets = ledger.tickets().map_err(|error| error.to_string())?;
        let ticket = tickets.into_iter().find(|ticket| ticket.order == order.order_id);
        match ticket {
            Some(ticket) if ticket.state == state => Ok(ticket),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .map_err(|error| error.context(shop.agent.log_text()))
}

/// What the hub's record says of the order's ticket.
///
/// # Errors
/// When there is none.
pub fn record(shop: &Shop, order: &PlacedOrder) -> anyhow::Result<TicketRow> {
    let tickets = shop.hub.ledger()?.tickets()?;
    let ticket = tickets.into_iter().find(|ticket| ticket.order == order.order_id);
    ticket.ok_or_else(|| anyhow::anyhow!("no ticket of {}", order.order_id))
}

/// Waits until a ticket that had not begun when the printer was in the state `before` is partly on paper.
///
/// # Errors
/// When none comes; with the state of the printer.
pub async fn until_in_print(shop: &Shop, before: &Status) -> anyhow::Result<()> {
    // ESC @ comes ahead of a ticket: where another was still in print, it is behind that one.
    let is_new = |status: &Status| match before.paper_so_far.is_empty() {
        true => status.lines_printed > before.lines_printed,
        false => status.resets > before.resets,
    };
    let in_print = |status: &Status| is_new(status) && !status.paper_so_far.is_empty();
    shop.printer.wait_until(PATIENCE, in_print).await.map_err(anyhow::Error::msg)
}

/// Waits until the last slip is cut: a ticket counts as printed when it is on paper.
///
/// # Errors
/// When it is not; with the state of the printer.
pub async fn until_cut(shop: &Shop) -> anyhow::Result<()> {
    let cut = shop.printer.wait_until(MOMENTS, |status| status.paper_so_far.is_empty());
    cut.await.map_err(anyhow::Error::msg)
}

/// The order's slips, in the order of printing.
pub fn slips_of(shop: &Shop, order: &PlacedOrder) -> Vec<Slip> {
    let mut slips = on_paper(&shop.printer);
    slips.retain(|slip| slip.pickup == Some(order.day_seq));
    slips
}

/// The order was printed once, without a mark, whole and cut, and that is known by this evidence.
///
/// # Errors
/// When not; with what lies there instead.
pub fn ensure_printed_once(shop: &Shop, order: &PlacedOrder, evidence: &str) -> anyhow::Result<()> {
    let slips = slips_of(shop, order);
    let last_line = format!("订单号 {}", order.order_id);
    let [slip] = slips.as_slice() else { anyhow::bail!("not one slip: {slips:#?}") };
    ensure!(slip.repeat.is_none() && slip.cut && slip.last_line == last_line, "{slip:?}");
    let ticket = record(shop, order)?;
    ensure!(ticket.evidence.as_deref() == Some(evidence) && ticket.repeats == 0, "{ticket:?}");
    Ok(())
}

/// The order came out whole, at most its first slip is without a mark, and the record says what the paper says. How
/// often it is marked, at last.
///
/// # Errors
/// When not; with what lies there instead.
pub fn ensure_marked_rightly(shop: &Shop, order: &PlacedOrder, evidence: &str) -> anyhow::Result<u32> {
    let slips = slips_of(shop, order);
    let last_line = format!("订单号 {}", order.order_id);
    let whole = slips.last().is_some_and(|slip| slip.cut && slip.last_line == last_line);
    ensure!(whole && are_marked_rightly(&slips), "{slips:#?}");
    let repeats = slips.last().and_then(|slip| slip.repeat).unwrap_or(0);
    let ticket = record(shop, order)?;
    ensure!(ticket.state == PRINTED && ticket.repeats == i64::from(repeats), "{ticket:?}: {slips:#?}");
    ensure!(ticket.evidence.as_deref() == Some(evidence), "{ticket:?}");
    Ok(repeats)
}
