//! The store's printers: those that `agent.toml` fixes, and those that staff have added on the local page.
//!
//! The added ones are in `printers.toml` in the data folder, in the same words as `[[printer]]` of `agent.toml`.
//! The page alone writes that file, whole and by renaming, so a crash leaves the old list or the new one.
//!
//! # Which one counts
//! `agent.toml` is the technician's and is never written; it was checked as a whole. Then comes what headquarters has
//! set ([`crate::settings`]), then what staff have added. Each was in order by itself, but another one may have been
//! changed since. That must not keep a store from printing, so what comes later yields and the rest is said
//! ([`Printers::notes`]), nothing is refused:
//!
//! * A name or a port that two have is the earlier one's; of those that staff have added, the other is off
//!   ([`Printers::off`]).
//! * A station that two have is printed by the earlier one.
//! * Staff may change a printer that headquarters has set. Their change is kept with what headquarters said then
//!   ([`Added::instead_of`]), and counts until headquarters says something else of that printer.
//! * The default printer is the first that is marked, in that order, else the first of all.
//! * A backup that is not there counts as none.
//! * A `printers.toml` that cannot be read counts as empty. The next change on the page moves it aside.
//!
//! Rejected: writing `agent.toml` (its comments are the technician's, and a service may not be allowed to write
//! it); refusing to start.

use crate::config::{PRINTERS_MAX, PrinterEntry};
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
    /// What headquarters said of printers of the same name when staff changed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instead_of: Vec<PrinterEntry>,
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

impl Added {
    /// Where the printer is that staff have instead of what headquarters says now.
    fn instead(&self, set: &PrinterEntry) -> Option<usize> {
        let counts = self.instead_of.contains(set);
        counts.then(|| self.printers.iter().position(|entry| entry.name == set.name)).flatten()
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
    /// Who says so.
    pub from: SetBy,
}

/// Who has set a printer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetBy {
    /// `agent.toml`.
    AgentToml,
    /// Headquarters.
    Headquarters,
    /// Staff, on the local page.
    Staff,
    /// Staff, who have changed what headquarters had set.
    StaffInstead,
}

