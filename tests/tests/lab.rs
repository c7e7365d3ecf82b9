//! The same suite of printer faults over every way to a printer, with printers that have everything and clones that do
//! not.

use docket_tests::lab::suite;
use docket_tests::lab::way::Way;

/// Of the clones: one that tells nothing by itself, and one that never says a word. Over TCP `agent/tests` has them
/// all; what a unit without fences is waited for would take the virtual machine too long.
const CLONES: [&str; 2] = ["no-asb", "answers-nothing"];

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp() -> anyhow::Result<()> {
    suite::run(Way::Tcp, &CLONES).await
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_serial_line() -> anyhow::Result<()> {
    suite::run(Way::Serial, &CLONES).await
}

/// `./check --quick` leaves these out.
mod virtual_machine {
    use super::CLONES;
    use docket_tests::chain::program;
    use docket_tests::lab::machine;

    #[test]
    fn over_usb_through_the_kernels_printer_driver() -> anyhow::Result<()> {
        let arguments = [&["--over", "usb-class", "--clones"], &CLONES[..]].concat();
        println!("{}", machine::run(&program("docket-lab")?, &arguments)?);
        Ok(())
    }

    #[test]
    fn usb_printers_whose_files_change_hands() -> anyhow::Result<()> {
        println!("{}", machine::run(&program("docket-lab")?, &["--swapped"])?);
        Ok(())
    }

    #[test]
    fn over_usb_past_the_kernels_printer_driver() -> anyhow::Result<()> {
        println!("{}", machine::run(&program("docket-lab")?, &["--over", "usb"])?);
        Ok(())
    }
}
