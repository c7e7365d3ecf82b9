//! Stores whose network lets no UDP through: TLS over TCP takes its place, straight or by a proxy, and QUIC comes back
//! when it can. Real processes, and a firewall that drops UDP without a word.

mod port;
mod proxy;

use docket_protocol::message::{Message, Refusal};
use docket_tests::chain::shop::slips;
use docket_tests::chain::{AgentOptions, Hub, HubOptions, PATIENCE, Shop, wait_for};
use docket_tests::firewall::UdpGate;
use docket_tests::raw_link::{Credentials, RawLink};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// An agent in this shop reaches the hub's UDP through the gate, and its TCP as `link` says.
async fn shop(
    open: bool,
    link: impl FnOnce(&Hub) -> anyhow::Result<String>,
) -> anyhow::Result<(Shop, UdpGate)> {
    let mut gate = None;
    let shop = Shop::enrolled_as(HubOptions::default(), |hub| {
        let started = UdpGate::start(hub.addresses().link, open)?;
        let options =
            AgentOptions { hub: Some(started.address()), link: Some(link(hub)?), ..AgentOptions::default() };
        gate = Some(started);
        Ok(options)
    })
    .await?;
    Ok((shop, gate.expect("it was started with the agent's options")))
}

/// The hub's own TCP port, and QUIC tried again soon.
fn straight(hub: &Hub) -> anyhow::Result<String> {
    Ok(format!("fallback = \"{}\"\nquic_again_s = 2", hub.tcp()?))
}

/// Waits until the console shows the store as connected in this way.
async fn until_way(shop: &Shop, what: &str, is_so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let way = |overview: &Value| {
        let link = &overview["stores"][0]["link"];
        (link["state"] == "up" && is_so(&link["way"])).then(|| link["way"].clone())
    };
    let shown = shop.hub.until_overview(what, PATIENCE, way).await;
    shown.map_err(|error| error.context(shop.agent.log_text()))
}

