//! What goes wrong at a printer, seen from headquarters and on paper: shown within moments with its remedy, over by
//! itself once a person has mended it, printed once without a mark where nothing was in doubt, and marked 补打
//! where it was.

mod conditions;
mod garbage;
mod lost;
mod silent;

pub use docket_tests::chain::counter::{
    HELD, MOMENTS, SPOOLED, record, slips_of, until_cut, until_in_print, until_shown, until_shown_within,
    until_state,
};

use docket_tests::chain::Shop;
use docket_tests::chain::counter::{ensure_marked_rightly, ensure_printed_once};
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::PrinterOptions;

/// A ticket takes more than half a second: long enough for anything to happen in its middle.
const SLOW_MM_PER_S: u32 = 150;

/// A printer that prints as slowly as the slow ones do.
fn slow() -> PrinterOptions {
    PrinterOptions { speed_mm_per_s: SLOW_MM_PER_S, ..PrinterOptions::default() }
}

fn assert_printed_once(shop: &Shop, order: &PlacedOrder) -> anyhow::Result<()> {
    ensure_printed_once(shop, order, "fence")
}

fn assert_printed_and_marked_rightly(shop: &Shop, order: &PlacedOrder) -> anyhow::Result<u32> {
    ensure_marked_rightly(shop, order, "fence")
}
