//! What the hub must not forget: one SQLite file in the data folder.
//!
//! One writer thread commits groups: everything that waits when it comes round goes into one transaction, and
//! nobody is answered before that transaction is on disk (WAL, `synchronous=FULL`). A crash leaves either all
//! of a group or nothing of it, and nobody was told otherwise. A second thread reads.
//!
//! * [`orders`]: pushes, orders, events and their tickets.
//! * [`agents`]: stores, enrolment codes, agents and their sessions.
//! * [`certificates`]: who a certificate is, until when, and its renewal.
//! * [`outbox`]: what goes to an agent, `reports` and `uploads`: what it tells.
//! * [`help`]: what headquarters asks of an agent, and its audit.
//! * [`settings`]: what stores are set to, since when and by whom.
//! * [`views`]: what the console shows. [`retention`]: what goes when.

pub mod agents;
mod alarms;
pub mod certificates;
pub mod help;
mod lane;
pub mod orders;
pub mod outbox;
mod reports;
pub mod retention;
mod schema;
pub mod settings;
mod ticket_state;
mod uploads;
pub mod views;

use crate::routing::Routing;
use lane::Lane;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Name of the database in the data folder.
pub const DATABASE_FILE: &str = "hub.db";
/// How long a command line waits for the serving hub, and the other way round.
const BUSY_MAX: Duration = Duration::from_secs(10);
/// SQLite before this can corrupt a WAL that is reset while another connection reads.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Why storage did not do what it was asked. Cloned to everybody whose work was in the failed group.
#[derive(Debug, Clone, Error)]
pub enum StorageError {
    /// No room on the disk.
    #[error("storage-full: the disk of {path} is full; free some space, the hub goes on by itself")]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// A session that has been taken over wants to write.
    #[error("superseded: a newer session of this agent has taken over")]
    Superseded,
    /// What the command asks is not possible.
    #[error("{0}")]
    Refused(String),
    /// Anything else of SQLite.
    #[error("storage-failed: {cause} ({path}); restore a backup if this stays")]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        cause: String,
    },
    /// The storage thread has ended.
    #[error("storage-closed: the hub is stopping")]
    Closed,
}

/// The database, shared by everything in the hub.
#[derive(Debug, Clone)]
pub struct Storage {
    writer: Lane,
    reader: Lane,
    routing: Arc<Routing>,
}

impl Storage {
    /// Opens or makes the database in `folder`.
    ///
    /// # Errors
    /// Where the file cannot be opened, is of a newer hub, or SQLite is too old.
    pub fn open(folder: &Path, routing: Arc<Routing>) -> Result<Self, StorageError> {
        let path = folder.join(DATABASE_FILE);
        let failed = |error: rusqlite::Error| translate(&path, &error);
        if rusqlite::version_number() < SQLITE_VERSION_MIN {
            return Err(StorageError::Refused(format!("sqlite-too-old: {}", rusqlite::version())));
        }
        let mut writer = Connection::open(&path).map_err(failed)?;
        configure(&writer).map_err(failed)?;
        schema::check(&writer)?;
        schema::migrate(&mut writer).map_err(failed)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&path, flags).map_err(failed)?;
        reader.busy_timeout(BUSY_MAX).map_err(failed)?;
        Ok(Storage {
            writer: Lane::start("storage-writer", writer, path.clone(), true),
            reader: Lane::start("storage-reader", reader, path, false),
            routing,
        })
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A WAL that is written again costs a fraction of one that grows: fdatasync then has no metadata to write.
    connection.pragma_update(None, "journal_size_limit", -1)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    // What a piece of a group may have to take back: never worth a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A bound LIMIT is part of a statement's plan, and without this each new value has it compiled anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn translate(path: &Path, error: &rusqlite::Error) -> StorageError {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageError::Full { path },
        // A WAL that cannot grow is an I/O error for SQLite; which one it is, it keeps to itself.
        Some(ErrorCode::SystemIoFailure) => StorageError::Full { path },
        _ => StorageError::Sqlite { path, cause: error.to_string() },
    }
}
