//! What people see of the queues. Reading goes on while nothing can be stored; [`recent_in`] and [`units_in`] read
//! without a running agent, too.

use super::people::{has_expired, was_taken_out};
use super::store::limit_number;
use super::{SpoolError, schema};
use docket_protocol::boxes::Boxes;
use docket_protocol::frame::read_payload;
use docket_protocol::ids::{PrinterName, TicketId, UnixMs};
use docket_protocol::message::Item;
use docket_protocol::outcome::{Doubt, Evidence};
use docket_protocol::ticket::{Ticket, TicketKind};
use rusqlite::{Connection, OptionalExtension as _, Row};
use std::path::Path;

/// Where a ticket is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketState {
    /// It waits in its queue.
    Waiting,
    /// It is in a printer's hands, begun or about to be.
    Printing,
    /// It came out.
    Printed,
    /// It waits for a person.
    Held,
    /// A person has said that nothing more is to be printed.
    Settled,
    /// The counter has withdrawn it.
    Cancelled,
}

impl TicketState {
    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            TicketState::Waiting => "waiting",
            TicketState::Printing => "printing",
            TicketState::Printed => "printed",
            TicketState::Held => "held",
            TicketState::Settled => "settled",
            TicketState::Cancelled => "cancelled",
        }
    }

    /// For people: (zh-CN, en).
    pub fn title(self) -> (&'static str, &'static str) {
        match self {
            TicketState::Waiting => ("待打", "waiting"),
            TicketState::Printing => ("正在打印", "printing"),
            TicketState::Printed => ("已打印", "printed"),
            TicketState::Held => ("等人处理", "needs a person"),
            TicketState::Settled => ("已处理,不再打印", "settled, not printed again"),
            TicketState::Cancelled => ("已取消,不再打印", "cancelled, not printed"),
        }
    }

    fn from_number(number: u8, is_withdrawn: bool) -> Self {
        match number {
            // What this program cannot read waits for another one.
            0 | 5 => TicketState::Waiting,
            1 => TicketState::Printing,
            2 => TicketState::Printed,
            4 if is_withdrawn => TicketState::Cancelled,
            4 => TicketState::Settled,
            _ => TicketState::Held,
        }
    }
}

/// A ticket as people look at it. Evidence, doubt, and when it began and ended are of its last begun attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentTicket {
    /// Which ticket.
    pub id: TicketId,
    /// What it is for; `None` where a newer program has stored it.
    pub kind: Option<TicketKind>,
    /// In a few words.
    pub title: String,
    /// Where it is wanted.
    pub station: String,
    /// Whose queue it is in.
    pub printer: PrinterName,
    /// The printer that has it or printed it; it differs from [`RecentTicket::printer`] where that is a backup.
    pub taken_by: Option<PrinterName>,
    /// Whether it goes before others.
    pub urgent: bool,
    /// Where it is on its way.
    pub state: TicketState,
    /// Attempts before the one that is next, running, or was the last.
    pub attempt: u16,
    /// How often it bears 补打.
    pub repeat: u16,
    /// When it was stored here.
    pub received_at: UnixMs,
    /// When it began.
    pub began_at: Option<UnixMs>,
    /// When its outcome was known.
    pub ended_at: Option<UnixMs>,
    /// How it is known that it came out.
    pub evidence: Option<Evidence>,
    /// Why it was or is in doubt.
    pub doubt: Option<Doubt>,
    /// What of it came out as boxes, as far as that is known.
    pub boxes: Boxes,
    /// Whether it was longer than a ticket may be, so that it is not whole.
    pub cut_short: bool,
}

impl RecentTicket {
    /// How often it will bear 补打 if a person has it printed again now.
    pub fn next_repeat(&self) -> u16 {
        let stays = has_expired(self.state == TicketState::Printed, self.doubt)
            || was_taken_out(self.state == TicketState::Cancelled, self.attempt, self.repeat);
        if stays { self.repeat } else { self.repeat.saturating_add(1) }
    }
}

/// A ticket that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTicket {
    /// Which ticket.
    pub ticket: TicketId,
    /// In a few words.
    pub title: String,
    /// Where it was printed last, or should have been.
    pub printer: PrinterName,
    /// Begun attempts.
    pub attempts: u16,
    /// Since when it waits.
    pub since: UnixMs,
    /// Why.
    pub doubt: Option<Doubt>,
}

