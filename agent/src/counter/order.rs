//! An order as the counter's software writes it: JSON with a name for everything, amounts in fen as whole numbers, times
//! in milliseconds since 1970-01-01T00:00:00Z. What is not known is refused by name, and so is what cannot be.

use super::problem::Problem;
use docket_protocol::ids::{Fen, OrderKey, UnixMs};
use docket_protocol::order::{Adjustment, Cutlery, Dish, Fulfilment, Order, Recipient};
use serde::Deserialize;

/// Lines of an order: as many as the largest order of a platform.
const DISHES_MAX: usize = 300;
const CHOICES_MAX: usize = 50;
const ADJUSTMENTS_MAX: usize = 50;
const QUANTITY_MAX: u32 = 10_000;
/// Ten million yuan: more is a typing error.
const AMOUNT_FEN_MAX: i64 = 1_000_000_000;
/// The number that is called out, and a table's.
const NUMBER_CHARS_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 200;
/// Notes and addresses.
pub(super) const NOTE_CHARS_MAX: usize = 1_000;

/// The body of a submission.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderForm {
    number: String,
    service: Service,
    #[serde(default)]
    table: String,
    #[serde(default)]
    placed_at_ms: Option<i64>,
    #[serde(default)]
    wanted_at_ms: Option<i64>,
    dishes: Vec<DishForm>,
    #[serde(default)]
    adjustments: Vec<AdjustmentForm>,
    #[serde(default)]
    delivery_fee_fen: i64,
    #[serde(default)]
    original_total_fen: Option<i64>,
    total_fen: i64,
    paid: bool,
    #[serde(default)]
    note: String,
    #[serde(default)]
    cutlery_sets: Option<u16>,
    #[serde(default)]
    recipient: RecipientForm,
    #[serde(default)]
    invoice_title: String,
}

