//! The tests of the paper, all through its public interface. What an outside interpreter makes of the bytes is tested
//! where that interpreter lives, in `docket-tests`.

#![allow(clippy::unwrap_used, reason = "clippy takes only functions marked #[test] for tests")]

mod barcodes;
mod golden;
mod hostile;
mod logos;
mod pictures;
mod raster;
mod slips;
mod svg;
mod templates;
