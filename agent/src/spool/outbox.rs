//! The outbox: reports on their way to the hub, in the order in which they were made.
//!
//! A report is deleted once the hub has stored it; what came of each ticket last is kept with the ticket, with
//! the report's place. So it can be told again to a hub that does not know it (any more): one that sends a ticket that
//! is known here, and one that came back as an older copy of itself and has forgotten reports that it had
//! acknowledged. The hub takes an outcome that it knows as if it had never come.

use super::store::number;
use super::work::Work;
use docket_protocol::frame::{payload, read_payload};
use docket_protocol::ids::{Seq, TicketId};
use docket_protocol::message::Report;
use rusqlite::{OptionalExtension as _, params};

/// A report as it was told; nothing where it went another way ([`super::counter`]).
#[derive(Default)]
pub(super) struct Told {
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) seq: Option<i64>,
}

impl Work<'_> {
    /// Appends a report.
    pub(super) fn report(&mut self, report: &Report) -> rusqlite::Result<Told> {
        let bytes = payload(report);
        let seq = self.append(&bytes)?;
        Ok(Told { bytes: Some(bytes), seq: Some(seq) })
    }

    fn append(&mut self, bytes: &[u8]) -> rusqlite::Result<i64> {
        let place = self.known.assigned_up_to.next();
        self.prepare("INSERT INTO outbox VALUES (?1, ?2)")?.execute(params![number(place), bytes])?;
        self.known.assigned_up_to = place;
        Ok(number(place))
    }

    /// Tells again what came of a ticket, if anything has yet.
    pub(super) fn tell_again(&mut self, ticket: TicketId) -> rusqlite::Result<()> {
        let told: Option<Vec<u8>> = self
            .prepare("SELECT told FROM tickets WHERE id = ?1")?
            .query_row([ticket.as_bytes()], |row| row.get(0))
            .optional()?
            .flatten();
        if let Some(bytes) = told {
            let seq = self.append(&bytes)?;
            self.prepare("UPDATE tickets SET told_seq = ?2 WHERE id = ?1")?
                .execute(params![ticket.as_bytes(), seq])?;
        }
        Ok(())
    }

    /// The hub has everything up to `after` by its own count. What is pending comes behind that, in its order; then
    /// what lies between: the hub has acknowledged it and does not have it.
    pub(super) fn renumber(&mut self, after: Seq) -> rusqlite::Result<Seq> {
        let first: Option<i64> =
            self.prepare("SELECT min(seq) FROM outbox")?.query_row([], |row| row.get(0))?;
        let first = first.unwrap_or(number(self.known.assigned_up_to.next()));
        let forgotten = self.told_between(after, first)?;
        if first != number(after.next()) {
            self.move_pending(after)?;
        }
        if !forgotten.is_empty() {
            tracing::warn!(
                code = "hub-forgot",
                tickets = forgotten.len(),
                "outcomes are told to the hub again"
            );
        }
        for ticket in forgotten {
            self.tell_again(ticket)?;
        }
        Ok(self.known.assigned_up_to)
    }

    fn told_between(&self, after: Seq, before: i64) -> rusqlite::Result<Vec<TicketId>> {
        if before <= number(after.next()) {
            return Ok(Vec::new());
        }
        self.prepare("SELECT id FROM tickets WHERE told_seq > ?1 AND told_seq < ?2 ORDER BY told_seq")?
            .query_map(params![number(after), before], |row| Ok(TicketId::from_bytes(row.get(0)?)))?
            .collect()
    }

    fn move_pending(&mut self, after: Seq) -> rusqlite::Result<()> {
        // By way of negative places, so that old and new ones never meet.
        self.prepare("UPDATE outbox SET seq = -seq")?.execute([])?;
        let pending: Vec<i64> = self
            .prepare("SELECT seq FROM outbox ORDER BY seq DESC")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut place = after;
        for old in pending {
            place = place.next();
            let bytes: Vec<u8> = self
                .prepare("UPDATE outbox SET seq = ?2 WHERE seq = ?1 RETURNING payload")?
                .query_row(params![old, number(place)], |row| row.get(0))?;
            if let Some(Report::Ticket(report)) = read_payload(&bytes) {
                self.prepare("UPDATE tickets SET told_seq = ?2 WHERE id = ?1 AND told_seq = ?3")?
                    .execute(params![report.ticket.as_bytes(), number(place), -old])?;
            }
        }
        self.known.assigned_up_to = place;
        Ok(())
    }
}
