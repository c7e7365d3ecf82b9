//! The hub's configuration: one TOML file, unknown keys refused.

use crate::gateway::TcpPort;
use crate::http::CONNECTIONS_MAX;
use crate::platforms::meituan::PushKind;
use crate::routing::{Routing, RoutingConfig};
use crate::templates::Templates;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("config-file: {path}: {cause}; give the right path with --config")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is not what the hub reads. The line itself is not shown: it may be that of a secret.
    #[error("config-syntax: {path}: line {line}, column {column}: {cause}")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// Why.
        cause: String,
    },
    /// A value that cannot be.
    #[error("config-value: {key}: {cause}")]
    Value {
        /// Which key.
        key: &'static str,
        /// Why, and what to write instead.
        cause: String,
    },
}

/// The whole file.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data folder: database, keys, certificates. Back it up.
    pub data: PathBuf,
    /// How long orders are kept, in days.
    #[serde(default = "retention_days")]
    pub retention_days: u32,
    /// Where agents connect.
    #[serde(default)]
    pub link: LinkConfig,
    /// Where platforms push.
    #[serde(default)]
    pub http: HttpConfig,
    /// Where people look.
    #[serde(default)]
    pub console: ConsoleConfig,
    /// The platforms in use.
    #[serde(default)]
    pub platforms: PlatformsConfig,
    /// Dishes to stations.
    #[serde(default)]
    #[serde(skip_serializing)]
    pub routing: RoutingConfig,
    /// A chain's own slips.
    #[serde(default)]
    pub templates: TemplatesConfig,
}

/// A quarter: longer than any platform repeats a push or settles a dispute. [I]
fn retention_days() -> u32 {
    90
}

/// The shortest time for which orders are kept, in days: platforms repeat a push for hours.
const RETENTION_DAYS_MIN: u32 = 7;

/// `[templates]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TemplatesConfig {
    /// The folder of the chain's own templates and pictures; without it all slips are this program's.
    #[serde(default)]
    pub folder: Option<PathBuf>,
}

/// `[link]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// UDP address.
    #[serde(default = "link_listen")]
    pub listen: SocketAddr,
    /// TCP address for agents whose network lets no UDP through; `off` for none. Without it port 443 beside `listen`,
    /// if it can be had.
    #[serde(default)]
    pub tcp_listen: Option<TcpListen>,
    /// How long certificates of agents and hub live, in days. They are renewed at two thirds of it.
    #[serde(default = "certificate_days")]
    pub certificate_days: u32,
}

/// A year: a renewal then has four months in which a store need only be open once.
fn certificate_days() -> u32 {
    365
}

/// The shortest: a third of it is more than a week in which a store may be closed.
const CERTIFICATE_DAYS_MIN: u32 = 30;
/// The longest.
const CERTIFICATE_DAYS_MAX: u32 = 3_650;

fn link_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 4433))
}

/// The TCP port that firewalls let through.
const LINK_TCP_PORT: u16 = 443;

impl Default for LinkConfig {
    fn default() -> Self {
        LinkConfig { listen: link_listen(), tcp_listen: None, certificate_days: certificate_days() }
    }
}

impl LinkConfig {
    /// The TCP port for agents.
    pub fn tcp_port(&self) -> TcpPort {
        match self.tcp_listen {
            Some(TcpListen::Off) => TcpPort::Off,
            Some(TcpListen::At(address)) => TcpPort::At(address),
            None => TcpPort::IfPossible(SocketAddr::new(self.listen.ip(), LINK_TCP_PORT)),
        }
    }
}

/// A TCP address, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum TcpListen {
    /// `off`
    Off,
    /// `0.0.0.0:443`
    At(SocketAddr),
}

impl TryFrom<String> for TcpListen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "off" => Ok(TcpListen::Off),
            address => {
                address.parse().map(TcpListen::At).map_err(|_| "write an address like 0.0.0.0:443, or off")
            }
        }
    }
}

impl From<TcpListen> for String {
    fn from(listen: TcpListen) -> Self {
        match listen {
            TcpListen::Off => "off".to_owned(),
            TcpListen::At(address) => address.to_string(),
        }
    }
}

/// `[http]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// TCP address.
    pub listen: SocketAddr,
    /// HTTPS with this; without it plain HTTP, to be put behind a proxy.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// How many connections one address may have at once.
    #[serde(default = "connections_of_address_max")]
    pub connections_of_address_max: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: None,
            connections_of_address_max: connections_of_address_max(),
        }
    }
}

/// A quarter of all. A platform pushes from few addresses, and a proxy is one for all platforms: even if each push took
/// the 3 s after which a platform gives up, so many connections would take 300 orders a second.
fn connections_of_address_max() -> usize {
    CONNECTIONS_MAX / 4
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// `[console]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// TCP address; the loopback only, since the console has no sign-in of its own yet.
    pub listen: SocketAddr,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        ConsoleConfig { listen: SocketAddr::from(([127, 0, 0, 1], 8081)) }
    }
}

/// `[platforms]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformsConfig {
    /// `[platforms.meituan]`
    #[serde(default)]
    pub meituan: Option<MeituanConfig>,
}

/// `[platforms.meituan]`: Meituan Waimai, interface version 1.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MeituanConfig {
    /// The secret of the developer account.
    #[serde(default, serialize_with = "redacted")]
    pub secret: Option<String>,
    /// A file that holds it, instead.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// The callback URLs as registered in the platform's console.
    pub callbacks: CallbacksConfig,
}

