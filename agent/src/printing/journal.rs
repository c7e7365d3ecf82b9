//! The print journal: which claimed tickets began, and which are on paper, to the very byte.
//!
//! A commit of the spool may hand several tickets to a printer, so after a crash the spool alone cannot tell
//! which of them began. One small file for each printer can: a ring of fixed records, each written with one
//! positional write *before* the first byte of a ticket leaves and again when the fence is in.
//!
//! # What survives what
//! The writes are not fsynced: they cost two microseconds and survive `kill -9`, since the page cache
//! outlives the process, but not a power cut. So within one boot the journal is exact, also in what it does *not*
//! say. In another boot only a record that says "on paper" is worth something (it is checksummed, so a
//! torn one counts as none); that nothing is written means nothing.
//!
//! Nor are the serials then: a power cut takes the newest records, and a printer with power of its own may still answer
//! the fences of a ticket that nobody remembers. So in another boot serials go on [`BOOT_SERIALS`] further, which is
//! fsynced before anything is printed: else a second power cut would bring the same ones again.
//!
//! The file is filled when it is made, so that a full disk cannot fail a write later.
//!
//! # Damage
//! A slot that is neither empty nor a record, or an empty one among records, is not this program's work. Then the journal
//! is not whole: what it says is still true, and what it does not say may have happened all the same, so every ticket
//! that its printer had in hand may have been printed. It is set aside, one for each printer, and the printer goes on with
//! a new one, its serials as far ahead as after a power cut.
//!
//! # Serials
//! Fences bear the serial of their attempt, and a printer on a line that outlives the agent answers them to whoever asks
//! next. So the serials of each journal begin anywhere: printers that change places, a printer that gets another name, and
//! an agent that has lost its folder take no answer to another ticket for one of their own. Rejected: from 1, where
//! printers of one age are at the same number.

use docket_protocol::ids::{PrinterName, TicketId, UnixMs};
use docket_protocol::outcome::Evidence;
use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The folder of the journals, in that of the spool.
const JOURNAL_FOLDER: &str = "journal";
/// Bytes of a record: a divisor of a sector and of a page, so that none lies across two.
const RECORD_BYTES: usize = 64;
/// Records in a ring: four times what one printer may hold unsettled ([`crate::spool::CLAIMS_MAX`]).
const RECORDS: usize = 128;
const MAGIC: &[u8; 4] = b"DKJ1";
/// How much further serials go on in another boot: whole rings, far more tickets than the system keeps unwritten, and
/// a quarter of what the numbers of fences tell apart.
pub const BOOT_SERIALS: u64 = 8_192;
/// The ticket of the record that begins a boot: none has this id.
const NO_TICKET: TicketId = TicketId::from_bytes([0; 16]);
/// Longer names of printers become a hash in the file's name.
const NAME_BYTES_MAX: usize = 120;

/// How far an attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its first byte may have left.
    Began,
    /// It is on paper.
    Fenced(Evidence),
    /// It began in the journal only: the connection was lost before the first byte.
    Withdrawn,
}

/// What the journal says of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Which ticket.
    pub ticket: TicketId,
    /// Which attempt.
    pub attempt: u16,
    /// Rises with every attempt of this printer, from any number: fences are made from it, so that no two have the same.
    pub serial: u64,
    /// How far it came.
    pub phase: Phase,
    /// When it began.
    pub began_at: UnixMs,
    /// When it was on paper.
    pub ended_at: UnixMs,
}

/// What a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// In no order.
    pub records: Vec<Record>,
    /// Whether it has all that was written: what it does not say did not happen in its boot.
    pub is_whole: bool,
}

/// The journal cannot be used, so nothing may be printed: a crash could not be settled.
#[derive(Debug, Error)]
#[error("cannot {operation} the print journal {path}")]
pub struct JournalError {
    /// What was tried.
    pub operation: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// The open journal of one printer.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Of the boot that wrote last, a hash; 0 where it is not known.
    boot: u64,
    serial: u64,
    left_open: Option<Record>,
    is_new: bool,
    is_owed: bool,
}

