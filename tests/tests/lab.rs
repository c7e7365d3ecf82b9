//! The same suite of printer faults over every way to a printer.

use docket_tests::lab::suite;
use docket_tests::lab::way::Way;

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp() -> anyhow::Result<()> {
    suite::run(&[Way::Tcp]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_serial_line() -> anyhow::Result<()> {
    suite::run(&[Way::Serial]).await
}

/// `./check --quick` leaves these out.
mod virtual_machine {
    use docket_tests::chain::program;
    use docket_tests::lab::machine;

    #[test]
    fn over_usb_through_the_kernels_printer_driver_and_past_it() -> anyhow::Result<()> {
        let said = machine::run(&program("docket-lab")?, &["--over", "usb-class", "usb"])?;
        println!("{said}");
        Ok(())
    }
}
