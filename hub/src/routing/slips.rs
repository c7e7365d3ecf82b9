//! Slips as kitchens know them: what stands on the paper, from top to bottom.
//!
//! Big is what is looked for across a room: the pick-up number, 预订 with its time, (催) and (退), and in a
//! kitchen the dishes. Documents know no paper width: cells without columns share what the others leave.
//! Times are China's, UTC+8 all year.
//!
//! Only the front slip holds the recipient, and the note as it is. A note may hold phone numbers (Meituan
//! itself appends the customer's privacy number to it), so all other slips show it with long runs of digits
//! struck out.

use docket_protocol::document::{Align, Block, Cell, Document, QR_BYTES_MAX, Style};
use docket_protocol::ids::{Fen, Station, UnixMs};
use docket_protocol::order::{Cutlery, Dish, Fulfilment, Order};
use docket_protocol::ticket::TicketKind;
use jiff::Timestamp;

/// Hours that China's time is ahead of UTC.
const CHINA_UTC_HOURS: i8 = 8;
/// Columns of `×12`.
const QUANTITY_COLUMNS: u8 = 5;
/// Columns of `-1234.00`.
const PRICE_COLUMNS: u8 = 9;
/// Side of a module of the QR code: a version 1 code is then 126 dots wide, a third of 58 mm paper.
const QR_MODULE_DOTS: u8 = 6;
/// As many digits in a row may be a phone number.
const PHONE_DIGITS_MIN: usize = 7;
const STRUCK_OUT: &str = "[号码]";
const NORMAL_TALL_BOLD: Style = Style { height: 2, ..Style::BOLD };

/// An order in a few words, without personal data: `美团外卖 #17`.
pub fn title(order: &Order) -> String {
    format!("{} #{}", order.key.platform.title(), order.pickup_number)
}

/// What stands before a title and a dish on a slip that follows an order.
pub fn prefix(kind: TicketKind) -> &'static str {
    match kind {
        TicketKind::Front
        | TicketKind::Kitchen
        | TicketKind::Bill
        | TicketKind::Label
        | TicketKind::Booking
        | TicketKind::Test => "",
        TicketKind::Urge => "(催)",
        TicketKind::Cancel => "(退)",
        TicketKind::Added => "(加)",
    }
}

/// 外卖单: everything, for packing and the rider.
pub fn front(order: &Order, store_name: &str) -> Document {
    let mut slip = Slip::default();
    slip.head(TicketKind::Front, order);
    slip.text(store_name, Style::BOLD, Align::Center);
    slip.text(TicketKind::Front.title(), Style::NORMAL, Align::Center);
    slip.when(order);
    if !order.note.is_empty() {
        slip.left(&format!("备注:{}", order.note), NORMAL_TALL_BOLD);
    }
    if let Some(cutlery) = order.cutlery {
        slip.left(&cutlery_line(cutlery), Style::BOLD);
    }
    slip.priced_dishes(order);
    slip.sums(order);
    slip.rule("");
    for line in [&order.recipient.name, &order.recipient.phone, &order.recipient.address] {
        slip.left(line, Style::TALL);
    }
    slip.qr(&order.key.id);
    slip.text(&format!("订单号 {}", order.key.id), Style::NORMAL, Align::Center);
    slip.document
}

/// 厨打单: what one station has to make.
pub fn kitchen(order: &Order, station: &Station, dishes: &[&Dish]) -> Document {
    let mut slip = Slip::default();
    slip.head(TicketKind::Kitchen, order);
    slip.station(TicketKind::Kitchen, station);
    slip.when(order);
    slip.rule("");
    slip.counted_dishes("", dishes);
    slip.rule("");
    if !order.note.is_empty() {
        slip.left(&format!("备注:{}", without_phones(&order.note)), NORMAL_TALL_BOLD);
    }
    slip.document
}

