//! How far a ticket has come, as the hub knows it.

/// A ticket's state at the hub. The numbers are stored: append only, and a higher one is nearer its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TicketState {
    /// The store has no agent yet.
    NoAgent = 0,
    /// In an agent's outbox.
    Queued = 1,
    /// In the agent's spool.
    Spooled = 2,
    /// It may have come out; it is printed again, marked.
    Unknown = 3,
    /// It may have come out; it waits for a person.
    Held = 4,
    /// It came out.
    Printed = 5,
    /// A person in the store has said that nothing more is to be printed.
    Settled = 6,
}

impl TicketState {
    /// The state of that number.
    pub fn from_number(number: i64) -> Option<Self> {
        use TicketState::{Held, NoAgent, Printed, Queued, Settled, Spooled, Unknown};
        [NoAgent, Queued, Spooled, Unknown, Held, Printed, Settled]
            .into_iter()
            .find(|state| *state as i64 == number)
    }

    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            TicketState::NoAgent => "no-agent",
            TicketState::Queued => "queued",
            TicketState::Spooled => "spooled",
            TicketState::Unknown => "unknown",
            TicketState::Held => "held",
            TicketState::Printed => "printed",
            TicketState::Settled => "settled",
        }
    }
}
