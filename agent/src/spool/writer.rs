//! The storage thread: the only one that touches the database.
//!
//! It waits for a command, takes all that have come with it, runs them in one transaction and answers after the
//! commit. Where that fails, the commands stay: they are tried again every second, one by one, so that what
//! needs no room (deletions, a change of state) goes through while a delivery has to wait.

use super::command::{Command, Read, Write};
use super::store::{Committed, Store};
use super::{Claim, Counts, Cursors, PrinterRoute, SpoolError, SpoolOptions};
use docket_protocol::ids::{PrinterName, Seq};
use rusqlite::ErrorCode;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

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
/// It runs SQLite and nothing deep.
const STACK_BYTES: usize = 512 * 1024;

/// What the handles see without asking.
#[derive(Debug)]
pub(super) struct Shared {
    folder: PathBuf,
    spool: [u8; 16],
    received_up_to: AtomicU64,
    assigned_up_to: watch::Sender<Seq>,
    counts: watch::Sender<Counts>,
    printers: Vec<PrinterName>,
}

impl Shared {
    pub(super) fn cursors(&self) -> Cursors {
        Cursors {
            spool: self.spool,
            received_up_to: Seq(self.received_up_to.load(Ordering::Acquire)),
            assigned_up_to: *self.assigned_up_to.borrow(),
        }
    }

    pub(super) fn outbox_changed(&self) -> watch::Receiver<Seq> {
        self.assigned_up_to.subscribe()
    }

    pub(super) fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn printers(&self) -> &[PrinterName] {
        &self.printers
    }

    pub(super) fn printer_index(&self, printer: &PrinterName) -> Option<usize> {
        self.printers.iter().position(|name| name == printer)
    }
}

/// Opens the store, starts the thread, and waits until what an earlier life left is settled or cannot be.
pub(super) fn start(
    folder: &Path,
    options: SpoolOptions,
) -> Result<(Sender<Command>, Arc<Shared>), SpoolError> {
    check_printers(&options.printers)?;
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| SpoolError::Folder { path, source }
    };
    std::fs::create_dir_all(folder).map_err(unusable(folder))?;
    let lock = lock(folder)?;
    let printers: Vec<PrinterName> = options.printers.iter().map(|printer| printer.name.clone()).collect();
    let store = Store::open(folder, options)?;
    let shared = Arc::new(Shared {
        folder: folder.to_owned(),
        spool: store.spool(),
        received_up_to: AtomicU64::new(store.received_up_to().0),
        assigned_up_to: watch::Sender::new(store.assigned_up_to()),
        counts: watch::Sender::new(store.counts()),
        printers,
    });
    let (commands, receiver) = channel();
    let (settled, is_settled) = sync_channel(1);
    let writer = Writer {
        ports: shared.printers.iter().map(|_| None).collect(),
        shared: Arc::clone(&shared),
        store,
        commands: receiver,
        pending: vec![(Write::Recover, None), (Write::Retain, None)],
        reads: Vec::new(),
        state: State::Writing,
        lazy_since: None,
        retain_at: Instant::now() + Duration::from_millis(RETAIN_EVERY_MS),
        _lock: lock,
    };
    std::thread::Builder::new()
        .name("docket-spool".into())
        .stack_size(STACK_BYTES)
        .spawn(move || writer.run(&settled))
        .map_err(unusable(folder))?;
    is_settled.recv().map_err(|_| SpoolError::Closed)?;
    Ok((commands, shared))
}

/// Two agents on one spool would print everything twice.
fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join("spool.lock");
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(|source| SpoolError::Folder { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse { path }),
        Err(TryLockError::Error(source)) => Err(SpoolError::Folder { path, source }),
    }
}

