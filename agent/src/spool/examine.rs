//! What a doctor sees of the spool in a folder, whether or not an agent has it open.

use super::{SpoolError, schema};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// What it looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its files.
    pub bytes: u64,
    /// How far the hub's clock was ahead of this PC's when that was last told and differed by more than a minute from
    /// before.
    pub hub_ahead_ms: i64,
    /// What SQLite finds wrong with it, `ok` where nothing is; `None` where the time was too short to look at all of it.
    pub check: Option<String>,
}

/// Looks at it for `time` at most.
///
/// # Errors
/// [`SpoolError::NoSpool`], [`SpoolError::SchemaTooNew`], [`SpoolError::Database`].
pub fn examine_in(folder: &Path, time: Duration) -> Result<Examined, SpoolError> {
    let path = folder.join("spool.db");
    let connection = schema::open_to_read(&path)?;
    let failed = |source| SpoolError::Database { operation: "examine the spool", source };
    let hub_ahead_ms =
        connection.query_row("SELECT hub_ahead_ms FROM meta", [], |row| row.get(0)).map_err(failed)?;
    let interrupt = connection.get_interrupt_handle();
    let (checked, ended) = channel::<()>();
    let watching = std::thread::spawn(move || {
        if ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let check = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    drop(checked);
    // It has nothing left to wait for, and does not panic.
    let _ = watching.join();
    let check = match check {
        Ok(found) => Some(found),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => None,
        Err(source) => return Err(failed(source)),
    };
    let size = |suffix: &str| {
        let file = folder.join(format!("spool.db{suffix}"));
        std::fs::metadata(file).map_or(0, |metadata| metadata.len())
    };
    Ok(Examined { bytes: size("") + size("-wal"), hub_ahead_ms, check })
}
