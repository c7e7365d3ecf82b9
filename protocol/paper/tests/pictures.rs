//! The picture of a slip: the dots that the unit burns.

use docket_paper::escpos::{Dialect, encode};
use docket_paper::font::Fonts;
use docket_paper::glyphs::{Glyphs, NoGlyphs};
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use docket_paper::picture::{MARGIN_DOTS, draw, draw_line};
use docket_paper::raster::trim_right;
use docket_paper::{Paper, png};
use docket_protocol::document::{Align, Block, Document, Image, Style, Symbology};
use std::path::PathBuf;

fn is_black(image: &Image, x: usize, y: usize) -> bool {
    image.rows[y * image.row_bytes() + x / 8] & (0x80 >> (x % 8)) != 0
}

/// As text, one character a dot.
fn show(image: &Image) -> String {
    let width = usize::from(image.width_dots);
    let row = |y| (0..width).map(|x| if is_black(image, x, y) { '#' } else { '.' }).collect::<String>();
    (0..image.height_dots()).map(row).collect::<Vec<_>>().join("\n")
}

fn styled(style: Style, align: Align) -> Line {
    Line::Text { text: "A".into(), style, align }
}

/// A glyph that is one dot in the middle of its cell.
struct Dot;

impl Glyphs for Dot {
    fn glyph(&mut self, _: char, width_dots: u16, height_dots: u16) -> Option<Image> {
        let row_bytes = usize::from(width_dots).div_ceil(8);
        let mut rows = vec![0; row_bytes * usize::from(height_dots)];
        let (x, y) = (usize::from(width_dots) / 2, usize::from(height_dots) / 2);
        rows[y * row_bytes + x / 8] |= 0x80 >> (x % 8);
        Some(Image { width_dots, rows })
    }
}

#[test]
fn styles_and_places_are_the_units() {
    let black = |style, align| {
        let image = draw_line(&styled(style, align), Paper::Mm58, &mut Dot);
        let width = usize::from(image.width_dots);
        let dots: Vec<(usize, usize)> = (0..image.height_dots())
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .filter(|&(x, y)| is_black(&image, x, y))
            .collect();
        (image.height_dots(), dots)
    };
    assert_eq!(black(Style::NORMAL, Align::Left), (30, vec![(6, 12)]));
    assert_eq!(black(Style::NORMAL, Align::Center), (30, vec![(192, 12)]));
    assert_eq!(black(Style::NORMAL, Align::Right), (30, vec![(378, 12)]));
    assert_eq!(black(Style::BOLD, Align::Left), (30, vec![(6, 12), (7, 12)]));
    assert_eq!(black(Style::TALL, Align::Left), (48, vec![(6, 24)]));
    let huge = Style { width: 8, height: 8, ..Style::NORMAL };
    assert_eq!(black(huge, Align::Right), (192, vec![(336, 96)]));
    let (_, reversed) = black(Style { reverse: true, ..Style::NORMAL }, Align::Left);
    assert_eq!(reversed.len(), 12 * 24 - 1);
    assert!(!reversed.contains(&(6, 12)));
    let (_, underlined) = black(Style { underline: true, ..Style::NORMAL }, Align::Left);
    assert_eq!(underlined.len(), 1 + 2 * 12);
    assert!(underlined.contains(&(0, 22)) && underlined.contains(&(11, 23)));
}

#[test]
fn a_character_without_a_shape_is_a_box() {
    let line = draw_line(&styled(Style::NORMAL, Align::Left), Paper::Mm58, &mut NoGlyphs);
    let shown = show(&line);
    let rows: Vec<&str> = shown.lines().map(|row| &row[..12]).collect();
    assert_eq!(rows[2], "............");
    assert_eq!(rows[3], ".##########.");
    assert_eq!(rows[10], ".##......##.");
    assert_eq!(rows[20], ".##########.");
    assert_eq!(rows[21], "............");
}