fn check_printers(printers: &[PrinterRoute]) -> Result<(), SpoolError> {
    let defaults = printers.iter().filter(|printer| printer.default).count();
    if defaults != 1 {
        return Err(SpoolError::Printers {
            reason: format!("exactly one must be the default, {defaults} are"),
        });
    }
    for (index, printer) in printers.iter().enumerate() {
        let others = &printers[..index];
        if others.iter().any(|other| other.name == printer.name) {
            return Err(SpoolError::Printers { reason: format!("two are named {}", printer.name) });
        }
        if let Some(backup) = &printer.backup {
            if *backup == printer.name {
                return Err(SpoolError::Printers { reason: format!("{backup} is its own backup") });
            }
            if !printers.iter().any(|other| other.name == *backup) {
                return Err(SpoolError::Printers { reason: format!("there is no {backup} to be a backup") });
            }
        }
        let taken = printer.stations.iter().find(|s| others.iter().any(|other| other.stations.contains(s)));
        if let Some(station) = taken {
            return Err(SpoolError::Printers { reason: format!("two print for station {station}") });
        }
    }
    Ok(())
}

type Pending = (Write, Option<OwnedSemaphorePermit>);

/// Whether the disk takes what it is given.
enum State {
    /// It did the last time.
    Writing,
    /// It did not; the pending writes are tried again then.
    Failing { retry_at: Instant },
}

enum Next {
    Go,
    Stop(Option<oneshot::Sender<()>>),
}

struct Writer {
    store: Store,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    ports: Vec<Option<mpsc::Sender<Claim>>>,
    pending: Vec<Pending>,
    reads: Vec<Read>,
    state: State,
    lazy_since: Option<Instant>,
    retain_at: Instant,
    _lock: File,
}

