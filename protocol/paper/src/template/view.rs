//! What a template is given: an order as people read it.
//!
//! Money is in yuan, times are China's (UTC+8 all year), a dish's name has its size. All names are always
//! there, empty where there is nothing to say, so that a misspelt one can be told from an empty one.
//!
//! Who may see what is decided here and not in a template: only the front slip (外卖单) is given the recipient
//! and the note as it is. A note may hold phone numbers (Meituan itself appends the customer's privacy number
//! to it), so all other slips get it with long runs of digits struck out, whatever template a chain writes.

use super::kind::TemplateKind;
use docket_protocol::ids::{Fen, Platform, UnixMs};
use docket_protocol::order::{Cutlery, Dish, Fulfilment, Order};
use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

/// China's time is this far ahead of UTC.
const CHINA_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// As many digits in a row may be a phone number.
const PHONE_DIGITS_MIN: usize = 7;
const STRUCK_OUT: &str = "[号码]";
/// Years that are taken for a clock's; others are shown as unknown.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=9999;

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

/// What a test page says.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TestPage {
    /// The store's name.
    pub store: String,
    /// The printer as the store names it.
    pub printer: String,
    /// Where it is: `192.168.1.50:9100`, `COM3`, `/dev/usb/lp0`.
    pub address: String,
    /// What kind of unit it is, as far as is known.
    pub model: String,
    /// Width of the paper in millimetres.
    pub paper_mm: u16,
    /// Columns of a line.
    pub columns: u16,
    /// When it was made.
    #[serde(skip)]
    pub made_at: UnixMs,
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
            made_at: date_and_time(page.made_at),
            ruler: ruler(page.columns),
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
            placed_at: china_time(order.placed_at),
            wanted_at: order.wanted_at.map(china_time).unwrap_or_default(),
            made_at: china_time(slip.made_at),
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

/// `01-02 12:30`.
fn china_time(time: UnixMs) -> String {
    match china(time) {
        Some((_, month, day, hour, minute)) => format!("{month:02}-{day:02} {hour:02}:{minute:02}"),
        None => "时间不明".into(),
    }
}

/// `2026-01-02 12:30`.
fn date_and_time(time: UnixMs) -> String {
    match china(time) {
        Some((year, month, day, hour, minute)) => {
            format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}")
        }
        None => "时间不明".into(),
    }
}

/// Year, month, day, hour and minute in China.
fn china(time: UnixMs) -> Option<(i64, i64, i64, i64, i64)> {
    let local = time.0.checked_add(CHINA_MS)?;
    let (mut days, minutes) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS) / 60_000);
    // Of 400 years each from a 1 March on: leap days then are the last of their years, centuries and so on.
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    days += DAYS_TO_1970;
    let (era, day_of_era) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on months have 31, 30, 31, 30, 31 days, and again: 153 days in five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    YEARS.contains(&year).then_some((year, month, day, minutes / 60, minutes % 60))
}

/// `----5---10---15`, as wide as the paper.
fn ruler(columns: u16) -> String {
    let mut out = String::with_capacity(usize::from(columns));
    for tens in (5..=columns).step_by(5) {
        let number = tens.to_string();
        out.extend(std::iter::repeat_n('-', usize::from(tens) - out.len() - number.len()));
        out.push_str(&number);
    }
    out.extend(std::iter::repeat_n('-', usize::from(columns) - out.len()));
    out
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

    #[test]
    fn times_are_chinas() {
        assert_eq!(china_time(UnixMs(1_767_225_600_000)), "01-01 08:00");
        assert_eq!(date_and_time(UnixMs(1_767_225_600_000)), "2026-01-01 08:00");
        assert_eq!(date_and_time(UnixMs(1_709_135_999_000)), "2024-02-28 23:59");
        assert_eq!(date_and_time(UnixMs(1_709_136_000_000)), "2024-02-29 00:00");
        assert_eq!(date_and_time(UnixMs(1_709_222_400_000)), "2024-03-01 00:00");
        assert_eq!(date_and_time(UnixMs(4_107_513_600_000)), "2100-03-01 00:00");
        assert_eq!(date_and_time(UnixMs(0)), "1970-01-01 08:00");
        assert_eq!(china_time(UnixMs(i64::MAX)), "时间不明");
        assert_eq!(china_time(UnixMs(i64::MIN)), "时间不明");
    }

    #[test]
    fn a_ruler_is_as_wide_as_the_paper() {
        assert_eq!(ruler(12), "----5---10--");
        assert_eq!(ruler(48).len(), 48);
        assert_eq!(ruler(0), "");
    }
}
