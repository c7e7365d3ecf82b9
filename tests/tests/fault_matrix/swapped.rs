//! Two printers change places while the agent is down, each in the middle of a ticket.
//!
//! On lines that outlive the agent each printer answers its own ticket's fence in the other's place. That proves nothing
//! about the ticket that is asked about there.

use super::heard::{Heard, heard_after};
use super::{Kitchen, NOTE_END};
use anyhow::ensure;
use docket_tests::chain::wait_for;
use docket_tests::lab::way::Way;
use docket_tests::virtual_printer::{Fault, PrinterOptions, Status};
use std::time::Duration;

/// A printer that is asked about a ticket is waited for 15 s after it was mended.
const PATIENCE: Duration = Duration::from_secs(60);
/// Slow enough to be stopped in the middle.
const SPEED_MM_PER_S: u32 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn printers_that_change_places_do_not_answer_for_each_other() -> anyhow::Result<()> {
    let printer = PrinterOptions { speed_mm_per_s: SPEED_MM_PER_S, ..PrinterOptions::default() };
    let mut kitchen = Kitchen::with_ways(&printer, &[Way::Serial; 2]).await?;
    let result = change_places(&mut kitchen).await;
    result.map_err(|error| error.context(kitchen.agent.log_text()))
}

async fn change_places(kitchen: &mut Kitchen) -> anyhow::Result<()> {
    // So that each is known to answer fences, and both have printed as many tickets.
    kitchen.finish(1, PATIENCE).await?;
    let before: Vec<Status> = kitchen.stations.iter().map(|printer| printer.status()).collect();
    let order = kitchen.push(2).await?;
    for (printer, before) in kitchen.stations.iter().zip(&before) {
        let in_print =
            |status: &Status| status.lines_printed > before.lines_printed && !status.paper_so_far.is_empty();
        printer.wait_until(PATIENCE, in_print).await.map_err(anyhow::Error::msg)?;
        printer.set(Fault::PaperOut);
    }
    // Both have all of it, and wait for paper.
    for (printer, before) in kitchen.stations.iter().zip(&before) {
        wait_for("the whole ticket to come", PATIENCE, || {
            match heard_after(printer, before.bytes_received).map(|bytes| Heard::in_bytes(&bytes)) {
                Ok(Heard::Fence) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
    }
    kitchen.agent.process()?.kill();
    // The first forgets its own.
    kitchen.stations[0].set(Fault::Power(false));
    kitchen.stations[0].set(Fault::Power(true));

    let addresses = [kitchen.printers[2].address.clone(), kitchen.printers[1].address.clone()];
    for (printer, address) in kitchen.printers[1..].iter_mut().zip(addresses) {
        printer.address = address;
    }
    kitchen.agent.configure(kitchen.printers.clone())?;
    kitchen.agent.start_linked(&kitchen.hub).await?;
    for printer in &kitchen.stations {
        printer.set(Fault::PaperIn);
    }
    kitchen.until_printed(&order, PATIENCE).await?;
    for printer in &kitchen.stations {
        let is_cut = printer.wait_until(PATIENCE, |status| status.paper_so_far.is_empty());
        is_cut.await.map_err(anyhow::Error::msg)?;
    }

    let texts: Vec<String> = kitchen
        .stations
        .iter()
        .flat_map(|printer| printer.receipts())
        .filter(docket_tests::virtual_printer::Receipt::was_cut)
        .map(|receipt| receipt.text())
        .filter(|text| text.contains(&format!("#{}", order.day_seq)) && text.contains(NOTE_END))
        .collect();
    for dish in ["第0号菜", "第1号菜"] {
        ensure!(
            texts.iter().any(|text| text.contains(dish)),
            "{dish} is called printed, and is not: {texts:#?}"
        );
    }
    Ok(())
}