impl Writer {
    fn run(mut self, settled: &SyncSender<()>) {
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
                    let _ = answer.send(());
                }
                return;
            }
        }
    }

    /// Waits for a command or for a time at which there is something to do, then takes what else is there.
    fn gather(&mut self) -> Next {
        let now = Instant::now();
        let mut until = self.retain_at;
        if let State::Failing { retry_at } = self.state {
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
            Command::Write(write, permit) => {
                if write.is_lazy() {
                    self.lazy_since.get_or_insert_with(Instant::now);
                }
                self.pending.push((write, permit));
            }
            Command::Read(read) => self.reads.push(read),
            Command::Subscribe { printer, claims } => self.ports[printer] = Some(claims),
            Command::Want { printer, level } => self.store.set_want(printer, level),
            Command::Stop { answer } => return Next::Stop(Some(answer)),
        }
        Next::Go
    }

    fn look_after_time(&mut self) {
        let now = Instant::now();
        if now >= self.retain_at {
            self.retain_at = now + Duration::from_millis(RETAIN_EVERY_MS);
            self.lazy_since.get_or_insert(now);
            if !self.pending.iter().any(|(write, _)| matches!(write, Write::Retain)) {
                self.pending.push((Write::Retain, None));
            }
        }
    }

    fn has_eager(&self) -> bool {
        self.pending.iter().any(|(write, _)| !write.is_lazy())
    }

    fn is_due(&self) -> bool {
        match self.state {
            State::Failing { retry_at } => Instant::now() >= retry_at,
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
                if !was_failing {
                    report_failure(error);
                }
                self.state = State::Failing { retry_at: Instant::now() + Duration::from_millis(RETRY_MS) };
            }
            None => {
                if was_failing {
                    tracing::info!(code = "spool-writes-again", "the spool can store again");
                }
                self.state = State::Writing;
                self.lazy_since = None;
            }
        }
        self.publish(failed.is_some());
    }

    /// Places that are to be given anew are not read before: a session means the new ones.
    fn read(&mut self) {
        let renumbers = self.pending.iter().any(|(write, _)| matches!(write, Write::Renumber { .. }));
        for read in std::mem::take(&mut self.reads) {
            if renumbers && matches!(read, Read::OutboxAfter { .. }) {
                self.reads.push(read);
            } else {
                self.store.read(read);
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
    /// hands out claims: where it fails, nothing is printed that could not be remembered.
    fn write_apart(&mut self) -> Option<rusqlite::Error> {
        let mut renumbers = false;
        let (mut waiting, eager): (Vec<Pending>, Vec<Pending>) =
            std::mem::take(&mut self.pending).into_iter().partition(|(write, _)| {
                renumbers |= matches!(write, Write::Renumber { .. });
                write.is_lazy() && !(renumbers && write.means_places())
            });
        waiting.extend(eager);
        let mut failed = None;
        let mut received_blocked = false;
        let mut places_blocked = false;
        let mut recovery_blocked = false;
        for (write, permit) in waiting {
            if recovery_blocked
                || (received_blocked && write.moves_received())
                || (places_blocked && write.means_places())
            {
                self.pending.push((write, permit));
                continue;
            }
            match self.store.run_without_claims(&write) {
                Ok(committed) => self.settle(vec![(write, permit)], committed),
                Err(error) => {
                    received_blocked |= write.moves_received();
                    places_blocked |= matches!(write, Write::Renumber { .. });
                    recovery_blocked |= matches!(write, Write::Recover);
                    failed = Some(error);
                    self.pending.push((write, permit));
                }
            }
        }
        if failed.is_none() {
            match self.store.run(std::iter::empty()) {
                Ok(committed) => self.settle(Vec::new(), committed),
                Err(error) => failed = Some(error),
            }
        }
        failed
    }

    fn settle(&mut self, done: Vec<Pending>, committed: Committed) {
        // Before the answers, so that who has one sees what it stands for.
        self.publish(matches!(self.state, State::Failing { .. }));
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

    fn publish(&self, full: bool) {
        self.shared.received_up_to.store(self.store.received_up_to().0, Ordering::Release);
        let assigned = self.store.assigned_up_to();
        self.shared.assigned_up_to.send_if_modified(|seq| std::mem::replace(seq, assigned) != assigned);
        self.shared.counts.send_if_modified(|counts| self.store.update_counts(counts, full));
    }
}

fn report_failure(error: &rusqlite::Error) {
    let is_disk = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
        )
    );
    let code = if is_disk { "spool-full" } else { "spool-failed" };
    tracing::error!(code, %error, "the spool cannot store: nothing is acknowledged until it can");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, stations: &[&str], default: bool) -> PrinterRoute {
        PrinterRoute {
            name: PrinterName::new(name),
            stations: stations.iter().map(|&station| station.into()).collect(),
            default,
            backup: None,
        }
    }

    fn with_backup(route: PrinterRoute, backup: &str) -> PrinterRoute {
        PrinterRoute { backup: Some(PrinterName::new(backup)), ..route }
    }

    #[test]
    fn printers_that_make_no_sense_are_refused() {
        let ok = [route("front", &["front"], true), route("kitchen", &["kitchen", "bar"], false)];
        assert!(check_printers(&ok).is_ok());
        let each_other = [
            with_backup(route("front", &[], true), "kitchen"),
            with_backup(route("kitchen", &[], false), "front"),
        ];
        assert!(check_printers(&each_other).is_ok());
        let wrong: [&[PrinterRoute]; 6] = [
            &[],
            &[route("a", &[], true), route("b", &[], true)],
            &[route("a", &[], true), route("a", &[], false)],
            &[route("a", &["x"], true), route("b", &["x"], false)],
            &[with_backup(route("a", &[], true), "a")],
            &[with_backup(route("a", &[], true), "b")],
        ];
        for printers in wrong {
            assert!(matches!(check_printers(printers), Err(SpoolError::Printers { .. })));
        }
    }

    #[test]
    fn a_folder_belongs_to_one_agent() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(matches!(lock(folder.path()), Err(SpoolError::InUse { .. })));
        drop(held);
        assert!(lock(folder.path()).is_ok());
    }
}
