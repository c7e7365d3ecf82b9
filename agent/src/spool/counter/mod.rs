//! What the store's own counter gives: orders and ready tickets, and what it asks of them later.
//!
//! Its tickets wait in the same queues as the hub's and are printed by the same rules. Three things are theirs alone:
//!
//! * **A key.** Each request bears one that its sender has chosen. What was answered is kept with a digest of the
//!   request, in the transaction that did what was asked: whoever asks again, after a lost answer or a crash of either
//!   side, gets that answer, and nothing is done twice.
//! * **Another way up.** What the hub is to hear of them goes to `uploads`, in the same transaction, and not to the
//!   outbox: a store has days of them after days without a link, and a live order's report must not stand behind them.
//! * **A number of changes.** Each change of such a ticket gets the next one, by a trigger of the tables, so that whoever
//!   listens can go on after the last change that it has heard of, whatever happened in between. Only a ticket's newest
//!   state is kept: who was away for long hears of each ticket once. Rejected: a table of events, which would have to
//!   end somewhere, and then had holes.
//!
//! A hub's ticket bears none of this: its columns are NULL, and the triggers do nothing.

mod reading;
mod writing;

pub(super) use reading::{CounterRead, last_change, last_upload, read};

use super::command::{Asker, Read, Write};
use super::{Pending, RecentTicket, Spool, SpoolError};
use docket_protocol::ids::{OrderKey, PrinterName, TicketId, UnixMs};
use docket_protocol::order::Order;
use docket_protocol::session::Batch;
use docket_protocol::ticket::Ticket;
use serde::Serialize;
use tokio::sync::watch;

/// Bytes of a digest: SHA-256.
pub const DIGEST_BYTES: usize = 32;

/// What the counter asks for, under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its sender's name for it.
    pub key: String,
    /// Of all that was sent: another request under the same key is a mistake.
    pub digest: [u8; DIGEST_BYTES],
    /// What is to be done.
    pub wish: Wish,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Print this.
    Submit(Box<Submission>),
    /// An order is cancelled: what was not begun does not come out, and who may have begun gets a slip.
    Cancel {
        /// The key that it was submitted under.
        id: String,
        /// What the chain knows it by.
        order: OrderKey,
        /// What the counter says of it.
        reason: String,
        /// The slips (退菜单) for everyone who was told of the order; those who were not yet do not get theirs.
        slips: Vec<Ticket>,
    },
    /// One ticket is not to come out.
    Withdraw {
        /// Which.
        ticket: TicketId,
    },
    /// One ticket is to come out again, marked.
    Reprint {
        /// Which.
        ticket: TicketId,
        /// Another printer than its own.
        printer: Option<PrinterName>,
    },
}

/// What is to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// What the chain knows it by.
    pub key: OrderKey,
    /// The order; `None` for ready tickets.
    pub order: Option<Order>,
    /// Its tickets, each with a printer where one was chosen.
    pub tickets: Vec<(Ticket, Option<PrinterName>)>,
    /// Dishes that map to no station.
    pub unmapped: Vec<String>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It is done and durable. JSON for its sender.
    Done(Vec<u8>),
    /// It had been done before: what was answered then.
    Before(Vec<u8>),
    /// Something else was asked under this key.
    OtherRequest,
    /// It cannot be done. Nothing is kept of it.
    Refused(Why),
}

/// Why a request cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The counter has given no such order.
    UnknownOrder,
    /// The counter has given no such ticket.
    UnknownTicket,
    /// It is cancelled.
    Cancelled,
    /// It may have come out.
    Begun,
    /// It has not come out yet, and will.
    NotPrintedYet,
}

/// A ticket in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    id: String,
    kind: &'static str,
    station: String,
    title: String,
    copies: u8,
}

impl From<&Ticket> for Line {
    fn from(ticket: &Ticket) -> Self {
        Line {
            id: ticket.id.to_string(),
            kind: ticket.kind.as_str(),
            station: ticket.station.as_str().to_owned(),
            title: ticket.title.clone(),
            copies: ticket.copies,
        }
    }
}

