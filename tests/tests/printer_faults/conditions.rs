//! Faults that a printer tells: paper, cover, cutter, heat, offline, fatal.

use super::{SPOOLED, assert_printed_once, slow, until_cut, until_in_print, until_shown, until_state};
use anyhow::{Context, ensure};
use docket_tests::chain::Shop;
use docket_tests::chain::shop::PRINTED;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::{Fault, Status};

/// Faults that stop a printer: what goes wrong, how it is mended, what is shown.
const STOPPING: &[(Fault, Fault, &str)] = &[
    (Fault::PaperOut, Fault::PaperIn, "paper-out"),
    (Fault::CoverOpen, Fault::CoverClosed, "cover-open"),
    (Fault::CutterError, Fault::CutterOk, "cutter"),
    (Fault::Heat(true), Fault::Heat(false), "heat"),
    (Fault::Offline(true), Fault::Offline(false), "offline"),
    (Fault::Fatal(true), Fault::Fatal(false), "fatal"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_waits_until_the_fault_is_mended() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    until_shown(&shop, &[]).await?;
    for (number, &(fault, mended, code)) in (1..).zip(STOPPING) {
        shop.printer.set(fault);
        until_shown(&shop, &[code]).await?;
        let before = shop.printer.status();
        let order = shop.push(number).await?;
        until_state(&shop, &order, SPOOLED).await?;
        // The agent looks again: nothing has begun by then.
        let asked = shop.printer.status().status_requests;
        let looked = shop.printer.wait_until(super::MOMENTS, |status| status.status_requests > asked);
        looked.await.map_err(anyhow::Error::msg)?;
        ensure!(shop.printer.status().lines_printed == before.lines_printed, "{code}: the ticket has begun");
        shop.printer.set(mended);
        let ticket = until_state(&shop, &order, PRINTED).await?;
        ensure!(ticket.evidence.as_deref() == Some("fence"), "{code}: {ticket:?}");
        assert_printed_once(&shop, &order)?;
        until_shown(&shop, &[]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_in_its_middle_goes_on_by_itself() -> anyhow::Result<()> {
    let shop = Shop::with_printer(slow()).await?;
    for (number, &(fault, mended, code)) in (1..).zip(STOPPING) {
        let before = shop.printer.status();
        let order = shop.push(number).await?;
        until_in_print(&shop, &before).await?;
        shop.printer.set(fault);
        stands_until_mended(&shop, &order, &before, mended, code).await?;
    }
    Ok(())
}

/// The ticket that it is at stays in it, and comes out whole and once when it is mended.
async fn stands_until_mended(
    shop: &Shop,
    order: &PlacedOrder,
    before: &Status,
    mended: Fault,
    code: &str,
) -> anyhow::Result<()> {
    until_shown(shop, &[code]).await?;
    until_state(shop, order, SPOOLED).await?;
    ensure!(shop.printer.receipt_count() == before.receipts, "{code}: it came out all the same");
    shop.printer.set(mended);
    until_state(shop, order, PRINTED).await?;
    until_cut(shop).await?;
    assert_printed_once(shop, order)?;
    until_shown(shop, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_paper_ends_at_any_line() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    for (number, lines) in (1..).zip([1, 2, 5, 9, 14, 20]) {
        let before = shop.printer.status();
        shop.printer.set(Fault::PaperOutAfterLines(lines));
        let order = shop.push(number).await?;
        let whole = stands_until_mended(&shop, &order, &before, Fault::PaperIn, "paper-out").await;
        whole.with_context(|| format!("after {lines} lines"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn paper_near_its_end_is_shown_and_prints() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.printer.set(Fault::PaperNearEnd);
    until_shown(&shop, &["paper-near-end"]).await?;
    let order = shop.push(1).await?;
    until_state(&shop, &order, PRINTED).await?;
    assert_printed_once(&shop, &order)?;
    let overview = shop.hub.overview().await?;
    ensure!(overview["stores"][0]["printers"][0]["light"] == "yellow", "{:#}", overview["stores"]);
    shop.printer.set(Fault::PaperIn);
    until_shown(&shop, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jammed_cutter_does_not_make_a_printed_ticket_doubtful() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.printer.set(Fault::CutterJamAtNextCut);
    let jammed = shop.push(1).await?;
    until_shown(&shop, &["cutter"]).await?;
    // It is on paper, and the first fence has said so.
    let ticket = until_state(&shop, &jammed, PRINTED).await?;
    ensure!(ticket.evidence.as_deref() == Some("fence"), "{ticket:?}");
    let next = shop.push(2).await?;
    until_state(&shop, &next, SPOOLED).await?;
    shop.printer.set(Fault::CutterOk);
    until_state(&shop, &next, PRINTED).await?;
    until_cut(&shop).await?;
    assert_printed_once(&shop, &jammed)?;
    assert_printed_once(&shop, &next)
}
