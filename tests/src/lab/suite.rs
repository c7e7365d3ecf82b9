//! What can happen to a printer, the same over every way to one.
//!
//! Each case pushes an order, makes something go wrong, mends it, and looks at what lies on the counter and what
//! headquarters has been told: nothing lost, nothing twice without a mark, nothing called printed that is not, and
//! all of it without a person.

use super::way::Way;
use crate::chain::Shop;
use crate::chain::counter::{
    SPOOLED, ensure_marked_rightly, ensure_printed_once, record, slips_of, until_cut, until_in_print,
    until_shown_within, until_state,
};
use crate::chain::shop::PRINTED;
use crate::platform::orders::PlacedOrder;
use crate::virtual_printer::{Fault, PrinterOptions, Status};
use anyhow::{Context, ensure};
use std::time::{Duration, Instant};

/// A ticket takes more than half a second: long enough for anything to happen in its middle.
const SPEED_MM_PER_S: u32 = 150;
/// So soon is to be seen at headquarters what a printer tells, on a machine without an accelerator too.
const SHOWN_MAX: Duration = Duration::from_secs(20);
/// Bytes of a ticket after which it is in its middle; the preflight is before them.
const MIDDLE_BYTES: u64 = 300;
/// The evidence of a printer that answers fences.
const FENCE: &str = "fence";

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Printed,
    NearEnd,
    PaperOutBefore,
    CoverOpenBefore,
    PaperOutInTheMiddle,
    UnpluggedInTheMiddle,
    UnpluggedBefore,
    LooseContactInTheMiddle,
    SwitchedOffInTheMiddle,
    SilentInTheMiddle,
}

impl Case {
    const ALL: [Case; 10] = [
        Case::Printed,
        Case::NearEnd,
        Case::PaperOutBefore,
        Case::CoverOpenBefore,
        Case::PaperOutInTheMiddle,
        Case::UnpluggedInTheMiddle,
        Case::UnpluggedBefore,
        Case::LooseContactInTheMiddle,
        Case::SwitchedOffInTheMiddle,
        Case::SilentInTheMiddle,
    ];
}

/// Runs every case over each of these ways, one after the other, in one chain; says on standard output how long each
/// took. Only over the first it is waited for what a printer does not answer, since that takes half a minute.
///
/// # Errors
/// The first case that fails; with the agent's log.
pub async fn run(ways: &[Way]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut stage: Option<Stage> = None;
    let mut number = 0;
    for &way in ways {
        let mut watch = Watch { way, since: Instant::now() };
        let printer = || {
            let options = PrinterOptions { speed_mm_per_s: SPEED_MM_PER_S, ..PrinterOptions::default() };
            way.printer(options, folder.path())
        };
        let shop = match stage.take() {
            None => {
                let (printer, address) = printer().with_context(|| format!("a printer over {way}"))?;
                Shop::at(printer, &address).await?
            }
            Some(Stage { mut shop, .. }) => {
                shop.replace_printer(printer).await?;
                shop
            }
        };
        watch.took("a chain with its printer");
        let stage = stage.insert(Stage { way, shop });
        for case in Case::ALL {
            if case == Case::SilentInTheMiddle && way != ways[0] {
                continue;
            }
            number += 1;
            stage.happens(case, number).await.with_context(|| {
                format!("{way}: {case:?}; the agent's log:\n{}", stage.shop.agent.log_text())
            })?;
            watch.took(&format!("{case:?}"));
        }
    }
    Ok(())
}

struct Watch {
    way: Way,
    since: Instant,
}

impl Watch {
    fn took(&mut self, what: &str) {
        println!("{:<10}{what:<64}{:>8.1?}", self.way, self.since.elapsed());
        self.since = Instant::now();
    }
}

struct Stage {
    way: Way,
    shop: Shop,
}

impl Stage {
    async fn happens(&self, case: Case, number: u64) -> anyhow::Result<()> {
        self.shows(&[]).await?;
        until_cut(&self.shop).await?;
        match case {
            Case::Printed => self.printed(number).await?,
            Case::NearEnd => self.near_end(number).await?,
            Case::PaperOutBefore => {
                self.waits(number, Fault::PaperOut, "paper-out", Fault::PaperIn).await?;
            }
            Case::CoverOpenBefore => {
                self.waits(number, Fault::CoverOpen, "cover-open", Fault::CoverClosed).await?;
            }
            Case::UnpluggedBefore => {
                self.waits(number, Fault::Unplugged(true), "unreachable", Fault::Unplugged(false)).await?;
            }
            Case::PaperOutInTheMiddle => self.paper_out_in_the_middle(number).await?,
            Case::UnpluggedInTheMiddle => self.unplugged_in_the_middle(number).await?,
            Case::LooseContactInTheMiddle => self.loose_contact_in_the_middle(number).await?,
            Case::SwitchedOffInTheMiddle => self.switched_off_in_the_middle(number).await?,
            Case::SilentInTheMiddle => self.silent_in_the_middle(number).await?,
        }
        self.shows(&[]).await
    }

