//! What a store's own counter has done, on its way up to the hub.
//!
//! These orders are printed whether or not there is a link, so a store may have days of them. They wait apart from the
//! agent's live reports and travel in batches: a platform's order that is printed now is told at once, whatever waits
//! here. The hub takes each once, by the keys in it.

use crate::ids::{OrderKey, Station, TicketId, UnixMs};
use crate::order::Order;
use crate::outcome::TicketReport;
use crate::ticket::{Ticket, TicketKind};
use serde::{Deserialize, Serialize};

/// One thing that the hub is told, in the order in which it happened. Append only: it is kept for days, and goes over
/// the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Upload {
    /// An order, and the tickets that the store's own routing has made of it.
    Order(Box<CounterOrder>),
    /// Ready tickets, of which no order is known.
    Tickets(CounterTickets),
    /// An order is cancelled.
    Cancelled(CounterCancelled),
    /// What came of a ticket of the counter. Of one that was taken out before it began:
    /// [`Outcome::Settled`](crate::outcome::Outcome::Settled).
    Outcome(TicketReport),
    /// A ticket's last line says that it is not all of it.
    CutShort {
        /// Which ticket.
        ticket: TicketId,
    },
}

/// An order of the counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterOrder {
    /// What was ordered. It may hold a customer's name, phone and address.
    pub order: Order,
    /// What is printed of it.
    pub tickets: Vec<TicketOutline>,
    /// Dishes that map to no station, as people know them.
    pub unmapped: Vec<String>,
    /// When the agent stored it, by its clock.
    pub accepted_at: UnixMs,
}

/// Ready tickets of the counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterTickets {
    /// What they were submitted as.
    pub key: OrderKey,
    /// What is printed.
    pub tickets: Vec<TicketOutline>,
    /// When the agent stored them, by its clock.
    pub accepted_at: UnixMs,
}

/// An order of the counter is cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterCancelled {
    /// Which.
    pub order: OrderKey,
    /// What the counter says of it; it may be empty.
    pub reason: String,
    /// The slips (退菜单) for those who may have begun.
    pub slips: Vec<TicketOutline>,
    /// When, by the agent's clock.
    pub cancelled_at: UnixMs,
}

/// A ticket without what stands on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketOutline {
    /// Which ticket.
    pub id: TicketId,
    /// What it is for.
    pub kind: TicketKind,
    /// Where it is wanted.
    pub station: Station,
    /// In a few words.
    pub title: String,
}

impl From<&Ticket> for TicketOutline {
    fn from(ticket: &Ticket) -> Self {
        TicketOutline {
            id: ticket.id,
            kind: ticket.kind,
            station: ticket.station.clone(),
            title: ticket.title.clone(),
        }
    }
}
