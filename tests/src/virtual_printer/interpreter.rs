//! The language: bytes in, what the printer is to do out. No I/O and no clock.
//!
//! [`Interpreter::step`] stops at every [`Op`], so that the device can hold it there while the paper is out
//! or the mechanism is busy, exactly as a printer leaves the rest in its receive buffer. What a printer does
//! not know is never swallowed: it becomes an [`Op::Flag`].
//!
//! Facts are after Epson's ESC/POS reference and `spec/escpos.md`. Chinese characters are off until `FS &`,
//! as on Epson's devices; some clones start with them on, but a driver must not count on it.

use super::command::{DLE, ESC, FS, GS, Measure, measure, word};
use super::line::{Layout, LineBuffer};
use super::modes::Modes;
use super::paper::{Content, Glyphs, Image, Item, knows_code_page};
use super::receipt::{Flag, FlagKind, Kick};
use super::symbol::{BarcodeLook, QrSetup, QrStep, barcode};
use docket_protocol::document::Align;
use std::collections::VecDeque;

/// Longest command that is kept in memory: a raster image of 576 dots by 7,000. Longer ones are skipped and
/// flagged.
pub const COMMAND_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a command that a flag shows.
const FLAG_BYTES_MAX: usize = 16;

/// What the printer is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    /// Put on paper, or feed.
    Print(Item),
    /// Cut, after the paper was fed.
    Cut,
    /// Open the drawer.
    Kick(Kick),
    /// Buzz so many times.
    Buzz(u8),
    /// Answer, now that everything before it has been done.
    Ask(Query),
    /// `GS a`: which changes are to be told from now on.
    AutomaticStatus(u8),
    /// `ESC @`.
    Reset,
    /// A real-time command went by that was obeyed when it was received; so many bytes.
    RealTime(usize),
    /// Something that a person should look at.
    Flag(Flag),
}

/// A question that is answered in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Query {
    /// `GS r 1`.
    Paper,
    /// `GS r 2`.
    Drawer,
    /// `GS ( H` function 48 with its process id.
    ProcessId([u8; 4]),
    /// `GS I n`.
    Identity(u8),
}

#[derive(Debug)]
enum Reading {
    /// Between commands.
    Ground,
    /// In `pending` is the beginning of a command; `need` is its length where that is known.
    Command { need: Option<usize> },
    /// In `pending` is the beginning of a Chinese character.
    Character,
    /// So many bytes of a command that is too long are still to come.
    Skipping { left: usize },
}

/// A printer's state from the bytes that went before.
#[derive(Debug)]
pub(super) struct Interpreter {
    reading: Reading,
    pending: Vec<u8>,
    modes: Modes,
    layout: Layout,
    line: LineBuffer,
    qr: QrSetup,
    barcode: BarcodeLook,
    ops: VecDeque<Op>,
    /// `GS ( H` is not known, and comes out as text.
    prints_process_id: bool,
}

impl Interpreter {
    /// A printer that was just switched on, with so many dots across; `prints_process_id`: it does not know `GS ( H`.
    pub fn new(paper_dots: u16, prints_process_id: bool) -> Interpreter {
        Interpreter {
            reading: Reading::Ground,
            pending: Vec::new(),
            modes: Modes::default(),
            layout: Layout::new(paper_dots),
            line: LineBuffer::default(),
            qr: QrSetup::default(),
            barcode: BarcodeLook::default(),
            ops: VecDeque::new(),
            prints_process_id,
        }
    }

    /// Takes bytes up to the first thing that is to be done: how many were taken, and what is to be done.
    pub fn step(&mut self, input: &[u8]) -> (usize, Option<Op>) {
        let mut taken = 0;
        loop {
            if let Some(op) = self.ops.pop_front() {
                return (taken, Some(op));
            }
            if taken == input.len() {
                return (taken, None);
            }
            taken += self.take(&input[taken..]);
        }
    }

    /// Whether [`Interpreter::step`] has something to do without more bytes.
    pub fn has_ops(&self) -> bool {
        !self.ops.is_empty()
    }

    /// The connection ended: what was begun will never be finished by the next one's bytes.
    pub fn abandon_command(&mut self) {
        if !matches!(self.reading, Reading::Ground) {
            self.flag_pending(FlagKind::Incomplete);
        }
        self.reading = Reading::Ground;
        self.pending.clear();
    }

