//! Who may speak on the link, and to whom.

use docket_protocol::enrol::LINK_ALPN;
use docket_protocol::message::{Message, Refusal};
use docket_tests::chain::shop::{push, slips, until_printed};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, Shop, wait_for};
use docket_tests::raw_link::{Credentials, RawLink, hello};
use std::time::{Duration, Instant};

/// How soon a revoked agent is cut off: its connection is over for the hub.
const CUT_OFF_MAX: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_hub_gets_no_word_of_an_agent() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let address = shop.hub.addresses().link;
    shop.agent.process()?.end()?;
    shop.hub.process().end()?;
    let mut impostor = Hub::start(
        &shop.folder().join("impostor"),
        HubOptions { link: Some(address), ..HubOptions::default() },
    )
    .await?;
    impostor.add_store(Shop::STORE, "测试面馆")?;
    assert_eq!(impostor.addresses().link, address);
    shop.agent.start()?;

    wait_for("the agent to see that it is another hub", PATIENCE, || {
        let log = shop.agent.log_text();
        if log.contains("hub-unproven") { Ok(()) } else { Err(log) }
    })
    .await?;
    assert_eq!(impostor.ledger()?.sessions()?, 0);
    let seen = impostor.process().log_text();
    assert!(!seen.contains("certificate without agent"), "the agent has shown its certificate: {seen}");

    impostor.process().kill();
    shop.hub.restart().await?;
    let order = shop.push(1).await?;
    shop.until_printed(&[order]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() -> anyhow::Result<()> {
    let shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    let link = shop.hub.addresses().link;
    let agent = Credentials::of_agent(shop.agent.data())?;
    let unknown = Message::Refused(Refusal::UnknownAgent);

    // Without a certificate.
    let mut nobody = RawLink::connect(link, &Credentials::nobody(shop.hub.data())?).await?;
    nobody.send(&Message::Hello(hello())).await?;
    assert_eq!(nobody.message().await?, unknown);
    assert_eq!(nobody.closed().await?, "unknown-agent");

    // With one of another hub's CA.
    let other = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    let foreign = Credentials::of_agent(other.agent.data())?.towards_hub_of(&agent);
    let mut stranger = RawLink::connect(link, &foreign).await?;
    stranger.send(&Message::Hello(hello())).await?;
    assert_eq!(stranger.message().await?, unknown);
    assert_eq!(stranger.closed().await?, "unknown-agent");

    // With an agent's, and not its key.
    let stolen = RawLink::connect(link, &agent.clone().with_key_of(&foreign)).await;
    let said = match stolen {
        Ok(mut stolen) => {
            let _ = stolen.send(&Message::Hello(hello())).await;
            stolen.message().await.map(|message| format!("{message:?}"))
        }
        Err(error) => Err(error),
    };
    assert!(said.is_err(), "whoever has no key was answered: {said:?}");

    // With one of this hub's CA that it does not know: a database without it was restored.
    assert_eq!(shop.hub.tamper()?.execute("DELETE FROM agents", [])?, 1);
    let mut forgotten = RawLink::connect(link, &agent).await?;
    forgotten.send(&Message::Hello(hello())).await?;
    assert_eq!(forgotten.message().await?, unknown);
    assert_eq!(forgotten.closed().await?, "unknown-agent");
    assert_eq!(shop.hub.ledger()?.sessions()?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_is_cut_off_and_stays_out() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let printed = shop.push(1).await?;
    shop.until_printed(&[printed]).await?;
    let agent = shop.agent.status()?["file"]["agent"].as_str().unwrap_or_default().to_owned();

    let said = shop.hub.command(&["agent", "revoke", "s0042-nobody"])?;
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.code() == Some(1) && words.contains("agent-unknown: "), "{words}");

    shop.hub.must(&["agent", "revoke", &agent])?;
    shop.agent.until_link("revoked").await?;
    let shown = shop.agent.command(&["status"])?;
    let words = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(shown.status.code(), Some(1));
    assert!(words.contains("revoked") && words.contains("注册码"), "without a remedy: {words}");

    let waiting = shop.push(2).await?;
    shop.agent.process()?.end()?;
    shop.agent.start()?;
    shop.agent.until_link("revoked").await?;
    assert_eq!(shop.hub.ledger()?.sessions()?, 1, "no session after it was revoked");
    let overview = shop.hub.overview().await?;
    assert_eq!(overview["stores"][0]["link"]["state"], "no-agent", "{overview:#}");
    assert_eq!(overview["stores"][0]["light"], "red", "{overview:#}");

    // A new code brings the same PC back, and what has waited is printed.
    shop.agent.process()?.end()?;
    let output = shop.agent.try_enrol(shop.hub.addresses().link, &shop.hub.enrol_code(Shop::STORE)?)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    shop.agent.start_linked(&shop.hub).await?;
    shop.until_printed(std::slice::from_ref(&waiting)).await?;
    assert_eq!(slips(&shop.printer, &waiting), [None]);
    Ok(())
}

/// Over both transports, and as often as it opens a session while it is being revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_is_cut_off_within_a_second() -> anyhow::Result<()> {
    let shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    let credentials = Credentials::of_agent(shop.agent.data())?;
    let (quic, tcp) = (shop.hub.addresses().link, shop.hub.tcp()?);
    for over_tcp in [false, true] {
        let mut link = match over_tcp {
            false => RawLink::connect(quic, &credentials).await?,
            true => RawLink::connect_tcp(tcp, &credentials, LINK_ALPN).await?,
        };
        link.greet().await?;
        // Another process commits it, as the command line does; the time is taken from its commit.
        let database = shop.hub.tamper()?;
        database.execute("UPDATE agents SET revoked_at = 1", [])?;
        let revoked = Instant::now();
        loop {
            match link.message().await? {
                Message::Refused(refusal) => {
                    assert_eq!(refusal, Refusal::Revoked);
                    break;
                }
                Message::Heartbeat { .. } | Message::RenewalDue | Message::Trust { .. } => {}
                other => panic!("a word to a revoked agent: {other:?}"),
            }
        }
        let took = revoked.elapsed();
        assert!(took < CUT_OFF_MAX, "cut off after {took:?}");
        let mut again = RawLink::connect(quic, &credentials).await?;
        again.send(&Message::Hello(hello())).await?;
        assert_eq!(again.message().await?, Message::Refused(Refusal::Revoked));
        database.execute("UPDATE agents SET revoked_at = NULL", [])?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_speaks_for_its_own_store_only() -> anyhow::Result<()> {
    use docket_protocol::ids::{OrderKey, Platform, PrinterName, Seq, Station, TicketId, UnixMs};
    use docket_protocol::message::Report;
    use docket_protocol::outcome::{Evidence, Outcome, TicketReport};
    use docket_protocol::ticket::TicketKind;

    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.hub.add_store("S0099", "别的面馆")?;
    let nowhere = PrinterAt::only("127.0.0.1:9");
    let options = AgentOptions { printers: vec![nowhere], ..AgentOptions::default() };
    let other = Agent::enrol(&shop.folder().join("other"), &shop.hub, "S0099", options)?;
    let order = push(&shop.hub, Shop::STORE, 1).await?;

    // The ids of tickets are no secret: they are derived from the order's.
    let key = OrderKey { platform: Platform::Meituan, id: order.order_id.clone() };
    let ticket = TicketId::derive(&key, TicketKind::Front, &Station::new("front"), 0);
    let report = Report::Ticket(TicketReport {
        ticket,
        attempt: 1,
        repeat: 0,
        printer: PrinterName::new("front"),
        meant_for: None,
        outcome: Outcome::Printed(Evidence::Fence),
        boxes: None,
        began_at: UnixMs(1),
        ended_at: UnixMs(2),
    });
    let payload = docket_protocol::frame::payload(&report);
    let credentials = Credentials::of_agent(other.data())?;
    let (mut liar, _) = RawLink::greeted(shop.hub.addresses().link, &credentials).await?;
    liar.send(&Message::Deliver { seq: Seq(1), payload }).await?;
    assert_eq!(liar.message().await?, Message::Ack { up_to: Seq(1) });
    assert_eq!(shop.hub.ledger()?.counts()?, (1, 0), "another store's agent has said that it is printed");
    let payload = docket_protocol::frame::payload(&Report::CutShort { ticket });
    liar.send(&Message::Deliver { seq: Seq(2), payload }).await?;
    assert_eq!(liar.message().await?, Message::Ack { up_to: Seq(2) });
    let alarms = shop.hub.ledger()?.alarms()?;
    assert!(!alarms.iter().any(|(code, _)| code == "ticket-cut-short"), "{alarms:?}");

    shop.agent.start_linked(&shop.hub).await?;
    until_printed(&shop.hub, &[order]).await
}
