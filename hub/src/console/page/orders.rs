//! Orders with their tickets and times: those that need a person first, then the newest.
//!
//! Of the customer there is nothing here: a snapshot holds no name, phone, address or note. Only single characters that
//! came out as boxes, without what stood around them.

use super::Language;
use crate::console::late::{self, Late};
use crate::console::snapshot::{ORDERS_MAX, OrderLine, Snapshot};
use crate::console::when::{Form, age, china_short, duration};
use crate::console::words;
use crate::storage::views::TicketView;
use docket_paper::wanted::Wanted;
use docket_protocol::ids::{Fen, UnixMs};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Columns that belong to an order, and to a ticket.
const ORDER_COLUMNS: usize = 5;
const TICKET_COLUMNS: usize = 7;

/// The table.
pub fn orders(snapshot: &Snapshot, language: Language) -> Markup {
    let (late, rest): (Vec<_>, Vec<_>) = snapshot.orders.iter().partition(|line| line.late.is_some());
    html! {
        h2 data-key="heading" {
            (language.pick("订单", "Orders"))
            small { (language.pick("最近 ", "the newest ")) (ORDERS_MAX) }
        }
        @if snapshot.open_elsewhere > 0 {
            p.late data-key="elsewhere" {
                (language.pick("更早的订单还有小票没打出来:", "Tickets of earlier orders that have not come out: "))
                b { (snapshot.open_elsewhere) }
            }
        }
        @for wanted in wanted(snapshot) {
            @let (zh, en) = wanted.remedy();
            p.remedy data-key={ "wanted " (wanted as u8) } {
                strong { (language.pick("有字打成了方框。", "Some characters came out as boxes.")) } " "
                (language.pick(zh, en))
            }
        }
        @if snapshot.orders.is_empty() {
            p data-key="none" { (language.pick("还没有订单。", "No orders yet.")) }
        } @else {
            table role="table" data-key="table" data-keyed {
                (columns(language))
                @if !late.is_empty() {
                    (group(language.pick("要看", "To look at"), late.len(), language))
                    // Who has waited longest comes first.
                    @for line in late.iter().rev() { (order(line, snapshot, language)) }
                }
                @if !late.is_empty() && !rest.is_empty() {
                    (group(language.pick("最新", "Newest"), rest.len(), language))
                }
                @for line in &rest { (order(line, snapshot, language)) }
            }
        }
    }
}

/// What the PCs of stores lack, as far as it shows in these tickets.
fn wanted(snapshot: &Snapshot) -> BTreeSet<Wanted> {
    let tickets = snapshot.orders.iter().flat_map(|line| &line.order.tickets);
    tickets.flat_map(|ticket| Wanted::by(&ticket.boxes)).collect()
}

fn columns(language: Language) -> Markup {
    let names = [
        language.pick("取餐号", "Pick-up"),
        language.pick("门店", "Store"),
        language.pick("平台", "Platform"),
        language.pick("金额", "Total"),
        language.pick("收到", "Received"),
        language.pick("小票", "Ticket"),
        language.pick("打印机", "Printer"),
        language.pick("状态", "State"),
        language.pick("收到→发出", "Received→sent"),
        language.pick("→门店存好", "→spooled"),
        language.pick("→出纸", "→printed"),
        language.pick("共", "All"),
    ];
    html! {
        thead role="rowgroup" data-key="columns" {
            tr role="row" {
                @for (index, name) in names.iter().enumerate() {
                    th role="columnheader" scope="col"
                        class=[(index == 3 || index >= names.len() - 4).then_some("number")] { (name) }
                }
            }
        }
    }
}

fn group(name: &str, count: usize, language: Language) -> Markup {
    html! {
        tbody.group role="rowgroup" data-key={ "group " (name) } {
            tr role="row" {
                th role="rowheader" scope="rowgroup" colspan=(ORDER_COLUMNS + TICKET_COLUMNS) {
                    (name) " " small { (count) (language.pick(" 单", "")) }
                }
            }
        }
    }
}

