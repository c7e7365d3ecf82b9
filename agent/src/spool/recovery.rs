//! What an earlier life left: claims without an outcome, and what that life could not read.
//!
//! | journal says | same boot | other boot |
//! |---|---|---|
//! | on paper | printed, with that evidence | the same: a record that is there is true |
//! | began | its printer is asked first; then unknown (agent ended), or printed | unknown (power lost) |
//! | withdrawn | back to the queue | unknown (power lost): a later record may be missing |
//! | nothing | back to the queue | unknown (power lost) |
//! | began, and so did a later one | unknown (agent ended) | unknown (power lost) |
//! | (no journal) | unknown (power lost) | unknown (power lost) |

use super::claims::Settled;
use super::store::{Load, number, seq};
use super::work::Work;
use super::{Ending, Finish};
use crate::printing::journal::{self, Phase, Record};
use docket_protocol::frame::read_payload;
use docket_protocol::ids::{PrinterName, TicketId, UnixMs};
use docket_protocol::message::Item;
use docket_protocol::outcome::{Doubt, Evidence};
use rusqlite::{OptionalExtension as _, params};
use std::collections::HashMap;

/// What the journal's word for an attempt comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is on paper.
    Printed {
        /// How that is known.
        evidence: Evidence,
        /// When its first byte left.
        began_at: UnixMs,
        /// When it was on paper.
        ended_at: UnixMs,
    },
    /// It may be.
    Unknown {
        /// Why that is not known.
        doubt: Doubt,
        /// When its first byte left, if that is known.
        began_at: Option<UnixMs>,
    },
    /// No byte of it has left.
    NotBegun,
}

/// What follows from the newest record of an attempt. `complete`: the journal has every record that was written, so what
/// it does not say did not happen.
pub fn judge(record: Option<&Record>, complete: bool) -> Verdict {
    let power_lost = |began_at| Verdict::Unknown { doubt: Doubt::PowerLost, began_at };
    match record {
        Some(&Record { phase: Phase::Fenced(evidence), began_at, ended_at, .. }) => {
            Verdict::Printed { evidence, began_at, ended_at }
        }
        Some(&Record { phase: Phase::Began, began_at, .. }) if complete => {
            Verdict::Unknown { doubt: Doubt::AgentEnded, began_at: Some(began_at) }
        }
        Some(&Record { phase: Phase::Began, began_at, .. }) => power_lost(Some(began_at)),
        Some(&Record { phase: Phase::Withdrawn, .. }) | None if complete => Verdict::NotBegun,
        Some(&Record { phase: Phase::Withdrawn, began_at, .. }) => power_lost(Some(began_at)),
        None => power_lost(None),
    }
}

struct Claimed {
    place: i64,
    id: TicketId,
    printer: String,
    attempt: u16,
    repeat: u16,
    claimed_at: Option<i64>,
}

