//! A receipt: what lay between two cuts.

use super::options::{FONT_A_DOTS, PaperWidth};
use super::paper::{Content, Glyphs, Item};
use docket_protocol::document::Align;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Marks a repeat; a number follows it.
const REPEAT_MARK: &str = "补打";
/// Dots of one blank line, for showing fed paper as text.
const BLANK_LINE_DOTS: u32 = super::line::LINE_SPACING_DOTS as u32;
/// Blank lines of one feed that are shown as text.
const BLANK_LINES_MAX: u32 = 50;

/// Why bytes were flagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagKind {
    /// Not a command of this printer, or a control byte without a meaning.
    Unknown,
    /// A command that real devices know and that this one skips by its length.
    NotModelled,
    /// A value out of range, or a command at a place where a device ignores it.
    Ignored,
    /// The connection or the power went in the middle of a command or character.
    Incomplete,
    /// A command longer than a printer's memory; it was skipped.
    TooLong,
    /// A byte that is no character in GB18030; a box was printed.
    Undecodable,
    /// A GB18030 character of four bytes; printers have no glyph for it, a box was printed.
    FourByte,
    /// A cut while text was in the line; devices differ in what they do, this one printed the line first.
    CutInLine,
    /// `ESC @` threw text away that had not been printed.
    TextLost,
    /// The receipt grew past what is kept and was ended without a cut.
    PaperTooLong,
}

/// Something in the bytes that a driver should not send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Why.
    pub kind: FlagKind,
    /// Where it begins in the receipt's [`Receipt::raw`] bytes.
    pub offset: usize,
    /// Its length.
    pub length: usize,
    /// Its first bytes.
    pub bytes: Vec<u8>,
}

/// The drawer was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kick {
    /// 0 is connector pin 2, 1 is pin 5.
    pub pin: u8,
    /// How long the pulse is, in ms.
    pub on_ms: u16,
    /// How long the pause after it is, in ms.
    pub off_ms: u16,
}

/// A printed line as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it says, without the spaces that alignment makes. `[QR: …]`, `[EAN13: …]`, `[IMAGE WxH]` for
    /// symbols and images; `□` for a character that the printer has no glyph for, and for a small image
    /// inside a line.
    pub text: String,
    /// Times the normal width, of its widest character.
    pub width: u8,
    /// Times the normal height, of its tallest character.
    pub height: u8,
    /// Where it stands.
    pub align: Align,
    /// Whether any character is bold.
    pub bold: bool,
    /// How wide the content is in columns of font A, rounded up.
    pub columns: u16,
}

#[derive(Debug)]
pub(super) struct Printed {
    pub number: u64,
    pub paper: PaperWidth,
    pub items: Vec<Item>,
    pub raw: Vec<u8>,
    pub flags: Vec<Flag>,
    pub kicks: Vec<Kick>,
    pub buzzes: u32,
    pub cut: bool,
    pub first_received_at: Instant,
    pub received_at: Instant,
    pub printed_at: Instant,
}

/// A finished receipt. Cloning it is cheap; texts and images are made when they are asked for.
#[derive(Debug, Clone)]
pub struct Receipt(pub(super) Arc<Printed>);

impl Receipt {
    /// Counts from 1 since the printer was started.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The roll that it was printed on.
    pub fn paper(&self) -> PaperWidth {
        self.0.paper
    }

    /// `false` where it ended because the power went, or because it grew too long.
    pub fn was_cut(&self) -> bool {
        self.0.cut
    }

    /// When its first byte was received.
    pub fn first_received_at(&self) -> Instant {
        self.0.first_received_at
    }

    /// When its last byte, the cut, was received.
    pub fn received_at(&self) -> Instant {
        self.0.received_at
    }

    /// When its last dot was printed and it was cut.
    pub fn printed_at(&self) -> Instant {
        self.0.printed_at
    }

    /// Every byte since the receipt before, real-time commands left out.
    pub fn raw(&self) -> &[u8] {
        &self.0.raw
    }

    /// What a driver should not have sent.
    pub fn flags(&self) -> &[Flag] {
        &self.0.flags
    }

    /// Drawer kicks since the receipt before.
    pub fn drawer_kicks(&self) -> &[Kick] {
        &self.0.kicks
    }

    /// How often it was to buzz since the receipt before.
    pub fn buzzes(&self) -> u32 {
        self.0.buzzes
    }

    /// What the QR codes say, from top to bottom.
    pub fn qr(&self) -> Vec<Vec<u8>> {
        let data = |item: &Item| match &item.content {
            Content::Qr { data, .. } => Some(data.clone()),
            _ => None,
        };
        self.0.items.iter().filter_map(data).collect()
    }

