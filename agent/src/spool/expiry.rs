//! Tickets of no more use: what was not begun by the time that the ticket names, by the hub's clock, waits for a person.
//!
//! It is looked for whenever anything is stored, and at the time of the next one, so that a person sees it on a
//! printer that has long been out, too. A claimed ticket does not expire: its printer has it in hand, and where it
//! gives it back, it expires then. No byte has left, so a release prints it as if nothing had been.

use super::store::Known;
use super::work::Work;
use docket_protocol::ids::{PrinterName, TicketId, UnixMs};
use docket_protocol::outcome::{Doubt, Outcome, TicketReport};
use rusqlite::{Row, params};
use std::time::{Duration, Instant};

/// Tickets that expire in one transaction; the next ones follow at once.
const SLICE: u32 = 256;
/// The clock may be set while the next one is waited for: it is looked at least so often.
const LOOK_MS_MAX: u64 = 10_000;

struct Expired {
    place: i64,
    id: TicketId,
    printer: String,
    pinned: bool,
    attempt: u16,
    repeat: u16,
    is_counters: bool,
}

impl Expired {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            place: row.get(0)?,
            id: TicketId::from_bytes(row.get(1)?),
            printer: row.get(2)?,
            pinned: row.get(3)?,
            attempt: row.get(4)?,
            repeat: row.get(5)?,
            is_counters: row.get(6)?,
        })
    }
}

impl Work<'_> {
    /// Takes expired tickets out of their queues, and notes when the next ones do.
    pub(super) fn expire(&mut self) -> rusqlite::Result<()> {
        self.known.expires_at = self.next_expiry()?;
        if self.known.has_expired(self.hub_now) {
            let expired = self
                .prepare(
                    "SELECT place, id, printer, pinned, attempt, repeat, submission IS NOT NULL FROM tickets
                     WHERE state = 0 AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
                )?
                .query_map(params![self.hub_now.0, SLICE], Expired::from_row)?
                .collect::<Result<Vec<_>, _>>()?;
            for ticket in &expired {
                self.expire_one(ticket)?;
            }
            self.known.expires_at = self.next_expiry()?;
        }
        Ok(())
    }

    fn expire_one(&mut self, ticket: &Expired) -> rusqlite::Result<()> {
        let printer = PrinterName::new(&ticket.printer);
        tracing::warn!(code = "ticket-expired", ticket = %ticket.id, %printer, "a ticket was not begun in time");
        let report = TicketReport {
            ticket: ticket.id,
            attempt: ticket.attempt.saturating_add(1),
            repeat: ticket.repeat,
            printer: printer.clone(),
            meant_for: None,
            outcome: Outcome::Held(Doubt::Expired),
            boxes: None,
            began_at: self.now,
            ended_at: self.now,
        };
        let told = self.tell(ticket.is_counters, report)?;
        self.prepare(
            "UPDATE tickets SET state = 3, ended_at = ?2, doubt = ?3, told = ?4, told_seq = ?5 WHERE place = ?1",
        )?
        .execute(params![ticket.place, self.now.0, Doubt::Expired.as_str(), told.bytes, told.seq])?;
        if let Some(queue) = self.queue_of(&ticket.printer) {
            self.known.printers[queue].leave(ticket.pinned);
        }
        self.known.held += 1;
        Ok(())
    }

    fn next_expiry(&self) -> rusqlite::Result<Option<UnixMs>> {
        let next: Option<i64> = self
            .prepare("SELECT min(expires_at) FROM tickets WHERE state = 0 AND expires_at IS NOT NULL")?
            .query_row([], |row| row.get(0))?;
        Ok(next.map(UnixMs))
    }
}

impl Known {
    /// Whether a ticket that waits has become of no more use.
    pub(super) fn has_expired(&self, hub_now: UnixMs) -> bool {
        self.expires_at.is_some_and(|at| at <= hub_now)
    }

    /// When that has to be looked at.
    pub(super) fn expiry_due(&self, hub_now: UnixMs, at: Instant) -> Option<Instant> {
        let wait_ms = self.expires_at?.since(hub_now).min(LOOK_MS_MAX);
        Some(at + Duration::from_millis(wait_ms))
    }
}
