//! The database, and what is known of it in memory.
//!
//! The memory (cursors, counts, what each printer holds) changes only when a commit has succeeded: a
//! transaction works on a copy of it.

use super::command::{Read, Reply, Write};
use super::work::{Claims, Work};
use super::{Counts, HeldTicket, Profile, SpoolError, SpoolOptions, schema};
use crate::clock;
use docket_protocol::ids::{PrinterName, Seq, TicketId, UnixMs};
use ring::rand::SecureRandom as _;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::{Path, PathBuf};

/// The database and what is known of it.
pub(super) struct Store {
    connection: Connection,
    options: SpoolOptions,
    folder: PathBuf,
    spool: [u8; 16],
    known: Known,
    /// What each printer wants to hold; not part of the database.
    wants: Vec<u32>,
}

/// What is known without asking the database. A copy is cheap.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) recovered: bool,
    pub(super) received_up_to: Seq,
    pub(super) assigned_up_to: Seq,
    pub(super) held: u32,
    pub(super) printers: Vec<Load>,
}

/// Tickets of one printer.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) queued: u32,
    pub(super) claimed: u32,
}

/// What a commit gave.
pub(super) struct Committed {
    /// For each write.
    pub(super) replies: Vec<Reply>,
    /// To be handed out.
    pub(super) claims: Claims,
    /// A slice of old rows was full.
    pub(super) old_rows_left: bool,
}

impl Store {
    pub(super) fn open(folder: &Path, options: SpoolOptions) -> Result<Self, SpoolError> {
        let connection = schema::open(&folder.join("spool.db"), options.bytes_max)?;
        let failed = |source| SpoolError::Database { operation: "read the spool's cursors", source };
        let mut fresh = [0; 16];
        ring::rand::SystemRandom::new().fill(&mut fresh).map_err(|_| SpoolError::Random)?;
        let is_new = !connection.prepare("SELECT 1 FROM meta").map_err(failed)?.exists([]).map_err(failed)?;
        if is_new {
            // The boot is of this life: there is nothing of an earlier one to be settled.
            connection
                .execute("INSERT INTO meta VALUES (1, ?1, 0, 0, ?2)", params![fresh, options.boot_id])
                .map_err(failed)?;
        }
        let (spool, received, assigned) = connection
            .query_row("SELECT spool, received_up_to, assigned_up_to FROM meta", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(failed)?;
        let known = Known {
            recovered: false,
            received_up_to: seq(received),
            assigned_up_to: seq(assigned),
            held: 0,
            printers: vec![Load::default(); options.printers.len()],
        };
        let wants = vec![0; options.printers.len()];
        Ok(Self { connection, options, folder: folder.to_owned(), spool, known, wants })
    }

    pub(super) fn spool(&self) -> [u8; 16] {
        self.spool
    }

    pub(super) fn received_up_to(&self) -> Seq {
        self.known.received_up_to
    }

    pub(super) fn assigned_up_to(&self) -> Seq {
        self.known.assigned_up_to
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.update_counts(&mut counts, false);
        counts
    }

    /// Brings `counts` up to date; whether that changed anything.
    pub(super) fn update_counts(&self, counts: &mut Counts, full: bool) -> bool {
        if counts.printers.is_empty() {
            counts.printers = self.options.printers.iter().map(|printer| (printer.name.clone(), 0)).collect();
        }
        let mut changed = counts.full != full || counts.held != self.known.held;
        counts.full = full;
        counts.held = self.known.held;
        counts.waiting = 0;
        for (load, (_, waiting)) in self.known.printers.iter().zip(&mut counts.printers) {
            let now = load.queued + load.claimed;
            changed |= *waiting != now;
            *waiting = now;
            counts.waiting += now;
        }
        changed
    }

    pub(super) fn set_want(&mut self, printer: usize, level: u32) {
        self.wants[printer] = level;
    }

    /// Whether a printer wants a ticket and there is one.
    pub(super) fn has_claims_to_give(&self) -> bool {
        self.known.recovered
            && self
                .known
                .printers
                .iter()
                .zip(&self.wants)
                .any(|(load, &want)| load.queued > 0 && want > load.claimed)
    }

    /// Runs writes in one transaction and hands out claims at its end.
    pub(super) fn run<'a>(&mut self, writes: impl Iterator<Item = &'a Write>) -> rusqlite::Result<Committed> {
        self.transaction(writes, true)
    }

