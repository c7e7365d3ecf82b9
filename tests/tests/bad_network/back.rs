//! Networks that go away and come back: nothing waits long then, and nothing comes twice.

use super::{ORDERS, SEED, push_all, settle_soon};
use anyhow::ensure;
use docket_tests::network::{Conditions, Cut, Way, across};
use std::time::{Duration, Instant};

const ALL: Way = Way { cut: Cut::All, ..FINE };
const UDP: Way = Way { cut: Cut::Udp, ..FINE };
const FINE: Way = Way {
    loss: 0.0,
    bursts: None,
    delay: Duration::ZERO,
    jitter: Duration::ZERO,
    late: 0.0,
    late_by: Duration::ZERO,
    duplicate: 0.0,
    rate: None,
    mtu_bytes: None,
    cut: Cut::Nothing,
};

/// Orders are pushed at once and shortly before the network, where this was wrong for so long, is mended.
fn away(conditions: Conditions, lasts: Duration) -> anyhow::Result<()> {
    across(SEED, async |branch| {
        let mut orders = push_all(branch, 0..2).await?;
        branch.shop.until_printed(&orders).await?;
        branch.network.set(conditions);
        orders.extend(push_all(branch, 2..ORDERS).await?);
        // What is waited for is the time itself.
        tokio::time::sleep(lasts).await;
        let printed = branch.shop.printer.receipt_count();
        ensure!(printed == 2 || conditions.down == FINE, "{printed} slips although nothing goes through");
        orders.extend(push_all(branch, ORDERS..ORDERS + 2).await?);
        branch.network.mend();
        settle_soon(branch, Instant::now(), &orders).await
    })
}

#[test]
fn nothing_goes_through_for_5_s() -> anyhow::Result<()> {
    away(Conditions::both(ALL), Duration::from_secs(5))
}

#[test]
fn nothing_goes_through_for_30_s() -> anyhow::Result<()> {
    away(Conditions::both(ALL), Duration::from_secs(30))
}

#[test]
fn no_udp_goes_through_for_20_s() -> anyhow::Result<()> {
    away(Conditions::both(UDP), Duration::from_secs(20))
}

#[test]
fn nothing_goes_up_for_20_s() -> anyhow::Result<()> {
    away(Conditions { up: ALL, down: FINE }, Duration::from_secs(20))
}

#[test]
fn nothing_comes_down_for_20_s() -> anyhow::Result<()> {
    away(Conditions { up: FINE, down: ALL }, Duration::from_secs(20))
}

/// The next orders come out soon although this has changed before.
fn changed(
    change: impl FnOnce(&mut docket_tests::network::Network) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    across(SEED, async |branch| {
        let mut orders = push_all(branch, 0..2).await?;
        branch.shop.until_printed(&orders).await?;
        change(&mut branch.network)?;
        let at = Instant::now();
        orders.extend(push_all(branch, 2..ORDERS).await?);
        settle_soon(branch, at, &orders).await
    })
}

#[test]
fn the_pc_gets_another_address() -> anyhow::Result<()> {
    changed(|network| network.renumber_pc())
}

#[test]
fn the_router_gets_another_address() -> anyhow::Result<()> {
    changed(|network| {
        network.renumber_router();
        Ok(())
    })
}

#[test]
fn the_router_forgets_its_ports() -> anyhow::Result<()> {
    changed(|network| {
        network.forget_ports();
        Ok(())
    })
}

#[test]
fn the_cable_is_pulled_for_15_s() -> anyhow::Result<()> {
    across(SEED, async |branch| {
        let mut orders = push_all(branch, 0..2).await?;
        branch.shop.until_printed(&orders).await?;
        branch.network.plug_in(false)?;
        orders.extend(push_all(branch, 2..ORDERS).await?);
        tokio::time::sleep(Duration::from_secs(15)).await;
        branch.network.plug_in(true)?;
        settle_soon(branch, Instant::now(), &orders).await
    })
}