#[test]
fn a_picture_is_its_lines_below_each_other() {
    let blocks = vec![
        Block::Text { text: "A".into(), style: Style::BIG, align: Align::Left },
        Block::Feed { lines: 2 },
        Block::Image { image: Image { width_dots: 8, rows: vec![0xFF; 5] }, align: Align::Center },
        Block::Barcode {
            data: "6901234567892".into(),
            symbology: Symbology::Ean13,
            height_dots: 70,
            module_dots: 2,
            caption: false,
        },
        Block::Qr { data: "https://x.cn".into(), module_dots: 4 },
    ];
    let lines = lay_out(&Document { blocks }, Paper::Mm58, &Marks::default());
    let image = draw(&lines, Paper::Mm58, &mut NoGlyphs);
    // Version 1 has 21 modules.
    assert_eq!(image.height_dots(), 2 * MARGIN_DOTS + 48 + 60 + 5 + 70 + (21 * 4 + 30));
    assert_eq!(image.width_dots, 384);
    // The finder of the QR code stands where the unit puts it: in the middle.
    let (x, y) = ((384 - 21 * 4) / 2, MARGIN_DOTS + 48 + 60 + 5 + 70);
    assert!(
        is_black(&image, x, y) && !is_black(&image, x - 1, y) && !is_black(&image, x, y - 1 + 21 * 4 + 1)
    );
    assert!((0..28).all(|dot| is_black(&image, x + dot, y) && is_black(&image, x, y + dot)));
    assert!(!is_black(&image, x + 28, y));
}

#[test]
fn what_is_drawn_for_the_unit_is_what_the_picture_shows() {
    let dialect = Dialect { qr: false, barcode: false, ..Dialect::default() };
    let blocks = vec![
        Block::Text { text: "盐😀".into(), style: Style::BIG, align: Align::Center },
        Block::Qr { data: "https://x.cn".into(), module_dots: 4 },
        Block::Barcode {
            data: "6901234567892".into(),
            symbology: Symbology::Ean13,
            height_dots: 70,
            module_dots: 2,
            caption: false,
        },
    ];
    let lines = lay_out(&Document { blocks }, Paper::Mm58, &Marks::default());
    for line in lines {
        let shown = trim_right(&draw_line(&line, Paper::Mm58, &mut Dot));
        let bytes = encode(&[line], Paper::Mm58, &dialect, &mut Dot).bytes;
        let mut rows = Vec::new();
        let mut rest = &bytes[2..];
        while let Some(size) = rest.strip_prefix(b"\x1dv0\0") {
            let length = usize::from(size[0]) * usize::from(size[2]);
            rows.extend_from_slice(&size[4..4 + length]);
            rest = &size[4 + length..];
        }
        assert_eq!(rest, b"");
        assert_eq!(rows, shown.rows);
    }
}

#[test]
fn a_png_holds_every_dot() {
    let image = Image { width_dots: 11, rows: vec![0b1010_0000, 0b0010_0000, 0x00, 0x00] };
    let file = png::encode(&image);
    let mut decoder = ::png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(::png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    assert_eq!(reader.info().size(), (11, 2));
    let mut samples = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut samples).unwrap();
    let black: Vec<usize> = (0..22).filter(|&at| samples[at] == 0).collect();
    assert_eq!(black, [0, 2, 10]);
    assert!(!png::encode(&Image::default()).is_empty());
}

#[test]
fn characters_are_drawn_with_the_machines_fonts() {
    // The package fonts-droid-fallback is needed for pictures, here as on a hub.
    let mut fonts = Fonts::installed();
    for character in "宫保鸡丁￥【】A9#".chars() {
        assert!(fonts.has(character), "no installed font has {character}");
    }
    assert!(!fonts.has('\u{E123}'), "nobody draws the private use area");
    let one = show(&fonts.glyph('一', 24, 24).unwrap());
    let rows: Vec<&str> = one.lines().filter(|row| row.contains('#')).collect();
    assert!((1..=4).contains(&rows.len()), "one stroke from left to right:\n{one}");
    assert!(rows.iter().all(|row| row.matches('#').count() >= 16), "{one}");
    // Rules touch each other, in every size.
    for (width, height) in [(24, 24), (48, 24), (48, 48)] {
        let rule = show(&fonts.glyph('─', width, height).unwrap());
        assert!(rule.lines().any(|row| row.chars().all(|dot| dot == '#')), "{rule}");
    }
    // As wide and high as the style wants it, and inside its cell.
    for (width, height) in [(12, 24), (24, 24), (24, 48), (96, 192)] {
        let glyph = fonts.glyph('W', width, height).unwrap();
        assert_eq!((glyph.width_dots, glyph.height_dots()), (width, usize::from(height)));
        let across =
            (0..usize::from(width)).filter(|&x| (0..usize::from(height)).any(|y| is_black(&glyph, x, y)));
        assert!(across.count() * 3 >= usize::from(width) * 2, "{}", show(&glyph));
    }
}

#[test]
fn files_that_are_no_fonts_have_no_characters() {
    let mut fonts = Fonts::from_files([PathBuf::from("/nowhere.ttf"), PathBuf::from(file!())]);
    assert!(!fonts.has('A'));
    assert!(!Fonts::from_files([PathBuf::from(env!("CARGO_MANIFEST_DIR"))]).has('A'), "a folder");
}
