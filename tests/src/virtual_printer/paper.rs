//! What is on the paper: lines of characters, images and symbols, from top to bottom.
//!
//! Characters are kept as the bytes that came and where they stand; they are decoded and drawn only when
//! somebody looks, because a benchmark prints thousands of receipts a second and looks at none of them.

use super::options::{FONT_A_DOTS, KANJI_DOTS};
use docket_protocol::document::Align;
use encoding_rs::{GB18030, IBM866, WINDOWS_1252};
use qrcode::EcLevel;

/// Stands for what cannot be shown as text: a character of four bytes, an image inside a line.
pub const PLACEHOLDER: char = '□';

/// The high half of code page 437, which a printer has when it is switched on.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Single-byte typefaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Typeface {
    /// 12 by 24 dots.
    #[default]
    A,
    /// 9 by 17 dots.
    B,
}

/// How characters look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Times the normal width, 1 to 8.
    pub width: u8,
    /// Times the normal height, 1 to 8.
    pub height: u8,
    pub bold: bool,
    /// Thickness in dots, 0 to 2.
    pub underline: u8,
    /// White on black.
    pub reverse: bool,
    pub typeface: Typeface,
    /// Dots left and right of each character, before it is widened.
    pub space_left: u8,
    pub space_right: u8,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            width: 1,
            height: 1,
            bold: false,
            underline: 0,
            reverse: false,
            typeface: Typeface::A,
            space_left: 0,
            space_right: 0,
        }
    }
}

/// What a span's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyphs {
    /// One byte each, in a code page (`ESC t`) and an international set (`ESC R`).
    Single { page: u8, set: u8 },
    /// GB18030, two bytes each.
    Chinese,
    /// Bytes that the printer has no glyph for: one box for `bytes` bytes.
    Box { bytes: u8 },
    /// The line's image with this index; no bytes.
    Image(u16),
}

/// Characters side by side that look the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// Left edge of the first, in dots from the line's start.
    pub x: u16,
    pub start: u32,
    pub end: u32,
    pub glyphs: Glyphs,
    pub look: Look,
}

impl Span {
    /// Width of one character's cell in dots.
    pub fn cell_dots(&self) -> u16 {
        cell_dots(self.glyphs, &self.look)
    }

    fn count(&self) -> usize {
        let bytes = (self.end - self.start) as usize;
        match self.glyphs {
            Glyphs::Single { .. } => bytes,
            Glyphs::Chinese => bytes / 2,
            Glyphs::Box { .. } | Glyphs::Image(_) => 1,
        }
    }
}

/// Width of one character's cell in dots; an image says its own.
pub(super) fn cell_dots(glyphs: Glyphs, look: &Look) -> u16 {
    let plain = match (glyphs, look.typeface) {
        (Glyphs::Single { .. }, Typeface::A) => FONT_A_DOTS,
        (Glyphs::Single { .. }, Typeface::B) => 9,
        (Glyphs::Chinese | Glyphs::Box { .. }, _) => KANJI_DOTS,
        (Glyphs::Image(_), _) => return 0,
    };
    (plain + u16::from(look.space_left) + u16::from(look.space_right)) * u16::from(look.width)
}

/// Height of one character's cell in dots.
pub(super) fn cell_height(glyphs: Glyphs, look: &Look) -> u16 {
    let plain = match (glyphs, look.typeface) {
        (Glyphs::Single { .. }, Typeface::B) => 17,
        _ => KANJI_DOTS,
    };
    plain * u16::from(look.height)
}

/// A black-and-white image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    /// Rows of bytes, the leftmost dot in the highest bit.
    pub bits: Vec<u8>,
    pub bytes_per_row: u16,
    pub rows: u16,
    /// Dots that each bit takes, across and down.
    pub scale_x: u8,
    pub scale_y: u8,
    /// Where its columns end, in bits; the last byte of a row may be wider.
    pub columns: u16,
}

impl Image {
    pub fn width_dots(&self) -> u32 {
        u32::from(self.columns) * u32::from(self.scale_x)
    }

    pub fn height_dots(&self) -> u32 {
        u32::from(self.rows) * u32::from(self.scale_y)
    }

    pub fn is_black(&self, column: u16, row: u16) -> bool {
        let at = usize::from(row) * usize::from(self.bytes_per_row) + usize::from(column / 8);
        self.bits.get(at).is_some_and(|byte| byte & (0x80 >> (column % 8)) != 0)
    }
}

/// A printed line of characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TextLine {
    pub bytes: Vec<u8>,
    pub spans: Vec<Span>,
    pub images: Vec<Image>,
    /// Content's width in dots.
    pub width: u16,
    /// Height of its tallest character in dots.
    pub height: u16,
}

