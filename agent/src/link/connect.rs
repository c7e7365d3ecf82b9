//! Making a connection: name, socket, handshake. A fresh endpoint for each, so that nothing of a network that
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
/// How long those with all of them may take; the last one has what the others have left. A session gives up after 10 s
/// ([`docket_protocol::session::GREETING_MAX`]).
pub const ADDRESSES_MS_MAX: u64 = 9_000;

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
}

impl ConnectError {
    /// Whether the attempt has come to nobody, so that it has cost nobody anything.
    pub fn is_unanswered(&self) -> bool {
        match self {
            ConnectError::Name { .. } | ConnectError::Socket(_) => true,
            ConnectError::Handshake { answered, .. } => !answered,
            ConnectError::Unproven { .. } => false,
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

/// Connects to `hub` (`host:port`).
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(
    hub: &str,
    config: quinn::ClientConfig,
    choice: SocketChoice,
) -> Result<Connected, ConnectError> {
    let name = |cause| ConnectError::Name { hub: hub.to_owned(), cause };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(hub).await.map_err(name)?.collect();
    if addresses.is_empty() {
        return Err(name(std::io::Error::new(std::io::ErrorKind::NotFound, "no address")));
    }
    connect_to_any(&addresses, &config, choice).await
}

/// Connects to the first of a host's addresses that answers, in their order.
///
/// # Errors
/// What came of the last one; see [`ConnectError`].
pub async fn connect_to_any(
    addresses: &[SocketAddr],
    config: &quinn::ClientConfig,
    choice: SocketChoice,
) -> Result<Connected, ConnectError> {
    let end = Instant::now() + Duration::from_millis(ADDRESSES_MS_MAX);
    let share_ms = ADDRESSES_MS_MAX / (addresses.len() as u64).max(1);
    let mut result = Err(ConnectError::Socket(std::io::ErrorKind::NotFound.into()));
    for (number, &address) in addresses.iter().enumerate() {
        let limit = if number + 1 == addresses.len() {
            end
        } else {
            Instant::now() + Duration::from_millis(share_ms.min(ADDRESS_MS_MAX))
        };
        result = match tokio::time::timeout_at(limit, connect_to(address, config.clone(), choice)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Handshake { address, cause: "no answer".into(), answered: false }),
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
