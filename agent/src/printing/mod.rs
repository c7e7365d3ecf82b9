//! Printing: from a claimed ticket to paper, and how that is known.
//!
//! * [`docket_paper`] lays tickets out and makes their bytes.
//! * [`status`]: what a printer's bytes mean. [`asking`]: how it is asked. [`health`]: what is wrong with it, and since
//!   when. [`flapping`]: what of that people are told.
//! * [`profile`]: what one unit can do, and how that is known.
//! * [`job`]: the machine that decides when a ticket may begin and when it is done; no I/O, no clock. [`fence`]: what
//!   proves that it is.
//! * [`journal`]: what of it survives a crash.
//! * [`queue`], [`lan`]: the shell: one task for each printer, one connection, one job in flight.
//!
//! The next ticket's first byte leaves only when the former's fence is in: were two in flight, a lost
//! connection would leave both unknown.

pub mod asking;
pub mod fence;
pub mod flapping;
pub mod health;
pub mod job;
pub mod journal;
pub mod lan;
pub mod profile;
pub mod queue;
pub mod status;

pub use docket_paper::Paper;
pub use queue::{run_printer, unknown_health};

use docket_protocol::ids::PrinterName;

/// A printer as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrinterConfig {
    /// Its name.
    pub name: PrinterName,
    /// `host` or `host:port`; the port is 9100 where none is given.
    pub address: String,
    /// What is in it.
    pub paper: Paper,
    /// Stations whose tickets it prints.
    pub stations: Vec<String>,
    /// Whether it prints what maps nowhere.
    pub default: bool,
    /// What a person has decided about the unit.
    pub profile: profile::Pins,
}

impl PrinterConfig {
    /// What names the unit in the spool: another address may be another unit.
    pub fn unit(&self) -> String {
        format!("{}@{}", self.name, self.address)
    }
}