/// What one item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(TextLine),
    /// Nothing: paper was fed.
    Feed,
    Image(Image),
    Qr {
        data: Vec<u8>,
        level: EcLevel,
        module_dots: u8,
        modules: u16,
    },
    /// Drawn as a box with its data in it.
    Barcode {
        system: &'static str,
        data: Vec<u8>,
        width: u16,
        height: u16,
    },
}

/// One thing on the paper and the paper that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub content: Content,
    pub align: Align,
    /// Left edge in dots from the paper's printable edge, alignment done.
    pub left: u16,
    /// Paper that it took, in dots.
    pub advance: u32,
    /// What [`super::Fault::PaperOutAfterLines`] counts.
    pub lines: u32,
}

impl Item {
    /// As text without alignment; `None` for fed paper.
    pub fn text(&self) -> Option<String> {
        Some(match &self.content {
            Content::Text(line) => line.text(),
            Content::Feed => return None,
            Content::Image(image) => format!("[IMAGE {}x{}]", image.width_dots(), image.height_dots()),
            Content::Qr { data, .. } => format!("[QR: {}]", String::from_utf8_lossy(data)),
            Content::Barcode { system, data, .. } => format!("[{system}: {}]", String::from_utf8_lossy(data)),
        })
    }
}

impl TextLine {
    /// The characters, with spaces where the print position was moved.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.bytes.len() * 2);
        let mut x = 0;
        for span in &self.spans {
            let gap = span.x.saturating_sub(x);
            let columns = (gap + FONT_A_DOTS / 2) / FONT_A_DOTS;
            text.extend(std::iter::repeat_n(' ', usize::from(columns)));
            match span.glyphs {
                Glyphs::Image(index) => {
                    let Some(image) = self.images.get(usize::from(index)) else { continue };
                    let width = image.width_dots();
                    if width <= 2 * u32::from(KANJI_DOTS) {
                        text.push(PLACEHOLDER);
                    } else {
                        text.push_str(&format!("[IMAGE {width}x{}]", image.height_dots()));
                    }
                    x = span.x.saturating_add(u16::try_from(width).unwrap_or(u16::MAX));
                }
                _ => {
                    text.extend(self.characters(span));
                    let count = u16::try_from(span.count()).unwrap_or(u16::MAX);
                    x = span.x.saturating_add(count.saturating_mul(span.cell_dots()));
                }
            }
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// One span's characters.
    pub fn characters(&self, span: &Span) -> Vec<char> {
        let bytes = self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default();
        match span.glyphs {
            Glyphs::Single { page, set } => bytes.iter().map(|&byte| single(byte, page, set)).collect(),
            Glyphs::Chinese => GB18030.decode_without_bom_handling(bytes).0.chars().collect(),
            Glyphs::Box { .. } => vec![PLACEHOLDER],
            Glyphs::Image(_) => Vec::new(),
        }
    }
}

/// A single-byte character.
fn single(byte: u8, page: u8, set: u8) -> char {
    match (byte, set) {
        (b'$', 15) | (b'\\', 8) => '¥',
        (b'#', 3) => '£',
        (0..=0x7E, _) => char::from(byte),
        (0x7F, _) => PLACEHOLDER,
        _ => high(byte, page),
    }
}

fn high(byte: u8, page: u8) -> char {
    let bytes = [byte];
    let decoded = match page {
        0 => CP437.chars().nth(usize::from(byte - 0x80)),
        16 => WINDOWS_1252.decode_without_bom_handling(&bytes).0.chars().next(),
        17 => IBM866.decode_without_bom_handling(&bytes).0.chars().next(),
        _ => None,
    };
    decoded.unwrap_or(PLACEHOLDER)
}

/// Code pages that [`single`] knows.
pub(super) fn knows_code_page(page: u8) -> bool {
    matches!(page, 0 | 16 | 17)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_page_437_is_complete() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(single(0x80, 0, 0), 'Ç');
        assert_eq!(single(0xC4, 0, 0), '─');
        assert_eq!(single(0xFF, 0, 0), '\u{a0}');
        assert_eq!(single(0x80, 16, 0), '€');
        assert_eq!(single(0x80, 17, 0), 'А');
        assert_eq!(single(b'$', 0, 15), '¥');
        assert_eq!(single(0x80, 99, 0), PLACEHOLDER);
    }

    #[test]
    fn bits_of_an_image() {
        let image =
            Image { bits: vec![0x80, 0x01], bytes_per_row: 1, rows: 2, scale_x: 1, scale_y: 1, columns: 8 };
        assert!(image.is_black(0, 0) && image.is_black(7, 1));
        assert!(!image.is_black(1, 0) && !image.is_black(0, 1) && !image.is_black(0, 2));
    }
}
