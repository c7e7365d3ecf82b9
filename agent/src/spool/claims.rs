//! A ticket in a printer's hands: how it gets there, and what comes of it.

use super::outbox::Told;
use super::store::seq;
use super::work::Work;
use super::{ATTEMPTS_MAX, Claim, Ending, Finish, OnUnknown};
use docket_protocol::boxes::Boxes;
use docket_protocol::frame::read_payload;
use docket_protocol::ids::{PrinterName, Seq, TicketId};
use docket_protocol::message::Item;
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Outcome, TicketReport};
use rusqlite::{OptionalExtension as _, Row, params};

/// Claims and the printers that they go to.
pub(super) type Claims = Vec<(usize, Claim)>;

/// What became of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It came out.
    Printed,
    /// It is printed again.
    Queued,
    /// It waits for a person.
    Held,
    /// The counter has withdrawn it meanwhile: nothing more of it is printed.
    Withdrawn,
}

/// A waiting ticket's place in the order of printing.
struct Candidate {
    not_urgent: bool,
    place: i64,
    queue: usize,
}

struct Queued {
    seq: Seq,
    attempt: u16,
    repeat: u16,
    pinned: bool,
    item: Vec<u8>,
}

impl Queued {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: seq(row.get(0)?),
            attempt: row.get(1)?,
            repeat: row.get(2)?,
            pinned: row.get(3)?,
            item: row.get(4)?,
        })
    }
}

