//! What stands on the paper. A document becomes lines for a width ([`layout`]), and the same lines become bytes
//! for the printer ([`escpos`]), dots ([`picture`]) or a drawing for a browser ([`svg`]), so that what is seen is
//! what is printed.
//!
//! * [`text`]: which characters printers have, and how wide they are. [`mod@line`]: what a document becomes.
//! * [`barcode`]: bar codes as bars. [`raster`]: black and white dots, and how they are sent.
//! * [`glyphs`]: where the shapes of characters come from; `font`: the machine's own fonts. [`wanted`]: those that it
//!   should have.
//! * [`dither`]: greys as dots. `png`, `logo`: pictures and logos as files.
//! * `template`: documents from templates that a chain can change. [`test_page`]: one that needs none.
//!
//! Pure but for `font`, which maps font files: no I/O, no clock. `agent` prints with it, `hub` and `tests` show
//! what would be printed.

pub mod barcode;
pub mod china;
pub mod dither;
pub mod escpos;
#[cfg(feature = "font")]
pub mod font;
pub mod glyphs;
pub mod layout;
pub mod line;
#[cfg(feature = "png")]
pub mod logo;
pub mod picture;
#[cfg(feature = "png")]
pub mod png;
pub mod raster;
pub mod svg;
#[cfg(feature = "templates")]
pub mod template;
pub mod test_page;
pub mod text;
pub mod wanted;
mod wrap;

/// Width of a column: a normal Latin character, half a Chinese one.
pub const COLUMN_DOTS: u16 = 12;
/// Height of normal characters, and width of a Chinese one.
pub const CHARACTER_DOTS: u16 = 24;
/// From line to line, where no character is higher: what units have after ESC @ (3.75 mm).
pub const LINE_DOTS: u16 = 30;

/// Width of the paper, and so of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// 80 mm: 48 columns, 576 dots.
    Mm80,
    /// 58 mm: 32 columns, 384 dots.
    Mm58,
}

impl Paper {
    /// Columns of normal characters in a line.
    pub fn columns(self) -> u16 {
        match self {
            Paper::Mm80 => 48,
            Paper::Mm58 => 32,
        }
    }

    /// Dots in a line.
    pub fn dots(self) -> u16 {
        self.columns() * COLUMN_DOTS
    }
}
