//! `[link]`: how the hub is reached.

use super::{ConfigError, refused};
use crate::link::proxy::{Proxy, is_host_and_port};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The port at which the hub takes TLS over TCP, where nothing else is said: the one that firewalls let through.
const FALLBACK_PORT: u16 = 443;
/// Stands for no second way.
const OFF: &str = "off";
/// How often QUIC is tried again: about every 20 min, so after 10 to 30.
const QUIC_AGAIN_S: u32 = 1_200;
/// More often it would be a burden to the hub.
const QUIC_AGAIN_S_MIN: u32 = 2;
/// A day.
const QUIC_AGAIN_S_MAX: u32 = 86_400;

/// `[link]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// `host:port` of the hub; without it, the one of the enrolment.
    #[serde(default)]
    pub hub: Option<String>,
    /// Which UDP socket is used.
    #[serde(default)]
    pub socket: SocketChoice,
    /// `host:port` at which the hub takes TLS over TCP, where UDP does not get through; without it port 443 of the hub.
    /// `off`: there is no such way.
    #[serde(default)]
    pub fallback: Option<String>,
    /// The HTTP proxy through which that way goes.
    #[serde(default)]
    pub proxy: Option<Proxy>,
    /// About how often QUIC is tried again while that way is in use, in seconds; spread by half.
    #[serde(default = "quic_again_s")]
    pub quic_again_s: u32,
}

fn quic_again_s() -> u32 {
    QUIC_AGAIN_S
}

impl Default for LinkConfig {
    fn default() -> Self {
        LinkConfig {
            hub: None,
            socket: SocketChoice::default(),
            fallback: None,
            proxy: None,
            quic_again_s: QUIC_AGAIN_S,
        }
    }
}

/// Which UDP socket is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketChoice {
    /// The fast one, and the plain one where that does not work.
    #[default]
    Auto,
    /// The plain one.
    Plain,
}

impl LinkConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(fallback) = &self.fallback
            && fallback != OFF
            && !is_host_and_port(fallback)
        {
            return refused(
                "link.fallback",
                "要写成 主机:端口,不用 TCP 时写 off",
                "write host:port, or off for no TCP",
            );
        }
        if !(QUIC_AGAIN_S_MIN..=QUIC_AGAIN_S_MAX).contains(&self.quic_again_s) {
            let range = format!("{QUIC_AGAIN_S_MIN} – {QUIC_AGAIN_S_MAX}");
            return refused("link.quic_again_s", format!("要在 {range} 之间"), format!("write {range}"));
        }
        Ok(())
    }

    /// Where the hub at `hub` (`host:port`) takes TLS over TCP; `None` where that is switched off.
    pub fn fallback_of(&self, hub: &str) -> Option<String> {
        match self.fallback.as_deref() {
            Some(OFF) => None,
            Some(fallback) => Some(fallback.to_owned()),
            None => {
                let host = hub.rsplit_once(':').map_or(hub, |(host, _)| host);
                Some(format!("{host}:{FALLBACK_PORT}"))
            }
        }
    }

    /// About how often QUIC is tried again.
    pub fn quic_again(&self) -> Duration {
        Duration::from_secs(u64::from(self.quic_again_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_way_is_the_hubs_port_443_or_what_is_said() {
        let mut link = LinkConfig::default();
        assert_eq!(link.fallback_of("hub.example.com:4433").as_deref(), Some("hub.example.com:443"));
        assert_eq!(link.fallback_of("[::1]:4433").as_deref(), Some("[::1]:443"));
        link.fallback = Some("tcp.example.com:8443".into());
        assert_eq!(link.fallback_of("hub.example.com:4433").as_deref(), Some("tcp.example.com:8443"));
        link.fallback = Some("off".into());
        assert_eq!(link.fallback_of("hub.example.com:4433"), None);
    }
}
