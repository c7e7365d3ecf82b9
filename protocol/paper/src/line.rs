//! What a document becomes: lines that fit the paper, from top to bottom.

use crate::barcode::Barcode;
use crate::layout::qr_modules;
use crate::{CHARACTER_DOTS, LINE_DOTS};
use docket_protocol::document::{Align, Image, Style};

/// What is printed, or done, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// One line of clean text that fits.
    Text {
        /// Without trailing spaces, but in a row that is underlined or reversed. It may hold characters that units lack, see [`crate::text::is_printable`].
        text: String,
        /// Clamped to what printers have.
        style: Style,
        /// Where it stands.
        align: Align,
    },
    /// Empty lines.
    Feed(u8),
    /// A QR code in the middle, error correction M, and an empty line below it.
    Qr {
        /// Fits a code.
        data: String,
        /// Fits the paper.
        module_dots: u8,
    },
    /// A picture that fits, without a sequence that units take as a command.
    Image {
        /// What is shown.
        image: Image,
        /// Where it stands.
        align: Align,
    },
    /// A bar code in the middle. What it says stands in the next line, where it is wanted.
    Barcode {
        /// The bars.
        code: Barcode,
        /// Height of the bars, not 0.
        height_dots: u8,
        /// Width of the narrowest bar; fits the paper.
        module_dots: u8,
    },
    /// The paper is fed to the cutter and cut.
    Cut,
    /// The cash drawer opens.
    Drawer {
        /// 1 or 2.
        connector: u8,
    },
    /// The buzzer sounds.
    Buzzer {
        /// 1 to 9.
        times: u8,
    },
}

impl Line {
    /// How far it moves the paper; a QR code at most so far, and what is done besides printing not at all.
    pub fn height_dots(&self) -> u32 {
        match self {
            // A unit that finds no character in a line knows no size but its own.
            Line::Text { text, .. } if text.is_empty() => u32::from(LINE_DOTS),
            Line::Text { style, .. } => u32::from(LINE_DOTS.max(CHARACTER_DOTS * u16::from(style.height))),
            Line::Feed(lines) => u32::from(LINE_DOTS) * u32::from(*lines),
            Line::Qr { data, module_dots } => {
                let modules = u32::from(qr_modules(data.len()).unwrap_or_default());
                modules * u32::from(*module_dots) + u32::from(LINE_DOTS)
            }
            Line::Image { image, .. } => u32::try_from(image.height_dots()).unwrap_or(u32::MAX),
            Line::Barcode { height_dots, .. } => u32::from(*height_dots),
            Line::Cut | Line::Drawer { .. } | Line::Buzzer { .. } => 0,
        }
    }
}
