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
//! # One queue a printer
//! Urgent tickets come first, then the order of arrival. A queue is a printer's own; while that printer cannot
//! print, its backup takes from it (`backup`). What is of no more use by the time that a ticket names waits
//! for a person (`expiry`); that time is by the hub's clock (`hub_clock`). A person can tell a printer to wait, and
//! have any ticket printed again (`people`). All of it is in the tables: a crash between any two steps changes nothing
//! of it.
//!
//! # What survives what
//! * A claimed ticket without an outcome *may* have been printed, as far as the database knows.
//! * After `kill -9` the print journal ([`crate::printing::journal`]), which is written without fsync, tells
//!   exactly which of the claimed tickets began and which are on paper; the page cache survives the process.
//! * After a power cut (another boot) the journal may lack its last records, so a claimed ticket is
//!   *unknown* unless a record says that it came out. Unknown is never silent: it is reported, and the
//!   ticket is printed again marked 补打, or waits for a person.
//! * A printed ticket's row stays for [`RETENTION_DAYS`] days, and the newest
//!   [`KEPT_TICKETS_MIN`] in any case, so a ticket that is delivered again is known by its key.
//!
//! # The bound
//! Near [`SPOOL_BYTES_MAX`] the oldest tickets go before their time, if they are printed and the hub knows it. What is
//! not, stays: then people are told ([`Storing::Filling`]), and at the bound nothing new is taken. What is stored is
//! printed and reported all the same.
//!
//! # The disk is full
//! Nothing is acknowledged, the commands stay and are tried again every second, [`Counts::storing`] says so.
//! Reading goes on, and so does printing. What the hub delivers again meanwhile is kept once. At most [`COMMANDS_MAX`]
//! commands wait; then their senders do, and the link reads nothing more from the hub.
//!
//! # However long a queue is
//! No statement that a commit runs walks a queue: each finds its rows by an index, and counts are kept beside the
//! cursors. So a hundred thousand waiting tickets cost disk, and neither memory nor time.
//!
//! Rejected: one row with state and payload in it (each change of state would write the payload again); a
//! queue in memory beside the one in the table (two truths); deleting acknowledged reports at once (a third
//! fsync for each ticket: deletions ride along with the next transaction).

mod backup;
mod claims;
mod command;
pub mod counter;
mod error;
mod examine;
mod expiry;
mod handle;
mod help;
pub mod hub_clock;
mod opening;
mod outbox;
mod people;
mod recovery;
mod schema;
mod settings;
mod store;
mod storing;
mod view;
mod work;
mod writer;

pub use docket_protocol::session::Cursors;
pub use error::SpoolError;
pub use examine::{Examined, examine_in};
pub use handle::{ClaimPort, Pending, Spool};
pub use people::Reprint;
pub use recovery::{Verdict, judge};
pub use storing::Storing;
pub use view::{HeldTicket, RecentTicket, TicketState, recent_in, units_in};

use docket_protocol::boxes::Boxes;
use docket_protocol::ids::{PrinterName, TicketId, UnixMs};
use docket_protocol::outcome::{Doubt, Evidence};
use docket_protocol::ticket::Ticket;

/// Days for which printed tickets are kept: a platform's disputes are settled by then.
pub const RETENTION_DAYS: u32 = 30;
/// The newest tickets, which stay however old they seem: a PC's clock may have been years behind when they were printed.
/// A busy store's day.
pub const KEPT_TICKETS_MIN: u32 = 2_000;
/// Begun attempts without evidence after which a ticket waits for a person.
pub const ATTEMPTS_MAX: u16 = 3;
/// How long a printer cannot print until its backup takes its tickets: a roll of paper is changed by then.
pub const BACKUP_AFTER_MS: u64 = 30_000;
/// Tickets that one printer holds at most, begun or not.
pub const CLAIMS_MAX: u32 = 32;
/// Commands that wait for the storage thread at most; then their senders wait.
pub const COMMANDS_MAX: usize = 1_024;
/// The largest database: years of tickets of a busy store, and far below what an old PC has. What comes of the tickets
/// in it has an eighth more.
pub const SPOOL_BYTES_MAX: u64 = 1 << 30;

/// How much of that is in use, in percent, when what is printed and reported goes before its time.
pub const RETAIN_PERCENT: u64 = 75;
/// When people are told that it fills up: what is in it could not go.
pub const FILLING_PERCENT: u64 = 80;

/// What a spool needs to know of the store.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// The printers; exactly one is the default.
    pub printers: Vec<PrinterRoute>,
    /// Which boot of the PC this is; `None` where that cannot be known, which counts as another one.
    pub boot_id: Option<String>,
    /// What to do with a ticket that may have come out.
    pub on_unknown: OnUnknown,
    /// See [`BACKUP_AFTER_MS`].
    pub backup_after_ms: u64,
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
            backup_after_ms: BACKUP_AFTER_MS,
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
    /// The printer that takes its tickets while it cannot print.
    pub backup: Option<PrinterName>,
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
    /// Whether what comes can be stored.
    pub storing: Storing,
    /// [`Counts::waiting`] by printer, in the order of the options.
    pub printers: Vec<(PrinterName, u32)>,
    /// Printers that a person has told to wait, and since when.
    pub paused: Vec<(PrinterName, UnixMs)>,
}

impl Counts {
    /// How many tickets wait for a printer.
    pub fn waiting_for(&self, printer: &PrinterName) -> u32 {
        self.printers.iter().find(|(name, _)| name == printer).map_or(0, |&(_, waiting)| waiting)
    }

    /// Since when a printer waits as a person has told it.
    pub fn paused_since(&self, printer: &PrinterName) -> Option<UnixMs> {
        self.paused.iter().find(|(paused, _)| paused == printer).map(|&(_, since)| since)
    }
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
    /// The printer that it is meant for, where this one is its backup.
    pub backup_for: Option<PrinterName>,
}

/// What came of a begun attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Which ticket.
    pub ticket: TicketId,
    /// Which attempt.
    pub attempt: u16,
    /// How often it bore 补打.
    pub repeat: u16,
    /// What came of it.
    pub ending: Ending,
    /// What of it came out as boxes; `None` for an attempt of an earlier life.
    pub boxes: Option<Boxes>,
    /// Whether it was longer than a ticket may be, as far as that is known.
    pub cut_short: bool,
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
