//! Orders to try templates with: one that has something of everything, one that has next to nothing, one
//! that is hostile, and one as large as any that is taken. A template that fails with one of them is refused; the
//! first is what a preview shows.

use super::kind::TemplateKind;
use super::view::{Part, Slip, View};
use crate::Paper;
use crate::test_page::TestPage;
use docket_protocol::ids::{Fen, OrderKey, Platform, UnixMs};
use docket_protocol::order::{Adjustment, Cutlery, Dish, Fulfilment, Order, Recipient};

/// 2026-11-18 19:06:40 in China.
const PLACED_AT: UnixMs = UnixMs(1_795_000_000_000);
const HOUR_MS: i64 = 3_600_000;
/// No order that the hub takes has more of anything (its `platforms` say so, and a test of it compares).
pub const LARGEST: Largest = Largest {
    dishes: 300,
    choices: 50,
    adjustments: 100,
    label_chars: 200,
    text_chars: 1_000,
    pieces: 10_000,
    slips: 300,
};

/// How much there is of what an order may have several of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Largest {
    /// Dishes.
    pub dishes: usize,
    /// Choices of one dish.
    pub choices: usize,
    /// Reductions.
    pub adjustments: usize,
    /// Characters of a name or a choice.
    pub label_chars: usize,
    /// Characters of a note or an address.
    pub text_chars: usize,
    /// Pieces of one dish.
    pub pieces: u32,
    /// Slips or labels of one station: one a dish, or one a piece.
    pub slips: u32,
}

/// What a preview on this paper shows.
pub fn preview(kind: TemplateKind, paper: Paper) -> View {
    match kind {
        TemplateKind::Test => View::test_page(&test_page(paper)),
        _ => view(kind, &full(), "人民路店"),
    }
}

/// The views with which a template of this kind is tried.
pub fn views(kind: TemplateKind) -> Vec<View> {
    if kind == TemplateKind::Test {
        return vec![
            View::test_page(&test_page(Paper::Mm80)),
            View::test_page(&test_page(Paper::Mm58)),
            View::test_page(&TestPage::default()),
        ];
    }
    vec![
        view(kind, &full(), "人民路店"),
        view(kind, &ready(), "人民路店"),
        view(kind, &bare(), ""),
        view(kind, &hostile(), HOSTILE),
    ]
}

/// The largest order; a test page has none.
pub(super) fn largest(kind: TemplateKind) -> Option<View> {
    (kind != TemplateKind::Test).then(|| view(kind, &fullest(), &"店".repeat(LARGEST.label_chars)))
}

/// A slip of an order, as the hub makes it.
fn view(kind: TemplateKind, order: &Order, store: &str) -> View {
    let is_full = !order.note.is_empty();
    let is_largest = order.dishes.len() == LARGEST.dishes;
    let first = order.dishes.first().map(|dish| Dish { quantity: 1, ..dish.clone() });
    let dishes: Vec<&Dish> = match kind {
        TemplateKind::Label => first.iter().collect(),
        TemplateKind::Dish => order.dishes.iter().take(1).collect(),
        _ => order.dishes.iter().collect(),
    };
    let parts = match (kind, dishes.split_last()) {
        (_, None) => Vec::new(),
        (TemplateKind::Label | TemplateKind::Dish, Some(_)) => vec![Part { station: "", dishes }],
        (_, Some(_)) if is_largest => {
            dishes.iter().map(|&dish| Part { station: "热菜", dishes: vec![dish] }).collect()
        }
        // A slip that several stations share.
        (TemplateKind::Kitchen, Some((last, others))) if is_full && !others.is_empty() => {
            vec![
                Part { station: "热菜", dishes: others.to_vec() },
                Part { station: "饮品", dishes: vec![*last] },
            ]
        }
        (_, Some(_)) => vec![Part { station: "", dishes }],
    };
    View::slip(&Slip {
        kind,
        order,
        store,
        station: match (kind, is_full) {
            (TemplateKind::Front | TemplateKind::Bill | TemplateKind::Booking, _) => "front",
            (_, true) => "热菜",
            (_, false) => "",
        },
        parts: &parts,
        made_at: PLACED_AT,
        reason: match (is_full, is_largest) {
            (_, true) => &order.note,
            (true, false) => "顾客改变主意,电话 13800001111",
            (false, false) => "",
        },
        table: match (kind, is_full) {
            (TemplateKind::Bill | TemplateKind::Added | TemplateKind::Booking, true) => "A12",
            _ => "",
        },
        piece: match (is_full, is_largest) {
            (_, true) => (1, LARGEST.slips),
            (true, false) => (1, 3),
            (false, false) => (1, 1),
        },
    })
}

fn dish(code: &str, name: &str, quantity: u32, price_fen: i64) -> Dish {
    Dish {
        code: code.into(),
        name: name.into(),
        spec: String::new(),
        choices: Vec::new(),
        quantity,
        price: Fen(price_fen),
        box_fee: Fen(0),
        bag: 0,
    }
}

