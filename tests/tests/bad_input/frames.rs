//! Hostile bytes on the link, from a peer that has an agent's certificate.

use docket_protocol::frame::FRAME_BYTES_MAX;
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::{AgentStatus, Hello, Message, Refusal, Welcome};
use docket_tests::chain::{Agent, AgentOptions, HubOptions, PATIENCE, PrinterAt, Shop, wait_for};
use docket_tests::measure::usage;
use docket_tests::platform::orders::Chance;
use docket_tests::raw_link::{Credentials, RawLink, hello};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

const STATUS_FLOOD: u32 = 20_000;
const DATAGRAMS: u32 = 1_000;
const DATAGRAM_BYTES_MAX: usize = 1_400;
/// What a flood may leave in the hub's memory.
const GROWTH_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A shop with a second store, whose agent is the hostile one.
struct Attacked {
    shop: Shop,
    credentials: Credentials,
    link: SocketAddr,
}

impl Attacked {
    const STORE: &'static str = "S0099";

    async fn open() -> anyhow::Result<Self> {
        let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
        shop.hub.add_store(Attacked::STORE, "别的面馆")?;
        let nowhere = PrinterAt::only("127.0.0.1:9");
        let options = AgentOptions { printers: vec![nowhere], ..AgentOptions::default() };
        let other = Agent::enrol(&shop.folder().join("other"), &shop.hub, Attacked::STORE, options)?;
        let credentials = Credentials::of_agent(other.data())?;
        shop.agent.start_linked(&shop.hub).await?;
        let link = shop.hub.addresses().link;
        Ok(Attacked { shop, credentials, link })
    }

    async fn connect(&self) -> anyhow::Result<RawLink> {
        RawLink::connect(self.link, &self.credentials).await
    }

    async fn greet(&self) -> anyhow::Result<(RawLink, Welcome)> {
        RawLink::greeted(self.link, &self.credentials).await
    }

    /// The other store has noticed nothing.
    async fn assert_unharmed(&mut self, number: u64) -> anyhow::Result<()> {
        let order = self.shop.push(number).await?;
        self.shop.until_printed(&[order]).await?;
        assert_eq!(self.shop.hub.process().ended()?, None);
        let log = self.shop.agent.log_text();
        assert_eq!(log.matches("link live").count(), 1, "the other store's link was lost: {log}");
        Ok(())
    }
}

