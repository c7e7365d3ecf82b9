//! Lines become a drawing for a browser, as a unit prints them.
//!
//! What the unit prints in its own shapes is text here, too: its font is not known, and the browser's is near enough.
//! Words are placed by columns and stretched to their width, so that rows stand as on paper whatever that font is. What
//! the unit does not have is never left to the browser, which has other fonts than the PC that prints: it is the raster
//! that goes to the unit, or its placeholder.
//!
//! Everything is said with attributes: a page whose policy forbids inline styles shows it, too. Foreign text
//! is clean and escaped.

use crate::escpos::{Dialect, Way};
use crate::glyphs::Glyphs;
use crate::line::Line;
use crate::picture::{
    CUT_DASH_DOTS, CUT_DOTS, MARGIN_DOTS, UNDERLINE_DOTS, draw_line, left, qr_modules, text_dots,
};
use crate::raster::{black_dots, make_harmless, trim_right};
use crate::text::columns_of;
use crate::{CHARACTER_DOTS, COLUMN_DOTS, LINE_DOTS, Paper};
use docket_protocol::document::{Align, Image, Style};
use std::collections::BTreeSet;
use std::fmt::{Display, Write};

/// Size of the font in a cell of 24 dots, and where its characters stand.
const FONT_DOTS: u16 = 22;
const BASELINE_DOTS: u16 = 20;
const FONTS: &str = "'Noto Sans Mono CJK SC','Sarasa Mono SC',SimSun,monospace,sans-serif";
/// What a slip of thirty lines takes.
const BYTES_USUAL: usize = 8_192;

/// The whole slip as an `<svg>` element, one unit a dot: as it comes out of a unit with this dialect, whose PC has
/// these shapes.
pub fn draw(lines: &[Line], paper: Paper, dialect: &Dialect, glyphs: &mut dyn Glyphs) -> String {
    let mut body = Drawing { paper, dialect, y: MARGIN_DOTS, out: String::with_capacity(BYTES_USUAL) };
    for line in lines {
        body.line(line, glyphs);
    }
    let (width, height) = (paper.dots(), body.y + MARGIN_DOTS);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"{FONTS}\" font-size=\"{FONT_DOTS}\" fill=\"#000\" xml:space=\"preserve\">\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>{}</svg>",
        body.out
    )
}

struct Drawing<'a> {
    paper: Paper,
    dialect: &'a Dialect,
    y: usize,
    out: String,
}

