//! A printer on the network.
//!
//! Like most devices it serves one connection at a time; others wait in the backlog until that one is closed.
//! While it is switched off or unplugged its port refuses connections but stays reserved, so that no other program
//! takes it. A connection that ends with the power or the cable is reset: the next byte to it is refused, as by a device
//! that has forgotten it. One that is dropped is closed.

use super::device::Device;
use super::wire::{Interests, Occurrence, Wire};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that wait while one is served.
const BACKLOG: u32 = 16;
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port and the connection that it serves.
#[derive(Debug)]
pub(super) struct TcpWire {
    address: SocketAddr,
    /// Bound and never listening: keeps the port while the printer refuses connections.
    _reserved: TcpSocket,
    listener: Option<TcpListener>,
    connection: Option<TcpStream>,
}

impl TcpWire {
    /// Listens.
    pub fn listen(address: SocketAddr) -> io::Result<Self> {
        if address.port() != 0 {
            // Sharing an address, as below, would also share it with another virtual printer: ask without
            // sharing.
            bind(address, Sharing::No)?;
        }
        let reserved = bind(address, Sharing::Yes)?;
        let address = reserved.local_addr()?;
        let listener = Some(listen(address)?);
        Ok(TcpWire { address, _reserved: reserved, listener, connection: None })
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn accepted(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "no TCP_NODELAY");
        }
        tracing::debug!(%peer, address = %self.address, "virtual printer connected");
        self.connection = Some(stream);
    }
}

impl Wire for TcpWire {
    fn follow(&mut self, device: &mut Device, _outbound: &mut Vec<u8>) {
        if device.must_drop() {
            let is_there = device.is_powered() && device.is_plugged();
            if let Some(connection) = self.connection.as_ref().filter(|_| !is_there)
                && let Err(error) = connection.set_zero_linger()
            {
                tracing::debug!(%error, address = %self.address, "virtual printer cannot reset its connection");
            }
            self.lose(device);
        }
        match (device.listens(), &self.listener) {
            (false, Some(_)) => self.listener = None,
            (true, None) => match listen(self.address) {
                Ok(listener) => self.listener = Some(listener),
                Err(error) => {
                    tracing::error!(%error, address = %self.address, "virtual printer cannot listen again");
                }
            },
            _ => {}
        }
    }

    async fn occurs(&mut self, interests: Interests) -> Occurrence {
        let connection = self.connection.as_ref();
        tokio::select! {
            accepted = accept(self.listener.as_ref().filter(|_| interests.opening)) => match accepted {
                Ok((stream, peer)) => {
                    self.accepted(stream, peer);
                    Occurrence::Opened
                }
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "virtual printer cannot accept");
                    // Out of file descriptors, most likely.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    Occurrence::Nothing
                }
            },
            result = readable(connection.filter(|_| interests.reading)) => match result {
                Ok(()) => Occurrence::Readable,
                Err(_) => Occurrence::Lost,
            },
            result = ready(connection, interests) => match result {
                Ok(ready) if ready.is_error() || ready.is_write_closed() => Occurrence::Lost,
                Ok(_) => Occurrence::Writable,
                Err(_) => Occurrence::Lost,
            },
        }
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.connection.as_ref().ok_or(io::ErrorKind::NotConnected)?.try_read(buffer)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.as_ref().ok_or(io::ErrorKind::NotConnected)?.try_write(bytes)
    }

    fn lose(&mut self, device: &mut Device) {
        self.connection = None;
        device.disconnect();
    }
}

#[derive(PartialEq, Eq)]
enum Sharing {
    No,
    /// The reserved socket and the listener have the same address.
    Yes,
}

fn bind(address: SocketAddr, sharing: Sharing) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(sharing == Sharing::Yes)?;
    #[cfg(not(unix))]
    let _ = sharing;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address, Sharing::Yes)?.listen(BACKLOG)
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => pending().await,
    }
}

async fn readable(connection: Option<&TcpStream>) -> io::Result<()> {
    match connection {
        Some(connection) => connection.readable().await,
        None => pending().await,
    }
}

/// Waits until answers can be written again; while nothing is read, for the connection's failure alone.
async fn ready(connection: Option<&TcpStream>, interests: Interests) -> io::Result<tokio::io::Ready> {
    match connection {
        Some(connection) if interests.writing => connection.ready(Interest::WRITABLE).await,
        Some(connection) if !interests.reading => connection.ready(Interest::ERROR).await,
        _ => pending().await,
    }
}