impl Work<'_> {
    /// Gives a printer what it wants: from its own queue, and from those that it stands in for.
    pub(super) fn claim(&mut self, printer: usize, claims: &mut Claims) -> rusqlite::Result<()> {
        // What is behind a ticket that was set aside is not kept back by it.
        while !self.claim_readable(printer, claims)? {}
        Ok(())
    }

    /// `false` where it has set tickets aside instead.
    fn claim_readable(&mut self, printer: usize, claims: &mut Claims) -> rusqlite::Result<bool> {
        let count = self.desk.want(printer).saturating_sub(self.known.printers[printer].claimed);
        if count == 0 || self.known.printers[printer].paused_since.is_some() {
            return Ok(true);
        }
        let mut candidates = Vec::new();
        for queue in self.known.queues_of(printer, self.desk, self.at) {
            self.candidates(queue, queue == printer, count, &mut candidates)?;
        }
        candidates.sort_unstable_by_key(|candidate| (candidate.not_urgent, candidate.place));
        candidates.truncate(count as usize);
        let mut all_readable = true;
        for candidate in &candidates {
            all_readable &= self.take(printer, candidate, claims)?;
        }
        Ok(all_readable)
    }

    fn candidates(
        &self,
        queue: usize,
        is_own: bool,
        count: u32,
        found: &mut Vec<Candidate>,
    ) -> rusqlite::Result<()> {
        let mut select = self.prepare(
            "SELECT NOT urgent, place FROM tickets
             WHERE printer = ?1 AND state = 0 AND (pinned = 0 OR ?2) AND (expires_at IS NULL OR expires_at > ?3)
             ORDER BY urgent DESC, place LIMIT ?4",
        )?;
        let name = self.options.printers[queue].name.as_str();
        let mut rows = select.query(params![name, is_own, self.hub_now.0, count])?;
        while let Some(row) = rows.next()? {
            found.push(Candidate { not_urgent: row.get(0)?, place: row.get(1)?, queue });
        }
        Ok(())
    }

    /// `false` where this program cannot read it.
    fn take(&mut self, printer: usize, candidate: &Candidate, claims: &mut Claims) -> rusqlite::Result<bool> {
        let &Candidate { place, queue, .. } = candidate;
        let row = self
            .prepare(
                "SELECT seq, attempt, repeat, pinned, payload FROM tickets JOIN payloads USING (place)
                 WHERE place = ?1",
            )?
            .query_row([place], Queued::from_row)?;
        self.known.printers[queue].leave(row.pinned);
        let Some(Item::Ticket(ticket)) = read_payload::<Item>(&row.item) else {
            self.set_aside(place, row.seq)?;
            return Ok(false);
        };
        let printers = &self.options.printers;
        self.prepare("UPDATE tickets SET state = 1, taken_by = ?2, claimed_at = ?3 WHERE place = ?1")?
            .execute(params![place, printers[printer].name.as_str(), self.now.0])?;
        self.known.printers[printer].claimed += 1;
        tracing::debug!(ticket = %ticket.id, printer = %printers[printer].name, "a printer gets a ticket");
        claims.push((
            printer,
            Claim {
                ticket,
                attempt: row.attempt.saturating_add(1),
                repeat: row.repeat,
                backup_for: (queue != printer).then(|| printers[queue].name.clone()),
            },
        ));
        Ok(true)
    }

    /// It could be read when it came: this is an older program than the one that stored it. Its row stays, which knows how
    /// often it was begun; it is queued again by a
    /// program that can read it.
    fn set_aside(&mut self, place: i64, seq: Seq) -> rusqlite::Result<()> {
        self.prepare("UPDATE tickets SET state = 5 WHERE place = ?1")?.execute([place])?;
        tracing::warn!(code = "item-unreadable", %seq, "a ticket of a newer agent: update this one");
        self.report(&Report::Unreadable { seq }).map(drop)
    }

    pub(super) fn finish(&mut self, printer: usize, finish: &Finish) -> rusqlite::Result<()> {
        let name = self.options.printers[printer].name.clone();
        tracing::debug!(
            ticket = %finish.ticket, printer = %name, attempt = finish.attempt, repeat = finish.repeat,
            ending = ?finish.ending, "an attempt has ended"
        );
        let Some((now_is, queue)) = self.settle(&name, finish)? else { return Ok(()) };
        let load = &mut self.known.printers[printer];
        load.claimed = load.claimed.saturating_sub(1);
        match now_is {
            Settled::Queued => self.enter(&queue),
            Settled::Held => self.known.held += 1,
            Settled::Printed => self.printed.push(printer),
            Settled::Withdrawn => {}
        }
        Ok(())
    }

    /// Writes what came of a claimed ticket, and its report; with the queue that it is or was in. `None` where it
    /// is not claimed (any more).
    pub(super) fn settle(
        &mut self,
        printer: &PrinterName,
        finish: &Finish,
    ) -> rusqlite::Result<Option<(Settled, Queue)>> {
        let id = finish.ticket.as_bytes();
        let claimed = self
            .prepare(
                "SELECT printer, pinned, submission IS NOT NULL, withdrawn FROM tickets
                 WHERE id = ?1 AND state = 1 AND taken_by = ?2",
            )?
            .query_row(params![id, printer.as_str()], |row| {
                Ok((Queue::from_row(row)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((queue, is_counters, is_withdrawn)) = claimed else {
            tracing::warn!(code = "outcome-unclaimed", ticket = %finish.ticket, "an outcome of a ticket that is not claimed");
            return Ok(None);
        };
        let (settled, outcome) = match finish.ending {
            Ending::Printed(evidence) => (Settled::Printed, Outcome::Printed(evidence)),
            Ending::Unknown(_) if is_withdrawn => (Settled::Withdrawn, Outcome::Settled),
            Ending::Unknown(doubt) if self.waits_for_person(finish.attempt) => {
                (Settled::Held, Outcome::Held(doubt))
            }
            Ending::Unknown(doubt) => (Settled::Queued, Outcome::Unknown(doubt)),
        };
        let report = TicketReport {
            ticket: finish.ticket,
            attempt: finish.attempt,
            repeat: finish.repeat,
            printer: printer.clone(),
            meant_for: (queue.printer != printer.as_str()).then(|| PrinterName::new(&queue.printer)),
            outcome,
            boxes: finish.boxes.clone(),
            began_at: finish.began_at,
            ended_at: finish.ended_at,
        };
        let told = self.tell(is_counters, report)?;
        if finish.cut_short {
            self.tell_cut_short(is_counters, finish.ticket)?;
        }
        match finish.ending {
            Ending::Printed(evidence) => self
                .prepare(
                    "UPDATE tickets SET state = 2, began_at = ?2, ended_at = ?3, evidence = ?4, told = ?5,
                            told_seq = ?6, boxes = coalesce(?7, boxes), cut_short = max(?8, cut_short)
                     WHERE id = ?1",
                )?
                .execute(params![
                    id,
                    finish.began_at.0,
                    finish.ended_at.0,
                    evidence.as_str(),
                    told.bytes,
                    told.seq,
                    boxes(finish),
                    finish.cut_short
                ])?,
            Ending::Unknown(doubt) => {
                let (state, repeat) = match settled {
                    Settled::Withdrawn => (4, finish.repeat),
                    Settled::Held => (3, finish.repeat),
                    Settled::Queued | Settled::Printed => (0, finish.repeat.saturating_add(1)),
                };
                self.end_in_doubt(finish, state, repeat, doubt, &told)?
            }
        };
        Ok(Some((settled, queue)))
    }

    fn waits_for_person(&self, attempt: u16) -> bool {
        match self.options.on_unknown {
            OnUnknown::Hold => true,
            OnUnknown::Reprint => attempt >= ATTEMPTS_MAX,
        }
    }

    fn end_in_doubt(
        &self,
        finish: &Finish,
        state: u8,
        repeat: u16,
        doubt: Doubt,
        told: &Told,
    ) -> rusqlite::Result<usize> {
        self.prepare(
            "UPDATE tickets SET state = ?2, attempt = ?3, repeat = ?4, began_at = ?5, ended_at = ?6, doubt = ?7,
                    told = ?8, told_seq = ?9, boxes = coalesce(?10, boxes), cut_short = max(?11, cut_short)
             WHERE id = ?1",
        )?
        .execute(params![
            finish.ticket.as_bytes(),
            state,
            finish.attempt,
            repeat,
            finish.began_at.0,
            finish.ended_at.0,
            doubt.as_str(),
            told.bytes,
            told.seq,
            boxes(finish),
            finish.cut_short,
        ])
    }

    pub(super) fn hand_back(&mut self, printer: usize, ticket: TicketId) -> rusqlite::Result<()> {
        let name = self.options.printers[printer].name.as_str();
        let back = self
            .prepare(
                "UPDATE tickets SET state = 0, taken_by = NULL, claimed_at = NULL
                 WHERE id = ?1 AND state = 1 AND taken_by = ?2 RETURNING printer, pinned, withdrawn",
            )?
            .query_row(params![ticket.as_bytes(), name], |row| Ok((Queue::from_row(row)?, row.get(2)?)))
            .optional()?;
        if let Some((queue, is_withdrawn)) = back {
            let load = &mut self.known.printers[printer];
            load.claimed = load.claimed.saturating_sub(1);
            if is_withdrawn {
                return self.take_out(ticket);
            }
            self.enter(&queue);
        }
        Ok(())
    }

    /// Counts a ticket that waits in a queue from now on.
    pub(super) fn enter(&mut self, queue: &Queue) {
        if let Some(printer) = self.queue_of(&queue.printer) {
            self.known.printers[printer].enter(queue.pinned);
        }
    }
}

fn boxes(finish: &Finish) -> Option<&str> {
    finish.boxes.as_ref().map(Boxes::as_str)
}

/// Where a ticket waits.
pub(super) struct Queue {
    pub(super) printer: String,
    pub(super) pinned: bool,
}

impl Queue {
    /// Of the first two columns.
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { printer: row.get(0)?, pinned: row.get(1)? })
    }
}
