//! The words between brackets at the beginning of a line: `[big center]`, `[大 居中]`, `[qr 6]`.
//!
//! Each word has an English and a Chinese form, and there is one table of them, so that what is documented,
//! what is proposed after a typing error and what is read cannot differ.

use super::error::Fault;
use docket_protocol::document::{Align, Image, Style, Symbology};
use std::collections::BTreeMap;

/// The largest size, in both directions.
const SCALE_MAX: u8 = 8;
/// Lines of one `[feed]` at most.
const FEED_LINES_MAX: u8 = 20;
/// Dots of a module of a QR code, where no number says otherwise: a version 1 code is then 126 dots wide, a
/// third of 58 mm paper.
const QR_MODULE_DOTS: u8 = 6;
const QR_MODULE_DOTS_MAX: u8 = 16;
/// Height of bars, where no number says otherwise: 10 mm at 8 dots a millimetre.
const BARCODE_HEIGHT_DOTS: u8 = 80;
const DRAWER_CONNECTORS: u8 = 2;
const BUZZES_MAX: u8 = 9;

/// The pictures that templates may name.
pub type Images = BTreeMap<String, Image>;

/// What a line of a template becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// Text, or a row of cells where there are bars in it.
    Text { style: Style, align: Align },
    /// A rule; the text is its title.
    Rule,
    /// A QR code; the text is what it says.
    Qr { module_dots: u8 },
    /// A bar code; the text is what it says.
    Barcode { height_dots: u8, symbology: Symbology, caption: bool },
    /// Empty lines.
    Feed { lines: u8 },
    /// A picture.
    Image { image: Image, align: Align },
    /// A cut.
    Cut,
    /// The cash drawer.
    Drawer { connector: u8 },
    /// The buzzer.
    Buzzer { times: u8 },
}

impl Head {
    /// A line without brackets.
    pub(super) const PLAIN: Head = Head::Text { style: Style::NORMAL, align: Align::Left };

    /// Whether text may follow the brackets.
    pub(super) fn takes_text(&self) -> bool {
        match self {
            Head::Text { .. } | Head::Rule | Head::Qr { .. } | Head::Barcode { .. } => true,
            Head::Feed { .. }
            | Head::Image { .. }
            | Head::Cut
            | Head::Drawer { .. }
            | Head::Buzzer { .. } => false,
        }
    }
}

/// A word by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Big,
    Tall,
    Wide,
    Bold,
    Underline,
    Reverse,
    Left,
    Center,
    Right,
    Rule,
    Feed,
    Qr,
    Barcode,
    Image,
    Cut,
    Drawer,
    Buzzer,
    Ean13,
    Caption,
}

/// (meaning, English, Chinese). The first that fits is taken.
const WORDS: &[(Word, &str, &str)] = &[
    (Word::Big, "big", "大"),
    (Word::Tall, "tall", "高"),
    (Word::Wide, "wide", "宽"),
    (Word::Bold, "bold", "粗"),
    (Word::Underline, "underline", "下划线"),
    (Word::Reverse, "reverse", "反白"),
    (Word::Left, "left", "居左"),
    (Word::Center, "center", "居中"),
    (Word::Right, "right", "居右"),
    (Word::Rule, "rule", "横线"),
    (Word::Feed, "feed", "空行"),
    (Word::Qr, "qr", "二维码"),
    (Word::Barcode, "barcode", "条码"),
    (Word::Image, "image", "图片"),
    (Word::Cut, "cut", "切纸"),
    (Word::Drawer, "drawer", "钱箱"),
    (Word::Buzzer, "buzzer", "蜂鸣"),
    (Word::Ean13, "ean13", "商品码"),
    (Word::Caption, "caption", "带字"),
];

/// All words for people, e.g. after one that is not among them.
pub(super) fn all_words() -> String {
    WORDS.iter().map(|(_, en, zh)| format!("{en}={zh}")).collect::<Vec<_>>().join(" ")
}

