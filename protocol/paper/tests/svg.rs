//! The drawing for browsers.

use docket_paper::escpos::{Dialect, encode};
use docket_paper::glyphs::{Glyphs, NoGlyphs};
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use docket_paper::raster::black_dots;
use docket_paper::{Paper, svg};
use docket_protocol::document::{Align, Block, Document, Image, Style};
use proptest::prelude::*;

fn lines(text: &str, style: Style, align: Align, paper: Paper) -> Vec<Line> {
    let block = Block::Text { text: text.into(), style, align };
    lay_out(&Document { blocks: vec![block] }, paper, &Marks::default())
}

fn draw(text: &str, style: Style, align: Align, paper: Paper) -> String {
    let lines = lines(text, style, align, paper);
    svg::draw(&lines, paper, &Dialect::default(), &mut NoGlyphs)
}

/// Fonts that have what stands in them: a cell that is black but for its last column.
struct Having(&'static str);

impl Glyphs for Having {
    fn glyph(&mut self, character: char, width_dots: u16, height_dots: u16) -> Option<Image> {
        let rows = [0xFF, 0xFF, 0xFE].repeat(usize::from(height_dots));
        (self.0.contains(character) && width_dots == 24).then_some(Image { width_dots, rows })
    }
}

/// Place, length and text of each text element, with the scale of the group around it.
fn words(svg: &str) -> Vec<(String, String, String)> {
    let attribute = |element: &str, name: &str| {
        let (_, rest) = element.split_once(&format!(" {name}=\"")).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    svg.split("<text")
        .skip(1)
        .map(|element| {
            let (head, rest) = element.split_once('>').unwrap();
            let text = rest.split("</text>").next().unwrap();
            (attribute(head, "x"), attribute(head, "textLength"), text.to_owned())
        })
        .collect()
}

#[test]
fn words_stand_in_their_columns() {
    let svg = draw("合计 x2  ￥56.00", Style::BIG, Align::Right, Paper::Mm58);
    let expected = [("0", "48", "合计"), ("60", "24", "x2"), ("108", "24", "￥"), ("132", "60", "56.00")];
    let found = words(&svg);
    let found: Vec<_> = found.iter().map(|(x, length, text)| (&**x, &**length, &**text)).collect();
    assert_eq!(found, expected);
    // 16 columns, twice as wide, at the right of 384 dots.
    assert!(svg.contains("translate(0 32) scale(2 2)"), "{svg}");
}

#[test]
fn foreign_text_stays_text() {
    let svg = draw("<script>alert('1&2\")</script>", Style::NORMAL, Align::Left, Paper::Mm80);
    let text: String = words(&svg).into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(text, "&lt;script&gt;alert(&#39;1&amp;2&quot;)&lt;/script&gt;");
}

/// Black dots of the one path in a drawing, by row: where each begins and ends.
fn strokes(svg: &str) -> Vec<(usize, usize, usize)> {
    let (_, rest) = svg.split_once(" d=\"").unwrap();
    let path = rest.split('"').next().unwrap();
    let (mut row, mut pen, mut found) = (0, 0, Vec::new());
    for step in path.split_inclusive(['M', 'm']).map(|step| step.trim_end_matches(['M', 'm'])) {
        let Some((from, width)) = step.split_once('h') else { continue };
        let (x, y) = from.split_once(' ').unwrap();
        let (x, width): (usize, usize) = (x.parse().unwrap(), width.parse().unwrap());
        match y.strip_suffix(".5") {
            Some(y) => (row, pen) = (y.parse().unwrap(), x),
            None => pen += x,
        }
        found.push((row, pen, pen + width));
        pen += width;
    }
    found
}

#[test]
fn what_neither_unit_nor_pc_has_is_the_units_placeholder() {
    let found = words(&draw("盐😀吉", Style::NORMAL, Align::Left, Paper::Mm80));
    let places: Vec<_> = found.iter().map(|(x, _, text)| (&**x, &**text)).collect();
    assert_eq!(places, [("0", "盐□吉")]);
    let latin = Dialect { chinese: false, ..Dialect::default() };
    let lines = lines("a盐 b", Style::NORMAL, Align::Left, Paper::Mm80);
    let found = words(&svg::draw(&lines, Paper::Mm80, &latin, &mut NoGlyphs));
    let places: Vec<_> = found.iter().map(|(x, _, text)| (&**x, &**text)).collect();
    assert_eq!(places, [("0", "a??"), ("48", "b")]);
}

#[test]
fn what_only_the_pc_has_is_the_very_raster_that_the_unit_gets() {
    let lines = lines("盐😀🐟", Style::NORMAL, Align::Left, Paper::Mm58);
    let mut fonts = Having("盐😀");
    let svg = svg::draw(&lines, Paper::Mm58, &Dialect::default(), &mut fonts);
    assert_eq!(words(&svg), [], "the browser's fonts have no say: {svg}");
    let printed = encode(&lines, Paper::Mm58, &Dialect::default(), &mut fonts);
    assert_eq!(printed.missing, ['🐟'].into());
    // GS v 0 in bands of 24 rows: 9 bytes wide.
    let (mut rows, mut rest) = (Vec::new(), &printed.bytes[2..]);
    while let [0x1D, 0x76, 0x30, 0, 9, 0, height, 0, more @ ..] = rest {
        let (band, more) = more.split_at(9 * usize::from(*height));
        rows.extend(band.chunks(9));
        rest = more;
    }
    assert_eq!(rest, [], "nothing but raster");
    let mut black = Vec::new();
    for (y, row) in rows.iter().enumerate() {
        black.extend(black_dots(row).map(|x| (y, x)));
    }
    let seen: Vec<_> =
        strokes(&svg).into_iter().flat_map(|(y, from, to)| (from..to).map(move |x| (y, x))).collect();
    assert_eq!(seen, black);
    assert!(black.contains(&(3, 51)) && !black.contains(&(12, 60)), "a box stands in the third cell");
}

proptest! {
    #[test]
    fn no_text_leaves_its_element(text: String) {
        let svg = draw(&text, Style::BIG, Align::Center, Paper::Mm58);
        let elements = svg.matches('<').count();
        let known = ["<svg ", "</svg>", "<rect ", "<g ", "</g>", "<text ", "</text>"];
        prop_assert_eq!(known.iter().map(|tag| svg.matches(tag).count()).sum::<usize>(), elements);
        prop_assert_eq!(svg.matches("<text ").count(), svg.matches("</text>").count());
        prop_assert!(!svg.contains(char::is_control));
    }
}