impl SetBy {
    /// The file or the place in which it can be changed.
    pub fn place(self) -> &'static str {
        match self {
            SetBy::AgentToml => "agent.toml",
            SetBy::Headquarters => "总部 headquarters",
            SetBy::Staff => PRINTERS_FILE,
            SetBy::StaffInstead => "printers.toml,改了总部的设定 instead of headquarters'",
        }
    }
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
    /// Puts them together, by the rules above. `fixed` and `set`, which is headquarters', were checked.
    pub fn merge(fixed: &[PrinterEntry], set: &[PrinterEntry], added: &Added) -> Self {
        let of_file = |entry: &PrinterEntry| Printer { entry: entry.clone(), from: SetBy::AgentToml };
        let mut printers = Printers { list: fixed.iter().map(of_file).collect(), ..Printers::default() };
        if let Some(fault) = &added.fault {
            let first = fault.lines().next().unwrap_or_default();
            printers.note(
                format!("{PRINTERS_FILE} 读不出来({first}),其中的打印机没有启用:请重新添加"),
                format!("{PRINTERS_FILE} cannot be read ({first}); its printers are off: add them again"),
            );
        }
        let mut instead = Vec::new();
        for entry in set {
            if let Some(place) = added.instead(entry)
                && printers.add(added.printers[place].clone(), SetBy::StaffInstead).is_ok()
            {
                instead.push(place);
            } else if let Err((zh, en)) = printers.add(entry.clone(), SetBy::Headquarters) {
                let name = &entry.name;
                printers.note(
                    format!("总部设定的打印机「{name}」没有启用:{zh}"),
                    format!("printer {name}, which headquarters has set, is off: {en}"),
                );
            }
        }
        for (place, entry) in added.printers.iter().enumerate().filter(|(place, _)| !instead.contains(place))
        {
            if let Err(why) = printers.add(entry.clone(), SetBy::Staff) {
                let (name, (zh, en)) = (&entry.name, &why);
                printers
                    .note(format!("打印机「{name}」没有启用:{zh}"), format!("printer {name} is off: {en}"));
                printers.off.push(Off { entry: entry.clone(), place, why });
            }
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

    /// What headquarters has set and is otherwise here, for headquarters.
    pub fn otherwise(&self, set: &[PrinterEntry]) -> Vec<String> {
        let here = |entry: &PrinterEntry| match self.get(&entry.name) {
            Some(printer) if printer.from == SetBy::Headquarters => None,
            Some(printer) => Some(format!("{} ({})", entry.name, printer.from.place())),
            None => Some(format!("{} (没有启用 off)", entry.name)),
        };
        set.iter().filter_map(here).collect()
    }

    /// Adds one behind the others; why it does not count where it cannot be.
    fn add(&mut self, mut entry: PrinterEntry, from: SetBy) -> Result<(), (String, String)> {
        let name = entry.name.clone();
        if let Some(why) = self.objection(&entry) {
            return Err(why);
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
        self.list.push(Printer { entry, from });
        Ok(())
    }

    fn objection(&self, entry: &PrinterEntry) -> Option<(String, String)> {
        let other = self.list.iter().map(|other| &other.entry).find(|other| other.contends_with(entry));
        match (entry_fault(entry), other) {
            (Some(fault), _) => Some(fault),
            (None, _) if self.get(&entry.name).is_some_and(|other| other.from == SetBy::Headquarters) => Some((
                "总部设定了同名的打印机,以总部的为准;不对就修改那一台".to_owned(),
                "headquarters has set a printer of this name, which counts: change that one if it is wrong"
                    .to_owned(),
            )),
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
        for printer in self.list.iter_mut().filter(|printer| printer.from != SetBy::AgentToml) {
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

/// What is wrong with one printer by itself, on this PC: (zh-CN, en).
pub fn entry_fault(entry: &PrinterEntry) -> Option<(String, String)> {
    entry.fault().or_else(|| {
        let address = &entry.address;
        (!address.is_usable_here()).then(|| {
            (
                format!("这种地址不能用于这个操作系统:{address}"),
                format!("{address} is for another operating system"),
            )
        })
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
                (entry.name.as_str(), stations, entry.default, printer.from == SetBy::AgentToml)
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
            ..Added::default()
        };
        let fixed = [entry("kitchen", &["kitchen"], false)];
        let merged = Printers::merge(&fixed, &[], &added);
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
            Printers::merge(&fixed, &[], &added).list.iter().map(|printer| printer.entry.default).collect();
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
            ..Added::default()
        };
        let merged = Printers::merge(&[], &[], &added);
        assert_eq!(places(&merged), [1]);
        assert!(merged.off[0].why.0.contains("「a」"), "{:?}", merged.off);
        assert_eq!(places(&Printers::merge(&[at("前台", "serial:COM3")], &[], &added)), [0, 1]);
    }

    #[test]
    fn a_backup_that_is_lost_is_said() {
        let with =
            |name, backup: &str| PrinterEntry { backup: Some(backup.into()), ..entry(name, &[], false) };
        let printers = vec![with("a", "b"), with("b", "gone"), with("c", "c")];
        let merged = Printers::merge(&[], &[], &Added { printers, ..Added::default() });
        let backups: Vec<Option<&str>> =
            merged.list.iter().map(|printer| printer.entry.backup.as_deref()).collect();
        assert_eq!(backups, [Some("b"), None, None]);
        assert!(merged.notes[0].0.contains("「b」的备用打印机「gone」"), "{:?}", merged.notes);
        assert_eq!(merged.notes.len(), 2, "{:?}", merged.notes);
    }

    #[test]
    fn there_is_a_default_wherever_there_is_a_printer() {
        let added =
            Added { printers: vec![entry("a", &[], false), entry("b", &[], false)], ..Added::default() };
        assert_eq!(
            shown(&Printers::merge(&[], &[], &added)),
            [("a", vec![], true, false), ("b", vec![], false, false)]
        );
        assert_eq!(Printers::merge(&[], &[], &Added::default()), Printers::default());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Added::read(folder.path()), Added::default());
        let added =
            Added { printers: vec![entry("后厨 \"1\"", &["kitchen", "凉菜"], true)], ..Added::default() };
        added.write(folder.path()).unwrap();
        assert_eq!(Added::read(folder.path()), added);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_said_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(PRINTERS_FILE), "[[printer]]\nnam = 1\n").unwrap();
        let mut added = Added::read(folder.path());
        assert_eq!(Printers::merge(&[], &[], &added).notes.len(), 1);
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

    #[test]
    fn what_staff_change_of_headquarters_counts_until_headquarters_changes_it() {
        let at = |address: &str| PrinterEntry {
            address: address.parse().unwrap(),
            ..entry("后厨", &["k"], false)
        };
        let (said, says) = (at("192.0.2.1"), at("192.0.2.2"));
        let added =
            Added { printers: vec![at("192.0.2.9")], instead_of: vec![said.clone()], ..Added::default() };
        let seen = |set: &PrinterEntry| {
            let merged = Printers::merge(&[], std::slice::from_ref(set), &added);
            let printer = merged.list[0].clone();
            (printer.entry.address.to_string(), printer.from, merged.off.len(), merged.list.len())
        };
        assert_eq!(seen(&said), ("192.0.2.9".into(), SetBy::StaffInstead, 0, 1));
        assert_eq!(seen(&says), ("192.0.2.2".into(), SetBy::Headquarters, 1, 1));
        let fixed = Printers::merge(&[at("192.0.2.7")], std::slice::from_ref(&says), &Added::default());
        assert_eq!((fixed.list.len(), fixed.list[0].from, fixed.notes.len()), (1, SetBy::AgentToml, 1));
        assert_eq!(fixed.otherwise(&[says]), ["后厨 (agent.toml)"]);
        // What was there before headquarters named it yields.
        let before = Added { printers: vec![at("192.0.2.9")], ..Added::default() };
        let merged = Printers::merge(&[], &[said], &before);
        assert_eq!((merged.list[0].from, merged.off.len()), (SetBy::Headquarters, 1));
    }
}
