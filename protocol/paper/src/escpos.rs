//! Lines become ESC/POS bytes.
//!
//! The `escpos` crate makes the commands whose bytes are right in it (`commands`). What it lacks (FS &, FS !, FS -,
//! raster in bands) or has wrong (cut, drawer) is spelled out here, from `spec/escpos.md`.
//!
//! # What is drawn
//! A line with a character that the unit has no shape for goes out as raster, all of it: raster commands cannot stand
//! inside a line of text, and clones do not agree on what else could. Where there is no font, the placeholder is
//! printed in its place. What a unit has no command for is drawn too, and so is a code whose command would hold a
//! real-time command (`10 04`: the length of a QR code with 1,037 bytes).

mod commands;

use crate::glyphs::Glyphs;
use crate::line::Line;
use crate::picture::draw_line;
use crate::raster::{has_real_time, push_bands, trim_right};
use crate::text::{columns_of, is_printable, push_gb18030};
use crate::{CHARACTER_DOTS, Paper};
use commands::{Commands, commands, qr};
use docket_protocol::document::{Align, Style, Symbology};
use std::collections::BTreeSet;

/// FS &: Chinese characters on.
const KANJI_ON: [u8; 2] = [0x1C, 0x26];
/// FS !: size of Chinese characters, for units where GS ! does not apply to them. It sets their underline, too.
const KANJI_SIZE: [u8; 2] = [0x1C, 0x21];
const KANJI_WIDE: u8 = 0x04;
const KANJI_TALL: u8 = 0x08;
const KANJI_UNDERLINED: u8 = 0x80;
/// FS -: underline of Chinese characters, and its thickness in dots.
const KANJI_UNDERLINE: [u8; 2] = [0x1C, 0x2D];
const UNDERLINE_DOTS: u8 = 2;
/// GS V 66 0: feed to the cutter, cut all but one point.
const CUT: [u8; 4] = [0x1D, 0x56, 0x42, 0x00];
/// ESC p m t1 t2: a pulse of 50 ms to the drawer, and 500 ms of rest for its coil, both in units of 2 ms.
const DRAWER: [u8; 2] = [0x1B, 0x70];
const DRAWER_PULSE: [u8; 2] = [25, 250];
/// ESC B n t: n times, each t times 50 to 100 ms long, as the maker likes.
const BUZZER: [u8; 2] = [0x1B, 0x42];
const BUZZ_LENGTH: u8 = 3;
/// GS H 0: what a bar code says is a line of text, not the unit's.
const BARCODE_BARE: [u8; 3] = [0x1D, 0x48, 0x00];
/// GS h: height of a bar code's bars.
const BARCODE_HEIGHT: [u8; 2] = [0x1D, 0x68];
/// GS w: width of its narrowest bar.
const BARCODE_MODULE: [u8; 2] = [0x1D, 0x77];
/// GS k m n: a bar code of n bytes.
const BARCODE: [u8; 2] = [0x1D, 0x6B];
const BARCODE_EAN_13: u8 = 67;
const BARCODE_CODE_128: u8 = 73;
const LINE_FEED: u8 = 0x0A;
/// What fills the columns of a character that a unit without a Chinese font lacks.
const LATIN_PLACEHOLDER: u8 = b'?';
/// What a ticket of 30 lines takes.
const BYTES_USUAL: usize = 2_048;

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

/// A ticket for a printer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// From after ESC @ to the last line feed. What surrounds them is the print job's.
    pub bytes: Vec<u8>,
    /// Where a line has ended, and with it every command: there something else may stand.
    pub seams: Vec<usize>,
    /// Characters that neither the unit nor the fonts have: a placeholder is printed for each.
    pub missing: BTreeSet<char>,
}

/// The bytes of a ticket.
pub fn encode(lines: &[Line], paper: Paper, dialect: &Dialect, glyphs: &mut dyn Glyphs) -> Encoded {
    let commands = commands();
    let mut encoder = Encoder {
        paper,
        dialect,
        commands,
        // What ESC @ has set.
        setting: Setting { style: Style::NORMAL, align: Align::Left },
        out: Vec::with_capacity(BYTES_USUAL),
        missing: BTreeSet::new(),
    };
    if dialect.chinese {
        encoder.out.extend_from_slice(&KANJI_ON);
    }
    let mut seams = Vec::with_capacity(lines.len());
    for line in lines {
        encoder.line(line, glyphs);
        seams.push(encoder.out.len());
    }
    encoder.set(Style::NORMAL, Align::Left);
    Encoded { bytes: encoder.out, seams, missing: encoder.missing }
}

/// The bytes with which a ticket begins: the unit as it was switched on.
pub fn init() -> &'static [u8] {
    &commands().init
}

struct Setting {
    style: Style,
    align: Align,
}

struct Encoder<'a> {
    paper: Paper,
    dialect: &'a Dialect,
    commands: &'a Commands,
    setting: Setting,
    out: Vec<u8>,
    missing: BTreeSet<char>,
}