fn order(line: &OrderLine, snapshot: &Snapshot, language: Language) -> Markup {
    let (order, at) = (&line.order, snapshot.at);
    html! {
        tbody.order.late[line.late.is_some()] role="rowgroup" data-key={ (order.platform) ":" (order.id) } {
            @if order.tickets.is_empty() {
                tr role="row" {
                    (order_cells(line, snapshot, language))
                    td role="cell" colspan=(TICKET_COLUMNS) { (language.pick("没有小票", "no tickets")) }
                }
            }
            @for (index, each) in order.tickets.iter().enumerate() {
                tr role="row" {
                    @if index == 0 { (order_cells(line, snapshot, language)) }
                    (ticket_cells(each, at, language))
                }
            }
        }
    }
}

fn order_cells(line: &OrderLine, snapshot: &Snapshot, language: Language) -> Markup {
    let order = &line.order;
    let rows = order.tickets.len().max(1);
    let name = |id: &str| snapshot.stores.iter().find(|store| store.id == id).map(|store| &store.name);
    html! {
        th.pickup role="rowheader" scope="rowgroup" rowspan=(rows) title=(order.id) { "#" (order.pickup) }
        td.shop role="cell" rowspan=(rows) {
            @match &order.store {
                Some(id) => {
                    @if let Some(name) = name(id) { (name) " " }
                    small { (id) }
                }
                None => {
                    strong.late { (language.pick("店铺未登记", "shop unknown")) } " " small { (order.shop) }
                }
            }
            @if order.cancelled { " " span.mark { (language.pick("已取消", "cancelled")) } }
        }
        td.platform role="cell" rowspan=(rows) { (words::platform(&order.platform, language)) }
        td.total.number role="cell" rowspan=(rows) { "¥" (Fen(order.total_fen)) }
        td.received role="cell" rowspan=(rows) { (china_short(order.received_at, snapshot.at)) }
    }
}

fn ticket_cells(ticket: &TicketView, at: UnixMs, language: Language) -> Markup {
    let step = |from: Option<UnixMs>, to: Option<UnixMs>| match (from, to) {
        (Some(from), Some(to)) => duration(to.since(from), language),
        _ => "–".into(),
    };
    html! {
        td.kind role="cell" {
            (words::kind(&ticket.kind, language))
            @if !ticket.station.is_empty() { " " small { (ticket.station) } }
        }
        td.printer role="cell" {
            (ticket.printer.as_deref().unwrap_or("–"))
            @if let Some(meant_for) = &ticket.meant_for {
                " " small { (language.pick("备用,代 ", "backup for ")) (meant_for) }
            }
        }
        td.state role="cell" { (state(ticket, at, language)) }
        td.step.number role="cell" { (step(Some(ticket.made_at), ticket.sent_at)) }
        td.step.number role="cell" { (step(ticket.sent_at.or(Some(ticket.made_at)), ticket.spooled_at)) }
        td.step.number role="cell" { (step(ticket.spooled_at, ticket.printed_at)) }
        td.all.number role="cell" {
            @match ticket.printed_at {
                Some(_) => (step(Some(ticket.made_at), ticket.printed_at)),
                None => (age(ticket.made_at, at, Form::Lasting)),
            }
        }
    }
}

