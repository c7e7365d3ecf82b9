//! Real hub, agent and printer across bad networks: every order prints exactly once, and the store is live again soon.
//!
//! The network is `docket_tests::network`: the kernel's own UDP and TCP between two namespaces, with a router and a
//! shaper in between. Each case has a network and processes of its own, and all are played at once, since most of their
//! time is waiting.

mod cases;
mod clock;

use anyhow::ensure;
use cases::{Case, cases};
use docket_tests::chain::shop::slips;
use docket_tests::chain::{AgentOptions, PATIENCE};
use docket_tests::network::namespace::{arguments_of_test, as_root};
use docket_tests::network::{Branch, Setting, at_headquarters};
use docket_tests::platform::orders::PlacedOrder;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// All chance comes from it, another for each case.
const SEED: u64 = 20_261_124;
/// Orders that are pushed while something is wrong.
const ORDERS: u64 = 12;
/// How soon all is as before once the network is: 5 s, and what a busy machine may take.
const BACK_WITHIN: Duration = Duration::from_secs(5 + 3);

#[test]
fn every_order_prints_once_and_soon() -> anyhow::Result<()> {
    as_root(arguments_of_test()?, || side_by_side(&cases())).map(|_| ())
}

fn side_by_side(cases: &[Case]) -> anyhow::Result<()> {
    // What one measures is not to be the start of the others.
    let ready = Barrier::new(cases.len());
    let results: Vec<anyhow::Result<()>> = std::thread::scope(|scope| {
        let play = |(seed, case)| {
            let ready = &ready;
            scope.spawn(move || play(seed, case, ready))
        };
        let threads: Vec<_> = (SEED..).zip(cases).map(play).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    let failed =
        |(case, result): (&Case, anyhow::Result<()>)| Some(format!("{}: {:?}", case.name, result.err()?));
    let failed: Vec<String> = cases.iter().zip(results).filter_map(failed).collect();
    ensure!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), cases.len(), failed.join("\n\n"));
    Ok(())
}

fn play(seed: u64, case: &Case, ready: &Barrier) -> anyhow::Result<()> {
    let mut was_ready = false;
    let agent = AgentOptions { environment: case.environment.clone(), ..AgentOptions::default() };
    let setting = Setting { agent, road: case.road, ..Setting::default() };
    let result = at_headquarters(seed, setting, async |branch| {
        let orders = push_all(branch, 0..2).await?;
        branch.shop.until_printed(&orders).await?;
        branch.until_quiet().await?;
        ready.wait();
        was_ready = true;
        case.trouble.play(case.name, branch, orders).await
    });
    if !was_ready {
        // The others do not wait for what cannot begin.
        ready.wait();
    }
    result
}

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
    shop.hub.until_overview("the store to be live", PATIENCE, is_up).await?;
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
async fn settle_soon(
    branch: &Branch,
    name: &str,
    since: Instant,
    orders: &[PlacedOrder],
) -> anyhow::Result<()> {
    branch.shop.until_printed(orders).await?;
    let took = since.elapsed();
    println!("{name}: all printed {took:.1?} later");
    ensure!(took < BACK_WITHIN, "all was printed only {took:.1?} after the network was back");
    settle(branch, orders).await
}
