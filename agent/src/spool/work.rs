//! One transaction at work: what each command does to the tables.

use super::command::{Reply, Write};
use super::store::{Known, number, seq};
use super::{ATTEMPTS_MAX, Claim, Ending, Finish, OnUnknown, SpoolOptions};
use docket_protocol::frame::{payload, read_payload};
use docket_protocol::ids::{PrinterName, Seq, TicketId, UnixMs};
use docket_protocol::message::{Item, Report};
use docket_protocol::outcome::{Doubt, Outcome, TicketReport};
use docket_protocol::ticket::Ticket;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, params};
use std::path::Path;

/// Rows that are looked at for their age in one go.
const RETAIN_SLICE: u32 = 256;
/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;

/// Claims and the printers that they go to.
pub(super) type Claims = Vec<(usize, Claim)>;

/// One transaction at work.
pub(super) struct Work<'s> {
    pub(super) connection: &'s Connection,
    pub(super) options: &'s SpoolOptions,
    pub(super) folder: &'s Path,
    pub(super) known: Known,
    pub(super) now: UnixMs,
    pub(super) old_rows_left: bool,
}

impl<'s> Work<'s> {
    pub(super) fn run<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
        wants: Option<&Vec<u32>>,
    ) -> rusqlite::Result<(Vec<Reply>, Claims)> {
        let replies = writes.map(|write| self.apply(write)).collect::<rusqlite::Result<Vec<Reply>>>()?;
        let mut claims = Vec::new();
        if self.known.recovered {
            for (printer, &want) in wants.into_iter().flatten().enumerate() {
                self.claim(printer, want, &mut claims)?;
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
            Write::Learn { unit, profile } => {
                self.prepare("INSERT OR REPLACE INTO profiles VALUES (?1, ?2, ?3)")?.execute(params![
                    unit,
                    profile.answered,
                    profile.fenced
                ])?;
                Ok(Reply::Done)
            }
            Write::Retain => self.retain().map(|()| Reply::Done),
            Write::Flush { .. } => Ok(Reply::Done),
        }
    }

    fn receive(&mut self, seq: Seq, item: &[u8]) -> rusqlite::Result<()> {
        match read_payload::<Item>(item) {
            Some(Item::Ticket(ticket)) => self.store_ticket(seq, &ticket, item),
            None => {
                self.prepare("INSERT OR REPLACE INTO unreadable VALUES (?1, ?2, ?3)")?.execute(params![
                    number(seq),
                    item,
                    self.now.0
                ])?;
                tracing::warn!(code = "item-unreadable", %seq, "an item of a newer hub: update this agent");
                self.report(&Report::Unreadable { seq })
            }
        }
    }

    /// Stores a ticket unless it is known.
    pub(super) fn store_ticket(&mut self, seq: Seq, ticket: &Ticket, item: &[u8]) -> rusqlite::Result<()> {
        let printer = self.route(ticket.station.as_str());
        let stored = self
            .prepare(
                "INSERT INTO tickets (id, seq, station, title, printer, state, attempt, repeat, received_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7) ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                ticket.id.as_bytes(),
                number(seq),
                ticket.station.as_str(),
                ticket.title,
                self.options.printers[printer].name.as_str(),
                u16::from(ticket.maybe_printed),
                self.now.0,
            ])?;
        if stored == 1 {
            self.prepare("INSERT INTO payloads VALUES (?1, ?2)")?
                .execute(params![self.connection.last_insert_rowid(), item])?;
            self.known.printers[printer].queued += 1;
        }
        Ok(())
    }

    /// The printer of a station.
    pub(super) fn route(&self, station: &str) -> usize {
        let printers = &self.options.printers;
        let mapped = printers.iter().position(|printer| printer.stations.iter().any(|name| name == station));
        mapped
            .or_else(|| printers.iter().position(|printer| printer.default))
            .expect("the options were checked to have a default printer")
    }

    fn claim(&mut self, printer: usize, want: u32, claims: &mut Claims) -> rusqlite::Result<()> {
        let load = self.known.printers[printer];
        let count = want.saturating_sub(load.claimed).min(load.queued);
        if count == 0 {
            return Ok(());
        }
        let mut queued = self.prepare(
            "SELECT place, seq, attempt, repeat, payload FROM tickets JOIN payloads USING (place)
             WHERE printer = ?1 AND state = 0 ORDER BY place LIMIT ?2",
        )?;
        let name = self.options.printers[printer].name.as_str();
        let rows =
            queued.query_map(params![name, count], Queued::from_row)?.collect::<Result<Vec<_>, _>>()?;
        for row in rows {
            match read_payload::<Item>(&row.item) {
                Some(Item::Ticket(ticket)) => {
                    self.prepare("UPDATE tickets SET state = 1, claimed_at = ?2 WHERE place = ?1")?
                        .execute(params![row.place, self.now.0])?;
                    let load = &mut self.known.printers[printer];
                    load.queued -= 1;
                    load.claimed += 1;
                    claims.push((printer, Claim { ticket, attempt: row.attempt + 1, repeat: row.repeat }));
                }
                // It could be read when it came: this is an older program than the one that stored it.
                None => self.set_aside(printer, &row)?,
            }
        }
        Ok(())
    }

    fn set_aside(&mut self, printer: usize, row: &Queued) -> rusqlite::Result<()> {
        self.prepare("DELETE FROM tickets WHERE place = ?1")?.execute([row.place])?;
        self.prepare("DELETE FROM payloads WHERE place = ?1")?.execute([row.place])?;
        self.known.printers[printer].queued -= 1;
        self.receive(row.seq, &row.item)
    }

    fn finish(&mut self, printer: usize, finish: &Finish) -> rusqlite::Result<()> {
        let name = self.options.printers[printer].name.clone();
        let Some(now_is) = self.settle(&name, finish)? else { return Ok(()) };
        let load = &mut self.known.printers[printer];
        load.claimed = load.claimed.saturating_sub(1);
        match now_is {
            Settled::Queued => load.queued += 1,
            Settled::Held => self.known.held += 1,
            Settled::Printed => {}
        }
        Ok(())
    }

    /// Writes what came of a claimed ticket, and its report. `None` where it is not claimed (any more).
    pub(super) fn settle(
        &mut self,
        printer: &PrinterName,
        finish: &Finish,
    ) -> rusqlite::Result<Option<Settled>> {
        let (settled, outcome) = match finish.ending {
            Ending::Printed(evidence) => (Settled::Printed, Outcome::Printed(evidence)),
            Ending::Unknown(doubt) if self.waits_for_person(finish.attempt) => {
                (Settled::Held, Outcome::Held(doubt))
            }
            Ending::Unknown(doubt) => (Settled::Queued, Outcome::Unknown(doubt)),
        };
        let id = finish.ticket.as_bytes();
        let changed = match outcome {
            Outcome::Printed(evidence) => self
                .prepare(
                    "UPDATE tickets SET state = 2, began_at = ?2, ended_at = ?3, evidence = ?4
                     WHERE id = ?1 AND state = 1",
                )?
                .execute(params![id, finish.began_at.0, finish.ended_at.0, evidence.as_str()])?,
            Outcome::Unknown(doubt) => {
                self.end_in_doubt(finish, 0, finish.repeat.saturating_add(1), doubt)?
            }
            Outcome::Held(doubt) => self.end_in_doubt(finish, 3, finish.repeat, doubt)?,
        };
        if changed == 0 {
            tracing::warn!(code = "outcome-unclaimed", ticket = %finish.ticket, "an outcome of a ticket that is not claimed");
            return Ok(None);
        }
        self.report(&Report::Ticket(TicketReport {
            ticket: finish.ticket,
            attempt: finish.attempt,
            repeat: finish.repeat,
            printer: printer.clone(),
            outcome,
            began_at: finish.began_at,
            ended_at: finish.ended_at,
        }))?;
        Ok(Some(settled))
    }

    fn waits_for_person(&self, attempt: u16) -> bool {
        match self.options.on_unknown {
            OnUnknown::Hold => true,
            OnUnknown::Reprint => attempt >= ATTEMPTS_MAX,
        }
    }

    fn end_in_doubt(&self, finish: &Finish, state: u8, repeat: u16, doubt: Doubt) -> rusqlite::Result<usize> {
        self.prepare(
            "UPDATE tickets SET state = ?2, attempt = ?3, repeat = ?4, began_at = ?5, ended_at = ?6, doubt = ?7
             WHERE id = ?1 AND state = 1",
        )?
        .execute(params![
            finish.ticket.as_bytes(),
            state,
            finish.attempt,
            repeat,
            finish.began_at.0,
            finish.ended_at.0,
            doubt.as_str(),
        ])
    }

    fn hand_back(&mut self, printer: usize, ticket: TicketId) -> rusqlite::Result<()> {
        let changed = self
            .prepare("UPDATE tickets SET state = 0, claimed_at = NULL WHERE id = ?1 AND state = 1")?
            .execute([ticket.as_bytes()])?;
        if changed == 1 {
            let load = &mut self.known.printers[printer];
            load.claimed = load.claimed.saturating_sub(1);
            load.queued += 1;
        }
        Ok(())
    }

    fn release(&mut self, ticket: TicketId) -> rusqlite::Result<bool> {
        let station: Option<String> = self
            .prepare("SELECT station FROM tickets WHERE id = ?1 AND state = 3")?
            .query_row([ticket.as_bytes()], |row| row.get(0))
            .optional()?;
        let Some(station) = station else { return Ok(false) };
        let printer = self.route(&station);
        self.prepare("UPDATE tickets SET state = 0, repeat = repeat + 1, printer = ?2 WHERE id = ?1")?
            .execute(params![ticket.as_bytes(), self.options.printers[printer].name.as_str()])?;
        self.known.held = self.known.held.saturating_sub(1);
        self.known.printers[printer].queued += 1;
        Ok(true)
    }

    fn renumber(&mut self, after: Seq) -> rusqlite::Result<Seq> {
        // By way of negative places, so that old and new ones never meet.
        self.prepare("UPDATE outbox SET seq = -seq")?.execute([])?;
        let pending: Vec<i64> = self
            .prepare("SELECT seq FROM outbox ORDER BY seq DESC")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut place = after;
        for old in pending {
            place = place.next();
            self.prepare("UPDATE outbox SET seq = ?2 WHERE seq = ?1")?
                .execute(params![old, number(place)])?;
        }
        self.known.assigned_up_to = place;
        Ok(place)
    }

    fn retain(&mut self) -> rusqlite::Result<()> {
        let oldest = self.now.0 - i64::from(self.options.retention_days) * DAY_MS;
        let old: Vec<i64> = self
            .prepare(
                "SELECT place FROM (SELECT place, state, ended_at FROM tickets ORDER BY place LIMIT ?1)
                 WHERE state = 2 AND ended_at < ?2",
            )?
            .query_map(params![RETAIN_SLICE, oldest], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for place in &old {
            self.prepare("DELETE FROM tickets WHERE place = ?1")?.execute([place])?;
            self.prepare("DELETE FROM payloads WHERE place = ?1")?.execute([place])?;
        }
        self.prepare("DELETE FROM unreadable WHERE received_at < ?1")?.execute([oldest])?;
        self.old_rows_left |= !old.is_empty();
        Ok(())
    }

    /// Appends to the outbox.
    pub(super) fn report(&mut self, report: &Report) -> rusqlite::Result<()> {
        let place = self.known.assigned_up_to.next();
        self.prepare("INSERT INTO outbox VALUES (?1, ?2)")?
            .execute(params![number(place), payload(report)])?;
        self.known.assigned_up_to = place;
        Ok(())
    }

    pub(super) fn store_cursors(&self, before: &Known) -> rusqlite::Result<()> {
        let now = &self.known;
        if now.received_up_to != before.received_up_to || now.assigned_up_to != before.assigned_up_to {
            self.prepare("UPDATE meta SET received_up_to = ?1, assigned_up_to = ?2")?
                .execute([number(now.received_up_to), number(now.assigned_up_to)])?;
        }
        Ok(())
    }
}

/// What became of a ticket.
pub(super) enum Settled {
    /// It came out.
    Printed,
    /// It is printed again.
    Queued,
    /// It waits for a person.
    Held,
}

struct Queued {
    place: i64,
    seq: Seq,
    attempt: u16,
    repeat: u16,
    item: Vec<u8>,
}

impl Queued {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            place: row.get(0)?,
            seq: seq(row.get(1)?),
            attempt: row.get(2)?,
            repeat: row.get(3)?,
            item: row.get(4)?,
        })
    }
}
