//! TLS over TCP, straight or through a proxy: the way where UDP does not get through.
//!
//! A TCP connection may be half-open for hours: the other end has gone and nothing said so. The session's heartbeats
//! find that within 45 s; that the system gives up what is not acknowledged within [`UNACKNOWLEDGED_MAX`] finds it
//! sooner, where there is such an option (Linux). Shorter, and a line that loses a third of its packets would lose its
//! sessions too.

use super::connect::{ConnectError, in_turn, resolve};
use super::proxy::{Proxy, TunnelError};
use super::wire::Stream;
use docket_protocol::enrol::HUB_SERVER_NAME;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

/// What was sent and is not acknowledged within this ends the connection.
pub const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(20);
/// A quiet connection is asked whether it still is one: after so long, and then as often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What TLS may hold that is not on the wire yet.
const TLS_BYTES_MAX: usize = 16 * 1024;

/// Where and how TLS over TCP goes.
#[derive(Debug, Clone)]
pub struct TcpWay {
    /// `host:port` of the hub.
    pub hub: String,
    /// The proxy in between.
    pub proxy: Option<Proxy>,
    /// TLS with this agent's identity, or for enrolment.
    pub tls: Arc<ClientConfig>,
}

/// Connects until `end`.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect_tcp(way: &TcpWay, end: Instant) -> Result<Stream, ConnectError> {
    let to = way.proxy.as_ref().map_or(way.hub.as_str(), Proxy::address);
    let addresses = match (resolve(to, end).await, &way.proxy) {
        (Ok(addresses), _) => addresses,
        (Err(ConnectError::Name { cause, .. }), Some(proxy)) => {
            return Err(ConnectError::Proxy { proxy: proxy.address().to_owned(), cause: cause.to_string() });
        }
        (Err(error), _) => return Err(error),
    };
    let late = |address| unreachable(way, address, "no answer".to_owned());
    in_turn(&addresses, end, |address| connect_to(way, address), late).await
}

async fn connect_to(way: &TcpWay, address: SocketAddr) -> Result<Stream, ConnectError> {
    let failed = |error: std::io::Error| unreachable(way, address, error.to_string());
    let began = Instant::now();
    let mut tcp = TcpStream::connect(address).await.map_err(failed)?;
    let mut rtt = began.elapsed();
    set_options(&tcp).map_err(failed)?;
    if let Some(proxy) = &way.proxy {
        let asked = Instant::now();
        proxy.open(&mut tcp, &way.hub).await.map_err(|error| match error {
            TunnelError::Refused { status } => {
                ConnectError::ProxyRefused { proxy: proxy.address().to_owned(), status, hub: way.hub.clone() }
            }
            other => unreachable(way, address, other.to_string()),
        })?;
        rtt += asked.elapsed();
    }
    let name = ServerName::try_from(HUB_SERVER_NAME).expect("the hub's name is a DNS name");
    let connecting = TlsConnector::from(Arc::clone(&way.tls)).connect(name, tcp);
    let mut stream = connecting.await.map_err(|error| tls_failed(way, address, &error))?;
    let (_, tls) = stream.get_mut();
    // A web server at that port proves nothing at enrolment, where any certificate is taken.
    if tls.alpn_protocol() != way.tls.alpn_protocols.first().map(Vec::as_slice) {
        return Err(ConnectError::TcpUnproven { address, cause: "it speaks another protocol".to_owned() });
    }
    tls.set_buffer_limit(Some(TLS_BYTES_MAX));
    Ok(Stream::Tls { stream: Box::new(stream), rtt, proxied: way.proxy.is_some() })
}

fn set_options(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(())
}

fn unreachable(way: &TcpWay, address: SocketAddr, cause: String) -> ConnectError {
    match &way.proxy {
        Some(proxy) => ConnectError::Proxy { proxy: proxy.address().to_owned(), cause },
        None => ConnectError::Tcp { address, cause },
    }
}

/// What TLS itself refuses is wrapped into an I/O error.
fn tls_failed(way: &TcpWay, address: SocketAddr, error: &std::io::Error) -> ConnectError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(
            cause @ (rustls::Error::InvalidCertificate(_)
            | rustls::Error::InvalidMessage(_)
            | rustls::Error::AlertReceived(_)
            | rustls::Error::PeerIncompatible(_)
            | rustls::Error::NoApplicationProtocol),
        ) => ConnectError::TcpUnproven { address, cause: cause.to_string() },
        Some(_) | None => unreachable(way, address, error.to_string()),
    }
}