/// `[platforms.meituan.callbacks]`: scheme and host are part of what is signed, so they are configuration and
/// never taken from a request.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CallbacksConfig {
    /// 推送已支付订单
    pub paid: String,
    /// 推送订单取消
    #[serde(default)]
    pub cancelled: Option<String>,
    /// 推送催单
    #[serde(default)]
    pub reminded: Option<String>,
}

/// One registered URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// What is pushed to it.
    pub kind: PushKind,
    /// As registered.
    pub url: String,
    /// The path in it, at which the hub listens.
    pub path: String,
}

fn redacted<S: serde::Serializer>(secret: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "(redacted)").serialize(serializer)
}

fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    ConfigError::Syntax {
        path: path.into(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        cause: error.message().to_owned(),
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
        let mut config: Config = toml::from_str(&text).map_err(|error| syntax(path, &text, &error))?;
        let base = path.parent().unwrap_or(Path::new("."));
        config.data = base.join(&config.data);
        if let Some(meituan) = &mut config.platforms.meituan {
            meituan.secret_file = meituan.secret_file.take().map(|file| base.join(file));
        }
        config.templates.folder = config.templates.folder.take().map(|folder| base.join(folder));
        if let Some(tls) = &mut config.http.tls {
            tls.certificate = base.join(&tls.certificate);
            tls.key = base.join(&tls.key);
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !self.console.listen.ip().is_loopback() {
            return Err(ConfigError::Value {
                key: "console.listen",
                cause: format!(
                    "{} is open to others, and the console has no sign-in yet; use 127.0.0.1 and put a proxy with \
                     authentication in front",
                    self.console.listen
                ),
            });
        }
        if !(1..=CONNECTIONS_MAX).contains(&self.http.connections_of_address_max) {
            return Err(ConfigError::Value {
                key: "http.connections_of_address_max",
                cause: format!("1 to {CONNECTIONS_MAX}, which are all that there are"),
            });
        }
        if !(CERTIFICATE_DAYS_MIN..=CERTIFICATE_DAYS_MAX).contains(&self.link.certificate_days) {
            return Err(ConfigError::Value {
                key: "link.certificate_days",
                cause: format!(
                    "{CERTIFICATE_DAYS_MIN} to {CERTIFICATE_DAYS_MAX}: a store that is closed for a third of it is \
                     renewed late"
                ),
            });
        }
        if self.retention_days < RETENTION_DAYS_MIN {
            return Err(ConfigError::Value {
                key: "retention_days",
                cause: format!(
                    "at least {RETENTION_DAYS_MIN}: what is removed can no longer be told from a repeat"
                ),
            });
        }
        if let Some(meituan) = &self.platforms.meituan {
            meituan.secret()?;
            meituan.callbacks.list()?;
        }
        self.routing(Arc::default())?;
        Ok(())
    }

    /// The rules of `[routing]`.
    ///
    /// # Errors
    /// Where they contradict themselves.
    pub fn routing(&self, templates: Arc<Templates>) -> Result<Routing, ConfigError> {
        Routing::with_templates(self.routing.clone(), templates).map_err(|error| ConfigError::Value {
            key: "routing",
            cause: format!("{error}; {} ({})", error.remedy().1, error.code()),
        })
    }
}

impl MeituanConfig {
    /// The secret, wherever it is.
    ///
    /// # Errors
    /// Where there is none, or two.
    pub fn secret(&self) -> Result<String, ConfigError> {
        let refused = |cause: String| ConfigError::Value { key: "platforms.meituan.secret", cause };
        let secret = match (&self.secret, &self.secret_file) {
            (Some(secret), None) => secret.trim().to_owned(),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map_err(|error| refused(format!("{}: {error}", file.display())))?
                .trim()
                .to_owned(),
            _ => return Err(refused("give either `secret` or `secret_file`".into())),
        };
        if secret.is_empty() { Err(refused("it is empty".into())) } else { Ok(secret) }
    }
}

impl CallbacksConfig {
    /// All registered URLs.
    ///
    /// # Errors
    /// Where one is not an absolute URL, or two share a path.
    pub fn list(&self) -> Result<Vec<Callback>, ConfigError> {
        let refused = |cause: String| ConfigError::Value { key: "platforms.meituan.callbacks", cause };
        let given = [
            (PushKind::Paid, Some(&self.paid)),
            (PushKind::Cancelled, self.cancelled.as_ref()),
            (PushKind::Reminded, self.reminded.as_ref()),
        ];
        let mut callbacks: Vec<Callback> = Vec::new();
        for (kind, url) in given {
            let Some(url) = url else { continue };
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let path = rest.and_then(|rest| rest.find('/').map(|at| &rest[at..]));
            let plain = |path: &&str| path.len() > 1 && !path.contains(['?', '#', '{', '}']);
            let Some(path) = path.filter(plain) else {
                return Err(refused(format!(
                    "`{url}` is not an http(s) URL with a path and without a query"
                )));
            };
            if callbacks.iter().any(|other| other.path == path) {
                return Err(refused(format!("two events share the path {path}; each needs one of its own")));
            }
            callbacks.push(Callback { kind, url: url.clone(), path: path.to_owned() });
        }
        Ok(callbacks)
    }
}
