//! A printer in the local network: raw TCP, port 9100, one connection that is held open.
//!
//! No keepalive of TCP is used: the machine's own questions show within seconds that a line is dead, on every
//! operating system alike.

use super::{Happened, READ_BYTES};
use std::io;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How long a connection may take; in a store's network it takes a millisecond.
pub const CONNECT_MS_MAX: u64 = 3_000;

/// An open connection.
#[derive(Debug)]
pub struct Lan {
    stream: TcpStream,
    is_writable: bool,
    buffer: [u8; READ_BYTES],
}

impl Lan {
    /// Connects.
    ///
    /// # Errors
    /// The system's own, or `TimedOut`.
    pub async fn connect(host: &str, port: u16) -> io::Result<Self> {
        let connecting = TcpStream::connect((host, port));
        let stream = tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), connecting)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, is_writable: true, buffer: [0; READ_BYTES] })
    }

    pub(super) async fn next(&mut self, to_send: &[u8]) -> Happened<'_> {
        loop {
            if self.is_writable && !to_send.is_empty() {
                match self.stream.try_write(to_send) {
                    Ok(bytes) => return Happened::Took(bytes),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_writable = false,
                    Err(error) => return Happened::Lost(Some(error)),
                }
            }
            let interest =
                if self.is_writable { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            let ready = match self.stream.ready(interest).await {
                Ok(ready) => ready,
                Err(error) => return Happened::Lost(Some(error)),
            };
            self.is_writable |= ready.is_writable();
            if ready.is_readable() || ready.is_read_closed() {
                match self.stream.try_read(&mut self.buffer) {
                    Ok(0) => return Happened::Lost(None),
                    Ok(bytes) => return Happened::Received(&self.buffer[..bytes]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Happened::Lost(Some(error)),
                }
            }
        }
    }
}
