//! A receipt as an image, one pixel a dot.

use super::font::Font;
use super::options::{FONT_A_DOTS, KANJI_DOTS};
use super::paper::{Content, Glyphs, Image, Item, Look, PLACEHOLDER, TextLine, Typeface};
use super::receipt::Receipt;
use ab_glyph::{Font as _, Glyph, PxScale, point};
use qrcode::{Color, EcLevel, QrCode};

/// White above the first and below the last line.
const MARGIN_DOTS: u32 = 32;
/// Longest image; what is longer is cut off.
const HEIGHT_DOTS_MAX: u32 = 50_000;
const WHITE: u8 = 255;
const BLACK: u8 = 0;
/// Where characters stand, from the top of their cell, in parts of its height.
const BASELINE: f32 = 0.83;
/// Height of a character's em in parts of its cell's height: a Chinese one fills its cell, a Latin one has to
/// be smaller to be no wider than half of it.
const CHINESE_EM: f32 = 0.96;
const LATIN_EM: f32 = 0.83;
/// Box drawing characters.
const RULES: std::ops::RangeInclusive<char> = '\u{2500}'..='\u{257F}';
/// A print head burns dots or leaves them: coverage is pulled towards both ends, but keeps a smooth edge.
const CONTRAST: f32 = 1.8;

impl Receipt {
    /// A grey PNG as wide as the paper, one pixel a dot, as high as what is printed and a white margin.
    pub fn png(&self, font: &Font) -> Vec<u8> {
        let width = u32::from(self.paper().dots());
        let height = (self.height_dots() + 2 * MARGIN_DOTS).min(HEIGHT_DOTS_MAX);
        let mut canvas = Canvas { width, height, dots: vec![WHITE; (width * height) as usize] };
        let mut y = MARGIN_DOTS;
        for item in &self.0.items {
            draw(&mut canvas, item, y, font);
            y = y.saturating_add(item.advance);
        }
        canvas.png()
    }
}

fn draw(canvas: &mut Canvas, item: &Item, y: u32, font: &Font) {
    let left = u32::from(item.left);
    match &item.content {
        Content::Feed => {}
        Content::Text(line) => draw_line(canvas, line, left, y, font),
        Content::Image(image) => draw_image(canvas, image, left, y),
        Content::Qr { data, level, module_dots, .. } => {
            draw_qr(canvas, data, *level, u32::from(*module_dots), left, y);
        }
        Content::Barcode { data, width, height, .. } => {
            draw_barcode(canvas, data, (left, y), (u32::from(*width), u32::from(*height)), font);
        }
    }
}

fn draw_line(canvas: &mut Canvas, line: &TextLine, left: u32, y: u32, font: &Font) {
    let bottom = y + u32::from(line.height);
    for span in &line.spans {
        let mut x = left + u32::from(span.x);
        if let Glyphs::Image(index) = span.glyphs {
            if let Some(image) = line.images.get(usize::from(index)) {
                draw_image(canvas, image, x, bottom.saturating_sub(image.height_dots()));
            }
            continue;
        }
        let narrow = matches!(span.glyphs, Glyphs::Single { .. });
        let width = u32::from(span.cell_dots());
        let height = u32::from(super::paper::cell_height(span.glyphs, &span.look));
        // Characters of different heights stand on one line.
        let top = bottom.saturating_sub(height);
        let space = u32::from(span.look.space_left) * u32::from(span.look.width);
        for character in line.characters(span) {
            let cell = Cell { x, y: top, width, height };
            let (ink, paper) = if span.look.reverse { (WHITE, BLACK) } else { (BLACK, WHITE) };
            if span.look.reverse {
                canvas.fill(cell, paper);
            }
            let glyph = Cell { x: x + space, width: glyph_dots(narrow, &span.look), ..cell };
            if matches!(span.glyphs, Glyphs::Box { .. }) {
                draw_box(canvas, glyph, ink);
            } else {
                draw_character(canvas, character, glyph, &span.look, narrow, ink, font);
            }
            if span.look.underline > 0 && !span.look.reverse {
                let thickness = u32::from(span.look.underline);
                canvas.fill(Cell { y: bottom.saturating_sub(thickness), height: thickness, ..cell }, BLACK);
            }
            x += width;
        }
    }
}

fn glyph_dots(narrow: bool, look: &Look) -> u32 {
    let plain = match (narrow, look.typeface) {
        (true, Typeface::A) => FONT_A_DOTS,
        (true, Typeface::B) => 9,
        (false, _) => KANJI_DOTS,
    };
    u32::from(plain) * u32::from(look.width)
}

