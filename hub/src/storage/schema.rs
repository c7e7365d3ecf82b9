//! The tables. Migrations only ever append: a released one is never edited.

use super::StorageError;
use rusqlite::Connection;

const MIGRATIONS: &[&str] = &[
    // 1: the main job.
    "
    CREATE TABLE stores (
        id          TEXT PRIMARY KEY,
        name        TEXT NOT NULL,
        created_at  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE shops (
        platform    TEXT NOT NULL,
        shop        TEXT NOT NULL,
        store       TEXT NOT NULL REFERENCES stores (id),
        PRIMARY KEY (platform, shop)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE enrol_codes (
        lookup      BLOB PRIMARY KEY,
        key         BLOB NOT NULL,
        store       TEXT NOT NULL REFERENCES stores (id),
        created_at  INTEGER NOT NULL,
        expires_at  INTEGER NOT NULL,
        used_at     INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE agents (
        id              TEXT PRIMARY KEY,
        store           TEXT NOT NULL REFERENCES stores (id),
        fingerprint     BLOB NOT NULL UNIQUE,
        host            TEXT NOT NULL,
        enrolled_at     INTEGER NOT NULL,
        revoked_at      INTEGER,
        spool           BLOB,
        epoch           INTEGER NOT NULL DEFAULT 0,
        received_up_to  INTEGER NOT NULL DEFAULT 0,
        acked           INTEGER NOT NULL DEFAULT 0,
        assigned        INTEGER NOT NULL DEFAULT 0,
        connected_at    INTEGER,
        disconnected_at INTEGER,
        version         TEXT NOT NULL DEFAULT '',
        platform        TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX agents_by_store ON agents (store) WHERE revoked_at IS NULL;
    CREATE TABLE pushes (
        id           INTEGER PRIMARY KEY,
        received_at  INTEGER NOT NULL,
        platform     TEXT NOT NULL,
        order_id     TEXT NOT NULL,
        event        TEXT NOT NULL,
        version      TEXT NOT NULL,
        raw          BLOB NOT NULL,
        UNIQUE (platform, order_id, event, version)
    ) STRICT;
    CREATE TABLE orders (
        number       INTEGER PRIMARY KEY,
        platform     TEXT NOT NULL,
        id           TEXT NOT NULL,
        store        TEXT,
        shop         TEXT NOT NULL,
        pickup       TEXT NOT NULL,
        total        INTEGER NOT NULL,
        placed_at    INTEGER NOT NULL,
        received_at  INTEGER NOT NULL,
        cancelled    INTEGER NOT NULL DEFAULT 0,
        canonical    BLOB NOT NULL,
        UNIQUE (platform, id)
    ) STRICT;
    CREATE INDEX orders_without_store ON orders (platform, shop) WHERE store IS NULL;
    CREATE TABLE tickets (
        number       INTEGER PRIMARY KEY,
        id           BLOB NOT NULL UNIQUE,
        order_number INTEGER NOT NULL REFERENCES orders (number),
        store        TEXT NOT NULL,
        kind         TEXT NOT NULL,
        station      TEXT NOT NULL,
        title        TEXT NOT NULL,
        state        INTEGER NOT NULL,
        made_at      INTEGER NOT NULL,
        sent_at      INTEGER,
        spooled_at   INTEGER,
        printed_at   INTEGER,
        evidence     TEXT,
        doubt        TEXT,
        boxes        TEXT,
        repeats      INTEGER NOT NULL DEFAULT 0,
        printer      TEXT,
        meant_for    TEXT,
        item         BLOB NOT NULL
    ) STRICT;
    CREATE INDEX tickets_by_order ON tickets (order_number);
    CREATE INDEX tickets_open ON tickets (store, made_at) WHERE state < 5;
    CREATE TABLE outbox (
        agent        TEXT NOT NULL,
        seq          INTEGER NOT NULL,
        ticket       INTEGER NOT NULL REFERENCES tickets (number),
        PRIMARY KEY (agent, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE alarms (
        code         TEXT NOT NULL,
        subject      TEXT NOT NULL,
        detail       TEXT NOT NULL,
        since        INTEGER NOT NULL,
        last_at      INTEGER NOT NULL,
        times        INTEGER NOT NULL,
        PRIMARY KEY (code, subject)
    ) STRICT, WITHOUT ROWID;
    ",
    // 2: what counters sent up and this hub cannot take.
    "
    CREATE TABLE unread_uploads (
        digest       BLOB PRIMARY KEY,
        agent        TEXT NOT NULL,
        received_at  INTEGER NOT NULL,
        code         TEXT NOT NULL,
        row          BLOB NOT NULL
    ) STRICT;
    ",
    // 3: help. A request is a row without an outcome; what came of it is another row with the same id.
    "
    CREATE TABLE audit (
        number       INTEGER PRIMARY KEY,
        at           INTEGER NOT NULL,
        who          TEXT NOT NULL,
        store        TEXT NOT NULL,
        agent        TEXT NOT NULL,
        what         TEXT NOT NULL,
        help         BLOB NOT NULL,
        until        INTEGER NOT NULL,
        outcome      TEXT
    ) STRICT;
    CREATE UNIQUE INDEX audit_asked ON audit (help) WHERE outcome IS NULL;
    CREATE UNIQUE INDEX audit_done ON audit (help) WHERE outcome IS NOT NULL;
    CREATE INDEX audit_by_agent ON audit (agent, until);
    CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit only grows'); END;
    CREATE TRIGGER audit_grows BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit only grows'); END;
    CREATE TABLE help_outbox (
        agent        TEXT NOT NULL,
        seq          INTEGER NOT NULL,
        help         BLOB NOT NULL,
        item         BLOB NOT NULL,
        PRIMARY KEY (agent, seq)
    ) STRICT, WITHOUT ROWID;
    ",
    // 4: certificates that end, and what agents trust. Those of before have no times: they are renewed first.
    "
    ALTER TABLE agents ADD COLUMN certified_at INTEGER;
    ALTER TABLE agents ADD COLUMN expires_at INTEGER;
    ALTER TABLE agents ADD COLUMN next_fingerprint BLOB;
    ALTER TABLE agents ADD COLUMN next_public_key BLOB;
    ALTER TABLE agents ADD COLUMN next_certificate BLOB;
    ALTER TABLE agents ADD COLUMN next_certified_at INTEGER;
    ALTER TABLE agents ADD COLUMN next_expires_at INTEGER;
    ALTER TABLE agents ADD COLUMN trusts BLOB;
    ALTER TABLE agents ADD COLUMN machine BLOB;
    CREATE UNIQUE INDEX agents_by_next_fingerprint ON agents (next_fingerprint) WHERE next_fingerprint IS NOT NULL;
    CREATE INDEX agents_revoked ON agents (revoked_at) WHERE revoked_at IS NOT NULL;
    ",
    // 5: settings. An item of an outbox is a ticket's or a part of settings, and then it is here itself.
    // settings_edits: scope is a store's id, empty for the chain; text is NULL where the hub's own files have changed.
    // settings_wanted: what a store is to have, and what its agent has said of it.
    "
    ALTER TABLE outbox RENAME TO outbox_of_tickets;
    CREATE TABLE outbox (
        agent        TEXT NOT NULL,
        seq          INTEGER NOT NULL,
        ticket       INTEGER REFERENCES tickets (number),
        settings     BLOB,
        PRIMARY KEY (agent, seq),
        CHECK ((ticket IS NULL) <> (settings IS NULL))
    ) STRICT, WITHOUT ROWID;
    INSERT INTO outbox SELECT agent, seq, ticket, NULL FROM outbox_of_tickets;
    DROP TABLE outbox_of_tickets;
    CREATE TABLE settings_edits (
        revision     INTEGER PRIMARY KEY,
        scope        TEXT NOT NULL,
        text         TEXT,
        who          TEXT NOT NULL,
        why          TEXT NOT NULL,
        at           INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX settings_edits_by_scope ON settings_edits (scope, revision);
    CREATE TABLE settings_wanted (
        store        TEXT PRIMARY KEY REFERENCES stores (id),
        revision     INTEGER NOT NULL,
        since        INTEGER NOT NULL,
        bundle       BLOB NOT NULL,
        applied      INTEGER,
        applied_at   INTEGER,
        otherwise    TEXT NOT NULL DEFAULT '',
        failed       INTEGER,
        failed_at    INTEGER,
        failure      TEXT NOT NULL DEFAULT '',
        cause        TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;
    ",
];

/// Brings the file to the newest version, one migration a transaction.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    loop {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(migration) = MIGRATIONS.get(version as usize) else { return transaction.commit() };
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
}

/// Refuses a file that a newer hub has written.
pub(super) fn check(connection: &Connection) -> Result<(), StorageError> {
    let version: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| StorageError::Refused(format!("storage-unreadable: {error}")))?;
    if version as usize > MIGRATIONS.len() {
        return Err(StorageError::Refused(format!(
            "storage-newer: the data folder is of version {version}, this hub knows {}; update the hub",
            MIGRATIONS.len()
        )));
    }
    Ok(())
}
