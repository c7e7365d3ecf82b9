//! Meituan Waimai v1 as the platform: signed pushes, their values URL-encoded twice.
//!
//! A push's text is what `java.net.URLEncoder` makes of it, twice: letters, digits and `.-*_` stay, a space
//! becomes `+`, everything else is escaped. The signature is over the plain values.

use super::orders::{PlacedDish, PlacedOrder};
use md5::{Digest, Md5};
use serde_json::json;
use std::fmt::Write;

/// The reply that says a push is stored, byte for byte.
pub const OK_REPLY: &str = r#"{"data":"ok"}"#;
/// What a push's Content-Type says.
pub const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=UTF-8";

/// Meituan, as it knows one application of a chain.
#[derive(Debug, Clone)]
pub struct MeituanClient {
    /// The application.
    pub app_id: String,
    /// Its secret.
    pub secret: String,
    /// The registered callback URL for paid orders, scheme included.
    pub paid_url: String,
    /// For cancellations.
    pub cancelled_url: String,
    /// For reminders.
    pub reminded_url: String,
}

/// Who cancelled, as `deal_op_type` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canceller {
    /// The customer.
    Customer = 1,
    /// Customer service.
    Service = 3,
    /// The platform: not confirmed in time.
    System = 5,
}

impl MeituanClient {
    /// With URLs below `base`, e.g. `https://hub.example.com/cb/meituan/order`: `/paid`, `/cancelled` and
    /// `/reminded`.
    pub fn new(base: &str, app_id: &str, secret: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            secret: secret.to_owned(),
            paid_url: format!("{base}/paid"),
            cancelled_url: format!("{base}/cancelled"),
            reminded_url: format!("{base}/reminded"),
        }
    }

    /// The body of a push of a paid order.
    pub fn paid(&self, order: &PlacedOrder, pushed_at_s: i64) -> String {
        self.wire(&self.paid_url, self.paid_fields(order, pushed_at_s))
    }

    /// The body (or the query, when it comes by GET) of a push of a cancellation.
    pub fn cancelled(&self, order_id: &str, by: Canceller, reason: &str, pushed_at_s: i64) -> String {
        let code = match by {
            Canceller::Customer => "1102",
            Canceller::Service => "1204",
            Canceller::System => "1001",
        };
        let mut fields = self.system_fields(pushed_at_s);
        fields.extend([
            ("order_id", order_id.to_owned()),
            ("reason_code", code.to_owned()),
            ("reason", reason.to_owned()),
            ("deal_op_type", (by as u8).to_string()),
        ]);
        self.wire(&self.cancelled_url, fields)
    }

    /// The body of a push of a reminder.
    pub fn reminded(&self, order_id: &str, remind_id: u64, pushed_at_s: i64) -> String {
        let mut fields = self.system_fields(pushed_at_s);
        fields.extend([
            ("order_id", order_id.to_owned()),
            ("remind_id", remind_id.to_string()),
            ("remind_time", pushed_at_s.to_string()),
        ]);
        self.wire(&self.reminded_url, fields)
    }

    /// `fields` with their signature for `url`, encoded twice.
    pub fn wire(&self, url: &str, mut fields: Vec<(&str, String)>) -> String {
        let sig = self.signature(url, &fields);
        fields.push(("sig", sig));
        let mut body = String::new();
        for (name, value) in &fields {
            if !body.is_empty() {
                body.push('&');
            }
            body.push_str(name);
            body.push('=');
            body.push_str(&url_encode(&url_encode(value)));
        }
        body
    }

    /// The signature of plain fields: the base string is written out and hashed as a whole.
    pub fn signature(&self, url: &str, fields: &[(&str, String)]) -> String {
        let mut sorted: Vec<_> =
            fields.iter().filter(|(name, _)| *name != "sig" && *name != "img_data").collect();
        sorted.sort();
        let pairs: Vec<String> = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let base = format!("{url}?{}{}", pairs.join("&"), self.secret);
        let mut hex = String::new();
        for byte in Md5::digest(base) {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    fn system_fields(&self, pushed_at_s: i64) -> Vec<(&'static str, String)> {
        vec![("app_id", self.app_id.clone()), ("timestamp", pushed_at_s.to_string())]
    }

    fn paid_fields(&self, order: &PlacedOrder, pushed_at_s: i64) -> Vec<(&'static str, String)> {
        let mut extras: Vec<_> = order.reductions.iter().map(reduction).collect();
        extras.push(json!({}));
        let detail: Vec<_> = order.dishes.iter().map(dish).collect();
        let mut fields = self.system_fields(pushed_at_s);
        fields.extend([
            ("order_id", order.order_id.clone()),
            ("wm_order_id_view", order.order_id.clone()),
            ("app_poi_code", order.shop.clone()),
            ("wm_poi_name", order.shop_name.clone()),
            ("recipient_address", order.address.clone()),
            ("recipient_phone", order.phone.clone()),
            ("backup_recipient_phone", "[]".to_owned()),
            ("recipient_name", order.name.clone()),
            ("shipping_fee", yuan(order.delivery_fen)),
            ("total", yuan(order.total_fen())),
            ("original_price", yuan(order.original_fen())),
            ("caution", order.note.clone()),
            ("shipper_phone", String::new()),
            ("status", "2".to_owned()),
            ("has_invoiced", "0".to_owned()),
            ("invoice_title", String::new()),
            ("taxpayer_id", String::new()),
            ("ctime", order.placed_at_s.to_string()),
            ("utime", order.placed_at_s.to_string()),
            ("delivery_time", order.wanted_at_s.to_string()),
            ("pay_type", "2".to_owned()),
            ("pick_type", u8::from(order.self_pickup).to_string()),
            ("day_seq", order.day_seq.to_string()),
            ("dinners_number", order.diners.to_string()),
            ("logistics_code", "1001".to_owned()),
            ("detail", serde_json::Value::from(detail).to_string()),
            ("extras", serde_json::Value::from(extras).to_string()),
            ("incmp_code", "0".to_owned()),
            ("incmp_modules", "[]".to_owned()),
        ]);
        fields
    }
}

fn dish(dish: &PlacedDish) -> serde_json::Value {
    json!({
        "app_food_code": dish.code,
        "box_num": dish.quantity,
        "box_price": number(dish.box_price_fen),
        "cart_id": 0,
        "food_discount": 1,
        "food_name": dish.name,
        "food_property": dish.choices.join(","),
        "price": number(dish.price_fen),
        "quantity": dish.quantity,
        "sku_id": dish.code.replace('F', "S"),
        "spec": dish.spec,
        "unit": "份",
    })
}

fn reduction((remark, fen): &(String, i64)) -> serde_json::Value {
    json!({ "act_detail_id": 1_530_154_103, "reduce_fee": number(*fen), "remark": remark, "type": 2 })
}

/// Yuan as the platform writes it in a form: `61.0`, `0.02`.
fn yuan(fen: i64) -> String {
    let text = format!("{}.{:02}", fen / 100, fen % 100);
    text.strip_suffix('0').map(str::to_owned).unwrap_or(text)
}

/// Yuan as a JSON number of at most two decimals.
fn number(fen: i64) -> serde_json::Value {
    if fen % 100 == 0 { json!(fen / 100) } else { serde_json::from_str(&yuan(fen)).unwrap_or_default() }
}

/// `java.net.URLEncoder`, UTF-8.
pub fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const VECTOR: &str = include_str!("testdata/meituan_v1_inbound_paid_order.json");

    fn client(vector: &Value) -> MeituanClient {
        let base = vector["callback_url"].as_str().unwrap().trim_end_matches("/paid");
        MeituanClient::new(base, "10001", vector["secret"].as_str().unwrap())
    }

    /// The vector's fields in the order of its wire body.
    fn fields(vector: &Value) -> Vec<(&str, String)> {
        let names =
            vector["wire_body"].as_str().unwrap().split('&').map(|pair| pair.split_once('=').unwrap().0);
        let value = |name| vector["decoded"][name].as_str().unwrap().to_owned();
        names.filter(|name| *name != "sig").map(|name| (name, value(name))).collect()
    }

    #[test]
    fn the_vector_is_signed_and_written_byte_for_byte() {
        let vector: Value = serde_json::from_str(VECTOR).unwrap();
        let (client, fields) = (client(&vector), fields(&vector));
        let url = vector["callback_url"].as_str().unwrap();
        assert_eq!(client.paid_url, url);
        assert_eq!(client.signature(url, &fields), vector["sig"].as_str().unwrap());
        assert_eq!(client.wire(url, fields), vector["wire_body"].as_str().unwrap());
    }

    #[test]
    fn generated_orders_add_up() {
        for number in 0..500 {
            let order = PlacedOrder::generate(3, number, "S0042", 1_767_225_600);
            let goods: i64 = order.dishes.iter().map(PlacedDish::sum_fen).sum();
            let off: i64 = order.reductions.iter().map(|(_, fen)| fen).sum();
            assert_eq!(goods + order.delivery_fen - off, order.total_fen());
            assert!(order.total_fen() > 0 && !order.dishes.is_empty());
        }
        assert_eq!([6_100, 2, 6_650, 1_299].map(yuan), ["61.0", "0.02", "66.5", "12.99"]);
        assert_eq!([6_100, 2, 1_299].map(|fen| number(fen).to_string()), ["61", "0.02", "12.99"]);
    }
}
