//! Where a ticket stands when its agent is stopped: between which two of the writes that it goes through.
//!
//! All of it is seen from outside, while the agent stands still: the record of the hub, the database of the spool, the
//! print journal, and what the printer has heard and answered. The spool is looked at in a copy, so that the next agent
//! finds it as it was left.

use super::heard::{Heard, PREFLIGHT_QUERIES};
use super::station;
use anyhow::Context;
use docket_tests::chain::Ledger;
use docket_tests::chain::shop::PRINTED;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::{Status, VirtualPrinter};
use rusqlite::{Connection, OpenFlags};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A record of the print journal: see `docket_agent::printing::journal`.
const RECORD_BYTES: usize = 64;
const PHASE_AT: usize = 4;
const ATTEMPT_AT: std::ops::Range<usize> = 6..8;
const TICKET_AT: std::ops::Range<usize> = 8..24;
const SERIAL_AT: std::ops::Range<usize> = 24..32;
const FENCED: u8 = 2;
const WITHDRAWN: u8 = 3;

/// States of the spool: see `docket_agent::spool`.
const QUEUED: i64 = 0;
const CLAIMED: i64 = 1;

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stand {
    /// The hub has it, and the spool has not.
    Made,
    /// In the spool, which has claimed it in the same commit. No word of it in the journal.
    Claimed,
    /// Begun, says the journal. The printer has heard nothing of it.
    Begun,
    /// The printer has heard some of it, or all.
    InPrint,
    /// The printer has answered that it is on paper. The journal does not say so.
    Answered,
    /// On paper, says the journal. Claimed, says the spool.
    Fenced,
    /// Printed, says the spool. The hub does not know.
    Printed,
    /// The hub knows.
    Told,
    /// Begun, and the line was lost before the printer had heard anything of it.
    Severed,
    /// Withdrawn, says the journal: no byte of it had left. Claimed, says the spool.
    Withdrawn,
    /// Withdrawn, and back in its queue.
    HandedBack,
    /// Begun, and the line was lost in mid-ticket. Claimed, says the spool.
    Torn,
    /// In its queue, to be printed again with a mark.
    Doubted,
    /// In its queue.
    Queued,
    /// Begun for another time.
    Again,
}

/// What there was before an order, to tell what is new.
pub struct Before {
    place: i64,
    printers: Vec<(u64, Status)>,
}

/// A ticket as it is found.
#[derive(Debug, Clone)]
pub struct Found {
    station: usize,
    is_told: bool,
    row: Option<Row>,
    phase: Option<u8>,
    has_answered: bool,
    has_lost_line: bool,
    heard: Heard,
    stand: Stand,
}

/// A ticket in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    id: Vec<u8>,
    state: i64,
    attempt: u16,
}

impl Before {
    /// The agent stands still, or has no ticket in work.
    pub fn order(data: &Path, printers: &[Arc<VirtualPrinter>]) -> anyhow::Result<Self> {
        let place = SpoolCopy::of(data)?.database.query_row(
            "SELECT coalesce(max(place), 0) FROM tickets",
            [],
            |row| row.get(0),
        )?;
        let printers = printers.iter().map(|printer| (printer.bytes_received(), printer.status())).collect();
        Ok(Self { place, printers })
    }

    /// Where each station's ticket stands. The agent is frozen, or was killed.
    pub fn find(
        &self,
        data: &Path,
        printers: &[Arc<VirtualPrinter>],
        ledger: &Ledger,
        order: &PlacedOrder,
    ) -> anyhow::Result<Vec<Found>> {
        // What may go on without the agent comes first: it is taken for no further than it is.
        let tickets = ledger.tickets_of(&order.order_id)?.into_iter();
        let told = tickets.filter(|ticket| ticket.state == PRINTED).map(|ticket| ticket.station);
        let told: HashSet<String> = told.collect();
        let statuses: Vec<Status> = printers.iter().map(|printer| printer.status()).collect();
        let mut rows = rows_after(data, self.place)?;
        let mut found = Vec::new();
        for (place, ((before, status), printer)) in
            self.printers.iter().zip(&statuses).zip(printers).enumerate()
        {
            let row = rows.remove(&station(place));
            let phase = match &row {
                Some(row) => newest_phase(data, &station(place), row)?,
                None => None,
            };
            let mut one = Found {
                station: place,
                is_told: told.contains(&station(place)),
                row,
                phase,
                has_answered: status.fences_answered > before.1.fences_answered,
                has_lost_line: !status.connected || status.connections > before.1.connections,
                heard: heard(printer, before.0)?,
                stand: Stand::Made,
            };
            one.stand = one.now_stands();
            found.push(one);
        }
        Ok(found)
    }

