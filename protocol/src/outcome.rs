//! What came of a ticket, and how it is known.

use crate::boxes::Boxes;
use crate::ids::{PrinterName, TicketId, UnixMs};
use serde::{Deserialize, Serialize};

/// How it is known that a ticket came out, best last, so that grades compare. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Evidence {
    /// A spooler of the operating system took the job.
    Spooled,
    /// The operating system took the bytes.
    Sent,
    /// The printer was without fault after it had drained.
    Status,
    /// The printer confirmed that everything before the fence is printed.
    Fence,
}

impl Evidence {
    /// The grade of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Evidence::Spooled, Evidence::Sent, Evidence::Status, Evidence::Fence]
            .into_iter()
            .find(|evidence| evidence.as_str() == name)
    }

    /// The name in storage and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Evidence::Spooled => "spooled",
            Evidence::Sent => "sent",
            Evidence::Status => "status",
            Evidence::Fence => "fence",
        }
    }
}

/// Why an attempt ended without evidence, or a ticket waits for a person. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doubt {
    /// The connection was lost after the first byte and before the fence.
    ConnectionLost,
    /// The agent ended after the first byte and before the fence.
    AgentEnded,
    /// The PC lost power while the ticket may have been printing.
    PowerLost,
    /// The printer fell silent after the first byte.
    PrinterSilent,
    /// It was not begun before it was of no more use: no byte of this attempt has left.
    Expired,
}

impl Doubt {
    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Doubt::ConnectionLost, Doubt::AgentEnded, Doubt::PowerLost, Doubt::PrinterSilent, Doubt::Expired]
            .into_iter()
            .find(|doubt| doubt.as_str() == name)
    }

    /// The name in storage and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Doubt::ConnectionLost => "connection-lost",
            Doubt::AgentEnded => "agent-ended",
            Doubt::PowerLost => "power-lost",
            Doubt::PrinterSilent => "printer-silent",
            Doubt::Expired => "expired",
        }
    }
}

/// What came of one attempt. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It came out.
    Printed(Evidence),
    /// Nobody can know whether it came out; it is printed again, marked 补打.
    Unknown(Doubt),
    /// It waits for a person: nobody can know whether it came out, or it is of no more use ([`Doubt::Expired`]).
    Held(Doubt),
    /// It waited for a person, who has said that nothing more is to be printed of it: it came out, or nobody needs it.
    Settled,
}

/// What an agent reports of a ticket. The hub takes it once for each (ticket, attempt, held or not).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketReport {
    /// Which ticket.
    pub ticket: TicketId,
    /// Which attempt, from 1.
    pub attempt: u16,
    /// How often it bears 补打: 0 is an unmarked first print.
    pub repeat: u16,
    /// Where it was printed.
    pub printer: PrinterName,
    /// The printer that it was meant for, where its backup printed it.
    pub meant_for: Option<PrinterName>,
    /// What came of it.
    pub outcome: Outcome,
    /// What of it came out as boxes, where it came out; `None` where that is not known: nothing was begun, or the agent
    /// that had made its bytes has ended.
    pub boxes: Option<Boxes>,
    /// When the first byte left, by the agent's clock.
    pub began_at: UnixMs,
    /// When the outcome was known, by the agent's clock.
    pub ended_at: UnixMs,
}