impl Work<'_> {
    /// Settles what an earlier life left, in one transaction, before any printer gets a ticket. What a printer may still
    /// know more about stays claimed until that printer's task has asked it
    /// ([`crate::spool::ClaimPort::in_question`]).
    pub(super) fn recover(&mut self) -> rusqlite::Result<()> {
        let last: Option<String> =
            self.prepare("SELECT boot FROM meta")?.query_row([], |row| row.get(0)).optional()?.flatten();
        let same_boot = last.is_some() && last == self.options.boot_id;
        self.settle_claims(same_boot)?;
        self.read_again()?;
        self.route_again()?;
        self.forget_pauses()?;
        self.count()?;
        if last != self.options.boot_id {
            self.prepare("UPDATE meta SET boot = ?1")?.execute([&self.options.boot_id])?;
        }
        self.known.recovered = true;
        Ok(())
    }

    fn settle_claims(&mut self, same_boot: bool) -> rusqlite::Result<()> {
        let claimed = self
            .prepare(
                "SELECT place, id, taken_by, attempt, repeat, claimed_at FROM tickets WHERE state = 1 ORDER BY place",
            )?
            .query_map([], |row| {
                Ok(Claimed {
                    place: row.get(0)?,
                    id: TicketId::from_bytes(row.get(1)?),
                    printer: row.get(2)?,
                    attempt: row.get(3)?,
                    repeat: row.get(4)?,
                    claimed_at: row.get(5)?,
                })
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let mut journals: HashMap<String, Option<Vec<Record>>> = HashMap::new();
        for ticket in claimed {
            let records = journals
                .entry(ticket.printer.clone())
                .or_insert_with(|| read_journal(self.folder, &ticket.printer))
                .as_deref();
            let attempt = ticket.attempt + 1;
            let of_ticket = |record: &&Record| record.ticket == ticket.id && record.attempt == attempt;
            let by_serial = |record: &&Record| record.serial;
            let record = records.into_iter().flatten().filter(of_ticket).max_by_key(by_serial);
            let last = records.into_iter().flatten().max_by_key(by_serial);
            let verdict = judge(record, same_boot && records.is_some());
            self.settle_claim(&ticket, verdict, record == last)?;
        }
        Ok(())
    }

    /// `is_last`: the printer's last record is about it, so the printer can be asked.
    fn settle_claim(&mut self, ticket: &Claimed, verdict: Verdict, is_last: bool) -> rusqlite::Result<()> {
        let finish = |ending, began_at, ended_at| Finish {
            ticket: ticket.id,
            attempt: ticket.attempt + 1,
            repeat: ticket.repeat,
            ending,
            boxes: None,
            cut_short: false,
            began_at,
            ended_at,
        };
        let printer = PrinterName::new(ticket.printer.clone());
        let finish = match verdict {
            Verdict::NotBegun => {
                let is_withdrawn = self
                    .prepare(
                        "UPDATE tickets SET state = 0, taken_by = NULL, claimed_at = NULL WHERE place = ?1
                         RETURNING withdrawn",
                    )?
                    .query_row([ticket.place], |row| row.get(0))?;
                return if is_withdrawn { self.take_out(ticket.id) } else { Ok(()) };
            }
            Verdict::Printed { evidence, began_at, ended_at } => {
                finish(Ending::Printed(evidence), began_at, ended_at)
            }
            Verdict::Unknown { doubt: Doubt::AgentEnded, .. }
                if is_last && self.queue_of(&ticket.printer).is_some() =>
            {
                return Ok(());
            }
            Verdict::Unknown { doubt, began_at } => {
                let began_at = began_at.or(ticket.claimed_at.map(UnixMs)).unwrap_or(self.now);
                finish(Ending::Unknown(doubt), began_at, self.now)
            }
        };
        let settled = self.settle(&printer, &finish)?;
        if let Some((Settled::Queued | Settled::Held, _)) = settled {
            tracing::warn!(
                code = "ticket-unknown", ticket = %ticket.id, printer = %printer, attempt = finish.attempt,
                "a ticket of an earlier life may have come out"
            );
        }
        Ok(())
    }

    /// What an older program could not read: perhaps this one can.
    fn read_again(&mut self) -> rusqlite::Result<()> {
        let set_aside = self
            .prepare("SELECT place, payload FROM tickets JOIN payloads USING (place) WHERE state = 5")?
            .query_map([], |row| {
                let is_readable = read_payload::<Item>(&row.get::<_, Vec<u8>>(1)?).is_some();
                Ok(is_readable.then_some(row.get::<_, i64>(0)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        for place in set_aside.into_iter().flatten() {
            self.prepare("UPDATE tickets SET state = 0 WHERE place = ?1")?.execute([place])?;
        }
        let rows = self
            .prepare("SELECT seq, payload FROM unreadable ORDER BY seq")?
            .query_map([], |row| Ok((seq(row.get(0)?), row.get::<_, Vec<u8>>(1)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        for (seq, item) in rows {
            match read_payload::<Item>(&item) {
                Some(Item::Ticket(ticket)) => self.store_ticket(seq, &ticket, &item)?,
                Some(Item::Help(request)) => self.store_help(&request)?,
                Some(Item::Settings(part)) => self.store_settings(&part)?,
                None => continue,
            }
            self.prepare("DELETE FROM unreadable WHERE seq = ?1")?.execute([number(seq)])?;
        }
        Ok(())
    }

    /// The configuration may map stations to other printers now; and a printer that a person chose may be gone.
    fn route_again(&mut self) -> rusqlite::Result<()> {
        let queued = self
            .prepare("SELECT DISTINCT station, printer, pinned FROM tickets WHERE state = 0")?
            .query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        for (station, printer, pinned) in queued {
            let wanted = self.options.printers[self.route(&station)].name.as_str();
            let stays = if pinned { self.queue_of(&printer).is_some() } else { wanted == printer };
            if !stays {
                self.prepare(
                    "UPDATE tickets SET printer = ?1, pinned = 0
                     WHERE state = 0 AND station = ?2 AND printer = ?3 AND pinned = ?4",
                )?
                .execute(params![wanted, station, printer, pinned])?;
            }
        }
        Ok(())
    }

    /// A printer that is gone does not wait any more: one of its name may come.
    fn forget_pauses(&mut self) -> rusqlite::Result<()> {
        let paused = self
            .prepare("SELECT printer FROM paused")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<Vec<String>, _>>()?;
        for printer in paused.iter().filter(|printer| self.queue_of(printer).is_none()) {
            self.prepare("DELETE FROM paused WHERE printer = ?1")?.execute([printer])?;
        }
        Ok(())
    }

    fn count(&mut self) -> rusqlite::Result<()> {
        let mut queued = self.prepare(
            "SELECT count(*), coalesce(sum(pinned), 0) FROM tickets WHERE state = 0 AND printer = ?1",
        )?;
        let mut claimed = self.prepare("SELECT count(*) FROM tickets WHERE state = 1 AND taken_by = ?1")?;
        let mut paused = self.prepare("SELECT since FROM paused WHERE printer = ?1")?;
        for (printer, load) in self.options.printers.iter().zip(&mut self.known.printers) {
            let name = printer.name.as_str();
            let (count, pinned) = queued.query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let since = paused.query_row([name], |row| row.get(0)).optional()?;
            let in_question = claimed.query_row([name], |row| row.get(0))?;
            *load = Load::counted(count, pinned, in_question, since.map(UnixMs));
        }
        self.known.held =
            self.prepare("SELECT count(*) FROM tickets WHERE state = 3")?.query_row([], |row| row.get(0))?;
        Ok(())
    }
}

/// `None` where there is no journal to be trusted.
fn read_journal(folder: &std::path::Path, printer: &str) -> Option<Vec<Record>> {
    match journal::read(folder, &PrinterName::new(printer)) {
        Ok(records) => records,
        Err(error) => {
            let cause = &error.source;
            tracing::error!(code = "journal-unreadable", %error, %cause, "what was printing is unknown");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds() {
        let record = |phase| Record {
            ticket: TicketId::from_bytes([1; 16]),
            attempt: 1,
            serial: 1,
            phase,
            began_at: UnixMs(5),
            ended_at: UnixMs(6),
        };
        let printed =
            Verdict::Printed { evidence: Evidence::Fence, began_at: UnixMs(5), ended_at: UnixMs(6) };
        let unknown = |doubt, began_at| Verdict::Unknown { doubt, began_at };
        let began = Some(UnixMs(5));
        let table = [
            (Some(Phase::Fenced(Evidence::Fence)), true, printed),
            (Some(Phase::Fenced(Evidence::Fence)), false, printed),
            (Some(Phase::Began), true, unknown(Doubt::AgentEnded, began)),
            (Some(Phase::Began), false, unknown(Doubt::PowerLost, began)),
            (Some(Phase::Withdrawn), true, Verdict::NotBegun),
            (Some(Phase::Withdrawn), false, unknown(Doubt::PowerLost, began)),
            (None, true, Verdict::NotBegun),
            (None, false, unknown(Doubt::PowerLost, None)),
        ];
        for (phase, complete, expected) in table {
            assert_eq!(
                judge(phase.map(record).as_ref(), complete),
                expected,
                "{phase:?}, complete: {complete}"
            );
        }
    }
}
