//! What has to be put on a PC so that its characters do not come out as boxes any more.
//!
//! The remedy follows from the characters alone, so that a hub can tell it for a store's PC, too: it names the file of
//! Windows and the package of Debian. Each is one that `font` looks for; what is named here for Linux was tried with
//! that package's own files. A font counts as soon as what was not found is forgotten (`REMEMBERED_MS_MAX`).

use crate::text::is_printable;
use std::collections::BTreeSet;

/// A kind of characters for which one font is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Chinese as every printer has it, but for the one in question.
    Chinese,
    /// Rare Chinese characters, as in names of people and places.
    RareChinese,
    /// Emoji, arrows and the like.
    Symbols,
    /// Other scripts.
    Script,
    /// What everybody may use as they like: no font has it.
    Nothing,
}

impl Wanted {
    /// What these characters want, each kind once.
    pub fn by(characters: &str) -> BTreeSet<Wanted> {
        characters.chars().filter(|character| !is_own(*character)).map(Wanted::by_character).collect()
    }

    fn by_character(character: char) -> Wanted {
        match character {
            '\u{E000}'..='\u{F8FF}' | '\u{F0000}'.. => Wanted::Nothing,
            '\u{2E80}'..='\u{2FDF}'
            | '\u{3000}'..='\u{303F}'
            | '\u{3400}'..='\u{4DBF}'
            | '\u{4E00}'..='\u{9FFF}'
            | '\u{F900}'..='\u{FAFF}'
            | '\u{20000}'..='\u{3FFFF}' => match is_printable(character) {
                true => Wanted::Chinese,
                false => Wanted::RareChinese,
            },
            '\u{A1}'..='\u{BF}' | '\u{2000}'..='\u{2BFF}' | '\u{1F000}'..='\u{1FAFF}' => Wanted::Symbols,
            character if is_printable(character) => Wanted::Chinese,
            _ => Wanted::Script,
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(self) -> (&'static str, &'static str) {
        match self {
            Wanted::Chinese => (
                "门店电脑没有中文字体:Windows 放 msyh.ttc 到字体文件夹,Linux 装 fonts-noto-cjk;装好一分钟后起效",
                "the PC has no Chinese font: Windows msyh.ttc in its folder of fonts, Linux fonts-noto-cjk; it counts a \
                 minute later",
            ),
            Wanted::RareChinese => (
                "生僻字要字体:Windows 放 simsunb.ttf 到字体文件夹,Linux 装 fonts-hanazono;装好一分钟后起效",
                "rare Chinese characters need a font: Windows simsunb.ttf in its folder of fonts, Linux \
                 fonts-hanazono; it counts a minute later",
            ),
            Wanted::Symbols => (
                "表情和符号要字体:Windows 放 seguiemj.ttf 和 seguisym.ttf 到字体文件夹,Linux 装 fonts-symbola 和 \
                 fonts-unifont;装好一分钟后起效",
                "emoji and signs need a font: Windows seguiemj.ttf and seguisym.ttf in its folder of fonts, Linux \
                 fonts-symbola and fonts-unifont; it counts a minute later",
            ),
            Wanted::Script => (
                "其他文字要字体:Windows 放 arial.ttf、tahoma.ttf 或 malgun.ttf 到字体文件夹,Linux 装 \
                 fonts-unifont;装好一分钟后起效",
                "other scripts need a font: Windows arial.ttf, tahoma.ttf or malgun.ttf in its folder of fonts, \
                 Linux fonts-unifont; it counts a minute later",
            ),
            Wanted::Nothing => (
                "这些是自造字符,没有字体能显示:若在菜名里,请在平台上改掉",
                "these characters are somebody's own and no font has them: where they are part of a dish's name, change that",
            ),
        }
    }
}

/// What stands in a list of boxes and is none: it says how many more there are.
fn is_own(character: char) -> bool {
    character.is_ascii() || character == '…'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_named_once() {
        let by = |characters: &str| Vec::from_iter(Wanted::by(characters));
        assert_eq!(by(""), []);
        assert_eq!(by("😀❤🥟®™…+3"), [Wanted::Symbols]);
        assert_eq!(by("𠮷㐂"), [Wanted::RareChinese]);
        assert_eq!(by("盐ёら、"), [Wanted::Chinese]);
        assert_eq!(by("한สأ"), [Wanted::Script]);
        assert_eq!(by("\u{E123}"), [Wanted::Nothing]);
        assert_eq!(by("盐𠮷😀한\u{10FFFD}").len(), 5);
    }
}