/// Something of everything: two bags, choices, a long name, an emoji, a rare character, reductions, an hour that
/// was booked.
pub fn full() -> Order {
    let choices = |choices: &[&str]| choices.iter().map(|&choice| choice.to_owned()).collect();
    Order {
        key: OrderKey { platform: Platform::Meituan, id: "27057681346841638".into() },
        shop: "S0042".into(),
        pickup_number: "17".into(),
        fulfilment: Fulfilment::Delivery,
        placed_at: PLACED_AT,
        wanted_at: Some(UnixMs(PLACED_AT.0 + HOUR_MS)),
        dishes: vec![
            Dish {
                spec: "大份".into(),
                choices: choices(&["中辣", "不要香菜", "加一份面"]),
                box_fee: Fen(200),
                ..dish("F1001", "红烧牛肉面", 2, 2_800)
            },
            dish("F9003", "招牌老坛酸菜龙利鱼配手擀宽粉双人分享套餐", 1, 8_800),
            // A character that few printers have: its line is drawn.
            dish("F9004", "油㸆大虾", 1, 4_600),
            Dish {
                choices: choices(&["少冰", "三分糖"]), bag: 1, ..dish("F2001", "杨枝甘露🥭", 3, 1_800)
            },
        ],
        adjustments: vec![
            Adjustment { name: "满100减15元".into(), amount: Fen(-1_500) },
            Adjustment { name: "会员红包".into(), amount: Fen(-300) },
            Adjustment { name: "赠送小菜1份".into(), amount: Fen(0) },
        ],
        delivery_fee: Fen(300),
        original_total: Fen(24_900),
        total: Fen(23_100),
        paid_online: true,
        note: "少放辣,不要葱🙏 到了打 13812345678".into(),
        cutlery: Some(Cutlery::Sets(2)),
        recipient: Recipient {
            name: "张(先生)".into(),
            phone: "13812340000_1234".into(),
            address: "测试小区 (3号楼 2单元 1101)".into(),
        },
        invoice_title: "某某餐饮管理有限公司".into(),
    }
}

/// As soon as possible, for who comes for it, to be paid in cash.
fn ready() -> Order {
    Order {
        fulfilment: Fulfilment::SelfPickup,
        wanted_at: None,
        paid_online: false,
        cutlery: Some(Cutlery::None),
        dishes: vec![dish("F1001", "红烧牛肉面", 1, 2_800)],
        ..full()
    }
}

/// Whatever may be missing.
fn bare() -> Order {
    Order {
        key: OrderKey { platform: Platform::Meituan, id: "1".into() },
        shop: String::new(),
        pickup_number: String::new(),
        fulfilment: Fulfilment::Delivery,
        placed_at: UnixMs(0),
        wanted_at: None,
        dishes: Vec::new(),
        adjustments: Vec::new(),
        delivery_fee: Fen(0),
        original_total: Fen(0),
        total: Fen(0),
        paid_online: true,
        note: String::new(),
        cutlery: None,
        recipient: Recipient::default(),
        invoice_title: String::new(),
    }
}

/// What a text says that would like to be more than text.
pub(super) const HOSTILE: &str = "\n[big center] x\n[cut]\n|9> y | z {{ total }} {% raw %} \\[ \u{1b}@\u{10}\u{14}\u{F0000}\u{F0001}\u{100000}\u{2028}末";

/// Every text of it is [`HOSTILE`].
fn hostile() -> Order {
    let text = || HOSTILE.to_owned();
    Order {
        key: OrderKey { platform: Platform::Meituan, id: text() },
        pickup_number: text(),
        dishes: vec![
            Dish {
                spec: text(),
                choices: vec![text(), text()],
                ..dish(HOSTILE, HOSTILE, u32::MAX, i64::MAX)
            },
            Dish { bag: u32::MAX, ..dish(HOSTILE, "", 0, i64::MIN) },
        ],
        adjustments: vec![Adjustment { name: text(), amount: Fen(i64::MIN) }],
        note: text(),
        recipient: Recipient { name: text(), phone: text(), address: text() },
        invoice_title: text(),
        ..full()
    }
}

/// As much of everything as the hub takes. Only the first dish has long texts: where all have, the slip is too long
/// before a template has shown what else it does with so many.
fn fullest() -> Order {
    let (label, text) = ("面".repeat(LARGEST.label_chars), "辣".repeat(LARGEST.text_chars));
    let dish = |place: usize| {
        let (name, choices) = if place == 0 { (label.as_str(), LARGEST.choices) } else { ("面", 2) };
        Dish {
            choices: vec![name.to_owned(); choices],
            quantity: LARGEST.pieces,
            box_fee: Fen(100),
            bag: u32::try_from(place).unwrap_or(u32::MAX),
            ..dish("F1", name, 1, 2_800)
        }
    };
    Order {
        pickup_number: label.clone(),
        dishes: (0..LARGEST.dishes).map(dish).collect(),
        adjustments: vec![Adjustment { name: "会员红包".into(), amount: Fen(-100) }; LARGEST.adjustments],
        note: text.clone(),
        recipient: Recipient { name: text.clone(), phone: text.clone(), address: text },
        invoice_title: label.clone(),
        ..full()
    }
}

/// A page of a printer with this paper.
fn test_page(paper: Paper) -> TestPage {
    TestPage {
        store: "人民路店".into(),
        printer: "前台".into(),
        address: "192.168.1.50:9100".into(),
        model: "TM-T82III".into(),
        paper_mm: match paper {
            Paper::Mm58 => 58,
            Paper::Mm80 => 80,
        },
        columns: paper.columns(),
        made_at: PLACED_AT,
    }
}
