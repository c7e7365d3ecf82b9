//! The agent's configuration: one TOML file, unknown keys refused. What staff add on the local page is beside it,
//! see [`crate::printers`].

mod link;
mod places;

pub use link::{LinkConfig, SocketChoice};
pub use places::SearchPlaces;

use crate::identity::Identity;
use crate::printers::{Added, Printers, entry_fault};
use crate::printing::profile::Pins;
use crate::printing::transport::UsbUnit;
use crate::printing::{Address, Paper, PrinterConfig};
use crate::spool::{BACKUP_AFTER_MS, LateRule, OnUnknown, PrinterRoute, RETENTION_DAYS, SPOOL_BYTES_MAX};
use docket_protocol::ids::PrinterName;
use docket_routing::{Routing, RoutingConfig, RoutingError};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Printers that one agent serves.
pub const PRINTERS_MAX: usize = 32;
/// Characters of a printer's or a station's name.
pub const NAME_CHARS_MAX: usize = 32;
/// The port of the local page.
pub const PAGE_PORT: u16 = 9_180;
/// The name under which tickets wait while there is no printer: no printer can bear it. Nobody takes tickets from
/// that queue, and once there is a printer the spool maps them to it as it does after any change of the printers.
const NO_PRINTER: &str = "";

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("config-file: {path}: {cause}; give the right path with --config (用 --config 指定配置文件)")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is not what the agent reads.
    #[error("config-syntax: {path}: {cause}按上面的行、列改正 / mend it at that line and column")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Line, column and reason.
        cause: Box<toml::de::Error>,
    },
    /// Routing that cannot be worked with.
    #[error("{code}: {0}; {en} ({zh})", code = .0.code(), en = .0.remedy().1, zh = .0.remedy().0)]
    Routing(#[from] RoutingError),
    /// A value that cannot be.
    #[error("config-value: {key}: {zh} / {en}")]
    Value {
        /// Which key.
        key: String,
        /// Why, and what to write instead, in Chinese.
        zh: String,
        /// And in English.
        en: String,
    },
}

/// The whole file.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data folder: identity, spool, journal.
    pub data: PathBuf,
    /// How the hub is reached.
    #[serde(default)]
    pub link: LinkConfig,
    /// How is printed.
    #[serde(default)]
    pub printing: PrintingConfig,
    /// What is kept.
    #[serde(default)]
    pub storage: StorageConfig,
    /// The page for staff.
    #[serde(default)]
    pub page: PageConfig,
    /// How orders of the store's own counter become slips.
    #[serde(default)]
    pub routing: RoutingConfig,
    /// The store's printers that this file fixes.
    #[serde(default, rename = "printer")]
    pub printers: Vec<PrinterEntry>,
    /// Those that staff have added.
    #[serde(skip)]
    pub added: Added,
}

/// `[printing]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PrintingConfig {
    /// What is done with a ticket that may have come out.
    #[serde(default)]
    pub on_unknown: UnknownChoice,
    /// For how many seconds a printer cannot print until its backup takes its tickets.
    #[serde(default = "backup_after_s")]
    pub backup_after_s: u32,
    /// From how many minutes on a ticket of the hub counts as late, by the hub's clock; 0 is never.
    #[serde(default = "late_after_min")]
    pub late_after_min: u32,
    /// What is done with a late ticket.
    #[serde(default)]
    pub late: LateChoice,
    /// From how many minutes on it waits for a person in any case; 0 is never.
    #[serde(default = "hold_after_min")]
    pub hold_after_min: u32,
}

/// A kitchen makes up for less without being told.
fn late_after_min() -> u32 {
    30
}

/// Nobody waits for a dish for so long; somebody has to ask.
fn hold_after_min() -> u32 {
    240
}

/// What is done with a late ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LateChoice {
    /// It is printed, marked 迟到.
    #[default]
    Mark,
    /// It waits for a person: `docket-agent release`.
    Hold,
}

impl PrintingConfig {
    /// When tickets are late, and when too late.
    pub fn late_rule(&self) -> LateRule {
        let ms = |minutes: u32| (minutes > 0).then_some(u64::from(minutes) * 60_000);
        let (late, hold) = (ms(self.late_after_min), ms(self.hold_after_min));
        let hold_after_ms = match self.late {
            LateChoice::Mark => hold,
            LateChoice::Hold => late.into_iter().chain(hold).min(),
        };
        LateRule { mark_after_ms: late, hold_after_ms }
    }
}

/// `[storage]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// The largest database.
    #[serde(default = "spool_mib")]
    pub spool_mib: u32,
    /// For how many days printed tickets are kept.
    #[serde(default = "keep_days")]
    pub keep_days: u32,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { spool_mib: spool_mib(), keep_days: keep_days() }
    }
}

fn spool_mib() -> u32 {
    u32::try_from(SPOOL_BYTES_MAX >> 20).unwrap_or(u32::MAX)
}

fn keep_days() -> u32 {
    RETENTION_DAYS
}

