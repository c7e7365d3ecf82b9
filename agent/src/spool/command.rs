//! What the handle asks of the storage thread.

use super::{Claim, Finish, HeldTicket, RecentTicket, Reprint};
use docket_protocol::ids::{PrinterName, Seq, TicketId};
use docket_protocol::ticket::Ticket;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// One entry of the thread's channel.
#[derive(Debug)]
pub(super) enum Command {
    /// Something to store. It holds its permit until it is committed: that is the bound.
    Write(Write, Option<OwnedSemaphorePermit>),
    /// Something to look up. Its sender waits for the answer, so there are few.
    Read(Read),
    /// A printer takes its end of the channel.
    Subscribe { printer: usize, claims: mpsc::Sender<Claim> },
    /// A printer holds up to this many tickets from now on.
    Want { printer: usize, level: u32 },
    /// End after what came before.
    Stop { answer: oneshot::Sender<()> },
}

/// Something to store. It may be run more than once until a commit succeeds.
#[derive(Debug)]
pub(super) enum Write {
    /// First of all: settles what an earlier life left.
    Recover,
    /// Items of the hub.
    Receive { items: Vec<(Seq, Vec<u8>)>, answer: oneshot::Sender<Seq> },
    /// The hub sends what is after this place.
    SkipTo { seq: Seq, answer: oneshot::Sender<()> },
    /// The hub has these reports. Lazy: it waits for company.
    Acknowledged { up_to: Seq },
    /// Pending reports move behind this place.
    Renumber { after: Seq, answer: oneshot::Sender<Seq> },
    /// What came of an attempt.
    Finish { printer: usize, finish: Finish },
    /// Claims that were not begun.
    HandBack { printer: usize, tickets: Vec<TicketId> },
    /// A held ticket goes on.
    Release { ticket: TicketId, answer: oneshot::Sender<bool> },
    /// A held ticket is not printed any more.
    Settle { ticket: TicketId, answer: oneshot::Sender<bool> },
    /// A ticket is printed again, on a printer that a person chose.
    Reprint { ticket: TicketId, printer: Option<usize>, answer: oneshot::Sender<Reprint> },
    /// A ticket of this PC's own.
    PrintHere { printer: usize, ticket: Box<Ticket>, answer: oneshot::Sender<()> },
    /// A printer waits, or goes on.
    SetPaused { printer: PrinterName, paused: bool, answer: oneshot::Sender<()> },
    /// What a unit has shown. Lazy.
    Learn { printer: usize, unit: String, facts: String },
    /// Old rows go. Lazy.
    Retain,
    /// Nothing: answered when all before it is durable.
    Flush { answer: oneshot::Sender<()> },
}

impl Write {
    /// Whether it can wait for the next transaction that has to be made anyway.
    pub(super) fn is_lazy(&self) -> bool {
        match self {
            Write::Acknowledged { .. } | Write::Learn { .. } | Write::Retain => true,
            Write::Recover
            | Write::Receive { .. }
            | Write::SkipTo { .. }
            | Write::Renumber { .. }
            | Write::Finish { .. }
            | Write::HandBack { .. }
            | Write::Release { .. }
            | Write::Settle { .. }
            | Write::Reprint { .. }
            | Write::PrintHere { .. }
            | Write::SetPaused { .. }
            | Write::Flush { .. } => false,
        }
    }

    /// Whether it has to stay in order with its like: a cursor moves.
    pub(super) fn moves_received(&self) -> bool {
        matches!(self, Write::Receive { .. } | Write::SkipTo { .. })
    }

    /// Whether it means reports by their places, and so comes after what gives them new ones.
    pub(super) fn means_places(&self) -> bool {
        matches!(self, Write::Acknowledged { .. } | Write::Renumber { .. })
    }
}

/// What a write gives back once it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// Nothing.
    Done,
    /// A cursor.
    Seq(Seq),
    /// Whether there was something to do.
    Changed(bool),
    /// What became of the wish.
    Reprint(Reprint),
}

impl Write {
    /// Answers whoever waits. A receiver that is gone does not mind.
    pub(super) fn answer(self, reply: Reply) {
        match (self, reply) {
            (Write::Receive { answer, .. } | Write::Renumber { answer, .. }, Reply::Seq(seq)) => {
                let _ = answer.send(seq);
            }
            (
                Write::SkipTo { answer, .. }
                | Write::Flush { answer }
                | Write::PrintHere { answer, .. }
                | Write::SetPaused { answer, .. },
                _,
            ) => {
                let _ = answer.send(());
            }
            (Write::Release { answer, .. } | Write::Settle { answer, .. }, Reply::Changed(changed)) => {
                let _ = answer.send(changed);
            }
            (Write::Reprint { answer, .. }, Reply::Reprint(reprint)) => {
                let _ = answer.send(reprint);
            }
            _ => {}
        }
    }
}

/// Something to look up.
#[derive(Debug)]
pub(super) enum Read {
    /// Reports after a place.
    OutboxAfter { after: Seq, limit: usize, answer: oneshot::Sender<Vec<(Seq, Vec<u8>)>> },
    /// Tickets that wait for a person.
    Held { limit: usize, answer: oneshot::Sender<Vec<HeldTicket>> },
    /// The newest tickets.
    Recent { limit: usize, answer: oneshot::Sender<Vec<RecentTicket>> },
    /// One ticket with its document.
    Ticket { id: TicketId, answer: oneshot::Sender<Option<Ticket>> },
    /// What is known of a unit.
    Profile { unit: String, answer: oneshot::Sender<String> },
    /// What is known of each printer's unit.
    Profiles { answer: oneshot::Sender<Vec<(String, String)>> },
    /// How often a ticket bears 补打 that a printer has begun in an earlier life and that nothing is known of.
    InQuestion { printer: usize, ticket: TicketId, attempt: u16, answer: oneshot::Sender<Option<u16>> },
}
