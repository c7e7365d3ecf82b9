//! The line is lost after every single byte of a ticket, its preflight included.
//!
//! The printers are asked for one connection each time, so this is some 900 lost connections, 31 at a time.

use super::{Kitchen, STATIONS};
use anyhow::ensure;
use docket_tests::virtual_printer::{Fault, PrinterOptions};
use std::time::Duration;

/// A lost connection is made anew half a second later; this is far beyond.
const PATIENCE: Duration = Duration::from_secs(60);
/// The four status queries that may come before a ticket.
const PREFLIGHT_BYTES: u64 = 12;
/// So long is a ticket at least, or most of this would be about nothing.
const TICKET_BYTES_MIN: u64 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn the_line_is_lost_after_every_byte_of_a_ticket() -> anyhow::Result<()> {
    let kitchen = Kitchen::open(&PrinterOptions::default()).await?;
    let result = every_byte(&kitchen).await;
    result.map_err(|error| error.context(kitchen.agent.log_text()))
}

async fn every_byte(kitchen: &Kitchen) -> anyhow::Result<()> {
    // The first one has the connection's questions before it, too.
    let order = kitchen.push(1).await?;
    kitchen.until_printed(&order, PATIENCE).await?;
    let before = kitchen.stations[0].bytes_received();
    let order = kitchen.push(2).await?;
    kitchen.until_printed(&order, PATIENCE).await?;
    let ticket_bytes = kitchen.stations[0].bytes_received() - before;
    ensure!(ticket_bytes >= TICKET_BYTES_MIN, "a ticket has only {ticket_bytes} bytes");

    let mut rounds = Vec::new();
    for (number, bytes) in (3..).zip((0..=ticket_bytes + PREFLIGHT_BYTES).step_by(STATIONS)) {
        for (after, printer) in (bytes..).zip(&kitchen.stations) {
            printer.set(Fault::DropAfterBytes(after));
        }
        let order = kitchen.push(number).await?;
        kitchen.until_printed(&order, PATIENCE).await?;
        rounds.push((bytes, order));
    }
    for printer in &kitchen.stations {
        printer.set(Fault::DropAfterBytes(u64::MAX));
    }
    kitchen.finish(rounds.len() as u64 + 3, PATIENCE).await?;

    let (mut lost, mut unmarked, mut torn) = (0, 0, 0);
    for (bytes, order) in &rounds {
        for (after, judged) in (*bytes..).zip(kitchen.judge(order)?) {
            ensure!(judged.repeats <= 1, "after {after} bytes: 补打 {}", judged.repeats);
            lost += 1;
            unmarked += u64::from(judged.repeats == 0);
            torn += u64::from(judged.slips > 1);
        }
    }
    println!(
        "a ticket of {ticket_bytes} bytes: {lost} lines lost, {unmarked} tickets unmarked, {torn} printed twice"
    );
    ensure!(unmarked > 0 && lost - unmarked >= ticket_bytes / 2 && torn > 0);
    Ok(())
}
