//! The database: how it is opened, and its migrations, which only ever append.
//!
//! State and payload of a ticket are two rows: a ticket changes its state three times, and each change would
//! write its two kilobytes again.

use super::SpoolError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Earlier versions can corrupt the database when the WAL is reset (sqlite.org, 3.51.3 release notes).
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Pages of the WAL at which it is copied back. It is then written over from its start and never made
/// shorter, so an fsync seldom has to change the file's size.
const WAL_PAGES: u32 = 1_000;
/// SQLite's page cache: the index of a month's ids fits.
const CACHE_KIB: u32 = 1_024;
/// How long a look by another process may block a commit.
const BUSY_MS_MAX: u64 = 5_000;
/// Pages of 4 KiB, SQLite's default.
const PAGE_BYTES: u64 = 4_096;
/// What is beyond the bound for what comes of the tickets that are stored: one in so many bytes.
const RESERVE_SHARE: u64 = 8;
/// All statements of the store fit.
const STATEMENTS_CACHED: usize = 64;

const MIGRATIONS: &[&str] = &["
    CREATE TABLE meta (
        one            INTEGER PRIMARY KEY CHECK (one = 1),
        spool          BLOB NOT NULL,
        received_up_to INTEGER NOT NULL,
        assigned_up_to INTEGER NOT NULL,
        boot           TEXT
    ) STRICT;
    -- place: the order of arrival, and so of printing.
    -- printer: whose queue it is in. pinned: a person chose that printer, so no other takes it.
    -- state: 0 queued, 1 claimed by taken_by, 2 printed by taken_by, 3 held, 4 settled by a person,
    -- 5 not readable by the program that runs.
    -- attempt: begun attempts that have ended in doubt or were followed by a person's reprint.
    -- boxes: what came out as boxes when that was last known.
    -- told: the last outcome as it was reported; told_seq: the place of that report.
    CREATE TABLE tickets (
        place       INTEGER PRIMARY KEY,
        id          BLOB NOT NULL UNIQUE,
        seq         INTEGER NOT NULL,
        kind        TEXT NOT NULL,
        station     TEXT NOT NULL,
        title       TEXT NOT NULL,
        printer     TEXT NOT NULL,
        pinned      INTEGER NOT NULL,
        urgent      INTEGER NOT NULL,
        state       INTEGER NOT NULL,
        attempt     INTEGER NOT NULL,
        repeat      INTEGER NOT NULL,
        received_at INTEGER NOT NULL,
        expires_at  INTEGER,
        taken_by    TEXT,
        claimed_at  INTEGER,
        began_at    INTEGER,
        ended_at    INTEGER,
        evidence    TEXT,
        doubt       TEXT,
        boxes       TEXT,
        told        BLOB,
        told_seq    INTEGER
    ) STRICT;
    CREATE INDEX tickets_queued ON tickets (printer, urgent DESC, place) WHERE state = 0;
    CREATE INDEX tickets_expiring ON tickets (expires_at) WHERE state = 0 AND expires_at IS NOT NULL;
    CREATE INDEX tickets_done ON tickets (ended_at) WHERE state IN (2, 4);
    CREATE INDEX tickets_held ON tickets (place) WHERE state = 3;
    CREATE TABLE payloads (place INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;
    CREATE TABLE unreadable (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL, received_at INTEGER NOT NULL) STRICT;
    CREATE TABLE outbox (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;
    -- facts: what a unit has shown, in words. printer: where it stood last.
    CREATE TABLE profiles (
        unit       TEXT PRIMARY KEY,
        printer    TEXT NOT NULL,
        facts      TEXT NOT NULL,
        learned_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE paused (printer TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT;
", "
    ALTER TABLE meta ADD COLUMN hub_ahead_ms INTEGER NOT NULL DEFAULT 0;
", "
    -- The unit that each printer had last. Units of one serial number share a profile, so that cannot tell.
    CREATE TABLE units (printer TEXT PRIMARY KEY, unit TEXT NOT NULL) STRICT;
    INSERT INTO units SELECT printer, unit FROM (SELECT printer, unit, max(learned_at) FROM profiles GROUP BY printer);
", "
    ALTER TABLE tickets ADD COLUMN cut_short INTEGER NOT NULL DEFAULT 0;
", "
    -- What the store's own counter has given, see `counter`. key: as the counter has named it.
    -- content: the order, of which slips are made when it is cancelled; NULL for ready tickets.
    CREATE TABLE submissions (
        place        INTEGER PRIMARY KEY,
        key          TEXT NOT NULL UNIQUE,
        content      BLOB,
        received_at  INTEGER NOT NULL,
        cancelled_at INTEGER
    ) STRICT;
    -- digest: of the whole request. answer: what was answered, for whoever asks again.
    CREATE TABLE answers (
        place       INTEGER PRIMARY KEY,
        key         TEXT NOT NULL UNIQUE,
        digest      BLOB NOT NULL,
        answer      BLOB NOT NULL,
        answered_at INTEGER NOT NULL
    ) STRICT;
    -- What the hub is to be told of all that, apart from the outbox.
    CREATE TABLE uploads (
        seq     INTEGER PRIMARY KEY AUTOINCREMENT,
        kind    TEXT NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    -- submission: whose it is; NULL for the hub's. withdrawn: nothing more of it is to come out.
    -- changed: a number that rises with every change of a ticket that the counter has given.
    ALTER TABLE tickets ADD COLUMN submission INTEGER;
    ALTER TABLE tickets ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tickets ADD COLUMN changed INTEGER;
    CREATE INDEX tickets_submitted ON tickets (submission) WHERE submission IS NOT NULL;
    CREATE INDEX tickets_changed ON tickets (changed) WHERE changed IS NOT NULL;
    CREATE TABLE changes (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL) STRICT;
    INSERT INTO changes VALUES (1, 0);
    -- By triggers, so that no way of a ticket can forget it.
    CREATE TRIGGER ticket_submitted AFTER INSERT ON tickets WHEN new.submission IS NOT NULL BEGIN
        UPDATE changes SET last = last + 1;
        UPDATE tickets SET changed = (SELECT last FROM changes) WHERE place = new.place;
    END;
    CREATE TRIGGER ticket_changed AFTER UPDATE OF state, printer, withdrawn, repeat ON tickets
    WHEN new.submission IS NOT NULL BEGIN
        UPDATE changes SET last = last + 1;
        UPDATE tickets SET changed = (SELECT last FROM changes) WHERE place = new.place;
    END;
", "
    -- What headquarters has asked for, see `help`. state: 0 waits, 1 begun, 2 done. outcome: as it was reported.
    CREATE TABLE helps (
        id          BLOB PRIMARY KEY,
        request     BLOB NOT NULL,
        received_at INTEGER NOT NULL,
        state       INTEGER NOT NULL,
        outcome     TEXT
    ) STRICT;
    CREATE INDEX helps_open ON helps (state, received_at) WHERE state < 2;
", "
    -- What the store is set to, as it comes: see `settings`. Gone once it is decided about.
    CREATE TABLE settings_parts (
        revision INTEGER NOT NULL,
        part     INTEGER NOT NULL,
        parts    INTEGER NOT NULL,
        bytes    BLOB NOT NULL,
        PRIMARY KEY (revision, part)
    ) STRICT;
"];

/// Opens and migrates the database.
pub(super) fn open(path: &Path, bytes_max: u64) -> Result<Connection, SpoolError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(SpoolError::SqliteTooOld { found: rusqlite::version() });
    }
    let failed = |operation| move |source| SpoolError::Database { operation, source };
    let mut connection = Connection::open(path).map_err(failed("open the spool"))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // A bound LIMIT is part of a statement's plan, and without this each new value has it compiled anew.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(failed("configure the spool"))?;
    configure(&connection, bytes_max).map_err(failed("configure the spool"))?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens the database of a spool that another process may have open, to read only.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, SpoolError> {
    if !path.exists() {
        return Err(SpoolError::NoSpool { path: path.to_owned() });
    }
    let failed = |source| SpoolError::Database { operation: "open the spool to read", source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX)).map_err(failed)?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found == known { Ok(connection) } else { Err(SpoolError::SchemaTooNew { found, known }) }
}

fn configure(connection: &Connection, bytes_max: u64) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
    // The WAL stays when the database is closed: on a full disk it could not be made anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // journal_mode and friends answer with a row, which execute_batch reads and drops.
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = -1;
         PRAGMA wal_autocheckpoint = {WAL_PAGES}; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA temp_store = MEMORY;
         PRAGMA max_page_count = {};",
        pages(bytes_max + bytes_max / RESERVE_SHARE)
    ))
}

/// Whole pages of so many bytes.
fn pages(bytes: u64) -> u32 {
    u32::try_from(bytes / PAGE_BYTES).unwrap_or(u32::MAX - 1).max(1)
}

/// How much of `bytes_max` is in use, in percent. From 100 on nothing new is taken; what is stored has room to be
/// claimed, reported and deleted all the same.
pub(super) fn used_percent(connection: &Connection, bytes_max: u64) -> rusqlite::Result<u64> {
    let number = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, u32>(0));
    let used = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
    Ok(u64::from(used) * 100 / u64::from(pages(bytes_max)))
}

