//! The print buffer: the line that is being put together and has not been printed.

use super::options::FONT_A_DOTS;
use super::paper::{Content, Glyphs, Image, Item, Look, Span, TextLine, cell_dots, cell_height};
use docket_protocol::document::Align;

/// The default line spacing in dots (`ESC 2`): 3.75 mm at 203 dpi.
pub(super) const LINE_SPACING_DOTS: u16 = 30;
/// Where tabs stand when nothing was set: every eight columns.
const TAB_COLUMNS: u16 = 8;

/// Where on the paper a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The paper's printable dots.
    pub paper: u16,
    /// `GS L`.
    pub margin: u16,
    /// `GS W`; the part right of the margin that the paper has is what counts.
    pub area: u16,
    /// `ESC a`.
    pub align: Align,
    /// `ESC 2`, `ESC 3`.
    pub spacing: u16,
    /// `ESC D`, in dots; `None` is every eight columns.
    pub tabs: Option<Vec<u16>>,
}

impl Layout {
    pub fn new(paper: u16) -> Layout {
        Layout { paper, margin: 0, area: paper, align: Align::Left, spacing: LINE_SPACING_DOTS, tabs: None }
    }

    /// Dots that a line can be wide.
    pub fn width(&self) -> u16 {
        self.area.min(self.paper.saturating_sub(self.margin))
    }

    /// Left edge of something so wide, aligned.
    pub fn left(&self, width: u32) -> u16 {
        let free = self.width().saturating_sub(u16::try_from(width).unwrap_or(u16::MAX));
        self.margin
            + match self.align {
                Align::Left => 0,
                Align::Center => free / 2,
                Align::Right => free,
            }
    }
}

/// The line that is being put together.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    line: TextLine,
    /// Where the next character goes, in dots from the margin.
    x: u16,
    /// The next character follows the last one: the position was not moved.
    joined: bool,
}

impl LineBuffer {
    /// Nothing is in it and the position is at the margin: where commands for a whole line are obeyed.
    pub fn at_start(&self) -> bool {
        self.line.spans.is_empty() && self.x == 0
    }

    /// The next position.
    pub fn x(&self) -> u16 {
        self.x
    }

    /// Moves the position (`ESC $`, `ESC \`, HT).
    pub fn move_to(&mut self, x: u16) {
        self.x = x;
        self.joined = false;
    }

    /// The next tab right of the position.
    pub fn next_tab(&self, layout: &Layout) -> Option<u16> {
        let next = match &layout.tabs {
            Some(tabs) => *tabs.iter().find(|&&tab| tab > self.x)?,
            None => (self.x / (TAB_COLUMNS * FONT_A_DOTS) + 1) * TAB_COLUMNS * FONT_A_DOTS,
        };
        (next < layout.width()).then_some(next)
    }

    /// Puts one character. Where it does not fit, the line before it is printed and returned.
    pub fn place(&mut self, bytes: &[u8], glyphs: Glyphs, look: &Look, layout: &Layout) -> Option<Item> {
        let cell = cell_dots(glyphs, look);
        let wrapped = self.make_room(cell, layout);
        let start = self.line.bytes.len() as u32;
        self.line.bytes.extend_from_slice(bytes);
        let end = self.line.bytes.len() as u32;
        self.line.height = self.line.height.max(cell_height(glyphs, look));
        match self.line.spans.last_mut() {
            Some(last)
                if last.glyphs == glyphs
                    && last.look == *look
                    && self.joined
                    && !matches!(glyphs, Glyphs::Box { .. }) =>
            {
                last.end = end;
            }
            _ => self.line.spans.push(Span { x: self.x, start, end, glyphs, look: *look }),
        }
        self.advance(cell);
        wrapped
    }

    /// Puts an image into the line (`ESC *`).
    pub fn place_image(&mut self, image: Image, layout: &Layout) -> Option<Item> {
        let width = u16::try_from(image.width_dots()).unwrap_or(u16::MAX);
        let wrapped = self.make_room(width, layout);
        let index = u16::try_from(self.line.images.len()).unwrap_or(u16::MAX);
        let end = self.line.bytes.len() as u32;
        self.line.height = self.line.height.max(u16::try_from(image.height_dots()).unwrap_or(u16::MAX));
        self.line.images.push(image);
        let glyphs = Glyphs::Image(index);
        self.line.spans.push(Span { x: self.x, start: end, end, glyphs, look: Look::default() });
        self.advance(width);
        wrapped
    }

    /// Prints the line and feeds `feed` dots in all, or what its characters need where that is more. `lines`
    /// is how many lines of paper the feed is meant to be.
    pub fn print(&mut self, layout: &Layout, feed: u32, lines: u32) -> Item {
        let line = std::mem::take(&mut self.line);
        self.x = 0;
        self.joined = false;
        if line.spans.is_empty() {
            return Item { content: Content::Feed, align: layout.align, left: 0, advance: feed, lines };
        }
        Item {
            align: layout.align,
            left: layout.left(u32::from(line.width)),
            advance: feed.max(u32::from(line.height)),
            lines: lines.max(1),
            content: Content::Text(line),
        }
    }

    /// Throws away what was not printed; true where there was something.
    pub fn clear(&mut self) -> bool {
        let lost = !self.line.spans.is_empty();
        *self = LineBuffer::default();
        lost
    }

    fn make_room(&mut self, width: u16, layout: &Layout) -> Option<Item> {
        let fits = u32::from(self.x) + u32::from(width) <= u32::from(layout.width());
        // Something wider than the paper is put at the start and cut off there.
        if fits || self.at_start() {
            return None;
        }
        Some(self.print(layout, u32::from(layout.spacing), 1))
    }

    fn advance(&mut self, width: u16) {
        self.x = self.x.saturating_add(width);
        self.joined = true;
        self.line.width = self.line.width.max(self.x);
    }
}
