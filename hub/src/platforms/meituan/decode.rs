//! From a push's parameters to what Docket works with.
//!
//! What an order cannot be without is demanded: its id, the store, a time, the total, and numbers that are
//! numbers. Everything else degrades: an order that is odd in a field nobody needs for cooking is still
//! printed. `incmp_code` -1 says that parts are missing and the order should be queried again; an order
//! without dishes is held for the same.

use super::amount::parse_yuan;
use super::detail::{decode_dishes, decode_extras, first_text};
use super::error::DecodeError;
use super::form::Params;
use super::text::{clean_label, clean_text};
use docket_protocol::ids::{Fen, OrderKey, Platform, UnixMs};
use docket_protocol::order::{Adjustment, Cutlery, Fulfilment, Order, Recipient};

/// The longest order id, in characters. Today's have 17 to 19 digits.
pub const ORDER_ID_CHARS_MAX: usize = 64;
/// Seconds that can be a time of an order: up to the year 9999.
const UNIX_S_MAX: i64 = 253_402_300_799;
/// `dinners_number` of a customer who wants no cutlery.
const DINNERS_NO_CUTLERY: i64 = 99;
/// `dinners_number` of more than ten.
const DINNERS_OVER_TEN: i64 = -10;
/// What stands between the customer's address and the platform's geocode of it.
const GEOCODE_MARK: &str = "@#";
/// What the note of a self-pickup order says where `pick_type` is not subscribed to.
const PICKUP_NOTE: &str = "到店自取";

/// A paid order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidPush {
    /// The order.
    pub order: Order,
    /// Parts are missing (`incmp_code` -1, or no dish): query it again.
    pub incomplete: bool,
}

/// A cancelled order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelPush {
    /// Which order.
    pub order: OrderKey,
    /// The platform's reason, e.g. `1001` (not confirmed in time); empty where it gives none.
    pub reason_code: String,
    /// The reason in words; empty where it gives none. It may hold personal data.
    pub reason: String,
    /// Who cancelled.
    pub by: CancelledBy,
}

/// Who cancelled an order (`deal_op_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelledBy {
    /// 1: the customer.
    Customer,
    /// 2: the store.
    Store,
    /// 3: the platform's customer service.
    Service,
    /// 4: the platform's sales people.
    Sales,
    /// 5: the platform's own rules, e.g. not confirmed in time.
    System,
    /// 6: the open platform, so the chain's own software.
    OpenPlatform,
    /// Anything else, or not said.
    Unknown,
}

/// A customer asks where an order stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemindPush {
    /// Which order.
    pub order: OrderKey,
    /// The reminder's own id, which a reply must name; empty where it has none.
    pub remind_id: String,
    /// When the customer asked.
    pub asked_at: Option<UnixMs>,
    /// What tells this reminder from another of the same order: its id, else its time, else the push's.
    pub version: String,
}

/// Reads a paid order.
pub fn decode_paid(params: &Params) -> Result<PaidPush, DecodeError> {
    let key = order_key(params)?;
    let shop = clean_label(params.get("app_poi_code").unwrap_or_default());
    if shop.is_empty() {
        return Err(DecodeError::Missing { field: "app_poi_code" });
    }
    let total = yuan(params, "total")?.ok_or(DecodeError::Missing { field: "total" })?;
    let delivery_fee = yuan(params, "shipping_fee")?.unwrap_or_default();
    let original = yuan(params, "original_price")?;
    let bags = bag_charge(params)?;
    let goods = original.map(|Fen(all)| Fen(all - delivery_fee.0 - bags.0));
    let dishes = decode_dishes(params.filled("detail"), goods)?;
    let mut adjustments = decode_extras(params.filled("extras"))?;
    if bags.0 != 0 {
        adjustments.push(Adjustment { name: "打包袋".into(), amount: bags });
    }
    let note = clean_text(params.get("caution").unwrap_or_default());
    let incomplete = params.filled("incmp_code").is_some_and(|code| code.contains("-1")) || dishes.is_empty();
    let order = Order {
        pickup_number: pickup_number(params, &key.id),
        key,
        shop,
        fulfilment: fulfilment(params, &note),
        placed_at: placed_at(params)?,
        wanted_at: seconds(params, "delivery_time")?,
        dishes,
        adjustments,
        delivery_fee,
        original_total: original.unwrap_or(total),
        total,
        paid_online: params.filled("pay_type") != Some("1"),
        note,
        cutlery: cutlery(params),
        recipient: recipient(params),
        invoice_title: invoice(params),
    };
    Ok(PaidPush { order, incomplete })
}

/// Reads a cancellation. Only the order's id is demanded.
pub fn decode_cancel(params: &Params) -> Result<CancelPush, DecodeError> {
    let by = match params.filled("deal_op_type") {
        Some("1") => CancelledBy::Customer,
        Some("2") => CancelledBy::Store,
        Some("3") => CancelledBy::Service,
        Some("4") => CancelledBy::Sales,
        Some("5") => CancelledBy::System,
        Some("6") => CancelledBy::OpenPlatform,
        _ => CancelledBy::Unknown,
    };
    Ok(CancelPush {
        order: order_key(params)?,
        reason_code: clean_label(params.get("reason_code").unwrap_or_default()),
        reason: clean_text(params.get("reason").unwrap_or_default()),
        by,
    })
}

