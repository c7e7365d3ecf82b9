//! Help from headquarters: what may be asked of an agent, what came of it, and how a bundle of diagnostics travels.
//!
//! A [`HelpRequest`] is a sequenced item and its [`HelpOutcome`] a sequenced report, so neither is lost. It is done once at
//! most: the agent stores that it begins before it does. And it is not done late: what an agent finds after
//! [`HelpRequest::until`] is refused as expired, so that a restart that was asked for while a store was closed does not
//! happen in its rush hour.
//!
//! A bundle is far larger than anything else that an agent sends, and the least urgent. It goes in parts of at most
//! [`PART_BYTES_MAX`], each of which the hub has on its disk before the next one leaves; so there is never more than one
//! in front of an acknowledgement, on any line and over either transport, and a new connection goes on where the last
//! one broke. Rejected: a QUIC stream of its own at a lower priority, which TLS over TCP does not have, and which a slow
//! line's buffers know nothing of.

use crate::ids::{PrinterName, TicketId, UnixMs};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The largest part of a bundle: half a second of a line of 64 kbit/s.
pub const PART_BYTES_MAX: usize = 4 * 1024;
/// The largest bundle.
pub const BUNDLE_BYTES_MAX: usize = 512 * 1024;
/// The longest time for which a log level may be asked.
pub const LOG_MINUTES_MAX: u16 = 240;

/// A request for help, drawn by the hub.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HelpId([u8; 16]);

impl HelpId {
    /// Takes the bytes as they are.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        HelpId(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for HelpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for HelpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HelpId({self})")
    }
}

/// What headquarters asks of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelpRequest {
    /// Which request this is.
    pub id: HelpId,
    /// By the hub's clock: not to be begun later.
    pub until: UnixMs,
    /// What is asked for.
    pub what: Help,
}

/// What can be asked for. Append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Help {
    /// A bundle of diagnostics.
    Bundle,
    /// A test page.
    TestPage {
        /// Of which printer.
        printer: PrinterName,
    },
    /// A ticket again, marked as if a person in the store had asked.
    Reprint {
        /// Which.
        ticket: TicketId,
        /// Where, if not on its own printer.
        printer: Option<PrinterName>,
    },
    /// A new start of the program.
    Restart,
    /// More in the log for a while. A new start ends it.
    LogLevel {
        /// How much.
        level: LogLevel,
        /// For how long, at most [`LOG_MINUTES_MAX`].
        minutes: u16,
    },
}

impl Help {
    /// As commands and lists name it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Help::Bundle => "bundle",
            Help::TestPage { .. } => "test-page",
            Help::Reprint { .. } => "reprint",
            Help::Restart => "restart",
            Help::LogLevel { .. } => "log-level",
        }
    }
}

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Help::Bundle | Help::Restart => Ok(()),
            Help::TestPage { printer } => write!(f, " {printer}"),
            Help::Reprint { ticket, printer: None } => write!(f, " {ticket}"),
            Help::Reprint { ticket, printer: Some(printer) } => write!(f, " {ticket} {printer}"),
            Help::LogLevel { level, minutes } => write!(f, " {} {minutes} min", level.as_str()),
        }
    }
}

/// How much is logged. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    /// What is logged anyway.
    Info,
    /// Every step.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As commands and lists name it.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [LogLevel::Info, LogLevel::Debug, LogLevel::Trace].into_iter().find(|level| level.as_str() == name)
    }
}

/// What came of a request. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HelpOutcome {
    /// It was done: the bundle is at the hub, the page or the ticket is in its queue, the program runs anew, the level
    /// holds.
    Done,
    /// It came after its time and was not begun.
    Expired,
    /// The store has no such printer.
    UnknownPrinter,
    /// The store has no such ticket (any more).
    UnknownTicket,
    /// The ticket has not come out yet: it waits already, or is printing.
    TicketWaiting,
    /// It was begun, and the program ended before it knew what came of it. It is not begun again.
    Interrupted,
    /// It was tried and did not work: the agent's log says why.
    Failed,
}

impl HelpOutcome {
    /// The code that lists show.
    pub fn code(self) -> &'static str {
        match self {
            HelpOutcome::Done => "done",
            HelpOutcome::Expired => "help-expired",
            HelpOutcome::UnknownPrinter => "printer-unknown",
            HelpOutcome::UnknownTicket => "ticket-unknown",
            HelpOutcome::TicketWaiting => "ticket-waiting",
            HelpOutcome::Interrupted => "help-interrupted",
            HelpOutcome::Failed => "help-failed",
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            HelpOutcome::Done => ("已完成", "done"),
            HelpOutcome::Expired => (
                "到门店时已过时限,没有执行:需要就再请求一次",
                "it came too late and was not begun: ask again",
            ),
            HelpOutcome::UnknownPrinter => {
                ("门店没有这台打印机:在门店页看名称", "no such printer: see the store's page for its names")
            }
            HelpOutcome::UnknownTicket => {
                ("门店没有这张小票:可能已过保存期", "no such ticket there: it may have gone with its time")
            }
            HelpOutcome::TicketWaiting => {
                ("小票还没打出来,正在排队或打印", "it has not come out yet: it waits or is printing")
            }
            HelpOutcome::Interrupted => (
                "执行中程序被结束,结果不明,不会重做:先看一看,需要就再请求",
                "the program ended in the middle of it; it is not done again: look, then ask again",
            ),
            HelpOutcome::Failed => {
                ("没有成功:看门店程序的日志", "it did not work: see the log of the store's program")
            }
        }
    }

    /// The outcome of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        [
            HelpOutcome::Done,
            HelpOutcome::Expired,
            HelpOutcome::UnknownPrinter,
            HelpOutcome::UnknownTicket,
            HelpOutcome::TicketWaiting,
            HelpOutcome::Interrupted,
            HelpOutcome::Failed,
        ]
        .into_iter()
        .find(|outcome| outcome.code() == code)
    }
}

/// A part of a bundle, from an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundlePart {
    /// Which request asked for it.
    pub help: HelpId,
    /// Where it begins.
    pub offset: u32,
    /// How long the whole bundle is, at most [`BUNDLE_BYTES_MAX`].
    pub total: u32,
    /// At most [`PART_BYTES_MAX`].
    pub bytes: Vec<u8>,
}

/// How much of a bundle the hub has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleTaken {
    /// Which request asked for it.
    pub help: HelpId,
    /// So many bytes are on its disk, where the next part is to begin; `None` where it takes no such bundle.
    pub up_to: Option<u32>,
}
