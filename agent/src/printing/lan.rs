//! A printer in the local network: raw TCP, port 9100, one connection that is held open.
//!
//! No keepalive of TCP is used: the machine's own questions show within seconds that a line is dead, on every
//! operating system alike.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// The port of raw printing.
pub const PORT: u16 = 9_100;
/// How long a connection may take; in a store's network it takes a millisecond.
pub const CONNECT_MS_MAX: u64 = 3_000;

/// Connects to `host` or `host:port`.
///
/// # Errors
/// The system's own, or `TimedOut`.
pub async fn connect(address: &str) -> io::Result<TcpStream> {
    let connecting = async {
        match endpoint(address) {
            Endpoint::Socket(address) => TcpStream::connect(address).await,
            Endpoint::Name(name) => TcpStream::connect(name).await,
        }
    };
    let stream = tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), connecting)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[derive(Debug, PartialEq, Eq)]
enum Endpoint {
    Socket(SocketAddr),
    Name(String),
}

fn endpoint(address: &str) -> Endpoint {
    if let Ok(socket) = address.parse::<SocketAddr>() {
        return Endpoint::Socket(socket);
    }
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Endpoint::Socket(SocketAddr::new(ip, PORT));
    }
    if address.contains(':') {
        Endpoint::Name(address.into())
    } else {
        Endpoint::Name(format!("{address}:{PORT}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        let socket = |text: &str| Endpoint::Socket(text.parse().unwrap());
        assert_eq!(endpoint("192.168.1.50"), socket("192.168.1.50:9100"));
        assert_eq!(endpoint("192.168.1.50:9101"), socket("192.168.1.50:9101"));
        assert_eq!(endpoint("fe80::1"), socket("[fe80::1]:9100"));
        assert_eq!(endpoint("kitchen.lan"), Endpoint::Name("kitchen.lan:9100".into()));
        assert_eq!(endpoint("kitchen.lan:9200"), Endpoint::Name("kitchen.lan:9200".into()));
    }
}
