//! The spool: every ticket between the hub's word and the paper, and every report on its way back.
//!
//! One thread owns the database. It takes all commands that wait, runs them in one transaction, commits
//! (one fsync), and only then answers: a reply is a promise that survives `kill -9` and a power cut.
//!
//! # One fsync on the path
//! A printer says beforehand how many tickets it wants ([`ClaimPort::want`]). At the end of each transaction
//! the thread gives each printer its oldest waiting tickets and marks them *claimed in that same
//! transaction*. So an idle printer gets a ticket with the very commit that stores it, and nothing needs
//! to be written durably between that commit and the first byte on the wire.
//!
//! # What survives what
//! * A claimed ticket without an outcome *may* have been printed, as far as the database knows.
//! * After `kill -9` the print journal ([`crate::printing::journal`]), which is written without fsync, tells
//!   exactly which of the claimed tickets began and which are on paper; the page cache survives the process.
//! * After a power cut (another boot) the journal may lack its last records, so a claimed ticket is
//!   *unknown* unless a record says that it came out. Unknown is never silent: it is reported, and the
//!   ticket is printed again marked 补打, or waits for a person.
//! * A printed ticket's row stays for [`RETENTION_DAYS`] days, so a ticket that is delivered again is known by its key.
//!
//! # The disk is full
//! Nothing is acknowledged, the commands stay and are tried again every second, [`Counts::full`] says so.
//! Reading goes on. At most [`COMMANDS_MAX`] commands wait; then their senders do.
//!
//! Rejected: one row with state and payload in it (each change of state would write the payload again); a
//! queue in memory beside the one in the table (two truths); deleting acknowledged reports at once (a third
//! fsync for each ticket: deletions ride along with the next transaction).

mod command;
mod handle;
mod recovery;
mod schema;
mod store;
mod work;
mod writer;

pub use docket_protocol::session::Cursors;
pub use handle::{ClaimPort, Spool};

use docket_protocol::ids::{PrinterName, TicketId, UnixMs};
use docket_protocol::outcome::{Doubt, Evidence};
use docket_protocol::ticket::Ticket;
use std::path::PathBuf;
use thiserror::Error;

/// Days for which printed tickets are kept: a platform's disputes are settled by then.
pub const RETENTION_DAYS: u32 = 30;
/// Begun attempts without evidence after which a ticket waits for a person.
pub const ATTEMPTS_MAX: u16 = 3;
/// Tickets that one printer holds at most, begun or not.
pub const CLAIMS_MAX: u32 = 32;
/// Commands that wait for the storage thread at most; then their senders wait.
pub const COMMANDS_MAX: usize = 1_024;
/// The largest database: years of tickets of a busy store, and far below what an old PC has.
pub const SPOOL_BYTES_MAX: u64 = 1 << 30;

/// What a spool needs to know of the store.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// The printers; exactly one is the default.
    pub printers: Vec<PrinterRoute>,
    /// Which boot of the PC this is; `None` where that cannot be known, which counts as another one.
    pub boot_id: Option<String>,
    /// What to do with a ticket that may have come out.
    pub on_unknown: OnUnknown,
    /// See [`RETENTION_DAYS`].
    pub retention_days: u32,
    /// See [`SPOOL_BYTES_MAX`].
    pub bytes_max: u64,
}

impl SpoolOptions {
    /// With the usual policy and bounds.
    pub fn new(printers: Vec<PrinterRoute>, boot_id: Option<String>) -> Self {
        Self {
            printers,
            boot_id,
            on_unknown: OnUnknown::Reprint,
            retention_days: RETENTION_DAYS,
            bytes_max: SPOOL_BYTES_MAX,
        }
    }
}

/// A printer and what comes to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrinterRoute {
    /// Its name.
    pub name: PrinterName,
    /// Stations whose tickets it prints.
    pub stations: Vec<String>,
    /// Whether it prints what maps nowhere.
    pub default: bool,
}

