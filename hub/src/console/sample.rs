//! A made-up chain for the console's unit tests.

use super::late;
use super::snapshot::{Light, OrderLine, RefusedView, Snapshot};
use super::store::{ConditionView, LinkView, PrinterView, ReasonView, StoreView};
use crate::storage::views::{AlarmView, OrderView, TicketView};
use docket_protocol::ids::UnixMs;

/// 2026-11-23 14:00:00 in China.
pub const AT: UnixMs = UnixMs(1_795_413_600_000);

pub fn ticket(state: &'static str, made_at: i64) -> TicketView {
    TicketView {
        id: "8bf94dec-31fc-5d2d-a43d-aaf7027d78c8".into(),
        kind: "front".into(),
        station: "front".into(),
        state,
        evidence: None,
        doubt: None,
        boxes: String::new(),
        repeats: 0,
        printer: None,
        meant_for: None,
        made_at: UnixMs(made_at),
        sent_at: None,
        spooled_at: None,
        printed_at: None,
    }
}

pub fn printed(made_at: i64) -> TicketView {
    TicketView {
        evidence: Some("fence".into()),
        printer: Some("front".into()),
        sent_at: Some(UnixMs(made_at + 12)),
        spooled_at: Some(UnixMs(made_at + 46)),
        printed_at: Some(UnixMs(made_at + 1_246)),
        ..ticket("printed", made_at)
    }
}

pub fn order(pickup: &str, received_at: i64) -> OrderView {
    OrderView {
        platform: "meituan".into(),
        id: format!("2705768134684{pickup}"),
        store: Some("S0042".into()),
        shop: "S0042".into(),
        pickup: pickup.into(),
        total_fen: 6_150,
        cancelled: false,
        received_at: UnixMs(received_at),
        tickets: vec![printed(received_at)],
    }
}

pub fn line(order: OrderView) -> OrderLine {
    OrderLine { late: late::of_order(&order, AT), order }
}

pub fn store(id: &str, name: &str) -> StoreView {
    StoreView {
        id: id.into(),
        name: name.into(),
        light: Light::Green,
        reasons: Vec::new(),
        shops: vec![format!("meituan/{id}")],
        link: LinkView::Up {
            agent: "a1".into(),
            since: UnixMs(AT.0 - 90_000),
            version: "0.1.0".into(),
            way: None,
            certificate_days: Some(300),
        },
        printers: vec![PrinterView {
            name: "front".into(),
            light: Light::Green,
            conditions: Vec::new(),
            waiting: 0,
            heard_at: Some(UnixMs(AT.0 - 4_000)),
        }],
        status_at: Some(UnixMs(AT.0 - 3_000)),
        open_tickets: 0,
        oldest_open_at: None,
        held: 0,
        spool_full: false,
        settings: None,
    }
}

pub fn without_paper(id: &str, name: &str) -> StoreView {
    let mut store = store(id, name);
    store.light = Light::Red;
    let (zh, en) = docket_protocol::printer::Condition::PaperOut.remedy();
    store.printers[0].light = Light::Red;
    store.printers[0].conditions =
        vec![ConditionView { code: "paper-out", zh, en, since: UnixMs(AT.0 - 61_000) }];
    store.reasons =
        vec![ReasonView {
            code: "tickets-late", zh: "有小票没打出来", en: "tickets are late", since: None
        }];
    store.open_tickets = 3;
    store.oldest_open_at = Some(UnixMs(AT.0 - 70_000));
    store
}

pub fn snapshot() -> Snapshot {
    let mut late = order("16", AT.0 - 70_000);
    late.tickets.push(ticket("queued", AT.0 - 70_000));
    Snapshot {
        at: AT,
        stores: vec![without_paper("S0042", "人民路店"), store("S0007", "江边店")],
        orders: vec![line(order("17", AT.0 - 5_000)), line(late)],
        open_elsewhere: 0,
        alarms: vec![AlarmView {
            code: "dish-unmapped".into(),
            subject: "凉茶".into(),
            detail: "S0042 meituan:27057681346841638".into(),
            since: UnixMs(AT.0 - 3_600_000),
            times: 4,
        }],
        refused: RefusedView { bad_signatures: 2, bad_pushes: 0, unstored: 0 },
    }
}
