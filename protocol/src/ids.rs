//! Identifiers, money and time as every part of Docket writes them.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The namespace of ticket ids: a random UUID chosen once, never to be changed.
const TICKET_NAMESPACE: Uuid = Uuid::from_u128(0x5d0c_3e7a_41f6_4b0e_9a57_27c1_88d4_6fb3);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A store as the chain names it, e.g. `S0042`.
    StoreId
);
text_id!(
    /// An enrolled agent: one identity on one cashier PC.
    AgentId
);
text_id!(
    /// A printer as the store names it, e.g. `front`.
    PrinterName
);
text_id!(
    /// A place of work that gets tickets of its own, e.g. `kitchen`, `bar`, `front`.
    Station
);

/// Where an order was placed. Append only: the number goes over the wire and into ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Platform {
    /// Meituan Waimai, interface version 1.
    Meituan,
    /// The store's own counter: an order of the software on its cashier PC.
    Counter,
}

impl Platform {
    /// The name in storage, logs and ids.
    pub fn as_str(self) -> &'static str {
        match self {
            Platform::Meituan => "meituan",
            Platform::Counter => "counter",
        }
    }

    /// The platform of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "meituan" => Some(Platform::Meituan),
            "counter" => Some(Platform::Counter),
            _ => None,
        }
    }

    /// The name on a ticket.
    pub fn title(self) -> &'static str {
        match self {
            Platform::Meituan => "美团外卖",
            Platform::Counter => "柜台",
        }
    }
}

/// An order's name: unique for as long as orders are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// Where the order was placed.
    pub platform: Platform,
    /// The platform's own id. Text, since such ids exceed 2^53.
    pub id: String,
}

impl OrderKey {
    /// The key of what an agent's counter has submitted under a key of its own, which holds no slash. Unique over the
    /// chain, since agents' ids are.
    pub fn of_counter(agent: &AgentId, key: &str) -> Self {
        OrderKey { platform: Platform::Counter, id: format!("{agent}/{key}") }
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.platform.as_str(), self.id)
    }
}

/// A ticket's name, derived from what it is for, so that making it twice makes nothing twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TicketId([u8; 16]);

impl TicketId {
    /// The id of the ticket for (order, kind, station, revision): a version 5 UUID (RFC 9562).
    pub fn derive(
        order: &OrderKey,
        kind: crate::ticket::TicketKind,
        station: &Station,
        revision: u32,
    ) -> Self {
        // A tab can be in none of the parts: control characters are refused where orders are decoded.
        let name = format!("{order}\t{}\t{station}\t{revision}", kind.as_str());
        Self(Uuid::new_v5(&TICKET_NAMESPACE, name.as_bytes()).into_bytes())
    }

    /// From what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(|id| Self(id.into_bytes()))
    }

    /// The id of one of several tickets for the same (order, kind, station, revision): a slip for each dish, a label
    /// for each cup. `part` counts from 1.
    pub fn derive_part(
        order: &OrderKey,
        kind: crate::ticket::TicketKind,
        station: &Station,
        part: u32,
        revision: u32,
    ) -> Self {
        // One tab more than in `derive`: no part of a ticket can have the id of a whole one.
        let name = format!("{order}\t{}\t{station}\t{part}\t{revision}", kind.as_str());
        Self(Uuid::new_v5(&TICKET_NAMESPACE, name.as_bytes()).into_bytes())
    }

    /// From stored bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// To stored bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Uuid::from_bytes(self.0).hyphenated())
    }
}

impl fmt::Debug for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in one direction of the link's sequence. The first item is 1; 0 is "nothing yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An amount of money in fen (0.01 yuan).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fen(pub i64);

impl fmt::Display for Fen {
    /// As yuan with two decimals: `61.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", fen / 100, fen % 100)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, by the clock of whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// Milliseconds from `earlier` to this; 0 where a clock went backwards.
    pub fn since(self, earlier: UnixMs) -> u64 {
        self.0.saturating_sub(earlier.0).max(0).unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::TicketKind;

    #[test]
    fn a_ticket_id_never_changes() {
        let order = OrderKey { platform: Platform::Meituan, id: "27057681346841638".into() };
        let id =
            |kind, station: &str, revision| TicketId::derive(&order, kind, &Station::new(station), revision);
        let front = id(TicketKind::Front, "front", 0);
        assert_eq!(front.to_string(), "8bf94dec-31fc-5d2d-a43d-aaf7027d78c8");
        assert_eq!(TicketId::parse(&front.to_string()), Some(front));
        assert_eq!(TicketId::parse("8bf94dec"), None);
        assert_ne!(id(TicketKind::Front, "front", 0), id(TicketKind::Front, "front", 1));
        assert_ne!(id(TicketKind::Front, "front", 0), id(TicketKind::Kitchen, "front", 0));
        assert_ne!(id(TicketKind::Kitchen, "bar", 0), id(TicketKind::Kitchen, "kitchen", 0));
        let part = |station: &str, part, revision| {
            TicketId::derive_part(&order, TicketKind::Kitchen, &Station::new(station), part, revision)
        };
        assert_eq!(part("bar", 1, 0).to_string(), "ddd013ff-4a96-50b2-a928-e3cf5b5ce5f9");
        assert_ne!(part("bar", 1, 0), part("bar", 0, 1));
        assert_ne!(part("bar", 1, 0), id(TicketKind::Kitchen, "bar", 0));
        assert_ne!(part("bar", 1, 0), id(TicketKind::Kitchen, "bar", 1));
    }

    #[test]
    fn a_counters_key_names_its_agent() {
        let key = OrderKey::of_counter(&AgentId::new("s0042-1a2b3c4d"), "till-1.17");
        assert_eq!(key.to_string(), "counter:s0042-1a2b3c4d/till-1.17");
        assert_eq!(Platform::from_name(key.platform.as_str()), Some(Platform::Counter));
    }

    #[test]
    fn fen_is_shown_as_yuan() {
        let shown: Vec<String> = [0, 5, 6100, -150].map(|fen| Fen(fen).to_string()).into();
        assert_eq!(shown, ["0.00", "0.05", "61.00", "-1.50"]);
    }
}