/// What to do with a ticket of which nobody can know whether it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// Print it again, marked 补打; after [`ATTEMPTS_MAX`] attempts a person decides.
    #[default]
    Reprint,
    /// A person decides.
    Hold,
}

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Tickets that have not come out, those in printers' hands included.
    pub waiting: u32,
    /// Tickets that wait for a person.
    pub held: u32,
    /// Nothing can be stored at the moment.
    pub full: bool,
    /// [`Counts::waiting`] by printer, in the order of the options.
    pub printers: Vec<(PrinterName, u32)>,
}

/// A ticket in a printer's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What to print.
    pub ticket: Ticket,
    /// Which attempt this is, from 1.
    pub attempt: u16,
    /// How often it bears 补打; 0 is unmarked.
    pub repeat: u16,
}

/// What came of a begun attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// Which ticket.
    pub ticket: TicketId,
    /// Which attempt.
    pub attempt: u16,
    /// How often it bore 补打.
    pub repeat: u16,
    /// What came of it.
    pub ending: Ending,
    /// When the first byte left.
    pub began_at: UnixMs,
    /// When the outcome was known.
    pub ended_at: UnixMs,
}

/// How an attempt ended. The spool decides what follows from doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It came out.
    Printed(Evidence),
    /// Nobody can know.
    Unknown(Doubt),
}

/// A ticket that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTicket {
    /// Which ticket.
    pub ticket: TicketId,
    /// In a few words.
    pub title: String,
    /// Where it was printed last.
    pub printer: PrinterName,
    /// Begun attempts.
    pub attempts: u16,
    /// Since when it waits.
    pub since: UnixMs,
}

/// What is known of a unit from experience; `GS I` is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Profile {
    /// It has answered a real-time status query.
    pub answered: bool,
    /// It has answered a fence.
    pub fenced: bool,
}

/// Why there is no spool, or no answer from it.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The folder or a file in it cannot be made.
    #[error("cannot use {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("{path} is in use by another agent")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// SQLite before 3.51.3 can corrupt a WAL when it is reset.
    #[error("SQLite {found} is too old, 3.51.3 is needed")]
    SqliteTooOld {
        /// The version that is linked.
        found: &'static str,
    },
    /// The database was written by a newer program.
    #[error("the spool has schema {found}, this program knows {known}")]
    SchemaTooNew {
        /// What it has.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The printers make no sense.
    #[error("printers: {reason}")]
    Printers {
        /// What is wrong.
        reason: String,
    },
    /// A database operation failed.
    #[error("cannot {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// The system gave no random bytes.
    #[error("no random bytes for the spool's id")]
    Random,
    /// The storage thread has ended.
    #[error("the spool is closed")]
    Closed,
}

impl SpoolError {
    /// The code that logs and interfaces show.
    pub fn code(&self) -> &'static str {
        match self {
            SpoolError::Folder { .. } => "spool-folder",
            SpoolError::InUse { .. } => "spool-in-use",
            SpoolError::SqliteTooOld { .. } => "spool-sqlite",
            SpoolError::SchemaTooNew { .. } => "spool-schema",
            SpoolError::Printers { .. } => "spool-printers",
            SpoolError::Database { .. } => "spool-database",
            SpoolError::Random => "spool-random",
            SpoolError::Closed => "spool-closed",
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(&self) -> (&'static str, &'static str) {
        match self {
            SpoolError::Folder { .. } => {
                ("数据目录不能用:检查路径和权限", "the data folder cannot be used: check path and rights")
            }
            SpoolError::InUse { .. } => (
                "另一个程序实例正在使用数据目录:先关掉它",
                "another agent uses the data folder: stop it first",
            ),
            SpoolError::SqliteTooOld { .. } => {
                ("程序构建有误:请重新安装", "this program was built wrongly: install it again")
            }
            SpoolError::SchemaTooNew { .. } => {
                ("数据由更新的版本写入:请更新程序", "a newer version wrote the data: update the agent")
            }
            SpoolError::Printers { .. } => {
                ("打印机配置有误:改正配置文件", "the printers are misconfigured: mend the configuration")
            }
            SpoolError::Database { .. } => (
                "数据库出错:检查磁盘空间和磁盘状态",
                "the database failed: check the disk and its free space",
            ),
            SpoolError::Random => ("系统随机数不可用:重启电脑", "no random numbers: restart the PC"),
            SpoolError::Closed => ("程序正在退出", "the agent is stopping"),
        }
    }
}