fn frame(version: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len() + 1).expect("a short message");
    [&length.to_le_bytes(), [version].as_slice(), message].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_ends_the_session_and_nothing_else() -> anyhow::Result<()> {
    let mut attacked = Attacked::open().await?;
    let mut chance = Chance::new(1);
    let noise: Vec<u8> = (0..1_000).map(|_| u8::try_from(chance.below(256)).unwrap_or(0)).collect();
    let too_long = u32::try_from(FRAME_BYTES_MAX + 1)?.to_le_bytes().to_vec();
    let hostile: [(&str, Vec<u8>); 7] = [
        ("a frame that claims 4 GiB", vec![0xff; 4]),
        ("a frame one byte too long", too_long),
        ("an empty frame", vec![0; 4]),
        ("a frame without a message", frame(1, &[])),
        ("another envelope", frame(2, &[4, 1])),
        ("a message that ends early", frame(1, &[3, 1, 200])),
        ("noise", [vec![0xf0; 3], noise].concat()),
    ];
    for (what, bytes) in &hostile {
        let mut fresh = attacked.connect().await?;
        fresh.send_bytes(bytes).await?;
        assert_eq!(fresh.closed().await?, "unexpected-message", "{what}, before the greeting");
        let (mut live, _) = attacked.greet().await?;
        live.send_bytes(bytes).await?;
        assert_eq!(live.closed().await?, "unexpected-message", "{what}");
    }
    // Half a frame, and the stream is over.
    let (mut live, _) = attacked.greet().await?;
    live.send_bytes(&frame(1, &[3, 1, 4, 0, 0, 0, 0])[..8]).await?;
    live.finish().await?;
    assert_eq!(live.closed().await?, "");
    attacked.assert_unharmed(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_peers_messages_are_skipped_and_its_protocol_is_refused_with_words() -> anyhow::Result<()> {
    let mut attacked = Attacked::open().await?;
    let unknown = frame(1, &[100, 1, 2, 3]);
    let mut link = attacked.connect().await?;
    link.send_bytes(&unknown).await?;
    link.send(&Message::Hello(hello())).await?;
    assert!(matches!(link.message().await?, Message::Welcome(_)));
    link.send_bytes(&unknown).await?;
    link.send(&Message::Deliver { seq: Seq(1), payload: vec![0xff; 9] }).await?;
    assert_eq!(link.message().await?, Message::Ack { up_to: Seq(1) });
    let alarms = attacked.shop.hub.ledger()?.alarms()?;
    assert!(alarms.iter().any(|(code, _)| code == "report-unreadable"), "{alarms:?}");

    for (min, max) in [(2, 9), (0, 0), (9, 2)] {
        let mut newer = attacked.connect().await?;
        let hello = Hello { protocol_min: min, protocol_max: max, ..hello() };
        newer.send(&Message::Hello(hello)).await?;
        assert_eq!(newer.message().await?, Message::Refused(Refusal::Protocol { min: 1, max: 1 }));
        assert_eq!(newer.closed().await?, "protocol-version");
    }
    attacked.assert_unharmed(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_the_sequence_is_closed() -> anyhow::Result<()> {
    let mut attacked = Attacked::open().await?;
    let deliver = |seq| Message::Deliver { seq: Seq(seq), payload: vec![1] };
    let heartbeat = |sent, stored| Message::Heartbeat { sent_up_to: Seq(sent), stored_up_to: Seq(stored) };
    let broken: [(Message, &str); 9] = [
        (deliver(5), "gap"),
        (deliver(0), "gap"),
        (deliver(u64::MAX), "gap"),
        (heartbeat(3, 0), "gap"),
        (heartbeat(0, 3), "ack-beyond-sent"),
        (Message::Ack { up_to: Seq(7) }, "ack-beyond-sent"),
        (Message::Hello(hello()), "unexpected-message"),
        (Message::Refused(Refusal::Revoked), "unexpected-message"),
        (
            Message::Welcome(Welcome {
                protocol: 1,
                epoch: 9,
                received_up_to: Seq(9),
                sends_after: Seq(9),
                now: UnixMs(0),
            }),
            "unexpected-message",
        ),
    ];
    for (message, code) in broken {
        let (mut live, _) = attacked.greet().await?;
        live.send(&message).await?;
        assert_eq!(live.closed().await?, code, "{message:?}");
    }
    let mut rude = attacked.connect().await?;
    rude.send(&deliver(1)).await?;
    assert_eq!(rude.closed().await?, "unexpected-message", "a delivery for a greeting");
    attacked.assert_unharmed(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_from_nowhere_do_not_stop_the_hub() -> anyhow::Result<()> {
    let mut attacked = Attacked::open().await?;
    docket_tests::chain::shop::push(&attacked.shop.hub, Attacked::STORE, 10).await?;
    for (received, assigned) in [(u64::MAX, 0), (u64::MAX - 1, 1), (1 << 63, 0), (0, u64::MAX)] {
        let mut link = attacked.connect().await?;
        let hello = Hello { received_up_to: Seq(received), assigned_up_to: Seq(assigned), ..hello() };
        link.send(&Message::Hello(hello)).await?;
        assert_eq!(link.closed().await?, "unexpected-message", "{received} {assigned}");
    }
    // Its own store's orders are still taken, and the other's printed.
    docket_tests::chain::shop::push(&attacked.shop.hub, Attacked::STORE, 11).await?;
    attacked.assert_unharmed(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_states_holds_nobody_up() -> anyhow::Result<()> {
    let mut attacked = Attacked::open().await?;
    let (mut link, _) = attacked.greet().await?;
    let before = usage(attacked.shop.hub.process().id())?;
    for held in 1..=STATUS_FLOOD {
        link.send(&Message::Status(AgentStatus { held, ..AgentStatus::default() })).await?;
    }
    link.send(&Message::Deliver { seq: Seq(1), payload: vec![0xff] }).await?;
    assert_eq!(link.message().await?, Message::Ack { up_to: Seq(1) });
    let overview = attacked.shop.hub.overview().await?;
    let stores = overview["stores"].as_array().cloned().unwrap_or_default();
    let held: Vec<_> = stores.iter().filter(|store| store["id"] == Attacked::STORE).collect();
    assert_eq!(held[0]["held"], STATUS_FLOOD, "only the newest counts");
    let after = usage(attacked.shop.hub.process().id())?;
    let growth = after.rss_bytes.saturating_sub(before.rss_bytes);
    assert!(growth < GROWTH_BYTES_MAX, "the hub has grown by {growth} bytes");
    attacked.assert_unharmed(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_closed() -> anyhow::Result<()> {
    let mut attacked = Attacked::open().await?;
    // The stream of the first is not even open for the hub.
    let (mut mute, mut slow) = (attacked.connect().await?, attacked.connect().await?);
    slow.send_bytes(&[9]).await?;
    let (mute, slow) = tokio::join!(mute.closed(), slow.closed());
    assert_eq!((mute?.as_str(), slow?.as_str()), ("no-greeting", "no-greeting"));
    attacked.assert_unharmed(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn random_datagrams_do_not_disturb_a_live_link() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let link = shop.hub.addresses().link;
    let flood = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut chance = Chance::new(2);
        for number in 0..DATAGRAMS {
            let length = chance.between(1, DATAGRAM_BYTES_MAX);
            let mut bytes: Vec<u8> =
                (0..length).map(|_| u8::try_from(chance.below(256)).unwrap_or(0)).collect();
            // Every other one looks like the beginning of a QUIC handshake.
            if number % 2 == 0 {
                bytes[0] |= 0xc0;
            }
            socket.send_to(&bytes, link)?;
        }
        Ok(())
    });
    let mut orders = Vec::new();
    for number in 1..=5 {
        orders.push(shop.push(number).await?);
    }
    flood.await??;
    orders.push(shop.push(6).await?);
    shop.until_printed(&orders).await?;
    assert_eq!(shop.printer.receipt_count(), 6);
    let ledger = shop.hub.ledger()?;
    assert_eq!(ledger.sessions()?, 1, "the link was made anew");
    wait_for("the store to be shown as connected", PATIENCE, || {
        let log = shop.agent.log_text();
        if log.contains("link lost") { Err(log) } else { Ok(()) }
    })
    .await?;
    assert_eq!(shop.hub.process().ended()?, None);
    Ok(())
}
