//! What a request of the counter does to the tables.

use super::super::KEPT_TICKETS_MIN;
use super::super::claims::Queue;
use super::super::outbox::Told;
use super::super::people::{Reprint, has_expired};
use super::super::work::{RETAIN_SLICE, Work};
use super::reading::answered;
use super::{Answered, Line, Receipt, Request, Submission, Why, Wish};
use docket_protocol::frame::payload;
use docket_protocol::ids::{OrderKey, PrinterName, Seq, TicketId};
use docket_protocol::message::{Item, Report};
use docket_protocol::outcome::{Doubt, Outcome, TicketReport};
use docket_protocol::ticket::{Ticket, TicketKind};
use docket_protocol::upload::{CounterCancelled, CounterOrder, CounterTickets, TicketOutline, Upload};
use rusqlite::{OptionalExtension as _, Row, params};
use std::collections::HashSet;

/// A ticket that may be withdrawn.
struct Standing {
    id: TicketId,
    kind: String,
    station: String,
    state: u8,
    attempt: u16,
    repeat: u16,
    doubt: Option<String>,
    queue: Queue,
    is_withdrawn: bool,
}

const STANDING_COLUMNS: &str = "printer, pinned, id, station, state, attempt, repeat, doubt, withdrawn, kind";

impl Standing {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            queue: Queue::from_row(row)?,
            id: TicketId::from_bytes(row.get(2)?),
            station: row.get(3)?,
            state: row.get(4)?,
            attempt: row.get(5)?,
            repeat: row.get(6)?,
            doubt: row.get(7)?,
            is_withdrawn: row.get(8)?,
            kind: row.get(9)?,
        })
    }

    /// Whether a byte of it may have left. One in a printer's hands counts: it begins at any moment.
    fn may_have_begun(&self) -> bool {
        let expired = has_expired(self.state == 2, self.doubt.as_deref().and_then(Doubt::from_name));
        let waits = self.state == 0 || (self.state == 3 && expired) || (self.state == 4 && self.is_withdrawn);
        !waits || self.attempt > 0 || self.repeat > 0
    }
}

