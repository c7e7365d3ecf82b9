//! Documents as nobody would write them, full of what customers, platforms and attackers do write.

use docket_paper::layout::Marks;
use docket_protocol::document::{Align, Block, Cell, Document, Image, Style, Symbology};
use proptest::char;
use proptest::prelude::*;

const BLOCKS_MAX: usize = 8;
const CHARACTERS_MAX: usize = 40;

pub fn document() -> impl Strategy<Value = Document> {
    prop::collection::vec(block(), 0..BLOCKS_MAX).prop_map(|blocks| Document { blocks })
}

pub fn marks() -> impl Strategy<Value = Marks> {
    (0_u16..3, prop::option::of(text()), 0_u32..5_000).prop_map(|(repeat, backup_for, late_min)| Marks {
        repeat,
        backup_for,
        late_min,
    })
}

/// Latin, Chinese, rare and forbidden characters, in words and without.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => char::range(' ', '~'),
        4 => char::range('\u{4E00}', '\u{9FA5}'),
        1 => char::range('\u{0}', '\u{1F}'),
        1 => char::range('\u{80}', '\u{FFFF}'),
        1 => char::range('\u{1F300}', '\u{1FAFF}'),
        1 => char::range('\u{20000}', '\u{2A6DF}'),
        1 => any::<std::primitive::char>(),
        1 => Just(' '),
        1 => prop::sample::select(vec!['¥', '￥', '\n', '\t', '\u{3000}', '\u{10}', '\u{4}', '\u{1B}', '\u{1D}']),
    ];
    prop::collection::vec(character, 0..CHARACTERS_MAX).prop_map(String::from_iter)
}

fn style() -> impl Strategy<Value = Style> {
    let scale = prop_oneof![8 => 1_u8..=2, 1 => any::<u8>()];
    (scale.clone(), scale, any::<[bool; 3]>()).prop_map(|(width, height, [bold, underline, reverse])| Style {
        width,
        height,
        bold,
        underline,
        reverse,
    })
}

fn align() -> impl Strategy<Value = Align> {
    prop::sample::select(vec![Align::Left, Align::Center, Align::Right])
}

fn cell() -> impl Strategy<Value = Cell> {
    (text(), prop::option::of(0_u8..50), align()).prop_map(|(text, columns, align)| Cell {
        text,
        columns,
        align,
    })
}

fn image() -> impl Strategy<Value = Image> {
    (0_u16..700, prop::collection::vec(any::<u8>(), 0..2_000))
        .prop_map(|(width_dots, rows)| Image { width_dots, rows })
}

fn block() -> impl Strategy<Value = Block> {
    let symbology = prop::sample::select(vec![Symbology::Code128, Symbology::Ean13]);
    let code = prop_oneof!["[0-9]{12,13}", "[0-9]{1,30}", "[ -~]{0,20}", text()];
    prop_oneof![
        6 => (text(), style(), align()).prop_map(|(text, style, align)| Block::Text { text, style, align }),
        4 => (prop::collection::vec(cell(), 0..5), style())
            .prop_map(|(cells, style)| Block::Row { cells, style }),
        1 => text().prop_map(|title| Block::Rule { title }),
        1 => (0_u8..4).prop_map(|lines| Block::Feed { lines }),
        1 => (text(), any::<u8>()).prop_map(|(data, module_dots)| Block::Qr { data, module_dots }),
        1 => (image(), align()).prop_map(|(image, align)| Block::Image { image, align }),
        2 => (code, symbology, any::<(u8, u8, bool)>()).prop_map(
            |(data, symbology, (height_dots, module_dots, caption))| Block::Barcode {
                data,
                symbology,
                height_dots,
                module_dots,
                caption,
            }
        ),
        1 => Just(Block::Cut),
        1 => any::<u8>().prop_map(|connector| Block::Drawer { connector }),
        1 => any::<u8>().prop_map(|times| Block::Buzzer { times }),
    ]
}
