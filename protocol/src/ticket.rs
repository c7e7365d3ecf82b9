//! A ticket: one slip of paper that has to come out of one printer.

use crate::document::Document;
use crate::ids::{OrderKey, Station, TicketId, UnixMs};
use serde::{Deserialize, Serialize};

/// What a ticket is for. Append only: the number goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TicketKind {
    /// 外卖单: the whole order with prices, for packing and the rider.
    Front,
    /// 厨打单: what one station has to make.
    Kitchen,
    /// 催菜单: the customer asks where it stays.
    Urge,
    /// 退菜单: the order is cancelled.
    Cancel,
}

impl TicketKind {
    /// The name in storage, logs and ids.
    pub fn as_str(self) -> &'static str {
        match self {
            TicketKind::Front => "front",
            TicketKind::Kitchen => "kitchen",
            TicketKind::Urge => "urge",
            TicketKind::Cancel => "cancel",
        }
    }

    /// The name that staff use.
    pub fn title(self) -> &'static str {
        match self {
            TicketKind::Front => "外卖单",
            TicketKind::Kitchen => "厨打单",
            TicketKind::Urge => "催菜单",
            TicketKind::Cancel => "退菜单",
        }
    }
}

/// One slip of paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Derived, see [`TicketId::derive`].
    pub id: TicketId,
    /// The order that it belongs to.
    pub order: OrderKey,
    /// What it is for.
    pub kind: TicketKind,
    /// Where it is wanted; the agent maps stations to printers, and an unknown one to its default printer.
    pub station: Station,
    /// In a few words for queues and logs, without personal data: `美团外卖 #17`.
    pub title: String,
    /// When the hub made it.
    pub made_at: UnixMs,
    /// Another spool had this ticket before and may have printed it: print it marked 补打.
    pub maybe_printed: bool,
    /// What is printed.
    pub document: Document,
}
