//! The hub's side, with a peer that says what an agent would and more.

use docket_protocol::frame::payload;
use docket_protocol::ids::{AgentId, Fen, OrderKey, Platform, PrinterName, Station, TicketId, UnixMs};
use docket_protocol::message::Message;
use docket_protocol::order::{Fulfilment, Order, Recipient};
use docket_protocol::outcome::{Evidence, Outcome, TicketReport};
use docket_protocol::pack::pack;
use docket_protocol::ticket::TicketKind;
use docket_protocol::upload::{CounterCancelled, CounterOrder, CounterTickets, TicketOutline, Upload};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PrinterAt, Shop, shop};
use docket_tests::raw_link::{Credentials, RawLink};
use serde_json::Value;
use std::net::SocketAddr;

const STORE: &str = "S0099";
/// Tickets of a platform's order that a hostile agent claims.
const CLAIMED: i64 = 8;

/// A shop, and another store whose agent is us.
struct Counter {
    shop: Shop,
    agent: AgentId,
    credentials: Credentials,
    link: SocketAddr,
}

impl Counter {
    async fn open() -> anyhow::Result<Self> {
        let shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
        shop.hub.add_store(STORE, "别的面馆")?;
        let options =
            AgentOptions { printers: vec![PrinterAt::only("127.0.0.1:9")], ..AgentOptions::default() };
        let agent = Agent::enrol(&shop.folder().join("other"), &shop.hub, STORE, options)?;
        let identity: Value = serde_json::from_slice(&std::fs::read(agent.data().join("identity.json"))?)?;
        let id = identity["agent"].as_str().expect("an enrolled agent has an id");
        let link = shop.hub.addresses().link;
        let credentials = Credentials::of_agent(agent.data())?;
        Ok(Counter { shop, agent: AgentId::new(id), credentials, link })
    }

    async fn greeted(&self) -> anyhow::Result<RawLink> {
        Ok(RawLink::greeted(self.link, &self.credentials).await?.0)
    }

    fn key(&self, key: &str) -> OrderKey {
        OrderKey::of_counter(&self.agent, key)
    }

    fn order(&self, key: &str, number: &str) -> CounterOrder {
        counter_order(self.key(key), number)
    }
}

fn counter_order(key: OrderKey, number: &str) -> CounterOrder {
    let order = Order {
        key,
        shop: STORE.into(),
        pickup_number: number.into(),
        fulfilment: Fulfilment::DineIn { table: "8".into() },
        placed_at: UnixMs(1_790_000_000_000),
        wanted_at: None,
        dishes: Vec::new(),
        adjustments: Vec::new(),
        delivery_fee: Fen(0),
        original_total: Fen(3_600),
        total: Fen(3_600),
        paid_online: false,
        note: String::new(),
        cutlery: None,
        recipient: Recipient::default(),
        invoice_title: String::new(),
    };
    let tickets = vec![outline(&order.key, TicketKind::Kitchen)];
    CounterOrder {
        order, tickets, unmapped: vec!["佛跳墙".into()], accepted_at: UnixMs(1_790_000_000_500)
    }
}

fn outline(order: &OrderKey, kind: TicketKind) -> TicketOutline {
    let station = Station::new("kitchen");
    TicketOutline { id: TicketId::derive(order, kind, &station, 0), kind, station, title: "柜台 #8".into() }
}

fn printed(order: &OrderKey) -> Upload {
    Upload::Outcome(TicketReport {
        ticket: outline(order, TicketKind::Kitchen).id,
        attempt: 1,
        repeat: 0,
        printer: PrinterName::new("kitchen"),
        outcome: Outcome::Printed(Evidence::Fence),
        began_at: UnixMs(1_790_000_001_000),
        ended_at: UnixMs(1_790_000_001_000),
        meant_for: None,
        boxes: None,
    })
}