/// The smallest and the largest [`StorageConfig::spool_mib`]: a few busy days, and what SQLite still opens in a moment.
pub const SPOOL_MIB: std::ops::RangeInclusive<u32> = 64..=16_384;
/// The shortest and the longest [`StorageConfig::keep_days`].
pub const KEEP_DAYS: std::ops::RangeInclusive<u32> = 1..=366;
/// The longest [`PrintingConfig::late_after_min`] and [`PrintingConfig::hold_after_min`]: a week.
pub const LATE_MIN_MAX: u32 = 7 * 24 * 60;

impl Default for PrintingConfig {
    fn default() -> Self {
        Self {
            on_unknown: UnknownChoice::default(),
            backup_after_s: backup_after_s(),
            late_after_min: late_after_min(),
            late: LateChoice::default(),
            hold_after_min: hold_after_min(),
        }
    }
}

fn backup_after_s() -> u32 {
    u32::try_from(BACKUP_AFTER_MS / 1_000).unwrap_or(u32::MAX)
}

/// What is done with a ticket that may have come out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownChoice {
    /// It is printed again, marked 补打.
    #[default]
    Reprint,
    /// It waits for a person: `docket-agent release`.
    Hold,
}

/// `[page]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PageConfig {
    /// Where it listens, see [`PageConfig::address`].
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// Whether it is for other devices in the store's network too; they need its PIN.
    #[serde(default)]
    pub lan: bool,
    /// Where printers are looked for, e.g. `["192.168.2.0/24", "192.168.3.50:9101"]`; without it, in the networks that
    /// this PC is in.
    #[serde(default)]
    pub search: Option<SearchPlaces>,
}

impl PageConfig {
    /// Where it listens: what is said, else port [`PAGE_PORT`] on the loopback, or on all addresses for the LAN.
    pub fn address(&self) -> SocketAddr {
        let ip = if self.lan { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        self.listen.unwrap_or_else(|| SocketAddr::from((ip, PAGE_PORT)))
    }
}

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
}

fn mm80() -> u8 {
    80
}

