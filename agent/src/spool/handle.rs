//! The handle that the link and the printers hold.
//!
//! Everybody's commands go to the storage thread through one channel, and are done in its order. What the link asks
//! is in the channel when the call returns, and the answer is awaited apart ([`Pending`]): the order of its
//! questions is that of its calls, whatever it waits for meanwhile and however tasks are run. For that it cannot
//! wait for room in the call, so it waits before it takes up what makes it ask ([`Spool::room`]). All others wait
//! for room first.

use super::command::{Asker, Command, Read, Write};
use super::opening::{self, Shared};
use super::{
    CLAIMS_MAX, COMMANDS_MAX, Claim, Counts, Cursors, Finish, HeldTicket, Kept, RecentTicket, Reprint,
    SpoolError, SpoolOptions,
};
use crate::clock;
use crate::printing::journal::{Journal, JournalError};
use docket_protocol::ids::{PrinterName, Seq, TicketId, UnixMs};
use docket_protocol::ticket::Ticket;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, mpsc::Sender};
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

/// A cheap handle on the spool. The storage thread ends when the last one is gone, or with [`Spool::close`].
#[derive(Debug, Clone)]
pub struct Spool {
    commands: Sender<Command>,
    permits: Arc<Semaphore>,
    pub(super) shared: Arc<Shared>,
}

impl Spool {
    /// Opens the spool in `folder`, making it where there is none, and settles what an earlier life left.
    ///
    /// With a full disk it opens too, as [`Counts::storing`] says; what has to be settled is then settled as soon
    /// as there is room, before any printer gets a ticket.
    ///
    /// A damaged one is set aside, and what could be read of it goes on in another one.
    ///
    /// # Errors
    /// See [`SpoolError`]; each is one for a person.
    pub fn open(folder: &Path, options: SpoolOptions) -> Result<Self, SpoolError> {
        let (commands, shared) = opening::start(folder, options)?;
        Ok(Self { commands, permits: Arc::new(Semaphore::new(COMMANDS_MAX)), shared })
    }

    /// Where the spool stands now.
    pub fn cursors(&self) -> Cursors {
        self.shared.cursors()
    }

    /// Returns when fewer than [`COMMANDS_MAX`] commands wait: before the link takes up what it will ask about.
    pub async fn room(&self) {
        // It is never closed.
        let _ = self.permits.acquire().await;
    }

