//! Lines become ESC/POS bytes.
//!
//! The `escpos` crate makes the commands whose bytes are right in it (`commands`). What it lacks (FS &, FS !, FS -,
//! raster in bands) or has wrong (cut, drawer) is spelled out here, from `spec/escpos.md`.
//!
//! # What is drawn
//! A line with a character that the unit has no shape for goes out as raster, all of it: raster commands cannot stand
//! inside a line of text, and clones do not agree on what else could ([`Dialect`]). What a unit has no command for is
//! drawn too, and so is a code whose command would hold a real-time command (`10 04`: the length of a QR code with
//! 1,037 bytes).

mod commands;
mod dialect;

pub use dialect::Dialect;
pub(crate) use dialect::Way;

use crate::Paper;
use crate::glyphs::Glyphs;
use crate::line::Line;
use crate::picture::draw_line;
use crate::raster::{has_real_time, push_bands, trim_right};
use crate::text::push_gb18030;
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
/// What a ticket of 30 lines takes.
const BYTES_USUAL: usize = 2_048;

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
            Line::Text { text, style, align } => match self.dialect.way(text, glyphs, &mut self.missing) {
                Way::Drawn => self.draw(line, glyphs),
                Way::Text => {
                    self.set(*style, *align);
                    self.text(text);
                    self.out.push(LINE_FEED);
                }
            },
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

    fn text(&mut self, text: &str) {
        if self.dialect.chinese {
            push_gb18030(text, &mut self.out);
        } else {
            self.out.extend_from_slice(self.dialect.shown(text).as_bytes());
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
