//! What a template is given: an order as people read it.
//!
//! Money is in yuan, times are China's (UTC+8 all year), a dish's name has its size. All names are always
//! there, empty where there is nothing to say, so that a misspelt one can be told from an empty one.
//!
//! Who may see what is decided here and not in a template: only the front slip (外卖单) is given the recipient
//! and the note as it is. A note may hold phone numbers (Meituan itself appends the customer's privacy number
//! to it), so all other slips get it with long runs of digits struck out, whatever template a chain writes.

use super::kind::TemplateKind;
use crate::china;
use crate::test_page::TestPage;
use docket_protocol::ids::{Fen, Platform, UnixMs};
use docket_protocol::order::{Cutlery, Dish, Fulfilment, Order};
use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

/// As many digits in a row may be a phone number.
const PHONE_DIGITS_MIN: usize = 7;
const STRUCK_OUT: &str = "[号码]";

/// Everything that one slip may say.
#[derive(Debug, Clone, Copy)]
pub struct Slip<'a> {
    /// Which slip.
    pub kind: TemplateKind,
    /// Of which order.
    pub order: &'a Order,
    /// The store's name; may be empty.
    pub store: &'a str,
    /// Where it is wanted; empty for none.
    pub station: &'a str,
    /// Its dishes by station; one part for a slip of one station.
    pub parts: &'a [Part<'a>],
    /// When it was made.
    pub made_at: UnixMs,
    /// Why an order was cancelled; may be empty.
    pub reason: &'a str,
    /// The guests' table; empty for orders that leave the store.
    pub table: &'a str,
    /// Which piece it is, and of how many: cups, boxes, dishes that get a slip each.
    pub piece: (u32, u32),
}

/// The dishes of one station.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// The station; empty for none.
    pub station: &'a str,
    /// Its dishes.
    pub dishes: Vec<&'a Dish>,
}

/// What a template is filled with.
#[derive(Debug, Clone)]
pub struct View(pub(super) Value);

impl View {
    /// Of a slip.
    pub fn slip(slip: &Slip<'_>) -> Self {
        View(Value::from(Serde(SlipView::of(slip))))
    }

    /// Of a test page.
    pub fn test_page(page: &TestPage) -> Self {
        #[derive(Serialize)]
        struct TestView<'a> {
            kind: &'static str,
            title: &'static str,
            made_at: String,
            ruler: String,
            #[serde(flatten)]
            page: &'a TestPage,
        }
        let kind = TemplateKind::Test;
        let view = TestView {
            kind: kind.as_str(),
            title: kind.title(),
            made_at: china::date_and_time(page.made_at),
            ruler: page.ruler(),
            page,
        };
        View(Value::from(Serde(view)))
    }
}

#[derive(Serialize)]
struct SlipView<'a> {
    kind: &'static str,
    title: &'static str,
    prefix: &'static str,
    platform: &'static str,
    pickup: &'a str,
    order_id: &'a str,
    store: &'a str,
    station: &'a str,
    table: &'a str,
    placed_at: String,
    wanted_at: String,
    made_at: String,
    self_pickup: bool,
    counter: bool,
    note: String,
    cutlery: String,
    dishes: Vec<DishView<'a>>,
    parts: Vec<PartView<'a>>,
    bags: Vec<BagView<'a>>,
    dish: Option<DishView<'a>>,
    piece: u32,
    pieces: u32,
    box_fees: String,
    delivery_fee: String,
    original_total: String,
    adjustments: Vec<AdjustmentView<'a>>,
    total: String,
    paid_online: bool,
    invoice_title: &'a str,
    recipient: Option<RecipientView<'a>>,
    reason: String,
}

#[derive(Serialize)]
struct PartView<'a> {
    station: &'a str,
    dishes: Vec<DishView<'a>>,
}

#[derive(Serialize)]
struct BagView<'a> {
    number: u32,
    dishes: Vec<DishView<'a>>,
}

#[derive(Serialize)]
struct DishView<'a> {
    name: String,
    plain_name: &'a str,
    spec: &'a str,
    code: &'a str,
    choices: &'a [String],
    choice: String,
    quantity: u32,
    price: String,
    sum: String,
    box_fee: String,
    bag: u32,
}

#[derive(Serialize)]
struct AdjustmentView<'a> {
    name: &'a str,
    amount: String,
}

#[derive(Serialize)]
struct RecipientView<'a> {
    name: &'a str,
    phone: &'a str,
    address: &'a str,
}

