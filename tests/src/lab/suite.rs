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
use crate::virtual_printer::{Fault, PrinterOptions, Profile, Status, VirtualPrinter};
use anyhow::{Context, ensure};
use std::io;
use std::path::Path;
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

/// Runs every case over one way with a printer that has everything, and then what every printer can do with printers
/// of these profiles; says on standard output how long each took.
///
/// # Errors
/// The first case that fails; with the agent's log.
pub async fn run(way: Way, clones: &[&str]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut watch = Watch { way, since: Instant::now() };
    let everything = printer(way, "everything", folder.path());
    let (printer_there, address) = everything.with_context(|| format!("a printer over {way}"))?;
    let shop = Shop::at(printer_there, &address).await?;
    watch.took("a chain with its printer");
    let mut stage = Stage { way, shop, evidence: FENCE };
    let mut number = 0;
    for case in Case::ALL {
        number += 1;
        let result = stage.happens(case, number).await;
        result.with_context(|| stage.about(&format!("{case:?}")))?;
        watch.took(&format!("{case:?}"));
    }
    for &clone in clones {
        stage.shop.replace_printer(|| printer(way, clone, folder.path())).await?;
        stage.evidence = evidence_of(clone);
        let result = stage.clone_works(&mut number).await;
        result.with_context(|| stage.about(clone))?;
        watch.took(clone);
    }
    Ok(())
}

fn printer(way: Way, profile: &str, folder: &Path) -> io::Result<(VirtualPrinter, String)> {
    let profile = Profile::by_name(profile).ok_or(io::ErrorKind::NotFound)?;
    let options = PrinterOptions { speed_mm_per_s: SPEED_MM_PER_S, ..profile.options() };
    way.printer(profile.name, options, folder)
}

/// What there can be to prove that a ticket is out, once a printer of this profile has shown what it answers.
fn evidence_of(profile: &str) -> &'static str {
    match profile {
        "answers-nothing" => "sent",
        // Nothing of theirs says "on paper"; what they tell of their state is all there is.
        "gs-r-at-once" | "no-fence" | "cheap" => "status",
        _ => FENCE,
    }
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
    /// What a printed ticket is known by.
    evidence: &'static str,
}

impl Stage {
    fn about(&self, what: &str) -> String {
        format!("{}: {what}; the agent's log:\n{}", self.way, self.shop.agent.log_text())
    }

    /// The printer shows what it can, prints, runs out of paper and is unplugged, each in mid-ticket.
    async fn clone_works(&self, number: &mut u64) -> anyhow::Result<()> {
        let mut next = || {
            *number += 1;
            *number
        };
        let first = self.shop.push(next()).await?;
        until_state(&self.shop, &first, PRINTED).await?;
        self.printed(next()).await?;

        let order = self.begin(next()).await?;
        self.shop.printer.set(Fault::PaperOut);
        until_state(&self.shop, &order, SPOOLED).await?;
        self.shop.printer.set(Fault::PaperIn);
        self.comes_out_once(&order).await?;

        let order = self.begin(next()).await?;
        self.shop.printer.set(Fault::Unplugged(true));
        self.shop
            .printer
            .wait_until(SHOWN_MAX, |status| !status.connected)
            .await
            .map_err(anyhow::Error::msg)?;
        self.shop.printer.set(Fault::Unplugged(false));
        self.comes_out_again(&order).await
    }

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
        let lines = self.shop.printer.status().lines_printed;
        let order = self.shop.push(number).await?;
        until_state(&self.shop, &order, SPOOLED).await?;
        ensure!(self.shop.printer.status().lines_printed == lines, "the ticket has begun");
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
        ensure_printed_once(&self.shop, order, self.evidence)
    }

    async fn comes_out_again(&self, order: &PlacedOrder) -> anyhow::Result<()> {
        until_state(&self.shop, order, PRINTED).await?;
        until_cut(&self.shop).await?;
        let slips = slips_of(&self.shop, order);
        let repeats = ensure_marked_rightly(&self.shop, order, self.evidence)?;
        ensure!(repeats == 1, "补打 {repeats}: {slips:#?}");
        Ok(())
    }

    async fn shows(&self, codes: &[&str]) -> anyhow::Result<()> {
        until_shown_within(&self.shop, codes, SHOWN_MAX).await
    }
}