impl Config {
    /// Reads and checks a file. Relative paths in it are relative to it.
    ///
    /// # Errors
    /// Where it cannot be read, or is not in order.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| ConfigError::File { path: path.into(), cause })?;
        let mut config: Config = toml::from_str(&text).map_err(|cause| ConfigError::Syntax {
            path: path.into(),
            cause: Box::new(shown(&text, cause)),
        })?;
        config.data = path.parent().unwrap_or(Path::new(".")).join(&config.data);
        config.check()?;
        config.added = Added::read(&config.data);
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.printers.len() > PRINTERS_MAX {
            return refused(
                "printer",
                format!("[[printer]] 最多 {PRINTERS_MAX} 段"),
                format!("give up to {PRINTERS_MAX} [[printer]] sections"),
            );
        }
        if !self.page.lan && !self.page.address().ip().is_loopback() {
            return refused(
                "page.listen",
                "还要写 `lan = true`:其他设备要输入本页的 PIN 才能打开",
                "write `lan = true` too: other devices in the network then need the page's PIN",
            );
        }
        self.link.check()?;
        self.check_bounds()?;
        self.routing.check()?;
        for (place, printer) in self.printers.iter().enumerate() {
            self.check_printer(place, printer)?;
        }
        match self.printers.iter().filter(|printer| printer.default).count() {
            1 => Ok(()),
            0 if self.printers.len() < 2 => Ok(()),
            _ => refused(
                "printer",
                "只在一台打印机写 `default = true`:没有对应档口的小票由它打",
                "write `default = true` at exactly one printer: it prints what maps nowhere",
            ),
        }
    }

    fn check_bounds(&self) -> Result<(), ConfigError> {
        let between = |key: &str, value: u32, bounds: std::ops::RangeInclusive<u32>| {
            let (least, most) = (bounds.start(), bounds.end());
            if bounds.contains(&value) {
                return Ok(());
            }
            refused(key, format!("应在 {least} 到 {most} 之间"), format!("give {least} to {most}"))
        };
        between("storage.spool_mib", self.storage.spool_mib, SPOOL_MIB)?;
        between("storage.keep_days", self.storage.keep_days, KEEP_DAYS)?;
        between("printing.late_after_min", self.printing.late_after_min, 0..=LATE_MIN_MAX)?;
        between("printing.hold_after_min", self.printing.hold_after_min, 0..=LATE_MIN_MAX)?;
        let (late, hold) = (self.printing.late_after_min, self.printing.hold_after_min);
        if self.printing.late == LateChoice::Mark && hold > 0 && hold <= late {
            return refused(
                "printing.hold_after_min",
                format!("要大于 late_after_min({late}):先标注迟到,再等人处理"),
                format!("give more than late_after_min ({late}): a ticket is marked first, and held later"),
            );
        }
        Ok(())
    }

    /// By itself, and beside those before it.
    fn check_printer(&self, place: usize, printer: &PrinterEntry) -> Result<(), ConfigError> {
        let key = format!("printer {}", printer.name);
        let before = &self.printers[..place];
        if let Some((zh, en)) = name_fault(&printer.name) {
            // It may have no name.
            return refused(format!("printer {}", place + 1), zh, en);
        }
        if before.iter().any(|other| other.name == printer.name) {
            return refused(key, "名称已被另一台使用", "the name is taken by another printer");
        }
        if let Some((zh, en)) = entry_fault(printer) {
            return refused(key, zh, en);
        }
        if let Some(backup) = &printer.backup {
            if *backup == printer.name {
                return refused(key, "不能做自己的备用", "a printer cannot be its own backup");
            }
            if !self.printers.iter().any(|other| other.name == *backup) {
                let zh = format!("备用打印机 {backup} 不在这些打印机里");
                return refused(key, zh, format!("its backup {backup} is not among the printers"));
            }
        }
        if let Some(other) = before.iter().find(|other| other.contends_with(printer)) {
            let zh = format!("地址已被打印机 {} 使用", other.name);
            return refused(key, zh, format!("printer {} has this address", other.name));
        }
        if let Some((zh, en)) = printer.profile.refusal() {
            return refused(format!("{key} profile"), zh, en);
        }
        let taken = |station| before.iter().any(|other| other.stations.contains(station));
        match printer.stations.iter().find(|station| taken(station)) {
            None => Ok(()),
            Some(station) => refused(
                key,
                format!("档口 {station} 已由另一台打印机出票"),
                format!("station {station} is printed by another printer already"),
            ),
        }
    }

    /// `host:port` of the hub.
    pub fn hub<'a>(&'a self, identity: &'a Identity) -> &'a str {
        self.link.hub.as_deref().unwrap_or(&identity.hub)
    }

    /// The rules of the store's own counter, with this program's own templates.
    ///
    /// # Errors
    /// [`ConfigError::Routing`].
    pub fn rules(&self) -> Result<Routing, ConfigError> {
        Ok(Routing::new(self.routing.clone())?)
    }

    /// The printers in force.
    pub fn in_force(&self) -> Printers {
        Printers::merge(&self.printers, &self.added)
    }

    /// The printers as printing knows them.
    pub fn printer_configs(&self) -> Vec<PrinterConfig> {
        let printers = self.in_force().list;
        let written: Vec<(PrinterName, UsbUnit)> = printers
            .iter()
            .filter_map(|printer| {
                let unit = printer.entry.address.usb_unit()?;
                Some((PrinterName::new(&printer.entry.name), unit.clone()))
            })
            .collect();
        printers
            .into_iter()
            .map(|printer| printer.entry)
            .map(|entry| PrinterConfig {
                others: written.iter().filter(|(name, _)| name.as_str() != entry.name).cloned().collect(),
                name: PrinterName::new(&entry.name),
                paper: entry.paper(),
                address: entry.address,
                stations: entry.stations,
                default: entry.default,
                profile: entry.profile.clone(),
            })
            .collect()
    }

    /// The printers as the spool knows them. Without any there is a queue that nobody empties.
    pub fn printer_routes(&self) -> Vec<PrinterRoute> {
        let printers = self.in_force().list.into_iter();
        let mut routes: Vec<PrinterRoute> = printers
            .map(|printer| printer.entry)
            .map(|entry| PrinterRoute {
                name: PrinterName::new(&entry.name),
                stations: entry.stations.clone(),
                default: entry.default,
                backup: entry.backup.as_ref().map(PrinterName::new),
            })
            .collect();
        if routes.is_empty() {
            routes.push(PrinterRoute {
                name: PrinterName::new(NO_PRINTER),
                stations: Vec::new(),
                default: true,
                backup: None,
            });
        }
        routes
    }
}

/// The error as it may be shown: it has the line in it, which may be that of a proxy's password.
fn shown(text: &str, mut error: toml::de::Error) -> toml::de::Error {
    let Some(span) = error.span() else { return error };
    let lines = text.get(..span.start).unwrap_or(text).matches('\n').count();
    if text.lines().nth(lines).is_some_and(|line| line.contains("proxy")) {
        let message = format!("line {}: {}", lines + 1, error.message());
        error = serde::de::Error::custom(message);
    }
    error
}

fn refused(key: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Value { key: key.into(), zh: zh.into(), en: en.into() })
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

impl From<UnknownChoice> for OnUnknown {
    fn from(choice: UnknownChoice) -> Self {
        match choice {
            UnknownChoice::Reprint => OnUnknown::Reprint,
            UnknownChoice::Hold => OnUnknown::Hold,
        }
    }
}

/// Where the configuration is looked for when nothing is said.
pub fn default_path() -> PathBuf {
    if cfg!(windows) {
        let data = std::env::var_os("ProgramData").unwrap_or_else(|| "C:\\ProgramData".into());
        PathBuf::from(data).join("Docket").join("agent.toml")
    } else {
        PathBuf::from("/etc/docket/agent.toml")
    }
}
