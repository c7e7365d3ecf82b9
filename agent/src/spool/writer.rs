//! The storage thread: the only one that touches the database.
//!
//! It waits for a command, takes all that have come with it, runs them in one transaction and answers after the
//! commit. Where that fails, the commands stay: they are tried again every second, one by one, so that what
//! needs no room (deletions, a change of state) goes through while a delivery has to wait. Where the order counts
//! ([`Lane`]), what comes later waits too.

use super::command::{Asker, Command, Lane, Read, Write};
use super::opening::Shared;
use super::store::{Committed, Store};
use super::storing::storing_of;
use super::{Claim, Storing};
use docket_protocol::ids::Seq;
use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Commands in one transaction at most, so that the first does not wait long for the last.
const BATCH_MAX: usize = 512;
/// How long something lazy waits for company.
const LAZY_MS_MAX: u64 = 1_000;
/// How often a write that failed is tried again.
const RETRY_MS: u64 = 1_000;
/// How often old rows are looked for.
const RETAIN_EVERY_MS: u64 = 3_600_000;
/// How soon the next slice of old rows goes after one that found some.
const RETAIN_AGAIN_MS: u64 = 2_000;

/// A write, and its place among those that wait.
type Waiting = (Write, Option<OwnedSemaphorePermit>);

/// Whether the disk takes what it is given.
enum State {
    /// It did the last time.
    Writing,
    /// It did not; the pending writes are tried again then.
    Failing { retry_at: Instant, storing: Storing },
}

enum Next {
    Go,
    Stop(Option<Asker<()>>),
}

/// What the thread works on.
pub(super) struct Writer {
    store: Store,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    ports: Vec<Option<mpsc::Sender<Claim>>>,
    pending: Vec<Waiting>,
    reads: Vec<Read>,
    state: State,
    lazy_since: Option<Instant>,
    retain_at: Instant,
    _lock: File,
}

impl Writer {
    /// It holds `lock` until the database is closed.
    pub(super) fn new(store: Store, shared: Arc<Shared>, commands: Receiver<Command>, lock: File) -> Self {
        Writer {
            ports: shared.printers().iter().map(|_| None).collect(),
            shared,
            store,
            commands,
            pending: vec![(Write::Recover, None), (Write::Retain, None)],
            reads: Vec::new(),
            state: State::Writing,
            lazy_since: None,
            retain_at: Instant::now() + Duration::from_millis(RETAIN_EVERY_MS),
            _lock: lock,
        }
    }

    /// Runs until it is told to stop or nobody can ask any more. `settled` hears when what an earlier life left is
    /// settled or cannot be.
    pub(super) fn run(mut self, settled: &SyncSender<()>) {
        self.write();
        let _ = settled.send(());
        loop {
            let next = self.gather();
            self.look_after_time();
            let stopping = matches!(next, Next::Stop(_));
            if stopping || self.is_due() {
                self.write();
            }
            self.read();
            if let Next::Stop(answer) = next {
                let Writer { store, _lock, .. } = self;
                drop(store);
                drop(_lock);
                if let Some(answer) = answer {
                    let _ = answer.send(Ok(()));
                }
                return;
            }
        }
    }

    /// Waits for a command or for a time at which there is something to do, then takes what else is there.
    fn gather(&mut self) -> Next {
        let now = Instant::now();
        let mut until = self.retain_at;
        if let State::Failing { retry_at, .. } = self.state {
            until = until.min(retry_at);
        } else {
            let lazy = self.lazy_since.map(|since| since + Duration::from_millis(LAZY_MS_MAX));
            until = lazy.into_iter().chain(self.store.due()).fold(until, Instant::min);
        }
        if self.has_eager() && matches!(self.state, State::Writing) {
            until = now;
        }
        let first = match self.commands.recv_timeout(until.saturating_duration_since(now)) {
            Ok(command) => command,
            Err(RecvTimeoutError::Timeout) => return Next::Go,
            Err(RecvTimeoutError::Disconnected) => return Next::Stop(None),
        };
        let mut next = self.take(first);
        for _ in 1..BATCH_MAX {
            if matches!(next, Next::Stop(_)) {
                break;
            }
            match self.commands.try_recv() {
                Ok(command) => next = self.take(command),
                Err(_) => break,
            }
        }
        next
    }

    fn take(&mut self, command: Command) -> Next {
        match command {
            Command::Write(mut write, permit) => {
                if let (State::Failing { .. }, Write::Receive { items, .. }) = (&self.state, &mut write) {
                    self.keep_once(items);
                }
                if write.is_lazy() {
                    self.lazy_since.get_or_insert_with(Instant::now);
                }
                self.pending.push((write, permit));
            }
            Command::Read(read) => self.reads.push(read),
            Command::Subscribe { printer, claims } => self.ports[printer] = Some(claims),
            Command::Want { printer, level } => self.store.set_want(printer, level),
            Command::HubTime { time, uptime } => self.store.hear_hub(time, uptime),
            Command::Stop { answer } => return Next::Stop(Some(answer)),
        }
        Next::Go
    }

    /// While nothing can be stored, each session delivers again what waits here: it is not kept twice.
    fn keep_once(&mut self, items: &mut Vec<(Seq, Vec<u8>)>) {
        self.pending.retain(|(write, _)| !write.is_moot());
        let waits = self.pending.iter().filter_map(|(write, _)| write.delivers_up_to()).max();
        items.retain(|&(seq, _)| Some(seq) > waits);
        items.shrink_to_fit();
    }

