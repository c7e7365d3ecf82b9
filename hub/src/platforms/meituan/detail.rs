//! The JSON inside a push: `detail` (dishes) and `extras` (reductions).
//!
//! Numbers are taken as the text that stands there (`serde_json`'s raw values), never as floats. The
//! platform is loose about types: a code may be a number, a quantity `1` or `1.0` or `"1"`, a field `null` or
//! absent, and `extras` may end in `{}`; an empty object is skipped in both.

use super::amount::{AmountError, Decimal};
use super::error::DecodeError;
use super::text::clean_label;
use docket_protocol::ids::Fen;
use docket_protocol::order::{Adjustment, Dish};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The most lines of an order.
pub const DISHES_MAX: usize = 300;
/// The most reductions of an order.
pub const EXTRAS_MAX: usize = 100;
/// The most choices of one dish.
pub const CHOICES_MAX: usize = 50;

const DETAIL: &str = "detail";
const EXTRAS: &str = "extras";

#[derive(Deserialize)]
struct RawDish<'a> {
    #[serde(borrow)]
    app_food_code: Option<&'a RawValue>,
    #[serde(borrow)]
    food_name: Option<&'a RawValue>,
    #[serde(borrow)]
    sku_id: Option<&'a RawValue>,
    #[serde(borrow)]
    quantity: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    #[serde(borrow)]
    box_num: Option<&'a RawValue>,
    #[serde(borrow)]
    box_price: Option<&'a RawValue>,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    #[serde(borrow)]
    food_property: Option<&'a RawValue>,
    #[serde(borrow)]
    cart_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawExtra<'a> {
    #[serde(borrow)]
    reduce_fee: Option<&'a RawValue>,
    #[serde(borrow)]
    remark: Option<&'a RawValue>,
}

/// The dishes of `detail`; none where it is blank. `goods_total` is what dishes and boxes should cost
/// together, where that is known: see [`fit_boxes`].
pub(super) fn decode_dishes(json: Option<&str>, goods_total: Option<Fen>) -> Result<Vec<Dish>, DecodeError> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let raw: Vec<Option<RawDish>> = parse(DETAIL, json)?;
    if raw.len() > DISHES_MAX {
        return Err(DecodeError::TooMany { field: DETAIL, limit: DISHES_MAX });
    }
    let mut dishes = Vec::with_capacity(raw.len());
    for (place, dish) in raw.into_iter().enumerate() {
        if let Some(dish) = dish.as_ref().filter(|dish| !dish.is_empty()) {
            dishes.push(dish.decode(place)?);
        }
    }
    fit_boxes(&mut dishes, goods_total);
    Ok(dishes)
}

/// The reductions of `extras`, negative as [`Adjustment`] has them. A gift is one of 0.
pub(super) fn decode_extras(json: Option<&str>) -> Result<Vec<Adjustment>, DecodeError> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let raw: Vec<Option<RawExtra>> = parse(EXTRAS, json)?;
    if raw.len() > EXTRAS_MAX {
        return Err(DecodeError::TooMany { field: EXTRAS, limit: EXTRAS_MAX });
    }
    let mut adjustments = Vec::new();
    for (place, extra) in raw.iter().enumerate() {
        let Some(extra) = extra else { continue };
        if extra.reduce_fee.is_none() && extra.remark.is_none() {
            continue;
        }
        let number = |cause| DecodeError::Number { field: format!("{EXTRAS}[{place}].reduce_fee"), cause };
        let reduced = decimal(extra.reduce_fee).and_then(Decimal::to_fen).map_err(number)?;
        let remark = clean_label(&scalar(extra.remark));
        let name = if remark.is_empty() { "优惠".to_owned() } else { remark };
        adjustments.push(Adjustment { name, amount: Fen(-reduced.0) });
    }
    Ok(adjustments)
}

