//! A ticket's content: typed blocks, without a printer in mind.
//!
//! The hub writes a document, the agent lays it out for the width of the printer that it goes to. Foreign
//! text (a dish's name, a customer's note) may hold anything; it is made harmless where it is laid out.

use serde::{Deserialize, Serialize};

/// Blocks from top to bottom. The cut at the end is the printer's, not the document's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Document {
    /// In the order in which they are printed.
    pub blocks: Vec<Block>,
}

/// Append only: the number of a variant goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Block {
    /// Text that is wrapped at the paper's width.
    Text {
        /// The text; a line feed begins a new line.
        text: String,
        /// Size and weight.
        style: Style,
        /// Where a line stands.
        align: Align,
    },
    /// One row of cells side by side; a cell that is too long is wrapped inside its width.
    Row {
        /// From left to right.
        cells: Vec<Cell>,
        /// Size and weight of all cells.
        style: Style,
    },
    /// A rule over the whole width, with a title in its middle where there is one.
    Rule {
        /// Empty for a plain rule.
        title: String,
    },
    /// Empty lines.
    Feed {
        /// How many.
        lines: u8,
    },
    /// A QR code in the middle of the paper, error correction M.
    Qr {
        /// What it says; at most [`QR_BYTES_MAX`] bytes of UTF-8.
        data: String,
        /// Side of a module, 1 to 16 dots.
        module_dots: u8,
    },
    /// A picture in black and white.
    Image {
        /// What is shown.
        image: Image,
        /// Where it stands.
        align: Align,
    },
    /// A bar code in the middle of the paper.
    Barcode {
        /// What it says.
        data: String,
        /// How it says it.
        symbology: Symbology,
        /// Height of the bars, 1 to 255 dots.
        height_dots: u8,
        /// Width of the narrowest bar, 2 to 6 dots.
        module_dots: u8,
        /// Whether what it says stands below it.
        caption: bool,
    },
    /// Feeds to the cutter and cuts here. The cut at the end of a ticket is not the document's.
    Cut,
    /// Opens the cash drawer.
    Drawer {
        /// The drawer's connector, 1 or 2 (pins 2 and 5 of the plug).
        connector: u8,
    },
    /// Sounds the buzzer, where the printer has one.
    Buzzer {
        /// How often, 1 to 9.
        times: u8,
    },
}

/// A picture: one bit a dot, 1 is black.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Image {
    /// Dots in a row.
    pub width_dots: u16,
    /// Row after row from the top, each begun in a new byte, the leftmost dot in its highest bit.
    pub rows: Vec<u8>,
}

impl Image {
    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        usize::from(self.width_dots).div_ceil(8)
    }

    /// Whole rows.
    pub fn height_dots(&self) -> usize {
        self.rows.len().checked_div(self.row_bytes()).unwrap_or(0)
    }
}

/// A kind of bar code. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Symbology {
    /// Code 128: any ASCII text.
    Code128,
    /// EAN-13: 12 digits, or 13 with the check digit.
    Ean13,
}

/// What fits a QR code of version 40 at error correction M in byte mode (ISO/IEC 18004).
pub const QR_BYTES_MAX: usize = 2_331;

/// One cell of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// Width in columns of normal characters; `None` shares what the others leave.
    pub columns: Option<u8>,
    /// Where the text stands in the cell.
    pub align: Align,
}

/// Size and weight of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Style {
    /// Times the normal width, 1 to 8.
    pub width: u8,
    /// Times the normal height, 1 to 8.
    pub height: u8,
    /// Heavier strokes.
    pub bold: bool,
    /// A line below.
    pub underline: bool,
    /// White on black.
    pub reverse: bool,
}

impl Style {
    /// Normal characters.
    pub const NORMAL: Style = Style { width: 1, height: 1, bold: false, underline: false, reverse: false };
    /// Normal and bold.
    pub const BOLD: Style = Style { width: 1, height: 1, bold: true, ..Style::NORMAL };
    /// Twice as high: dish names in a kitchen.
    pub const TALL: Style = Style { width: 1, height: 2, bold: false, ..Style::NORMAL };
    /// Twice as wide and high: pick-up numbers.
    pub const BIG: Style = Style { width: 2, height: 2, bold: true, ..Style::NORMAL };
}

/// Where text stands in its space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Align {
    /// At the left.
    #[default]
    Left,
    /// In the middle.
    Center,
    /// At the right.
    Right,
}
