//! The codes that are written in sources.
//!
//! A code is written wherever it is said: in a `fn code()`, before the colon of an error's text, as the field `code` of a
//! log, as an argument, as a constant. So it is told by its form and not by its place: **words joined by hyphens that are
//! a whole literal, or stand before a colon at its beginning, are a code**, and what only looks like one is in a list
//! (`NO_CODES`). A new code can be overlooked in no place; a word that is none has to be named as such. A code of one
//! word has no form of its own: it is one before a colon, and where only codes stand ([`CODE_PLACES`]).
//!
//! Tests say codes, too, and are left out.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a literal that is a code stands behind.
const CODE_PLACES: [&str; 4] = ["code = \"", "code: \"", "Refused::new(", "Trouble::new("];

/// The codes that a folder's sources say, and who says them.
pub fn said_in(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry of a folder").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "tests" {
            found.extend(said_in(&path));
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            found.extend(codes(&text).into_iter().map(|code| (code, path.clone())));
        }
    }
    found
}

/// The codes of one source, in their order.
pub fn codes(source: &str) -> Vec<String> {
    // Tests stand last in a file (STYLE).
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let literals = literals(source);
    let mut bare = source.as_bytes().to_vec();
    for literal in &literals {
        bare[literal.clone()].fill(b' ');
    }
    let bare = String::from_utf8_lossy(&bare);
    let places = where_codes_stand(&bare);
    let code = |literal: &Range<usize>| {
        let text = &source[literal.clone()];
        let before = text.split_once(": ").map(|(before, _)| before);
        let alone = places.iter().any(|place| place.contains(&literal.start));
        let is_code = |text: &&str| is_kebab(text) && (text.contains('-') || alone);
        before.filter(|before| is_kebab(before)).or_else(|| Some(text).filter(is_code))
    };
    literals.iter().filter_map(code).map(str::to_owned).collect()
}

fn is_kebab(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.split('-').all(is_word)
}

/// Where a word alone is a code, in a source whose literals are blank.
fn where_codes_stand(bare: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for (at, found) in bare.match_indices("fn code(") {
        let body = at + found.len() + bare[at + found.len()..].find('{').unwrap_or_default();
        places.push(body..end_of_block(bare, body));
    }
    for (at, found) in CODE_PLACES.iter().flat_map(|place| bare.match_indices(place)) {
        let begin = at + found.len();
        // Of a call the first literal, with whatever comes before it.
        let first =
            if found.ends_with('(') { bare[begin..].find('"').map_or(0, |quote| quote + 1) } else { 0 };
        places.push(begin..begin + first + 1);
    }
    places
}

/// The end of the block that begins at `open`.
fn end_of_block(bare: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in bare.bytes().enumerate().skip(open) {
        depth = match byte {
            b'{' => depth + 1,
            b'}' if depth == 1 => return at,
            b'}' => depth - 1,
            _ => depth,
        };
    }
    bare.len()
}

/// Where the contents of a source's string literals are. Comments and characters hold none.
fn literals(source: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let bytes = source.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source.as_bytes()[at..];
        let skip = |end: &[u8]| rest.windows(end.len()).position(|these| these == end).unwrap_or(rest.len());
        at += match rest {
            [b'/', b'/', ..] => skip(b"\n"),
            [b'/', b'*', ..] => skip(b"*/"),
            [b'\'', b'\\', _, tail @ ..] => {
                3 + tail.iter().position(|&byte| byte == b'\'').unwrap_or_default() + 1
            }
            [b'\'', b'"', b'\'', ..] => 3,
            [b'r', b'"' | b'#', ..] if !before_is_word(bytes, at) => {
                let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
                let begin = 2 + hashes;
                if rest.get(begin - 1) == Some(&b'"') {
                    let end = [b"\"", &rest[1..=hashes]].concat();
                    let length = rest[begin..].windows(end.len()).position(|these| these == end);
                    let length = length.unwrap_or(rest.len() - begin);
                    found.push(at + begin..at + begin + length);
                    begin + length + end.len()
                } else {
                    1
                }
            }
            [b'"', tail @ ..] => {
                let mut length = 0;
                while let Some(&byte) = tail.get(length).filter(|&&byte| byte != b'"') {
                    length += if byte == b'\\' { 2 } else { 1 };
                }
                found.push(at + 1..at + 1 + length);
                length + 2
            }
            _ => 1,
        };
    }
    found
}

fn before_is_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_alphanumeric() || bytes[before] == b'_')
}
