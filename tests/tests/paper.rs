//! What leaves the layout as bytes, read by an interpreter that shares nothing with it: text and columns are the same,
//! and so are the places of the dots.

#![allow(clippy::unwrap_used, reason = "clippy takes only functions marked #[test] for tests")]

mod any_document;
mod cut_short;
mod decoded;
mod order;
mod picture;

use docket_paper::Paper;
use docket_tests::chain::PATIENCE;
use docket_tests::virtual_printer::{PaperWidth, PrinterOptions, Receipt, VirtualPrinter};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// GS V 66 0: as the print job ends a ticket.
const CUT: [u8; 4] = [0x1D, 0x56, 0x42, 0x00];

fn width_of(paper: Paper) -> PaperWidth {
    match paper {
        Paper::Mm58 => PaperWidth::Mm58,
        Paper::Mm80 => PaperWidth::Mm80,
    }
}

/// A printer that takes one ticket after the other.
struct Unit {
    printer: VirtualPrinter,
    seen: u64,
}

impl Unit {
    fn start(paper: Paper) -> Self {
        let options = PrinterOptions { paper: width_of(paper), ..PrinterOptions::default() };
        Unit { printer: VirtualPrinter::start(options).unwrap(), seen: 0 }
    }

    /// Prints a ticket with so many cuts in it, and cuts it off; its slips, and what the unit said without having been
    /// asked.
    async fn print(&mut self, content: &[u8], cuts: usize) -> (Vec<Receipt>, Vec<u8>) {
        let mut stream = TcpStream::connect(self.printer.address()).await.unwrap();
        let bytes = [docket_paper::escpos::init(), content, &CUT].concat();
        stream.write_all(&bytes).await.unwrap();
        let slips = cuts as u64 + 1;
        let until = self.seen + slips;
        self.printer.wait_until(PATIENCE, |status| status.receipts >= until).await.unwrap();
        let receipts = self.printer.receipts_from(self.seen + 1);
        self.seen += receipts.len() as u64;
        let mut said = vec![0; 64];
        let length = stream.try_read(&mut said).unwrap_or(0);
        said.truncate(length);
        (receipts, said)
    }
}
