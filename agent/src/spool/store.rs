//! The database, and what is known of it in memory.
//!
//! The memory (cursors, counts, what each printer holds) changes only when a commit has succeeded: a
//! transaction works on a copy of it.

use super::backup::Desk;
use super::claims::Claims;
use super::command::{Asker, Read, Reply, Write};
use super::hub_clock::HubClock;
use super::work::Work;
use super::{Counts, FILLING_PERCENT, SpoolError, SpoolOptions, Storing, counter, schema, settings, view};
use crate::clock;
use docket_protocol::ids::{PrinterName, Seq, TicketId, UnixMs};
use ring::rand::SecureRandom as _;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The database and what is known of it.
pub(super) struct Store {
    connection: Connection,
    options: SpoolOptions,
    folder: PathBuf,
    spool: [u8; 16],
    known: Known,
    /// What each printer wants to hold; not part of the database.
    desk: Desk,
    hub_clock: HubClock,
}

/// What is known without asking the database. A copy is cheap.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) recovered: bool,
    pub(super) received_up_to: Seq,
    pub(super) assigned_up_to: Seq,
    pub(super) held: u32,
    /// Whether the store's counter has ever given anything: stores where it has not pay nothing for it.
    pub(super) has_submissions: bool,
    /// The last change of a ticket that it has given.
    pub(super) changes: u64,
    /// How often settings were whole.
    pub(super) settings: u64,
    /// The last thing that the hub is to be told of it.
    pub(super) uploads: u64,
    /// Rises with each request for help.
    pub(super) helps: u64,
    /// How much of the bound is in use.
    pub(super) used_percent: u64,
    /// How far the hub's clock is ahead of this PC's, as it is stored.
    pub(super) hub_ahead_ms: i64,
    /// When the next waiting ticket is of no more use, by the hub's clock.
    pub(super) expires_at: Option<UnixMs>,
    pub(super) printers: Vec<Load>,
}

impl Known {
    /// The queues that a printer takes from: its own, and those that it stands in for. None while it is paused.
    pub(super) fn queues_of<'a>(
        &'a self,
        printer: usize,
        desk: &'a Desk,
        at: Instant,
    ) -> impl Iterator<Item = usize> + use<'a> {
        let is_paused = |printer: usize| self.printers[printer].paused_since.is_some();
        (0..self.printers.len()).filter(move |&queue| {
            if queue == printer {
                self.printers[queue].queued > 0 && !is_paused(printer)
            } else {
                self.printers[queue].movable() > 0 && desk.stand_in(queue, is_paused, at) == Some(printer)
            }
        })
    }
}

/// One printer's tickets, and whether it waits.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    /// In its queue.
    queued: u32,
    /// Of these, sent to this printer by a person.
    pinned: u32,
    /// In its hands, from whichever queue.
    pub(super) claimed: u32,
    /// Since when a person has it wait.
    pub(super) paused_since: Option<UnixMs>,
}

impl Load {
    /// After a start: in its hands is at most what it has to be asked about.
    pub(super) fn counted(queued: u32, pinned: u32, claimed: u32, paused_since: Option<UnixMs>) -> Self {
        Self { queued, pinned, claimed, paused_since }
    }

    /// A ticket more waits.
    pub(super) fn enter(&mut self, pinned: bool) {
        self.queued += 1;
        self.pinned += u32::from(pinned);
    }

    /// A ticket less waits.
    pub(super) fn leave(&mut self, pinned: bool) {
        self.queued = self.queued.saturating_sub(1);
        self.pinned = self.pinned.saturating_sub(u32::from(pinned));
    }

