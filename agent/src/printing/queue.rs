//! The task of one printer: the shell around [`super::job`].
//!
//! It connects, claims tickets from the spool, writes the journal before the first byte of each, and tells
//! the spool what came of it. It holds claims only while the printer can print: those that were not begun go
//! back as soon as it cannot, so that after a power cut as few tickets as possible are in doubt.
//!
//! # What survives a crash
//! Nothing here. Between "began" and "fenced" the journal says so; between "fenced" and the spool's commit the
//! journal says that too.

use super::flapping::Flapping;
use super::job::{Event, Lost, Machine};
use super::journal::{Journal, JournalError, Record};
use super::{PrinterConfig, health, lan};
use crate::clock;
use crate::spool::{CLAIMS_MAX, Claim, ClaimPort, Counts, Ending, Finish, Spool, SpoolError};
use docket_paper::{escpos, layout};
use docket_protocol::ids::{PrinterName, TicketId, UnixMs};
use docket_protocol::outcome::Doubt;
use docket_protocol::outcome::Evidence;
use docket_protocol::printer::{Condition, PrinterHealth, Since};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A printer claims what it gets through in this time at its measured pace: a real one claims one ticket.
pub const CLAIM_AHEAD_MS: u64 = 20;
/// The first pause after a failed or lost connection; it doubles.
pub const RECONNECT_MS_MIN: u64 = 500;
/// The longest pause.
pub const RECONNECT_MS_MAX: u64 = 5_000;
/// How long a ticket in flight may take when the agent stops; the journal covers it after that.
pub const SHUTDOWN_MS_MAX: u64 = 5_000;
/// How often a journal that could not be written is tried again.
const JOURNAL_RETRY_MS: u64 = 1_000;
/// How often a changed number of waiting tickets is made known.
const WAITING_EVERY_MS: u64 = 1_000;
/// Status answers are a few bytes each.
const READ_BYTES: usize = 512;
/// Weight of the newest ticket in the measured pace: one in eight.
const PACE_WEIGHT: u32 = 8;

/// A health before anything is known: tell it so until the task has its first word.
pub fn unknown_health(printer: &PrinterName) -> PrinterHealth {
    let conditions = vec![Since { condition: Condition::Unknown, since: clock::now() }];
    PrinterHealth { printer: printer.clone(), conditions, heard_at: None, waiting: 0 }
}

/// Prints what the spool has for one printer until `shutdown` becomes true or its sender is gone, or the spool
/// is closed.
pub async fn run_printer(
    config: PrinterConfig,
    spool: Spool,
    journal: Journal,
    health: watch::Sender<PrinterHealth>,
    shutdown: watch::Receiver<bool>,
) {
    let Some(port) = spool.port(&config.name) else {
        tracing::error!(code = "printer-unknown", printer = %config.name, "the spool does not know this printer");
        return;
    };
    let name = config.name.clone();
    let task = Task {
        unit: config.unit(),
        counts: spool.counts(),
        config,
        port,
        journal,
        health,
        shutdown,
        queue: VecDeque::new(),
        current: None,
        want: 0,
        pace: None,
        journal_retry_at: None,
        waiting_told_at: None,
        flapping: Flapping::default(),
    };
    match task.run().await {
        Ok(()) => tracing::debug!(printer = %name, "printer task ends"),
        Err(error) => tracing::warn!(printer = %name, %error, "printer task ends: the spool is gone"),
    }
}

/// A claimed ticket as bytes.
struct Prepared {
    claim: Claim,
    content: Vec<u8>,
}

/// The ticket in flight, or one of an earlier life that the printer is asked about.
struct Current {
    ticket: TicketId,
    attempt: u16,
    repeat: u16,
    record: Record,
    began: Instant,
    on_paper: bool,
}

/// Why a connection is left.
enum Left {
    Lost(Option<io::Error>),
    Closed,
    Stopping,
}

struct Task {
    config: PrinterConfig,
    unit: String,
    port: ClaimPort,
    counts: watch::Receiver<Counts>,
    journal: Journal,
    health: watch::Sender<PrinterHealth>,
    shutdown: watch::Receiver<bool>,
    queue: VecDeque<Prepared>,
    current: Option<Current>,
    /// What the spool was last told.
    want: u32,
    /// How long a ticket takes, smoothed.
    pace: Option<Duration>,
    journal_retry_at: Option<Instant>,
    waiting_told_at: Option<Instant>,
    flapping: Flapping,
}

