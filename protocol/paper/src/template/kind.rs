//! The kinds of slips that have a template.

use docket_protocol::ticket::TicketKind;

/// A kind of slip; each has one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TemplateKind {
    /// 外卖单: the whole order, for packing and the rider. The only one that is given the recipient.
    Front,
    /// 厨打单 by station: all dishes of a station.
    Kitchen,
    /// 厨打单 by dish, 一菜一单.
    Dish,
    /// 结账单: the bill for a guest.
    Bill,
    /// 标签: the label of a cup or a box.
    Label,
    /// 催菜单
    Urge,
    /// 退菜单
    Cancel,
    /// 加菜单
    Added,
    /// 预订单
    Booking,
    /// 测试页
    Test,
}

impl TemplateKind {
    /// All of them, in the order in which people see them.
    pub const ALL: [TemplateKind; 10] = [
        TemplateKind::Front,
        TemplateKind::Kitchen,
        TemplateKind::Dish,
        TemplateKind::Bill,
        TemplateKind::Label,
        TemplateKind::Urge,
        TemplateKind::Cancel,
        TemplateKind::Added,
        TemplateKind::Booking,
        TemplateKind::Test,
    ];

    /// The name in commands, and of its file without the ending.
    pub fn as_str(self) -> &'static str {
        match self {
            TemplateKind::Front => "front",
            TemplateKind::Kitchen => "kitchen",
            TemplateKind::Dish => "dish",
            TemplateKind::Bill => "bill",
            TemplateKind::Label => "label",
            TemplateKind::Urge => "urge",
            TemplateKind::Cancel => "cancel",
            TemplateKind::Added => "added",
            TemplateKind::Booking => "booking",
            TemplateKind::Test => "test",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What staff call it.
    pub fn title(self) -> &'static str {
        match self {
            TemplateKind::Dish => "厨打单(一菜一单)",
            kind => kind.ticket().title(),
        }
    }

    /// The name of its file in a chain's folder.
    pub fn file(self) -> String {
        format!("{}{FILE_ENDING}", self.as_str())
    }

    /// The kind of the ticket that is printed with it.
    pub fn ticket(self) -> TicketKind {
        match self {
            TemplateKind::Front => TicketKind::Front,
            TemplateKind::Kitchen | TemplateKind::Dish => TicketKind::Kitchen,
            TemplateKind::Bill => TicketKind::Bill,
            TemplateKind::Label => TicketKind::Label,
            TemplateKind::Urge => TicketKind::Urge,
            TemplateKind::Cancel => TicketKind::Cancel,
            TemplateKind::Added => TicketKind::Added,
            TemplateKind::Booking => TicketKind::Booking,
            TemplateKind::Test => TicketKind::Test,
        }
    }

    /// What stands before the title and the dishes of a slip that follows an order.
    pub fn prefix(self) -> &'static str {
        match self {
            TemplateKind::Urge => "(催)",
            TemplateKind::Cancel => "(退)",
            TemplateKind::Added => "(加)",
            TemplateKind::Front
            | TemplateKind::Kitchen
            | TemplateKind::Dish
            | TemplateKind::Bill
            | TemplateKind::Label
            | TemplateKind::Booking
            | TemplateKind::Test => "",
        }
    }

    /// Its template as this program brings it.
    pub fn default_text(self) -> &'static str {
        match self {
            TemplateKind::Front => include_str!("defaults/front.jinja"),
            TemplateKind::Kitchen => include_str!("defaults/kitchen.jinja"),
            TemplateKind::Dish => include_str!("defaults/dish.jinja"),
            TemplateKind::Bill => include_str!("defaults/bill.jinja"),
            TemplateKind::Label => include_str!("defaults/label.jinja"),
            TemplateKind::Urge => include_str!("defaults/urge.jinja"),
            TemplateKind::Cancel => include_str!("defaults/cancel.jinja"),
            TemplateKind::Added => include_str!("defaults/added.jinja"),
            TemplateKind::Booking => include_str!("defaults/booking.jinja"),
            TemplateKind::Test => include_str!("defaults/test.jinja"),
        }
    }
}

/// How the names of templates' files end.
pub const FILE_ENDING: &str = ".jinja";
