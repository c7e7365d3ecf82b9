//! The store's printers: those that `agent.toml` fixes, and those that staff have added on the local page.
//!
//! The added ones are in `printers.toml` in the data folder, in the same words as `[[printer]]` of `agent.toml`.
//! The page alone writes that file, whole and by renaming, so a crash leaves the old list or the new one.
//!
//! # Which one counts
//! `agent.toml` is the technician's and is never written; it was checked as a whole. What staff have added was
//! in order when it was added, but `agent.toml` may have been changed since. That must not keep a store from
//! printing, so an added printer yields and the rest is said ([`Printers::notes`]), nothing is refused:
//!
//! * A name that both have is the one of `agent.toml`; the added printer is left out.
//! * A station that both have is printed by the one of `agent.toml`.
//! * The default printer is the one marked in `agent.toml`, else the one that is marked among the added, else the
//!   first of all.
//! * A `printers.toml` that cannot be read counts as empty. The next change on the page moves it aside.
//!
//! Rejected: writing `agent.toml` (its comments are the technician's, and a service may not be allowed to write
//! it); refusing to start.

use crate::config::{PRINTERS_MAX, PrinterEntry, name_fault};
use crate::kept_file::{self, Readers};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file in the data folder.
pub const PRINTERS_FILE: &str = "printers.toml";
const ASIDE: &str = "printers.toml.bad";
const HEAD: &str = "# 由本机页面写入;这里的改动在程序重启后生效 / written by the local page\n\n";

/// What staff have added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Added {
    /// In the order in which they were added.
    #[serde(default, rename = "printer")]
    pub printers: Vec<PrinterEntry>,
    /// Why the file was not read.
    #[serde(skip)]
    pub fault: Option<String>,
}

impl Added {
    /// Reads the file; one that is not there is empty, and so is one that cannot be read, with its fault.
    pub fn read(data: &Path) -> Self {
        let read = match fs::read_to_string(path(data)) {
            Ok(text) => toml::from_str::<Added>(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Added::default()),
            Err(error) => Err(error.to_string()),
        };
        read.unwrap_or_else(|fault| Added { fault: Some(fault), ..Added::default() })
    }

    /// Writes the file; it is durable afterwards. One that could not be read is kept beside it.
    ///
    /// # Errors
    /// Where it cannot be written; the old one is there then.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        if self.fault.is_some() {
            fs::rename(path(data), data.join(ASIDE))?;
        }
        kept_file::replace(&path(data), Readers::All, format!("{HEAD}{text}").as_bytes())
    }
}

fn path(data: &Path) -> PathBuf {
    data.join(PRINTERS_FILE)
}

/// A printer in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Printer {
    /// What is configured of it, as it counts.
    #[serde(flatten)]
    pub entry: PrinterEntry,
    /// Whether `agent.toml` fixes it.
    pub fixed: bool,
}

/// All printers in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printers {
    /// Those of `agent.toml` first.
    pub list: Vec<Printer>,
    /// What does not count of `printers.toml`, and why: (zh-CN, en).
    pub notes: Vec<(String, String)>,
}

