//! Text as printers know it: GB18030, one or two bytes, one or two columns.
//!
//! A character's width is the length of its GB18030 code, not what Unicode's tables say. A character of four
//! bytes (rare ones, emoji) is in no printer's font: it takes two columns, and whoever makes bytes or dots decides
//! whether it is drawn or becomes a visible `□`. Control characters of foreign text go, so that a customer's note
//! cannot send commands; so do characters without a shape of their own. What parts words or lines anywhere parts them
//! here, too: 2 and 3 on two lines must not become 23.
//!
//! The table is made once by decoding all two-byte codes (about a millisecond and 64 KiB): the encoder of
//! `encoding_rs` searches a Chinese character's code one by one unless it is built with larger tables.

use encoding_rs::GB18030;
use std::sync::OnceLock;

/// What stands for a character that the printer lacks: `□`, A1 F5 in GB18030.
pub const PLACEHOLDER: char = '□';
const PLACEHOLDER_CODE: u16 = 0xA1F5;
const BMP_CHARACTERS: usize = 0x1_0000;

/// Text without control characters and without characters that have no shape.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    out.extend(text.chars().filter_map(clean_character));
    out
}

/// The lines of a text as whoever wrote it saw them, whatever system that was on.
pub fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split(parts_lines))
}

/// Columns of clean text in normal characters.
pub fn columns(clean: &str) -> usize {
    clean.chars().map(columns_of).sum()
}

/// Columns of a clean character.
pub fn columns_of(clean: char) -> usize {
    if clean.is_ascii() { 1 } else { 2 }
}

/// Whether units have a clean character in their fonts.
pub fn is_printable(clean: char) -> bool {
    clean.is_ascii() || code_of(clean).is_some()
}

/// Appends clean text as GB18030, with [`PLACEHOLDER`] for what units lack.
pub fn push_gb18030(clean: &str, out: &mut Vec<u8>) {
    for character in clean.chars() {
        match u8::try_from(character) {
            Ok(byte) if (0x20..0x7F).contains(&byte) => out.push(byte),
            _ => out.extend_from_slice(&code_of(character).unwrap_or(PLACEHOLDER_CODE).to_be_bytes()),
        }
    }
}

fn clean_character(character: char) -> Option<char> {
    match character {
        ' '..='~' => Some(character),
        '\t' | '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{2800}' => {
            Some(' ')
        }
        _ if parts_lines(character) => Some(' '),
        // Common, and in printers' fonts only under another code.
        '¥' => Some('￥'),
        '•' | '‧' | '∙' | '･' => Some('·'),
        '‐' | '‑' | '−' => Some('-'),
        '〜' => Some('～'),
        _ if character.is_control() || is_shapeless(character) => None,
        _ => Some(character),
    }
}

