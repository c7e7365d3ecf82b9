//! Lines become dots, exactly where the unit puts them: the whole slip for people, and single lines for units that
//! cannot print them from bytes.
//!
//! Sizes and places are the unit's; the shapes of characters are those of another font, drawn at the size of their
//! cells. QR codes and bar codes are the same dots that come out of the printer.

use crate::glyphs::Glyphs;
use crate::line::Line;
use crate::raster::{Area, Canvas, Ink};
use crate::text::columns_of;
use crate::{CHARACTER_DOTS, COLUMN_DOTS, LINE_DOTS, Paper};
use docket_protocol::document::{Align, Image, Style};
use qrcode::{Color, EcLevel, QrCode};

/// White above the first line and below the last one.
pub const MARGIN_DOTS: usize = 32;
/// Thickness of the line below underlined characters.
pub const UNDERLINE_DOTS: usize = 2;
/// How a cut is shown: a dashed line in the middle of so much paper.
pub const CUT_DOTS: usize = 60;
/// One dash, and the gap after it.
pub const CUT_DASH_DOTS: usize = 12;
const CUT_THICKNESS_DOTS: usize = 2;
/// Between the edge of a cell and the box that stands in it for a character without a shape, in parts of the cell.
const BOX_GAP: usize = 8;
const BOX_THICKNESS_DOTS: usize = 2;

/// The whole slip, as wide as the unit prints.
pub fn draw(lines: &[Line], paper: Paper, glyphs: &mut dyn Glyphs) -> Image {
    let mut image = Canvas::new(paper.dots(), MARGIN_DOTS).into_image();
    for line in lines {
        image.rows.extend(draw_line(line, paper, glyphs).rows);
    }
    image.rows.extend(Canvas::new(paper.dots(), MARGIN_DOTS).into_image().rows);
    image
}

/// One line over the whole width, as high as it moves the paper.
pub fn draw_line(line: &Line, paper: Paper, glyphs: &mut dyn Glyphs) -> Image {
    let canvas = |height| Canvas::new(paper.dots(), height);
    match line {
        Line::Text { text, style, align } => {
            let mut canvas = canvas(usize::try_from(line.height_dots()).unwrap_or(0));
            draw_text(&mut canvas, text, *style, left(paper, text_dots(text, *style), *align), glyphs);
            canvas.into_image()
        }
        Line::Feed(lines) => canvas(usize::from(*lines) * usize::from(LINE_DOTS)).into_image(),
        Line::Qr { data, module_dots } => {
            let module = usize::from(*module_dots);
            let modules = qr_modules(data);
            let mut canvas = canvas(modules.len() * module + usize::from(LINE_DOTS));
            let left = left(paper, modules.len() * module, Align::Center);
            for (row, modules) in modules.iter().enumerate() {
                for (column, _) in modules.iter().enumerate().filter(|(_, is_dark)| **is_dark) {
                    let (x, y) = (left + column * module, row * module);
                    canvas.fill(Area { x, y, width: module, height: module }, Ink::Black);
                }
            }
            canvas.into_image()
        }
        Line::Image { image, align } => {
            let mut canvas = canvas(image.height_dots());
            canvas.stamp(image, left(paper, image.row_bytes() * 8, *align), 0, Ink::Black);
            canvas.into_image()
        }
        Line::Barcode { code, height_dots, module_dots } => {
            let (height, module) = (usize::from(*height_dots), usize::from(*module_dots));
            let mut canvas = canvas(height);
            let left = left(paper, usize::from(code.modules()) * module, Align::Center);
            for (x, width) in code.bars() {
                let (x, width) = (left + usize::from(x) * module, usize::from(width) * module);
                canvas.fill(Area { x, y: 0, width, height }, Ink::Black);
            }
            canvas.into_image()
        }
        Line::Cut => {
            let mut canvas = canvas(CUT_DOTS);
            for x in (0..usize::from(paper.dots())).step_by(CUT_DASH_DOTS * 2) {
                let y = (CUT_DOTS - CUT_THICKNESS_DOTS) / 2;
                canvas.fill(Area { x, y, width: CUT_DASH_DOTS, height: CUT_THICKNESS_DOTS }, Ink::Black);
            }
            canvas.into_image()
        }
        Line::Drawer { .. } | Line::Buzzer { .. } => canvas(0).into_image(),
    }
}