/// 催菜单: the customer asks where it stays.
pub fn urge(order: &Order, store_name: &str, station: &Station, dishes: &[&Dish]) -> Document {
    let mut slip = follow_up(TicketKind::Urge, order, store_name, station, dishes);
    slip.text("顾客催单,请尽快出餐", NORMAL_TALL_BOLD, Align::Center);
    slip.document
}

/// 退菜单: the order is cancelled.
pub fn cancel(
    order: &Order,
    store_name: &str,
    station: &Station,
    dishes: &[&Dish],
    reason: &str,
) -> Document {
    let mut slip = follow_up(TicketKind::Cancel, order, store_name, station, dishes);
    if !reason.is_empty() {
        slip.left(&format!("原因:{}", without_phones(reason)), Style::BOLD);
    }
    slip.text("订单已取消,请停止制作", NORMAL_TALL_BOLD, Align::Center);
    slip.document
}

fn follow_up(kind: TicketKind, order: &Order, store_name: &str, station: &Station, dishes: &[&Dish]) -> Slip {
    let mut slip = Slip::default();
    slip.head(kind, order);
    slip.text(store_name, Style::BOLD, Align::Center);
    slip.station(kind, station);
    slip.when(order);
    slip.rule("");
    slip.counted_dishes(prefix(kind), dishes);
    slip.rule("");
    slip
}

/// A document as it grows.
#[derive(Default)]
struct Slip {
    document: Document,
}

impl Slip {
    fn head(&mut self, kind: TicketKind, order: &Order) {
        self.text(&format!("{}{}", prefix(kind), title(order)), Style::BIG, Align::Center);
    }

    fn station(&mut self, kind: TicketKind, station: &Station) {
        let name = station.as_str();
        let line = if name.is_empty() { kind.title().into() } else { format!("{} {name}", kind.title()) };
        self.text(&line, Style::NORMAL, Align::Center);
    }

    /// 预订, 自取 and when the order was placed.
    fn when(&mut self, order: &Order) {
        if let Some(wanted) = order.wanted_at {
            self.text(&format!("预订 {}", china_time(wanted)), Style::BIG, Align::Center);
        }
        if order.fulfilment == Fulfilment::SelfPickup {
            self.text("到店自取", Style::BIG, Align::Center);
        }
        self.left(&format!("下单 {}", china_time(order.placed_at)), Style::NORMAL);
    }

    /// Dishes with prices, by bag where there is more than one.
    fn priced_dishes(&mut self, order: &Order) {
        if order.dishes.is_empty() {
            self.rule("菜品");
            self.left("菜品明细未收到,请在商家端查看", NORMAL_TALL_BOLD);
            return;
        }
        let mut bags: Vec<u32> = order.dishes.iter().map(|dish| dish.bag).collect();
        bags.sort_unstable();
        bags.dedup();
        for &bag in &bags {
            let name =
                if bags.len() > 1 { format!("{}号口袋", bag.saturating_add(1)) } else { "菜品".into() };
            self.rule(&name);
            for dish in order.dishes.iter().filter(|dish| dish.bag == bag) {
                let price = Fen(dish.price.0.saturating_mul(i64::from(dish.quantity)));
                self.row(
                    Style::BOLD,
                    vec![flexible(dish_name(dish)), quantity(dish), right(price.to_string(), PRICE_COLUMNS)],
                );
                self.choices(dish, Style::NORMAL);
            }
        }
    }

    /// Dishes without prices, tall, as a station needs them.
    fn counted_dishes(&mut self, prefix: &str, dishes: &[&Dish]) {
        for dish in dishes {
            let name = format!("{prefix}{}", dish_name(dish));
            self.row(NORMAL_TALL_BOLD, vec![flexible(name), quantity(dish)]);
            self.choices(dish, Style::TALL);
        }
    }

    fn choices(&mut self, dish: &Dish, style: Style) {
        if !dish.choices.is_empty() {
            self.left(&format!("  {}", dish.choices.join(" ")), style);
        }
    }

