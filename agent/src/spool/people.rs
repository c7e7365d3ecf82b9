//! What a person asks of the queues: print again, let a held ticket go or say that it is settled, tell a printer to
//! wait.
//!
//! Each is one transaction, and its answer comes after the commit. A ticket that is printed again bears 补打 unless
//! no byte of it ever left. What a person has sent to a printer stays with it: no backup takes it, and another
//! mapping of stations does not move it.

use super::claims::Queue;
use super::work::Work;
use docket_protocol::frame::payload;
use docket_protocol::ids::{PrinterName, Seq, TicketId};
use docket_protocol::message::Item;
use docket_protocol::outcome::{Doubt, Outcome, TicketReport};
use docket_protocol::ticket::Ticket;
use rusqlite::{OptionalExtension as _, params};

/// What became of a wish to print a ticket again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reprint {
    /// It is in its queue again, and will be marked.
    Queued,
    /// It had expired and is in its queue again: no byte of it has ever left, so it will not be marked.
    Unmarked,
    /// It had not been begun, and waits for the other printer now.
    Moved,
    /// It has not come out yet: it waits already, or is printing.
    Waiting,
    /// There is no such ticket (any more).
    Unknown,
}

/// Whether the counter has withdrawn a ticket before it was begun: no byte of it has ever left.
pub(super) fn was_taken_out(is_withdrawn: bool, attempt: u16, repeat: u16) -> bool {
    is_withdrawn && attempt == 0 && repeat == 0
}

/// Whether the last that became of a ticket is that it came too late: no byte of it has left since.
pub(super) fn has_expired(was_printed: bool, doubt: Option<Doubt>) -> bool {
    !was_printed && doubt == Some(Doubt::Expired)
}

struct Asked {
    place: i64,
    state: u8,
    station: String,
    printer: String,
    pinned: bool,
    attempt: u16,
    repeat: u16,
    doubt: Option<String>,
    withdrawn: bool,
}

impl Asked {
    /// Its last attempt was put aside before it began.
    fn is_unbegun(&self) -> bool {
        has_expired(self.state == 2, self.doubt.as_deref().and_then(Doubt::from_name))
            || was_taken_out(self.state == 4 && self.withdrawn, self.attempt, self.repeat)
    }
}

