//! A thread that owns a connection and does what is sent to it, in order and in groups.

use super::{StorageError, translate};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

/// Work that may wait for the thread. Whoever sends more waits.
const WAITING_MAX: usize = 4_096;
/// Work that goes into one transaction.
const GROUP_MAX: usize = 256;

/// A handle to the thread; it ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    work: mpsc::Sender<Box<dyn Work>>,
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
        let (work, waiting) = mpsc::channel(WAITING_MAX);
        let spawned = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || serve(&connection, &path, waiting, writes));
        if let Err(error) = spawned {
            // The channel is closed by now: every call will say so.
            error!(code = "storage-closed", %error, "no thread for storage");
        }
        Lane { work }
    }

    /// Puts `work` in its place: what is submitted first is committed first. `after_commit` runs on the
    /// storage thread, in the order of the commits.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
        after_commit: impl FnOnce(&T) + Send + 'static,
    ) -> Pending<T> {
        let (reply, answer) = oneshot::channel();
        let call = Call { work: Some(work), result: None, after_commit, reply };
        // Where the thread is gone, the reply's end goes with the call, and the answer says so.
        let _ = self.work.send(Box::new(call)).await;
        Pending(answer)
    }

    /// Runs `work` in the next group and answers after its commit.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.submit(work, |_| ()).await.answer().await
    }
}

fn serve(connection: &Connection, path: &Path, mut waiting: mpsc::Receiver<Box<dyn Work>>, writes: bool) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        let commit = if writes {
            transaction(connection, path, &mut group)
        } else {
            run(connection, path, &mut group)
        };
        if let Err(error) = &commit {
            error!(code = "storage", %error, waiting = group.len(), "a group was not stored");
        }
        for work in group.drain(..) {
            work.answer(commit.clone());
        }
    }
}

fn run(connection: &Connection, path: &Path, group: &mut [Box<dyn Work>]) -> Result<(), StorageError> {
    for work in group {
        work.run(connection, path);
    }
    Ok(())
}

fn transaction(
    connection: &Connection,
    path: &Path,
    group: &mut [Box<dyn Work>],
) -> Result<(), StorageError> {
    let done = commit_group(connection, path, group);
    if done.is_err()
        && !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        error!(code = "storage", %error, "rollback failed");
    }
    done
}

fn commit_group(
    connection: &Connection,
    path: &Path,
    group: &mut [Box<dyn Work>],
) -> Result<(), StorageError> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([]).map(|_| ());
    let failed = |error: rusqlite::Error| translate(path, &error);
    execute("BEGIN IMMEDIATE").map_err(failed)?;
    for work in group {
        // A piece that fails takes back what it did, and nothing of its neighbours'.
        execute("SAVEPOINT piece").map_err(failed)?;
        let succeeded = work.run(connection, path);
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