impl Printers {
    /// Puts the two together, by the rules above. `fixed` was checked.
    pub fn merge(fixed: &[PrinterEntry], added: &Added) -> Self {
        let mut printers = Printers {
            list: fixed.iter().map(|entry| Printer { entry: entry.clone(), fixed: true }).collect(),
            notes: Vec::new(),
        };
        if let Some(fault) = &added.fault {
            let first = fault.lines().next().unwrap_or_default();
            printers.note(
                format!("{PRINTERS_FILE} 读不出来({first}),其中的打印机没有启用:请重新添加"),
                format!("{PRINTERS_FILE} cannot be read ({first}); its printers are off: add them again"),
            );
        }
        for entry in &added.printers {
            printers.add(entry.clone());
        }
        printers.drop_lost_backups();
        let default = printers.list.iter().position(|printer| printer.entry.default).unwrap_or(0);
        for (place, printer) in printers.list.iter_mut().enumerate() {
            printer.entry.default = place == default;
        }
        printers
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&Printer> {
        self.list.iter().find(|printer| printer.entry.name == name)
    }

    fn add(&mut self, mut entry: PrinterEntry) {
        let name = entry.name.clone();
        if let Some((zh, en)) = entry_fault(&entry) {
            return self
                .note(format!("打印机「{name}」没有启用:{zh}"), format!("printer {name} is off: {en}"));
        }
        if self.get(&name).is_some() {
            return self.note(
                format!("打印机「{name}」有两台同名,只启用一台:请改名"),
                format!("two printers are named {name}, one is off: rename it"),
            );
        }
        if self.list.len() >= PRINTERS_MAX {
            return self.note(
                format!("打印机「{name}」没有启用:最多 {PRINTERS_MAX} 台"),
                format!("printer {name} is off: {PRINTERS_MAX} are the most"),
            );
        }
        let stations = std::mem::take(&mut entry.stations);
        for station in stations {
            match self.list.iter().find(|other| other.entry.stations.contains(&station)) {
                None => entry.stations.push(station),
                Some(other) => {
                    let other = other.entry.name.clone();
                    self.note(
                        format!("档口「{station}」由打印机「{other}」出票,「{name}」不出"),
                        format!("station {station} is printed by {other}, not by {name}"),
                    );
                }
            }
        }
        self.list.push(Printer { entry, fixed: false });
    }

    /// Those of `agent.toml` were checked; an added one may name a printer that is gone.
    fn drop_lost_backups(&mut self) {
        let names: Vec<String> = self.list.iter().map(|printer| printer.entry.name.clone()).collect();
        for printer in self.list.iter_mut().filter(|printer| !printer.fixed) {
            let own = printer.entry.name.clone();
            printer.entry.backup.take_if(|backup| *backup == own || !names.contains(backup));
        }
    }

    fn note(&mut self, zh: String, en: String) {
        self.notes.push((zh, en));
    }
}

/// What is wrong with one printer by itself: (zh-CN, en).
pub fn entry_fault(entry: &PrinterEntry) -> Option<(&'static str, &'static str)> {
    name_fault(&entry.name).or_else(|| match () {
        () if !entry.address.is_usable_here() => {
            Some(("这种地址不能用于这个操作系统", "its address is for another operating system"))
        }
        () if !matches!(entry.paper_mm, 58 | 80) => Some(("纸宽应为 58 或 80", "paper_mm is 58 or 80")),
        () if entry.stations.iter().any(|station| name_fault(station).is_some()) => {
            Some(("档口名称不对", "a station's name is not in order"))
        }
        () => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, stations: &[&str], default: bool) -> PrinterEntry {
        PrinterEntry {
            name: name.into(),
            address: "192.0.2.1".parse().unwrap(),
            paper_mm: 80,
            stations: stations.iter().map(|&station| station.into()).collect(),
            default,
            backup: None,
            profile: Default::default(),
        }
    }

    fn shown(printers: &Printers) -> Vec<(&str, Vec<&str>, bool, bool)> {
        printers
            .list
            .iter()
            .map(|printer| {
                let entry = &printer.entry;
                let stations = entry.stations.iter().map(String::as_str).collect();
                (entry.name.as_str(), stations, entry.default, printer.fixed)
            })
            .collect()
    }

    #[test]
    fn what_agent_toml_says_counts_first() {
        let added = Added {
            printers: vec![
                entry("前台", &["front"], true),
                entry("kitchen", &["kitchen"], false),
                entry("吧台", &["bar", "kitchen"], true),
                entry("", &[], false),
            ],
            fault: None,
        };
        let fixed = [entry("kitchen", &["kitchen"], false)];
        let merged = Printers::merge(&fixed, &added);
        assert_eq!(
            shown(&merged),
            [
                ("kitchen", vec!["kitchen"], false, true),
                ("前台", vec!["front"], true, false),
                ("吧台", vec!["bar"], false, false),
            ]
        );
        assert_eq!(merged.notes.len(), 3, "{:?}", merged.notes);

        let fixed = [entry("kitchen", &["kitchen"], true)];
        let defaults: Vec<bool> =
            Printers::merge(&fixed, &added).list.iter().map(|printer| printer.entry.default).collect();
        assert_eq!(defaults, [true, false, false]);
    }

    #[test]
    fn there_is_a_default_wherever_there_is_a_printer() {
        let added = Added { printers: vec![entry("a", &[], false), entry("b", &[], false)], fault: None };
        assert_eq!(
            shown(&Printers::merge(&[], &added)),
            [("a", vec![], true, false), ("b", vec![], false, false)]
        );
        assert_eq!(Printers::merge(&[], &Added::default()), Printers::default());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Added::read(folder.path()), Added::default());
        let added =
            Added { printers: vec![entry("后厨 \"1\"", &["kitchen", "凉菜"], true)], fault: None };
        added.write(folder.path()).unwrap();
        assert_eq!(Added::read(folder.path()), added);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_said_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(PRINTERS_FILE), "[[printer]]\nnam = 1\n").unwrap();
        let mut added = Added::read(folder.path());
        assert_eq!(Printers::merge(&[], &added).notes.len(), 1);
        added.printers.push(entry("前台", &[], true));
        added.write(folder.path()).unwrap();
        assert!(fs::read_to_string(folder.path().join(ASIDE)).unwrap().contains("nam = 1"));
        assert_eq!(Added::read(folder.path()).printers, added.printers);
    }
}
