//! From the till to the hub, with real processes: without a network, after it, and with either end killed in between.

use docket_tests::chain::till::{self, Till};
use docket_tests::chain::{AgentOptions, Hub, HubOptions, Ledger, PATIENCE, Shop, wait_for};
use std::collections::BTreeSet;

/// Slips that come out: the counter's own routing makes one of such an order.
fn orders_of(ledger: &Ledger) -> anyhow::Result<(i64, i64)> {
    let orders = ledger.number("SELECT count(*) FROM orders WHERE platform = 'counter'")?;
    let printed = ledger.number(
        "SELECT count(*) FROM orders WHERE platform = 'counter' AND EXISTS
             (SELECT 1 FROM tickets WHERE order_number = orders.number)
         AND NOT EXISTS (SELECT 1 FROM tickets WHERE order_number = orders.number AND state < 5)",
    )?;
    Ok((orders, printed))
}

async fn give(till: &Till, number: u32) -> anyhow::Result<()> {
    till.must("/orders", &format!("till-{number}"), &till::order(number)).await.map(drop)
}

async fn until_known(hub: &Hub, wanted: i64) -> anyhow::Result<()> {
    let ledger = hub.ledger()?;
    wait_for("the counter's orders and what came of them", PATIENCE, || match orders_of(&ledger) {
        Ok((orders, printed)) if (orders, printed) == (wanted, wanted) => Ok(()),
        seen => Err(format!("{seen:?} of {wanted}")),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_without_a_network_print_and_reach_the_hub_once_it_is_there() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.hub.process().kill();
    shop.agent.start()?;
    let till = Till::at(&shop.agent).await?;
    for number in 1..=30 {
        give(&till, number).await?;
    }
    // The till did not hear the last answer.
    give(&till, 30).await?;
    let printed = || shop.printer.receipt_count();
    wait_for("the slips", PATIENCE, || if printed() >= 30 { Ok(()) } else { Err(printed()) }).await?;

    shop.hub.restart().await?;
    until_known(&shop.hub, 30).await?;
    let overview = shop.hub.overview().await?;
    let numbers: BTreeSet<&str> = overview["orders"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|order| order["pickup"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(numbers.len(), 30, "{numbers:?}");

    // With a link, the next one is known at once; and a platform's order goes as always.
    give(&till, 31).await?;
    until_known(&shop.hub, 31).await?;
    let order = shop.push(1).await?;
    shop.until_printed(&[order]).await?;
    assert_eq!(shop.hub.ledger()?.number("SELECT count(*) FROM unread_uploads")?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn either_end_may_be_killed_in_the_middle() -> anyhow::Result<()> {
    const ORDERS: u32 = 1_000;
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.hub.process().kill();
    shop.agent.start()?;
    let till = Till::at(&shop.agent).await?;
    for number in 1..=ORDERS {
        give(&till, number).await?;
    }
    for round in 1..=4_i64 {
        shop.hub.restart().await?;
        let ledger = shop.hub.ledger()?;
        let before = orders_of(&ledger)?.0;
        wait_for("some more orders at the hub", PATIENCE, || match orders_of(&ledger) {
            Ok((orders, _)) if orders > before || orders == i64::from(ORDERS) => Ok(()),
            seen => Err(format!("{seen:?}")),
        })
        .await?;
        if round % 2 == 0 {
            shop.agent.process()?.kill();
            shop.agent.start()?;
        } else {
            shop.hub.process().kill();
        }
    }
    until_known(&shop.hub, i64::from(ORDERS)).await?;
    let ledger = shop.hub.ledger()?;
    let ids = ledger.number("SELECT count(DISTINCT pickup) FROM orders WHERE platform = 'counter'")?;
    assert_eq!(ids, i64::from(ORDERS));
    Ok(())
}
