//! Who may speak on the link, and to whom.

use docket_protocol::message::{Message, Refusal};
use docket_tests::chain::shop::{push, until_printed};
use docket_tests::chain::{Agent, AgentOptions, HubOptions, PrinterAt, Shop};
use docket_tests::raw_link::{Credentials, RawLink, hello};

/// How soon a revoked agent is cut off, with room for a busy machine.

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

    // With one of another hub's CA: TLS ends it before a word is said.
    let other = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    let foreign = Credentials::of_agent(other.agent.data())?.towards_hub_of(&agent);
    let refused = async {
        let mut stranger = RawLink::connect(link, &foreign).await?;
        stranger.send(&Message::Hello(hello())).await?;
        stranger.message().await
    };
    let refused = refused.await.expect_err("a certificate of another CA was taken");
    assert!(format!("{refused:#}").contains("invalid peer certificate"), "{refused:#}");

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
async fn an_agent_speaks_for_its_own_store_only() -> anyhow::Result<()> {
    use docket_protocol::ids::{OrderKey, Platform, PrinterName, Seq, Station, TicketId, UnixMs};
    use docket_protocol::message::Report;
    use docket_protocol::outcome::{Evidence, Outcome, TicketReport};
    use docket_protocol::ticket::TicketKind;

    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.hub.add_store("S0099", "别的面馆")?;
    let nowhere = PrinterAt::only(([127, 0, 0, 1], 9).into());
    let options = AgentOptions { printers: vec![nowhere], ..AgentOptions::default() };
    let other = Agent::enrol(&shop.folder().join("other"), &shop.hub, "S0099", options)?;
    let order = push(&shop.hub, Shop::STORE, 1).await?;

    // The ids of tickets are no secret: they are derived from the order's.
    let key = OrderKey { platform: Platform::Meituan, id: order.order_id.clone() };
    let report = Report::Ticket(TicketReport {
        ticket: TicketId::derive(&key, TicketKind::Front, &Station::new("front"), 0),
        attempt: 1,
        repeat: 0,
        printer: PrinterName::new("front"),
        outcome: Outcome::Printed(Evidence::Fence),
        began_at: UnixMs(1),
        ended_at: UnixMs(2),
    });
    let payload = docket_protocol::frame::payload(&report);
    let credentials = Credentials::of_agent(other.data())?;
    let (mut liar, _) = RawLink::greeted(shop.hub.addresses().link, &credentials).await?;
    liar.send(&Message::Deliver { seq: Seq(1), payload }).await?;
    assert_eq!(liar.message().await?, Message::Ack { up_to: Seq(1) });
    assert_eq!(shop.hub.ledger()?.counts()?, (1, 0), "another store's agent has said that it is printed");

    shop.agent.start_linked(&shop.hub).await?;
    until_printed(&shop.hub, &[order]).await
}