impl Task {
    async fn run(mut self) -> Result<(), SpoolError> {
        let mut pause_ms = RECONNECT_MS_MIN;
        let left_open = self.journal.left_open();
        let mut owed = left_open.is_some();
        if let Some(record) = left_open
            && let Some(repeat) = self.port.in_question(record.ticket, record.attempt).await?
        {
            let Record { ticket, attempt, .. } = record;
            let began = Instant::now();
            self.current = Some(Current { ticket, attempt, repeat, record, began, on_paper: false });
        }
        while !self.is_stopping() {
            let connected = tokio::select! {
                connected = lan::connect(&self.config.address) => connected,
                () = until_stopping(&mut self.shutdown) => return Ok(()),
            };
            let printer = &self.config.name;
            match connected {
                Ok(stream) => {
                    tracing::info!(%printer, address = %self.config.address, "printer connected");
                    let profile = self.config.profile.profile(None, &self.port.profile(&self.unit).await?);
                    let mut machine = Machine::new(profile, owed, Instant::now());
                    if let Some(current) = &self.current {
                        machine.ask_about(current.record.serial, Doubt::AgentEnded);
                    }
                    let left = self.serve(&stream, &mut machine).await?;
                    drop(stream);
                    self.leave(&machine).await?;
                    let printer = &self.config.name;
                    match left {
                        Left::Stopping => return Ok(()),
                        Left::Closed => tracing::warn!(%printer, "printer is silent: connecting anew"),
                        Left::Lost(error) => {
                            let error = error
                                .map_or_else(|| "closed by the printer".into(), |error| error.to_string());
                            tracing::warn!(%printer, error, "connection to the printer lost");
                        }
                    }
                    owed = machine.is_owed();
                    if machine.has_been_heard() {
                        pause_ms = RECONNECT_MS_MIN;
                    }
                }
                Err(error) => {
                    if !self.shows(Condition::Unreachable) {
                        tracing::warn!(%printer, address = %self.config.address, %error, "printer cannot be reached");
                    }
                    // It cannot be asked: the ticket waits no longer for its word.
                    self.end(Ending::Unknown(Doubt::AgentEnded)).await?;
                }
            }
            self.publish(Some(health::Conditions::default().with(Condition::Unreachable)), None);
            self.pause(Duration::from_millis(pause_ms)).await?;
            pause_ms = (pause_ms * 2).min(RECONNECT_MS_MAX);
        }
        Ok(())
    }