/// What [`recent_from_row`] reads.
pub(super) const RECENT_COLUMNS: &str =
    "id, kind, title, station, printer, taken_by, urgent, state, attempt, repeat,
    tickets.received_at, began_at, ended_at, evidence, doubt, boxes, withdrawn, cut_short";

pub(super) fn recent(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<RecentTicket>> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT {RECENT_COLUMNS} FROM tickets ORDER BY place DESC LIMIT ?1"))?;
    let rows = statement.query_map([limit_number(limit)], recent_from_row)?;
    rows.collect()
}

pub(super) fn recent_from_row(row: &Row<'_>) -> rusqlite::Result<RecentTicket> {
    let text = |column| row.get::<_, Option<String>>(column);
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(UnixMs));
    Ok(RecentTicket {
        id: TicketId::from_bytes(row.get(0)?),
        kind: TicketKind::from_name(&row.get::<_, String>(1)?),
        title: row.get(2)?,
        station: row.get(3)?,
        printer: PrinterName::new(row.get::<_, String>(4)?),
        taken_by: text(5)?.map(PrinterName::new),
        urgent: row.get(6)?,
        state: TicketState::from_number(row.get(7)?, row.get(16)?),
        attempt: row.get(8)?,
        repeat: row.get(9)?,
        received_at: UnixMs(row.get(10)?),
        began_at: time(11)?,
        ended_at: time(12)?,
        evidence: text(13)?.and_then(|name| Evidence::from_name(&name)),
        doubt: text(14)?.and_then(|name| Doubt::from_name(&name)),
        boxes: text(15)?.unwrap_or_default().into(),
        cut_short: row.get(17)?,
    })
}

pub(super) fn ticket(connection: &Connection, id: TicketId) -> rusqlite::Result<Option<Ticket>> {
    let item: Option<Vec<u8>> = connection
        .prepare_cached("SELECT payload FROM tickets JOIN payloads USING (place) WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(match item.and_then(|item| read_payload::<Item>(&item)) {
        Some(Item::Ticket(ticket)) => Some(ticket),
        Some(Item::Help(_) | Item::Settings(_)) | None => None,
    })
}

pub(super) fn held(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<HeldTicket>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, title, coalesce(taken_by, printer), attempt, ended_at, doubt FROM tickets
         WHERE state = 3 ORDER BY place LIMIT ?1",
    )?;
    let rows = statement.query_map([limit_number(limit)], |row| {
        Ok(HeldTicket {
            ticket: TicketId::from_bytes(row.get(0)?),
            title: row.get(1)?,
            printer: PrinterName::new(row.get::<_, String>(2)?),
            attempts: row.get(3)?,
            since: UnixMs(row.get::<_, Option<i64>>(4)?.unwrap_or(0)),
            doubt: row.get::<_, Option<String>>(5)?.and_then(|name| Doubt::from_name(&name)),
        })
    })?;
    rows.collect()
}

/// [`super::Spool::recent`] of the spool in a folder, whether or not an agent has it open.
///
/// # Errors
/// [`SpoolError::NoSpool`], [`SpoolError::SchemaTooNew`], [`SpoolError::Database`].
pub fn recent_in(folder: &Path, limit: usize) -> Result<Vec<RecentTicket>, SpoolError> {
    let connection = schema::open_to_read(&folder.join("spool.db"))?;
    recent(&connection, limit).map_err(|source| SpoolError::Database { operation: "read the spool", source })
}

/// Which unit each printer of the spool in a folder had last, whether or not an agent has it open; those that are
/// configured no more included.
///
/// # Errors
/// [`SpoolError::NoSpool`], [`SpoolError::SchemaTooNew`], [`SpoolError::Database`].
pub fn units_in(folder: &Path) -> Result<Vec<(PrinterName, String)>, SpoolError> {
    let connection = schema::open_to_read(&folder.join("spool.db"))?;
    units(&connection).map_err(|source| SpoolError::Database { operation: "read the spool", source })
}

fn units(connection: &Connection) -> rusqlite::Result<Vec<(PrinterName, String)>> {
    let mut statement = connection.prepare("SELECT printer, unit FROM units")?;
    statement.query_map([], |row| Ok((PrinterName::new(row.get::<_, String>(0)?), row.get(1)?)))?.collect()
}
