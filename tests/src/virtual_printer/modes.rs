//! How characters are to look from here on.
//!
//! Single-byte and Chinese characters have their sizes and underlines apart (`ESC !`, `ESC -` and `FS !`, `FS
//! -`); `GS !` sets the size of both. Weight and reversal are common.

use super::paper::{Look, Typeface};

/// What commands have set; the default is what `ESC @` sets.
#[derive(Debug, Clone)]
pub(super) struct Modes {
    pub chinese: bool,
    pub page: u8,
    pub set: u8,
    pub font_b: bool,
    pub emphasized: bool,
    pub double_strike: bool,
    pub reverse: bool,
    pub width: u8,
    pub height: u8,
    pub underline: u8,
    pub space_right: u8,
    pub chinese_width: u8,
    pub chinese_height: u8,
    pub chinese_underline: u8,
    pub chinese_left: u8,
    pub chinese_right: u8,
}

impl Default for Modes {
    fn default() -> Modes {
        Modes {
            chinese: false,
            page: 0,
            set: 0,
            font_b: false,
            emphasized: false,
            double_strike: false,
            reverse: false,
            width: 1,
            height: 1,
            underline: 0,
            space_right: 0,
            chinese_width: 1,
            chinese_height: 1,
            chinese_underline: 0,
            chinese_left: 0,
            chinese_right: 0,
        }
    }
}

impl Modes {
    /// `GS ! n`: width less one in the high half, height less one in the low half, of all characters.
    pub fn size(&mut self, n: u8) {
        (self.width, self.height) = ((n >> 4) + 1, (n & 0x0F) + 1);
        (self.chinese_width, self.chinese_height) = (self.width, self.height);
    }

    /// `ESC ! n`: font, weight, size and underline of single-byte characters at once.
    pub fn print_mode(&mut self, n: u8) {
        self.font_b = n & 0x01 != 0;
        self.emphasized = n & 0x08 != 0;
        self.height = if n & 0x10 != 0 { 2 } else { 1 };
        self.width = if n & 0x20 != 0 { 2 } else { 1 };
        self.underline = n >> 7;
    }

    /// `FS ! n`: size and underline of Chinese characters.
    pub fn chinese_print_mode(&mut self, n: u8) {
        self.chinese_width = if n & 0x04 != 0 { 2 } else { 1 };
        self.chinese_height = if n & 0x08 != 0 { 2 } else { 1 };
        self.chinese_underline = n >> 7;
    }

    /// How a single-byte character looks.
    pub fn single(&self) -> Look {
        Look {
            width: self.width,
            height: self.height,
            bold: self.emphasized || self.double_strike,
            underline: self.underline,
            reverse: self.reverse,
            typeface: if self.font_b { Typeface::B } else { Typeface::A },
            space_left: 0,
            space_right: self.space_right,
        }
    }

    /// How a Chinese character looks.
    pub fn chinese_look(&self) -> Look {
        Look {
            width: self.chinese_width,
            height: self.chinese_height,
            bold: self.emphasized || self.double_strike,
            underline: self.chinese_underline,
            reverse: self.reverse,
            typeface: Typeface::A,
            space_left: self.chinese_left,
            space_right: self.chinese_right,
        }
    }
}