    /// Talks to the printer until the connection is of no more use.
    async fn serve(&mut self, stream: &TcpStream, machine: &mut Machine) -> Result<Left, SpoolError> {
        let mut stop_at: Option<Instant> = None;
        let mut is_writable = true;
        let timer = tokio::time::sleep_until(machine.timeout().into());
        tokio::pin!(timer);
        loop {
            while let Some(event) = machine.poll_event() {
                match event {
                    Event::OnPaper(evidence) => self.note_on_paper(evidence),
                    Event::Ended(ending) => self.end(ending).await?,
                    Event::Learned(profile) => self.port.learn(&self.unit, profile.to_words()).await?,
                    Event::Close => return Ok(Left::Closed),
                }
            }
            if self.is_stopping() && stop_at.is_none() {
                stop_at = Some(Instant::now() + Duration::from_millis(SHUTDOWN_MS_MAX));
            }
            if let Some(at) = stop_at
                && (self.current.is_none() || Instant::now() >= at)
            {
                return Ok(Left::Stopping);
            }
            self.look_after_claims(machine, stop_at.is_none()).await?;
            self.begin_next(machine);
            while is_writable && !machine.to_send().is_empty() {
                match stream.try_write(machine.to_send()) {
                    Ok(bytes) => machine.sent(bytes, Instant::now()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_writable = false,
                    Err(error) => return Ok(Left::Lost(Some(error))),
                }
            }
            let heard_at = machine.take_heard().then(clock::now);
            self.publish(Some(machine.conditions()), heard_at);

            let mut due = machine.timeout();
            let others = [stop_at, self.journal_retry_at, self.tell_waiting_at(), self.flapping.timeout()];
            for at in others.into_iter().flatten() {
                due = due.min(at);
            }
            if timer.deadline() != due.into() {
                timer.as_mut().reset(due.into());
            }
            let interest =
                if is_writable { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            tokio::select! {
                biased;
                ready = stream.ready(interest) => match ready {
                    Ok(ready) => {
                        is_writable |= ready.is_writable();
                        if (ready.is_readable() || ready.is_read_closed())
                            && let Some(lost) = read(stream, machine)
                        {
                            return Ok(lost);
                        }
                    }
                    Err(error) => return Ok(Left::Lost(Some(error))),
                },
                claim = self.port.next() => self.take(claim.ok_or(SpoolError::Closed)?),
                () = &mut timer => machine.handle_timeout(Instant::now()),
                () = until_stopping(&mut self.shutdown), if stop_at.is_none() => {}
                // Only where nothing else would show that tickets pile up.
                changed = self.counts.changed(), if self.want == 0 => changed.map_err(|_| SpoolError::Closed)?,
            }
        }
    }

    /// Tells the spool how much this printer holds, and gives back what it cannot print now.
    async fn look_after_claims(&mut self, machine: &mut Machine, goes_on: bool) -> Result<(), SpoolError> {
        let want = if goes_on && machine.accepts() { claims_ahead(self.pace) } else { 0 };
        if want != self.want {
            self.port.want(want)?;
            self.want = want;
        }
        while let Some(claim) = self.port.try_next() {
            self.take(claim);
        }
        if want == 0 && !self.queue.is_empty() {
            machine.stand_down();
            self.give_back_queue().await?;
        }
        Ok(())
    }

    fn begin_next(&mut self, machine: &mut Machine) {
        if self.current.is_some() || self.queue.is_empty() {
            return;
        }
        let now = Instant::now();
        machine.get_ready(now);
        if !machine.is_ready(now) || self.journal_retry_at.is_some_and(|at| now < at) {
            return;
        }
        let Some(next) = self.queue.pop_front() else { return };
        match self.journal.began(next.claim.ticket.id, next.claim.attempt, clock::now()) {
            Ok(record) => {
                self.journal_retry_at = None;
                machine.begin(&next.content, record.serial, now);
                let Claim { ticket, attempt, repeat, .. } = next.claim;
                self.current =
                    Some(Current { ticket: ticket.id, attempt, repeat, record, began: now, on_paper: false });
            }
            Err(error) => {
                if self.journal_retry_at.is_none() {
                    log_journal(&self.config.name, &error, "nothing is printed until it can be written");
                }
                self.journal_retry_at = Some(now + Duration::from_millis(JOURNAL_RETRY_MS));
                self.queue.push_front(next);
            }
        }
    }

    /// A claim comes: its bytes are made while another ticket is in flight.
    fn take(&mut self, claim: Claim) {
        let lines = layout::lay_out(&claim.ticket.document, self.config.paper, claim.repeat);
        let content = escpos::encode(&lines);
        self.queue.push_back(Prepared { claim, content });
    }

    fn note_on_paper(&mut self, evidence: Evidence) {
        if let Some(current) = &mut self.current
            && !current.on_paper
        {
            current.on_paper = true;
            if let Err(error) = self.journal.fenced(&current.record, evidence, clock::now()) {
                log_journal(&self.config.name, &error, "a crash now would make this ticket unknown");
            }
        }
    }

    /// The ticket in flight is over: journal, then spool.
    async fn end(&mut self, ending: Ending) -> Result<(), SpoolError> {
        if let Ending::Printed(evidence) = ending {
            self.note_on_paper(evidence);
        }
        let Some(Current { ticket, attempt, repeat, record, began, .. }) = self.current.take() else {
            return Ok(());
        };
        self.port
            .finish(Finish {
                ticket,
                attempt,
                repeat,
                ending,
                began_at: record.began_at,
                ended_at: clock::now(),
            })
            .await?;
        match ending {
            Ending::Printed(_) => {
                let took = began.elapsed();
                self.pace =
                    Some(self.pace.map_or(took, |pace| pace - pace / PACE_WEIGHT + took / PACE_WEIGHT));
            }
            Ending::Unknown(doubt) => {
                tracing::warn!(
                    code = "ticket-unknown", printer = %self.config.name, %ticket, attempt, doubt = doubt.as_str(), "a ticket may have come out"
                );
                // It is printed again before what comes after it.
                self.give_back_queue().await?;
            }
        }
        Ok(())
    }

    /// The connection is gone: settles the ticket in flight and gives back the rest.
    async fn leave(&mut self, machine: &Machine) -> Result<(), SpoolError> {
        if self.want != 0 {
            self.port.want(0)?;
            self.want = 0;
        }
        match machine.lost() {
            Lost::Idle => {}
            // On the way out, the journal says what is known; the next life settles it.
            Lost::Ended(Ending::Unknown(_)) if self.is_stopping() => {}
            Lost::Ended(ending) => self.end(ending).await?,
            Lost::NotBegun => {
                if let Some(Current { ticket, record, .. }) = self.current.take() {
                    if let Err(error) = self.journal.withdrawn(&record) {
                        log_journal(&self.config.name, &error, "a crash now would make a ticket unknown");
                    }
                    self.port.hand_back(vec![ticket]).await?;
                }
            }
        }
        while let Some(claim) = self.port.try_next() {
            self.port.hand_back(vec![claim.ticket.id]).await?;
        }
        self.give_back_queue().await
    }

    async fn give_back_queue(&mut self) -> Result<(), SpoolError> {
        if self.queue.is_empty() {
            return Ok(());
        }
        self.port.hand_back(self.queue.drain(..).map(|prepared| prepared.claim.ticket.id).collect()).await
    }

    /// Waits without a connection. Claims that are still on their way go back.
    async fn pause(&mut self, pause: Duration) -> Result<(), SpoolError> {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                () = until_stopping(&mut self.shutdown) => return Ok(()),
                claim = self.port.next() => {
                    let claim = claim.ok_or(SpoolError::Closed)?;
                    self.port.hand_back(vec![claim.ticket.id]).await?;
                }
            }
        }
    }