    /// Throws away the line that was not printed (`DLE ENQ 2`).
    pub fn clear(&mut self) {
        self.reading = Reading::Ground;
        self.pending.clear();
        self.line.clear();
        self.ops.clear();
    }

    /// Takes at least one byte and says how many.
    fn take(&mut self, input: &[u8]) -> usize {
        match self.reading {
            Reading::Ground => {
                self.ground(input[0]);
                1
            }
            Reading::Command { need: Some(need) } => {
                let count = (need - self.pending.len()).min(input.len());
                self.pending.extend_from_slice(&input[..count]);
                if self.pending.len() == need {
                    self.command();
                }
                count
            }
            Reading::Command { need: None } => {
                self.pending.push(input[0]);
                self.measured(measure(&self.pending))
            }
            Reading::Character => self.character(input[0]),
            Reading::Skipping { left } => {
                let count = left.min(input.len());
                self.reading = match left - count {
                    0 => Reading::Ground,
                    left => Reading::Skipping { left },
                };
                count
            }
        }
    }

    fn ground(&mut self, byte: u8) {
        match byte {
            ESC | FS | GS | DLE => {
                self.pending.clear();
                self.pending.push(byte);
                self.reading = Reading::Command { need: None };
            }
            b'\n' => self.print(u32::from(self.layout.spacing), 1),
            // Without automatic line feed a carriage return is ignored.
            b'\r' => {}
            b'\t' => {
                if let Some(tab) = self.line.next_tab(&self.layout) {
                    self.line.move_to(tab);
                }
            }
            // Ignored without a word, as on every device.
            0 => {}
            1..b' ' => self.flag(FlagKind::Unknown, &[byte]),
            0x81..=0xFE if self.modes.chinese => {
                self.pending.clear();
                self.pending.push(byte);
                self.reading = Reading::Character;
            }
            0x80 | 0xFF if self.modes.chinese => self.no_glyph(FlagKind::Undecodable, &[byte]),
            _ => {
                let glyphs = Glyphs::Single { page: self.modes.page, set: self.modes.set };
                let look = self.modes.single();
                let wrapped = self.line.place(&[byte], glyphs, &look, &self.layout);
                self.push(wrapped);
            }
        }
    }

    /// Adds a byte to a Chinese character, or takes none where it cannot belong to it.
    fn character(&mut self, byte: u8) -> usize {
        let (belongs, length) = match (self.pending.len(), byte) {
            (1, 0x40..=0x7E | 0x80..=0xFE) => (true, 2),
            (1 | 3, b'0'..=b'9') | (2, 0x81..=0xFE) => (true, 4),
            _ => (false, 0),
        };
        let mut pending = std::mem::take(&mut self.pending);
        if belongs {
            pending.push(byte);
        }
        if !belongs {
            self.reading = Reading::Ground;
            self.no_glyph(FlagKind::Undecodable, &pending);
        } else if pending.len() < length {
            self.pending = pending;
            return 1;
        } else {
            self.reading = Reading::Ground;
            if length == 2 {
                let look = self.modes.chinese_look();
                let wrapped = self.line.place(&pending, Glyphs::Chinese, &look, &self.layout);
                self.push(wrapped);
            } else {
                self.no_glyph(FlagKind::FourByte, &pending);
            }
        }
        pending.clear();
        self.pending = pending;
        usize::from(belongs)
    }

    fn measured(&mut self, measure: Measure) -> usize {
        match measure {
            Measure::More if self.pending.len() < COMMAND_BYTES_MAX => {}
            Measure::More => {
                self.reading = Reading::Ground;
                self.flag_pending(FlagKind::TooLong);
            }
            Measure::Whole(need) if need == self.pending.len() => self.command(),
            Measure::Whole(need) if need > COMMAND_BYTES_MAX => {
                self.reading = Reading::Skipping { left: need - self.pending.len() };
                self.flag_pending(FlagKind::TooLong);
            }
            Measure::Whole(need) => self.reading = Reading::Command { need: Some(need) },
            Measure::Unknown(length) => {
                self.reading = Reading::Ground;
                // One byte too many was needed to know: it begins what comes next, and is given back.
                if length < self.pending.len() {
                    self.pending.truncate(length);
                    self.flag_pending(FlagKind::Unknown);
                    return 0;
                }
                self.flag_pending(FlagKind::Unknown);
            }
        }
        1
    }

