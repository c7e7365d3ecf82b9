//! `docs/errors.md` has each code that a program can say, with cause and remedy in both languages, and no other.

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The sources of what people run.
const SOURCES: [&str; 5] =
    ["agent/src", "hub/src", "protocol/src", "protocol/paper/src", "protocol/routing/src"];

/// What is written like a code and is none. Each stands in the sources, or it is to be taken out.
#[rustfmt::skip]
const NO_CODES: &[&str] = &[
    // HTTP, HTML, server-sent events, serde.
    "accept-language", "color-scheme", "cross-origin-opener-policy", "cross-origin-resource-policy", "event",
    "kebab-case", "no-referrer", "no-store", "retry", "same-origin", "same-site", "sec-fetch-mode", "sec-fetch-site",
    "id", "idempotency-key", "idempotency-replayed", "last-event-id", "utf-8", "x-accel-buffering",
    // How an order leaves a store, and what the hub is told of a counter.
    "cut-short", "dine-in", "take-away",
    // What headquarters asks, and that it was done.
    "done", "log-level", "test-page",
    // Programs, threads, languages.
    "docket-agent", "docket-hub", "docket-spool", "en", "storage-reader", "storage-writer", "zh",
    // Models of printers, and what a profile says of one.
    "at-once", "epson-tm", "epson-tm-t20ii", "epson-tm-t20iii", "epson-tm-t82iii", "epson-tm-t88v", "epson-tm-t88vi",
    "generic-58", "generic-80", "gs-h", "gs-r", "in-order", "init-keeps", "kanji-size", "status-busy",
    "xprinter-xp-s260m",
    // Beginnings of sentences.
    "late", "printers", "routing", "syntax", "templates",
];

struct Entry {
    line: usize,
    codes: Vec<String>,
    cells: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of all tables.
fn entries(page: &str) -> Vec<Entry> {
    let rows = page.lines().zip(1..).filter(|(line, _)| line.starts_with("| `"));
    let entry = |(row, line): (&str, usize)| {
        let cells: Vec<String> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let codes = cells[0].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Entry { line, codes, cells }
    };
    rows.map(entry).collect()
}

/// What is wrong with how a cell says something in Chinese and, after a slash, in English.
fn fault(cell: &str) -> Option<&'static str> {
    let chinese = |text: &str| text.chars().any(|c| ('\u{4E00}'..='\u{9FFF}').contains(&c));
    match cell.split_once("/ ") {
        None => Some("is in one language"),
        Some((zh, en)) if !zh.ends_with([' ', ')', '」']) || en.contains(" / ") => {
            Some("has a slash too many")
        }
        Some((zh, _)) if !chinese(zh) => Some("has no Chinese"),
        Some((_, en)) if chinese(en) || !en.contains(|c: char| c.is_ascii_alphabetic()) => {
            Some("has no English")
        }
        Some(_) => None,
    }
}

#[test]
fn each_code_has_its_entry_and_each_entry_its_code() {
    let mut said: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in SOURCES {
        said.extend(sources::said_in(&root().join(folder)));
    }
    assert!(said.len() > 150, "only {} codes are found: {said:?}", said.len());
    let page = std::fs::read_to_string(root().join("docs/errors.md")).expect("docs/errors.md");
    let mut wrong = Vec::new();
    let mut written = BTreeSet::new();
    for Entry { line, codes, cells } in entries(&page) {
        if cells.len() != 3 {
            wrong.push(format!("line {line}: {} cells, not code, cause and remedy", cells.len()));
        }
        wrong.extend(
            cells.iter().skip(1).filter_map(|cell| Some(format!("line {line}: {cell:?} {}", fault(cell)?))),
        );
        for code in codes {
            if !said.contains_key(&code) || NO_CODES.contains(&code.as_str()) {
                wrong.push(format!("line {line}: no program says `{code}`"));
            }
            if !written.insert(code.clone()) {
                wrong.push(format!("line {line}: `{code}` has two entries"));
            }
        }
    }
    for (code, file) in &said {
        if !written.contains(code) && !NO_CODES.contains(&code.as_str()) {
            wrong.push(format!("`{code}` of {} has no entry", file.display()));
        }
    }
    wrong.extend(
        NO_CODES.iter().filter(|word| !said.contains_key(**word)).map(|word| format!("`{word}` is nowhere")),
    );
    assert!(wrong.is_empty(), "docs/errors.md and the sources differ:\n{}", wrong.join("\n"));
}

#[test]
fn the_check_itself_sees_what_it_is_for() {
    let source = r##"
        // A comment says "not-this-one", and so does /* "nor-this" */ one.
        const REFUSED: &str = "template-refused";
        #[error("hub-name: {hub}: {cause}; check it (\"quoted-inside\")")]
        fn code(&self) -> (&'static str, char) { match self { Gap => ("gap", '"'), Two => ("two-words", '\'') } }
        fn title() -> &'static str { "word" }
        warn!(code = "frame", %error, "closing");
        Err(Refused::new(StatusCode::NOT_FOUND, "method", "只接受", "only"))
        let raw = r#"raw-string: "x""#;
        let bytes = b"hub-stopping"; let sentence = "a half-finished sentence: no"; let shouted = "X-Header";
        #[cfg(test)]
        mod tests {
            const OF_A_TEST: &str = "of-a-test";
    "##;
    let expected =
        ["template-refused", "hub-name", "gap", "two-words", "frame", "method", "raw-string", "hub-stopping"];
    let unindented: String = source.lines().map(|line| format!("{}\n", line.trim_start())).collect();
    assert_eq!(sources::codes(&unindented), expected);

    assert_eq!(fault("磁盘满 / the disk is full"), None);
    assert_eq!(fault("磁盘满(总部)/ the hub's disk is full"), None);
    for half in ["磁盘满", "the disk is full", "磁盘满 / ", "磁盘满 / 满", "disk / full"] {
        assert!(fault(half).is_some(), "{half}");
    }
    let page = "| 代码 | 原因 |\n|---|---|\n| `a-b`、`c-d` | 甲 / a | 乙 / b |\n";
    let read: Vec<_> =
        entries(page).into_iter().map(|entry| (entry.line, entry.codes, entry.cells.len())).collect();
    assert_eq!(read, [(3, vec!["a-b".to_owned(), "c-d".to_owned()], 3)]);
}
