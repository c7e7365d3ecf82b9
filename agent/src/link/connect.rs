//! Making a QUIC connection: name, socket, handshake. A fresh endpoint for each, so that nothing of a network that
//! is gone (an address, a socket of before a suspend) is carried into the next.
//!
//! A name may have several addresses, of which the first leads nowhere: IPv6 that is set up and broken. So each gets
//! its share of the time, which all together is less than a session gives a connection.

use super::socket::PlainUdpSocket;
use crate::config::SocketChoice;
use docket_protocol::enrol::HUB_SERVER_NAME;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;
use tracing::debug;

/// How long the handshake with one of several addresses may take.
pub const ADDRESS_MS_MAX: u64 = 3_000;

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The name cannot be resolved.
    #[error("hub-name: {hub}: {cause}; check the address and the PC's DNS (检查总部地址和本机 DNS)")]
    Name {
        /// As configured.
        hub: String,
        /// Why.
        cause: std::io::Error,
    },
    /// There is no UDP socket.
    #[error("udp-socket: {0}; check the PC's network and security software (检查本机网络和安全软件)")]
    Socket(std::io::Error),
    /// Whoever answers has no certificate of the pinned CA.
    #[error(
        "hub-unproven: {address}: whoever answers is not the hub that this PC was enrolled with ({cause}); \
         check the address, or enrol again if the hub was set up anew (检查总部地址;若总部重新安装过,请重新注册)"
    )]
    Unproven {
        /// Which address was tried.
        address: SocketAddr,
        /// Why.
        cause: String,
    },
    /// The hub does not answer.
    #[error("hub-unreachable: {address}: {cause}; check network and firewall (检查网络和防火墙是否放行 UDP)")]
    Handshake {
        /// Which address was tried.
        address: SocketAddr,
        /// Why.
        cause: String,
        /// Whether anything came back.
        answered: bool,
    },
    /// The hub does not answer over TCP.
    #[error(
        "tcp-unreachable: {address}: {cause}; let TCP to it through, or set [link] fallback or proxy \
         (放行到这个地址的 TCP,或在 [link] 里设 fallback、proxy)"
    )]
    Tcp {
        /// Which address was tried.
        address: SocketAddr,
        /// Why.
        cause: String,
    },
    /// Whoever answers over TCP is not the hub: a web server at that port, or a firewall that looks into TLS.
    #[error(
        "tcp-unproven: {address}: what answers there is not this PC's hub ({cause}); set [link] fallback to the hub's \
         tcp_listen (把 [link] fallback 设为总部的 tcp_listen 地址;有拆解 TLS 的防火墙时请放行)"
    )]
    TcpUnproven {
        /// Which address was tried.
        address: SocketAddr,
        /// Why.
        cause: String,
    },
    /// The proxy does not answer, or not as one.
    #[error("proxy-unreachable: {proxy}: {cause}; check [link] proxy (检查 [link] proxy 的地址)")]
    Proxy {
        /// Its `host:port`.
        proxy: String,
        /// Why.
        cause: String,
    },
    /// The proxy says no.
    #[error("proxy-refused: {proxy}: {status} for {hub}; {} ({})", refusal(*status).1, refusal(*status).0)]
    ProxyRefused {
        /// Its `host:port`.
        proxy: String,
        /// Its HTTP status.
        status: u16,
        /// What it was asked for.
        hub: String,
    },
}

impl ConnectError {
    /// Whether the hub has had no part in it, so that another attempt soon is no burden to it.
    pub fn is_unanswered(&self) -> bool {
        match self {
            ConnectError::Name { .. } | ConnectError::Socket(_) | ConnectError::TcpUnproven { .. } => true,
            ConnectError::Handshake { answered, .. } => !answered,
            // Refused by the hub's system or lost on the way, but for a hub that ends in mid-handshake.
            ConnectError::Tcp { .. } | ConnectError::Proxy { .. } => true,
            ConnectError::Unproven { .. } | ConnectError::ProxyRefused { .. } => false,
        }
    }
}

/// A connection together with the endpoint that drives it.
#[derive(Debug)]
pub struct Connected {
    /// Kept for as long as the connection is used.
    pub endpoint: quinn::Endpoint,
    /// The connection.
    pub connection: quinn::Connection,
}

/// Connects to `hub` (`host:port`) until `end`.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(
    hub: &str,
    config: quinn::ClientConfig,
    choice: SocketChoice,
    end: Instant,
) -> Result<Connected, ConnectError> {
    connect_to_any(&resolve(hub, end).await?, &config, choice, end).await
}