    /// Obeys the whole command in `pending`.
    fn command(&mut self) {
        self.reading = Reading::Ground;
        let command = std::mem::take(&mut self.pending);
        let problem = match command[0] {
            DLE => match command[1..] {
                [4, 1..=4] | [5, 1 | 2] | [0x14, 1, ..] => {
                    self.ops.push_back(Op::RealTime(command.len()));
                    None
                }
                _ => Some(FlagKind::NotModelled),
            },
            ESC => self.escape(&command),
            FS => self.chinese(&command),
            _ => self.group(&command),
        };
        if let Some(kind) = problem {
            self.flag(kind, &command);
        }
        self.pending = command;
        self.pending.clear();
    }

    fn escape(&mut self, command: &[u8]) -> Option<FlagKind> {
        let at_start = self.line.at_start();
        let spacing = u32::from(self.layout.spacing);
        match command[1..] {
            [b'@'] => {
                let lost = self.line.clear();
                self.modes = Modes::default();
                self.layout = Layout::new(self.layout.paper);
                self.qr = QrSetup::default();
                self.barcode = BarcodeLook::default();
                self.ops.push_back(Op::Reset);
                return lost.then_some(FlagKind::TextLost);
            }
            [b'!', n] => self.modes.print_mode(n),
            [b'E', n] => self.modes.emphasized = n & 1 != 0,
            [b'G', n] => self.modes.double_strike = n & 1 != 0,
            [b'-', n @ (0..=2 | 48..=50)] => self.modes.underline = n & 3,
            [b'M', n @ (0 | 1 | 48 | 49)] => self.modes.font_b = n & 1 != 0,
            [b' ', n] => self.modes.space_right = n,
            [b't', page] => {
                self.modes.page = page;
                return (!knows_code_page(page)).then_some(FlagKind::NotModelled);
            }
            [b'R', set @ 0..=17] => self.modes.set = set,
            [b'2'] => self.layout.spacing = super::line::LINE_SPACING_DOTS,
            [b'3', n] => self.layout.spacing = u16::from(n),
            [b'a', n @ (0..=2 | 48..=50)] if at_start => {
                self.layout.align = [Align::Left, Align::Center, Align::Right][usize::from(n & 3)];
            }
            [b'd', n] => self.print(u32::from(n) * spacing, u32::from(n)),
            [b'J', n] => self.print(u32::from(n), lines_of(u32::from(n), spacing)),
            [b'$', ..] => match u16::try_from(word(command, 2)) {
                Ok(x) if x < self.layout.width() => self.line.move_to(x),
                _ => return Some(FlagKind::Ignored),
            },
            [b'\\', low, high] => {
                let to = i32::from(self.line.x()) + i32::from(i16::from_le_bytes([low, high]));
                match u16::try_from(to) {
                    Ok(x) if x <= self.layout.width() => self.line.move_to(x),
                    _ => return Some(FlagKind::Ignored),
                }
            }
            [b'D', ref columns @ ..] => {
                // Columns are as wide as a character is now, its space included.
                let cell = super::paper::cell_dots(Glyphs::Single { page: 0, set: 0 }, &self.modes.single());
                let columns = columns.strip_suffix(&[0]).unwrap_or(columns);
                self.layout.tabs = Some(columns.iter().map(|&c| u16::from(c).saturating_mul(cell)).collect());
            }
            [b'*', mode, ..] => self.bit_image(mode, command),
            [b'p', pin @ (0 | 1 | 48 | 49), on, off] => {
                let ms = |n: u8| u16::from(n) * 2;
                self.ops.push_back(Op::Kick(Kick { pin: pin & 1, on_ms: ms(on), off_ms: ms(off) }));
            }
            [b'B', times, _] => self.ops.push_back(Op::Buzz(times)),
            [b'i' | b'm'] => self.cut(0, command),
            // Standard mode is the only one there is.
            [b'S'] => {}
            [b'-' | b'M' | b'R' | b'a' | b'p', ..] => return Some(FlagKind::Ignored),
            _ => return Some(FlagKind::NotModelled),
        }
        None
    }

