//! `docket-lab`: what can happen to a printer, made to happen, over any way to one.
//!
//! USB takes root and a kernel with `dummy_hcd` and `usb_f_printer`: `tests/lab/run.sh` has them.

use clap::Parser;
use docket_tests::lab::way::Way;
use docket_tests::lab::{suite, swapped};

/// Runs the suite of printer faults with a whole chain and a virtual printer.
#[derive(Debug, Parser)]
#[command(name = "docket-lab", version)]
struct Arguments {
    /// The way to the printer: tcp, serial, usb-class (/dev/usb/lp0), usb (past the kernel's driver).
    #[arg(long, required_unless_present = "swapped")]
    over: Option<Way>,
    /// Profiles of clones that are tried after a printer that has everything.
    #[arg(long, num_args = 1..)]
    clones: Vec<String>,
    /// Instead: two USB printers whose files change hands.
    #[arg(long, conflicts_with_all = ["over", "clones"])]
    swapped: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Arguments { over, clones, .. } = Arguments::parse();
    match over {
        Some(over) => suite::run(over, &clones.iter().map(String::as_str).collect::<Vec<_>>()).await,
        None => swapped::run().await,
    }
}
