//! What kind of printer it is.

use super::quirks::Quirks;
use std::net::{Ipv4Addr, SocketAddr};

/// Dots in a millimetre at 203 dpi, the resolution of nearly every receipt printer.
pub const DOTS_PER_MM: u32 = 8;
/// Width of a single-byte character of font A.
pub const FONT_A_DOTS: u16 = 12;
/// Side of a Chinese character's cell, and height of font A.
pub const KANJI_DOTS: u16 = 24;

/// Default of [`PrinterOptions::buffer_bytes`]: 4 KiB is what many 80 mm printers have.
pub const BUFFER_BYTES_DEFAULT: usize = 4_096;
/// Smallest receive buffer: a command's head has to fit.
pub const BUFFER_BYTES_MIN: usize = 16;
/// Largest receive buffer that is granted.
pub const BUFFER_BYTES_MAX: usize = 16 << 20;
/// Default of [`PrinterOptions::receipts_kept`].
pub const RECEIPTS_KEPT_DEFAULT: usize = 4_096;

/// The roll's width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PaperWidth {
    /// 58 mm: 384 dots, 32 columns of font A.
    Mm58,
    /// 80 mm: 576 dots, 48 columns of font A.
    #[default]
    Mm80,
}

impl PaperWidth {
    /// Dots that can be printed side by side.
    pub fn dots(self) -> u16 {
        match self {
            PaperWidth::Mm58 => 384,
            PaperWidth::Mm80 => 576,
        }
    }

    /// Columns of font A; a Chinese character takes two.
    pub fn columns(self) -> u16 {
        self.dots() / FONT_A_DOTS
    }

    /// From the roll's nominal width.
    pub fn from_mm(mm: u32) -> Option<PaperWidth> {
        match mm {
            58 => Some(PaperWidth::Mm58),
            80 => Some(PaperWidth::Mm80),
            _ => None,
        }
    }
}

/// What kind of printer it is and where it listens.
#[derive(Debug, Clone)]
pub struct PrinterOptions {
    /// Port 0 takes a free one, see `VirtualPrinter::address`.
    pub listen: SocketAddr,
    /// The roll's width.
    pub paper: PaperWidth,
    /// Paper feed in mm/s; 0 prints in no time, as tests and benchmarks want it. Real ones do 90 to 300.
    pub speed_mm_per_s: u32,
    /// The receive buffer. When it is full nothing more is read from the socket.
    pub buffer_bytes: usize,
    /// Finished receipts that stay readable; the oldest go first, the count goes on.
    pub receipts_kept: usize,
    /// In what it differs from its maker's reference.
    pub quirks: Quirks,
}

impl Default for PrinterOptions {
    fn default() -> PrinterOptions {
        PrinterOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            paper: PaperWidth::default(),
            speed_mm_per_s: 0,
            buffer_bytes: BUFFER_BYTES_DEFAULT,
            receipts_kept: RECEIPTS_KEPT_DEFAULT,
            quirks: Quirks::default(),
        }
    }
}