    fn look_after_time(&mut self) {
        let now = Instant::now();
        if now >= self.retain_at {
            self.retain_at = now + Duration::from_millis(RETAIN_EVERY_MS);
            self.retain();
        }
    }

    fn retain(&mut self) {
        self.lazy_since.get_or_insert_with(Instant::now);
        if !self.pending.iter().any(|(write, _)| matches!(write, Write::Retain)) {
            self.pending.push((Write::Retain, None));
        }
    }

    fn has_eager(&self) -> bool {
        self.pending.iter().any(|(write, _)| !write.is_lazy())
    }

    fn is_due(&self) -> bool {
        match self.state {
            State::Failing { retry_at, .. } => Instant::now() >= retry_at,
            State::Writing => {
                let lazy_is_due = self
                    .lazy_since
                    .is_some_and(|since| since.elapsed() >= Duration::from_millis(LAZY_MS_MAX));
                self.has_eager() || lazy_is_due || self.store.has_work()
            }
        }
    }

    fn write(&mut self) {
        let failed = match self.state {
            State::Writing => match self.write_together() {
                Ok(()) => None,
                // One command too many can fail them all.
                Err(_) => self.write_apart(),
            },
            State::Failing { .. } => self.write_apart(),
        };
        let was_failing = matches!(self.state, State::Failing { .. });
        match &failed {
            Some(error) => {
                let storing = storing_of(error, self.store.is_at_bound());
                if !was_failing {
                    let code = storing.code();
                    tracing::error!(code, %error, "the spool cannot store: nothing is acknowledged until it can");
                }
                if storing == Storing::Damaged {
                    self.shared.note_damage();
                }
                if storing == Storing::AtBound {
                    // Perhaps something can go.
                    self.retain();
                }
                let retry_at = Instant::now() + Duration::from_millis(RETRY_MS);
                self.state = State::Failing { retry_at, storing };
            }
            None => {
                if was_failing {
                    tracing::info!(code = "spool-writes-again", "the spool can store again");
                }
                self.state = State::Writing;
                self.lazy_since = None;
            }
        }
        self.publish();
    }

    /// Places that are to be given anew are not read before: a session means the new ones.
    fn read(&mut self) {
        let renumbers = self.pending.iter().any(|(write, _)| matches!(write, Write::Renumber { .. }));
        for read in std::mem::take(&mut self.reads) {
            if renumbers && matches!(read, Read::OutboxAfter { .. }) {
                self.reads.push(read);
            } else {
                if self.store.read(read) {
                    self.shared.note_damage();
                }
            }
        }
    }

    fn write_together(&mut self) -> rusqlite::Result<()> {
        let committed = self.store.run(self.pending.iter().map(|(write, _)| write))?;
        let done = std::mem::take(&mut self.pending);
        self.settle(done, committed);
        Ok(())
    }

    /// Each on its own, what frees room first; what fails stays, in its order. The last try has no writes and
    /// hands out claims, whatever waits: a delivery that finds no room keeps nothing from being printed that is
    /// stored. Outcomes that find none do: their tickets stay claimed, and a printer gets no more than it wants.
    fn write_apart(&mut self) -> Option<rusqlite::Error> {
        let mut renumbers = false;
        let (mut waiting, eager): (Vec<Waiting>, Vec<Waiting>) =
            std::mem::take(&mut self.pending).into_iter().partition(|(write, _)| {
                renumbers |= matches!(write, Write::Renumber { .. });
                write.is_lazy() && !(renumbers && write.lane() == Some(Lane::Places))
            });
        waiting.extend(eager);
        let mut failed = None;
        let mut blocked = Vec::new();
        let mut recovery_blocked = false;
        for (write, permit) in waiting {
            if recovery_blocked || write.lane().is_some_and(|lane| blocked.contains(&lane)) {
                self.pending.push((write, permit));
                continue;
            }
            match self.store.run_without_claims(&write) {
                Ok(committed) => self.settle(vec![(write, permit)], committed),
                Err(error) => {
                    blocked.extend(write.lane());
                    recovery_blocked |= matches!(write, Write::Recover);
                    failed = Some(error);
                    self.pending.push((write, permit));
                }
            }
        }
        if !recovery_blocked {
            match self.store.run(std::iter::empty()) {
                Ok(committed) => self.settle(Vec::new(), committed),
                Err(error) => failed = Some(error),
            }
        }
        failed
    }

    fn settle(&mut self, done: Vec<Waiting>, committed: Committed) {
        // Before the answers, so that who has one sees what it stands for.
        self.publish();
        for (printer, claim) in committed.claims {
            let ticket = claim.ticket.id;
            let given = self.ports[printer].as_ref().is_some_and(|port| port.try_send(claim).is_ok());
            if !given {
                // Its task has gone: the claim goes back, and no more come until a task asks again.
                self.store.set_want(printer, 0);
                self.pending.push((Write::HandBack { printer, tickets: vec![ticket] }, None));
            }
        }
        if committed.old_rows_left {
            self.retain_at = Instant::now() + Duration::from_millis(RETAIN_AGAIN_MS);
        }
        for ((write, permit), reply) in done.into_iter().zip(committed.replies) {
            write.answer(reply);
            drop(permit);
        }
    }

    fn publish(&self) {
        let storing = match self.state {
            State::Writing => Storing::Well,
            State::Failing { storing, .. } => storing,
        };
        self.shared.publish(&self.store, storing);
    }
}