/// The first entry of a list of texts that is JSON text; an empty one where there is none.
pub(super) fn first_text(json: Option<&str>) -> String {
    let list: Vec<String> = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    list.into_iter().map(|text| clean_label(&text)).find(|text| !text.is_empty()).unwrap_or_default()
}

impl RawDish<'_> {
    fn is_empty(&self) -> bool {
        [self.app_food_code, self.food_name, self.sku_id, self.quantity].iter().all(Option::is_none)
    }

    fn decode(&self, place: usize) -> Result<Dish, DecodeError> {
        let number = |name: &str| {
            let field = format!("{DETAIL}[{place}].{name}");
            move |cause| DecodeError::Number { field, cause }
        };
        let box_num = decimal(self.box_num).map_err(number("box_num"))?;
        let box_price = decimal(self.box_price).map_err(number("box_price"))?;
        let quantity = match self.quantity {
            Some(_) => decimal(self.quantity).and_then(Decimal::to_count),
            None => Err(AmountError::NotANumber),
        };
        let code = clean_label(&scalar(self.app_food_code));
        let sku = || clean_label(&scalar(self.sku_id));
        let code = if code.is_empty() { sku() } else { code };
        let name = clean_label(&scalar(self.food_name));
        Ok(Dish {
            // A dish that has only a code is still one that somebody has to make.
            name: if name.is_empty() { code.clone() } else { name },
            code,
            spec: clean_label(&scalar(self.spec)),
            choices: split_choices(&scalar(self.food_property)),
            quantity: quantity.map_err(number("quantity"))?,
            price: decimal(self.price).and_then(Decimal::to_fen).map_err(number("price"))?,
            box_fee: box_num.times(box_price).to_fen().map_err(number("box_price"))?,
            bag: decimal(self.cart_id).and_then(Decimal::to_count).unwrap_or(0),
        })
    }
}

/// `box_num` is documented as the number for the whole line, so a line's boxes cost `box_num × box_price`.
/// There are pushes that add up only if it is the number for one dish; where the order's own total says so,
/// and only then, it is read like that.
fn fit_boxes(dishes: &mut [Dish], goods_total: Option<Fen>) {
    let Some(Fen(goods_total)) = goods_total else { return };
    let goods: i64 = dishes.iter().map(|dish| dish.price.0 * i64::from(dish.quantity)).sum();
    let for_lines: i64 = dishes.iter().map(|dish| dish.box_fee.0).sum();
    let for_each: i64 = dishes.iter().map(|dish| dish.box_fee.0 * i64::from(dish.quantity)).sum();
    if goods + for_lines != goods_total && goods + for_each == goods_total {
        for dish in dishes {
            dish.box_fee.0 *= i64::from(dish.quantity);
        }
    }
}

fn split_choices(text: &str) -> Vec<String> {
    text.split([',', '，']).map(clean_label).filter(|choice| !choice.is_empty()).take(CHOICES_MAX).collect()
}

fn parse<'a, T: Deserialize<'a>>(field: &'static str, json: &'a str) -> Result<T, DecodeError> {
    // serde's message may repeat what stands there.
    serde_json::from_str(json).map_err(|error| DecodeError::Json { field, column: error.column() })
}

/// The text of a string, the digits of a number, and nothing of what is neither.
fn scalar(raw: Option<&RawValue>) -> String {
    match raw.map(RawValue::get) {
        Some(text) if text.starts_with('"') => serde_json::from_str(text).unwrap_or_default(),
        Some(text) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => text.to_owned(),
        _ => String::new(),
    }
}

/// A number or the number in a text; 0 where there is none.
fn decimal(raw: Option<&RawValue>) -> Result<Decimal, AmountError> {
    let Some(raw) = raw else { return Ok(Decimal::ZERO) };
    let text = scalar(Some(raw));
    if text.is_empty() && raw.get() == "\"\"" { Ok(Decimal::ZERO) } else { Decimal::parse(&text) }
}