/// What is answered, and kept for whoever asks again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Receipt<'a> {
    Submitted {
        id: &'a str,
        order: &'a str,
        accepted_at_ms: UnixMs,
        tickets: Vec<Line>,
        unmapped_dishes: &'a [String],
    },
    Cancelled {
        id: &'a str,
        cancelled_at_ms: UnixMs,
        withdrawn_tickets: Vec<String>,
        slips: Vec<Line>,
    },
    Withdrawn {
        ticket: String,
        cancelled_at_ms: UnixMs,
    },
    Reprinted {
        ticket: String,
        repeat: u16,
    },
}

/// What the counter has submitted, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Rises with each.
    pub place: i64,
    /// The key that it was submitted under.
    pub key: String,
    /// The order; `None` for ready tickets, and where a newer program has stored it.
    pub order: Option<Order>,
    /// When it was stored.
    pub received_at: UnixMs,
    /// When it was cancelled.
    pub cancelled_at: Option<UnixMs>,
    /// Its tickets, slips of its cancellation included.
    pub tickets: Vec<CounterTicket>,
}

/// A ticket of the counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterTicket {
    /// The key of what it is of.
    pub key: String,
    /// The number of its last change.
    pub changed: u64,
    /// How it stands.
    pub ticket: RecentTicket,
}

impl Spool {
    /// Does what the counter asks for, once for each key. The answer comes when that is durable.
    ///
    /// # Errors
    /// [`SpoolError::UnknownPrinter`], [`SpoolError::Closed`].
    pub async fn counter(&self, request: Request) -> Result<Answered, SpoolError> {
        let chosen: Vec<&PrinterName> = match &request.wish {
            Wish::Submit(submission) => {
                submission.tickets.iter().filter_map(|(_, printer)| printer.as_ref()).collect()
            }
            Wish::Reprint { printer, .. } => printer.iter().collect(),
            Wish::Cancel { .. } | Wish::Withdraw { .. } => Vec::new(),
        };
        for printer in chosen {
            self.index(printer.clone())?;
        }
        self.ask(|answer| Write::Counter { request: Box::new(request), answer }).await
    }

    /// What was answered to a request under this key, or that it was another request; `None` where nothing was.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn answered(
        &self,
        key: String,
        digest: [u8; DIGEST_BYTES],
    ) -> Result<Option<Answered>, SpoolError> {
        self.counter_read(|answer| CounterRead::Answered { key, digest, answer }).await
    }

    /// What was submitted under a key; `None` where nothing was, or not any more.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn submitted(&self, key: String) -> Result<Option<Submitted>, SpoolError> {
        self.counter_read(|answer| CounterRead::Submitted { key, answer }).await
    }

    /// The newest orders first, from before a place.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn orders_before(&self, before: i64, limit: usize) -> Result<Vec<Submitted>, SpoolError> {
        self.counter_read(|answer| CounterRead::OrdersBefore { before, limit, answer }).await
    }

    /// One ticket of the counter.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn counter_ticket(&self, id: TicketId) -> Result<Option<CounterTicket>, SpoolError> {
        self.counter_read(|answer| CounterRead::Ticket { id, answer }).await
    }

    /// The counter's tickets whose last change came after this one, in the order of those changes.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn changed_after(&self, change: u64, limit: usize) -> Result<Vec<CounterTicket>, SpoolError> {
        self.counter_read(|answer| CounterRead::ChangedAfter { change, limit, answer }).await
    }

    /// The number of the last change of a ticket of the counter. It is durable by then.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes()
    }

    /// The oldest of what the hub is to be told of the counter, packed; `None` where nothing waits. It holds as much as
    /// fits into so many bytes, and at least one thing.
    pub fn uploads(&self, bytes_max: usize) -> Pending<Option<Batch>> {
        self.look_up(|answer| Read::Counter(CounterRead::Uploads { bytes_max, answer }))
    }

    /// The hub has stored all of that up to here: it is deleted, with the next transaction.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub fn uploaded_up_to(&self, up_to: u64) -> Result<(), SpoolError> {
        self.write_lazily(Write::UploadedUpTo { up_to })
    }

    /// The number of the last thing that the hub is to be told of the counter; 0 where there was nothing.
    pub fn uploads_changed(&self) -> watch::Receiver<u64> {
        self.shared.uploads_changed()
    }

    async fn counter_read<T>(&self, read: impl FnOnce(Asker<T>) -> CounterRead) -> Result<T, SpoolError> {
        self.look_up(|answer| Read::Counter(read(answer))).await
    }
}