fn migrate(connection: &mut Connection) -> Result<(), SpoolError> {
    let failed = |source| SpoolError::Database { operation: "migrate the spool", source };
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(done..) else {
        return Err(SpoolError::SchemaTooNew { found, known });
    };
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(failed)?;
    for migration in missing {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.execute_batch(&format!("PRAGMA user_version = {known}")).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_a_newer_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db");
        drop(open(&path, 1 << 20).unwrap());
        Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
        assert!(matches!(open(&path, 1 << 20), Err(SpoolError::SchemaTooNew { found: 99, known: 7 })));
    }

    #[test]
    fn units_that_an_older_program_has_learned_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db");
        let older = Connection::open(&path).unwrap();
        older.execute_batch(&MIGRATIONS[..2].concat()).unwrap();
        let learned = "INSERT INTO profiles VALUES ('B', 'kitchen', '', 2), ('A', 'kitchen', '', 1), ('C', 'front', '', 3)";
        older.execute_batch(&format!("{learned}; PRAGMA user_version = 2")).unwrap();
        drop(older);
        let connection = open(&path, 1 << 20).unwrap();
        let units = "SELECT group_concat(printer || ' ' || unit, ', ' ORDER BY printer) FROM units";
        let units: String = connection.query_row(units, [], |row| row.get(0)).unwrap();
        assert_eq!(units, "front C, kitchen B");
    }

    #[test]
    fn it_is_durable_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder.path().join("spool.db"), 1 << 20).unwrap();
        let pragma = |name: &str| -> String {
            connection
                .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0))
                .map(|value| format!("{value:?}"))
                .unwrap()
        };
        assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
        assert_eq!(pragma("synchronous"), "Integer(2)");
        assert_eq!(pragma("max_page_count"), "Integer(288)");
    }
}
