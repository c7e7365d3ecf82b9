//! What can still be read of a damaged database, carried over into a new one.
//!
//! Each table is read from its beginning and from its end up to where the damage is, and what lies between is asked for
//! row by row. Nothing is written to the damaged files: SQLite's own mending begins with their log, and may make
//! things worse.
//!
//! # What is believed
//! Rows that hold together: a ticket that waits has its document, and that names the ticket. What does not is left
//! behind, and told as lost; what the hub has delivered, it delivers again. A ticket that a printer had in hand is settled as after any
//! crash, by the printer's journal (`recovery`), which also knows what the database has forgotten.
//!
//! # Where not even the beginning can be read
//! The first hundred bytes of the file are the same for each spool, up to counters that SQLite does without. So a copy
//! gets them anew, and is read. What lies behind may be whole, and the counter's orders are nowhere else.
//!
//! Rejected: reading pages without SQLite (it finds rows that were deleted, and prints them again).

use super::damage::beside;
use super::store::number;
use super::{SpoolError, SpoolOptions, schema};
use crate::clock;
use docket_protocol::frame::{payload, read_payload};
use docket_protocol::ids::{Seq, TicketId};
use docket_protocol::message::{Item, Report};
use docket_protocol::storage::SpoolReplaced;
use ring::rand::SecureRandom as _;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params_from_iter};
use std::fs;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Rows between two damaged places that are asked for one by one.
const PROBES_MAX: i64 = 200_000;
/// What begins a database of this program, up to its counters: pages of 4 KiB, a log, nothing reserved.
const BEGINNING: &[u8; 24] = b"SQLite format 3\0\x10\x00\x02\x02\x00\x40\x20\x20";
/// The whole of it.
const BEGINNING_BYTES: usize = 100;
const PAGE_BYTES: u64 = 4_096;

/// What is carried over, each table as it is. What a table refers to comes before it.
const TABLES: [&str; 12] = [
    "tickets",
    "payloads",
    "unreadable",
    "outbox",
    "profiles",
    "paused",
    "units",
    "submissions",
    "answers",
    "uploads",
    "changes",
    "helps",
];

/// What is not: the cursors are made anew, and the hub gives a new spool its settings again.
#[cfg(test)]
const LEFT: [&str; 2] = ["meta", "settings_parts"];

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Salvaged {
    /// Whether every table could be read to its end.
    pub(super) is_whole: bool,
    /// Tickets that have not come out, and are in the new one.
    pub(super) tickets: u32,
    /// What the hub does not have yet, and is in the new one.
    pub(super) reports: u32,
    /// Tickets that had not come out, and cannot be read.
    pub(super) lost: u32,
}

/// Makes the new database, with what the damaged one has and a report of it to the hub.
pub(super) fn make(
    new: &Path,
    damaged: &Path,
    kept_as: &str,
    options: &SpoolOptions,
) -> Result<Salvaged, SpoolError> {
    let failed = |source| SpoolError::Database { operation: "make a new spool", source };
    let mut to = schema::make(new)?;
    let mut spool = [0; 16];
    ring::rand::SystemRandom::new().fill(&mut spool).map_err(|_| SpoolError::Random)?;
    let from = open_damaged(damaged);
    let transaction = to.transaction().map_err(failed)?;
    let mut salvaged = Salvaged::default();
    if let Some(from) = &from {
        salvaged.is_whole = copy_tables(from, &transaction).map_err(failed)?;
        salvaged.lost = leave_behind(&transaction).map_err(failed)?;
    }
    begin(&transaction, from.as_ref(), spool, options).map_err(failed)?;
    let count = |sql| transaction.query_row(sql, [], |row| row.get::<_, u32>(0)).map_err(failed);
    salvaged.tickets = count("SELECT count(*) FROM tickets WHERE state IN (0, 1, 3, 5)")?;
    salvaged.reports = count("SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM uploads)")?;
    report(&transaction, kept_as, &salvaged).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    drop(from);
    forget_copy(damaged);
    Ok(salvaged)
}

/// `None` where not a thing can be read of it.
fn open_damaged(path: &Path) -> Option<Connection> {
    let readable = |path: &Path| {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).ok()?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).ok()?;
        connection.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = 1").ok()?;
        // One bad trigger's text would be enough to keep the rest from being read.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).ok()?;
        let tables: u32 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).ok()?;
        (tables > 0).then_some(connection)
    };
    readable(path).or_else(|| {
        let copy = copy_with_beginning(path).ok()?;
        readable(&copy)
    })
}

