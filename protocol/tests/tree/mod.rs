//! What the tree may not contain (STYLE 1): `protocol` is types, codec and pure state machines, without I/O,
//! clock or randomness; agent and hub depend on it and never on each other.

use std::fs;
use std::path::{Path, PathBuf};

/// All that the protocol may lean on. What is added here is linked into the agent, too.
const DEPENDENCIES: [&str; 5] = ["miniz_oxide", "postcard", "serde", "thiserror", "uuid"];
/// All that routing may.
const ROUTING_DEPENDENCIES: [&str; 4] = ["docket-paper", "docket-protocol", "serde", "thiserror"];
/// Of [`BANNED`], what routing may use: the templates in force are swapped while slips are made, and no slip depends on
/// the order of a map.
const ROUTING_MAY: [&str; 2] = ["std::sync", "HashMap"];

/// All that settings may.
const SETTINGS_DEPENDENCIES: [&str; 6] =
    ["docket-paper", "docket-protocol", "docket-routing", "serde", "thiserror", "toml"];
/// Of [`BANNED`], what settings may use: addresses, and templates that are shared.
const SETTINGS_MAY: [&str; 2] = ["std::net", "std::sync"];

/// Paths and words that code of the protocol may not contain.
const BANNED: [&str; 17] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::path",
    "std::process",
    "std::sync",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "elapsed",
    "RandomState",
    "HashMap",
    "new_v4",
    "rand",
    "tokio",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(member: &str) -> String {
    let text = read(&workspace().join(member).join("Cargo.toml"));
    text.lines().filter(|line| !line.trim_start().starts_with('#')).map(|line| format!("{line}\n")).collect()
}

/// The names in all tables of dependencies that a program is built with.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            let kind = table.rsplit_once("'.").map_or(table, |(_, kind)| kind);
            inside = kind == "dependencies" || kind == "build-dependencies";
            // [dependencies.serde]
            names.extend(kind.strip_prefix("dependencies.").map(str::to_owned));
        } else if inside && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Code without comments, and with `use std::{fs, io}` written as `std::fs std::io`.
fn code(text: &str) -> String {
    let mut code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .flat_map(|line| [line, "\n"])
        .collect();
    while let Some(start) = code.find("std::{") {
        let end = code[start..].find(';').map_or(code.len(), |end| start + end);
        let group = code[start + "std::{".len()..end].replace(['{', '}'], " ");
        let paths: String = group.split(',').map(|path| format!("std::{} ", path.trim())).collect();
        code.replace_range(start..end, &paths);
    }
    code
}

/// Whether the code has this path or word, and not only as a part of another word.
fn has(code: &str, banned: &str) -> bool {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(banned).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + banned.len()..].chars().next();
        !before.is_some_and(of_word) && !after.is_some_and(of_word)
    })
}

#[test]
fn the_protocol_depends_on_what_is_listed() {
    assert_eq!(dependencies(&manifest("protocol")), DEPENDENCIES);
    assert_eq!(dependencies(&manifest("protocol/routing")), ROUTING_DEPENDENCIES);
    assert_eq!(dependencies(&manifest("protocol/settings")), SETTINGS_DEPENDENCIES);
}

#[test]
fn agent_and_hub_know_the_protocol_and_not_each_other() {
    for (member, other) in [("agent", "docket-hub"), ("hub", "docket-agent")] {
        let manifest = manifest(member);
        assert!(dependencies(&manifest).contains(&"docket-protocol".to_owned()), "{member} without protocol");
        assert!(!manifest.contains(other), "{member}/Cargo.toml names {other}");
    }
    for member in ["protocol", "protocol/paper", "protocol/routing", "protocol/settings"] {
        let manifest = manifest(member);
        assert!(!manifest.contains("docket-agent") && !manifest.contains("docket-hub"), "{member}");
    }
}

#[test]
fn the_protocol_does_no_io_and_has_no_clock_and_no_chance() {
    let sources = sources(&workspace().join("protocol/src"));
    assert!(sources.len() > 10, "only {} files found", sources.len());
    for path in sources {
        let code = code(&read(&path));
        for banned in BANNED {
            assert!(!has(&code, banned), "{} in {}", banned, path.display());
        }
    }
    for (member, may) in [("protocol/routing", ROUTING_MAY), ("protocol/settings", SETTINGS_MAY)] {
        let sources = self::sources(&workspace().join(member).join("src"));
        assert!(sources.len() > 4, "{member}: only {} files found", sources.len());
        for path in sources {
            let code = code(&read(&path));
            for banned in BANNED.iter().filter(|banned| !may.contains(banned)) {
                assert!(!has(&code, banned), "{} in {}", banned, path.display());
            }
        }
    }
}

#[test]
fn the_check_itself_sees_what_it_is_for() {
    assert!(has(&code("let now = Instant::now();"), "Instant::now"));
    assert!(has(&code("use std::{\n    fmt,\n    fs::File,\n};"), "std::fs"));
    assert!(has(&code("use rand::Rng;"), "rand"));
    assert!(!has(&code("// std::fs is read by the shell\nlet operand = 1;"), "std::fs"));
    assert!(!has(&code("let operand = random;"), "rand"));
    let manifest = "[dependencies]\na.workspace = true\nb = \"1\"\n[dev-dependencies]\nc = \"1\"\n\
                    [target.'cfg(windows)'.dependencies]\nd = { version = \"1\" }\n[dependencies.e]\nversion = \"1\"\n";
    assert_eq!(dependencies(manifest), ["a", "b", "d", "e"]);
}
