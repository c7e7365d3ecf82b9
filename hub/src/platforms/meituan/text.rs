//! Foreign text, made fit to keep and to print.
//!
//! A customer's note must not be able to send commands to a printer, end a line of a log or turn the reading
//! direction of a console. Control characters and marks of direction go; a line feed or a tab becomes a
//! space. Everything else, emoji too, stays: what a printer lacks is the agent's business.

/// The longest text that is kept, in characters; what is beyond is cut and ends in `…`.
pub const TEXT_CHARS_MAX: usize = 1_000;
/// The longest name, code or choice, in characters.
pub const LABEL_CHARS_MAX: usize = 200;

/// Text of a note or an address.
pub fn clean_text(text: &str) -> String {
    clean(text, TEXT_CHARS_MAX)
}

/// Text of a name, a code or a choice.
pub fn clean_label(text: &str) -> String {
    clean(text, LABEL_CHARS_MAX)
}

fn clean(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max * 4));
    let kept = text.chars().filter_map(|c| match c {
        '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() => None,
        // Marks of direction, joined to nothing visible; and the byte order mark.
        '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' => None,
        c => Some(c),
    });
    for (count, c) in kept.skip_while(|c| c.is_whitespace()).enumerate() {
        if count == chars_max {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go() {
        assert_eq!(clean_text("a\u{1b}@\u{1d}V\0b\u{7f}\u{9b}c"), "a@Vbc");
        assert_eq!(clean_text(" 少放辣\r\n不要\t葱 "), "少放辣  不要 葱");
        assert_eq!(clean_text("2\u{b}3\u{c}4\u{85}5"), "2 3 4 5", "what was on two lines is not one number");
        assert_eq!(clean_text("x\u{202e}gpj\u{2069}"), "xgpj");
        assert_eq!(clean_text("👨\u{200d}🍳 ok"), "👨\u{200d}🍳 ok", "joined emoji stay");
    }

    #[test]
    fn long_text_is_cut_visibly() {
        let cut = clean_label(&"长".repeat(5_000));
        assert_eq!(cut.chars().count(), LABEL_CHARS_MAX + 1);
        assert!(cut.ends_with('…'));
        assert_eq!(clean_label(&"长".repeat(LABEL_CHARS_MAX)).chars().count(), LABEL_CHARS_MAX);
    }
}
