//! The template language's tags, read just enough to know what stands outside them.

use super::error::Fault;

/// The longest `{{ }}` or `{% %}`.
const TAG_BYTES_MAX: usize = 1_000;
/// `{% elif %}`s of a template at most.
const ELIFS_MAX: usize = 100;

/// Whether what it encloses is no template.
pub(super) fn is_raw(tag: &str) -> bool {
    let word = tag.strip_prefix("{%").map(|tag| tag.trim_start_matches(['-', '+']).trim_start());
    let after = word.and_then(|word| word.strip_prefix("raw"));
    after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Bytes of the tag with which the text begins; all of it where the tag has no end, which is for the template
/// language to say.
pub(super) fn tag_bytes(text: &str) -> usize {
    let end = match text.as_bytes().get(1) {
        Some(b'{') => "}}",
        Some(b'%') => "%}",
        _ => return text.find("#}").map_or(text.len(), |at| at + 2),
    };
    let (mut quote, mut open, mut is_escaped) = (None, 0_usize, false);
    for (at, character) in text.char_indices().skip(2) {
        match (quote, character) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(begun), character) if begun == character => quote = None,
            (Some(_), _) => {}
            (None, _) if open == 0 && text[at..].starts_with(end) => return at + end.len(),
            (None, '"' | '\'') => quote = Some(character),
            (None, '(' | '[' | '{') => open += 1,
            (None, ')' | ']' | '}') => open = open.saturating_sub(1),
            (None, _) => {}
        }
    }
    text.len()
}

/// The template language follows each operator, and each `elif`, one call deeper: a thread's stack ends long before
/// a file does. So tags are short, and chains too.
pub(super) fn check_tags(template: &str) -> Result<(), (usize, Fault)> {
    let (mut rest, mut elifs) = (template, 0);
    while let Some(at) = rest.find('{') {
        rest = &rest[at..];
        if !["{{", "{%", "{#"].iter().any(|open| rest.starts_with(open)) {
            rest = &rest[1..];
            continue;
        }
        let bytes = tag_bytes(rest);
        let tag = &rest[..bytes];
        elifs += usize::from(tag.trim_start_matches(['{', '%', '-', '+', ' ', '\n']).starts_with("elif"));
        if (bytes > TAG_BYTES_MAX && !tag.starts_with("{#")) || elifs > ELIFS_MAX {
            let number = template[..template.len() - rest.len()].matches('\n').count() + 1;
            return Err((number, Fault::TagTooLong { bytes_max: TAG_BYTES_MAX, elifs_max: ELIFS_MAX }));
        }
        rest = &rest[bytes..];
    }
    Ok(())
}