    /// Brings the health up to date; watchers are woken only where there is news for them. Without conditions, those
    /// that are shown stay.
    fn publish(&mut self, conditions: Option<health::Conditions>, heard_at: Option<UnixMs>) {
        let waiting = self.waiting();
        let conditions = conditions.map(|conditions| self.flapping.observe(conditions, Instant::now()));
        let may_tell =
            self.waiting_told_at.is_none_or(|at| at.elapsed() >= Duration::from_millis(WAITING_EVERY_MS));
        let mut told_waiting = false;
        self.health.send_if_modified(|health| {
            let mut changed =
                conditions.is_some_and(|conditions| health::update(health, conditions, clock::now()));
            if heard_at.is_some() {
                changed |= health.heard_at.is_none();
                health.heard_at = heard_at;
            }
            if health.waiting != waiting && (may_tell || changed) {
                health.waiting = waiting;
                told_waiting = true;
                changed = true;
            }
            changed
        });
        if told_waiting {
            self.waiting_told_at = Some(Instant::now());
        }
    }

    /// When a number of waiting tickets that was told too recently may be told.
    fn tell_waiting_at(&self) -> Option<Instant> {
        let told_at = self.waiting_told_at?;
        let differs = self.health.borrow().waiting != self.waiting();
        differs.then(|| told_at + Duration::from_millis(WAITING_EVERY_MS))
    }

    fn waiting(&self) -> u32 {
        let counts = self.counts.borrow();
        counts.printers.iter().find(|(name, _)| *name == self.config.name).map_or(0, |&(_, waiting)| waiting)
    }

    fn shows(&self, condition: Condition) -> bool {
        self.health.borrow().conditions.iter().any(|since| since.condition == condition)
    }

    fn is_stopping(&self) -> bool {
        *self.shutdown.borrow() || self.shutdown.has_changed().is_err()
    }
}

/// Reads all that is there.
fn read(stream: &TcpStream, machine: &mut Machine) -> Option<Left> {
    let mut buffer = [0; READ_BYTES];
    loop {
        match stream.try_read(&mut buffer) {
            Ok(0) => return Some(Left::Lost(None)),
            Ok(bytes) => {
                machine.received(&buffer[..bytes], Instant::now());
                if bytes < READ_BYTES {
                    return None;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => return Some(Left::Lost(Some(error))),
        }
    }
}

async fn until_stopping(shutdown: &mut watch::Receiver<bool>) {
    // An error is a sender that is gone: the agent ends.
    let _ = shutdown.wait_for(|&stopping| stopping).await;
}

/// Tickets that a printer gets through in [`CLAIM_AHEAD_MS`].
fn claims_ahead(pace: Option<Duration>) -> u32 {
    let Some(pace) = pace else { return 1 };
    let tickets = Duration::from_millis(CLAIM_AHEAD_MS).as_micros() / pace.as_micros().max(1);
    // In powers of two, so that the spool is told seldom.
    let tickets = u32::try_from(tickets).unwrap_or(CLAIMS_MAX).clamp(1, CLAIMS_MAX);
    1 << tickets.ilog2()
}

fn log_journal(printer: &PrinterName, error: &JournalError, meaning: &str) {
    tracing::error!(code = "journal-failed", %printer, %error, cause = %error.source, "{meaning}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fast_printer_claims_ahead() {
        let ahead = |us| claims_ahead(Some(Duration::from_micros(us)));
        assert_eq!(claims_ahead(None), 1);
        assert_eq!([900_000, 15_000, 9_000, 1_000, 100, 0].map(ahead), [1, 1, 2, 16, 32, 32]);
    }
}
