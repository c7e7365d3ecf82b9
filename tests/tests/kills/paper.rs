//! The judge: what lies on the counter, held against what the platform was told and what the hub's record says.

use super::platform::last_line_of_kitchen;
use anyhow::ensure;
use docket_tests::chain::TicketRow;
use docket_tests::chain::shop::PRINTED;
use docket_tests::chain::slips::{Slip, are_marked_rightly, on_paper};
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::VirtualPrinter;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// What was on paper so far, for looks while everything is still running.
#[derive(Default)]
pub struct Paper {
    texts: [String; 2],
    receipts: [u64; 2],
    seen: HashSet<(String, String)>,
}

impl Paper {
    /// What was acknowledged is in the record, with both of its tickets.
    pub fn check_accepted(&self, accepted: &[PlacedOrder], tickets: &[TicketRow]) -> anyhow::Result<()> {
        let mut known: HashMap<&str, usize> = HashMap::new();
        for ticket in tickets {
            *known.entry(&ticket.order).or_default() += 1;
        }
        let lost: Vec<&str> = accepted.iter().map(|order| order.order_id.as_str()).collect();
        let lost: Vec<_> = lost.into_iter().filter(|id| known.get(id) != Some(&2)).collect();
        ensure!(lost.is_empty(), "acknowledged, and not in the record with two tickets: {lost:?}");
        Ok(())
    }

    /// What the record called printed when it was read is wholly on paper now.
    pub fn check_printed(
        &mut self,
        tickets: &[TicketRow],
        printers: [&VirtualPrinter; 2],
    ) -> anyhow::Result<()> {
        let mut unfinished = [String::new(), String::new()];
        for (place, printer) in printers.into_iter().enumerate() {
            // Before the receipts: what is cut in between is seen twice, not missed.
            unfinished[place] = printer.paper_so_far();
            for receipt in printer.receipts_from(self.receipts[place] + 1) {
                self.texts[place].push_str(&receipt.text());
                self.receipts[place] = receipt.number();
            }
        }
        for ticket in tickets.iter().filter(|ticket| ticket.state == PRINTED) {
            if self.seen.insert((ticket.order.clone(), ticket.kind.clone())) {
                let place = usize::from(ticket.kind == "kitchen");
                let last = last_line(&ticket.order, &ticket.kind);
                let is_there = self.texts[place].contains(&last) || unfinished[place].contains(&last);
                ensure!(is_there, "called printed, and not on paper: {ticket:?}");
                ensure!(ticket.evidence.is_some(), "called printed without evidence: {ticket:?}");
            }
        }
        Ok(())
    }
}

/// What came out of the whole run.
pub struct Summary {
    orders: usize,
    slips: usize,
    marked: usize,
    partial: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { orders, slips, marked, partial } = self;
        write!(f, "{orders} orders, {slips} slips, {marked} of them marked and {partial} interrupted")
    }
}

/// Judges every ticket. All that is wrong is in the error.
pub fn judge(
    orders: &[PlacedOrder],
    tickets: &[TicketRow],
    front: &VirtualPrinter,
    kitchen: &VirtualPrinter,
) -> anyhow::Result<Summary> {
    let mut wrong = Vec::new();
    let mut summary = Summary { orders: orders.len(), slips: 0, marked: 0, partial: 0 };
    for (kind, printer) in [("front", front), ("kitchen", kitchen)] {
        let mut by_pickup: BTreeMap<u32, Vec<Slip>> = BTreeMap::new();
        for slip in on_paper(printer) {
            if let Some(pickup) = slip.pickup {
                by_pickup.entry(pickup).or_default().push(slip);
            }
        }
        for order in orders {
            let own: Vec<&TicketRow> = tickets
                .iter()
                .filter(|ticket| ticket.order == order.order_id && ticket.kind == kind)
                .collect();
            let slips = by_pickup.remove(&order.day_seq).unwrap_or_default();
            let last = last_line(&order.order_id, kind);
            summary.slips += slips.len();
            summary.marked += slips.iter().filter(|slip| slip.repeat.is_some()).count();
            summary.partial += slips.iter().filter(|slip| slip.last_line != last).count();
            if let Err(reason) = judge_ticket(&own, &slips, &last) {
                wrong.push(format!("{kind} of {}: {reason}\n  {own:?}\n  {slips:#?}", order.order_id));
            }
        }
        if !by_pickup.is_empty() {
            wrong.push(format!("slips of orders that nobody placed: {by_pickup:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{} tickets are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(summary)
}

fn judge_ticket(record: &[&TicketRow], slips: &[Slip], last_line: &str) -> Result<(), String> {
    let [ticket] = record else { return Err(format!("{} tickets in the record", record.len())) };
    if ticket.state != PRINTED || ticket.evidence.as_deref() != Some("fence") {
        return Err("not printed with the evidence of a fence".into());
    }
    if !slips.iter().any(|slip| slip.cut && slip.last_line == last_line) {
        return Err("no whole slip on paper".into());
    }
    let marks: Vec<u32> = slips.iter().map(|slip| slip.repeat.unwrap_or(0)).collect();
    if !are_marked_rightly(slips) {
        return Err(format!("补打 does not rise: {marks:?}"));
    }
    if marks.last().copied().map(i64::from) != Some(ticket.repeats) {
        return Err(format!("on paper 补打 {marks:?}, in the record {}", ticket.repeats));
    }
    Ok(())
}

/// What the last line of a whole slip says.
fn last_line(order: &str, kind: &str) -> String {
    match kind {
        "kitchen" => {
            let number = order.parse::<u64>().unwrap_or_default() % 1_000_000_000;
            format!("备注:{}", last_line_of_kitchen(number))
        }
        _ => format!("订单号 {order}"),
    }
}
