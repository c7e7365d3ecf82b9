//! A model of the print journal of one printer: written without fsync, so a process that ends loses nothing of it, and
//! a power cut loses any of what was written lately.

use super::chance::Chance;
use super::ledger::Id;
use docket_agent::printing::journal::{BOOT_SERIALS, Phase, Record};
use docket_protocol::ids::{TicketId, UnixMs};
use docket_protocol::outcome::Evidence;

/// What the system has not written back is younger than this.
const UNWRITTEN_MS_MAX: u64 = 30_000;
/// Writes that are remembered: far more than one printer may have unsettled.
const WRITES_MAX: usize = 32;

#[derive(Clone)]
pub(super) struct Journal {
    writes: Vec<(u64, Record)>,
    serial: u64,
    /// What was fsynced when this boot began.
    boot_serial: u64,
    is_owed: bool,
}

impl Journal {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let serial = chance.roll() >> 32;
        Journal { writes: Vec::new(), serial, boot_serial: serial, is_owed: false }
    }

    /// What it says of each attempt.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        let is_newest =
            |at: usize, serial: u64| !self.writes[at + 1..].iter().any(|(_, r)| r.serial == serial);
        self.writes
            .iter()
            .enumerate()
            .filter(move |(at, (_, r))| is_newest(*at, r.serial))
            .map(|(_, (_, r))| r)
    }

    pub(super) fn of(&self, id: Id, attempt: u16) -> Option<&Record> {
        let ticket = ticket_id(id);
        self.records().filter(|r| r.ticket == ticket && r.attempt == attempt).max_by_key(|r| r.serial)
    }

    pub(super) fn last(&self) -> Option<&Record> {
        self.records().max_by_key(|r| r.serial)
    }

    /// The process begins, in another boot than before or in the same.
    pub(super) fn open(&mut self, same_boot: bool) {
        let heard = self.records().filter(|r| r.phase != Phase::Withdrawn);
        let is_open = heard.max_by_key(|r| r.serial).is_some_and(|r| r.phase == Phase::Began);
        self.is_owed = is_open || (!same_boot && !self.writes.is_empty());
        if !same_boot {
            self.serial += BOOT_SERIALS;
            self.boot_serial = self.serial;
        }
    }

    /// The attempt in whose middle an earlier life ended.
    pub(super) fn left_open(&self) -> Option<Record> {
        let heard = self.records().filter(|r| r.phase != Phase::Withdrawn);
        heard.max_by_key(|r| r.serial).filter(|r| r.phase == Phase::Began).copied()
    }

    pub(super) fn is_owed(&self) -> bool {
        self.is_owed
    }

    pub(super) fn began(&mut self, now: u64, id: Id, attempt: u16) -> Record {
        self.serial += 1;
        let record = Record {
            ticket: ticket_id(id),
            attempt,
            serial: self.serial,
            phase: Phase::Began,
            began_at: unix(now),
            ended_at: UnixMs(0),
        };
        self.write(now, record);
        record
    }

    pub(super) fn fenced(&mut self, now: u64, began: &Record, evidence: Evidence) {
        self.write(now, Record { phase: Phase::Fenced(evidence), ended_at: unix(now), ..*began });
    }

    pub(super) fn withdrawn(&mut self, now: u64, began: &Record) {
        self.write(now, Record { phase: Phase::Withdrawn, ..*began });
    }

    /// The newest writes are gone, and any of those before them that had not been written back.
    pub(super) fn lose_power(&mut self, now: u64, chance: &mut Chance) {
        let written_until = now.saturating_sub(chance.below(UNWRITTEN_MS_MAX));
        self.writes.retain(|(at, _)| *at <= written_until || chance.permille(300));
        self.serial = self.writes.iter().map(|(_, r)| r.serial).fold(self.boot_serial, u64::max);
    }

    fn write(&mut self, now: u64, record: Record) {
        if self.writes.len() == WRITES_MAX {
            self.writes.remove(0);
        }
        self.writes.push((now, record));
    }
}

pub(super) fn ticket_id(id: Id) -> TicketId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(id + 1).to_le_bytes());
    TicketId::from_bytes(bytes)
}

pub(super) fn unix(now: u64) -> UnixMs {
    UnixMs(i64::try_from(now).unwrap_or(i64::MAX))
}