    /// Tickets that a backup may take.
    fn movable(&self) -> u32 {
        self.queued.saturating_sub(self.pinned)
    }
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
                .execute("INSERT INTO meta VALUES (1, ?1, 0, 0, ?2, 0)", params![fresh, options.boot_id])
                .map_err(failed)?;
        }
        let (spool, received, assigned, hub_ahead_ms) = connection
            .query_row("SELECT spool, received_up_to, assigned_up_to, hub_ahead_ms FROM meta", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .map_err(failed)?;
        let (has_submissions, changes) = counter::last_change(&connection).map_err(failed)?;
        let known = Known {
            recovered: false,
            received_up_to: seq(received),
            assigned_up_to: seq(assigned),
            held: 0,
            has_submissions,
            changes,
            settings: 0,
            uploads: counter::last_upload(&connection).map_err(failed)?,
            helps: 0,
            used_percent: 0,
            hub_ahead_ms,
            expires_at: None,
            printers: vec![Load::default(); options.printers.len()],
        };
        let desk = Desk::new(&options, Instant::now());
        Ok(Self {
            connection,
            options,
            folder: folder.to_owned(),
            spool,
            known,
            desk,
            hub_clock: HubClock::default(),
        })
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

    pub(super) fn changes(&self) -> u64 {
        self.known.changes
    }

    pub(super) fn settings(&self) -> u64 {
        self.known.settings
    }

    pub(super) fn uploads(&self) -> u64 {
        self.known.uploads
    }

    pub(super) fn helps(&self) -> u64 {
        self.known.helps
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.update_counts(&mut counts, Storing::Well);
        counts
    }

    /// Brings `counts` up to date; whether that changed anything.
    pub(super) fn update_counts(&self, counts: &mut Counts, storing: Storing) -> bool {
        let fills_up = storing == Storing::Well && self.known.used_percent >= FILLING_PERCENT;
        let storing = if fills_up { Storing::Filling } else { storing };
        if counts.printers.is_empty() {
            counts.printers = self.options.printers.iter().map(|printer| (printer.name.clone(), 0)).collect();
        }
        let mut changed = counts.storing != storing || counts.held != self.known.held;
        counts.storing = storing;
        counts.held = self.known.held;
        counts.waiting = 0;
        for (load, (_, waiting)) in self.known.printers.iter().zip(&mut counts.printers) {
            let now = load.queued + load.claimed;
            changed |= *waiting != now;
            *waiting = now;
            counts.waiting += now;
        }
        let loads = || self.options.printers.iter().zip(&self.known.printers);
        let paused = || loads().filter_map(|(printer, load)| Some((&printer.name, load.paused_since?)));
        if !paused().eq(counts.paused.iter().map(|(name, since)| (name, *since))) {
            counts.paused = paused().map(|(name, since)| (name.clone(), since)).collect();
            changed = true;
        }
        changed
    }

    pub(super) fn is_at_bound(&self) -> bool {
        self.known.used_percent >= 100
    }

    pub(super) fn set_want(&mut self, printer: usize, level: u32) {
        self.desk.set_want(printer, level, Instant::now());
    }

    pub(super) fn hear_hub(&mut self, time: UnixMs, at: Instant) {
        self.hub_clock.hear(time, at);
    }

    fn hub_time(&self, at: Instant) -> UnixMs {
        self.hub_clock.time(clock::now(), at, self.known.hub_ahead_ms)
    }

    /// Whether there is something to do that nobody has to ask for: a printer wants a ticket and there is one, or a
    /// ticket has expired.
    pub(super) fn has_work(&self) -> bool {
        let at = Instant::now();
        self.known.recovered
            && (self.known.has_expired(self.hub_time(at))
                || self.known.printers.iter().enumerate().any(|(printer, load)| {
                    self.desk.want(printer) > load.claimed
                        && self.known.queues_of(printer, &self.desk, at).next().is_some()
                }))
    }

    /// When there may be, without anything else happening.
    pub(super) fn due(&self) -> Option<Instant> {
        let at = Instant::now();
        let backups = self.known.printers.iter().enumerate().filter_map(|(home, load)| {
            // Once it is due, only what a printer says changes anything.
            self.desk.due(home).filter(|&due| load.movable() > 0 && due > at)
        });
        backups.chain(self.known.expiry_due(self.hub_time(at), at)).min()
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
        let at = Instant::now();
        let mut work = Work {
            connection: &self.connection,
            options: &self.options,
            folder: &self.folder,
            desk: &self.desk,
            known: self.known.clone(),
            now: clock::now(),
            hub_now: self.hub_time(at),
            at,
            old_rows_left: false,
            printed: Vec::new(),
        };
        let result = work.run(writes, with_claims);
        let committed = result.and_then(|(replies, claims)| {
            work.store_cursors(&self.known)?;
            if work.known.has_submissions {
                (_, work.known.changes) = counter::last_change(work.connection)?;
            }
            work.known.used_percent = schema::used_percent(work.connection, work.options.bytes_max)?;
            work.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(Committed { replies, claims, old_rows_left: work.old_rows_left })
        });
        match committed {
            Ok(committed) => {
                let Work { known, printed, at, .. } = work;
                self.known = known;
                printed.into_iter().for_each(|printer| self.desk.has_printed(printer, at));
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

    /// Looks something up.
    pub(super) fn read(&self, read: Read) {
        match read {
            Read::OutboxAfter { after, limit, answer } => tell(answer, self.outbox_after(after, limit)),
            Read::Held { limit, answer } => tell(answer, view::held(&self.connection, limit)),
            Read::Recent { limit, answer } => tell(answer, view::recent(&self.connection, limit)),
            Read::Ticket { id, answer } => tell(answer, view::ticket(&self.connection, id)),
            Read::Profile { unit, answer } => tell(answer, self.profile(&unit)),
            Read::Profiles { answer } => tell(answer, self.profiles()),
            Read::Units { answer } => tell(answer, self.units()),
            Read::InQuestion { printer, ticket, attempt, answer } => {
                tell(answer, self.in_question(printer, ticket, attempt))
            }
            Read::Settings { answer } => tell(answer, settings::newest(&self.connection)),
            Read::Counter(read) => counter::read(&self.connection, read),
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

    fn profile(&self, unit: &str) -> rusqlite::Result<String> {
        let mut statement = self.connection.prepare_cached("SELECT facts FROM profiles WHERE unit = ?1")?;
        let found = statement.query_row([unit], |row| row.get(0)).optional()?;
        Ok(found.unwrap_or_default())
    }

    fn profiles(&self) -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement =
            self.connection.prepare_cached("SELECT printer, facts FROM profiles ORDER BY learned_at DESC")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    fn units(&self) -> rusqlite::Result<Vec<(PrinterName, String)>> {
        let mut statement = self.connection.prepare_cached("SELECT unit FROM units WHERE printer = ?1")?;
        let mut units = Vec::new();
        // A printer that there is no more has nothing.
        for printer in &self.options.printers {
            let unit = statement.query_row([printer.name.as_str()], |row| row.get(0)).optional()?;
            units.extend(unit.map(|unit| (printer.name.clone(), unit)));
        }
        Ok(units)
    }

    fn in_question(&self, printer: usize, ticket: TicketId, attempt: u16) -> rusqlite::Result<Option<u16>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT repeat FROM tickets WHERE id = ?1 AND state = 1 AND taken_by = ?2 AND attempt = ?3 - 1",
        )?;
        let name = self.options.printers[printer].name.as_str();
        statement.query_row(params![ticket.as_bytes(), name, attempt], |row| row.get(0)).optional()
    }
}

/// A receiver that is gone does not mind.
pub(super) fn tell<T>(answer: Asker<T>, found: rusqlite::Result<T>) {
    let found = found.map_err(|source| {
        tracing::error!(code = "spool-failed", error = %source, "the spool cannot be read");
        SpoolError::Database { operation: "read the spool", source }
    });
    let _ = answer.send(found);
}

/// SQLite's integers are signed; 2^63 places last for ever.
pub(super) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(super) fn seq(number: i64) -> Seq {
    Seq(u64::try_from(number).unwrap_or(0))
}

pub(super) fn limit_number(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