/// All words in both languages.
#[cfg(test)]
pub(super) fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    WORDS.iter().map(|(_, en, zh)| (*en, *zh))
}

fn meaning(word: &str) -> Option<Word> {
    WORDS.iter().find(|(_, en, zh)| word.eq_ignore_ascii_case(en) || word == *zh).map(|(word, ..)| *word)
}

/// Whether all that stands between two brackets would be taken, so that it is no text.
pub(super) fn is_head(content: &str, images: &Images) -> bool {
    parse(content, images).is_ok()
}

/// Reads what stands between the brackets.
pub(super) fn parse(content: &str, images: &Images) -> Result<Head, Fault> {
    let words: Vec<&str> =
        content.split([' ', '\t', ',', ',', '\u{3000}']).filter(|w| !w.is_empty()).collect();
    let Some((first, rest)) = words.split_first() else { return Err(Fault::EmptyBrackets) };
    let unknown = |word: &str| Fault::Word { word: word.to_owned() };
    let number = |default: u8, max: u8| match rest {
        [] => Ok(default),
        [number] => in_range(number, max),
        [_, extra, ..] => Err(unknown(extra)),
    };
    match meaning(first) {
        Some(Word::Rule) => nothing_more(rest).map(|()| Head::Rule),
        Some(Word::Cut) => nothing_more(rest).map(|()| Head::Cut),
        Some(Word::Feed) => Ok(Head::Feed { lines: number(1, FEED_LINES_MAX)? }),
        Some(Word::Qr) => Ok(Head::Qr { module_dots: number(QR_MODULE_DOTS, QR_MODULE_DOTS_MAX)? }),
        Some(Word::Drawer) => Ok(Head::Drawer { connector: number(1, DRAWER_CONNECTORS)? }),
        Some(Word::Buzzer) => Ok(Head::Buzzer { times: number(1, BUZZES_MAX)? }),
        Some(Word::Barcode) => barcode(rest),
        Some(Word::Image) => image(rest, images),
        _ => text(&words),
    }
}

fn nothing_more(rest: &[&str]) -> Result<(), Fault> {
    match rest.first() {
        None => Ok(()),
        Some(word) => Err(Fault::Word { word: (*word).to_owned() }),
    }
}

fn in_range(number: &str, max: u8) -> Result<u8, Fault> {
    let fault = || Fault::Number { number: number.to_owned(), max };
    number.parse().ok().filter(|number| (1..=max).contains(number)).ok_or_else(fault)
}

fn barcode(rest: &[&str]) -> Result<Head, Fault> {
    let (mut height_dots, mut symbology, mut caption) = (BARCODE_HEIGHT_DOTS, Symbology::Code128, false);
    for word in rest {
        match meaning(word) {
            Some(Word::Ean13) => symbology = Symbology::Ean13,
            Some(Word::Caption) => caption = true,
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => height_dots = in_range(word, u8::MAX)?,
            _ => return Err(Fault::Word { word: (*word).to_owned() }),
        }
    }
    Ok(Head::Barcode { height_dots, symbology, caption })
}

fn image(rest: &[&str], images: &Images) -> Result<Head, Fault> {
    let (mut named, mut at) = (None, Align::Center);
    for word in rest {
        match align(word) {
            Some(align) => at = align,
            None if named.is_none() => named = Some(*word),
            None => return Err(Fault::Word { word: (*word).to_owned() }),
        }
    }
    let name = named.ok_or(Fault::ImageName)?;
    match images.get(name) {
        Some(image) => Ok(Head::Image { image: image.clone(), align: at }),
        None => Err(Fault::ImageUnknown {
            name: name.to_owned(),
            known: images.keys().map(String::as_str).collect::<Vec<_>>().join(" "),
        }),
    }
}

