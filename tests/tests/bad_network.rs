//! Real hub, agent and printer across bad networks: every order prints exactly once, and the store is live again.
//!
//! The network is `docket_tests::network`: the kernel's own UDP and TCP between two namespaces, with a router and a
//! shaper in between. Each test has a network of its own; they run side by side.

mod back;
mod poor;

use anyhow::ensure;
use docket_tests::chain::shop::slips;
use docket_tests::network::Branch;
use docket_tests::platform::orders::PlacedOrder;
use std::time::{Duration, Instant};

/// All chance comes from it.
const SEED: u64 = 20_261_124;
/// Orders that are pushed while something is wrong.
const ORDERS: u64 = 12;
/// How soon all is as before once the network is. Beyond what is promised by what a busy machine may take.
const BACK_WITHIN: Duration = Duration::from_secs(5 + 3);

/// Pushes orders of these numbers one after the other, whatever comes of them.
async fn push_all(branch: &Branch, numbers: std::ops::Range<u64>) -> anyhow::Result<Vec<PlacedOrder>> {
    let mut orders = Vec::new();
    for number in numbers {
        orders.push(branch.shop.push(number).await?);
    }
    Ok(orders)
}

/// Waits until all are printed and the store is live for the hub and for itself. Then each is on paper once, unmarked.
async fn settle(branch: &Branch, orders: &[PlacedOrder]) -> anyhow::Result<()> {
    let shop = &branch.shop;
    shop.until_printed(orders).await?;
    let is_up = |overview: &serde_json::Value| (overview["stores"][0]["link"]["state"] == "up").then_some(());
    shop.hub.until_overview("the store to be live", docket_tests::chain::PATIENCE, is_up).await?;
    shop.agent.until_link("live").await?;
    for order in orders {
        let copies = slips(&shop.printer, order);
        ensure!(copies == [None], "order #{} is on paper as {copies:?}", order.day_seq);
    }
    let printed = shop.printer.receipt_count();
    ensure!(printed == orders.len() as u64, "{printed} slips of {} orders", orders.len());
    Ok(())
}

/// The same, which has to be soon.
async fn settle_soon(branch: &Branch, since: Instant, orders: &[PlacedOrder]) -> anyhow::Result<()> {
    branch.shop.until_printed(orders).await?;
    let took = since.elapsed();
    println!("{} orders printed {took:.1?} after the network was back", orders.len());
    ensure!(took < BACK_WITHIN, "all was printed only {took:.1?} after the network was back");
    settle(branch, orders).await
}