    /// Runs one write, and hands out nothing.
    pub(super) fn run_without_claims(&mut self, write: &Write) -> rusqlite::Result<Committed> {
        self.transaction(std::iter::once(write), false)
    }

    fn transaction<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
        with_claims: bool,
    ) -> rusqlite::Result<Committed> {
        // Deferred: without a statement that writes, the commit costs nothing.
        self.connection.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        let mut work = Work {
            connection: &self.connection,
            options: &self.options,
            folder: &self.folder,
            known: self.known.clone(),
            now: clock::now(),
            old_rows_left: false,
        };
        let result = work.run(writes, with_claims.then_some(&self.wants));
        let committed = result.and_then(|(replies, claims)| {
            work.store_cursors(&self.known)?;
            work.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(Committed { replies, claims, old_rows_left: work.old_rows_left })
        });
        match committed {
            Ok(committed) => {
                self.known = work.known;
                Ok(committed)
            }
            Err(error) => {
                // SQLite itself rolls back after some errors.
                if !self.connection.is_autocommit() {
                    self.connection.execute_batch("ROLLBACK")?;
                }
                Err(error)
            }
        }
    }

    /// Looks something up. Where that fails, whoever asked gets no answer and takes the spool as closed.
    pub(super) fn read(&self, read: Read) {
        let result = match read {
            Read::OutboxAfter { after, limit, answer } => {
                self.outbox_after(after, limit).map(|rows| answer.send(rows).is_ok())
            }
            Read::Held { limit, answer } => self.held(limit).map(|held| answer.send(held).is_ok()),
            Read::Profile { unit, answer } => self.profile(&unit).map(|known| answer.send(known).is_ok()),
        };
        if let Err(error) = result {
            tracing::error!(code = "spool-failed", %error, "the spool cannot be read");
        }
    }

    fn outbox_after(&self, after: Seq, limit: usize) -> rusqlite::Result<Vec<(Seq, Vec<u8>)>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT seq, payload FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let rows = statement.query_map(params![number(after), limit_number(limit)], |row| {
            Ok((seq(row.get(0)?), row.get(1)?))
        })?;
        rows.collect()
    }

    fn held(&self, limit: usize) -> rusqlite::Result<Vec<HeldTicket>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, title, printer, attempt, ended_at FROM tickets WHERE state = 3 ORDER BY place LIMIT ?1",
        )?;
        let rows = statement.query_map([limit_number(limit)], |row| {
            Ok(HeldTicket {
                ticket: TicketId::from_bytes(row.get(0)?),
                title: row.get(1)?,
                printer: PrinterName::new(row.get::<_, String>(2)?),
                attempts: row.get(3)?,
                since: UnixMs(row.get::<_, Option<i64>>(4)?.unwrap_or(0)),
            })
        })?;
        rows.collect()
    }

    fn profile(&self, unit: &str) -> rusqlite::Result<Profile> {
        let mut statement =
            self.connection.prepare_cached("SELECT answered, fenced FROM profiles WHERE unit = ?1")?;
        let found = statement
            .query_row([unit], |row| Ok(Profile { answered: row.get(0)?, fenced: row.get(1)? }))
            .optional()?;
        Ok(found.unwrap_or_default())
    }
}

/// SQLite's integers are signed; 2^63 places last for ever.
pub(super) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(super) fn seq(number: i64) -> Seq {
    Seq(u64::try_from(number).unwrap_or(0))
}

fn limit_number(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
