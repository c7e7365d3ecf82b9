//! What the handle asks of the storage thread.

use super::counter::{Answered, CounterRead, Request};
use super::{Claim, Finish, HeldTicket, RecentTicket, Reprint, SpoolError};
use docket_protocol::help::{HelpId, HelpOutcome, HelpRequest};
use docket_protocol::ids::{PrinterName, Seq, TicketId, UnixMs};
use docket_protocol::message::SettingsOutcome;
use docket_protocol::ticket::Ticket;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Whoever waits for an answer.
pub(super) type Asker<T> = oneshot::Sender<Result<T, SpoolError>>;

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
    /// The hub's clock said this at that moment.
    HubTime { time: UnixMs, at: Instant },
    /// End after what came before.
    Stop { answer: Asker<()> },
}

/// Something to store. It may be run more than once until a commit succeeds.
#[derive(Debug)]
pub(super) enum Write {
    /// First of all: settles what an earlier life left.
    Recover,
    /// Items of the hub.
    Receive { items: Vec<(Seq, Vec<u8>)>, answer: Asker<Seq> },
    /// The hub sends what is after this place.
    SkipTo { seq: Seq, answer: Asker<()> },
    /// The hub has these reports. Lazy: it waits for company.
    Acknowledged { up_to: Seq },
    /// Pending reports move behind this place.
    Renumber { after: Seq, answer: Asker<Seq> },
    /// What came of an attempt.
    Finish { printer: usize, finish: Finish },
    /// Claims that were not begun.
    HandBack { printer: usize, tickets: Vec<TicketId> },
    /// A held ticket goes on.
    Release { ticket: TicketId, answer: Asker<bool> },
    /// All held tickets go on.
    ReleaseAll { answer: Asker<u32> },
    /// A held ticket is not printed any more.
    Settle { ticket: TicketId, answer: Asker<bool> },
    /// A ticket is printed again, on a printer that a person chose.
    Reprint { ticket: TicketId, printer: Option<usize>, answer: Asker<Reprint> },
    /// A ticket of this PC's own.
    PrintHere { printer: usize, ticket: Box<Ticket>, answer: Asker<()> },
    /// A printer waits, or goes on.
    SetPaused { printer: PrinterName, paused: bool, answer: Asker<()> },
    /// What a unit has shown. Lazy.
    Learn { printer: usize, unit: String, facts: String },
    /// A unit is this printer's and no other's. Lazy.
    Own { printer: usize, unit: String },
    /// Old rows go. Lazy.
    Retain,
    /// What came of a revision of the settings: it is told, and nothing up to it is needed any more.
    SettleSettings { revision: u64, outcome: SettingsOutcome, answer: Asker<()> },
    /// What the store's own counter asks for.
    Counter { request: Box<Request>, answer: Asker<Answered> },
    /// The hub has what the counter has done, up to here. Lazy.
    UploadedUpTo { up_to: u64 },
    /// What an earlier life has begun for headquarters is told.
    SettleHelps { answer: Asker<()> },
    /// The next thing that headquarters asks for is begun.
    BeginHelp { answer: Asker<Option<HelpRequest>> },
    /// What came of it.
    EndHelp { id: HelpId, outcome: HelpOutcome, answer: Asker<()> },
    /// Nothing: answered when all before it is durable.
    Flush { answer: Asker<()> },
}

impl Write {
    /// Whether it can wait for the next transaction that has to be made anyway.
    pub(super) fn is_lazy(&self) -> bool {
        match self {
            Write::Acknowledged { .. }
            | Write::UploadedUpTo { .. }
            | Write::Learn { .. }
            | Write::Own { .. }
            | Write::Retain => true,
            Write::Recover
            | Write::Receive { .. }
            | Write::SkipTo { .. }
            | Write::Renumber { .. }
            | Write::Finish { .. }
            | Write::HandBack { .. }
            | Write::Release { .. }
            | Write::ReleaseAll { .. }
            | Write::Settle { .. }
            | Write::Reprint { .. }
            | Write::PrintHere { .. }
            | Write::SetPaused { .. }
            | Write::SettleSettings { .. }
            | Write::Counter { .. }
            | Write::SettleHelps { .. }
            | Write::BeginHelp { .. }
            | Write::EndHelp { .. }
            | Write::Flush { .. } => false,
        }
    }

