//! The agent's configuration: one TOML file, unknown keys refused. What staff add on the local page is beside it,
//! see [`crate::printers`].

mod link;
mod places;

pub use docket_settings::printer::{NAME_CHARS_MAX, PRINTERS_MAX, PrinterEntry, name_fault};
pub use link::{LinkConfig, SocketChoice};
pub use places::SearchPlaces;

use crate::identity::Identity;
use crate::printers::{Added, Printers, entry_fault};
use crate::printing::PrinterConfig;
use crate::printing::transport::UsbUnit;
use crate::settings;
use crate::spool::{BACKUP_AFTER_MS, OnUnknown, PrinterRoute};
use docket_protocol::ids::PrinterName;
use docket_routing::templates::Templates;
use docket_routing::{Routing, RoutingConfig, RoutingError};
use docket_settings::bundle::Settings;
use docket_settings::document::Fault;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

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
    /// The page for staff.
    #[serde(default)]
    pub page: PageConfig,
    /// How orders of the store's own counter become slips. Without it, as headquarters says.
    #[serde(default)]
    pub routing: Option<RoutingConfig>,
    /// The store's printers that this file fixes.
    #[serde(default, rename = "printer")]
    pub printers: Vec<PrinterEntry>,
    /// Those that staff have added.
    #[serde(skip)]
    pub added: Added,
    /// What headquarters has set.
    #[serde(skip)]
    pub settings: Arc<Settings>,
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
}

impl Default for PrintingConfig {
    fn default() -> Self {
        Self { on_unknown: UnknownChoice::default(), backup_after_s: backup_after_s() }
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
        config.settings = Arc::new(settings::read(&config.data).1);
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !self.page.lan && !self.page.address().ip().is_loopback() {
            return refused(
                "page.listen",
                "还要写 `lan = true`:其他设备要输入本页的 PIN 才能打开",
                "write `lan = true` too: other devices in the network then need the page's PIN",
            );
        }
        self.link.check()?;
        self.routing.as_ref().map_or(Ok(()), RoutingConfig::check)?;
        for printer in self.printers.iter().filter(|printer| name_fault(&printer.name).is_none()) {
            if let Some((zh, en)) = entry_fault(printer) {
                return refused(format!("printer {}", printer.name), zh, en);
            }
        }
        docket_settings::printer::check(&self.printers).map_err(|Fault { key, zh, en }| ConfigError::Value {
            key,
            zh,
            en,
        })
    }

    /// `host:port` of the hub.
    pub fn hub<'a>(&'a self, identity: &'a Identity) -> &'a str {
        self.link.hub.as_deref().unwrap_or(&identity.hub)
    }

    /// The rules of the store's own counter, with the chain's templates where it has some.
    ///
    /// # Errors
    /// [`ConfigError::Routing`].
    pub fn rules(&self) -> Result<Routing, ConfigError> {
        let routing = self.routing.as_ref().or(self.settings.document.routing.as_ref());
        let templates = Arc::new(Templates::default());
        templates.put_in_force(self.settings.templates.clone());
        Ok(Routing::with_templates(routing.cloned().unwrap_or_default(), templates)?)
    }

    /// What headquarters has set of the printers.
    pub fn from_hq(&self) -> &[PrinterEntry] {
        self.settings.document.printers.as_deref().unwrap_or_default()
    }

    /// What of the settings this PC has otherwise, for headquarters; empty where nothing.
    pub fn otherwise(&self) -> String {
        let mut otherwise = self.in_force().otherwise(self.from_hq());
        if self.routing.is_some() && self.settings.document.routing.is_some() {
            otherwise.push("[routing] (agent.toml)".to_owned());
        }
        otherwise.join(", ")
    }

    /// The printers in force.
    pub fn in_force(&self) -> Printers {
        Printers::merge(&self.printers, self.from_hq(), &self.added)
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