    /// The hub's clock says this now: tickets expire by it from then on.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub fn hub_time(&self, time: UnixMs) -> Result<(), SpoolError> {
        self.send(Command::HubTime { time, uptime: clock::uptime() })
    }

    /// Stores what the hub delivers, `(place, postcard Item)` in rising order. The answer is the cursor that may be
    /// acknowledged: it comes only once that is durable; on a full disk it waits. Where there is none, nothing may
    /// be acknowledged.
    pub fn receive(&self, items: Vec<(Seq, Vec<u8>)>) -> Pending<Seq> {
        self.submit(|answer| Write::Receive { items, answer })
    }

    /// Takes over that the hub sends only what is after `seq`.
    pub fn skip_to(&self, seq: Seq) -> Pending<()> {
        self.submit(|answer| Write::SkipTo { seq, answer })
    }

    /// Up to `limit` reports after a place, oldest first, as `(place, postcard Report)`.
    pub fn outbox_after(&self, after: Seq, limit: usize) -> Pending<Vec<(Seq, Vec<u8>)>> {
        self.look_up(|answer| Read::OutboxAfter { after, limit, answer })
    }

    /// The hub has stored everything up to here: those reports are deleted, with the next transaction.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub fn acknowledged(&self, up_to: Seq) -> Result<(), SpoolError> {
        self.write_lazily(Write::Acknowledged { up_to })
    }

    /// Without waiting for room, and for nobody who waits.
    pub(super) fn write_lazily(&self, write: Write) -> Result<(), SpoolError> {
        self.send(Command::Write(write, self.place()))
    }

    /// Gives all pending reports new places after `after`, in the same order, and answers with the last one:
    /// the hub has received higher places from an earlier life of this spool.
    pub fn renumber_after(&self, after: Seq) -> Pending<Seq> {
        self.submit(|answer| Write::Renumber { after, answer })
    }

    /// Changes with the highest place that a report was given. It is durable by then.
    pub fn outbox_changed(&self) -> watch::Receiver<Seq> {
        self.shared.outbox_changed()
    }

    /// Returns when the database has turned out to be damaged. From then on nothing is stored; whoever closes this spool and
    /// opens the folder again gets another one, with what could be read.
    pub async fn damaged(&self) {
        // It is never closed while there is a handle.
        let _ = self.shared.damaged().wait_for(|&damaged| damaged).await;
    }

    /// What waits.
    pub fn counts(&self) -> watch::Receiver<Counts> {
        self.shared.counts()
    }

    /// Puts a held ticket back into its queue: marked, unless no byte of it has left. `false` where it is not held.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn release(&self, ticket: TicketId) -> Result<bool, SpoolError> {
        self.ask(|answer| Write::Release { ticket, answer }).await
    }

    /// Puts all held tickets back into their queues, in one step: all of them or, where that cannot be stored yet, none.
    /// How many they were.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn release_all(&self) -> Result<u32, SpoolError> {
        self.ask(|answer| Write::ReleaseAll { answer }).await
    }

    /// A person has looked at a held ticket: nothing more is printed of it, and the hub is told. `false` where it is not
    /// held.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn settle(&self, ticket: TicketId) -> Result<bool, SpoolError> {
        self.ask(|answer| Write::Settle { ticket, answer }).await
    }

    /// Tickets that wait for a person, oldest first.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn held(&self, limit: usize) -> Result<Vec<HeldTicket>, SpoolError> {
        self.look_up(|answer| Read::Held { limit, answer }).await
    }

    /// The newest tickets first, whatever their state, for a person to look at.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn recent(&self, limit: usize) -> Result<Vec<RecentTicket>, SpoolError> {
        self.look_up(|answer| Read::Recent { limit, answer }).await
    }

    /// One ticket with its document; `None` where it is not known (any more).
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, SpoolError> {
        self.look_up(|answer| Read::Ticket { id, answer }).await
    }

    /// Prints a ticket again, marked 补打 n, on its printer or on another one. One that was not begun yet is moved to
    /// the other one instead, and one that expired is printed unmarked: no byte of either has left.
    ///
    /// # Errors
    /// [`SpoolError::UnknownPrinter`], [`SpoolError::Closed`].
    pub async fn reprint(
        &self,
        ticket: TicketId,
        printer: Option<PrinterName>,
    ) -> Result<Reprint, SpoolError> {
        let printer = printer.map(|printer| self.index(printer)).transpose()?;
        self.ask(|answer| Write::Reprint { ticket, printer, answer }).await
    }

    /// A ticket of this PC's own (a test page), to one printer. It does nothing where the ticket is known already.
    ///
    /// # Errors
    /// [`SpoolError::UnknownPrinter`], [`SpoolError::Closed`].
    pub async fn print_here(&self, ticket: Ticket, printer: PrinterName) -> Result<(), SpoolError> {
        let printer = self.index(printer)?;
        self.ask(|answer| Write::PrintHere { printer, ticket: Box::new(ticket), answer }).await
    }

    /// Tells a printer to wait, or to go on. It is durable when this returns: no ticket is begun from then on, urgent
    /// ones included; one in flight comes out.
    ///
    /// # Errors
    /// [`SpoolError::UnknownPrinter`], [`SpoolError::Closed`].
    pub async fn set_paused(&self, printer: PrinterName, paused: bool) -> Result<(), SpoolError> {
        self.index(printer.clone())?;
        self.ask(|answer| Write::SetPaused { printer, paused, answer }).await
    }

    /// A printer that the next spool in this folder has will wait from its first moment on. Where it has none of that
    /// name, this is forgotten.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn pause_ahead(&self, printer: PrinterName) -> Result<(), SpoolError> {
        self.ask(|answer| Write::SetPaused { printer, paused: true, answer }).await
    }

    /// The printers of the options.
    pub fn printers(&self) -> &[PrinterName] {
        self.shared.printers()
    }

    /// Returns once everything that was asked before is durable.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn flush(&self) -> Result<(), SpoolError> {
        self.ask(|answer| Write::Flush { answer }).await
    }

    /// Stores what was asked before, as far as there is room, and closes the database. All handles are of no
    /// more use.
    pub async fn close(&self) {
        let _ = self.pending(|answer| Command::Stop { answer }).await;
    }

    /// What the printers' units have shown, as (printer, words), the newest first.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn profiles(&self) -> Result<Vec<(String, String)>, SpoolError> {
        self.look_up(|answer| Read::Profiles { answer }).await
    }

    /// What is kept, and what of it the hub does not have.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn kept(&self) -> Result<Kept, SpoolError> {
        self.look_up(|answer| Read::Kept { answer }).await
    }

    /// Which unit each of the printers had last, those without one left out.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn units(&self) -> Result<Vec<(PrinterName, String)>, SpoolError> {
        self.look_up(|answer| Read::Units { answer }).await
    }

    /// The end of the queue that belongs to a printer; `None` for a printer that is not in the options. A
    /// second port of the same printer takes the first one's place.
    pub fn port(&self, printer: &PrinterName) -> Option<ClaimPort> {
        let index = self.shared.printer_index(printer)?;
        let (sender, claims) = mpsc::channel(CLAIMS_MAX as usize);
        self.send(Command::Subscribe { printer: index, claims: sender }).ok()?;
        Some(ClaimPort { spool: self.clone(), printer: index, claims })
    }

    /// Opens the print journal of a printer.
    ///
    /// # Errors
    /// The file cannot be made or read.
    pub fn journal(&self, printer: &PrinterName) -> Result<Journal, JournalError> {
        Journal::open(self.shared.folder(), printer)
    }

    pub(super) fn index(&self, printer: PrinterName) -> Result<usize, SpoolError> {
        self.shared.printer_index(&printer).ok_or(SpoolError::UnknownPrinter { printer })
    }

    /// In its place now.
    fn submit<T>(&self, write: impl FnOnce(Asker<T>) -> Write) -> Pending<T> {
        self.pending(|answer| Command::Write(write(answer), self.place()))
    }

    pub(super) fn look_up<T>(&self, read: impl FnOnce(Asker<T>) -> Read) -> Pending<T> {
        self.pending(|answer| Command::Read(read(answer)))
    }

    fn pending<T>(&self, command: impl FnOnce(Asker<T>) -> Command) -> Pending<T> {
        let (answer, answered) = oneshot::channel();
        // Where the thread has gone, the answer's end goes with the command, and that says so.
        let _ = self.send(command(answer));
        Pending(answered)
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// In its place once there is room.
    pub(super) async fn ask<T>(&self, write: impl FnOnce(Asker<T>) -> Write) -> Result<T, SpoolError> {
        let (answer, answered) = oneshot::channel();
        self.write(write(answer)).await?;
        Pending(answered).await
    }

    async fn write(&self, write: Write) -> Result<(), SpoolError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| SpoolError::Closed)?;
        self.send(Command::Write(write, Some(permit)))
    }

    fn send(&self, command: Command) -> Result<(), SpoolError> {
        self.commands.send(command).map_err(|_| SpoolError::Closed)
    }
}

