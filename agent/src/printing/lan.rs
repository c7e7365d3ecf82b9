//! A printer in the local network: raw TCP, port 9100, one connection that is held open.
//!
//! No keepalive of TCP is used: the machine's own questions show within seconds that a line is dead, on every
//! operating system alike.

use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a connection may take; in a store's network it takes a millisecond.
pub const CONNECT_MS_MAX: u64 = 3_000;

/// Connects.
///
/// # Errors
/// The system's own, or `TimedOut`.
pub async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream =
        tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), TcpStream::connect((host, port)))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
