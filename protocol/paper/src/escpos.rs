//! Lines become ESC/POS bytes.
//!
//! The `escpos` crate makes the commands whose bytes are right in it, once, through a driver that collects
//! them: a ticket is then put together by copying, which takes microseconds, where the crate makes several
//! small vectors for each command. What it lacks (FS &, FS !) or has wrong (cut, drawer) is spelled out here,
//! from `spec/escpos.md`.

use crate::layout::Line;
use crate::text::push_gb18030;
use docket_protocol::document::{Align, Style};
use escpos::driver::Driver;
use escpos::printer::Printer;
use escpos::utils::{JustifyMode, Protocol, QRCodeCorrectionLevel, QRCodeModel, QRCodeOption};
use std::cell::RefCell;
use std::sync::OnceLock;

/// FS &: Chinese characters on.
const KANJI_ON: [u8; 2] = [0x1C, 0x26];
/// FS !: size of Chinese characters, for units where GS ! does not apply to them.
const KANJI_SIZE: [u8; 2] = [0x1C, 0x21];
const KANJI_WIDE: u8 = 0x04;
const KANJI_TALL: u8 = 0x08;
const LINE_FEED: u8 = 0x0A;
/// Sizes of GS !: 1 to 8 in both directions.
const SCALES: u8 = 8;
/// What a ticket of 30 lines takes.
const BYTES_USUAL: usize = 2_048;

/// The bytes of a ticket, from after ESC @ to its last line feed. What surrounds them is the print job's.
pub fn encode(lines: &[Line]) -> Vec<u8> {
    let commands = commands();
    let mut out = Vec::with_capacity(BYTES_USUAL);
    out.extend_from_slice(&KANJI_ON);
    // What ESC @ has set.
    let mut state = Setting { style: Style::NORMAL, align: Align::Left };
    for line in lines {
        match line {
            Line::Text { text, style, align } => {
                state.change(*style, *align, commands, &mut out);
                push_gb18030(text, &mut out);
                out.push(LINE_FEED);
            }
            Line::Feed(lines) => {
                state.change(Style::NORMAL, state.align, commands, &mut out);
                out.extend(std::iter::repeat_n(LINE_FEED, usize::from(*lines)));
            }
            Line::Qr { data, module_dots } => {
                state.change(Style::NORMAL, Align::Center, commands, &mut out);
                out.extend(collect(|printer| {
                    let option =
                        QRCodeOption::new(QRCodeModel::Model2, *module_dots, QRCodeCorrectionLevel::M);
                    printer.qrcode_option(data, option).map(|_| ())
                }));
                out.push(LINE_FEED);
            }
        }
    }
    state.change(Style::NORMAL, Align::Left, commands, &mut out);
    out
}

/// The bytes with which a ticket begins: the unit as it was switched on.
pub fn init() -> &'static [u8] {
    &commands().init
}

struct Setting {
    style: Style,
    align: Align,
}

impl Setting {
    fn change(&mut self, style: Style, align: Align, commands: &Commands, out: &mut Vec<u8>) {
        if align != self.align {
            out.extend_from_slice(match align {
                Align::Left => &commands.left,
                Align::Center => &commands.center,
                Align::Right => &commands.right,
            });
        }
        if (style.width, style.height) != (self.style.width, self.style.height) {
            let wide = if style.width > 1 { KANJI_WIDE } else { 0 };
            let tall = if style.height > 1 { KANJI_TALL } else { 0 };
            out.extend_from_slice(&KANJI_SIZE);
            out.push(wide | tall);
            // Last, so that it has the last word where both mean the same characters.
            let width = usize::from(style.width.clamp(1, SCALES) - 1);
            let height = usize::from(style.height.clamp(1, SCALES) - 1);
            out.extend_from_slice(&commands.sizes[width * usize::from(SCALES) + height]);
        }
        if style.bold != self.style.bold {
            out.extend_from_slice(if style.bold { &commands.bold } else { &commands.not_bold });
        }
        *self = Setting { style, align };
    }
}

/// Commands that never change, as the crate makes them.
struct Commands {
    init: Vec<u8>,
    left: Vec<u8>,
    center: Vec<u8>,
    right: Vec<u8>,
    bold: Vec<u8>,
    not_bold: Vec<u8>,
    /// By width and height.
    sizes: Vec<[u8; 3]>,
}

fn commands() -> &'static Commands {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, style: Style, align: Align) -> Line {
        Line::Text { text: text.into(), style, align }
    }

    #[test]
    fn golden_bytes() {
        let lines = [
            text("#9", Style::BIG, Align::Center),
            text("宫保", Style::NORMAL, Align::Left),
            text("x2", Style::TALL, Align::Right),
            Line::Feed(2),
            Line::Qr { data: "ab".into(), module_dots: 6 },
        ];
        let expected: Vec<u8> = [
            &[0x1C, 0x26][..],
            &[0x1B, 0x61, 1, 0x1C, 0x21, 0x0C, 0x1D, 0x21, 0x11, 0x1B, 0x45, 1, b'#', b'9', 0x0A],
            &[0x1B, 0x61, 0, 0x1C, 0x21, 0, 0x1D, 0x21, 0, 0x1B, 0x45, 0, 0xB9, 0xAC, 0xB1, 0xA3, 0x0A],
            &[0x1B, 0x61, 2, 0x1C, 0x21, 0x08, 0x1D, 0x21, 0x01, b'x', b'2', 0x0A],
            &[0x1C, 0x21, 0, 0x1D, 0x21, 0, 0x0A, 0x0A],
            &[0x1B, 0x61, 1],
            &[0x1D, 0x28, 0x6B, 4, 0, 0x31, 0x41, 0x32, 0],
            &[0x1D, 0x28, 0x6B, 3, 0, 0x31, 0x43, 6],
            &[0x1D, 0x28, 0x6B, 3, 0, 0x31, 0x45, 0x31],
            &[0x1D, 0x28, 0x6B, 5, 0, 0x31, 0x50, 0x30, b'a', b'b'],
            &[0x1D, 0x28, 0x6B, 3, 0, 0x31, 0x51, 0x30, 0x0A],
            &[0x1B, 0x61, 0],
        ]
        .concat();
        assert_eq!(encode(&lines), expected);
        assert_eq!(init(), [0x1B, 0x40]);
    }
}