    fn chinese(&mut self, command: &[u8]) -> Option<FlagKind> {
        match command[1..] {
            [b'&'] => self.modes.chinese = true,
            [b'.'] => self.modes.chinese = false,
            [b'!', n] => self.modes.chinese_print_mode(n),
            [b'-', n @ (0..=2 | 48..=50)] => self.modes.chinese_underline = n & 3,
            [b'W', n] => {
                let times = 1 + (n & 1);
                (self.modes.chinese_width, self.modes.chinese_height) = (times, times);
            }
            [b'S', left, right] => (self.modes.chinese_left, self.modes.chinese_right) = (left, right),
            [b'-', _] => return Some(FlagKind::Ignored),
            _ => return Some(FlagKind::NotModelled),
        }
        None
    }

    fn group(&mut self, command: &[u8]) -> Option<FlagKind> {
        let at_start = self.line.at_start();
        match command[1..] {
            // Bits 3 and 7 are outside the range.
            [b'!', n] if n & 0x88 == 0 => self.modes.size(n),
            [b'B', n] => self.modes.reverse = n & 1 != 0,
            [b'L', ..] if at_start => {
                self.layout.margin =
                    u16::try_from(word(command, 2)).unwrap_or(u16::MAX).min(self.layout.paper);
            }
            [b'W', ..] if at_start => {
                self.layout.area = u16::try_from(word(command, 2)).unwrap_or(u16::MAX);
            }
            [b'V', 0 | 1 | 48 | 49] => self.cut(0, command),
            [b'V', 65 | 66 | 97 | 98 | 103 | 104, n] => self.cut(n, command),
            [b'a', mask] => self.ops.push_back(Op::AutomaticStatus(mask)),
            [b'r', 1 | 49] => self.ops.push_back(Op::Ask(Query::Paper)),
            [b'r', 2 | 50] => self.ops.push_back(Op::Ask(Query::Drawer)),
            [b'I', n] => self.ops.push_back(Op::Ask(Query::Identity(n))),
            [b'(', b'H', ref rest @ ..] if self.prints_process_id => {
                let text = [b"(H", rest].concat();
                text.into_iter().filter(|&byte| byte >= b' ').for_each(|byte| self.ground(byte));
            }
            [b'(', b'H', 6, 0, 0x30, 0x30, ref id @ ..] => match *id {
                [a @ 0x20..=0x7E, b @ 0x20..=0x7E, c @ 0x20..=0x7E, d @ 0x20..=0x7E] => {
                    self.ops.push_back(Op::Ask(Query::ProcessId([a, b, c, d])));
                }
                _ => return Some(FlagKind::Ignored),
            },
            [b'(', b'k', _, _, ref parameters @ ..] => match self.qr.step(parameters) {
                QrStep::Set => {}
                QrStep::Print(content) => return self.symbol(content),
                QrStep::Ignored => return Some(FlagKind::Ignored),
                QrStep::NotModelled => return Some(FlagKind::NotModelled),
            },
            [b'k', ..] => match barcode(command, self.barcode) {
                Some(content) => return self.symbol(content),
                None => return Some(FlagKind::Ignored),
            },
            [b'v', b'0', mode @ (0..=3 | 48..=51), ..] => return self.raster(mode & 3, command),
            [b'h', n @ 1..=255] => self.barcode.height = n,
            [b'w', n @ 1..=6] => self.barcode.module_dots = n,
            // Where a bar code's text stands and in which font, and smoothing: nothing that is drawn here.
            [b'H' | b'f' | b'b', _] => {}
            [b'!' | b'L' | b'W' | b'V' | b'r' | b'v' | b'h' | b'w', ..] => return Some(FlagKind::Ignored),
            _ => return Some(FlagKind::NotModelled),
        }
        None
    }

    /// Cuts after feeding `n` dots. A device wants an empty line for it; what is in it is printed first, and
    /// flagged.
    fn cut(&mut self, n: u8, command: &[u8]) {
        if self.end_line() {
            self.flag(FlagKind::CutInLine, command);
        }
        if n > 0 {
            self.print(u32::from(n), 0);
        }
        self.ops.push_back(Op::Cut);
    }

