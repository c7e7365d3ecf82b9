//! The commands that the `escpos` crate has right, made by it.
//!
//! Those that never change are made once, through a driver that collects them: a ticket is then put together by
//! copying, which takes microseconds, where the crate makes several small vectors for each command.

use escpos::driver::Driver;
use escpos::printer::Printer;
use escpos::utils::{JustifyMode, Protocol, QRCodeCorrectionLevel, QRCodeModel, QRCodeOption, UnderlineMode};
use std::cell::RefCell;
use std::sync::OnceLock;

/// Sizes of GS !: 1 to 8 in both directions.
const SCALES: u8 = 8;

/// GS ( k: a QR code of model 2 at error correction M.
pub(super) fn qr(data: &str, module_dots: u8) -> Vec<u8> {
    collect(|printer| {
        let option = QRCodeOption::new(QRCodeModel::Model2, module_dots, QRCodeCorrectionLevel::M);
        printer.qrcode_option(data, option).map(|_| ())
    })
}

/// Commands that never change, as the crate makes them.
pub(super) struct Commands {
    pub init: Vec<u8>,
    pub left: Vec<u8>,
    pub center: Vec<u8>,
    pub right: Vec<u8>,
    pub bold: Vec<u8>,
    pub not_bold: Vec<u8>,
    pub underline: Vec<u8>,
    pub no_underline: Vec<u8>,
    pub reverse: Vec<u8>,
    pub not_reverse: Vec<u8>,
    /// By width and height.
    sizes: Vec<[u8; 3]>,
}

impl Commands {
    /// GS !: as many times as wide and high.
    pub fn size(&self, width: u8, height: u8) -> &[u8; 3] {
        let [width, height] = [width, height].map(|scale| usize::from(scale.clamp(1, SCALES) - 1));
        &self.sizes[width * usize::from(SCALES) + height]
    }
}

pub(super) fn commands() -> &'static Commands {
    static COMMANDS: OnceLock<Commands> = OnceLock::new();
    COMMANDS.get_or_init(|| {
        let size = |width, height| {
            let bytes = collect(|printer| printer.size(width, height).map(|_| ()));
            bytes.try_into().expect("GS ! n has three bytes")
        };
        Commands {
            init: collect(|printer| printer.init().map(|_| ())),
            left: collect(|printer| printer.justify(JustifyMode::LEFT).map(|_| ())),
            center: collect(|printer| printer.justify(JustifyMode::CENTER).map(|_| ())),
            right: collect(|printer| printer.justify(JustifyMode::RIGHT).map(|_| ())),
            bold: collect(|printer| printer.bold(true).map(|_| ())),
            not_bold: collect(|printer| printer.bold(false).map(|_| ())),
            underline: collect(|printer| printer.underline(UnderlineMode::Double).map(|_| ())),
            no_underline: collect(|printer| printer.underline(UnderlineMode::None).map(|_| ())),
            reverse: collect(|printer| printer.reverse(true).map(|_| ())),
            not_reverse: collect(|printer| printer.reverse(false).map(|_| ())),
            sizes: (1..=SCALES)
                .flat_map(|width| (1..=SCALES).map(move |height| size(width, height)))
                .collect(),
        }
    })
}

/// What the crate would send.
fn collect(make: impl FnOnce(&mut Printer<Collector>) -> escpos::errors::Result<()>) -> Vec<u8> {
    let mut printer = Printer::new(Collector::default(), Protocol::default(), None);
    make(&mut printer)
        .and_then(|()| printer.print().map(|_| ()))
        .expect("the layout keeps sizes and lengths in range, and memory takes all bytes");
    printer.driver().bytes.into_inner()
}

/// A driver that keeps what it is given.
#[derive(Default)]
struct Collector {
    bytes: RefCell<Vec<u8>>,
}

impl Driver for Collector {
    fn name(&self) -> String {
        "collector".into()
    }

    fn write(&self, data: &[u8]) -> escpos::errors::Result<()> {
        self.bytes.borrow_mut().extend_from_slice(data);
        Ok(())
    }

    fn read(&self, _: &mut [u8]) -> escpos::errors::Result<usize> {
        Ok(0)
    }

    fn flush(&self) -> escpos::errors::Result<()> {
        Ok(())
    }
}