/// How it leaves the store, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Service {
    DineIn,
    TakeAway,
    Delivery,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DishForm {
    #[serde(default)]
    code: String,
    name: String,
    #[serde(default)]
    spec: String,
    #[serde(default)]
    choices: Vec<String>,
    quantity: u32,
    price_fen: i64,
    #[serde(default)]
    box_fee_fen: i64,
    #[serde(default)]
    bag: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdjustmentForm {
    name: String,
    amount_fen: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipientForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    address: String,
}

impl OrderForm {
    /// The order that every part of Docket knows.
    pub(super) fn order(self, key: OrderKey, shop: &str, now: UnixMs) -> Result<Order, Problem> {
        self.check()?;
        let goods = self.dishes.iter().fold(0_i64, |sum, dish| {
            sum.saturating_add(dish.price_fen.saturating_mul(i64::from(dish.quantity)))
                .saturating_add(dish.box_fee_fen)
        });
        let original_total = self.original_total_fen.unwrap_or(goods.saturating_add(self.delivery_fee_fen));
        Ok(Order {
            key,
            shop: shop.to_owned(),
            pickup_number: self.number,
            fulfilment: match self.service {
                Service::DineIn => Fulfilment::DineIn { table: self.table },
                Service::TakeAway => Fulfilment::SelfPickup,
                Service::Delivery => Fulfilment::Delivery,
            },
            placed_at: self.placed_at_ms.map_or(now, UnixMs),
            wanted_at: self.wanted_at_ms.map(UnixMs),
            dishes: self.dishes.into_iter().map(DishForm::dish).collect(),
            adjustments: self
                .adjustments
                .into_iter()
                .map(|one| Adjustment { name: one.name, amount: Fen(one.amount_fen) })
                .collect(),
            delivery_fee: Fen(self.delivery_fee_fen),
            original_total: Fen(original_total),
            total: Fen(self.total_fen),
            paid_online: self.paid,
            note: self.note,
            cutlery: self
                .cutlery_sets
                .map(|sets| if sets == 0 { Cutlery::None } else { Cutlery::Sets(sets) }),
            recipient: Recipient {
                name: self.recipient.name,
                phone: self.recipient.phone,
                address: self.recipient.address,
            },
            invoice_title: self.invoice_title,
        })
    }

    fn check(&self) -> Result<(), Problem> {
        needed("number", &self.number)?;
        line("number", &self.number, NUMBER_CHARS_MAX)?;
        line("table", &self.table, NUMBER_CHARS_MAX)?;
        if self.service != Service::DineIn && !self.table.is_empty() {
            return Err(Problem::field("table", "只有堂食(dine-in)有桌号", "only dine-in has a table"));
        }
        for (field, time) in [("placed_at_ms", self.placed_at_ms), ("wanted_at_ms", self.wanted_at_ms)] {
            this_century(field, time)?;
        }
        if self.dishes.is_empty() {
            return Err(Problem::field("dishes", "没有菜品", "there are none"));
        }
        at_most("dishes", self.dishes.len(), DISHES_MAX)?;
        at_most("adjustments", self.adjustments.len(), ADJUSTMENTS_MAX)?;
        for (place, dish) in self.dishes.iter().enumerate() {
            dish.check(&format!("dishes[{place}]"))?;
        }
        for (place, one) in self.adjustments.iter().enumerate() {
            let field = format!("adjustments[{place}]");
            needed(&format!("{field}.name"), &one.name)?;
            line(&format!("{field}.name"), &one.name, NAME_CHARS_MAX)?;
            amount(&format!("{field}.amount_fen"), one.amount_fen, -AMOUNT_FEN_MAX)?;
        }
        amount("delivery_fee_fen", self.delivery_fee_fen, 0)?;
        amount("original_total_fen", self.original_total_fen.unwrap_or(0), 0)?;
        amount("total_fen", self.total_fen, 0)?;
        text("note", &self.note, NOTE_CHARS_MAX)?;
        line("recipient.name", &self.recipient.name, NAME_CHARS_MAX)?;
        line("recipient.phone", &self.recipient.phone, NAME_CHARS_MAX)?;
        line("recipient.address", &self.recipient.address, NOTE_CHARS_MAX)?;
        line("invoice_title", &self.invoice_title, NAME_CHARS_MAX)
    }
}

impl DishForm {
    fn dish(self) -> Dish {
        Dish {
            code: self.code,
            name: self.name,
            spec: self.spec,
            choices: self.choices,
            quantity: self.quantity,
            price: Fen(self.price_fen),
            box_fee: Fen(self.box_fee_fen),
            bag: self.bag,
        }
    }

    fn check(&self, at: &str) -> Result<(), Problem> {
        needed(&format!("{at}.name"), &self.name)?;
        line(&format!("{at}.name"), &self.name, NAME_CHARS_MAX)?;
        line(&format!("{at}.code"), &self.code, NAME_CHARS_MAX)?;
        line(&format!("{at}.spec"), &self.spec, NAME_CHARS_MAX)?;
        at_most(&format!("{at}.choices"), self.choices.len(), CHOICES_MAX)?;
        for (place, choice) in self.choices.iter().enumerate() {
            line(&format!("{at}.choices[{place}]"), choice, NAME_CHARS_MAX)?;
        }
        if !(1..=QUANTITY_MAX).contains(&self.quantity) {
            let field = format!("{at}.quantity");
            return Err(Problem::field(
                field,
                format!("应为 1 到 {QUANTITY_MAX}"),
                format!("1 to {QUANTITY_MAX} is taken"),
            ));
        }
        amount(&format!("{at}.price_fen"), self.price_fen, -AMOUNT_FEN_MAX)?;
        amount(&format!("{at}.box_fee_fen"), self.box_fee_fen, 0)
    }
}

/// It may not be blank.
pub(super) fn needed(field: &str, value: &str) -> Result<(), Problem> {
    if value.trim().is_empty() {
        Err(Problem::field(field, "不能为空", "it may not be blank"))
    } else {
        Ok(())
    }
}

/// One line of text.
pub(super) fn line(field: &str, value: &str, chars_max: usize) -> Result<(), Problem> {
    if value.chars().any(char::is_control) {
        return Err(Problem::field(field, "含有控制字符或换行", "it has control characters or line feeds"));
    }
    text(field, value, chars_max)
}

/// Text that may have several lines.
pub(super) fn text(field: &str, value: &str, chars_max: usize) -> Result<(), Problem> {
    if value.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Problem::field(field, "含有控制字符", "it has control characters"));
    }
    if value.chars().count() > chars_max {
        return Err(Problem::field(
            field,
            format!("太长,最多 {chars_max} 个字"),
            format!("it is too long: up to {chars_max} characters are taken"),
        ));
    }
    Ok(())
}

/// So many of something.
pub(super) fn at_most(field: &str, count: usize, count_max: usize) -> Result<(), Problem> {
    if count <= count_max {
        return Ok(());
    }
    Err(Problem::field(
        field,
        format!("太多,最多 {count_max} 个"),
        format!("there are too many: up to {count_max} are taken"),
    ))
}

/// Seconds in place of milliseconds are the usual mistake, and would be in 1970.
pub(super) fn this_century(field: &str, time_ms: Option<i64>) -> Result<(), Problem> {
    const FROM_MS: i64 = 946_684_800_000;
    const TO_MS: i64 = 4_102_444_800_000;
    if time_ms.is_none_or(|time| (FROM_MS..TO_MS).contains(&time)) {
        return Ok(());
    }
    Err(Problem::field(
        field,
        "应为 1970 年以来的毫秒数,在 2000 到 2099 年之间",
        "milliseconds since 1970 are taken, from 2000 to 2099",
    ))
}

fn amount(field: &str, fen: i64, fen_min: i64) -> Result<(), Problem> {
    if (fen_min..=AMOUNT_FEN_MAX).contains(&fen) {
        return Ok(());
    }
    Err(Problem::field(
        field,
        format!("单位是分,应为 {fen_min} 到 {AMOUNT_FEN_MAX}"),
        format!("fen are taken, {fen_min} to {AMOUNT_FEN_MAX}"),
    ))
}