/// What ends a line: of Unix, of old Macs, of printers, and Unicode's own.
fn parts_lines(character: char) -> bool {
    matches!(character, '\n' | '\u{B}' | '\u{C}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Joiners, direction marks, fillers, variation selectors, tags and what is no character at all. Marks that stand on
/// the character before them (Unicode's blocks of them, and those of the scripts that are likeliest here) and skin tones
/// go too: alone in a cell they would be worse than missing.
fn is_shapeless(character: char) -> bool {
    matches!(
        character,
        '\u{AD}'
            | '\u{300}'..='\u{36F}'
            | '\u{483}'..='\u{489}'
            | '\u{591}'..='\u{5BD}'
            | '\u{610}'..='\u{61A}'
            | '\u{61C}'
            | '\u{64B}'..='\u{65F}'
            | '\u{670}'
            | '\u{6D6}'..='\u{6DC}'
            | '\u{E31}'
            | '\u{E34}'..='\u{E3A}'
            | '\u{E47}'..='\u{E4E}'
            | '\u{115F}'..='\u{1160}'
            | '\u{180B}'..='\u{180F}'
            | '\u{1AB0}'..='\u{1AFF}'
            | '\u{1DC0}'..='\u{1DFF}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{20D0}'..='\u{20FF}'
            | '\u{302A}'..='\u{302F}'
            | '\u{3099}'..='\u{309A}'
            | '\u{3164}'
            | '\u{FDD0}'..='\u{FDEF}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FE20}'..='\u{FE2F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFC}'
            | '\u{1F3FB}'..='\u{1F3FF}'
            | '\u{E0000}'..='\u{E0FFF}'
    ) || u32::from(character) & 0xFFFE == 0xFFFE
}

/// The two-byte code of a character that has one.
fn code_of(character: char) -> Option<u16> {
    static TABLE: OnceLock<Vec<u16>> = OnceLock::new();
    let code = *TABLE.get_or_init(two_byte_codes).get(character as usize)?;
    (code != 0).then_some(code)
}

fn two_byte_codes() -> Vec<u16> {
    // Zeroed by the system: pages without a character are never touched.
    let mut table = vec![0; BMP_CHARACTERS];
    for lead in 0x81..=0xFE_u8 {
        for trail in (0x40..=0xFE_u8).filter(|&trail| trail != 0x7F) {
            let bytes = [lead, trail];
            let Some(text) = GB18030.decode_without_bom_handling_and_without_replacement(&bytes) else {
                continue;
            };
            let mut characters = text.chars();
            let (Some(character), None) = (characters.next(), characters.next()) else { continue };
            // The private use area is for characters that each maker draws, or does not draw, as it likes.
            // The ideographic space has two codes; the first is the one that every font has.
            if !('\u{E000}'..='\u{F8FF}').contains(&character)
                && let Some(code @ 0) = table.get_mut(character as usize)
            {
                *code = u16::from_be_bytes(bytes);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gb(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push_gb18030(&clean(text), &mut out);
        out
    }

    #[test]
    fn the_table_is_the_encoders() {
        for character in '\u{80}'..='\u{FFFF}' {
            let text = character.to_string();
            let (encoded, _, unmappable) = GB18030.encode(&text);
            let private = ('\u{E000}'..='\u{F8FF}').contains(&character);
            let expected = (!unmappable && !private).then(|| <[u8; 2]>::try_from(&*encoded).ok()).flatten();
            assert_eq!(code_of(character).map(u16::to_be_bytes), expected, "U+{:04X}", character as u32);
        }
    }

    #[test]
    fn text_becomes_what_printers_take() {
        let table: [(&str, &[u8]); 16] = [
            ("A1", b"A1"),
            ("宫", &[0xB9, 0xAC]),
            ("¥5", &[0xA3, 0xA4, b'5']),
            ("€", &[0xA2, 0xE3]),
            ("😀", &[0xA1, 0xF5]),
            ("𠮷", &[0xA1, 0xF5]),
            ("a\u{1b}@\u{10}\u{4}\u{1d}V\u{7f}\u{84}b", b"a@Vb"),
            ("2\r3\u{85}4\u{2028}5\u{b}6\n7\u{1680}8\u{2800}9", b"2 3 4 5 6 7 8 9"),
            ("a\u{1dc0}\u{fe20}\u{489}\u{202e}\u{61c}b\u{3164}\u{115f}\u{ffa0}c", b"abc"),
            ("か\u{3099}", &[0xA4, 0xAB]),
            ("\u{fffd}\u{fffc}", &[0xA1, 0xF5]),
            ("سَلام", &[0xA1, 0xF5, 0xA1, 0xF5, 0xA1, 0xF5, 0xA1, 0xF5]),
            ("❤\u{fe0f}\t.", &[0xA1, 0xF5, b' ', b'.']),
            ("•\u{2003}−〜", &[0xA1, 0xA4, b' ', b'-', 0xA1, 0xAB]),
            ("👩\u{200d}👧", &[0xA1, 0xF5, 0xA1, 0xF5]),
            ("👍🏽1\u{fe0f}\u{20e3}\u{ffff}", &[0xA1, 0xF5, b'1']),
        ];
        for (text, expected) in table {
            assert_eq!(gb(text), expected, "{text:?}");
            assert_eq!(columns(&clean(text)), expected.len(), "{text:?}");
        }
    }

    #[test]
    fn lines_end_as_on_any_system() {
        let lines = |text| Vec::from_iter(paragraphs(text));
        assert_eq!(lines("a\r\nb\n\nc\rd\u{85}e\u{2029}"), ["a", "b", "", "c", "d", "e", ""]);
        assert_eq!(lines(""), [""]);
    }

    #[test]
    fn only_two_spaces_are_left() {
        let spaces = |character: &char| clean(&character.to_string()).contains(char::is_whitespace);
        let left: String = ('\0'..=char::MAX).filter(spaces).map(|space| clean(&space.to_string())).collect();
        assert_eq!(left.replace(' ', ""), "\u{3000}");
    }

    #[test]
    fn no_text_can_send_a_command() {
        for character in '\0'..=char::MAX {
            let bytes = gb(&character.to_string());
            assert!(bytes.iter().all(|&byte| byte >= 0x20 && byte != 0x7F), "U+{:04X}", character as u32);
            assert!(!clean(&character.to_string()).contains(char::is_control), "U+{:04X}", character as u32);
        }
    }
}