    /// From boxes and delivery down to what is paid.
    fn sums(&mut self, order: &Order) {
        self.rule("");
        let boxes: i64 = order.dishes.iter().map(|dish| dish.box_fee.0).sum();
        if boxes != 0 {
            self.amount("餐盒费", Fen(boxes), Style::NORMAL);
        }
        if order.delivery_fee != Fen(0) {
            self.amount("配送费", order.delivery_fee, Style::NORMAL);
        }
        self.amount("合计", order.original_total, Style::NORMAL);
        for adjustment in &order.adjustments {
            if adjustment.amount == Fen(0) {
                // A gift: there is something to pack, and nothing to subtract.
                self.left(&adjustment.name, Style::NORMAL);
            } else {
                self.amount(&adjustment.name, adjustment.amount, Style::NORMAL);
            }
        }
        let (name, payment) = match order.paid_online {
            true => ("实付", "已在线支付"),
            false => ("应收", "货到付款"),
        };
        self.amount(name, order.total, NORMAL_TALL_BOLD);
        self.text(payment, Style::BOLD, Align::Right);
        if !order.invoice_title.is_empty() {
            self.left(&format!("发票:{}", order.invoice_title), Style::NORMAL);
        }
    }

    fn amount(&mut self, name: &str, amount: Fen, style: Style) {
        self.row(style, vec![flexible(name.to_owned()), right(amount.to_string(), PRICE_COLUMNS)]);
    }

    fn left(&mut self, text: &str, style: Style) {
        self.text(text, style, Align::Left);
    }

    /// A line of text; nothing where there is none.
    fn text(&mut self, text: &str, style: Style, align: Align) {
        if !text.is_empty() {
            self.document.blocks.push(Block::Text { text: text.to_owned(), style, align });
        }
    }

    fn row(&mut self, style: Style, cells: Vec<Cell>) {
        self.document.blocks.push(Block::Row { cells, style });
    }

    fn rule(&mut self, title: &str) {
        self.document.blocks.push(Block::Rule { title: title.to_owned() });
    }

    fn qr(&mut self, data: &str) {
        if data.len() <= QR_BYTES_MAX {
            self.document.blocks.push(Block::Qr { data: data.to_owned(), module_dots: QR_MODULE_DOTS });
        }
    }
}

fn flexible(text: String) -> Cell {
    Cell { text, columns: None, align: Align::Left }
}

fn right(text: String, columns: u8) -> Cell {
    Cell { text, columns: Some(columns), align: Align::Right }
}

fn quantity(dish: &Dish) -> Cell {
    right(format!("×{}", dish.quantity), QUANTITY_COLUMNS)
}

/// `红烧牛肉面(大份)`; the platform often has the size in the name already.
fn dish_name(dish: &Dish) -> String {
    if dish.spec.is_empty() || dish.name.contains(&dish.spec) {
        dish.name.clone()
    } else {
        format!("{}({})", dish.name, dish.spec)
    }
}

fn cutlery_line(cutlery: Cutlery) -> String {
    match cutlery {
        Cutlery::None => "餐具:不需要".into(),
        Cutlery::Sets(sets) => format!("餐具:{sets} 份"),
        Cutlery::MoreThan(sets) => format!("餐具:{sets} 份以上"),
    }
}

/// `01-02 12:30`.
fn china_time(time: UnixMs) -> String {
    let Ok(timestamp) = Timestamp::from_millisecond(time.0) else { return "时间不明".into() };
    let at = jiff::tz::offset(CHINA_UTC_HOURS).to_datetime(timestamp);
    format!("{:02}-{:02} {:02}:{:02}", at.month(), at.day(), at.hour(), at.minute())
}

/// The text with everything struck out that may be a phone number: runs of digits, `*`, `_` and `-` that
/// hold at least [`PHONE_DIGITS_MIN`] of them other than `-`.
fn without_phones(text: &str) -> String {
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
        assert_eq!(china_time(UnixMs(i64::MAX)), "时间不明");
    }
}
