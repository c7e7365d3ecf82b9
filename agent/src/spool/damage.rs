//! A database that is not what was written: it is set aside, and a new one takes its place with what can still be read.
//!
//! It is found when it is opened (by a look through all of it, where that takes no longer than a moment) or by the first
//! statement that meets the damage. Only SQLite's own word counts, see [`is_damage`]: a full disk, a lock or a
//! permission passes or is mended by people, and nothing may be set aside for it.
//!
//! # What survives a crash of this itself
//! The first thing on disk is a [`Mark`] with the name that the damaged files get. Each step after it can be seen from
//! the files alone, so whoever finds a mark goes on where the last one ended:
//!
//! | there is | to be done |
//! |---|---|
//! | no file of that name | move the log, then the database to that name |
//! | one, and no database | make a new one beside it out of what can be read, then rename it into its place |
//! | one, and a database | that is the new one: take the mark away |
//!
//! The new one has another id, so the hub knows that it has to deliver again what it has had no outcome of, marked
//! where it may have been printed. It is the only one that knows what nobody here can read any more.
//!
//! Rejected: mending a database in its place (what was read wrongly once is read wrongly again); keeping its id where
//! everything could be read (nobody can say that nothing is missing).

use super::salvage::{self, Salvaged};
use super::store::Store;
use super::{SpoolError, SpoolOptions};
use crate::{clock, kept_file};
use docket_paper::china;
use rusqlite::{ErrorCode, ffi};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Databases that are kept for whoever wants to know what happened; older ones go.
pub const SET_ASIDE_MAX: usize = 3;
/// The largest database that is looked through when it is opened: some 30,000 tickets, a third of a second. (100,000
/// tickets are 206 MiB and take one second.) Damage in a larger one is met by the first statement that comes there.
pub(super) const LOOK_BYTES_MAX: u64 = 64 << 20;
/// What the name of each begins with.
const PREFIX: &str = "spool-damaged-";
/// Holds the name that the damaged database gets, as long as it has no successor.
const MARK: &str = "spool.mark";
/// Where the new one is made.
const NEW: &str = "spool.new.db";
/// Names within one minute.
const SAME_MINUTE_MAX: u32 = 1_000;

/// Whether SQLite says that the file is not what it has written. A log that ends before its time is among it: somebody
/// has cut it.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(error, _) = error else { return false };
    matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        || error.extended_code == ffi::SQLITE_IOERR_SHORT_READ
}

/// Opens the spool in a folder. One that is damaged is set aside first.
pub(super) fn open(folder: &Path, options: &SpoolOptions) -> Result<Store, SpoolError> {
    if let Some(mark) = Mark::read(folder)? {
        replace(folder, &mark, options)?;
    }
    match Store::open(folder, options.clone()) {
        Err(error) if error.is_damage() => {
            tracing::error!(code = error.code(), %error, "the database is damaged");
            replace(folder, &Mark::make(folder)?, options)?;
            Store::open(folder, options.clone())
        }
        opened => opened,
    }
}

/// Notes that the database is damaged: the next one who opens it sets it aside.
pub(super) fn note(folder: &Path) {
    let noted = Mark::read(folder).and_then(|mark| mark.map_or_else(|| Mark::make(folder), Ok));
    if let Err(error) = noted {
        // Whoever opens it will meet the damage, too.
        tracing::warn!(code = error.code(), %error, "that the database is damaged was not noted");
    }
}

/// The databases that were set aside, the newest last.
///
/// # Errors
/// Where the folder cannot be read.
pub fn set_aside_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(PREFIX) && name.ends_with(".db") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The name that a damaged database gets, once it is on disk.
struct Mark {
    name: String,
}

impl Mark {
    fn read(folder: &Path) -> Result<Option<Self>, SpoolError> {
        let path = folder.join(MARK);
        match fs::read_to_string(&path) {
            Ok(name) if name.starts_with(PREFIX) && !name.contains(['/', '\\']) => Ok(Some(Mark { name })),
            // Nobody but this program writes it, whole: it means what it is there for.
            Ok(_) => Mark::make(folder).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Mark::make(folder).map(Some),
            Err(source) => Err(SpoolError::Folder { path, source }),
        }
    }

    fn make(folder: &Path) -> Result<Self, SpoolError> {
        let now = clock::now();
        let date: String = china::date_and_time(now).chars().filter(char::is_ascii_digit).collect();
        let name = (0..SAME_MINUTE_MAX)
            .map(|number| format!("{PREFIX}{date}-{number:03}.db"))
            .find(|name| !folder.join(name).exists())
            .unwrap_or_else(|| format!("{PREFIX}{date}-{}.db", now.0));
        let path = folder.join(MARK);
        kept_file::replace(&path, kept_file::Readers::All, name.as_bytes())
            .map_err(|source| SpoolError::Folder { path, source })?;
        Ok(Mark { name })
    }
}

/// Goes on where the last one ended.
fn replace(folder: &Path, mark: &Mark, options: &SpoolOptions) -> Result<(), SpoolError> {
    let (database, aside) = (folder.join("spool.db"), folder.join(&mark.name));
    if !aside.exists() {
        move_file(&beside(&database, "-wal"), &beside(&aside, "-wal"))?;
        remove(&beside(&database, "-shm"))?;
        move_file(&database, &aside)?;
        if let Ok(file) = fs::File::options().write(true).open(&aside) {
            // People are told of it for a day. Where it cannot be dated, for a shorter one.
            let _ = file.set_modified(std::time::SystemTime::now());
        }
    }
    if !database.exists() {
        make_room(folder, &mark.name)?;
        let new = folder.join(NEW);
        remove(&new)?;
        remove(&beside(&new, "-journal"))?;
        let salvaged = salvage::make(&new, &aside, &mark.name, options)?;
        remove(&beside(&aside, "-shm"))?;
        move_file(&new, &database)?;
        say(&mark.name, &salvaged);
    }
    remove(&folder.join(MARK))
}

fn say(name: &str, salvaged: &Salvaged) {
    tracing::error!(
        code = "spool-replaced",
        kept_as = name,
        whole = salvaged.is_whole,
        tickets = salvaged.tickets,
        reports = salvaged.reports,
        lost = salvaged.lost,
        "the database was damaged: a new one goes on with what could be read, the hub delivers the rest again"
    );
}

/// The newest are kept; this one is among them.
fn make_room(folder: &Path, newest: &str) -> Result<(), SpoolError> {
    let failed = |source| SpoolError::Folder { path: folder.to_owned(), source };
    let mut others = set_aside_in(folder).map_err(failed)?;
    others.retain(|path| path.file_name().is_none_or(|name| name != newest));
    let keep = SET_ASIDE_MAX - 1;
    for old in others.iter().take(others.len().saturating_sub(keep)) {
        for file in [old.clone(), beside(old, "-wal"), beside(old, "-shm")] {
            remove(&file)?;
        }
    }
    Ok(())
}

/// SQLite's other files of a database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// It may not be there.
fn move_file(from: &Path, to: &Path) -> Result<(), SpoolError> {
    match fs::rename(from, to).and_then(|()| kept_file::sync_folder(to)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved.map_err(|source| SpoolError::Folder { path: from.to_owned(), source }),
    }
}

/// It may not be there.
fn remove(path: &Path) -> Result<(), SpoolError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| SpoolError::Folder { path: path.to_owned(), source }),
    }
}