impl Journal {
    /// Opens the journal of a printer in the spool's folder, making it where there is none.
    ///
    /// # Errors
    /// The file cannot be made, filled or read.
    pub fn open(folder: &Path, printer: &PrinterName) -> Result<Self, JournalError> {
        let path = path_of(folder, printer);
        let failed = |operation: &'static str| {
            let path = path.clone();
            move |source| JournalError { operation, path, source }
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed("make"))?;
        }
        let (file, mut bytes) = match open_file(&path) {
            Ok((file, bytes)) if !is_damaged(&bytes) => (file, bytes),
            Ok((_, bytes)) => set_aside(&path, &bytes).map_err(failed("replace"))?,
            Err(error) if is_unreadable(&error) => set_aside(&path, &[]).map_err(failed("replace"))?,
            Err(error) => return Err(failed("open")(error)),
        };
        if bytes.len() < RECORDS * RECORD_BYTES {
            let zeros = vec![0; RECORDS * RECORD_BYTES - bytes.len()];
            write_at(&file, &zeros, bytes.len() as u64).map_err(failed("fill"))?;
            bytes.extend_from_slice(&zeros);
        }
        let all = || records_in(&bytes).map(|(record, _)| record);
        let newest = records_in(&bytes).max_by_key(|(record, _)| record.serial);
        // The printer has heard nothing of one that was withdrawn, so what came before it is the last that it knows.
        let heard = || all().filter(|record| record.phase != Phase::Withdrawn);
        let last = heard().max_by_key(|record| record.serial);
        let last_ticket =
            heard().filter(|record| record.ticket != NO_TICKET).max_by_key(|record| record.serial);
        Ok(Self {
            file,
            path,
            boot: newest.map_or(0, |(_, boot)| boot),
            serial: newest.map_or_else(any_serial, |(record, _)| record.serial),
            left_open: last_ticket.filter(|record| record.phase == Phase::Began),
            is_new: newest.is_none(),
            is_owed: last.is_some_and(|record| record.phase == Phase::Began),
        })
    }

    /// Before anything is printed: says in which boot that is. In another one than before, or one that is not known,
    /// serials go on far ahead.
    ///
    /// # Errors
    /// Nothing may be printed.
    pub fn in_boot(mut self, boot: Option<&str>) -> Result<Self, JournalError> {
        let boot = boot.map_or(0, |boot| checksum(boot.as_bytes()));
        if boot != 0 && boot == self.boot {
            return Ok(self);
        }
        self.boot = boot;
        self.is_owed = !self.is_new;
        // As long as it is the last one, fences of the earlier boot may be answered.
        let phase = if self.is_owed { Phase::Began } else { Phase::Withdrawn };
        let (serial, no_time) = (self.serial + BOOT_SERIALS, UnixMs(0));
        let (began_at, ended_at) = (no_time, no_time);
        self.write(&Record { ticket: NO_TICKET, attempt: 0, serial, phase, began_at, ended_at })?;
        let path = self.path.clone();
        self.file.sync_all().map_err(|source| JournalError { operation: "sync", path, source })?;
        self.serial = serial;
        Ok(self)
    }

    /// Says that an attempt begins. Only after this may its first byte leave.
    ///
    /// # Errors
    /// Then it must not begin.
    pub fn began(
        &mut self,
        ticket: TicketId,
        attempt: u16,
        began_at: UnixMs,
    ) -> Result<Record, JournalError> {
        let record = Record {
            ticket,
            attempt,
            serial: self.serial + 1,
            phase: Phase::Began,
            began_at,
            ended_at: UnixMs(0),
        };
        self.write(&record)?;
        self.serial = record.serial;
        Ok(record)
    }

    /// Whether it can be written: tries at the place of the next record, which that would write over.
    ///
    /// # Errors
    /// Then nothing may begin.
    pub fn check(&self) -> Result<(), JournalError> {
        self.write_in(self.serial + 1, &[0; RECORD_BYTES])
    }

    /// Says that an attempt is on paper.
    ///
    /// # Errors
    /// Printing goes on; a crash before the spool has stored the outcome makes it unknown.
    pub fn fenced(
        &mut self,
        began: &Record,
        evidence: Evidence,
        ended_at: UnixMs,
    ) -> Result<(), JournalError> {
        self.write(&Record { phase: Phase::Fenced(evidence), ended_at, ..*began })
    }

    /// Says that no byte of an attempt left.
    ///
    /// # Errors
    /// Printing goes on; a crash makes the ticket unknown.
    pub fn withdrawn(&mut self, began: &Record) -> Result<(), JournalError> {
        self.write(&Record { phase: Phase::Withdrawn, ..*began })
    }

    /// The attempt in whose middle an earlier life ended: the unit may still answer its fences.
    pub fn left_open(&self) -> Option<Record> {
        self.left_open
    }

    /// Whether the unit may still answer fences of an earlier life, be they written here or lost.
    pub fn is_owed(&self) -> bool {
        self.is_owed
    }

    fn write(&self, record: &Record) -> Result<(), JournalError> {
        self.write_in(record.serial, &encode(record, self.boot))
    }

    fn write_in(&self, serial: u64, record: &[u8; RECORD_BYTES]) -> Result<(), JournalError> {
        let slot = serial % RECORDS as u64;
        write_at(&self.file, record, slot * RECORD_BYTES as u64).map_err(|source| JournalError {
            operation: "write",
            path: self.path.clone(),
            source,
        })
    }
}

