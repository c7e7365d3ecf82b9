//! With one store's certificate, nothing of another store can be read or changed: tried with every message and every
//! report that there is. A new one without an entry here does not compile.

use docket_protocol::frame;
use docket_protocol::help::{BundlePart, BundleTaken, HelpId, HelpOutcome};
use docket_protocol::ids::{Fen, OrderKey, Platform, PrinterName, Seq, Station, TicketId, UnixMs};
use docket_protocol::message::{
    AgentStatus, Hello, Instance, Item, LinkReport, Message, PROTOCOL_VERSION, Refusal, Renewal, Report,
    SettingsOutcome, Transport, Welcome,
};
use docket_protocol::order::{Fulfilment, Order, Recipient};
use docket_protocol::outcome::{Evidence, Outcome, TicketReport};
use docket_protocol::pack;
use docket_protocol::printer::PrinterHealth;
use docket_protocol::storage::{SpoolReplaced, StorageReport, Storing};
use docket_protocol::ticket::TicketKind;
use docket_protocol::upload::{CounterCancelled, CounterOrder, CounterTickets, TicketOutline, Upload};
use docket_tests::chain::shop::push;
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PrinterAt, Shop};
use docket_tests::raw_link::{Credentials, RawLink};

const OTHER: &str = "S0099";