/// Rows of a QR code, without its quiet zone; `true` is dark.
pub fn qr_modules(data: &str) -> Vec<Vec<bool>> {
    // The layout has seen to it that there is a code for it.
    let Ok(code) = QrCode::with_error_correction_level(data, EcLevel::M) else { return Vec::new() };
    let side = code.width();
    code.to_colors().chunks(side).map(|row| row.iter().map(|color| *color == Color::Dark).collect()).collect()
}

/// Width of a line of clean text.
pub fn text_dots(text: &str, style: Style) -> usize {
    text.chars().map(|character| cell_dots(character, style)).sum()
}

/// Left edge of what is so wide.
pub fn left(paper: Paper, width_dots: usize, align: Align) -> usize {
    let free = usize::from(paper.dots()).saturating_sub(width_dots);
    match align {
        Align::Left => 0,
        Align::Center => free / 2,
        Align::Right => free,
    }
}

/// Width of a clean character's cell.
pub fn cell_dots(character: char, style: Style) -> usize {
    columns_of(character) * usize::from(COLUMN_DOTS) * usize::from(style.width)
}

fn draw_text(canvas: &mut Canvas, text: &str, style: Style, left: usize, glyphs: &mut dyn Glyphs) {
    let height = usize::from(CHARACTER_DOTS) * usize::from(style.height);
    let ink = if style.reverse { Ink::White } else { Ink::Black };
    if style.reverse {
        let cells = Area { x: left, y: 0, width: text_dots(text, style), height };
        canvas.fill(cells, Ink::Black);
    }
    let mut x = left;
    for character in text.chars() {
        let cell = Area { x, y: 0, width: cell_dots(character, style), height };
        draw_character(canvas, character, cell, style, ink, glyphs);
        if style.underline && !style.reverse {
            canvas.fill(Area { y: height - UNDERLINE_DOTS, height: UNDERLINE_DOTS, ..cell }, ink);
        }
        x += cell.width;
    }
}

fn draw_character(
    canvas: &mut Canvas,
    character: char,
    cell: Area,
    style: Style,
    ink: Ink,
    glyphs: &mut dyn Glyphs,
) {
    if character.is_whitespace() {
        return;
    }
    // Styles are clamped: a cell is at most 8 times 24 dots wide and high.
    let [width, height] = [cell.width, cell.height].map(|dots| u16::try_from(dots).unwrap_or(u16::MAX));
    match glyphs.glyph(character, width, height) {
        Some(glyph) => {
            let strokes = if style.bold { 1 + usize::from(style.width) } else { 1 };
            for stroke in 0..strokes {
                canvas.stamp(&glyph, cell.x + stroke, cell.y, ink);
            }
        }
        None => draw_box(canvas, cell, ink),
    }
}

fn draw_box(canvas: &mut Canvas, cell: Area, ink: Ink) {
    let outer = Area {
        x: cell.x + cell.width / BOX_GAP,
        y: cell.y + cell.height / BOX_GAP,
        width: cell.width - 2 * (cell.width / BOX_GAP),
        height: cell.height - 2 * (cell.height / BOX_GAP),
    };
    let (right, bottom) =
        (outer.x + outer.width - BOX_THICKNESS_DOTS, outer.y + outer.height - BOX_THICKNESS_DOTS);
    for side in [
        Area { width: BOX_THICKNESS_DOTS, ..outer },
        Area { x: right, width: BOX_THICKNESS_DOTS, ..outer },
        Area { height: BOX_THICKNESS_DOTS, ..outer },
        Area { y: bottom, height: BOX_THICKNESS_DOTS, ..outer },
    ] {
        canvas.fill(side, ink);
    }
}
