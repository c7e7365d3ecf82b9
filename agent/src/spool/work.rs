//! One transaction at work: what each command does to the tables.

use super::backup::Desk;
use super::claims::{Claims, Queue};
use super::command::{Reply, Write};
use super::store::{Known, number};
use super::{KEPT_TICKETS_MIN, RETAIN_PERCENT, SpoolOptions, hub_clock, schema};
use docket_protocol::frame::read_payload;
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::{Item, Report};
use docket_protocol::ticket::Ticket;
use rusqlite::{CachedStatement, Connection, ffi, params};
use std::path::Path;
use std::time::Instant;

/// Rows that are looked at for their age in one go.
pub(super) const RETAIN_SLICE: u32 = 256;
/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;

/// One transaction at work.
pub(super) struct Work<'s> {
    pub(super) connection: &'s Connection,
    pub(super) options: &'s SpoolOptions,
    pub(super) folder: &'s Path,
    pub(super) desk: &'s Desk,
    pub(super) known: Known,
    pub(super) now: UnixMs,
    /// By the hub's clock.
    pub(super) hub_now: UnixMs,
    pub(super) at: Instant,
    pub(super) old_rows_left: bool,
    /// Printers that tickets came out of.
    pub(super) printed: Vec<usize>,
}

impl<'s> Work<'s> {
    pub(super) fn run<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
        with_claims: bool,
    ) -> rusqlite::Result<(Vec<Reply>, Claims)> {
        let replies = writes.map(|write| self.apply(write)).collect::<rusqlite::Result<Vec<Reply>>>()?;
        let mut claims = Vec::new();
        if self.known.recovered && with_claims {
            self.expire()?;
            for printer in 0..self.options.printers.len() {
                self.claim(printer, &mut claims)?;
            }
        }
        Ok((replies, claims))
    }

    pub(super) fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'s>> {
        self.connection.prepare_cached(sql)
    }

    fn apply(&mut self, write: &Write) -> rusqlite::Result<Reply> {
        match write {
            Write::Recover => self.recover().map(|()| Reply::Done),
            Write::Receive { items, .. } => {
                self.need_room()?;
                for (seq, item) in items {
                    if *seq > self.known.received_up_to {
                        self.receive(*seq, item)?;
                        self.known.received_up_to = *seq;
                    }
                }
                Ok(Reply::Seq(self.known.received_up_to))
            }
            Write::SkipTo { seq, .. } => {
                self.known.received_up_to = self.known.received_up_to.max(*seq);
                Ok(Reply::Done)
            }
            Write::Acknowledged { up_to } => {
                self.prepare("DELETE FROM outbox WHERE seq <= ?1")?.execute([number(*up_to)])?;
                Ok(Reply::Done)
            }
            Write::Renumber { after, .. } => self.renumber(*after).map(Reply::Seq),
            Write::Finish { printer, finish } => self.finish(*printer, finish).map(|()| Reply::Done),
            Write::HandBack { printer, tickets } => {
                for ticket in tickets {
                    self.hand_back(*printer, *ticket)?;
                }
                Ok(Reply::Done)
            }
            Write::Release { ticket, .. } => self.release(*ticket).map(Reply::Changed),
            Write::ReleaseAll { .. } => self.release_all().map(Reply::Tickets),
            Write::Settle { ticket, .. } => self.settle_held(*ticket).map(Reply::Changed),
            Write::Reprint { ticket, printer, .. } => self.reprint(*ticket, *printer).map(Reply::Reprint),
            Write::PrintHere { printer, ticket, .. } => {
                self.need_room()?;
                self.print_here(ticket, *printer).map(|()| Reply::Done)
            }
            Write::SetPaused { printer, paused, .. } => {
                self.set_paused(printer, *paused).map(|()| Reply::Done)
            }
            Write::Learn { printer, unit, facts } => {
                let name = self.options.printers[*printer].name.as_str();
                self.prepare("INSERT OR REPLACE INTO profiles VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![unit, name, facts, self.now.0])?;
                self.prepare("INSERT OR REPLACE INTO units VALUES (?1, ?2)")?.execute(params![name, unit])?;
                Ok(Reply::Done)
            }
            Write::Own { printer, unit } => {
                let name = self.options.printers[*printer].name.as_str();
                self.prepare("DELETE FROM units WHERE unit = ?1 AND printer <> ?2")?
                    .execute(params![unit, name])?;
                Ok(Reply::Done)
            }
            Write::SettleSettings { revision, outcome, .. } => {
                self.settle_settings(*revision, outcome).map(|()| Reply::Done)
            }
            Write::UploadedUpTo { up_to } => {
                let up_to = i64::try_from(*up_to).unwrap_or(i64::MAX);
                self.prepare("DELETE FROM uploads WHERE seq <= ?1")?.execute([up_to])?;
                Ok(Reply::Done)
            }
            Write::Counter { request, .. } => self.counter(request).map(Reply::Counter),
            Write::SettleHelps { .. } => self.settle_helps().map(|()| Reply::Done),
            Write::BeginHelp { .. } => self.begin_help().map(Reply::Help),
            Write::EndHelp { id, outcome, .. } => self.end_help(*id, *outcome).map(|()| Reply::Done),
            Write::Retain => self.retain().map(|()| Reply::Done),
            Write::Flush { .. } => Ok(Reply::Done),
        }
    }

    /// Fails as a full disk does where the bound is reached.
    pub(super) fn need_room(&self) -> rusqlite::Result<()> {
        if schema::used_percent(self.connection, self.options.bytes_max)? >= 100 {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None));
        }
        Ok(())
    }

    pub(super) fn receive(&mut self, seq: Seq, item: &[u8]) -> rusqlite::Result<()> {
        match read_payload::<Item>(item) {
            Some(Item::Ticket(ticket)) => self.store_ticket(seq, &ticket, item),
            Some(Item::Help(request)) => self.store_help(&request),
            Some(Item::Settings(part)) => self.store_settings(&part),
            None => {
                self.prepare("INSERT OR REPLACE INTO unreadable VALUES (?1, ?2, ?3)")?.execute(params![
                    number(seq),
                    item,
                    self.now.0
                ])?;
                tracing::warn!(code = "item-unreadable", %seq, "an item of a newer hub: update this agent");
                self.report(&Report::Unreadable { seq }).map(drop)
            }
        }
    }

    /// Stores a ticket. Where it is known already, whoever sent it does not know what came of it: that is told
    /// again.
    pub(super) fn store_ticket(&mut self, seq: Seq, ticket: &Ticket, item: &[u8]) -> rusqlite::Result<()> {
        let printer = self.options.printers[self.route(ticket.station.as_str())].name.as_str();
        let queue = Queue { printer: printer.to_owned(), pinned: false };
        if self.store_in(&queue, seq, ticket, item, None)? {
            return Ok(());
        }
        self.tell_again(ticket.id)
    }

    /// Puts a ticket into a queue; `false` where it is known already. `submission` is what of the counter's it is of.
    pub(super) fn store_in(
        &mut self,
        queue: &Queue,
        seq: Seq,
        ticket: &Ticket,
        item: &[u8],
        submission: Option<i64>,
    ) -> rusqlite::Result<bool> {
        let stored = self
            .prepare(
                "INSERT INTO tickets (id, seq, kind, station, title, printer, pinned, urgent, state, attempt, repeat,
                        received_at, expires_at, submission)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, ?9, ?10, ?11, ?12) ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                ticket.id.as_bytes(),
                number(seq),
                ticket.kind.as_str(),
                ticket.station.as_str(),
                ticket.title,
                queue.printer,
                queue.pinned,
                ticket.urgent,
                u16::from(ticket.maybe_printed),
                self.now.0,
                ticket.expires_at.map(|at| at.0),
                submission,
            ])?;
        if stored == 1 {
            tracing::debug!(ticket = %ticket.id, kind = ticket.kind.as_str(), printer = %queue.printer, "a ticket is stored");
            self.prepare("INSERT INTO payloads VALUES (?1, ?2)")?
                .execute(params![self.connection.last_insert_rowid(), item])?;
            self.enter(queue);
        }
        Ok(stored == 1)
    }

    /// The printer of a station.
    pub(super) fn route(&self, station: &str) -> usize {
        let printers = &self.options.printers;
        let mapped = printers.iter().position(|printer| printer.stations.iter().any(|name| name == station));
        mapped
            .or_else(|| printers.iter().position(|printer| printer.default))
            .expect("the options were checked to have a default printer")
    }

    /// The printer of that name; `None` where the configuration no longer has it.
    pub(super) fn queue_of(&self, printer: &str) -> Option<usize> {
        self.options.printers.iter().position(|known| known.name.as_str() == printer)
    }

    /// A slice of what is old goes; and near the bound, of what is printed and reported, the oldest first.
    fn retain(&mut self) -> rusqlite::Result<()> {
        let oldest = self.now.0 - i64::from(self.options.retention_days) * DAY_MS;
        let is_near_bound = schema::used_percent(self.connection, self.options.bytes_max)? >= RETAIN_PERCENT;
        let done: Vec<(i64, i64, bool)> = self
            .prepare(
                "SELECT place, ended_at, NOT EXISTS (SELECT 1 FROM outbox WHERE seq <= told_seq) FROM tickets
                 WHERE state IN (2, 4) AND place <= (SELECT max(place) FROM tickets) - ?1
                 ORDER BY ended_at LIMIT ?2",
            )?
            .query_map([KEPT_TICKETS_MIN, RETAIN_SLICE], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        for (place, ended_at, is_reported) in done {
            if ended_at < oldest || (is_near_bound && is_reported) {
                self.prepare("DELETE FROM tickets WHERE place = ?1")?.execute([place])?;
                self.prepare("DELETE FROM payloads WHERE place = ?1")?.execute([place])?;
                self.old_rows_left = true;
            }
        }
        self.prepare(
            "DELETE FROM unreadable WHERE received_at < ?1 AND seq <= (SELECT max(seq) FROM unreadable) - ?2",
        )?
        .execute(params![oldest, KEPT_TICKETS_MIN])?;
        self.prepare("DELETE FROM helps WHERE state = 2 AND received_at < ?1")?.execute([oldest])?;
        if self.known.has_submissions {
            self.retain_submissions(oldest)?;
        }
        Ok(())
    }

    pub(super) fn store_cursors(&mut self, before: &Known) -> rusqlite::Result<()> {
        if let Some(ahead_ms) = hub_clock::changed(self.hub_now, self.now, before.hub_ahead_ms) {
            self.prepare("UPDATE meta SET hub_ahead_ms = ?1")?.execute([ahead_ms])?;
            self.known.hub_ahead_ms = ahead_ms;
        }
        let now = &self.known;
        if now.received_up_to != before.received_up_to || now.assigned_up_to != before.assigned_up_to {
            self.prepare("UPDATE meta SET received_up_to = ?1, assigned_up_to = ?2")?
                .execute([number(now.received_up_to), number(now.assigned_up_to)])?;
        }
        Ok(())
    }
}