/// What the journal of a printer says; `None` where there is no journal.
///
/// # Errors
/// The file is there and cannot be read: what it says is unknown.
pub fn read(folder: &Path, printer: &PrinterName) -> Result<Option<Contents>, JournalError> {
    let path = path_of(folder, printer);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let records: Vec<Record> = records_in(&bytes).map(|(record, _)| record).collect();
            let is_short = bytes.len() < RECORDS * RECORD_BYTES;
            let is_whole = !is_short && !records.is_empty() && !is_damaged(&bytes);
            Ok(Some(Contents { records, is_whole }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(JournalError { operation: "read", path, source }),
    }
}

fn open_file(path: &Path) -> io::Result<(File, Vec<u8>)> {
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    let mut bytes = Vec::with_capacity(RECORDS * RECORD_BYTES);
    file.read_to_end(&mut bytes)?;
    Ok((file, bytes))
}

/// Whether it is the file that is at fault, and not somebody's permission or a lack of room.
fn is_unreadable(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::InvalidData)
        || (cfg!(unix) && error.raw_os_error() == Some(EIO))
}

/// Whether something stands in it that was never written there, or is missing. From behind the newest record on, around
/// the ring, there are empty slots, then records; and where slots are empty, the first record of all is there yet, which
/// is of a boot. (One alone is that of [`Journal::check`].) What is not seen: zeros in place of the newest records and of
/// nothing else, before the ring was full once.
fn is_damaged(bytes: &[u8]) -> bool {
    let slots = &bytes.as_chunks::<RECORD_BYTES>().0[..(bytes.len() / RECORD_BYTES).min(RECORDS)];
    let is_empty = |slot: &[u8; RECORD_BYTES]| slot.iter().all(|&byte| byte == 0);
    let newest =
        slots.iter().enumerate().filter_map(|(slot, bytes)| Some((decode(bytes)?.0.serial, slot))).max();
    match newest {
        None => !slots.iter().all(is_empty),
        Some((_, newest)) => {
            let around = || slots[newest + 1..].iter().chain(&slots[..=newest]);
            let empty = around().take_while(|slot| is_empty(slot)).count();
            let mut written = around().skip(empty).map(|slot| decode(slot).map(|(record, _)| record.ticket));
            let begins = empty <= 1 || written.clone().next() == Some(Some(NO_TICKET));
            !begins || written.any(|ticket| ticket.is_none())
        }
    }
}

/// A new one takes its place, which begins far ahead of what can still be read of it: what cannot may be newer.
fn set_aside(path: &Path, bytes: &[u8]) -> io::Result<(File, Vec<u8>)> {
    let aside = path.with_extension("damaged");
    // Of an earlier time.
    let _ = std::fs::remove_file(&aside).or_else(|_| std::fs::remove_dir_all(&aside));
    std::fs::rename(path, &aside)?;
    tracing::error!(
        code = "journal-replaced", kept_as = %aside.display(),
        "a print journal was damaged: what its printer had in hand counts as maybe printed"
    );
    let (file, _) = open_file(path)?;
    let newest = records_in(bytes).map(|(record, _)| record.serial).max();
    let (serial, no_time) = (newest.map_or_else(any_serial, |serial| serial + BOOT_SERIALS), UnixMs(0));
    // Fences of what was in hand may still be answered.
    let (phase, began_at, ended_at) = (Phase::Began, no_time, no_time);
    let record = Record { ticket: NO_TICKET, attempt: 0, serial, phase, began_at, ended_at };
    let mut bytes = vec![0; RECORDS * RECORD_BYTES];
    let slot = usize::try_from(serial % RECORDS as u64).unwrap_or(0);
    bytes[slot * RECORD_BYTES..][..RECORD_BYTES].copy_from_slice(&encode(&record, 0));
    write_at(&file, &bytes, 0)?;
    Ok((file, bytes))
}