fn text(words: &[&str]) -> Result<Head, Fault> {
    let (mut style, mut at) = (Style::NORMAL, Align::Left);
    for word in words {
        match meaning(word) {
            Some(Word::Big) => {
                style = Style { underline: style.underline, reverse: style.reverse, ..Style::BIG }
            }
            Some(Word::Tall) => style.height = Style::TALL.height,
            Some(Word::Wide) => style.width = Style::BIG.width,
            Some(Word::Bold) => style.bold = true,
            Some(Word::Underline) => style.underline = true,
            Some(Word::Reverse) => style.reverse = true,
            _ => match (align(word), size(word)) {
                (Some(align), _) => at = align,
                (None, Some(size)) => (style.width, style.height) = size?,
                (None, None) => return Err(Fault::Word { word: (*word).to_owned() }),
            },
        }
    }
    Ok(Head::Text { style, align: at })
}

fn align(word: &str) -> Option<Align> {
    match meaning(word)? {
        Word::Left => Some(Align::Left),
        Word::Center => Some(Align::Center),
        Word::Right => Some(Align::Right),
        _ => None,
    }
}

/// `2x3`: so many times as wide and as high.
fn size(word: &str) -> Option<Result<(u8, u8), Fault>> {
    let (width, height) = word.split_once(['x', 'X', '×'])?;
    if ![width, height].iter().all(|part| part.starts_with(|c: char| c.is_ascii_digit())) {
        return None;
    }
    Some(in_range(width, SCALE_MAX).and_then(|width| Ok((width, in_range(height, SCALE_MAX)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<Head, Fault> {
        parse(content, &Images::from([("logo".into(), Image { width_dots: 8, rows: vec![0xFF] })]))
    }

    #[test]
    fn both_languages_mean_the_same() {
        for (word, en, zh) in WORDS {
            assert_eq!(meaning(en), Some(*word));
            assert_eq!(meaning(zh), Some(*word), "{zh}");
        }
        assert_eq!(read("big center"), read("大 居中"));
        assert_eq!(read("tall, bold"), read("高,粗"));
    }

    #[test]
    fn styles_add_up() {
        let head = |style, align| Ok(Head::Text { style, align });
        assert_eq!(read("big center"), head(Style::BIG, Align::Center));
        assert_eq!(read("reverse big"), head(Style { reverse: true, ..Style::BIG }, Align::Left));
        assert_eq!(read("tall bold right"), head(Style { height: 2, ..Style::BOLD }, Align::Right));
        assert_eq!(read("3x4"), head(Style { width: 3, height: 4, ..Style::NORMAL }, Align::Left));
    }

    #[test]
    fn what_is_not_text() {
        assert_eq!(read("rule"), Ok(Head::Rule));
        assert_eq!(read("feed 3"), Ok(Head::Feed { lines: 3 }));
        assert_eq!(read("qr"), Ok(Head::Qr { module_dots: 6 }));
        assert_eq!(read("钱箱 2"), Ok(Head::Drawer { connector: 2 }));
        let bars = Head::Barcode { height_dots: 60, symbology: Symbology::Ean13, caption: true };
        assert_eq!(read("barcode 60 ean13 caption"), Ok(bars));
        assert!(matches!(read("image logo left"), Ok(Head::Image { align: Align::Left, .. })));
    }

    #[test]
    fn mistakes_are_named() {
        let word = |word: &str| Err(Fault::Word { word: word.into() });
        assert_eq!(read("bigg center"), word("bigg"));
        assert_eq!(read("center rule"), word("rule"));
        assert_eq!(read("cut now"), word("now"));
        assert_eq!(read("feed 3 4"), word("4"));
        assert_eq!(read("9x1"), Err(Fault::Number { number: "9".into(), max: 8 }));
        assert_eq!(read("feed 0"), Err(Fault::Number { number: "0".into(), max: 20 }));
        assert_eq!(read("qr 300"), Err(Fault::Number { number: "300".into(), max: 16 }));
        assert_eq!(read(" "), Err(Fault::EmptyBrackets));
        assert_eq!(read("image"), Err(Fault::ImageName));
        assert_eq!(
            read("image lgoo"),
            Err(Fault::ImageUnknown { name: "lgoo".into(), known: "logo".into() })
        );
    }
}
