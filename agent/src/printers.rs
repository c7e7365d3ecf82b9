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
//! * A name or a port that both have is the one of `agent.toml`; the added printer is off ([`Printers::off`]).
//! * A station that both have is printed by the one of `agent.toml`.
//! * The default printer is the one marked in `agent.toml`, else the one that is marked among the added, else the
//!   first of all.
//! * A backup that is not there counts as none.
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
    /// Where it cannot be written; the old one is there then, or beside it.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        if self.fault.is_some() {
            match fs::rename(path(data), data.join(ASIDE)) {
                // It was moved already, when the new one could not be written.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved?,
            }
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

/// A printer that staff have added and that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Off {
    /// What is configured of it.
    pub entry: PrinterEntry,
    /// Where it is in [`Added::printers`].
    pub place: usize,
    /// Why, and what to do: (zh-CN, en).
    pub why: (String, String),
}

/// All printers in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printers {
    /// Those of `agent.toml` first.
    pub list: Vec<Printer>,
    /// Those that do not count.
    pub off: Vec<Off>,
    /// What does not count of `printers.toml`, and why: (zh-CN, en).
    pub notes: Vec<(String, String)>,
}

impl Printers {
    /// Puts the two together, by the rules above. `fixed` was checked.
    pub fn merge(fixed: &[PrinterEntry], added: &Added) -> Self {
        let mut printers = Printers {
            list: fixed.iter().map(|entry| Printer { entry: entry.clone(), fixed: true }).collect(),
            ..Printers::default()
        };
        if let Some(fault) = &added.fault {
            let first = fault.lines().next().unwrap_or_default();
            printers.note(
                format!("{PRINTERS_FILE} 读不出来({first}),其中的打印机没有启用:请重新添加"),
                format!("{PRINTERS_FILE} cannot be read ({first}); its printers are off: add them again"),
            );
        }
        for (place, entry) in added.printers.iter().enumerate() {
            printers.add(place, entry.clone());
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

    fn add(&mut self, place: usize, mut entry: PrinterEntry) {
        let name = entry.name.clone();
        if let Some(why) = self.objection(&entry) {
            let (zh, en) = &why;
            self.note(format!("打印机「{name}」没有启用:{zh}"), format!("printer {name} is off: {en}"));
            self.off.push(Off { entry, place, why });
            return;
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

    fn objection(&self, entry: &PrinterEntry) -> Option<(String, String)> {
        let other = self.list.iter().map(|other| &other.entry).find(|other| other.contends_with(entry));
        match (entry_fault(entry), other) {
            (Some(fault), _) => Some(fault),
            (None, _) if self.get(&entry.name).is_some() => Some((
                "已有同名的打印机,请改名或删除".to_owned(),
                "another printer has its name: rename or remove it".to_owned(),
            )),
            (None, Some(other)) => Some((
                format!("地址已被打印机「{}」使用,请改地址或删除", other.name),
                format!("printer {} has its address: change or remove it", other.name),
            )),
            (None, None) if self.list.len() >= PRINTERS_MAX => Some((
                format!("最多 {PRINTERS_MAX} 台,请删除不用的"),
                format!("{PRINTERS_MAX} are the most: remove one that is not used"),
            )),
            (None, None) => None,
        }
    }

    /// Those of `agent.toml` were checked; an added one may name a printer that is gone, or off.
    fn drop_lost_backups(&mut self) {
        let names: Vec<String> = self.list.iter().map(|printer| printer.entry.name.clone()).collect();
        for printer in self.list.iter_mut().filter(|printer| !printer.fixed) {
            let own = &printer.entry.name;
            let is_lost = |backup: &mut String| *backup == *own || !names.contains(backup);
            if let Some(backup) = printer.entry.backup.take_if(is_lost) {
                self.notes.push((
                    format!("「{own}」的备用打印机「{backup}」不能用,请给它重新选一台,或选「不用备用」"),
                    format!("{own} has no backup, {backup} cannot be it: choose another one, or none"),
                ));
            }
        }
    }

    fn note(&mut self, zh: String, en: String) {
        self.notes.push((zh, en));
    }
}

/// What is wrong with one printer by itself: (zh-CN, en).
pub fn entry_fault(entry: &PrinterEntry) -> Option<(String, String)> {
    let address = &entry.address;
    if let Some((zh, en)) = name_fault(&entry.name) {
        return Some((zh.to_owned(), en.to_owned()));
    }
    if !address.is_usable_here() {
        return Some((
            format!("这种地址不能用于这个操作系统:{address}"),
            format!("{address} is for another operating system"),
        ));
    }
    if !matches!(entry.paper_mm, 58 | 80) {
        return Some(("纸宽应为 58 或 80".to_owned(), "paper_mm is 58 or 80".to_owned()));
    }
    entry.stations.iter().find_map(|station| {
        let (zh, en) = name_fault(station)?;
        Some((format!("档口 {station:?}:{zh}"), format!("station {station:?}: {en}")))
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
                entry("kitchen", &["cold"], false),
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
        // One more for the station that both have.
        assert_eq!(merged.notes.len(), 4, "{:?}", merged.notes);
        assert_eq!(places(&merged), [1, 3, 4]);

        let fixed = [entry("kitchen", &["kitchen"], true)];
        let defaults: Vec<bool> =
            Printers::merge(&fixed, &added).list.iter().map(|printer| printer.entry.default).collect();
        assert_eq!(defaults, [true, false, false]);
    }

    fn places(printers: &Printers) -> Vec<usize> {
        printers.off.iter().map(|off| off.place).collect()
    }

    #[test]
    fn a_port_has_one_owner() {
        let at = |name, address: &str| {
            let address = address.parse().unwrap();
            PrinterEntry { address, ..entry(name, &[], false) }
        };
        let added = Added {
            printers: vec![
                at("a", "serial:COM3"),
                at("b", "serial:COM3?baud=19200"),
                at("c", "192.0.2.9"),
                at("d", "192.0.2.9"),
            ],
            fault: None,
        };
        let merged = Printers::merge(&[], &added);
        assert_eq!(places(&merged), [1]);
        assert!(merged.off[0].why.0.contains("「a」"), "{:?}", merged.off);
        assert_eq!(places(&Printers::merge(&[at("前台", "serial:COM3")], &added)), [0, 1]);
    }

    #[test]
    fn a_backup_that_is_lost_is_said() {
        let with =
            |name, backup: &str| PrinterEntry { backup: Some(backup.into()), ..entry(name, &[], false) };
        let printers = vec![with("a", "b"), with("b", "gone"), with("c", "c")];
        let merged = Printers::merge(&[], &Added { printers, fault: None });
        let backups: Vec<Option<&str>> =
            merged.list.iter().map(|printer| printer.entry.backup.as_deref()).collect();
        assert_eq!(backups, [Some("b"), None, None]);
        assert!(merged.notes[0].0.contains("「b」的备用打印机「gone」"), "{:?}", merged.notes);
        assert_eq!(merged.notes.len(), 2, "{:?}", merged.notes);
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

    #[test]
    fn a_list_that_could_not_be_written_can_be_later() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(PRINTERS_FILE), "[[printer]]\nnam = 1\n").unwrap();
        let mut added = Added::read(folder.path());
        added.printers.push(entry("前台", &[], true));
        let in_the_way = folder.path().join("printers.part");
        fs::create_dir(&in_the_way).unwrap();
        added.write(folder.path()).unwrap_err();
        fs::remove_dir(&in_the_way).unwrap();
        added.write(folder.path()).unwrap();
        assert_eq!(Added::read(folder.path()).printers, added.printers);
    }
}