impl Work<'_> {
    /// Does what was asked for, if it was not done before.
    pub(in super::super) fn counter(&mut self, request: &Request) -> rusqlite::Result<Answered> {
        if let Some(answered) = answered(self.connection, &request.key, request.digest)? {
            return Ok(answered);
        }
        let answered = match &request.wish {
            Wish::Submit(submission) => self.submit(&request.key, submission)?,
            Wish::Cancel { id, order, reason, slips } => self.cancel(id, order, reason, slips)?,
            Wish::Withdraw { ticket } => self.withdraw(*ticket)?,
            Wish::Reprint { ticket, printer } => self.reprint_counters(*ticket, printer.as_ref())?,
        };
        if let Answered::Done(answer) = &answered {
            self.prepare("INSERT INTO answers (key, digest, answer, answered_at) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![request.key, request.digest, answer, self.now.0])?;
        }
        Ok(answered)
    }

    fn submit(&mut self, key: &str, submission: &Submission) -> rusqlite::Result<Answered> {
        self.need_room()?;
        let content = submission.order.as_ref().map(payload);
        let stored = self
            .prepare(
                "INSERT INTO submissions (key, content, received_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO NOTHING",
            )?
            .execute(params![key, content, self.now.0])?;
        if stored == 0 {
            return Ok(Answered::OtherRequest);
        }
        let place = self.connection.last_insert_rowid();
        self.known.has_submissions = true;
        for (ticket, printer) in &submission.tickets {
            self.store_counters(place, ticket, printer.as_ref())?;
        }
        let outlines = submission.tickets.iter().map(|(ticket, _)| TicketOutline::from(ticket)).collect();
        self.upload(&match &submission.order {
            Some(order) => Upload::Order(Box::new(CounterOrder {
                order: order.clone(),
                tickets: outlines,
                unmapped: submission.unmapped.clone(),
                accepted_at: self.now,
            })),
            None => Upload::Tickets(CounterTickets {
                key: submission.key.clone(),
                tickets: outlines,
                accepted_at: self.now,
            }),
        })?;
        Ok(done(&Receipt::Submitted {
            id: key,
            order: &submission.key.id,
            accepted_at_ms: self.now,
            tickets: submission.tickets.iter().map(|(ticket, _)| Line::from(ticket)).collect(),
            unmapped_dishes: &submission.unmapped,
        }))
    }

    fn store_counters(
        &mut self,
        submission: i64,
        ticket: &Ticket,
        chosen: Option<&PrinterName>,
    ) -> rusqlite::Result<()> {
        // It was among them when the request was made, and a spool's printers do not change.
        let chosen = chosen.and_then(|printer| self.queue_of(printer.as_str()));
        let printer = chosen.unwrap_or_else(|| self.route(ticket.station.as_str()));
        let queue = Queue {
            printer: self.options.printers[printer].name.as_str().to_owned(),
            pinned: chosen.is_some(),
        };
        let item = payload(&Item::Ticket(ticket.clone()));
        self.store_in(&queue, Seq(0), ticket, &item, Some(submission)).map(drop)
    }

    fn cancel(
        &mut self,
        key: &str,
        order: &OrderKey,
        reason: &str,
        slips: &[Ticket],
    ) -> rusqlite::Result<Answered> {
        let found: Option<(i64, Option<i64>)> = self
            .prepare("SELECT place, cancelled_at FROM submissions WHERE key = ?1 AND content IS NOT NULL")?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let place = match found {
            None => return Ok(Answered::Refused(Why::UnknownOrder)),
            Some((_, Some(_))) => return Ok(Answered::Refused(Why::Cancelled)),
            Some((place, None)) => place,
        };
        let tickets = self
            .prepare(&format!("SELECT {STANDING_COLUMNS} FROM tickets WHERE submission = ?1 ORDER BY place"))?
            .query_map([place], Standing::from_row)?
            .collect::<Result<Vec<_>, _>>()?;
        let mut withdrawn = Vec::new();
        let (mut begun, mut must_hear) = (HashSet::new(), HashSet::new());
        for ticket in tickets {
            if ticket.may_have_begun() {
                begun.insert(ticket.station.clone());
                // Who only labels a dish hears of it from who makes it.
                if ticket.kind != TicketKind::Label.as_str() {
                    must_hear.insert(ticket.station.clone());
                }
            }
            if self.stop(&ticket)? {
                withdrawn.push(ticket.id.to_string());
            }
        }
        let has_slip = |station: &String| slips.iter().any(|slip| slip.station.as_str() == station);
        // Where the rules have changed since, a station may have begun that they do not know: then all are told.
        let all = !must_hear.iter().all(has_slip);
        let is_due = |slip: &&Ticket| all || begun.contains(slip.station.as_str());
        let slips: Vec<&Ticket> = slips.iter().filter(is_due).collect();
        for slip in &slips {
            self.store_counters(place, slip, None)?;
        }
        self.prepare("UPDATE submissions SET cancelled_at = ?2 WHERE place = ?1")?
            .execute(params![place, self.now.0])?;
        self.upload(&Upload::Cancelled(CounterCancelled {
            order: order.clone(),
            reason: reason.to_owned(),
            slips: slips.iter().map(|&slip| TicketOutline::from(slip)).collect(),
            cancelled_at: self.now,
        }))?;
        Ok(done(&Receipt::Cancelled {
            id: key,
            cancelled_at_ms: self.now,
            withdrawn_tickets: withdrawn,
            slips: slips.into_iter().map(Line::from).collect(),
        }))
    }

    /// Takes a ticket out where it waits, and one in a printer's hands as soon as it comes back. Whether it is out.
    fn stop(&mut self, ticket: &Standing) -> rusqlite::Result<bool> {
        match ticket.state {
            0 => {
                if let Some(queue) = self.queue_of(&ticket.queue.printer) {
                    self.known.printers[queue].leave(ticket.queue.pinned);
                }
                self.take_out(ticket.id).map(|()| true)
            }
            1 => {
                self.prepare("UPDATE tickets SET withdrawn = 1 WHERE id = ?1")?
                    .execute([ticket.id.as_bytes()])?;
                Ok(false)
            }
            3 => {
                self.known.held = self.known.held.saturating_sub(1);
                self.take_out(ticket.id).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Nothing more of it comes out, and the hub is told. It is in no queue by now.
    pub(in super::super) fn take_out(&mut self, ticket: TicketId) -> rusqlite::Result<()> {
        let report = self
            .prepare(
                "UPDATE tickets SET state = 4, withdrawn = 1, ended_at = ?2 WHERE id = ?1
                 RETURNING coalesce(taken_by, printer), attempt, repeat",
            )?
            .query_row(params![ticket.as_bytes(), self.now.0], |row| {
                Ok(TicketReport {
                    ticket,
                    printer: PrinterName::new(row.get::<_, String>(0)?),
                    attempt: row.get(1)?,
                    repeat: row.get(2)?,
                    meant_for: None,
                    outcome: Outcome::Settled,
                    boxes: None,
                    began_at: self.now,
                    ended_at: self.now,
                })
            })?;
        self.upload(&Upload::Outcome(report))
    }

    fn withdraw(&mut self, ticket: TicketId) -> rusqlite::Result<Answered> {
        let Some(standing) = self.standing(ticket)? else {
            return Ok(Answered::Refused(Why::UnknownTicket));
        };
        if standing.is_withdrawn {
            return Ok(Answered::Refused(Why::Cancelled));
        }
        if standing.may_have_begun() {
            return Ok(Answered::Refused(Why::Begun));
        }
        self.stop(&standing)?;
        Ok(done(&Receipt::Withdrawn { ticket: ticket.to_string(), cancelled_at_ms: self.now }))
    }

    fn reprint_counters(
        &mut self,
        ticket: TicketId,
        printer: Option<&PrinterName>,
    ) -> rusqlite::Result<Answered> {
        let Some(standing) = self.standing(ticket)? else {
            return Ok(Answered::Refused(Why::UnknownTicket));
        };
        if standing.is_withdrawn {
            return Ok(Answered::Refused(Why::Cancelled));
        }
        let printer = printer.and_then(|printer| self.queue_of(printer.as_str()));
        match self.reprint(ticket, printer)? {
            Reprint::Unknown => return Ok(Answered::Refused(Why::UnknownTicket)),
            Reprint::Waiting => return Ok(Answered::Refused(Why::NotPrintedYet)),
            Reprint::Queued | Reprint::Unmarked | Reprint::Moved => {}
        }
        let repeat = self
            .prepare("SELECT repeat FROM tickets WHERE id = ?1")?
            .query_row([ticket.as_bytes()], |row| row.get(0))?;
        Ok(done(&Receipt::Reprinted { ticket: ticket.to_string(), repeat }))
    }

    fn standing(&self, ticket: TicketId) -> rusqlite::Result<Option<Standing>> {
        self.prepare(&format!(
            "SELECT {STANDING_COLUMNS} FROM tickets WHERE id = ?1 AND submission IS NOT NULL"
        ))?
        .query_row([ticket.as_bytes()], Standing::from_row)
        .optional()
    }

    /// Tells the hub what came of a ticket: of the counter's in time, of its own now.
    pub(in super::super) fn tell(
        &mut self,
        is_counters: bool,
        report: TicketReport,
    ) -> rusqlite::Result<Told> {
        if is_counters {
            self.upload(&Upload::Outcome(report))?;
            return Ok(Told::default());
        }
        self.report(&Report::Ticket(report))
    }

    /// Tells the hub that a ticket ended before its end.
    pub(in super::super) fn tell_cut_short(
        &mut self,
        is_counters: bool,
        ticket: TicketId,
    ) -> rusqlite::Result<()> {
        if is_counters {
            return self.upload(&Upload::CutShort { ticket });
        }
        self.report(&Report::CutShort { ticket }).map(drop)
    }

    fn upload(&mut self, upload: &Upload) -> rusqlite::Result<()> {
        let kind = match upload {
            Upload::Order(_) => "order",
            Upload::Tickets(_) => "tickets",
            Upload::Cancelled(_) => "cancelled",
            Upload::Outcome(_) => "outcome",
            Upload::CutShort { .. } => "cut-short",
        };
        self.prepare("INSERT INTO uploads (kind, payload) VALUES (?1, ?2)")?
            .execute(params![kind, payload(upload)])?;
        self.known.uploads = self.connection.last_insert_rowid().unsigned_abs();
        Ok(())
    }

    /// What is old goes, once its tickets have.
    pub(in super::super) fn retain_submissions(&mut self, oldest: i64) -> rusqlite::Result<()> {
        for old in [
            "DELETE FROM submissions WHERE place IN (
                 SELECT place FROM submissions
                 WHERE received_at < ?1 AND place <= (SELECT max(place) FROM submissions) - ?2
                     AND NOT EXISTS (SELECT 1 FROM tickets WHERE submission = submissions.place)
                 ORDER BY place LIMIT ?3)",
            "DELETE FROM answers WHERE place IN (
                 SELECT place FROM answers
                 WHERE answered_at < ?1 AND place <= (SELECT max(place) FROM answers) - ?2
                 ORDER BY place LIMIT ?3)",
        ] {
            let gone = self.prepare(old)?.execute(params![oldest, KEPT_TICKETS_MIN, RETAIN_SLICE])?;
            self.old_rows_left |= gone > 0;
        }
        Ok(())
    }
}

fn done(receipt: &Receipt<'_>) -> Answered {
    Answered::Done(
        serde_json::to_vec(receipt).expect("a receipt has strings as keys, and a Vec always grows"),
    )
}