/// A name that every file system takes and that differs for different printers, on Windows too, where `A`
/// is `a` and `con` is a device.
fn path_of(folder: &Path, printer: &PrinterName) -> PathBuf {
    let mut name = String::from("p-");
    for byte in printer.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            _ => {
                let _ = write!(name, "_{byte:02x}");
            }
        }
    }
    if name.len() > NAME_BYTES_MAX {
        let digest = ring::digest::digest(&ring::digest::SHA256, printer.as_str().as_bytes());
        name = String::from("h-");
        for byte in &digest.as_ref()[..16] {
            let _ = write!(name, "{byte:02x}");
        }
    }
    folder.join(JOURNAL_FOLDER).join(name + ".bin")
}

/// What the first serial of a journal follows. It leaves more to come than any printer prints.
fn any_serial() -> u64 {
    // The hasher's keys are the system's random numbers, without an error that there would be nothing to do about.
    u64::from(RandomState::new().build_hasher().finish() as u32)
}

fn encode(record: &Record, boot: u64) -> [u8; RECORD_BYTES] {
    let (phase, evidence) = match record.phase {
        Phase::Began => (1, 0),
        Phase::Fenced(evidence) => (2, number_of(evidence)),
        Phase::Withdrawn => (3, 0),
    };
    let mut bytes = [0; RECORD_BYTES];
    bytes[..4].copy_from_slice(MAGIC);
    bytes[4] = phase;
    bytes[5] = evidence;
    bytes[6..8].copy_from_slice(&record.attempt.to_le_bytes());
    bytes[8..24].copy_from_slice(record.ticket.as_bytes());
    bytes[24..32].copy_from_slice(&record.serial.to_le_bytes());
    bytes[32..40].copy_from_slice(&record.began_at.0.to_le_bytes());
    bytes[40..48].copy_from_slice(&record.ended_at.0.to_le_bytes());
    bytes[48..56].copy_from_slice(&boot.to_le_bytes());
    let sum = checksum(&bytes[..56]);
    bytes[56..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The records, each with its boot.
fn records_in(bytes: &[u8]) -> impl Iterator<Item = (Record, u64)> {
    bytes.as_chunks::<RECORD_BYTES>().0.iter().take(RECORDS).filter_map(decode)
}

fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<(Record, u64)> {
    let eight = |at: usize| -> [u8; 8] {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[at..at + 8]);
        eight
    };
    if bytes[..4] != *MAGIC || checksum(&bytes[..56]) != u64::from_le_bytes(eight(56)) {
        return None;
    }
    let phase = match bytes[4] {
        1 => Phase::Began,
        2 => Phase::Fenced(evidence_of(bytes[5])?),
        3 => Phase::Withdrawn,
        _ => return None,
    };
    let mut ticket = [0; 16];
    ticket.copy_from_slice(&bytes[8..24]);
    let record = Record {
        ticket: TicketId::from_bytes(ticket),
        attempt: u16::from_le_bytes([bytes[6], bytes[7]]),
        serial: u64::from_le_bytes(eight(24)),
        phase,
        began_at: UnixMs(i64::from_le_bytes(eight(32))),
        ended_at: UnixMs(i64::from_le_bytes(eight(40))),
    };
    Some((record, u64::from_le_bytes(eight(48))))
}

fn number_of(evidence: Evidence) -> u8 {
    match evidence {
        Evidence::Spooled => 1,
        Evidence::Sent => 2,
        Evidence::Status => 3,
        Evidence::Fence => 4,
    }
}

fn evidence_of(number: u8) -> Option<Evidence> {
    match number {
        1 => Some(Evidence::Spooled),
        2 => Some(Evidence::Sent),
        3 => Some(Evidence::Status),
        4 => Some(Evidence::Fence),
        _ => None,
    }
}

/// FNV-1a, 64 bits: against torn and stray writes, not against people.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As printers open it.
    fn open(folder: &Path, printer: &PrinterName) -> Journal {
        Journal::open(folder, printer).unwrap().in_boot(Some("1")).unwrap()
    }

    fn ticket(number: u8) -> TicketId {
        TicketId::from_bytes([number; 16])
    }

    #[test]
    fn each_phase_is_read_back_and_serials_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let printer = PrinterName::new("后厨/A");
        assert!(read(folder.path(), &printer).unwrap().is_none());
        let mut journal = open(folder.path(), &printer);
        let first = journal.began(ticket(1), 1, UnixMs(10)).unwrap();
        journal.fenced(&first, Evidence::Fence, UnixMs(20)).unwrap();
        let second = journal.began(ticket(2), 3, UnixMs(30)).unwrap();
        drop(journal);
        let mut journal = open(folder.path(), &printer);
        let third = journal.began(ticket(3), 1, UnixMs(40)).unwrap();
        journal.withdrawn(&third).unwrap();
        let Contents { mut records, is_whole } = read(folder.path(), &printer).unwrap().unwrap();
        assert!(is_whole);
        records.retain(|record| record.ticket != NO_TICKET);
        records.sort_by_key(|record| record.serial);
        assert_eq!(
            records,
            [
                Record { phase: Phase::Fenced(Evidence::Fence), ended_at: UnixMs(20), ..first },
                second,
                Record { phase: Phase::Withdrawn, ..third },
            ]
        );
        assert_eq!(third.serial, first.serial + 2);
    }

    #[test]
    fn one_that_was_withdrawn_does_not_hide_what_was_left_open_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let printer = PrinterName::new("front");
        let mut journal = open(folder.path(), &printer);
        let left = journal.began(ticket(1), 1, UnixMs(10)).unwrap();
        let withdrawn = journal.began(ticket(2), 1, UnixMs(20)).unwrap();
        journal.withdrawn(&withdrawn).unwrap();
        let mut journal = open(folder.path(), &printer);
        assert_eq!(journal.left_open(), Some(left));
        let printed = journal.began(ticket(2), 1, UnixMs(30)).unwrap();
        assert_eq!(printed.serial, withdrawn.serial + 1);
        journal.fenced(&printed, Evidence::Fence, UnixMs(40)).unwrap();
        assert_eq!(open(folder.path(), &printer).left_open(), None);
    }

    #[test]
    fn no_two_journals_begin_at_the_same_serial() {
        let folder = tempfile::tempdir().unwrap();
        let mut serials: Vec<u64> = (0..8)
            .map(|number| {
                let mut journal = open(folder.path(), &PrinterName::new(format!("p{number}")));
                journal.began(ticket(1), 1, UnixMs(10)).unwrap().serial
            })
            .collect();
        serials.sort_unstable();
        serials.dedup();
        assert_eq!(serials.len(), 8);
    }

    #[test]
    fn the_ring_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let printer = PrinterName::new("front");
        let mut journal = open(folder.path(), &printer);
        let first = journal.began(ticket(0), 1, UnixMs(0)).unwrap();
        for number in 1..RECORDS as u64 + 5 {
            journal.began(ticket(number as u8), 1, UnixMs(0)).unwrap();
        }
        let Contents { records, is_whole } = read(folder.path(), &printer).unwrap().unwrap();
        assert!(is_whole);
        assert_eq!(records.len(), RECORDS);
        assert_eq!(records.iter().map(|record| record.serial).min(), Some(first.serial + 5));
    }

    #[test]
    fn in_another_boot_serials_go_on_far_ahead_however_little_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let printer = PrinterName::new("front");
        let in_boot = |boot| Journal::open(folder.path(), &printer).unwrap().in_boot(boot).unwrap();
        let mut journal = in_boot(Some("1"));
        assert!(!journal.is_owed(), "nothing was ever printed");
        let first = journal.began(ticket(1), 1, UnixMs(0)).unwrap();
        journal.fenced(&first, Evidence::Fence, UnixMs(0)).unwrap();
        let written = std::fs::read(&journal.path).unwrap();
        let lost = in_boot(Some("1")).began(ticket(2), 1, UnixMs(0)).unwrap();
        assert_eq!(lost.serial, first.serial + 1);
        assert_eq!(in_boot(Some("1")).left_open(), Some(lost));
        std::fs::write(&journal.path, &written).unwrap();

        let mut serials = vec![lost.serial];
        for boot in [Some("2"), Some("3"), None, None, Some("4")] {
            let journal = in_boot(boot);
            assert!(journal.is_owed() && journal.left_open().is_none(), "{boot:?}");
            // What is synced survives the next power cut; this record does not.
            let written = std::fs::read(&journal.path).unwrap();
            let mut journal = if boot.is_some() { in_boot(boot) } else { journal };
            assert!(journal.is_owed(), "killed before it printed anything, in boot {boot:?}");
            serials.push(journal.began(ticket(3), 1, UnixMs(0)).unwrap().serial);
            std::fs::write(&journal.path, &written).unwrap();
        }
        assert!(serials.is_sorted_by(|one, next| one + BOOT_SERIALS / 2 < *next), "{serials:?}");
    }

    #[test]
    fn a_damaged_one_is_set_aside_and_serials_go_on_far_ahead() {
        let printer = PrinterName::new("front");
        for wrapped in [false, true] {
            for (name, from, to, byte) in [
                ("garbage", 0, RECORDS * RECORD_BYTES, 0xA5),
                ("garbage in the middle", 20 * RECORD_BYTES, 21 * RECORD_BYTES, 0xA5),
                ("one bit of records", 0, 4_096, 1),
                ("a page of zeros", 0, 4_096, 0),
                ("the other page of zeros", 4_096, 8_192, 0),
            ] {
                let folder = tempfile::tempdir().unwrap();
                let open = || open(folder.path(), &printer);
                let mut journal = open();
                // So that there are records in each page, wherever the serials begin.
                let tickets = if wrapped { RECORDS + 5 } else { 100 };
                for _ in 0..tickets {
                    journal.began(ticket(1), 1, UnixMs(0)).unwrap();
                }
                assert!(read(folder.path(), &printer).unwrap().unwrap().is_whole);
                let (path, last) = (journal.path.clone(), journal.serial);
                let mut bytes = std::fs::read(&path).unwrap();
                for at in &mut bytes[from..to] {
                    *at = if byte == 1 { *at ^ 1 } else { byte };
                }
                std::fs::write(&path, &bytes).unwrap();
                let said = read(folder.path(), &printer).unwrap().unwrap();
                let newest = said.records.iter().map(|record| record.serial).max();
                if !wrapped && byte == 0 && newest.is_some_and(|newest| newest < last) && said.is_whole {
                    // The newest ones alone are gone, and what was never written looks the same.
                    continue;
                }
                assert!(!said.is_whole, "{name}, wrapped: {wrapped}");
                let mut journal = open();
                assert!(journal.left_open().is_none() && journal.is_owed());
                assert_eq!(std::fs::read(path.with_extension("damaged")).unwrap(), bytes);
                let serial = journal.began(ticket(2), 1, UnixMs(0)).unwrap().serial;
                let is_random = said.records.is_empty();
                assert!(is_random || serial > last, "{name}: {serial} after {last}");
                assert!(read(folder.path(), &printer).unwrap().unwrap().is_whole);
            }
        }
    }

    #[test]
    fn a_folder_in_its_place_is_set_aside_too() {
        let folder = tempfile::tempdir().unwrap();
        let printer = PrinterName::new("front");
        let path = path_of(folder.path(), &printer);
        std::fs::create_dir_all(path.join("strange")).unwrap();
        let mut journal = open(folder.path(), &printer);
        journal.began(ticket(1), 1, UnixMs(0)).unwrap();
        assert!(path.with_extension("damaged").join("strange").is_dir() && path.is_file());
    }

    #[test]
    fn a_torn_record_counts_as_none() {
        let record = Record {
            ticket: ticket(7),
            attempt: 2,
            serial: 9,
            phase: Phase::Fenced(Evidence::Status),
            began_at: UnixMs(1),
            ended_at: UnixMs(2),
        };
        let whole = encode(&record, 3);
        assert_eq!(decode(&whole), Some((record, 3)));
        for at in 0..RECORD_BYTES {
            let mut torn = whole;
            torn[at] ^= 0x40;
            assert_eq!(decode(&torn), None, "byte {at}");
        }
    }

    #[test]
    fn names_of_files_differ_where_printers_do() {
        let name = |printer: &str| {
            path_of(Path::new("x"), &PrinterName::new(printer))
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(name("front"), "p-front.bin");
        assert_eq!(name("A b"), "p-_41_20b.bin");
        assert_ne!(name("a"), name("A"));
        assert!(name(&"长".repeat(100)).starts_with("h-"));
    }
}