impl Work<'_> {
    pub(super) fn release(&mut self, ticket: TicketId) -> rusqlite::Result<bool> {
        match self.asked(ticket)? {
            Some(asked) if asked.state == 3 => {
                let queue = self.home(&asked, None);
                self.queue_again(&asked, &queue)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    pub(super) fn release_all(&mut self) -> rusqlite::Result<u32> {
        let held = self
            .prepare("SELECT id FROM tickets WHERE state = 3 ORDER BY place")?
            .query_map([], |row| Ok(TicketId::from_bytes(row.get(0)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut released = 0;
        for ticket in held {
            released += u32::from(self.release(ticket)?);
        }
        Ok(released)
    }

    pub(super) fn reprint(&mut self, ticket: TicketId, chosen: Option<usize>) -> rusqlite::Result<Reprint> {
        let Some(asked) = self.asked(ticket)? else { return Ok(Reprint::Unknown) };
        let queue = self.home(&asked, chosen);
        match asked.state {
            2..=4 => {
                self.queue_again(&asked, &queue)?;
                let is_marked = !asked.is_unbegun() || asked.repeat > 0;
                Ok(if is_marked { Reprint::Queued } else { Reprint::Unmarked })
            }
            0 if queue.printer != asked.printer => {
                self.prepare("UPDATE tickets SET printer = ?2, pinned = ?3 WHERE place = ?1")?
                    .execute(params![asked.place, queue.printer, queue.pinned])?;
                if let Some(left) = self.queue_of(&asked.printer) {
                    self.known.printers[left].leave(asked.pinned);
                }
                self.enter(&queue);
                Ok(Reprint::Moved)
            }
            _ => Ok(Reprint::Waiting),
        }
    }

    /// The report has no attempt of its own: it is about the last one, if any was begun.
    pub(super) fn settle_held(&mut self, ticket: TicketId) -> rusqlite::Result<bool> {
        let held = self
            .prepare(
                "SELECT coalesce(taken_by, printer), attempt, repeat, submission IS NOT NULL FROM tickets
                 WHERE id = ?1 AND state = 3",
            )?
            .query_row([ticket.as_bytes()], |row| {
                let report = TicketReport {
                    ticket,
                    printer: PrinterName::new(row.get::<_, String>(0)?),
                    attempt: row.get(1)?,
                    repeat: row.get(2)?,
                    meant_for: None,
                    outcome: Outcome::Settled,
                    boxes: None,
                    began_at: self.now,
                    ended_at: self.now,
                };
                Ok((report, row.get(3)?))
            })
            .optional()?;
        let Some((report, is_counters)) = held else { return Ok(false) };
        let told = self.tell(is_counters, report)?;
        self.prepare("UPDATE tickets SET state = 4, ended_at = ?2, told = ?3, told_seq = ?4 WHERE id = ?1")?
            .execute(params![ticket.as_bytes(), self.now.0, told.bytes, told.seq])?;
        self.known.held = self.known.held.saturating_sub(1);
        Ok(true)
    }

    fn asked(&self, ticket: TicketId) -> rusqlite::Result<Option<Asked>> {
        self.prepare(
            "SELECT place, state, station, printer, pinned, attempt, repeat, doubt, withdrawn FROM tickets WHERE id = ?1",
        )?
        .query_row([ticket.as_bytes()], |row| {
            Ok(Asked {
                place: row.get(0)?,
                state: row.get(1)?,
                station: row.get(2)?,
                printer: row.get(3)?,
                pinned: row.get(4)?,
                attempt: row.get(5)?,
                repeat: row.get(6)?,
                doubt: row.get(7)?,
                withdrawn: row.get(8)?,
            })
        })
        .optional()
    }

    /// The queue that it comes into: the chosen printer's, or its own as the stations are mapped now.
    fn home(&self, asked: &Asked, chosen: Option<usize>) -> Queue {
        let kept = self.queue_of(&asked.printer).filter(|_| asked.pinned);
        let printer = chosen.or(kept).unwrap_or_else(|| self.route(&asked.station));
        Queue {
            printer: self.options.printers[printer].name.as_str().to_owned(),
            pinned: chosen.or(kept).is_some(),
        }
    }

    /// Out of "printed", "held" or "settled". What was printed was an attempt; what was held in doubt is counted already;
    /// and what expired was never begun.
    fn queue_again(&mut self, asked: &Asked, queue: &Queue) -> rusqlite::Result<()> {
        let was_printed = asked.state == 2;
        self.prepare(
            "UPDATE tickets SET state = 0, printer = ?2, pinned = ?3, taken_by = NULL, claimed_at = NULL,
                    expires_at = NULL, withdrawn = 0, attempt = min(attempt + ?4, 65535), repeat = min(repeat + ?5, 65535)
             WHERE place = ?1",
        )?
        .execute(params![
            asked.place,
            queue.printer,
            queue.pinned,
            was_printed,
            !asked.is_unbegun()
        ])?;
        if asked.state == 3 {
            self.known.held = self.known.held.saturating_sub(1);
        }
        self.enter(queue);
        Ok(())
    }

    /// A ticket of this PC's own: it has no place in the hub's sequence.
    pub(super) fn print_here(&mut self, ticket: &Ticket, printer: usize) -> rusqlite::Result<()> {
        let item = payload(&Item::Ticket(ticket.clone()));
        let queue = Queue { printer: self.options.printers[printer].name.as_str().to_owned(), pinned: true };
        self.store_in(&queue, Seq(0), ticket, &item, None)?;
        Ok(())
    }

    pub(super) fn set_paused(&mut self, printer: &PrinterName, paused: bool) -> rusqlite::Result<()> {
        let name = printer.as_str();
        if let Some(printer) = self.queue_of(name) {
            let since = &mut self.known.printers[printer].paused_since;
            *since = paused.then(|| since.unwrap_or(self.now));
        }
        if paused {
            self.prepare("INSERT OR IGNORE INTO paused VALUES (?1, ?2)")?
                .execute(params![name, self.now.0])?;
        } else {
            self.prepare("DELETE FROM paused WHERE printer = ?1")?.execute([name])?;
        }
        Ok(())
    }
}