fn draw_character(
    canvas: &mut Canvas,
    character: char,
    cell: Cell,
    look: &Look,
    narrow: bool,
    ink: u8,
    font: &Font,
) {
    if character.is_whitespace() {
        return;
    }
    let Some(face) = font.with(character, narrow).filter(|_| character != PLACEHOLDER) else {
        return draw_box(canvas, cell, ink);
    };
    let id = face.glyph_id(character);
    let em = face.units_per_em().unwrap_or(1000.0);
    let share = if narrow { LATIN_EM } else { CHINESE_EM };
    let em_dots = cell.height as f32 * share;
    // A glyph is as wide as its cell allows: half as wide as high, or whatever multiples say.
    let plain_advance = face.h_advance_unscaled(id) / em * em_dots;
    let stretch = f32::from(look.width) / f32::from(look.height);
    let mut across = stretch;
    // Rules are drawn with characters that touch each other; they fill their cells.
    if plain_advance * across > cell.width as f32 || RULES.contains(&character) {
        across = cell.width as f32 / plain_advance;
    }
    let indent = (cell.width as f32 - plain_advance * across) / 2.0;
    let down = em_dots * face.height_unscaled() / em;
    let glyph = Glyph {
        id,
        scale: PxScale { x: down * across, y: down },
        position: point(cell.x as f32 + indent, cell.y as f32 + cell.height as f32 * BASELINE),
    };
    let Some(outline) = face.outline_glyph(glyph) else { return };
    let bounds = outline.px_bounds();
    let (left, top) = (bounds.min.x as i64, bounds.min.y as i64);
    let strokes = if look.bold { 1 + u32::from(look.width) } else { 1 };
    outline.draw(|dx, dy, coverage| {
        let coverage = ((coverage - 0.5) * CONTRAST + 0.5).clamp(0.0, 1.0);
        let y = top + i64::from(dy);
        if coverage > 0.0 && y >= i64::from(cell.y) && y < i64::from(cell.y + cell.height) {
            for stroke in 0..strokes {
                canvas.blend(left + i64::from(dx) + i64::from(stroke), y, ink, coverage);
            }
        }
    });
}

/// Stands for a character without a glyph.
fn draw_box(canvas: &mut Canvas, cell: Cell, ink: u8) {
    let inner = Cell {
        x: cell.x + cell.width / 8,
        y: cell.y + cell.height / 8,
        width: cell.width - cell.width / 4,
        height: cell.height - cell.height / 4,
    };
    canvas.frame(inner, 2, ink);
}

fn draw_image(canvas: &mut Canvas, image: &Image, left: u32, top: u32) {
    let (across, down) = (u32::from(image.scale_x), u32::from(image.scale_y));
    for row in 0..image.rows {
        for column in (0..image.columns).filter(|&column| image.is_black(column, row)) {
            let x = left + u32::from(column) * across;
            let y = top + u32::from(row) * down;
            canvas.fill(Cell { x, y, width: across, height: down }, BLACK);
        }
    }
}

fn draw_qr(canvas: &mut Canvas, data: &[u8], level: EcLevel, module: u32, left: u32, top: u32) {
    // It was laid out when it was printed, so it fits.
    let Ok(code) = QrCode::with_error_correction_level(data, level) else { return };
    let side = code.width();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (left + (at % side) as u32 * module, top + (at / side) as u32 * module);
            canvas.fill(Cell { x, y, width: module, height: module }, BLACK);
        }
    }
}

/// A box with the data in it, and a rim of bars so that it is seen for what it is.
fn draw_barcode(
    canvas: &mut Canvas,
    data: &[u8],
    (x, y): (u32, u32),
    (width, height): (u32, u32),
    font: &Font,
) {
    canvas.frame(Cell { x, y, width, height }, 2, BLACK);
    let text: Vec<char> = String::from_utf8_lossy(data).chars().collect();
    let cell_width = u32::from(FONT_A_DOTS);
    let fits = (width.saturating_sub(8) / cell_width) as usize;
    let shown = &text[..text.len().min(fits)];
    let start = x + (width - shown.len() as u32 * cell_width) / 2;
    let top = y + height.saturating_sub(u32::from(KANJI_DOTS)) / 2;
    for (at, &character) in (0..).zip(shown) {
        let cell =
            Cell { x: start + at * cell_width, y: top, width: cell_width, height: u32::from(KANJI_DOTS) };
        draw_character(canvas, character, cell, &Look::default(), true, BLACK, font);
    }
    let bars_end = top.saturating_sub(4);
    for bar in (0..width).step_by(6) {
        canvas.fill(Cell { x: x + bar, y, width: 2, height: bars_end.saturating_sub(y) }, BLACK);
    }
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

struct Canvas {
    width: u32,
    height: u32,
    dots: Vec<u8>,
}

impl Canvas {
    fn fill(&mut self, cell: Cell, ink: u8) {
        let right = cell.x.saturating_add(cell.width).min(self.width);
        let bottom = cell.y.saturating_add(cell.height).min(self.height);
        for y in cell.y..bottom {
            let row = (y * self.width) as usize;
            if cell.x < right {
                self.dots[row + cell.x as usize..row + right as usize].fill(ink);
            }
        }
    }

    fn frame(&mut self, cell: Cell, thickness: u32, ink: u8) {
        let Cell { x, y, width, height } = cell;
        self.fill(Cell { height: thickness, ..cell }, ink);
        self.fill(Cell { y: (y + height).saturating_sub(thickness), height: thickness, ..cell }, ink);
        self.fill(Cell { width: thickness, ..cell }, ink);
        self.fill(Cell { x: (x + width).saturating_sub(thickness), width: thickness, ..cell }, ink);
    }

    fn blend(&mut self, x: i64, y: i64, ink: u8, coverage: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if x >= self.width || y >= self.height {
            return;
        }
        let dot = &mut self.dots[(y * self.width + x) as usize];
        let mixed = f32::from(*dot) + (f32::from(ink) - f32::from(*dot)) * coverage;
        *dot = mixed.round() as u8;
    }

    fn png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&self.dots))
            .expect("writing to memory does not fail and the data is as large as the header says");
        bytes
    }
}