impl Encoder<'_> {
    fn line(&mut self, line: &Line, glyphs: &mut dyn Glyphs) {
        match line {
            Line::Text { text, style, align } => {
                if self.is_drawn(text, glyphs) {
                    return self.draw(line, glyphs);
                }
                self.set(*style, *align);
                self.text(text);
                self.out.push(LINE_FEED);
            }
            Line::Feed(lines) => {
                self.set(Style::NORMAL, self.setting.align);
                self.out.extend(std::iter::repeat_n(LINE_FEED, usize::from(*lines)));
            }
            Line::Qr { data, module_dots } => {
                let command = qr(data, *module_dots);
                if !self.dialect.qr || has_real_time(&command) {
                    return self.draw(line, glyphs);
                }
                self.set(Style::NORMAL, Align::Center);
                self.out.extend(command);
                self.out.push(LINE_FEED);
            }
            Line::Image { image, align } => {
                self.set(Style::NORMAL, *align);
                push_bands(image, &mut self.out);
            }
            Line::Barcode { code, height_dots, module_dots } => {
                let Ok(length) = u8::try_from(code.command_data().len()) else {
                    return self.draw(line, glyphs);
                };
                if !self.dialect.barcode || has_real_time(code.command_data()) {
                    return self.draw(line, glyphs);
                }
                self.set(Style::NORMAL, Align::Center);
                self.out.extend_from_slice(&BARCODE_BARE);
                self.out.extend_from_slice(&BARCODE_HEIGHT);
                self.out.push(*height_dots);
                self.out.extend_from_slice(&BARCODE_MODULE);
                self.out.push(*module_dots);
                self.out.extend_from_slice(&BARCODE);
                self.out.push(match code.symbology() {
                    Symbology::Code128 => BARCODE_CODE_128,
                    Symbology::Ean13 => BARCODE_EAN_13,
                });
                self.out.push(length);
                self.out.extend_from_slice(code.command_data());
            }
            Line::Cut => {
                self.set(Style::NORMAL, Align::Left);
                self.out.extend_from_slice(&CUT);
            }
            Line::Drawer { connector } => {
                self.out.extend_from_slice(&DRAWER);
                self.out.push(connector.saturating_sub(1).min(1));
                self.out.extend_from_slice(&DRAWER_PULSE);
            }
            Line::Buzzer { times } => {
                if self.dialect.buzzer {
                    self.out.extend_from_slice(&BUZZER);
                    self.out.extend_from_slice(&[*times, BUZZ_LENGTH]);
                }
            }
        }
    }

    /// Whether drawing a line of text shows more of it; notes what is shown in neither way.
    fn is_drawn(&mut self, text: &str, glyphs: &mut dyn Glyphs) -> bool {
        if text.chars().all(|character| self.has(character)) {
            return false;
        }
        let (mut gained, mut lost) = (false, false);
        let mut missing = BTreeSet::new();
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
        self.missing.append(&mut missing);
        gained && !lost
    }

    fn has(&self, character: char) -> bool {
        character.is_ascii() || character.is_whitespace() || (self.dialect.chinese && is_printable(character))
    }

    fn text(&mut self, text: &str) {
        if self.dialect.chinese {
            return push_gb18030(text, &mut self.out);
        }
        for character in text.chars() {
            match u8::try_from(character) {
                Ok(byte) if character.is_ascii() => self.out.push(byte),
                _ => {
                    let shown = if character.is_whitespace() { b' ' } else { LATIN_PLACEHOLDER };
                    self.out.extend(std::iter::repeat_n(shown, columns_of(character)));
                }
            }
        }
    }

    /// Over the whole width from the left, so that it stands where it is in the picture.
    fn draw(&mut self, line: &Line, glyphs: &mut dyn Glyphs) {
        self.set(Style::NORMAL, Align::Left);
        push_bands(&trim_right(&draw_line(line, self.paper, glyphs)), &mut self.out);
    }

    fn set(&mut self, style: Style, align: Align) {
        let (was, commands, out) = (self.setting.style, self.commands, &mut self.out);
        if align != self.setting.align {
            out.extend_from_slice(match align {
                Align::Left => &commands.left,
                Align::Center => &commands.center,
                Align::Right => &commands.right,
            });
        }
        let has_kanji_style = self.dialect.chinese && self.dialect.kanji_size;
        let is_resized = (style.width, style.height) != (was.width, was.height);
        if is_resized {
            if has_kanji_style {
                let wide = if style.width > 1 { KANJI_WIDE } else { 0 };
                let tall = if style.height > 1 { KANJI_TALL } else { 0 };
                let underlined = if style.underline { KANJI_UNDERLINED } else { 0 };
                out.extend_from_slice(&KANJI_SIZE);
                out.push(wide | tall | underlined);
            }
            // Last, so that it has the last word where both mean the same characters.
            out.extend_from_slice(commands.size(style.width, style.height));
        }
        if style.bold != was.bold {
            out.extend_from_slice(if style.bold { &commands.bold } else { &commands.not_bold });
        }
        if style.underline != was.underline {
            out.extend_from_slice(if style.underline { &commands.underline } else { &commands.no_underline });
        }
        // FS ! has set it to one dot or none.
        if has_kanji_style && (style.underline != was.underline || (style.underline && is_resized)) {
            out.extend_from_slice(&KANJI_UNDERLINE);
            out.push(if style.underline { UNDERLINE_DOTS } else { 0 });
        }
        if style.reverse != was.reverse {
            out.extend_from_slice(if style.reverse { &commands.reverse } else { &commands.not_reverse });
        }
        self.setting = Setting { style, align };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glyphs::NoGlyphs;

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
        assert_eq!(encode(&lines, Paper::Mm80, &Dialect::default(), &mut NoGlyphs).bytes, expected);
        assert_eq!(init(), [0x1B, 0x40]);
    }
}
