//! How orders and tickets are shown to the counter's software. Times are milliseconds since 1970, amounts are fen.

use crate::page::words::{self, Words};
use crate::spool::TicketState;
use crate::spool::counter::{CounterTicket, Submitted};
use docket_protocol::ids::{Fen, UnixMs};
use docket_protocol::order::Fulfilment;
use serde::Serialize;

/// Some of the orders.
#[derive(Debug, Serialize)]
pub(super) struct OrdersView {
    pub(super) orders: Vec<OrderView>,
    /// Where the next ones begin; `null` where there are none.
    pub(super) next_before: Option<i64>,
}

/// An order and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct OrderView {
    id: String,
    /// What the chain knows it by.
    order: String,
    number: String,
    service: &'static str,
    table: String,
    total_fen: Fen,
    state: &'static str,
    received_at_ms: UnixMs,
    cancelled_at_ms: Option<UnixMs>,
    tickets: Vec<TicketView>,
}

/// A ticket and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct TicketView {
    id: String,
    /// The key of what it was submitted with.
    submission: String,
    kind: Option<&'static str>,
    station: String,
    title: String,
    /// Whose queue it is in.
    printer: String,
    /// The backup that has it or has printed it.
    backup: Option<String>,
    state: &'static str,
    says: Words,
    /// How it is known that it came out.
    evidence: Option<&'static str>,
    /// Why nobody knows whether it did.
    doubt: Option<&'static str>,
    /// How often it bears 补打.
    repeat: u16,
    /// Characters that came out as boxes.
    boxes: String,
    received_at_ms: UnixMs,
    began_at_ms: Option<UnixMs>,
    ended_at_ms: Option<UnixMs>,
}

impl OrderView {
    /// `None` for what is not an order.
    pub(super) fn new(submitted: Submitted) -> Option<Self> {
        let order = submitted.order?;
        let states = submitted.tickets.iter().map(|ticket| ticket.ticket.state);
        Some(OrderView {
            state: if submitted.cancelled_at.is_some() { "cancelled" } else { whole(states) },
            id: submitted.key,
            order: order.key.id,
            number: order.pickup_number,
            service: match &order.fulfilment {
                Fulfilment::DineIn { .. } => "dine-in",
                Fulfilment::SelfPickup => "take-away",
                Fulfilment::Delivery => "delivery",
            },
            table: order.fulfilment.table().to_owned(),
            total_fen: order.total,
            received_at_ms: submitted.received_at,
            cancelled_at_ms: submitted.cancelled_at,
            tickets: submitted.tickets.into_iter().map(TicketView::new).collect(),
        })
    }
}

/// An order is as its ticket that most needs to be looked after.
fn whole(states: impl Iterator<Item = TicketState>) -> &'static str {
    let worst = states.max_by_key(|state| match state {
        TicketState::Held => 3,
        TicketState::Waiting => 2,
        TicketState::Printing => 1,
        TicketState::Printed | TicketState::Settled | TicketState::Cancelled => 0,
    });
    match worst {
        Some(state @ (TicketState::Held | TicketState::Waiting | TicketState::Printing)) => state.as_str(),
        _ => TicketState::Printed.as_str(),
    }
}

impl TicketView {
    pub(super) fn new(one: CounterTicket) -> Self {
        let ticket = one.ticket;
        let printed = ticket.state == TicketState::Printed;
        let evidence = ticket.evidence.filter(|_| printed);
        let doubt = ticket.doubt.filter(|_| !printed);
        let says = match (evidence, doubt) {
            (Some(evidence), _) => words::evidence(evidence),
            (None, Some(doubt)) if ticket.state == TicketState::Held => words::doubt(doubt, ticket.attempt),
            _ => ticket.state.title(),
        };
        TicketView {
            id: ticket.id.to_string(),
            submission: one.key,
            kind: ticket.kind.map(|kind| kind.as_str()),
            station: ticket.station,
            title: ticket.title,
            backup: ticket
                .taken_by
                .filter(|taken_by| *taken_by != ticket.printer)
                .map(|name| name.to_string()),
            printer: ticket.printer.to_string(),
            state: ticket.state.as_str(),
            says: says.into(),
            evidence: evidence.map(|evidence| evidence.as_str()),
            doubt: doubt.map(|doubt| doubt.as_str()),
            repeat: ticket.repeat,
            boxes: ticket.boxes.as_str().to_owned(),
            received_at_ms: ticket.received_at,
            began_at_ms: ticket.began_at,
            ended_at_ms: ticket.ended_at,
        }
    }
}
