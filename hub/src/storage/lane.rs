//! A thread that owns a connection and does what is sent to it, in order and in groups.
//!
//! Some work has somebody waiting for it (a platform), some has not (an agent's acknowledgement). What nobody
//! waits for is lazy: it is held back for at most [`LAZY_MAX`] so that it shares the next commit instead of
//! having one of its own, which whatever comes next would have to wait for. Order is kept all the same.

use super::{StorageError, translate};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::error;

/// Work that may wait for the thread. Whoever sends more waits.
const WAITING_MAX: usize = 4_096;
/// Work that goes into one transaction.
const GROUP_MAX: usize = 256;
/// How long lazy work waits for company.
const LAZY_MAX: Duration = Duration::from_millis(10);

/// A handle to the thread; it ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    work: Sender<Waiting>,
    permits: Arc<Semaphore>,
}

/// Whether somebody waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Now.
    Urgent,
    /// Within [`LAZY_MAX`].
    Lazy,
}

struct Waiting {
    work: Box<dyn Work>,
    urgency: Urgency,
    since: Instant,
    /// Its place among [`WAITING_MAX`].
    _permit: Option<OwnedSemaphorePermit>,
}

/// Work that has its place in the order of commits and is not answered yet.
#[derive(Debug)]
pub struct Pending<T>(oneshot::Receiver<Result<T, StorageError>>);

impl<T> Pending<T> {
    /// The answer, after the commit.
    ///
    /// # Errors
    /// Where it was not stored.
    pub async fn answer(self) -> Result<T, StorageError> {
        self.0.await.map_err(|_| StorageError::Closed)?
    }
}

/// One piece of work: run inside the transaction, answered after its commit.
trait Work: Send {
    /// Whether it succeeded.
    fn run(&mut self, connection: &Connection, path: &Path) -> bool;
    fn answer(self: Box<Self>, commit: Result<(), StorageError>);
}

struct Call<F, T, A> {
    work: Option<F>,
    result: Option<Result<T, StorageError>>,
    after_commit: A,
    reply: oneshot::Sender<Result<T, StorageError>>,
}

impl<F, T, A> Work for Call<F, T, A>
where
    F: FnOnce(&Connection) -> Result<T, Fault> + Send,
    T: Send,
    A: FnOnce(&T) + Send,
{
    fn run(&mut self, connection: &Connection, path: &Path) -> bool {
        if let Some(work) = self.work.take() {
            self.result = Some(work(connection).map_err(|fault| match fault {
                Fault::Sqlite(error) => translate(path, &error),
                Fault::Refused(refused) => refused,
            }));
        }
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, commit: Result<(), StorageError>) {
        let result = match (commit, self.result) {
            (Ok(()), Some(Ok(value))) => {
                (self.after_commit)(&value);
                Ok(value)
            }
            (_, Some(Err(error))) => Err(error),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(StorageError::Closed),
        };
        // Nobody may wait for it any more: a platform that closed its connection.
        let _ = self.reply.send(result);
    }
}

/// Why a piece of work failed.
pub(super) enum Fault {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// We say so.
    Refused(StorageError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sqlite(error)
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Fault::Refused(error)
    }
}

impl Lane {
    pub(super) fn start(name: &str, connection: Connection, path: PathBuf, writes: bool) -> Self {
        let (work, waiting) = channel();
        let spawned = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || serve(&connection, &path, &waiting, writes));
        if let Err(error) = spawned {
            // The channel is closed by now: every call will say so.
            error!(code = "storage-closed", %error, "no thread for storage");
        }
        Lane { work, permits: Arc::new(Semaphore::new(WAITING_MAX)) }
    }

    /// Puts `work` in its place: what is submitted first is committed first. `after_commit` runs on the
    /// storage thread, in the order of the commits.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
        after_commit: impl FnOnce(&T) + Send + 'static,
    ) -> Pending<T> {
        let (reply, answer) = oneshot::channel();
        let call = Call { work: Some(work), result: None, after_commit, reply };
        // Where the thread is gone, the reply's end goes with the call, and the answer says so.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let since = Instant::now();
        let _ = self.work.send(Waiting { work: Box::new(call), urgency, since, _permit: permit });
        Pending(answer)
    }

    /// Runs `work` in the next group and answers after its commit.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.submit(Urgency::Urgent, work, |_| ()).await.answer().await
    }
}

fn serve(connection: &Connection, path: &Path, waiting: &Receiver<Waiting>, writes: bool) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while gather(waiting, &mut group) {
        let commit = if writes {
            transaction(connection, path, &mut group)
        } else {
            run(connection, path, &mut group)
        };
        if let Err(error) = &commit {
            error!(code = "storage", %error, waiting = group.len(), "a group was not stored");
        }
        for waiting in group.drain(..) {
            waiting.work.answer(commit.clone());
        }
    }
}

/// Waits for work and takes all that is there; `false` once all handles are gone.
fn gather(waiting: &Receiver<Waiting>, group: &mut Vec<Waiting>) -> bool {
    let Ok(first) = waiting.recv() else { return false };
    let until = first.since + LAZY_MAX;
    let mut urgent = first.urgency == Urgency::Urgent;
    group.push(first);
    while group.len() < GROUP_MAX {
        let patience = if urgent { Duration::ZERO } else { until.saturating_duration_since(Instant::now()) };
        match waiting.recv_timeout(patience) {
            Ok(next) => {
                urgent |= next.urgency == Urgency::Urgent;
                group.push(next);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    true
}

fn run(connection: &Connection, path: &Path, group: &mut [Waiting]) -> Result<(), StorageError> {
    for waiting in group {
        waiting.work.run(connection, path);
    }
    Ok(())
}

fn transaction(connection: &Connection, path: &Path, group: &mut [Waiting]) -> Result<(), StorageError> {
    let done = commit_group(connection, path, group);
    if done.is_err()
        && !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        error!(code = "storage", %error, "rollback failed");
    }
    done
}

fn commit_group(connection: &Connection, path: &Path, group: &mut [Waiting]) -> Result<(), StorageError> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([]).map(|_| ());
    let failed = |error: rusqlite::Error| translate(path, &error);
    execute("BEGIN IMMEDIATE").map_err(failed)?;
    for waiting in group {
        // A piece that fails takes back what it did, and nothing of its neighbours'.
        execute("SAVEPOINT piece").map_err(failed)?;
        let succeeded = waiting.work.run(connection, path);
        // SQLite rolls a transaction back by itself where it cannot go on (disk full).
        if connection.is_autocommit() {
            return Err(StorageError::Full { path: path.to_path_buf() });
        }
        if !succeeded {
            execute("ROLLBACK TO piece").map_err(failed)?;
        }
        execute("RELEASE piece").map_err(failed)?;
    }
    execute("COMMIT").map_err(failed)
}
