//! A printer as people write it down, and what can be wrong with a list of them.

use crate::address::Address;
use crate::document::Fault;
use crate::profile::Pins;
use docket_paper::Paper;
use serde::{Deserialize, Serialize};

/// Printers that one agent serves.
pub const PRINTERS_MAX: usize = 32;
/// Characters of a printer's or a station's name.
pub const NAME_CHARS_MAX: usize = 32;

/// `[[printer]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PrinterEntry {
    /// Its name.
    pub name: String,
    /// How it is reached; see [`Address`].
    pub address: Address,
    /// Width of its paper: 80 or 58.
    #[serde(default = "mm80")]
    pub paper_mm: u8,
    /// Stations whose tickets it prints.
    #[serde(default)]
    pub stations: Vec<String>,
    /// Whether it prints what maps nowhere. A single printer does anyway.
    #[serde(default)]
    pub default: bool,
    /// The printer that takes its tickets while it cannot print.
    #[serde(default)]
    pub backup: Option<String>,
    /// What is known of the unit better than it shows by itself.
    #[serde(default)]
    pub profile: Pins,
}

fn mm80() -> u8 {
    80
}

impl PrinterEntry {
    /// What is in it.
    pub fn paper(&self) -> Paper {
        if self.paper_mm == 58 { Paper::Mm58 } else { Paper::Mm80 }
    }

    /// Whether both are at one port, which has one owner. In the network a printer may take several connections.
    pub fn contends_with(&self, other: &PrinterEntry) -> bool {
        let may_share = matches!(self.address, Address::Lan { .. } | Address::Spooler { .. });
        !may_share && self.address.is_same_place(&other.address)
    }

    /// What is wrong with it by itself, on any machine: (zh-CN, en).
    pub fn fault(&self) -> Option<(String, String)> {
        if let Some((zh, en)) = name_fault(&self.name) {
            return Some((zh.to_owned(), en.to_owned()));
        }
        if !matches!(self.paper_mm, 58 | 80) {
            return Some(("纸宽应为 58 或 80".to_owned(), "paper_mm is 58 or 80".to_owned()));
        }
        self.stations.iter().find_map(|station| {
            let (zh, en) = name_fault(station)?;
            Some((format!("档口 {station:?}:{zh}"), format!("station {station:?}: {en}")))
        })
    }
}

/// What is wrong with a name of a printer or a station: (zh-CN, en).
pub fn name_fault(name: &str) -> Option<(&'static str, &'static str)> {
    match () {
        () if name.trim().is_empty() => Some(("没有名称", "give it a name")),
        () if name.chars().any(char::is_control) => {
            Some(("名称里有控制字符", "its name has control characters"))
        }
        () if name.chars().count() > NAME_CHARS_MAX => {
            Some(("名称太长,最多 32 个字", "its name has more than 32 characters"))
        }
        () => None,
    }
}

/// Whether a store's list of printers can be worked with.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(printers: &[PrinterEntry]) -> Result<(), Fault> {
    if printers.len() > PRINTERS_MAX {
        return Err(Fault::new(
            "printer",
            format!("[[printer]] 最多 {PRINTERS_MAX} 段"),
            format!("give up to {PRINTERS_MAX} [[printer]] sections"),
        ));
    }
    for (place, printer) in printers.iter().enumerate() {
        check_one(printers, place, printer)?;
    }
    match printers.iter().filter(|printer| printer.default).count() {
        1 => Ok(()),
        0 if printers.len() < 2 => Ok(()),
        _ => Err(Fault::new(
            "printer",
            "只在一台打印机写 `default = true`:没有对应档口的小票由它打",
            "write `default = true` at exactly one printer: it prints what maps nowhere",
        )),
    }
}

/// By itself, and beside those before it.
fn check_one(printers: &[PrinterEntry], place: usize, printer: &PrinterEntry) -> Result<(), Fault> {
    let key = format!("printer {}", printer.name);
    let before = &printers[..place];
    if let Some((zh, en)) = name_fault(&printer.name) {
        // It may have no name.
        return Err(Fault::new(format!("printer {}", place + 1), zh, en));
    }
    if before.iter().any(|other| other.name == printer.name) {
        return Err(Fault::new(key, "名称已被另一台使用", "the name is taken by another printer"));
    }
    if let Some((zh, en)) = printer.fault() {
        return Err(Fault::new(key, zh, en));
    }
    if let Some(backup) = &printer.backup {
        if *backup == printer.name {
            return Err(Fault::new(key, "不能做自己的备用", "a printer cannot be its own backup"));
        }
        if !printers.iter().any(|other| other.name == *backup) {
            let zh = format!("备用打印机 {backup} 不在这些打印机里");
            return Err(Fault::new(key, zh, format!("its backup {backup} is not among the printers")));
        }
    }
    if let Some(other) = before.iter().find(|other| other.contends_with(printer)) {
        let zh = format!("地址已被打印机 {} 使用", other.name);
        return Err(Fault::new(key, zh, format!("printer {} has this address", other.name)));
    }
    if let Some((zh, en)) = printer.profile.refusal() {
        return Err(Fault::new(format!("{key} profile"), zh, en));
    }
    let taken = |station| before.iter().any(|other| other.stations.contains(station));
    match printer.stations.iter().find(|station| taken(station)) {
        None => Ok(()),
        Some(station) => Err(Fault::new(
            key,
            format!("档口 {station} 已由另一台打印机出票"),
            format!("station {station} is printed by another printer already"),
        )),
    }
}