fn state(ticket: &TicketView, at: UnixMs, language: Language) -> Markup {
    let late = late::of_ticket(ticket, at);
    let evidence = ticket.evidence.as_deref().map(|evidence| words::evidence(evidence, language));
    let class = match (ticket.state, evidence) {
        ("printed", Some((_, true))) => "done",
        ("printed", _) | ("unknown", _) => "doubt",
        _ => "open",
    };
    html! {
        // On its way or in the store, being late says it all; of what waits for a person, its state does.
        @match (late, ticket.state) {
            (Some(late @ (Late::NotSpooled | Late::NotPrinted)), "queued" | "spooled") => {
                strong.late { (words::late(late, language)) }
            }
            (Some(late @ (Late::NotSpooled | Late::NotPrinted)), state) => {
                span.late { (words::state(state, language)) } " "
                strong.late { (words::late(late, language)) }
            }
            (Some(Late::Held | Late::Unrouted), state) => strong.late { (words::state(state, language)) },
            (None, state) => span class=(class) { (words::state(state, language)) },
        }
        @if let Some((word, _)) = evidence { " " small { (word) } }
        @if ticket.repeats > 0 {
            " " span.mark { (language.pick("补打 ", "reprint ")) (ticket.repeats) }
        }
        @if let Some((minutes, at_hub)) = late::printed_late(ticket) {
            " " span.mark title=(words::why_late(minutes, at_hub, language)) {
                (language.pick("迟到 ", "late ")) (minutes) (language.pick(" 分钟", " min"))
            }
            " " small { (words::why_late(minutes, at_hub, language)) }
        }
        @if let Some(doubt) = &ticket.doubt { " " small { (words::doubt(doubt, language)) } }
        @if !ticket.boxes.is_empty() {
            " " span.mark.boxes { (language.pick("打成方框:", "boxes for ")) bdi { (ticket.boxes) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn late_orders_come_first_and_the_longest_wait_before_all() {
        let mut snapshot = sample::snapshot();
        let mut older = sample::order("9", sample::AT.0 - 90_000);
        older.tickets = vec![sample::ticket("spooled", sample::AT.0 - 90_000)];
        snapshot.orders.push(sample::line(older));
        let text = orders(&snapshot, Language::Zh).into_string();
        let at = |text_of: &str| text.find(text_of).unwrap_or_else(|| panic!("{text_of} is not in {text}"));
        assert!(at("#9<") < at("#16<") && at("#16<") < at("#17<"));
        assert!(text.contains("迟:未到门店") && text.contains("要看"), "{text}");
    }

    #[test]
    fn a_ticket_shows_evidence_steps_and_repeats() {
        let mut ticket = sample::printed(sample::AT.0);
        ticket.repeats = 2;
        ticket.doubt = Some("power-lost".into());
        ticket.meant_for = Some("kitchen".into());
        let text = ticket_cells(&ticket, sample::AT, Language::Zh).into_string();
        for wanted in [
            "已打印",
            "围栏确认",
            "补打 2",
            "断电",
            "备用,代 kitchen",
            ">12 ms<",
            ">34 ms<",
            ">1.2 s<",
            "class=\"done\"",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in {text}");
        }
    }

    #[test]
    fn boxes_stand_beside_their_ticket_and_the_remedy_once_above_all() {
        let mut snapshot = sample::snapshot();
        let plain = orders(&snapshot, Language::Zh).into_string();
        assert!(!plain.contains("方框"), "{plain}");
        for line in &mut snapshot.orders {
            line.order.tickets[0].boxes = "<😀…+3".into();
        }
        let text = orders(&snapshot, Language::Zh).into_string();
        assert!(text.contains("打成方框:<bdi>&lt;😀…+3</bdi>"), "{text}");
        assert_eq!(text.matches("fonts-symbola").count(), 1, "{text}");
        let english = orders(&snapshot, Language::En).into_string();
        assert!(english.contains("boxes for <bdi>") && english.contains("seguiemj.ttf"), "{english}");
    }

    #[test]
    fn printed_without_the_papers_word_is_not_shown_as_certain() {
        let mut ticket = sample::printed(sample::AT.0);
        ticket.evidence = Some("sent".into());
        let text = ticket_cells(&ticket, sample::AT, Language::En).into_string();
        assert!(text.contains("sent only") && !text.contains("class=\"done\""), "{text}");
    }

    #[test]
    fn an_order_of_an_unknown_shop_and_a_cancelled_one_are_named_so() {
        let mut unknown = sample::order("5", sample::AT.0);
        (unknown.store, unknown.tickets) = (None, Vec::new());
        let mut cancelled = sample::order("6", sample::AT.0);
        cancelled.cancelled = true;
        let mut snapshot = sample::snapshot();
        snapshot.orders = vec![sample::line(unknown), sample::line(cancelled)];
        snapshot.open_elsewhere = 12;
        let text = orders(&snapshot, Language::Zh).into_string();
        for wanted in ["店铺未登记", "没有小票", "已取消", "<b>12</b>"] {
            assert!(text.contains(wanted), "{wanted} is not in {text}");
        }
    }
}