impl<'a> SlipView<'a> {
    fn of(slip: &Slip<'a>) -> Self {
        let (order, kind) = (slip.order, slip.kind);
        let is_front = kind == TemplateKind::Front;
        let dishes = || slip.parts.iter().flat_map(|part| part.dishes.iter().copied());
        let boxes = order.dishes.iter().fold(0_i64, |sum, dish| sum.saturating_add(dish.box_fee.0));
        SlipView {
            kind: kind.as_str(),
            title: title(kind, order),
            prefix: kind.prefix(),
            platform: order.key.platform.title(),
            pickup: &order.pickup_number,
            order_id: &order.key.id,
            store: slip.store,
            station: slip.station,
            table: slip.table,
            placed_at: china::time(order.placed_at),
            wanted_at: order.wanted_at.map(china::time).unwrap_or_default(),
            made_at: china::time(slip.made_at),
            self_pickup: order.fulfilment == Fulfilment::SelfPickup,
            counter: order.key.platform == Platform::Counter,
            note: if is_front { order.note.clone() } else { without_phones(&order.note) },
            cutlery: order.cutlery.map(cutlery).unwrap_or_default(),
            dishes: dishes().map(DishView::of).collect(),
            parts: slip
                .parts
                .iter()
                .map(|part| PartView {
                    station: part.station,
                    dishes: part.dishes.iter().copied().map(DishView::of).collect(),
                })
                .collect(),
            bags: bags(dishes()),
            dish: dishes().next().map(DishView::of),
            piece: slip.piece.0,
            pieces: slip.piece.1,
            box_fees: unless_zero(Fen(boxes)),
            delivery_fee: unless_zero(order.delivery_fee),
            original_total: order.original_total.to_string(),
            adjustments: order
                .adjustments
                .iter()
                .map(|adjustment| AdjustmentView {
                    name: &adjustment.name,
                    amount: unless_zero(adjustment.amount),
                })
                .collect(),
            total: order.total.to_string(),
            paid_online: order.paid_online,
            invoice_title: match kind {
                TemplateKind::Front | TemplateKind::Bill => &order.invoice_title,
                _ => "",
            },
            recipient: is_front.then_some(RecipientView {
                name: &order.recipient.name,
                phone: &order.recipient.phone,
                address: &order.recipient.address,
            }),
            reason: without_phones(slip.reason),
        }
    }
}

impl<'a> DishView<'a> {
    fn of(dish: &'a Dish) -> Self {
        DishView {
            name: dish_name(dish),
            plain_name: &dish.name,
            spec: &dish.spec,
            code: &dish.code,
            choices: &dish.choices,
            choice: dish.choices.join(" "),
            quantity: dish.quantity,
            price: dish.price.to_string(),
            sum: Fen(dish.price.0.saturating_mul(i64::from(dish.quantity))).to_string(),
            box_fee: unless_zero(dish.box_fee),
            bag: dish.bag.saturating_add(1),
        }
    }
}

fn bags<'a>(dishes: impl Iterator<Item = &'a Dish>) -> Vec<BagView<'a>> {
    let mut bags: std::collections::BTreeMap<u32, Vec<DishView<'a>>> = std::collections::BTreeMap::new();
    for dish in dishes {
        bags.entry(dish.bag.saturating_add(1)).or_default().push(DishView::of(dish));
    }
    bags.into_iter().map(|(number, dishes)| BagView { number, dishes }).collect()
}

/// What staff call the slip. An order that nobody delivers has no 外卖单.
fn title(kind: TemplateKind, order: &Order) -> &'static str {
    match (kind, order.key.platform, &order.fulfilment) {
        (TemplateKind::Front, _, Fulfilment::DineIn { .. }) => "堂食单",
        (TemplateKind::Front, Platform::Counter, Fulfilment::SelfPickup) => "柜台单",
        _ => kind.ticket().title(),
    }
}

/// `红烧牛肉面(大份)`; the platform often has the size in the name already.
fn dish_name(dish: &Dish) -> String {
    if dish.spec.is_empty() || dish.name.contains(&dish.spec) {
        dish.name.clone()
    } else {
        format!("{}({})", dish.name, dish.spec)
    }
}

fn cutlery(cutlery: Cutlery) -> String {
    match cutlery {
        Cutlery::None => "不需要".into(),
        Cutlery::Sets(sets) => format!("{sets} 份"),
        Cutlery::MoreThan(sets) => format!("{sets} 份以上"),
    }
}

fn unless_zero(amount: Fen) -> String {
    if amount == Fen(0) { String::new() } else { amount.to_string() }
}

/// The text with everything struck out that may be a phone number: runs of digits, `*`, `_` and `-` that
/// hold at least [`PHONE_DIGITS_MIN`] of them other than `-`.
pub(super) fn without_phones(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().map(Some).chain([None]) {
        match c {
            Some(c) if c.is_numeric() || matches!(c, '*' | '_' | '-') => run.push(c),
            _ => {
                let digits = run.chars().filter(|&c| c != '-').count();
                out.push_str(if digits >= PHONE_DIGITS_MIN { STRUCK_OUT } else { &run });
                run.clear();
                out.extend(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_struck_out() {
        let note =
            "收餐人隐私号 18500000000_3473,手机号 185****0000,买3份,2026-1-1,-------- 010-5555 1234567";
        let shown = without_phones(note);
        assert_eq!(shown, "收餐人隐私号 [号码],手机号 [号码],买3份,2026-1-1,-------- [号码] [号码]");
        assert_eq!(without_phones("少放辣 100%冰"), "少放辣 100%冰");
        assert_eq!(without_phones("138 12345678"), "138 [号码]");
    }
}