    /// The same once the agent is dead and every byte that it sent has come.
    pub fn settle(&self, printers: &[Arc<VirtualPrinter>], found: &mut [Found]) -> anyhow::Result<()> {
        for one in found {
            one.heard = heard(&printers[one.station], self.printers[one.station].0)?;
            one.stand = one.now_stands();
        }
        Ok(())
    }
}

impl Found {
    /// Where it stands.
    pub fn stand(&self) -> Stand {
        self.stand
    }

    /// Whether its printer has answered all that it is asked before a ticket.
    pub fn is_about_to_begin(&self) -> bool {
        let is_asked = matches!(self.heard, Heard::Nothing { asked } if asked >= PREFLIGHT_QUERIES);
        self.stand == Stand::Claimed && is_asked && !self.has_lost_line
    }

    /// Whether nothing more can come of a lost line but the next attempt.
    pub fn is_past_loss(&self) -> bool {
        matches!(self.stand, Stand::HandedBack | Stand::Doubted | Stand::Queued | Stand::Told)
    }

    /// Whether the next agent has to settle it without asking the printer.
    pub fn is_unsettled(&self) -> bool {
        matches!(self.stand, Stand::Claimed | Stand::Fenced | Stand::Withdrawn)
    }

    /// Whether the spool says the same of it.
    pub fn is_same_row(&self, other: &Found) -> bool {
        self.row == other.row
    }

    fn now_stands(&self) -> Stand {
        let Some(row) = &self.row else { return Stand::Made };
        match (row.state, self.phase) {
            (QUEUED, _) if row.attempt > 0 => Stand::Doubted,
            (QUEUED, Some(WITHDRAWN)) => Stand::HandedBack,
            (QUEUED, _) => Stand::Queued,
            (CLAIMED, None) => Stand::Claimed,
            (CLAIMED, Some(WITHDRAWN)) => Stand::Withdrawn,
            (CLAIMED, Some(FENCED)) => Stand::Fenced,
            (CLAIMED, Some(_)) if row.attempt > 0 => Stand::Again,
            (CLAIMED, Some(_)) => match self.heard {
                Heard::Nothing { .. } if self.has_lost_line => Stand::Severed,
                Heard::Nothing { .. } => Stand::Begun,
                Heard::Fence if self.has_answered => Stand::Answered,
                Heard::Part | Heard::Fence if self.has_lost_line => Stand::Torn,
                Heard::Part | Heard::Fence => Stand::InPrint,
            },
            _ if self.is_told => Stand::Told,
            _ => Stand::Printed,
        }
    }
}

fn heard(printer: &VirtualPrinter, before: u64) -> anyhow::Result<Heard> {
    Ok(Heard::in_bytes(&super::heard::heard_after(printer, before)?))
}

/// A copy of the spool as it lies on the disk.
struct SpoolCopy {
    database: Connection,
    // Dropped last.
    _folder: TempDir,
}

impl SpoolCopy {
    fn of(data: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("spool.db");
        std::fs::copy(data.join("spool.db"), &database)?;
        let log = data.join("spool.db-wal");
        if log.exists() {
            std::fs::copy(log, folder.path().join("spool.db-wal"))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(SpoolCopy { database: Connection::open_with_flags(database, flags)?, _folder: folder })
    }
}

fn rows_after(data: &Path, place: i64) -> anyhow::Result<HashMap<String, Row>> {
    let spool = SpoolCopy::of(data)?;
    let mut select =
        spool.database.prepare("SELECT station, id, state, attempt FROM tickets WHERE place > ?1")?;
    let rows = select.query_map([place], |row| {
        Ok((row.get(0)?, Row { id: row.get(1)?, state: row.get(2)?, attempt: row.get(3)? }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The last word of the journal on the attempt that is under way.
fn newest_phase(data: &Path, printer: &str, row: &Row) -> anyhow::Result<Option<u8>> {
    let path = data.join("journal").join(format!("p-{printer}.bin"));
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let attempt = (row.attempt + 1).to_le_bytes();
    let records = bytes.as_chunks::<RECORD_BYTES>().0.iter();
    let own = records.filter(|record| record[TICKET_AT] == row.id[..] && record[ATTEMPT_AT] == attempt);
    let newest = own.max_by_key(|record| {
        let mut serial = [0; 8];
        serial.copy_from_slice(&record[SERIAL_AT]);
        u64::from_le_bytes(serial)
    });
    Ok(newest.map(|record| record[PHASE_AT]))
}
