//! Lines that are lost, printers that are switched off, and tickets that wait for a person.

use super::{
    HELD, SPOOLED, assert_printed_and_marked_rightly, assert_printed_once, slips_of, slow, until_cut,
    until_in_print, until_shown, until_state,
};
use anyhow::ensure;
use docket_tests::chain::shop::{PRINTED, order, push_order};
use docket_tests::chain::{PATIENCE, Shop, wait_for};
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::Fault;

/// Bytes after which the line is lost, counted from before the ticket, which has more than 1,200, and its preflight,
/// which has 12 or, where the printer has been asked just before, none.
const DROPS: &[u64] =
    &[0, 5, 12, 13, 14, 40, 60, 100, 200, 300, 401, 502, 603, 704, 805, 906, 1_007, 1_108, 1_209];
/// A line of paper and more than 50 bytes each.
const DISHES: usize = 20;
/// How often a ticket is begun before it waits for a person.
const ATTEMPTS: i64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_lost_at_any_byte() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let (mut unmarked, mut marked, mut torn) = (0, 0, 0);
    for (number, &bytes) in (1..).zip(DROPS) {
        until_cut(&shop).await?;
        let before = shop.printer.status();
        shop.printer.set(Fault::DropAfterBytes(bytes));
        let order = long_order(number);
        push_order(&shop.hub, &order).await?;
        // The agent waits before it connects again, so this is how far the first attempt came.
        let dropped = shop.printer.wait_until(PATIENCE, |status| !status.connected);
        dropped.await.map_err(anyhow::Error::msg)?;
        let begun = shop.printer.status().lines_printed > before.lines_printed;
        until_state(&shop, &order, PRINTED).await?;
        let repeats = assert_printed_and_marked_rightly(&shop, &order)?;
        ensure!(repeats <= 1, "after {bytes} bytes: 补打 {repeats}");
        ensure!(!begun || repeats == 1, "after {bytes} bytes it had begun, and is not marked");
        unmarked += u32::from(repeats == 0);
        marked += u32::from(repeats == 1);
        torn += u32::from(slips_of(&shop, &order).len() > 1);
    }
    ensure!(unmarked > 0 && marked > 10 && torn > 5, "{unmarked} unmarked, {marked} marked, {torn} torn");
    Ok(())
}

/// An order whose ticket has more bytes than any of [`DROPS`].
fn long_order(number: u64) -> PlacedOrder {
    let mut long = order(Shop::STORE, number);
    while long.dishes.len() < DISHES {
        long.dishes.extend(long.dishes.clone());
    }
    long.dishes.truncate(DISHES);
    long
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printer_that_cannot_be_reached_comes_back() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.printer.set(Fault::Refuse(true));
    shop.printer.set(Fault::DropAfterBytes(0));
    until_shown(&shop, &["unreachable"]).await?;
    let order = shop.push(1).await?;
    until_state(&shop, &order, SPOOLED).await?;
    shop.printer.set(Fault::Refuse(false));
    until_state(&shop, &order, PRINTED).await?;
    assert_printed_once(&shop, &order)?;
    until_shown(&shop, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_power_goes_in_mid_ticket_and_comes_back() -> anyhow::Result<()> {
    let shop = Shop::with_printer(slow()).await?;
    let before = shop.printer.status();
    let order = shop.push(1).await?;
    until_in_print(&shop, &before).await?;
    shop.printer.set(Fault::Power(false));
    until_shown(&shop, &["unreachable"]).await?;
    // Nobody claims that it came out.
    ensure!(super::record(&shop, &order)?.state != PRINTED, "{:?}", super::record(&shop, &order)?);
    shop.printer.set(Fault::Power(true));
    until_state(&shop, &order, PRINTED).await?;
    let slips = slips_of(&shop, &order);
    let [torn, whole] = slips.as_slice() else { anyhow::bail!("{slips:#?}") };
    ensure!(!torn.cut && torn.repeat.is_none() && whole.cut && whole.repeat == Some(1), "{slips:#?}");
    assert_printed_and_marked_rightly(&shop, &order)?;
    until_shown(&shop, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_lost_thrice_waits_for_a_person() -> anyhow::Result<()> {
    let shop = Shop::with_printer(slow()).await?;
    // Asked for when nothing waits: that is no leave for what waits later.
    release(&shop, &["release"])?;
    let first = lose_thrice(&shop, 1).await?;
    let second = lose_thrice(&shop, 2).await?;
    let held = |overview: &serde_json::Value| (overview["stores"][0]["held"] == 2).then_some(());
    shop.hub.until_overview("two held tickets", super::MOMENTS, held).await?;

    let shown = shop.agent.command(&["status"])?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.status.code() == Some(1), "status ends with {:?}: {text}", shown.status.code());
    let line = |order: &PlacedOrder| {
        let title = format!("美团外卖 #{} ", order.day_seq);
        text.lines().find(|line| line.contains("等待人工") && line.contains(&title)).map(str::to_owned)
    };
    let (Some(line), Some(_)) = (line(&first), line(&second)) else { anyhow::bail!("{text}") };
    let Some((_, ticket)) = line.rsplit_once("docket-agent release ") else { anyhow::bail!("{line}") };

    // What the line says to do, done: that ticket and no other.
    release(&shop, &["release", ticket])?;
    until_state(&shop, &first, PRINTED).await?;
    ensure!(assert_printed_and_marked_rightly(&shop, &first)? == 3, "{:#?}", slips_of(&shop, &first));
    ensure!(super::record(&shop, &second)?.state == HELD, "{:?}", super::record(&shop, &second)?);

    release(&shop, &["release"])?;
    until_state(&shop, &second, PRINTED).await?;
    ensure!(assert_printed_and_marked_rightly(&shop, &second)? == 3, "{:#?}", slips_of(&shop, &second));
    wait_for("status to tell of the plug and of no ticket", super::MOMENTS, || {
        match shop.agent.command(&["status"]) {
            // Six lost lines within a minute: it comes and goes, and nobody is waited for.
            Ok(output)
                if String::from_utf8_lossy(&output.stdout).contains("时好时坏")
                    && !String::from_utf8_lossy(&output.stdout).contains("等待人工") =>
            {
                Ok(())
            }
            seen => Err(format!("{seen:?}")),
        }
    })
    .await
}

/// Pushes an order and drops the line in the middle of each attempt, until its ticket waits for a person.
async fn lose_thrice(shop: &Shop, number: u64) -> anyhow::Result<PlacedOrder> {
    let mut before = shop.printer.status();
    let order = shop.push(number).await?;
    for _ in 0..ATTEMPTS {
        until_in_print(shop, &before).await?;
        before = shop.printer.status();
        shop.printer.set(Fault::DropAfterBytes(0));
        // What it has still comes out; the next attempt begins behind it.
    }
    let ticket = until_state(shop, &order, HELD).await?;
    ensure!(ticket.evidence.is_none() && ticket.printed_at.is_none(), "{ticket:?}");
    Ok(order)
}

fn release(shop: &Shop, arguments: &[&str]) -> anyhow::Result<()> {
    let output = shop.agent.command(arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