    fn symbol(&mut self, content: Content) -> Option<FlagKind> {
        let (width, height) = match &content {
            Content::Qr { module_dots, modules, .. } => {
                let side = u32::from(*module_dots) * u32::from(*modules);
                (side, side)
            }
            // The data stands below the bars.
            Content::Barcode { width, height, .. } => (u32::from(*width), u32::from(*height)),
            Content::Image(image) => (image.width_dots(), image.height_dots()),
            Content::Text(_) | Content::Feed => (0, 0),
        };
        // A symbol that is too wide is not printed at all, an image is cut off at the edge.
        if width > u32::from(self.layout.width()) && !matches!(content, Content::Image(_)) {
            return Some(FlagKind::Ignored);
        }
        self.end_line();
        self.ops.push_back(Op::Print(Item {
            align: self.layout.align,
            left: self.layout.left(width),
            advance: height,
            lines: 1,
            content,
        }));
        None
    }

    fn raster(&mut self, mode: u8, command: &[u8]) -> Option<FlagKind> {
        let (Ok(bytes_per_row), Ok(rows)) =
            (u16::try_from(word(command, 4)), u16::try_from(word(command, 6)))
        else {
            return Some(FlagKind::Ignored);
        };
        if bytes_per_row == 0 || rows == 0 {
            return Some(FlagKind::Ignored);
        }
        self.symbol(Content::Image(Image {
            bits: command.get(8..).unwrap_or_default().to_vec(),
            bytes_per_row,
            rows,
            scale_x: 1 + (mode & 1),
            scale_y: 1 + (mode >> 1),
            columns: bytes_per_row.saturating_mul(8),
        }))
    }

    /// `ESC * m nL nH`: columns of 8 or 24 dots from the left, put into the line.
    fn bit_image(&mut self, mode: u8, command: &[u8]) {
        let columns = word(command, 3);
        let (bytes, scale_y) = if mode < 32 { (1, 3) } else { (3, 1) };
        let scale_x = if mode & 1 == 0 { 2 } else { 1 };
        let bytes_per_row = columns.div_ceil(8);
        let mut bits = vec![0; bytes_per_row * bytes * 8];
        for (column, dots) in command.get(5..).unwrap_or_default().chunks_exact(bytes).enumerate() {
            for row in 0..bytes * 8 {
                if dots[row / 8] & (0x80 >> (row % 8)) != 0 {
                    bits[row * bytes_per_row + column / 8] |= 0x80 >> (column % 8);
                }
            }
        }
        let image = Image {
            bits,
            bytes_per_row: u16::try_from(bytes_per_row).unwrap_or(u16::MAX),
            rows: u16::try_from(bytes * 8).unwrap_or(u16::MAX),
            scale_x,
            scale_y,
            columns: u16::try_from(columns).unwrap_or(u16::MAX),
        };
        let wrapped = self.line.place_image(image, &self.layout);
        self.push(wrapped);
    }

    /// Prints what is in the line, if anything; true where there was something.
    fn end_line(&mut self) -> bool {
        let in_line = !self.line.at_start();
        if in_line {
            self.print(u32::from(self.layout.spacing), 1);
        }
        in_line
    }

    fn print(&mut self, feed: u32, lines: u32) {
        let item = self.line.print(&self.layout, feed, lines);
        self.push(Some(item));
    }

    fn push(&mut self, item: Option<Item>) {
        self.ops.extend(item.map(Op::Print));
    }

    /// A box for a character that the printer has no glyph for.
    fn no_glyph(&mut self, kind: FlagKind, bytes: &[u8]) {
        let glyphs = Glyphs::Box { bytes: bytes.len().min(4) as u8 };
        let look = self.modes.chinese_look();
        let wrapped = self.line.place(bytes, glyphs, &look, &self.layout);
        self.push(wrapped);
        self.flag(kind, bytes);
    }

    fn flag(&mut self, kind: FlagKind, bytes: &[u8]) {
        let shown = bytes[..bytes.len().min(FLAG_BYTES_MAX)].to_vec();
        self.ops.push_back(Op::Flag(Flag { kind, offset: 0, length: bytes.len(), bytes: shown }));
    }

    fn flag_pending(&mut self, kind: FlagKind) {
        let pending = std::mem::take(&mut self.pending);
        self.flag(kind, &pending);
    }
}

/// How many lines so many dots of feed are, rounded up.
fn lines_of(dots: u32, spacing: u32) -> u32 {
    dots.div_ceil(spacing.max(1))
}
