//! What is logged: to the standard error output, and the newest of it to two files of the data folder, so that a
//! support person finds it where nobody has collected it. A file is at most [`FILE_BYTES_MAX`] long and then takes the place
//! of the older one.
//!
//! No customer is in it. Names, addresses and contents are logged nowhere, which the rules of the house see to; and what
//! looks like a mobile phone's number is masked in every line before it is written, for the messages of others. The
//! level can be raised for a while ([`raise`]); that is of this process, and a new start ends it.
//!
//! What cannot be written (a full disk) is lost: a log must not keep anything from being printed.

use docket_protocol::help::LogLevel;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tracing::{info, level_filters::LevelFilter};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

/// The longest file; there are two.
pub const FILE_BYTES_MAX: u64 = 512 * 1024;
const FOLDER: &str = "log";
const NEWEST: &str = "agent.log";
const OLDER: &str = "agent.log.1";
/// Digits of a mobile phone's number in China.
const PHONE_DIGITS: usize = 11;

/// There is one log in a process, as there is one subscriber of `tracing`.
static LOG: OnceLock<Log> = OnceLock::new();
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

struct Log {
    usual: LevelFilter,
    filter: reload::Handle<Targets, Registry>,
    until: Mutex<Option<AbortHandle>>,
}

struct Kept {
    folder: PathBuf,
    file: Option<File>,
    bytes: u64,
}

/// Logs what is of this level or above it from now on.
pub fn start(usual: LevelFilter) {
    let (filter, handle) = reload::Layer::new(Targets::new().with_default(usual));
    let lines = fmt::layer().with_writer(|| Lines).with_ansi(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
    // It is started once: a second subscriber would have been refused above.
    let _ = LOG.set(Log { usual, filter: handle, until: Mutex::new(None) });
}

/// Keeps the newest of it in the data folder from now on.
///
/// # Errors
/// Where it cannot be written there.
pub fn keep_in(data: &Path) -> io::Result<()> {
    let folder = data.join(FOLDER);
    fs::create_dir_all(&folder)?;
    let file = File::options().create(true).append(true).open(folder.join(NEWEST))?;
    let bytes = file.metadata()?.len();
    *lock(&KEPT) = Some(Kept { folder, file: Some(file), bytes });
    Ok(())
}

/// What is kept of it in a data folder, the oldest first.
pub fn kept(data: &Path) -> Vec<u8> {
    let folder = data.join(FOLDER);
    let mut log = fs::read(folder.join(OLDER)).unwrap_or_default();
    log.extend(fs::read(folder.join(NEWEST)).unwrap_or_default());
    log
}

/// Logs more for a while; `false` where that cannot be. Only of this program: a library's words are about bytes.
pub fn raise(level: LogLevel, time: Duration) -> bool {
    let Some(log) = LOG.get() else { return false };
    let wanted = match level {
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let raised = Targets::new()
        .with_default(log.usual)
        .with_target("docket_agent", wanted)
        .with_target("docket_protocol", wanted);
    if log.filter.reload(raised).is_err() {
        return false;
    }
    info!(level = level.as_str(), seconds = time.as_secs(), "logging another level");
    let back = tokio::spawn(async move {
        tokio::time::sleep(time).await;
        let _ = log.filter.reload(Targets::new().with_default(log.usual));
        info!("logging as before");
    });
    if let Some(former) = lock(&log.until).replace(back.abort_handle()) {
        former.abort();
    }
    true
}

/// A line at a time, as `tracing` writes them.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut masked = line.to_vec();
        mask(&mut masked);
        if let Some(kept) = &mut *lock(&KEPT) {
            kept.write(&masked);
        }
        let _ = io::stderr().write_all(&masked);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Kept {
    fn write(&mut self, line: &[u8]) {
        if self.bytes >= FILE_BYTES_MAX {
            self.turn_over();
        }
        if let Some(file) = &mut self.file
            && file.write_all(line).is_ok()
        {
            self.bytes += line.len() as u64;
        }
    }

    fn turn_over(&mut self) {
        // Windows renames no file that is open.
        self.file = None;
        let newest = self.folder.join(NEWEST);
        let renamed = fs::rename(&newest, self.folder.join(OLDER));
        // Where that does not work, what is there goes: the bound holds.
        let opened = File::options().create(true).append(true).open(&newest);
        self.file = opened
            .and_then(|file| if renamed.is_err() { file.set_len(0).map(|()| file) } else { Ok(file) })
            .ok();
        self.bytes = 0;
    }
}

/// What looks like a mobile phone's number, and stands by itself, becomes asterisks.
fn mask(line: &mut [u8]) {
    let mut at = 0;
    while at < line.len() {
        let run = line[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let word = &mut line[at..at + run];
        if word.len() == PHONE_DIGITS
            && word.iter().all(u8::is_ascii_digit)
            && word[0] == b'1'
            && (b'3'..=b'9').contains(&word[1])
        {
            word[3..].fill(b'*');
        }
        at += run.max(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while it was held has left it whole: each change is one assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_is_masked_and_an_id_is_not() {
        let cases = [
            ("caller=13812345678 waits", "caller=138******** waits"),
            ("电话19912345678,", "电话199********,"),
            ("at 1700000000123 of 12812345678", "at 1700000000123 of 12812345678"),
            ("ticket a13812345678 9e13812345678b", "ticket a13812345678 9e13812345678b"),
        ];
        for (line, masked) in cases {
            let mut bytes = line.as_bytes().to_vec();
            mask(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), masked);
        }
    }

    #[test]
    fn two_files_are_kept_and_each_is_bounded() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let mut kept = Kept { folder: folder.clone(), file: None, bytes: FILE_BYTES_MAX };
        let line = [b'x'; 1_000];
        for _ in 0..2_000 {
            kept.write(&line);
        }
        kept.write(b"the end");
        let sizes = [NEWEST, OLDER].map(|name| fs::metadata(folder.join(name)).unwrap().len());
        assert!(sizes.iter().all(|&bytes| bytes <= FILE_BYTES_MAX + 1_000), "{sizes:?}");
        let log = super::kept(data.path());
        assert!(log.ends_with(b"the end") && log.len() as u64 > FILE_BYTES_MAX);
    }
}