async fn send(link: &mut RawLink, number: u64, rows: &[Vec<u8>]) -> anyhow::Result<()> {
    link.send(&Message::Upload { number, packed: pack(rows) }).await
}

async fn uploads(link: &mut RawLink, number: u64, rows: &[Upload]) -> anyhow::Result<()> {
    let rows: Vec<Vec<u8>> = rows.iter().map(payload).collect();
    send(link, number, &rows).await?;
    assert_eq!(link.message().await?, Message::Uploaded { number });
    Ok(())
}

async fn orders(hub: &Hub) -> anyhow::Result<Vec<Value>> {
    let overview = hub.overview().await?;
    Ok(overview["orders"].as_array().expect("an overview has orders").clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_is_taken_once_however_often_it_is_sent() -> anyhow::Result<()> {
    let counter = Counter::open().await?;
    let (first, second) = (counter.order("a-1", "7"), counter.order("a-2", "8"));
    let ready = CounterTickets {
        key: counter.key("t-1"),
        tickets: vec![outline(&counter.key("t-1"), TicketKind::Bill)],
        accepted_at: UnixMs(1_790_000_002_000),
    };
    let cancelled = CounterCancelled {
        order: second.order.key.clone(),
        reason: "客人走了".into(),
        slips: vec![outline(&second.order.key, TicketKind::Cancel)],
        cancelled_at: UnixMs(1_790_000_003_000),
    };
    let all = [
        Upload::Order(Box::new(first.clone())),
        printed(&first.order.key),
        Upload::Order(Box::new(second)),
        Upload::Tickets(ready),
        Upload::Cancelled(cancelled),
    ];
    let mut link = counter.greeted().await?;
    uploads(&mut link, 1, &all).await?;
    uploads(&mut link, 2, &all[1..]).await?;
    drop(link);
    uploads(&mut counter.greeted().await?, 1, &all).await?;

    let orders = orders(&counter.shop.hub).await?;
    let shown: Vec<(&str, &str, bool, usize)> = orders
        .iter()
        .rev()
        .map(|order| {
            let text = |key: &str| order[key].as_str().unwrap_or_default();
            let tickets = order["tickets"].as_array().map_or(0, Vec::len);
            assert_eq!((text("platform"), text("store")), ("counter", STORE));
            (text("id"), text("pickup"), order["cancelled"].as_bool().unwrap_or_default(), tickets)
        })
        .map(|(id, pickup, cancelled, tickets)| {
            (id.split_once('/').map_or("", |(_, key)| key), pickup, cancelled, tickets)
        })
        .collect();
    assert_eq!(shown, [("a-1", "7", false, 1), ("a-2", "8", true, 2), ("t-1", "柜台 #8", false, 1)]);
    let states: Vec<&Value> = orders.iter().rev().map(|order| &order["tickets"][0]["state"]).collect();
    assert_eq!(states, ["printed", "spooled", "spooled"]);
    let alarms = counter.shop.hub.ledger()?.alarms()?;
    assert_eq!(alarms, [("dish-unmapped".to_owned(), "佛跳墙".to_owned())]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_stores_changes_nothing_there_and_is_kept() -> anyhow::Result<()> {
    let mut counter = Counter::open().await?;
    // A platform's order that will come: its tickets' ids can be worked out by whoever knows its number.
    let coming = shop::order(Shop::STORE, 1);
    let platforms = OrderKey { platform: Platform::Meituan, id: coming.order_id.clone() };
    let foreign_key = OrderKey { platform: Platform::Counter, id: "s0042-00000000/a-1".into() };
    let own = CounterOrder {
        tickets: [TicketKind::Front, TicketKind::Kitchen]
            .into_iter()
            .flat_map(|kind| {
                ["front", "kitchen", "bar", ""].map(|station| {
                    let station = Station::new(station);
                    TicketOutline {
                        id: TicketId::derive(&platforms, kind, &station, 0),
                        kind,
                        station,
                        title: "x".into(),
                    }
                })
            })
            .collect(),
        ..counter.order("a-1", "7")
    };
    let mut link = counter.greeted().await?;
    uploads(&mut link, 1, &[Upload::Order(Box::new(own)), printed(&platforms)]).await?;
    uploads(
        &mut link,
        2,
        &[
            Upload::Order(Box::new(counter_order(platforms, "7"))),
            Upload::Order(Box::new(counter_order(foreign_key.clone(), "8"))),
            Upload::Cancelled(CounterCancelled {
                order: foreign_key,
                reason: String::new(),
                slips: Vec::new(),
                cancelled_at: UnixMs(1),
            }),
        ],
    )
    .await?;
    let ledger = counter.shop.hub.ledger()?;
    assert_eq!(ledger.number("SELECT count(*) FROM orders")?, 1);
    assert_eq!(ledger.number("SELECT count(*) FROM tickets WHERE item = x''")?, CLAIMED);
    assert_eq!(ledger.number("SELECT count(*) FROM unread_uploads WHERE code = 'upload-foreign'")?, 3);
    let raised = ledger.alarms()?;
    assert!(raised.contains(&("upload-foreign".to_owned(), counter.agent.to_string())), "{raised:?}");

    counter.shop.agent.start_linked(&counter.shop.hub).await?;
    let pushed = counter.shop.push(1).await?;
    assert_eq!(pushed.order_id, coming.order_id);
    counter.shop.until_printed(&[pushed]).await?;
    let claimed = ledger.number("SELECT count(*) FROM tickets WHERE item = x''")?;
    assert!(claimed < CLAIMED, "the test claims ids that no ticket has");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_kept_and_what_is_no_batch_ends_the_session() -> anyhow::Result<()> {
    let counter = Counter::open().await?;
    let mut link = counter.greeted().await?;
    let newer = [vec![90, 1, 2, 3], payload(&Upload::Order(Box::new(counter.order("a-1", "7")))), vec![]];
    send(&mut link, 1, &newer).await?;
    assert_eq!(link.message().await?, Message::Uploaded { number: 1 });
    let hub = &counter.shop.hub;
    let ledger = hub.ledger()?;
    assert_eq!(ledger.number("SELECT count(*) FROM unread_uploads WHERE code = 'upload-unreadable'")?, 2);
    assert_eq!(orders(hub).await?.len(), 1);

    link.send(&Message::Upload { number: 2, packed: vec![0x78, 1, 2, 3] }).await?;
    assert_eq!(link.closed().await?, "unexpected-message");
    Ok(())
}

/// A PC that replaces another gets the store's open tickets of the platforms. Those of the counter have no content at
/// the hub.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_pc_is_not_given_what_only_the_counter_knows() -> anyhow::Result<()> {
    let counter = Counter::open().await?;
    let mut link = counter.greeted().await?;
    uploads(&mut link, 1, &[Upload::Order(Box::new(counter.order("a-1", "7")))]).await?;
    let options = AgentOptions { printers: vec![PrinterAt::only("127.0.0.1:9")], ..AgentOptions::default() };
    let next = Agent::enrol(&counter.shop.folder().join("next"), &counter.shop.hub, STORE, options)?;
    let ledger = counter.shop.hub.ledger()?;
    assert_eq!(ledger.number("SELECT count(*) FROM outbox")?, 0);

    // It left its folder to the next one, which sends what was not sent.
    let credentials = Credentials::of_agent(next.data())?;
    let (mut link, _) = RawLink::greeted(counter.link, &credentials).await?;
    uploads(&mut link, 1, &[printed(&counter.key("a-1"))]).await?;
    uploads(&mut link, 2, &[Upload::Order(Box::new(counter.order("a-2", "8")))]).await?;
    assert_eq!(ledger.number("SELECT count(*) FROM tickets WHERE state = 5")?, 1);
    assert_eq!(ledger.number("SELECT count(*) FROM orders")?, 2);
    Ok(())
}