/// A copy that begins as a database does.
fn copy_with_beginning(path: &Path) -> io::Result<PathBuf> {
    let copy = copy_of(path);
    fs::copy(path, &copy)?;
    let log = beside(path, "-wal");
    if log.exists() {
        fs::copy(log, beside(&copy, "-wal"))?;
    }
    let mut file = fs::OpenOptions::new().write(true).open(&copy)?;
    let pages = u32::try_from(file.metadata()?.len() / PAGE_BYTES).unwrap_or(u32::MAX);
    let mut beginning = [0; BEGINNING_BYTES];
    beginning[..BEGINNING.len()].copy_from_slice(BEGINNING);
    let mut put = |at: usize, number: u32| beginning[at..at + 4].copy_from_slice(&number.to_be_bytes());
    const CHANGES_AT: usize = 24;
    const PAGES_AT: usize = 28;
    const FORMAT_AT: usize = 44;
    const ENCODING_AT: usize = 56;
    const CHANGES_OF_PAGES_AT: usize = 92;
    put(CHANGES_AT, 1);
    put(PAGES_AT, pages);
    put(FORMAT_AT, 4);
    put(ENCODING_AT, 1);
    put(CHANGES_OF_PAGES_AT, 1);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&beginning)?;
    Ok(copy)
}

fn copy_of(path: &Path) -> PathBuf {
    path.with_extension("copy")
}

fn forget_copy(damaged: &Path) {
    let copy = copy_of(damaged);
    for file in [copy.clone(), beside(&copy, "-wal"), beside(&copy, "-shm")] {
        // It was only made where it was needed; what stays is found by whoever looks at the folder.
        let _ = fs::remove_file(file);
    }
}

/// Whether everything could be read.
fn copy_tables(from: &Connection, to: &Connection) -> rusqlite::Result<bool> {
    // What a trigger would write is in the rows already.
    let mut select = to.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")?;
    let triggers = select
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    drop(select);
    for (name, _) in &triggers {
        to.execute_batch(&format!("DROP TRIGGER {name}"))?;
    }
    let mut is_whole = true;
    for table in TABLES {
        is_whole &= copy_table(from, to, table)?;
    }
    for (_, sql) in &triggers {
        to.execute_batch(sql)?;
    }
    Ok(is_whole)
}

fn columns_of(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect()
}

fn copy_table(from: &Connection, to: &Connection, table: &str) -> rusqlite::Result<bool> {
    // An older program has made it, perhaps; columns that it does not have are as they are for it.
    let Ok(theirs) = columns_of(from, table) else { return Ok(false) };
    let columns: Vec<String> =
        columns_of(to, table)?.into_iter().filter(|column| theirs.contains(column)).collect();
    if columns.is_empty() {
        return Ok(true);
    }
    let names = columns.join(", ");
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
    let mut copy = Carrier {
        select: format!("SELECT rowid, {names} FROM {table}"),
        insert: to
            .prepare(&format!("INSERT OR REPLACE INTO {table} ({names}) VALUES ({})", places.join(", ")))?,
        from,
        columns: columns.len(),
    };
    let (first, is_whole) = copy.run("WHERE rowid > ?1 ORDER BY rowid", i64::MIN)?;
    if is_whole {
        return Ok(true);
    }
    let first = first.unwrap_or(0);
    if let (Some(last), _) = copy.run("WHERE rowid > ?1 ORDER BY rowid DESC", first)? {
        for rowid in (first.saturating_add(1)..last).take(usize::try_from(PROBES_MAX).unwrap_or(usize::MAX)) {
            copy.run("WHERE rowid = ?1", rowid)?;
        }
    }
    Ok(false)
}

/// One table on its way.
struct Carrier<'a> {
    from: &'a Connection,
    select: String,
    insert: rusqlite::Statement<'a>,
    columns: usize,
}

impl Carrier<'_> {
    /// Copies rows until the damage; the last one that could be read, and whether there was none.
    fn run(&mut self, which: &str, parameter: i64) -> rusqlite::Result<(Option<i64>, bool)> {
        let mut last = None;
        // A statement that cannot even be made fails for the same reason.
        let Ok(mut select) = self.from.prepare_cached(&format!("{} {which}", self.select)) else {
            return Ok((last, false));
        };
        let mut rows = select.query([parameter])?;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok((last, true)),
                // Damage, or a sector that cannot be read: there is only what can.
                Err(_) => return Ok((last, false)),
            };
            last = Some(row.get(0)?);
            let Some(values) = values(row, self.columns)? else { continue };
            match self.insert.execute(params_from_iter(values)) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {}
                inserted => drop(inserted?),
            }
        }
    }
}

/// `None` where they are not what this program writes.
fn values<'r>(row: &'r Row<'_>, columns: usize) -> rusqlite::Result<Option<Vec<ToSqlOutput<'r>>>> {
    let mut values = Vec::with_capacity(columns);
    for column in 1..=columns {
        let value = row.get_ref(column)?;
        if let ValueRef::Text(text) = value
            && std::str::from_utf8(text).is_err()
        {
            return Ok(None);
        }
        values.push(ToSqlOutput::Borrowed(value));
    }
    Ok(Some(values))
}

