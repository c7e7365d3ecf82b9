//! The drawing for browsers.

use docket_paper::layout::{Marks, lay_out};
use docket_paper::{Paper, svg};
use docket_protocol::document::{Align, Block, Document, Style};
use proptest::prelude::*;

fn draw(text: &str, style: Style, align: Align, paper: Paper) -> String {
    let block = Block::Text { text: text.into(), style, align };
    svg::draw(&lay_out(&Document { blocks: vec![block] }, paper, &Marks::default()), paper)
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

#[test]
fn characters_that_units_lack_stand_alone() {
    let found = words(&draw("盐😀吉", Style::NORMAL, Align::Left, Paper::Mm80));
    let places: Vec<_> = found.iter().map(|(x, _, text)| (&**x, &**text)).collect();
    // In the middle of the cell, whatever the browser's font makes of it.
    assert_eq!(places, [("0", "盐"), ("36", "😀"), ("48", "吉")]);
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