/// The addresses of `host` (`host:port`), at least one. A resolver that nobody answers takes longer than an attempt.
pub(super) async fn resolve(host: &str, end: Instant) -> Result<Vec<SocketAddr>, ConnectError> {
    let name = |cause| ConnectError::Name { hub: host.to_owned(), cause };
    let found = tokio::time::timeout_at(end, tokio::net::lookup_host(host)).await;
    let found = found.map_err(|_| name(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer")))?;
    let addresses: Vec<SocketAddr> = found.map_err(name)?.collect();
    if addresses.is_empty() {
        return Err(name(std::io::Error::new(std::io::ErrorKind::NotFound, "no address")));
    }
    Ok(addresses)
}

/// Connects to the first of a host's addresses that answers until `end`, in their order.
///
/// # Errors
/// What came of the last one; see [`ConnectError`].
pub async fn connect_to_any(
    addresses: &[SocketAddr],
    config: &quinn::ClientConfig,
    choice: SocketChoice,
    end: Instant,
) -> Result<Connected, ConnectError> {
    let late = |address| ConnectError::Handshake { address, cause: "no answer".into(), answered: false };
    in_turn(addresses, end, |address| connect_to(address, config.clone(), choice), late).await
}

/// Tries a host's addresses in their order until one answers, each for its share of the time until `end`. `late` says
/// of one that it has not answered.
pub(super) async fn in_turn<T, F>(
    addresses: &[SocketAddr],
    end: Instant,
    connect: impl Fn(SocketAddr) -> F,
    late: impl Fn(SocketAddr) -> ConnectError,
) -> Result<T, ConnectError>
where
    F: Future<Output = Result<T, ConnectError>>,
{
    let time = end.saturating_duration_since(Instant::now());
    let share = time / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut result = Err(ConnectError::Socket(std::io::ErrorKind::NotFound.into()));
    for (number, &address) in addresses.iter().enumerate() {
        let limit = if number + 1 == addresses.len() {
            end
        } else {
            Instant::now() + share.min(Duration::from_millis(ADDRESS_MS_MAX))
        };
        result = match tokio::time::timeout_at(limit, connect(address)).await {
            Ok(result) => result,
            Err(_) => Err(late(address)),
        };
        if result.is_ok() {
            break;
        }
    }
    result
}

async fn connect_to(
    address: SocketAddr,
    config: quinn::ClientConfig,
    choice: SocketChoice,
) -> Result<Connected, ConnectError> {
    let endpoint = endpoint(address, choice).await.map_err(ConnectError::Socket)?;
    let failed = |cause: String, answered| ConnectError::Handshake { address, cause, answered };
    let connecting = endpoint.connect_with(config, address, HUB_SERVER_NAME);
    let connecting = connecting.map_err(|error| failed(error.to_string(), false))?;
    match connecting.await {
        Ok(connection) => Ok(Connected { endpoint, connection }),
        Err(error) if is_about_certificate(&error) => {
            Err(ConnectError::Unproven { address, cause: error.to_string() })
        }
        Err(error) => Err(failed(error.to_string(), error != quinn::ConnectionError::TimedOut)),
    }
}

/// What to do where a proxy answers so: (zh-CN, en).
fn refusal(status: u16) -> (&'static str, &'static str) {
    match status {
        407 => ("检查 [link] proxy 里的用户和密码", "check user and password in [link] proxy"),
        403 | 405 => ("请网管在代理上放行总部", "have the proxy let the hub through"),
        500..=599 => {
            ("代理连不上总部:检查总部地址", "the proxy does not reach the hub: check the hub's address")
        }
        _ => ("检查代理的设置", "check the proxy's settings"),
    }
}

/// Whether it was our side that did not like the hub's certificate: an alert of TLS about one, or about its
/// signature (RFC 8446, 6.2), as a QUIC error (RFC 9001, 4.8).
fn is_about_certificate(error: &quinn::ConnectionError) -> bool {
    const ALERTS: [u8; 7] = [42, 43, 44, 45, 46, 48, 51];
    let quinn::ConnectionError::TransportError(error) = error else { return false };
    ALERTS.iter().any(|alert| error.code == quinn::TransportErrorCode::crypto(*alert))
}

async fn endpoint(towards: SocketAddr, choice: SocketChoice) -> std::io::Result<quinn::Endpoint> {
    let any: SocketAddr =
        if towards.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    if choice == SocketChoice::Auto {
        match quinn::Endpoint::client(any) {
            Ok(endpoint) => return Ok(endpoint),
            Err(error) => debug!(%error, "the fast UDP socket does not work here, using the plain one"),
        }
    }
    let socket = tokio::net::UdpSocket::bind(any).await?;
    quinn::Endpoint::new_with_abstract_socket(
        quinn::EndpointConfig::default(),
        None,
        Arc::new(PlainUdpSocket(socket)),
        Arc::new(quinn::TokioRuntime),
    )
}