/// Takes out what does not hold together. How many tickets that had not come out are among it.
fn leave_behind(to: &Connection) -> rusqlite::Result<u32> {
    let mut lost = to.execute(
        "DELETE FROM tickets WHERE length(id) <> 16 OR state NOT BETWEEN 0 AND 5
            OR attempt NOT BETWEEN 0 AND 65535 OR repeat NOT BETWEEN 0 AND 65535
            OR (state IN (0, 1, 3, 5) AND place NOT IN (SELECT place FROM payloads))
            OR (state = 1 AND taken_by IS NULL)",
        [],
    )?;
    let mut waiting = to.prepare(
        "SELECT place, id, payload FROM tickets JOIN payloads USING (place) WHERE state IN (0, 1, 3)",
    )?;
    let mut rows = waiting.query([])?;
    let mut strange = Vec::new();
    while let Some(row) = rows.next()? {
        let id = TicketId::from_bytes(row.get(1)?);
        let item: Vec<u8> = row.get(2)?;
        let is_it = matches!(read_payload(&item), Some(Item::Ticket(ticket)) if ticket.id == id);
        if !is_it {
            strange.push(row.get::<_, i64>(0)?);
        }
    }
    drop(rows);
    drop(waiting);
    for place in strange {
        lost += to.execute("DELETE FROM tickets WHERE place = ?1", [place])?;
    }
    to.execute("DELETE FROM payloads WHERE place NOT IN (SELECT place FROM tickets)", [])?;
    to.execute("DELETE FROM outbox WHERE seq < 1", [])?;
    to.execute("UPDATE changes SET last = max(last, (SELECT coalesce(max(changed), 0) FROM tickets))", [])?;
    Ok(u32::try_from(lost).unwrap_or(u32::MAX))
}

/// The first row: nothing of the hub is stored here under the new id, and the places of reports go on.
fn begin(
    to: &Connection,
    from: Option<&Connection>,
    spool: [u8; 16],
    options: &SpoolOptions,
) -> rusqlite::Result<()> {
    let meta = from.and_then(|from| {
        from.query_row("SELECT assigned_up_to, boot, hub_ahead_ms FROM meta", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, i64>(2)?))
        })
        .ok()
    });
    // An older program does not have these.
    let hub = from.and_then(|from| {
        from.query_row("SELECT hub_seen, hub_zero FROM meta", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
        })
        .ok()
    });
    let last: i64 = to.query_row("SELECT coalesce(max(seq), 0) FROM outbox", [], |row| row.get(0))?;
    let claimed: u32 = to.query_row("SELECT count(*) FROM tickets WHERE state = 1", [], |row| row.get(0))?;
    let (assigned, boot, ahead_ms) = meta.unwrap_or((0, None, 0));
    let (seen, zero) = hub.unwrap_or((0, None));
    let zero = zero.filter(|_| boot.is_some() && boot == options.boot_id);
    // Without a ticket in doubt, there is nothing that would have to be known of the boot.
    let boot = if claimed == 0 { options.boot_id.clone() } else { boot };
    to.execute(
        "INSERT INTO meta (one, spool, received_up_to, assigned_up_to, boot, hub_ahead_ms, hub_seen, hub_zero)
         VALUES (1, ?1, 0, ?2, ?3, ?4, ?5, ?6)",
        rusqlite::params![spool, assigned.max(last), boot, ahead_ms, seen, zero],
    )?;
    Ok(())
}

fn report(to: &Connection, kept_as: &str, salvaged: &Salvaged) -> rusqlite::Result<()> {
    let assigned: i64 = to.query_row("SELECT assigned_up_to FROM meta", [], |row| row.get(0))?;
    let place = number(Seq(assigned.unsigned_abs()).next());
    let report = Report::SpoolReplaced(SpoolReplaced {
        kept_as: kept_as.to_owned(),
        is_whole: salvaged.is_whole,
        tickets: salvaged.tickets,
        reports: salvaged.reports,
        lost: salvaged.lost,
        at: clock::now(),
    });
    to.execute("INSERT INTO outbox VALUES (?1, ?2)", rusqlite::params![place, payload(&report)])?;
    to.execute("UPDATE meta SET assigned_up_to = ?1", [place])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_table_is_carried_over_or_left_on_purpose() {
        let folder = tempfile::tempdir().unwrap();
        let made = schema::make(&folder.path().join("spool.db")).unwrap();
        let tables: BTreeSet<String> = made
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let known: BTreeSet<String> = TABLES.into_iter().chain(LEFT).map(str::to_owned).collect();
        assert_eq!(tables, known);
    }
}
