//! Printing: from a claimed ticket to paper, and how that is known.
//!
//! * [`layout`], [`text`], [`escpos`]: a document becomes lines for a width, and lines become bytes.
//! * [`status`]: what a printer's bytes mean. [`health`]: what is wrong with it, and since when.
//! * [`job`]: the machine that decides when a ticket may begin and when it is done; no I/O, no clock. [`fence`]: what
//!   proves that it is.
//! * [`journal`]: what of it survives a crash.
//! * [`queue`], [`lan`]: the shell: one task for each printer, one connection, one job in flight.
//!
//! The next ticket's first byte leaves only when the former's fence is in: were two in flight, a lost
//! connection would leave both unknown.

pub mod escpos;
pub mod fence;
pub mod health;
pub mod job;
pub mod journal;
pub mod lan;
pub mod layout;
pub mod queue;
pub mod status;
pub mod text;

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
}

/// Width of the paper, and so of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// 80 mm: 48 columns, 576 dots.
    Mm80,
    /// 58 mm: 32 columns, 384 dots.
    Mm58,
}

impl Paper {
    /// Columns of normal characters in a line.
    pub fn columns(self) -> u16 {
        match self {
            Paper::Mm80 => 48,
            Paper::Mm58 => 32,
        }
    }

    /// Dots in a line.
    pub fn dots(self) -> u16 {
        match self {
            Paper::Mm80 => 576,
            Paper::Mm58 => 384,
        }
    }
}