/// Reads a reminder. Only the order's id is demanded.
pub fn decode_remind(params: &Params) -> Result<RemindPush, DecodeError> {
    let label = |name| clean_label(params.get(name).unwrap_or_default());
    // A push that is repeated may have a new timestamp: then it prints another slip, which is better than
    // taking a second reminder for a repeated first.
    let version = ["remind_id", "remind_time", "timestamp"].map(label).into_iter().find(|v| !v.is_empty());
    Ok(RemindPush {
        order: order_key(params)?,
        remind_id: label("remind_id"),
        asked_at: seconds(params, "remind_time").unwrap_or_default(),
        version: version.unwrap_or_default(),
    })
}

impl CancelledBy {
    /// Who, as it stands on a slip.
    pub fn title(self) -> &'static str {
        match self {
            CancelledBy::Customer => "顾客取消",
            CancelledBy::Store => "商家取消",
            CancelledBy::Service => "客服取消",
            CancelledBy::Sales => "平台业务取消",
            CancelledBy::System => "系统取消",
            CancelledBy::OpenPlatform => "接口取消",
            CancelledBy::Unknown => "已取消",
        }
    }
}

fn order_key(params: &Params) -> Result<OrderKey, DecodeError> {
    let id = params.filled("order_id").ok_or(DecodeError::Missing { field: "order_id" })?;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.len() > ORDER_ID_CHARS_MAX || !id.bytes().all(known) {
        return Err(DecodeError::OrderId);
    }
    Ok(OrderKey { platform: Platform::Meituan, id: id.to_owned() })
}

/// `day_seq`; where it is not subscribed to, the last four of the order's number, which is what people say.
fn pickup_number(params: &Params, order_id: &str) -> String {
    if let Some(number) = params.filled("day_seq").map(clean_label).filter(|n| !n.is_empty() && n != "0") {
        return number;
    }
    let shown = params.filled("wm_order_id_view").map(clean_label).unwrap_or_else(|| order_id.to_owned());
    let mut tail: Vec<char> = shown.chars().rev().take(4).collect();
    tail.reverse();
    format!("尾号{}", tail.into_iter().collect::<String>())
}

fn fulfilment(params: &Params, note: &str) -> Fulfilment {
    match params.filled("pick_type") {
        Some("1") => Fulfilment::SelfPickup,
        None if note.contains(PICKUP_NOTE) => Fulfilment::SelfPickup,
        _ => Fulfilment::Delivery,
    }
}

fn placed_at(params: &Params) -> Result<UnixMs, DecodeError> {
    for field in ["ctime", "utime", "timestamp"] {
        if let Some(time) = seconds(params, field)? {
            return Ok(time);
        }
    }
    Err(DecodeError::Missing { field: "ctime" })
}

/// A time in seconds; `None` where it is blank or 0.
fn seconds(params: &Params, field: &'static str) -> Result<Option<UnixMs>, DecodeError> {
    let Some(text) = params.filled(field) else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(0) => Ok(None),
        Ok(seconds @ 1..=UNIX_S_MAX) => Ok(Some(UnixMs(seconds * 1_000))),
        _ => Err(DecodeError::Time { field }),
    }
}

fn yuan(params: &Params, field: &'static str) -> Result<Option<Fen>, DecodeError> {
    let Some(text) = params.filled(field) else { return Ok(None) };
    let amount = parse_yuan(text)
        .and_then(|fen| if fen.0 < 0 { Err(super::amount::AmountError::OutOfRange) } else { Ok(fen) });
    amount.map(Some).map_err(|cause| DecodeError::Number { field: field.to_owned(), cause })
}

/// The charge for carrier bags, which is the order's and no dish's. The one is in yuan, the other in fen.
fn bag_charge(params: &Params) -> Result<Fen, DecodeError> {
    if let Some(charge) = yuan(params, "package_bag_money_yuan")? {
        return Ok(charge);
    }
    let hundredfold = yuan(params, "package_bag_money")?.unwrap_or_default();
    Ok(Fen(hundredfold.0 / 100))
}

fn cutlery(params: &Params) -> Option<Cutlery> {
    let diners = params.filled("dinners_number")?.parse::<i64>().ok()?;
    match diners {
        DINNERS_NO_CUTLERY => Some(Cutlery::None),
        DINNERS_OVER_TEN => Some(Cutlery::MoreThan(10)),
        sets => u16::try_from(sets).ok().filter(|&sets| sets > 0).map(Cutlery::Sets),
    }
}

fn recipient(params: &Params) -> Recipient {
    let phone = clean_label(params.get("recipient_phone").unwrap_or_default());
    let phone = if phone.is_empty() { first_text(params.filled("backup_recipient_phone")) } else { phone };
    let address = params.get("recipient_address").unwrap_or_default();
    let address = address.split(GEOCODE_MARK).next().unwrap_or_default();
    Recipient {
        name: clean_label(params.get("recipient_name").unwrap_or_default()),
        phone,
        address: clean_text(address),
    }
}

/// The title and, behind it, the taxpayer's number: an invoice needs both. `has_invoiced` only says whether
/// the store could make one.
fn invoice(params: &Params) -> String {
    let title = clean_label(params.get("invoice_title").unwrap_or_default());
    let taxpayer = clean_label(params.get("taxpayer_id").unwrap_or_default());
    match (title.is_empty(), taxpayer.is_empty()) {
        (true, _) => String::new(),
        (false, true) => title,
        (false, false) => format!("{title} 税号 {taxpayer}"),
    }
}