    /// System and data of the bar codes, from top to bottom.
    pub fn barcodes(&self) -> Vec<(&'static str, Vec<u8>)> {
        let data = |item: &Item| match &item.content {
            Content::Barcode { system, data, .. } => Some((*system, data.clone())),
            _ => None,
        };
        self.0.items.iter().filter_map(data).collect()
    }

    /// What a person reads, with blank lines for fed paper and spaces for alignment; nothing trails.
    pub fn text(&self) -> String {
        text(&self.0.items)
    }

    /// What was printed, line by line, blank lines left out.
    pub fn lines(&self) -> Vec<Line> {
        self.0.items.iter().filter_map(line).collect()
    }

    /// The number after 补打, where the receipt is marked as a repeat.
    pub fn is_repeat(&self) -> Option<u32> {
        self.0.items.iter().filter_map(Item::text).find_map(|text| repeat(&text))
    }

    /// How long the paper is in dots.
    pub fn height_dots(&self) -> u32 {
        self.0.items.iter().map(|item| item.advance).sum()
    }

    /// For `--json`. `age_ms` is how long ago it was printed, because an [`Instant`] says nothing to others.
    pub fn to_json(&self) -> Value {
        let lines: Vec<Value> = self.lines().iter().map(Line::to_json).collect();
        let flags: Vec<Value> = self.flags().iter().map(Flag::to_json).collect();
        let qr: Vec<_> = self.qr().iter().map(|data| String::from_utf8_lossy(data).into_owned()).collect();
        let codes: Vec<Value> = self
            .barcodes()
            .iter()
            .map(|(system, data)| json!({ "system": system, "data": String::from_utf8_lossy(data) }))
            .collect();
        let kicks: Vec<Value> = self
            .drawer_kicks()
            .iter()
            .map(|kick| json!({ "pin": kick.pin, "on_ms": kick.on_ms, "off_ms": kick.off_ms }))
            .collect();
        json!({
            "receipt": self.number(),
            "cut": self.was_cut(),
            "repeat": self.is_repeat(),
            "text": self.text(),
            "lines": lines,
            "qr": qr,
            "barcodes": codes,
            "drawer_kicks": kicks,
            "buzzes": self.buzzes(),
            "flags": flags,
            "bytes": self.raw().len(),
            "age_ms": u64::try_from(self.printed_at().elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

impl Line {
    fn to_json(&self) -> Value {
        let align = match self.align {
            Align::Left => "left",
            Align::Center => "center",
            Align::Right => "right",
        };
        json!({
            "text": self.text,
            "width": self.width,
            "height": self.height,
            "align": align,
            "bold": self.bold,
            "columns": self.columns,
        })
    }
}

impl Flag {
    fn to_json(&self) -> Value {
        let hex: Vec<String> = self.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "kind": format!("{:?}", self.kind),
            "offset": self.offset,
            "length": self.length,
            "bytes": hex.join(" "),
        })
    }
}

/// The text of a receipt or of one that has not ended.
pub(super) fn text(items: &[Item]) -> String {
    let mut text = String::new();
    // Paper that was fed and not yet shown: only what something follows is worth a blank line.
    let mut fed_dots = 0;
    for item in items {
        let Some(line) = item.text() else {
            fed_dots += item.advance;
            continue;
        };
        let blank = (fed_dots / BLANK_LINE_DOTS).min(BLANK_LINES_MAX);
        if !text.is_empty() {
            text.extend(std::iter::repeat_n('\n', blank as usize));
        }
        text.extend(std::iter::repeat_n(' ', usize::from(item.left / FONT_A_DOTS)));
        text.push_str(&line);
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
        // A line that was fed further than it is high shows the rest as blank lines.
        fed_dots = match &item.content {
            Content::Text(line) => item.advance.saturating_sub(u32::from(line.height).max(BLANK_LINE_DOTS)),
            _ => 0,
        };
    }
    text
}

fn line(item: &Item) -> Option<Line> {
    let text = item.text()?;
    let mut line = Line { text, width: 1, height: 1, align: item.align, bold: false, columns: 0 };
    if let Content::Text(printed) = &item.content {
        for span in printed.spans.iter().filter(|span| !matches!(span.glyphs, Glyphs::Image(_))) {
            line.width = line.width.max(span.look.width);
            line.height = line.height.max(span.look.height);
            line.bold |= span.look.bold;
        }
        line.columns = printed.width.div_ceil(FONT_A_DOTS);
    }
    Some(line)
}

fn repeat(text: &str) -> Option<u32> {
    let (_, after) = text.split_once(REPEAT_MARK)?;
    let after = after.trim_start_matches([' ', '\u{3000}', ':', '\u{ff1a}']);
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repeat_mark() {
        for (text, expected) in [
            ("*** 补打 2 ***", Some(2)),
            ("补打1", Some(1)),
            ("(补打 12)", Some(12)),
            ("补打", None),
            ("美团 #9", None),
        ] {
            assert_eq!(repeat(text), expected, "{text}");
        }
    }
}
