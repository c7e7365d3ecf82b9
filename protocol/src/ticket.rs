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
    /// 退菜单: the order, or a part of it, is cancelled.
    Cancel,
    /// 加菜单: what was added to an order.
    Added,
    /// 结账单: the bill for a guest.
    Bill,
    /// 标签: the label of a cup or a box.
    Label,
    /// 预订单: an order for a later time.
    Booking,
    /// 测试页: shows that a printer prints, and how.
    Test,
}

impl TicketKind {
    /// Each of them.
    pub const ALL: [TicketKind; 9] = [
        TicketKind::Front,
        TicketKind::Kitchen,
        TicketKind::Urge,
        TicketKind::Cancel,
        TicketKind::Added,
        TicketKind::Bill,
        TicketKind::Label,
        TicketKind::Booking,
        TicketKind::Test,
    ];

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name in storage, logs and ids.
    pub fn as_str(self) -> &'static str {
        match self {
            TicketKind::Front => "front",
            TicketKind::Kitchen => "kitchen",
            TicketKind::Urge => "urge",
            TicketKind::Cancel => "cancel",
            TicketKind::Added => "added",
            TicketKind::Bill => "bill",
            TicketKind::Label => "label",
            TicketKind::Booking => "booking",
            TicketKind::Test => "test",
        }
    }

    /// The name that staff use.
    pub fn title(self) -> &'static str {
        match self {
            TicketKind::Front => "外卖单",
            TicketKind::Kitchen => "厨打单",
            TicketKind::Urge => "催菜单",
            TicketKind::Cancel => "退菜单",
            TicketKind::Added => "加菜单",
            TicketKind::Bill => "结账单",
            TicketKind::Label => "标签",
            TicketKind::Booking => "预订单",
            TicketKind::Test => "测试页",
        }
    }
}

/// Copies of one ticket at most.
pub const COPIES_MAX: u8 = 9;

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
    /// It is printed before tickets that are not.
    pub urgent: bool,
    /// How many of it are printed, 1 to [`COPIES_MAX`].
    pub copies: u8,
    /// When it is of no more use: not begun by then, it waits for a person.
    pub expires_at: Option<UnixMs>,
    /// What is printed.
    pub document: Document,
}
