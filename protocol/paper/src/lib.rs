//! What stands on the paper. A document becomes lines for a width ([`layout`]), and the same lines become bytes for
//! the printer ([`escpos`]), so that what is seen is what is printed.
//!
//! Pure: no I/O, no clock. `agent` prints with it, `hub` and `tests` show what would be printed.

pub mod escpos;
pub mod layout;
#[cfg(feature = "templates")]
pub mod template;
pub mod text;

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
        match self {
            Paper::Mm80 => 576,
            Paper::Mm58 => 384,
        }
    }
}
