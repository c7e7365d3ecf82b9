//! Fixed contents: every field has a value of its own that is not its default, so that two swapped fields show.

use docket_protocol::boxes::Boxes;
use docket_protocol::document::{Align, Block, Cell, Document, Style};
use docket_protocol::enrol::{Grant, Request};
use docket_protocol::help::{BundlePart, BundleTaken, Help, HelpId, HelpRequest};
use docket_protocol::ids::{
    AgentId, Fen, OrderKey, Platform, PrinterName, Seq, Station, StoreId, TicketId, UnixMs,
};
use docket_protocol::message::{AgentStatus, Hello, Instance, LinkReport, Renewal, Transport, Welcome};
use docket_protocol::order::{Adjustment, Cutlery, Dish, Fulfilment, Order, Recipient};
use docket_protocol::outcome::{Evidence, Outcome, TicketReport};
use docket_protocol::printer::{Condition, PrinterHealth, Since};
use docket_protocol::ticket::{Ticket, TicketKind};
use docket_protocol::upload::{CounterCancelled, CounterOrder, CounterTickets, TicketOutline};

/// More than one byte, and more than 32 bits.
pub(super) const SEQ: Seq = Seq(0x1_2345_6789);

/// 2026-03-01T12:00:00.123Z.
const NOW: UnixMs = UnixMs(1_772_366_400_123);

pub(super) fn hello() -> Hello {
    Hello {
        protocol_min: 1,
        protocol_max: 2,
        spool: std::array::from_fn(|at| u8::try_from(at).unwrap() + 0xa0),
        received_up_to: Seq(300),
        assigned_up_to: Seq(70_000),
        agent_version: "0.1.0".into(),
        platform: "windows x86_64".into(),
    }
}

pub(super) fn welcome() -> Welcome {
    Welcome { protocol: 1, epoch: 129, received_up_to: Seq(69_999), sends_after: Seq(301), now: NOW }
}

fn order() -> OrderKey {
    OrderKey { platform: Platform::Meituan, id: "27057681346841638".into() }
}

fn ticket_id() -> TicketId {
    TicketId::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap() * 0x11))
}

pub(super) fn ticket() -> Ticket {
    Ticket {
        id: ticket_id(),
        order: order(),
        kind: TicketKind::Kitchen,
        station: Station::new("bar"),
        title: "美团外卖 #17".into(),
        made_at: NOW,
        maybe_printed: true,
        urgent: true,
        copies: 2,
        expires_at: Some(UnixMs(NOW.0 + 3_600_000)),
        document: Document { blocks: vec![text(), row(), Block::Feed { lines: 2 }] },
    }
}

pub(super) fn text() -> Block {
    Block::Text {
        text: "#17\n厨打单".into(),
        style: Style { width: 2, height: 3, bold: true, underline: false, reverse: true },
        align: Align::Center,
    }
}

pub(super) fn row() -> Block {
    let name = Cell { text: "鱼香肉丝 大份".into(), columns: None, align: Align::Left };
    let quantity = Cell { text: "x2".into(), columns: Some(4), align: Align::Right };
    Block::Row { cells: vec![name, quantity], style: Style::TALL }
}

pub(super) fn ticket_report() -> TicketReport {
    TicketReport {
        ticket: ticket_id(),
        attempt: 2,
        repeat: 1,
        printer: PrinterName::new("kitchen"),
        meant_for: Some(PrinterName::new("bar")),
        outcome: Outcome::Printed(Evidence::Status),
        boxes: Some(Boxes::of(&['😀'].into())),
        began_at: NOW,
        ended_at: UnixMs(NOW.0 + 850),
    }
}

pub(super) fn status() -> AgentStatus {
    let conditions = vec![
        Since { condition: Condition::PaperOut, since: NOW },
        Since { condition: Condition::Offline, since: UnixMs(-1) },
    ];
    let health = |printer: &str, conditions, heard_at, waiting| PrinterHealth {
        printer: PrinterName::new(printer),
        conditions,
        heard_at,
        waiting,
    };
    AgentStatus {
        printers: vec![health("front", conditions, Some(NOW), 3), health("bar", Vec::new(), None, 0)],
        waiting: 5,
        held: 1,
        spool_full: true,
    }
}