/// Values of an enum, at least one of each variant. The `match` is there to be incomplete when a variant is added.
macro_rules! every {
    ($enum:ident: $($variant:ident: $value:expr),+ $(,)?) => {{
        let known = |value: &$enum| match value { $($enum::$variant { .. } => stringify!($variant),)+ };
        let values: Vec<(&'static str, $enum)> = vec![$((stringify!($variant), $value)),+];
        for (name, value) in &values {
            assert_eq!(known(value), *name, "another variant's value");
        }
        values
    }};
}

/// Orders of a counter that are another store's.
fn uploads(known: &Known) -> Vec<(&'static str, Upload)> {
    let order = Order {
        key: OrderKey { platform: Platform::Counter, id: format!("{}/1", known.agent) },
        shop: OTHER.into(),
        pickup_number: "1".into(),
        fulfilment: Fulfilment::SelfPickup,
        placed_at: UnixMs(1),
        wanted_at: None,
        dishes: Vec::new(),
        adjustments: Vec::new(),
        delivery_fee: Fen(0),
        original_total: Fen(0),
        total: Fen(0),
        paid_online: true,
        note: String::new(),
        cutlery: None,
        recipient: Recipient::default(),
        invoice_title: String::new(),
    };
    let outline = || TicketOutline {
        id: known.ticket,
        kind: TicketKind::Front,
        station: Station::new("front"),
        title: "别的".into(),
    };
    let key = order.key.clone();
    let cancelled = CounterCancelled {
        order: known.order.clone(),
        reason: "不要了".into(),
        slips: vec![outline()],
        cancelled_at: UnixMs(1),
    };
    every!(Upload:
        Order: Upload::Order(Box::new(CounterOrder {
            order, tickets: vec![outline()], unmapped: Vec::new(), accepted_at: UnixMs(1),
        })),
        Tickets: Upload::Tickets(CounterTickets { key, tickets: vec![outline()], accepted_at: UnixMs(1) }),
        Cancelled: Upload::Cancelled(cancelled),
        Outcome: Upload::Outcome(printed(known)),
        CutShort: Upload::CutShort { ticket: known.ticket },
    )
}

/// What somebody with another store's certificate knows of this one.
struct Known {
    agent: String,
    help: HelpId,
    order: OrderKey,
    ticket: TicketId,
    spool: [u8; 16],
    process: [u8; 16],
    certificate: Vec<u8>,
    /// Items as the hub has sent them to the store.
    item: Vec<u8>,
}

fn printed(known: &Known) -> TicketReport {
    TicketReport {
        ticket: known.ticket,
        attempt: 1,
        repeat: 0,
        printer: PrinterName::new("front"),
        meant_for: None,
        outcome: Outcome::Printed(Evidence::Fence),
        boxes: None,
        began_at: UnixMs(1),
        ended_at: UnixMs(2),
    }
}

fn reports(known: &Known) -> Vec<(&'static str, Report)> {
    every!(Report:
        Ticket: Report::Ticket(printed(known)),
        Unreadable: Report::Unreadable { seq: Seq(1) },
        CutShort: Report::CutShort { ticket: known.ticket },
        Help: Report::Help { id: known.help, outcome: HelpOutcome::Done },
        Settings: Report::Settings {
            revision: 1, outcome: SettingsOutcome::Applied { otherwise: String::new() },
        },
        SpoolReplaced: Report::SpoolReplaced(SpoolReplaced {
            kept_as: "spool.db".into(), is_whole: false, tickets: 9, reports: 9, lost: 9, at: UnixMs(1),
        }),
    )
}

fn hello(known: &Known) -> Hello {
    Hello {
        protocol_min: PROTOCOL_VERSION,
        protocol_max: PROTOCOL_VERSION,
        spool: known.spool,
        received_up_to: Seq(0),
        assigned_up_to: Seq(0),
        agent_version: "other".into(),
        platform: "other".into(),
    }
}

/// `place` is the next one in the sequence of whoever says it.
fn messages(known: &Known, place: Seq) -> Vec<(&'static str, Message)> {
    let printer = PrinterHealth {
        printer: PrinterName::new("front"),
        waiting: 7,
        heard_at: Some(UnixMs(3)),
        conditions: Vec::new(),
    };
    let link = LinkReport {
        transport: Transport::Tls,
        proxied: true,
        rtt_us: Some(1),
        lost_packets: None,
        reconnects: 9,
        fallbacks: 9,
        connected_at: UnixMs(1),
        counted_since: UnixMs(1),
    };
    let welcome =
        Welcome { protocol: 1, epoch: 1, received_up_to: Seq(0), sends_after: Seq(0), now: UnixMs(1) };
    every!(Message:
        Hello: Message::Hello(hello(known)),
        Welcome: Message::Welcome(welcome),
        Refused: Message::Refused(Refusal::Revoked),
        Deliver: Message::Deliver { seq: place, payload: known.item.clone() },
        Ack: Message::Ack { up_to: Seq(0) },
        Heartbeat: Message::Heartbeat { sent_up_to: Seq(place.0 - 1), stored_up_to: Seq(0) },
        Status: Message::Status(AgentStatus { printers: vec![printer], waiting: 7, held: 7, spool_full: true }),
        Link: Message::Link(link),
        Upload: Message::Upload { number: 1, packed: Vec::new() },
        Uploaded: Message::Uploaded { number: 1 },
        BundlePart: Message::BundlePart(BundlePart {
            help: known.help, offset: 0, total: 3, bytes: vec![1, 2, 3],
        }),
        BundleTaken: Message::BundleTaken(BundleTaken { help: known.help, up_to: None }),
        Instance: Message::Instance(Instance {
            process: known.process, machine: Some([9; 32]), boot: "b".into(), host: "other".into(),
        }),
        RenewalDue: Message::RenewalDue,
        Renew: Message::Renew(Renewal { public_key: vec![4; 65], proof: vec![0x30] }),
        Renewed: Message::Renewed { certificate: known.certificate.clone() },
        Trust: Message::Trust { cas: vec![known.certificate.clone()] },
        Trusting: Message::Trusting { bundle: [9; 32] },
        Storage: Message::Storage(StorageReport {
            storing: Storing::DiskFull, used_bytes: 9, bound_bytes: 9, free_bytes: None, disk_bytes: None, unsent: 9,
            oldest_unsent: None,
        }),
    )
}

/// All that is tried.
fn tried(known: &Known, place: Seq) -> Vec<(&'static str, Message)> {
    let mut tried = messages(known, place);
    for (name, report) in reports(known) {
        tried.push((name, Message::Deliver { seq: place, payload: frame::payload(&report) }));
    }
    for (name, upload) in uploads(known) {
        tried.push((name, Message::Upload { number: 1, packed: pack::pack(&[frame::payload(&upload)]) }));
    }
    tried
}

/// Everything that the hub has of the other store, as text.
fn everything(hub: &Hub) -> anyhow::Result<Vec<String>> {
    let database = hub.tamper()?;
    let mut all = Vec::new();
    for (table, of_store) in [
        ("stores", "id = ?1"),
        ("shops", "store = ?1"),
        ("enrol_codes", "store = ?1"),
        ("agents", "store = ?1"),
        ("orders", "store = ?1"),
        ("tickets", "store = ?1"),
        ("audit", "store = ?1"),
        ("help_outbox", "agent IN (SELECT id FROM agents WHERE store = ?1)"),
        ("outbox", "agent IN (SELECT id FROM agents WHERE store = ?1)"),
        ("alarms", "subject = ?1 OR subject IN (SELECT id FROM agents WHERE store = ?1)"),
    ] {
        let mut select = database.prepare(&format!("SELECT * FROM {table} WHERE {of_store}"))?;
        let columns = select.column_count();
        let rows = select.query_map([OTHER], |row| {
            let values: Result<Vec<rusqlite::types::Value>, _> = (0..columns).map(|at| row.get(at)).collect();
            Ok(format!("{table}: {:?}", values?))
        })?;
        for row in rows {
            all.push(row?);
        }
    }
    Ok(all)
}

/// What the console says of the other store, without the ages of things.
async fn shown(hub: &Hub) -> anyhow::Result<serde_json::Value> {
    let overview = hub.overview().await?;
    let stores = overview["stores"].as_array().into_iter().flatten();
    let store = stores.into_iter().find(|store| store["id"] == OTHER).cloned().unwrap_or_default();
    let field = |name: &str| store[name].clone();
    Ok(serde_json::json!([
        field("link"),
        field("printers"),
        field("held"),
        field("spool_full"),
        field("status_at")
    ]))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_of_one_store_reads_or_changes_another() -> anyhow::Result<()> {
    let shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.hub.add_store(OTHER, "别的面馆")?;
    shop.hub.must(&["store", "add", "--id", OTHER, "--name", "别的面馆", "--meituan-shop", OTHER])?;
    let options = AgentOptions { printers: vec![PrinterAt::only("127.0.0.1:9")], ..AgentOptions::default() };
    let other = Agent::enrol(&shop.folder().join("other"), &shop.hub, OTHER, options)?;
    let link = shop.hub.addresses().link;
    let order = push(&shop.hub, OTHER, 1).await?;
    let own = push(&shop.hub, Shop::STORE, 2).await?;

    // The other store is connected, and has not yet acknowledged its ticket.
    let (mut theirs, _) = RawLink::greeted(link, &Credentials::of_agent(other.data())?).await?;
    let Message::Deliver { payload: item, .. } = theirs.message().await? else {
        anyhow::bail!("no ticket of the other store");
    };
    let key = OrderKey { platform: Platform::Meituan, id: order.order_id.clone() };
    let ticket = TicketId::derive(&key, TicketKind::Front, &Station::new("front"), 0);
    let Some(Item::Ticket(sent)) = frame::read_payload(&item) else { anyhow::bail!("not a ticket") };
    assert_eq!(sent.id, ticket, "ids of tickets are no secret");
    let identity: serde_json::Value =
        serde_json::from_slice(&std::fs::read(other.data().join("identity.json"))?)?;
    let certificate = serde_json::from_value(identity["certificate"].clone())?;
    let agent = identity["agent"].as_str().unwrap_or_default().to_owned();
    shop.hub.must(&["agent", "help", "bundle", "--store", OTHER])?;
    let help: [u8; 16] =
        shop.hub.tamper()?.query_row("SELECT help FROM audit WHERE store = ?1", [OTHER], |row| row.get(0))?;
    let help = HelpId::from_bytes(help);
    let known = Known {
        agent: agent.clone(),
        help,
        order: key,
        ticket,
        spool: [7; 16],
        process: [8; 16],
        certificate,
        item,
    };

    let (before, seen) = (everything(&shop.hub)?, shown(&shop.hub).await?);
    assert!(before.len() >= 6, "{before:?}");
    let credentials = Credentials::of_agent(shop.agent.data())?;
    let secrets = [order.order_id.as_bytes(), OTHER.as_bytes(), agent.as_bytes(), &known.certificate];
    let check = |name: &str, said: &Message| {
        let bytes = frame::payload(said);
        let came_out = secrets.iter().any(|secret| contains(&bytes, secret));
        assert!(!came_out, "{name}: the other store's came out: {said:?}");
    };
    let (mut first, _) = RawLink::greeted(link, &credentials).await?;
    let ticket = frame::payload(&first.message().await?);
    assert!(contains(&ticket, own.order_id.as_bytes()), "not even the own ticket comes out");

    for at in 0..tried(&known, Seq(1)).len() {
        // In a session, in the other's spool.
        let mut liar = RawLink::connect(link, &credentials).await?;
        liar.send(&Message::Hello(hello(&known))).await?;
        let Message::Welcome(welcome) = liar.message().await? else { anyhow::bail!("no welcome") };
        let place = welcome.received_up_to.next();
        let (name, message) = tried(&known, place).swap_remove(at);
        liar.send(&message).await?;
        let is_delivery = matches!(message, Message::Deliver { .. });
        let last = if is_delivery { place.next() } else { place };
        // What has no place in a session ends it, and then nothing more is read.
        let _ = liar.send(&Message::Deliver { seq: last, payload: vec![0xff] }).await;
        let mut was_read = false;
        while !was_read && let Ok(said) = liar.message().await {
            check(name, &said);
            was_read = matches!(said, Message::Ack { up_to } if up_to >= last);
        }
        assert!(was_read || !is_delivery, "{name} was not taken at all");
        drop(liar);

        // Instead of a greeting, or before it. The last one ends any session.
        let mut liar = RawLink::connect(link, &credentials).await?;
        for message in [message, Message::Hello(hello(&known)), Message::RenewalDue] {
            if liar.send(&message).await.is_err() {
                break;
            }
        }
        while let Ok(said) = liar.message().await {
            check(name, &said);
        }
        assert_eq!(everything(&shop.hub)?, before, "{name} has changed something of the other store");
        assert_eq!(shown(&shop.hub).await?, seen, "{name} is shown for the other store");
    }
    theirs.deliver_and_wait(1).await?;
    Ok(())
}
