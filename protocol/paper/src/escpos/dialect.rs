//! What a unit understands, and so what it shows of a text.
//!
//! A line with a character that the unit has no shape for goes out as raster, all of it, where that shows more of it.
//! Else it goes out as text, and the placeholder is printed in the character's place. Whoever shows a slip to people asks
//! the same question, or they would see their own machine's fonts and not the paper.

use crate::CHARACTER_DOTS;
use crate::glyphs::Glyphs;
use crate::text::{PLACEHOLDER, columns_of, is_printable};
use std::collections::BTreeSet;

/// What fills the columns of a character that a unit without a Chinese font lacks.
const LATIN_PLACEHOLDER: char = '?';

/// What a unit understands. What it does not is drawn or left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// It has a Chinese font, and FS & turns it on. Without it everything but ASCII is drawn.
    pub chinese: bool,
    /// FS ! and FS -: it sizes and underlines Chinese characters. Without it GS ! and ESC - alone do.
    pub kanji_size: bool,
    /// GS ( k: it makes QR codes. Without it they are drawn.
    pub qr: bool,
    /// GS k: it makes bar codes. Without it they are drawn.
    pub barcode: bool,
    /// ESC B: it has a buzzer. Without it nothing is sent.
    pub buzzer: bool,
}

impl Default for Dialect {
    /// Everything.
    fn default() -> Self {
        Dialect { chinese: true, kanji_size: true, qr: true, barcode: true, buzzer: true }
    }
}

/// How a line of text goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// In the unit's own shapes.
    Text,
    /// As raster.
    Drawn,
}

impl Dialect {
    /// How a line of clean text goes out. Adds to `missing` what is shown in neither way.
    pub(crate) fn way(&self, text: &str, glyphs: &mut dyn Glyphs, missing: &mut BTreeSet<char>) -> Way {
        if text.chars().all(|character| self.has(character)) {
            return Way::Text;
        }
        let (mut gained, mut lost) = (false, false);
        for character in text.chars().filter(|character| !character.is_whitespace()) {
            let is_drawable = glyphs.glyph(character, CHARACTER_DOTS, CHARACTER_DOTS).is_some();
            match (self.has(character), is_drawable) {
                (true, true) => {}
                (true, false) => lost = true,
                (false, true) => gained = true,
                (false, false) => drop(missing.insert(character)),
            }
        }
        if lost {
            missing.extend(text.chars().filter(|&character| !self.has(character)));
        }
        if gained && !lost { Way::Drawn } else { Way::Text }
    }

    /// What stands on the paper where clean text goes out as text.
    pub(crate) fn shown(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for character in text.chars() {
            match self.has(character) {
                true if self.chinese || character.is_ascii() => shown.push(character),
                true => shown.extend(std::iter::repeat_n(' ', columns_of(character))),
                false if self.chinese => shown.push(PLACEHOLDER),
                false => shown.extend(std::iter::repeat_n(LATIN_PLACEHOLDER, columns_of(character))),
            }
        }
        shown
    }

    fn has(&self, character: char) -> bool {
        character.is_ascii() || character.is_whitespace() || (self.chinese && is_printable(character))
    }
}
