//! Orders that waited at the hub while their store was offline: they come in their order, at once, and those that are
//! late say so, on paper and to people; those that are too late wait for somebody.

use anyhow::ensure;
use docket_protocol::frame::{payload, read_payload};
use docket_protocol::ids::UnixMs;
use docket_protocol::message::Item;
use docket_tests::chain::counter::{HELD, until_state};
use docket_tests::chain::shop::slips;
use docket_tests::chain::{AgentOptions, Hub, HubOptions, PATIENCE, Shop, wait_for};
use docket_tests::platform::http::HttpClient;
use docket_tests::platform::orders::PlacedOrder;
use std::time::{Duration, Instant};

const MINUTE_MS: i64 = 60_000;
/// How soon after reconnection everything that waited is on paper, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(15);

/// As if the hub had made the order's tickets so much earlier.
fn made_earlier(hub: &Hub, order: &PlacedOrder, minutes: i64) -> anyhow::Result<()> {
    let database = hub.tamper()?;
    let of_order = "SELECT tickets.number, item FROM tickets JOIN orders ON orders.number = order_number WHERE orders.id = ?1";
    let mut select = database.prepare(of_order)?;
    let rows =
        select.query_map([&order.order_id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    for row in rows.collect::<Result<Vec<_>, _>>()? {
        let (number, item) = row;
        let Some(Item::Ticket(mut ticket)) = read_payload(&item) else { anyhow::bail!("not a ticket") };
        ticket.made_at = UnixMs(ticket.made_at.0 - minutes * MINUTE_MS);
        let made_at = ticket.made_at.0;
        database.execute(
            "UPDATE tickets SET made_at = ?1, item = ?2 WHERE number = ?3",
            rusqlite::params![made_at, payload(&Item::Ticket(ticket)), number],
        )?;
    }
    Ok(())
}

/// What stands in the first lines of the order's slip.
fn marks(shop: &Shop, order: &PlacedOrder) -> Vec<String> {
    let receipts = shop.printer.receipts();
    let own =
        receipts.iter().find(|receipt| receipt.qr().iter().any(|data| data == order.order_id.as_bytes()));
    let lines = own.map(|receipt| receipt.lines()).unwrap_or_default();
    lines.into_iter().map(|line| line.text).filter(|text| text.starts_with('【')).collect()
}

/// A store whose link was cut after its first order, with three that wait since 0, 45 and 300 minutes.
async fn offline(extra: &str) -> anyhow::Result<(Shop, Vec<PlacedOrder>)> {
    let options = AgentOptions { extra: extra.to_owned(), ..AgentOptions::default() };
    let mut shop = Shop::enrolled(HubOptions::default(), options).await?;
    shop.agent.start_linked(&shop.hub).await?;
    let first = shop.push(1).await?;
    shop.until_printed(&[first]).await?;
    shop.agent.process()?.end()?;
    let mut orders = Vec::new();
    for (number, minutes) in [(2, 300), (3, 45), (4, 0)] {
        let order = shop.push(number).await?;
        made_earlier(&shop.hub, &order, minutes)?;
        orders.push(order);
    }
    Ok((shop, orders))
}

#[tokio::test(flavor = "multi_thread")]
async fn late_orders_are_marked_and_those_too_late_wait_for_a_person() -> anyhow::Result<()> {
    let (mut shop, orders) = offline("").await?;
    shop.agent.start_linked(&shop.hub).await?;
    let linked = Instant::now();
    shop.until_printed(&orders[1..]).await?;
    ensure!(linked.elapsed() < AT_ONCE, "{:?}", linked.elapsed());
    until_state(&shop, &orders[0], HELD).await?;
    ensure!(slips(&shop.printer, &orders[0]).is_empty());
    ensure!(marks(&shop, &orders[1]) == ["【迟到】45分钟"], "{:?}", marks(&shop, &orders[1]));
    ensure!(marks(&shop, &orders[2]).is_empty());

    let listed = shop.agent.command(&["tickets"])?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    ensure!(listed.contains("迟到 45 分钟:断网期间在总部等了 45 分钟"), "{listed}");
    let console = HttpClient::new(shop.hub.addresses().console).get("/").await?.body;
    ensure!(console.contains("迟到 45 分钟") && console.contains("断网,在总部等着"), "{console}");

    let released = shop.agent.command(&["release"])?;
    ensure!(released.status.success(), "{released:?}");
    shop.until_printed(&orders).await?;
    ensure!(marks(&shop, &orders[0]) == ["【迟到】5小时"], "{:?}", marks(&shop, &orders[0]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_may_hold_what_is_late_or_print_it_as_it_is() -> anyhow::Result<()> {
    let (mut shop, orders) = offline("[printing]\nlate_after_min = 40\nlate = \"hold\"").await?;
    shop.agent.start_linked(&shop.hub).await?;
    shop.until_printed(&orders[2..]).await?;
    for late in &orders[..2] {
        until_state(&shop, late, HELD).await?;
    }

    let (mut shop, orders) = offline("[printing]\nlate_after_min = 0\nhold_after_min = 0").await?;
    shop.agent.start_linked(&shop.hub).await?;
    shop.until_printed(&orders).await?;
    for order in &orders {
        ensure!(marks(&shop, order).is_empty() && slips(&shop.printer, order) == [None]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_at_the_hub_comes_in_its_order() -> anyhow::Result<()> {
    const ORDERS: u64 = 30;
    let mut shop = Shop::open().await?;
    shop.agent.process()?.end()?;
    let mut orders = Vec::new();
    for number in 1..=ORDERS {
        orders.push(shop.push(number).await?);
    }
    shop.agent.start_linked(&shop.hub).await?;
    let linked = Instant::now();
    wait_for("all of them in the store", PATIENCE, || {
        let waiting = shop.hub.ledger().and_then(|ledger| ledger.number("SELECT count(*) FROM outbox"));
        match waiting {
            Ok(0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    let took = linked.elapsed();
    ensure!(took < AT_ONCE, "{took:?}");
    shop.until_printed(&orders).await?;
    let printed: Vec<String> = shop
        .printer
        .receipts()
        .iter()
        .filter_map(|receipt| receipt.qr().first().map(|data| String::from_utf8_lossy(data).into_owned()))
        .collect();
    let pushed: Vec<String> = orders.iter().map(|order| order.order_id.clone()).collect();
    ensure!(printed == pushed, "{printed:?}");
    Ok(())
}
