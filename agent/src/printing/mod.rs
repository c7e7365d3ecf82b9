//! Printing: from a claimed ticket to paper, and how that is known.
//!
//! * [`docket_paper`] lays tickets out and makes their bytes; [`slip`]: with which marks, and how often.
//! * [`status`]: what a printer's bytes mean. [`asking`]: how it is asked. [`health`]: what is wrong with it, and since
//!   when. [`flapping`]: what of that people are told.
//! * [`profile`]: what one unit can do, and how that is known.
//! * [`job`]: the machine that decides when a ticket may begin and when it is done; no I/O, no clock. [`fence`]: what
//!   proves that it is.
//! * [`journal`]: what of it survives a crash.
//! * [`queue`]: the shell: one task for each printer, one connection, one job in flight. [`transport`]: every way
//!   to a printer behind one interface.
//!
//! The next ticket's first byte leaves only when the former's fence is in: were two in flight, a lost
//! connection would leave both unknown.

pub mod asking;
pub mod fence;
pub mod flapping;
pub mod health;
pub mod job;
pub mod journal;
pub use docket_settings::profile;
pub mod queue;
pub mod slip;
pub mod status;
pub mod transport;

pub use docket_paper::Paper;
pub use queue::{Kept, SHUTDOWN_MS_MAX, run_printer, unknown_health};
pub use transport::Address;

use docket_protocol::ids::PrinterName;
use transport::UsbUnit;

/// A printer as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrinterConfig {
    /// Its name.
    pub name: PrinterName,
    /// How it is reached.
    pub address: Address,
    /// What is in it.
    pub paper: Paper,
    /// Stations whose tickets it prints.
    pub stations: Vec<String>,
    /// Whether it prints what maps nowhere.
    pub default: bool,
    /// What a person has decided about the unit.
    pub profile: profile::Pins,
    /// As which USB printers the others are written: this one is none of those.
    pub others: Vec<(PrinterName, UsbUnit)>,
}

impl PrinterConfig {
    /// Whether nothing differs for which its connection would have to be another one.
    pub fn is_same_unit(&self, other: &PrinterConfig) -> bool {
        let of = |config: &PrinterConfig| {
            (config.name.clone(), config.address.clone(), config.paper, config.profile.clone())
        };
        of(self) == of(other)
    }
}