    async fn printed(&self, number: u64) -> anyhow::Result<()> {
        let order = self.shop.push(number).await?;
        self.comes_out_once(&order).await
    }

    /// It is shown, and printing goes on.
    async fn near_end(&self, number: u64) -> anyhow::Result<()> {
        self.shop.printer.set(Fault::PaperNearEnd);
        self.shows(&["paper-near-end"]).await?;
        let order = self.shop.push(number).await?;
        self.comes_out_once(&order).await?;
        self.shop.printer.set(Fault::PaperIn);
        Ok(())
    }

    /// What stops the printer before a ticket lets it wait: not begun, and so not marked.
    async fn waits(&self, number: u64, fault: Fault, code: &str, mended: Fault) -> anyhow::Result<()> {
        self.shop.printer.set(fault);
        self.shows(&[code]).await?;
        let resets = self.shop.printer.status().resets;
        let order = self.shop.push(number).await?;
        until_state(&self.shop, &order, SPOOLED).await?;
        ensure!(self.shop.printer.status().resets == resets, "the ticket has begun");
        self.shop.printer.set(mended);
        self.comes_out_once(&order).await
    }

    /// The printer goes on by itself, and so nothing is sent again.
    async fn paper_out_in_the_middle(&self, number: u64) -> anyhow::Result<()> {
        let order = self.begin(number).await?;
        self.shop.printer.set(Fault::PaperOut);
        self.shows(&["paper-out"]).await?;
        until_state(&self.shop, &order, SPOOLED).await?;
        self.shop.printer.set(Fault::PaperIn);
        self.comes_out_once(&order).await
    }

    /// Nobody knows what came out: nobody says that it did, and what is printed instead says that it may have.
    async fn unplugged_in_the_middle(&self, number: u64) -> anyhow::Result<()> {
        let order = self.begin(number).await?;
        self.shop.printer.set(Fault::Unplugged(true));
        self.shows(&["unreachable"]).await?;
        ensure!(record(&self.shop, &order)?.state != PRINTED, "{:?}", record(&self.shop, &order)?);
        self.shop.printer.set(Fault::Unplugged(false));
        self.comes_out_again(&order).await
    }

    async fn loose_contact_in_the_middle(&self, number: u64) -> anyhow::Result<()> {
        self.shop.printer.set(Fault::DropAfterBytes(MIDDLE_BYTES));
        let order = self.shop.push(number).await?;
        self.comes_out_again(&order).await
    }

    async fn switched_off_in_the_middle(&self, number: u64) -> anyhow::Result<()> {
        let order = self.begin(number).await?;
        self.shop.printer.set(Fault::Power(false));
        // Where the line stays, it has to be noticed that nobody is at its end.
        let code = if self.way.goes_with_the_power() { "unreachable" } else { "silent" };
        self.shows(&[code]).await?;
        ensure!(record(&self.shop, &order)?.state != PRINTED, "{:?}", record(&self.shop, &order)?);
        self.shop.printer.set(Fault::Power(true));
        self.comes_out_again(&order).await
    }

    /// All of it comes out, and the answer to its fence is lost.
    async fn silent_in_the_middle(&self, number: u64) -> anyhow::Result<()> {
        let before = self.shop.printer.status();
        let order = self.begin(number).await?;
        self.shop.printer.set(Fault::Silent(true));
        let receipts = before.receipts;
        let is_out = |status: &Status| status.receipts > receipts && status.bytes_waiting == 0;
        self.shop.printer.wait_until(SHOWN_MAX, is_out).await.map_err(anyhow::Error::msg)?;
        self.shop.printer.set(Fault::Silent(false));
        self.comes_out_again(&order).await
    }

    /// Pushes an order and waits until its ticket is in print.
    async fn begin(&self, number: u64) -> anyhow::Result<PlacedOrder> {
        let before = self.shop.printer.status();
        let order = self.shop.push(number).await?;
        until_in_print(&self.shop, &before).await?;
        Ok(order)
    }

    async fn comes_out_once(&self, order: &PlacedOrder) -> anyhow::Result<()> {
        until_state(&self.shop, order, PRINTED).await?;
        until_cut(&self.shop).await?;
        ensure_printed_once(&self.shop, order, FENCE)
    }

    async fn comes_out_again(&self, order: &PlacedOrder) -> anyhow::Result<()> {
        until_state(&self.shop, order, PRINTED).await?;
        until_cut(&self.shop).await?;
        let slips = slips_of(&self.shop, order);
        let repeats = ensure_marked_rightly(&self.shop, order, FENCE)?;
        ensure!(repeats == 1, "补打 {repeats}: {slips:#?}");
        Ok(())
    }

    async fn shows(&self, codes: &[&str]) -> anyhow::Result<()> {
        until_shown_within(&self.shop, codes, SHOWN_MAX).await
    }
}