/// Pushes these orders, waits for them, and looks at the paper: each came out once, unmarked.
async fn print_once(shop: &Shop, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let mut orders = Vec::new();
    for number in numbers {
        orders.push(shop.push(number).await?);
    }
    shop.until_printed(&orders).await?;
    for order in &orders {
        assert_eq!(slips(&shop.printer, order), [None], "{}", order.order_id);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_udp_enrols_and_prints_over_tcp_and_remembers_it() -> anyhow::Result<()> {
    // Enrolled with the gate shut, so over TCP.
    let (mut shop, gate) = shop(false, straight).await?;
    assert!(gate.dropped() > 0, "QUIC was not tried");
    shop.agent.start_linked(&shop.hub).await?;
    print_once(&shop, 0..5).await?;
    let way = until_way(&shop, "TCP", |way| way["transport"] == "tls" && way["fallbacks"] == 1).await?;
    assert_eq!((&way["proxied"], &way["reconnects"]), (&false.into(), &0.into()), "{way}");
    let status = shop.agent.status()?;
    assert_eq!(status["file"]["way"]["transport"], "tls", "{status}");
    let words = String::from_utf8(shop.agent.command(&["status"])?.stdout)?;
    assert!(words.contains("TCP(备用"), "{words}");

    // The next life begins where this one has ended: it has nothing to fall back from.
    shop.agent.process()?.kill();
    shop.agent.start_linked(&shop.hub).await?;
    let way = until_way(&shop, "TCP", |way| way["transport"] == "tls").await?;
    assert_eq!(way["fallbacks"], 0, "{way}\n{}", shop.agent.log_text());
    print_once(&shop, 5..8).await
}

/// As when the hub comes up in mid-attempt: the QUIC attempt that was behind is not given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_tcp_has_reached_first_is_on_quic_a_moment_later() -> anyhow::Result<()> {
    let (mut shop, gate) = shop(false, straight).await?;
    shop.agent.start_linked(&shop.hub).await?;
    gate.set_open(true);
    let way = until_way(&shop, "QUIC", |way| way["transport"] == "quic").await?;
    assert_eq!((&way["fallbacks"], &way["reconnects"]), (&0.into(), &1.into()), "{way}");
    assert!(!shop.agent.data().join("link.json").exists(), "there is nothing to remember");
    print_once(&shop, 0..2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_comes_back_without_losing_or_doubling_an_order() -> anyhow::Result<()> {
    let (mut shop, gate) = shop(false, straight).await?;
    shop.agent.start_linked(&shop.hub).await?;
    until_way(&shop, "TCP", |way| way["transport"] == "tls" && way["fallbacks"] == 1).await?;
    gate.set_open(true);
    // Orders go on all the while, so that one is under way when the wire changes.
    let mut orders = Vec::new();
    let came_back = Arc::new(OnceLock::new());
    let pushing = async {
        while came_back.get().is_none() {
            orders.push(shop.push(orders.len() as u64).await?);
        }
        anyhow::Ok(())
    };
    let watching = async {
        let back = until_way(&shop, "QUIC", |way| way["transport"] == "quic").await;
        let _ = came_back.set(());
        back
    };
    let (pushed, back) = tokio::join!(pushing, watching);
    pushed?;
    let back = back?;
    assert_eq!(back["reconnects"], 1, "{back}\n{}", shop.agent.log_text());
    assert!(!orders.is_empty());
    shop.until_printed(&orders).await?;
    for order in &orders {
        assert_eq!(slips(&shop.printer, order), [None], "{}", order.order_id);
    }
    let log = shop.agent.log_text();
    assert!(!log.contains("superseded") && !log.contains("link lost"), "{log}");
    let kept = std::fs::read_to_string(shop.agent.data().join("link.json"))?;
    assert_eq!(kept, "{\"prefers\":\"quic\"}");
    print_once(&shop, 10_000..10_003).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_over_tcp_comes_back_with_everything() -> anyhow::Result<()> {
    let (mut shop, _gate) = shop(false, straight).await?;
    shop.agent.start_linked(&shop.hub).await?;
    print_once(&shop, 0..2).await?;
    let mut orders = Vec::new();
    for round in 0..3 {
        orders.push(shop.push(10 * round + 10).await?);
        shop.hub.process().kill();
        shop.hub.restart().await?;
        orders.push(shop.push(10 * round + 11).await?);
        shop.agent.process()?.kill();
        orders.push(shop.push(10 * round + 12).await?);
        shop.agent.start_linked(&shop.hub).await?;
    }
    shop.until_printed(&orders).await?;
    for order in &orders {
        // A slip that was in the printer when the agent was killed may be marked; unmarked it comes out once.
        let slips = slips(&shop.printer, order);
        assert!(slips.iter().filter(|repeat| repeat.is_none()).count() <= 1, "{slips:?}");
        assert!(!slips.is_empty());
    }
    until_way(&shop, "TCP", |way| way["transport"] == "tls").await.map(drop)
}

/// The lease is of the agent, not of a transport.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_the_other_transport_takes_the_lease() -> anyhow::Result<()> {
    let (shop, _gate) = shop(false, straight).await?;
    let credentials = Credentials::of_agent(shop.agent.data())?;
    let (udp, tcp) = (shop.hub.addresses().link, shop.hub.tcp()?);
    let alpn = docket_protocol::enrol::LINK_ALPN;
    let (mut over_quic, first) = RawLink::greeted(udp, &credentials).await?;
    let mut over_tcp = RawLink::connect_tcp(tcp, &credentials, alpn).await?;
    let second = over_tcp.greet().await?;
    assert!(second.epoch > first.epoch, "{first:?} {second:?}");
    assert_eq!(over_quic.message().await?, Message::Refused(Refusal::Superseded));
    assert_eq!(over_quic.closed().await?, "superseded");

    let (_newest, third) = RawLink::greeted(udp, &credentials).await?;
    assert!(third.epoch > second.epoch, "{second:?} {third:?}");
    assert_eq!(over_tcp.message().await?, Message::Refused(Refusal::Superseded));
    over_tcp.closed().await?;
    Ok(())
}

/// What a superseded session has under way when it loses its lease is neither stored nor acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_superseded_session_says_does_not_count() -> anyhow::Result<()> {
    let (shop, _gate) = shop(false, straight).await?;
    let order = shop.push(1).await?;
    let credentials = Credentials::of_agent(shop.agent.data())?;
    let alpn = docket_protocol::enrol::LINK_ALPN;
    let mut old = RawLink::connect_tcp(shop.hub.tcp()?, &credentials, alpn).await?;
    old.greet().await?;
    let Message::Deliver { seq, .. } = old.message().await? else { panic!("the order was not delivered") };
    let (mut new, welcome) = RawLink::greeted(shop.hub.addresses().link, &credentials).await?;
    // The connection may be closed by now.
    let _ = old.send(&Message::Ack { up_to: seq }).await;
    let report = Message::Deliver { seq: welcome.received_up_to.next(), payload: vec![0xff; 9] };
    let _ = old.send(&report).await;
    assert_eq!(old.message().await?, Message::Refused(Refusal::Superseded));
    old.closed().await?;
    // It is delivered to the newest session, and to the next again: nobody has acknowledged it.
    let Message::Deliver { seq: again, .. } = new.message().await? else { panic!("not delivered") };
    assert_eq!(again, seq);
    let (_next, welcome) = RawLink::greeted(shop.hub.addresses().link, &credentials).await?;
    assert_eq!(welcome.sends_after.next(), seq);
    assert_eq!(shop.hub.ledger()?.counts()?, (1, 0));
    wait_for("the order to be still there", PATIENCE, || {
        let tickets =
            shop.hub.ledger().and_then(|ledger| ledger.tickets()).map_err(|error| error.to_string())?;
        if tickets.iter().any(|ticket| ticket.order == order.order_id) {
            Ok(())
        } else {
            Err(format!("{tickets:?}"))
        }
    })
    .await
}