impl Drawing<'_> {
    fn line(&mut self, line: &Line, glyphs: &mut dyn Glyphs) {
        match line {
            Line::Text { text, style, align } => match self.dialect.way(text, glyphs, &mut BTreeSet::new()) {
                Way::Text => self.text(&self.dialect.shown(text), *style, *align),
                Way::Drawn => {
                    let mut dots = trim_right(&draw_line(line, self.paper, glyphs));
                    make_harmless(&mut dots.rows);
                    self.image(&dots, Align::Left);
                }
            },
            Line::Qr { data, module_dots } => {
                self.qr(data, usize::from(*module_dots));
                return;
            }
            Line::Image { image, align } => self.image(image, *align),
            Line::Barcode { code, height_dots, module_dots } => {
                let module = usize::from(*module_dots);
                let left = left(self.paper, usize::from(code.modules()) * module, Align::Center);
                let mut path = String::new();
                push_row(
                    code.bars().flat_map(|(x, width)| usize::from(x)..usize::from(x + width)),
                    0,
                    &mut path,
                );
                self.path(&path, left, (module, usize::from(*height_dots)));
            }
            Line::Cut => {
                let (middle, width) = (self.y + CUT_DOTS / 2, self.paper.dots());
                self.write(format_args!(
                    "<path d=\"M0 {middle}h{width}\" stroke=\"#000\" stroke-width=\"2\" \
                     stroke-dasharray=\"{CUT_DASH_DOTS}\"/>"
                ));
                self.y += CUT_DOTS;
            }
            Line::Feed(_) | Line::Drawer { .. } | Line::Buzzer { .. } => {}
        }
        self.y += usize::try_from(line.height_dots()).unwrap_or(0);
    }

    fn text(&mut self, text: &str, style: Style, align: Align) {
        let (across, down) = (style.width, style.height);
        let width = text_dots(text, style);
        let left = left(self.paper, width, align);
        let height = usize::from(CHARACTER_DOTS) * usize::from(down);
        let y = self.y;
        if style.reverse && width > 0 {
            self.write(format_args!("<rect x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"));
        }
        if style.underline && !style.reverse && width > 0 {
            let y = y + height - UNDERLINE_DOTS;
            self.write(format_args!(
                "<rect x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{UNDERLINE_DOTS}\"/>"
            ));
        }
        let mut words = words(text).peekable();
        if words.peek().is_none() {
            return;
        }
        self.write(format_args!("<g transform=\"translate({left} {y}) scale({across} {down})\""));
        if style.bold {
            self.out.push_str(" font-weight=\"bold\"");
        }
        if style.reverse {
            self.out.push_str(" fill=\"#fff\"");
        }
        self.out.push('>');
        for Word { text, column, columns } in words {
            let (x, length) = (column * usize::from(COLUMN_DOTS), columns * usize::from(COLUMN_DOTS));
            self.write(format_args!(
                "<text x=\"{x}\" y=\"{BASELINE_DOTS}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\">"
            ));
            push_escaped(text, &mut self.out);
            self.out.push_str("</text>");
        }
        self.out.push_str("</g>");
    }

    fn qr(&mut self, data: &str, module: usize) {
        let modules = qr_modules(data);
        let left = left(self.paper, modules.len() * module, Align::Center);
        let mut path = String::new();
        for (y, row) in modules.iter().enumerate() {
            push_row(row.iter().enumerate().filter(|(_, dark)| **dark).map(|(x, _)| x), y, &mut path);
        }
        self.path(&path, left, (module, module));
        self.y += modules.len() * module + usize::from(LINE_DOTS);
    }

    fn image(&mut self, image: &Image, align: Align) {
        let row_bytes = image.row_bytes().max(1);
        let mut path = String::new();
        for (y, row) in image.rows.chunks_exact(row_bytes).enumerate() {
            push_row(black_dots(row), y, &mut path);
        }
        self.path(&path, left(self.paper, row_bytes * 8, align), (1, 1));
    }

    /// Strokes of one unit at the current height.
    fn path(&mut self, path: &str, left: usize, (across, down): (usize, usize)) {
        let y = self.y;
        self.write(format_args!(
            "<path transform=\"translate({left} {y}) scale({across} {down})\" \
             stroke=\"#000\" shape-rendering=\"crispEdges\" d=\"{path}\"/>"
        ));
    }

    fn write(&mut self, what: impl Display) {
        push_display(&mut self.out, what);
    }
}

fn push_display(out: &mut String, what: impl Display) {
    // A string takes everything.
    let _ = write!(out, "{what}");
}

/// Characters of one width side by side, since a browser's font may have other widths for both kinds.
struct Word<'a> {
    text: &'a str,
    /// In normal characters from the line's start.
    column: usize,
    columns: usize,
}

fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = text;
    let mut column = 0;
    std::iter::from_fn(move || {
        let trimmed = rest.trim_start_matches(' ');
        column += rest.len() - trimmed.len();
        let first = trimmed.chars().next()?;
        let joins = |character: char| character != ' ' && columns_of(character) == columns_of(first);
        let end = trimmed.find(|character| !joins(character)).unwrap_or(trimmed.len());
        let (text, after) = trimmed.split_at(end);
        rest = after;
        let columns = text.chars().map(columns_of).sum();
        column += columns;
        Some(Word { text, column: column - columns, columns })
    })
}

/// Appends one row of squares as strokes through their middle; those side by side are one stroke. Steps from stroke to
/// stroke are relative, which makes a dithered logo half as long.
fn push_row(dark: impl Iterator<Item = usize>, y: usize, path: &mut String) {
    let mut stroke: Option<(usize, usize)> = None;
    // Where the last stroke ended.
    let mut pen = None;
    let mut finish = |stroke: Option<(usize, usize)>| {
        let Some((x, width)) = stroke else { return };
        match pen {
            None => push_display(path, format_args!("M{x} {y}.5h{width}")),
            Some(pen) => push_display(path, format_args!("m{} 0h{width}", x - pen)),
        }
        pen = Some(x + width);
    };
    for x in dark {
        stroke = match stroke {
            Some((start, width)) if start + width == x => Some((start, width + 1)),
            other => {
                finish(other);
                Some((x, 1))
            }
        };
    }
    finish(stroke);
}

fn push_escaped(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}
