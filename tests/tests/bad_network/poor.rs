//! Networks that are poor and stay so: the link holds, and orders come out as they are pushed.

use super::{ORDERS, SEED, push_all, settle};
use anyhow::ensure;
use docket_tests::network::{Bursts, Conditions, Rate, Way, across};
use std::time::Duration;

/// Orders come out although this is wrong both ways from before the agent's next start on.
fn poor(way: Way) -> anyhow::Result<()> {
    across(SEED, async |branch| {
        branch.network.set(Conditions::both(way));
        let before = branch.network.counts();
        let mut orders = push_all(branch, 0..ORDERS / 2).await?;
        branch.shop.until_printed(&orders).await?;
        // The handshake, too, has to get through.
        branch.shop.agent.process()?.kill();
        orders.extend(push_all(branch, ORDERS / 2..ORDERS).await?);
        branch.start_agent().await?;
        settle(branch, &orders).await?;
        let after = branch.network.counts();
        let went = |counts: (docket_tests::network::Count, docket_tests::network::Count)| {
            counts.0.taken.min(counts.1.taken)
        };
        ensure!(went(after) > went(before), "no packet went through it: {after:?}");
        println!("{after:?}");
        Ok(())
    })
}

#[test]
fn three_in_ten_packets_are_lost() -> anyhow::Result<()> {
    poor(Way { loss: 0.3, ..Way::default() })
}

#[test]
fn packets_are_lost_in_bursts() -> anyhow::Result<()> {
    poor(Way { bursts: Some(Bursts { begin: 0.1, lasts: Duration::from_millis(300) }), ..Way::default() })
}

#[test]
fn each_way_takes_half_a_second() -> anyhow::Result<()> {
    let delay = Duration::from_millis(500);
    poor(Way { delay, jitter: delay / 5, ..Way::default() })
}

#[test]
fn packets_overtake_each_other_and_come_twice() -> anyhow::Result<()> {
    let (delay, late_by) = (Duration::from_millis(20), Duration::from_millis(60));
    poor(Way { delay, jitter: delay, late: 0.3, late_by, duplicate: 0.2, ..Way::default() })
}

#[test]
fn the_line_carries_64_kbit() -> anyhow::Result<()> {
    let rate = Rate { bytes_per_s: 64_000 / 8, queue_bytes: 16_000 };
    poor(Way { rate: Some(rate), delay: Duration::from_millis(40), ..Way::default() })
}

#[test]
fn packets_larger_than_quic_promises_vanish() -> anyhow::Result<()> {
    // RFC 9000, 14: 1,200 bytes of UDP get through, or there is no QUIC.
    poor(Way { mtu_bytes: Some(1_200 + 8 + 20), ..Way::default() })
}
