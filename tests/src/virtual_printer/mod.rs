//! A receipt printer without paper: bytes in over TCP, a serial line or USB, receipts as text and images out.
//!
//! It is what Docket is tested, measured and shown with, so it behaves as a device on a counter does, also
//! when that is inconvenient: a finite buffer that stops reading, answers that wait for the paper, one
//! connection at a time, an automatic status that `ESC @` switches off. Whatever a driver sends that a
//! printer would not understand is flagged on the receipt.
//!
//! * [`options`]: what kind of printer it is, [`quirks`]: in what it differs from its maker's reference. [`fault`]: what
//!   can be made to go wrong, also by command line.
//! * `command`, `interpreter` (with `modes`, `line`, `symbol`): ESC/POS, bytes in, things to do out.
//! * `device` (with `realtime`, `status`, `sheet`): buffer, speed, sensors, faults, fences; given the time.
//! * [`receipt`] (with `paper`): what was printed. [`font`], [`render`]: as an image.
//! * [`server`]: the shell. `wire`: what it is connected by, that is `tcp`, [`serial`] (a pty) or [`usb`] (a real
//!   gadget). [`control`]: fault commands over TCP.
//!
//! Interpreter and device do no I/O. A benchmark prints thousands of receipts a second, so nothing is decoded
//! or drawn before somebody asks for it.

mod command;
pub mod control;
mod device;
pub mod fault;
pub mod font;
mod interpreter;
mod line;
mod modes;
pub mod options;
mod paper;
pub mod quirks;
mod realtime;
pub mod receipt;
pub mod render;
#[cfg(target_os = "linux")]
pub mod serial;
pub mod server;
mod sheet;
pub mod status;
mod symbol;
mod tcp;
#[cfg(test)]
mod tests;
#[cfg(target_os = "linux")]
pub mod usb;
mod wire;

pub use fault::{CommandError, Fault};
pub use font::{Font, FontError};
pub use options::{PaperWidth, PrinterOptions};
pub use quirks::{PROFILES, Profile, Quirks};
pub use receipt::{Flag, FlagKind, Kick, Line, Receipt};
#[cfg(target_os = "linux")]
pub use serial::{Handshake, SerialOptions};
pub use server::{Plug, VirtualPrinter};
pub use status::{Conditions, Paper, Status};
#[cfg(target_os = "linux")]
pub use usb::UsbOptions;