    /// What it has to stay in order with, when what comes before it there fails.
    pub(super) fn lane(&self) -> Option<Lane> {
        match self {
            Write::Receive { .. } | Write::SkipTo { .. } => Some(Lane::Received),
            Write::Acknowledged { .. } | Write::Renumber { .. } => Some(Lane::Places),
            Write::SetPaused { .. } => Some(Lane::Pauses),
            Write::Recover
            | Write::Finish { .. }
            | Write::HandBack { .. }
            | Write::Release { .. }
            | Write::ReleaseAll { .. }
            | Write::Settle { .. }
            | Write::Reprint { .. }
            | Write::PrintHere { .. }
            | Write::SettleSettings { .. }
            | Write::Learn { .. }
            | Write::Own { .. }
            | Write::Retain
            | Write::Counter { .. }
            | Write::UploadedUpTo { .. }
            | Write::SettleHelps { .. }
            | Write::BeginHelp { .. }
            | Write::EndHelp { .. }
            | Write::Flush { .. } => None,
        }
    }

    /// The last place that it delivers.
    pub(super) fn delivers_up_to(&self) -> Option<Seq> {
        let Write::Receive { items, .. } = self else { return None };
        items.last().map(|&(seq, _)| seq)
    }

    /// Whether it delivers nothing, and nobody waits to hear so.
    pub(super) fn is_moot(&self) -> bool {
        matches!(self, Write::Receive { items, answer } if items.is_empty() && answer.is_closed())
    }
}

/// Writes whose order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// The hub's cursor moves.
    Received,
    /// Reports are meant by their places, or given new ones.
    Places,
    /// A printer waits or goes on: what was asked last holds.
    Pauses,
}

/// What a write gives back once it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// Nothing.
    Done,
    /// A cursor.
    Seq(Seq),
    /// Whether there was something to do.
    Changed(bool),
    /// How many tickets it was about.
    Tickets(u32),
    /// What became of the wish.
    Reprint(Reprint),
    /// What the counter is told.
    Counter(Answered),
    /// What is to be done for headquarters.
    Help(Option<HelpRequest>),
}

impl Write {
    /// Answers whoever waits. A receiver that is gone does not mind.
    pub(super) fn answer(self, reply: Reply) {
        match (self, reply) {
            (Write::Receive { answer, .. } | Write::Renumber { answer, .. }, Reply::Seq(seq)) => {
                let _ = answer.send(Ok(seq));
            }
            (
                Write::SkipTo { answer, .. }
                | Write::Flush { answer }
                | Write::PrintHere { answer, .. }
                | Write::SettleHelps { answer }
                | Write::EndHelp { answer, .. }
                | Write::SettleSettings { answer, .. }
                | Write::SetPaused { answer, .. },
                _,
            ) => {
                let _ = answer.send(Ok(()));
            }
            (Write::Release { answer, .. } | Write::Settle { answer, .. }, Reply::Changed(changed)) => {
                let _ = answer.send(Ok(changed));
            }
            (Write::ReleaseAll { answer }, Reply::Tickets(tickets)) => {
                let _ = answer.send(Ok(tickets));
            }
            (Write::Reprint { answer, .. }, Reply::Reprint(reprint)) => {
                let _ = answer.send(Ok(reprint));
            }
            (Write::Counter { answer, .. }, Reply::Counter(answered)) => {
                let _ = answer.send(Ok(answered));
            }
            (Write::BeginHelp { answer }, Reply::Help(request)) => {
                let _ = answer.send(Ok(request));
            }
            _ => {}
        }
    }
}

/// Something to look up.
#[derive(Debug)]
pub(super) enum Read {
    /// Reports after a place.
    OutboxAfter { after: Seq, limit: usize, answer: Asker<Vec<(Seq, Vec<u8>)>> },
    /// Tickets that wait for a person.
    Held { limit: usize, answer: Asker<Vec<HeldTicket>> },
    /// The newest tickets.
    Recent { limit: usize, answer: Asker<Vec<RecentTicket>> },
    /// One ticket with its document.
    Ticket { id: TicketId, answer: Asker<Option<Ticket>> },
    /// What is known of a unit.
    Profile { unit: String, answer: Asker<String> },
    /// What is known of each printer's unit.
    Profiles { answer: Asker<Vec<(String, String)>> },
    /// Which unit each printer had last.
    Units { answer: Asker<Vec<(PrinterName, String)>> },
    /// How often a ticket bears 补打 that a printer has begun in an earlier life and that nothing is known of.
    InQuestion { printer: usize, ticket: TicketId, attempt: u16, answer: Asker<Option<u16>> },
    /// The newest settings that are whole and not decided about.
    Settings { answer: Asker<Option<(u64, Vec<u8>)>> },
    /// What the store's own counter has given.
    Counter(CounterRead),
}