/// A command that has its place in the order and is not answered yet. Nothing waits for it to be awaited, and
/// dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "somebody waits for the answer"]
pub struct Pending<T>(oneshot::Receiver<Result<T, SpoolError>>);

impl<T> Future for Pending<T> {
    type Output = Result<T, SpoolError>;

    /// [`SpoolError::Closed`] where there will be no answer; [`SpoolError::Database`] where what was to be read
    /// cannot be.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.map_err(|_| SpoolError::Closed).flatten())
    }
}

/// A printer's end of the queue.
#[derive(Debug)]
pub struct ClaimPort {
    spool: Spool,
    printer: usize,
    claims: mpsc::Receiver<Claim>,
}

impl ClaimPort {
    /// From now on this printer holds up to `level` tickets, at most [`CLAIMS_MAX`], those in flight
    /// included; the spool tops it up with each commit. 0 takes no more: the printer cannot print, and its
    /// backup takes over in time. A paused printer goes on wanting: the spool gives it nothing.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub fn want(&self, level: u32) -> Result<(), SpoolError> {
        self.spool.send(Command::Want { printer: self.printer, level: level.min(CLAIMS_MAX) })
    }

    /// The next claimed ticket; `None` when the spool is closed.
    pub async fn next(&mut self) -> Option<Claim> {
        self.claims.recv().await
    }

    /// The next claimed ticket if there is one already.
    pub fn try_next(&mut self) -> Option<Claim> {
        self.claims.try_recv().ok()
    }

    /// The spool.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Says what came of a begun attempt: the state changes and the report is written in one transaction.
    /// It returns before that is durable; the order is kept. The journal covers the time between.
    ///
    /// # Errors
    /// [`SpoolError::Closed`]; recovery reads the journal then.
    pub async fn finish(&self, finish: Finish) -> Result<(), SpoolError> {
        self.spool.write(Write::Finish { printer: self.printer, finish }).await
    }

    /// Gives back claims of which no byte was sent; they keep their places in the queue.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn hand_back(&self, tickets: Vec<TicketId>) -> Result<(), SpoolError> {
        self.spool.write(Write::HandBack { printer: self.printer, tickets }).await
    }

    /// What the unit, a printer at an address, has shown: the words of [`crate::printing::profile`].
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn profile(&self, unit: &str) -> Result<String, SpoolError> {
        self.spool.look_up(|answer| Read::Profile { unit: unit.to_owned(), answer }).await
    }

    /// Remembers what a unit has shown, and that this printer has it.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn learn(&self, unit: &str, facts: String) -> Result<(), SpoolError> {
        self.spool.write(Write::Learn { printer: self.printer, unit: unit.to_owned(), facts }).await
    }

    /// Forgets that another printer had this unit.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn own(&self, unit: &str) -> Result<(), SpoolError> {
        self.spool.write(Write::Own { printer: self.printer, unit: unit.to_owned() }).await
    }

    /// How often an attempt bears 补打 that an earlier life began on this printer, and of which nothing else is known:
    /// the printer is to be asked. Its end is told with [`ClaimPort::finish`]. `None` where it has an end.
    ///
    /// # Errors
    /// [`SpoolError::Closed`], [`SpoolError::Database`].
    pub async fn in_question(&self, ticket: TicketId, attempt: u16) -> Result<Option<u16>, SpoolError> {
        let printer = self.printer;
        self.spool.look_up(|answer| Read::InQuestion { printer, ticket, attempt, answer }).await
    }
}
