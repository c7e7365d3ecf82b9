//! Printers that say nothing: for a while, in mid-ticket, or ever.

use super::{
    SPOOLED, assert_printed_and_marked_rightly, assert_printed_once, slips_of, slow, until_in_print,
};
use super::{until_cut, until_shown, until_shown_within, until_state};
use anyhow::ensure;
use docket_tests::chain::shop::PRINTED;
use docket_tests::chain::{AgentOptions, HubOptions, Shop};
use docket_tests::virtual_printer::{Fault, Status};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Without a ticket a printer is asked every 10 s.
const NOTICED_MAX: Duration = Duration::from_secs(20);
/// The agent makes the connection to a silent printer anew every 10 s.
const WATCHED: Duration = Duration::from_secs(12);
/// A unit that prints may be too busy to answer: silence in mid-ticket is shown after 10 s.
const BUSY_MAX: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_begun_with_a_printer_that_has_fallen_silent() -> anyhow::Result<()> {
    waits_for_a_word(Fault::Silent(true), Fault::Silent(false)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_begun_with_a_printer_that_hangs() -> anyhow::Result<()> {
    waits_for_a_word(Fault::Hang(true), Fault::Hang(false)).await
}

async fn waits_for_a_word(on: Fault, off: Fault) -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    until_shown(&shop, &[]).await?;
    shop.printer.set(on);
    // A ticket that came at once would begin: the printer has said just now that it is well.
    until_shown_within(&shop, &["silent"], NOTICED_MAX).await?;
    let before = shop.printer.status();
    let order = shop.push(1).await?;
    until_state(&shop, &order, SPOOLED).await?;
    stays_shown(&shop, "silent").await?;
    ensure!(shop.printer.status().lines_printed == before.lines_printed, "{on:?}: the ticket has begun");
    shop.printer.set(off);
    until_state(&shop, &order, PRINTED).await?;
    assert_printed_once(&shop, &order)?;
    until_shown(&shop, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printer_that_hangs_in_mid_ticket_goes_on() -> anyhow::Result<()> {
    let shop = Shop::with_printer(slow()).await?;
    let before = shop.printer.status();
    let order = shop.push(1).await?;
    until_in_print(&shop, &before).await?;
    shop.printer.set(Fault::Hang(true));
    until_shown_within(&shop, &["silent"], BUSY_MAX).await?;
    until_state(&shop, &order, SPOOLED).await?;
    shop.printer.set(Fault::Hang(false));
    until_state(&shop, &order, PRINTED).await?;
    until_cut(&shop).await?;
    assert_printed_once(&shop, &order)?;
    until_shown(&shop, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_is_never_answered_leaves_a_doubt() -> anyhow::Result<()> {
    let shop = Shop::with_printer(slow()).await?;
    // So that it is known to answer fences.
    let known = shop.push(1).await?;
    until_state(&shop, &known, PRINTED).await?;
    until_cut(&shop).await?;
    let before = shop.printer.status();
    let order = shop.push(2).await?;
    until_in_print(&shop, &before).await?;
    shop.printer.set(Fault::Silent(true));
    let receipts = before.receipts;
    let all_out = |status: &Status| status.receipts > receipts && status.bytes_waiting == 0;
    let out = shop.printer.wait_until(super::MOMENTS, all_out).await;
    out.map_err(anyhow::Error::msg)?;
    shop.printer.set(Fault::Silent(false));
    until_state(&shop, &order, PRINTED).await?;
    let marks: Vec<Option<u32>> = slips_of(&shop, &order).iter().map(|slip| slip.repeat).collect();
    ensure!(marks == [None, Some(1)], "{marks:?}");
    assert_printed_and_marked_rightly(&shop, &order).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_printer_that_never_says_a_word_no_more_is_claimed_than_is_known() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.printer.set(Fault::Silent(true));
    shop.agent.start_linked(&shop.hub).await?;
    for number in 1..=2 {
        let order = shop.push(number).await?;
        let ticket = until_state(&shop, &order, PRINTED).await?;
        ensure!(ticket.evidence.as_deref() == Some("sent") && ticket.repeats == 0, "{ticket:?}");
        let marks: Vec<Option<u32>> = slips_of(&shop, &order).iter().map(|slip| slip.repeat).collect();
        ensure!(marks == [None], "{marks:?}");
    }
    let overview = shop.hub.overview().await?;
    let printer = &overview["stores"][0]["printers"][0];
    ensure!(printer["light"] == "unknown" && printer["heard_at"].is_null(), "{printer:#}");
    Ok(())
}

/// A printer that has not said a word since is not well because it has been connected anew.
async fn stays_shown(shop: &Shop, code: &str) -> anyhow::Result<()> {
    let until = Instant::now() + WATCHED;
    while Instant::now() < until {
        let overview = shop.hub.overview().await?;
        let printer = &overview["stores"][0]["printers"][0];
        ensure!(printer["light"] != "green", "it shows as well: {printer:#}");
        let shown =
            printer["conditions"].as_array().is_some_and(|all| all.iter().any(|one| one["code"] == code));
        ensure!(shown || printer["conditions"][0]["code"] == "unreachable", "{printer:#}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