pub(super) fn link_report() -> LinkReport {
    LinkReport {
        transport: Transport::Tls,
        proxied: true,
        rtt_us: Some(12_345),
        lost_packets: Some(6_789),
        reconnects: 300,
        fallbacks: 2,
        connected_at: NOW,
        counted_since: UnixMs(NOW.0 - 86_400_000),
    }
}

fn help_id() -> HelpId {
    HelpId::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap() + 0x70))
}

pub(super) fn help_request() -> HelpRequest {
    let what = Help::Reprint { ticket: ticket_id(), printer: Some(PrinterName::new("kitchen")) };
    HelpRequest { id: help_id(), until: NOW, what }
}

pub(super) fn bundle_part() -> BundlePart {
    BundlePart { help: help_id(), offset: 4_096, total: 70_000, bytes: vec![0x1f, 0x8b] }
}

pub(super) fn bundle_taken() -> BundleTaken {
    BundleTaken { help: help_id(), up_to: Some(4_098) }
}

pub(super) fn instance() -> Instance {
    Instance { process: [0x11; 16], machine: Some([0x22; 32]), boot: "b-300".into(), host: "前台".into() }
}

pub(super) fn renewal() -> Renewal {
    Renewal { public_key: vec![4; 65], proof: vec![0x30, 0x45, 2] }
}

pub(super) fn request() -> Request {
    Request {
        lookup: [1, 2, 3, 4, 5, 6, 7, 8],
        public_key: vec![0x30, 0x59, 0x30, 0x13],
        tag: [0x5a; 32],
        host: "前台".into(),
    }
}

pub(super) fn grant() -> Grant {
    Grant {
        agent: AgentId::new("a-0042-1"),
        store: StoreId::new("S0042"),
        store_name: "人民路店".into(),
        certificate: vec![0x30, 0x82, 0x01],
        ca: vec![0x30, 0x82, 0x02],
        tag: [0xa5; 32],
    }
}

fn counter_key() -> OrderKey {
    OrderKey::of_counter(&AgentId::new("s0042-1a2b3c4d"), "till-1.17")
}

fn outline() -> TicketOutline {
    TicketOutline {
        id: ticket_id(),
        kind: TicketKind::Bill,
        station: Station::new("front"),
        title: "柜台 #17".into(),
    }
}

fn counter_content() -> Order {
    Order {
        key: counter_key(),
        shop: "S0042".into(),
        pickup_number: "17".into(),
        fulfilment: Fulfilment::DineIn { table: "A12".into() },
        placed_at: NOW,
        wanted_at: Some(UnixMs(NOW.0 + 1)),
        dishes: vec![Dish {
            code: "F1001".into(),
            name: "红烧牛肉面".into(),
            spec: "大份".into(),
            choices: vec!["中辣".into(), "不要香菜".into()],
            quantity: 2,
            price: Fen(2_800),
            box_fee: Fen(100),
            bag: 1,
        }],
        adjustments: vec![Adjustment { name: "会员".into(), amount: Fen(-300) }],
        delivery_fee: Fen(400),
        original_total: Fen(6_200),
        total: Fen(5_900),
        paid_online: true,
        note: "少放辣".into(),
        cutlery: Some(Cutlery::Sets(2)),
        recipient: Recipient { name: "张".into(), phone: "138".into(), address: "3号楼".into() },
        invoice_title: "某某公司".into(),
    }
}

pub(super) fn counter_order() -> CounterOrder {
    CounterOrder {
        order: counter_content(),
        tickets: vec![outline()],
        unmapped: vec!["新菜".into()],
        accepted_at: UnixMs(NOW.0 + 2),
    }
}

pub(super) fn counter_tickets() -> CounterTickets {
    CounterTickets { key: counter_key(), tickets: vec![outline()], accepted_at: NOW }
}

pub(super) fn counter_cancelled() -> CounterCancelled {
    CounterCancelled {
        order: counter_key(),
        reason: "顾客改变主意".into(),
        slips: vec![outline()],
        cancelled_at: NOW,
    }
}
