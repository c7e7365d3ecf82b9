//! The line is lost after every single byte of a ticket, its preflight included.
//!
//! The printers are asked for one connection each time, so this is some 600 lost connections, 31 at a time. What of
//! the ticket a printer had heard by then decides what must come of it:
//!
//! | heard | the repeat |
//! |---|---|
//! | nothing | none: the ticket comes out once, unmarked |
//! | nothing, but it has answered the last question | may be marked: the ticket was on its way by then |
//! | a part | 补打 1: nobody can know |
//! | the fence, too | none: it has said that the ticket is on paper |

use super::heard::{Heard, PREFLIGHT_QUERIES, heard_after};
use super::{Kitchen, STATIONS};
use anyhow::ensure;
use docket_tests::virtual_printer::{Fault, PrinterOptions};
use std::time::Duration;

/// A lost connection is made anew half a second later; this is far beyond.
const PATIENCE: Duration = Duration::from_secs(60);
/// The status queries that may come before a ticket.
const PREFLIGHT_BYTES: u64 = 12;
/// A ticket that comes sooner after the last answers has no preflight.
const NOT_FRESH: Duration = Duration::from_millis(150);
/// So long is a ticket at least, or most of this would be about nothing.
const TICKET_BYTES_MIN: u64 = 500;

/// What is set for one ticket, and what came of it at its printer.
struct Line {
    after: u64,
    heard: Heard,
}

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

    // So that the first round has the preflight.
    tokio::time::sleep(NOT_FRESH).await;
    let mut rounds = Vec::new();
    for (number, bytes) in (3..).zip((0..=ticket_bytes + PREFLIGHT_BYTES).step_by(STATIONS)) {
        let mut before = Vec::new();
        for (after, printer) in (bytes..).zip(&kitchen.stations) {
            before.push(printer.bytes_received());
            printer.set(Fault::DropAfterBytes(after));
        }
        let order = kitchen.push(number).await?;
        kitchen.until_printed(&order, PATIENCE).await?;
        let mut lines = Vec::new();
        for ((after, before), printer) in (bytes..).zip(before).zip(&kitchen.stations) {
            let mut heard = heard_after(printer, before)?;
            heard.truncate(usize::try_from(after)?);
            lines.push(Line { after, heard: Heard::in_bytes(&heard) });
        }
        rounds.push((order, lines));
    }
    for printer in &kitchen.stations {
        printer.set(Fault::DropAfterBytes(u64::MAX));
    }
    kitchen.finish(rounds.len() as u64 + 3, PATIENCE).await?;

    let (mut untouched, mut under_way, mut part, mut whole) = (0, 0, 0, 0);
    for (order, lines) in &rounds {
        for (line, judged) in lines.iter().zip(kitchen.judge(order)?) {
            let Line { after, heard } = *line;
            let told = || format!("after {after} bytes, {heard:?}: {judged:?}");
            let expected = match heard {
                Heard::Nothing { asked } if asked < PREFLIGHT_QUERIES => {
                    untouched += 1;
                    0..=0
                }
                Heard::Nothing { .. } => {
                    under_way += 1;
                    0..=1
                }
                Heard::Part => {
                    part += 1;
                    1..=1
                }
                Heard::Fence => {
                    whole += 1;
                    0..=0
                }
            };
            ensure!(expected.contains(&judged.repeats), "{}", told());
            ensure!(heard == Heard::Part || judged.slips == 1, "printed twice: {}", told());
        }
    }
    println!(
        "a ticket of {ticket_bytes} bytes: {untouched} lines lost before it, {under_way} when it was on its way, {part} in \
         it, {whole} when it was on paper"
    );
    ensure!(untouched > 1 && whole > 0 && part >= ticket_bytes * 3 / 4);
    // That nobody can know is the exception.
    ensure!(under_way <= 2, "{under_way} tickets might have been marked without a byte");
    Ok(())
}
