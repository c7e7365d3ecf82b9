//! What is seen of a connection, and of the PC: the numbers that [`super::pulse`] judges.

use super::pulse::Look;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// A look at a QUIC connection.
pub fn quic(connection: &quinn::Connection) -> Look {
    let stats = connection.stats();
    Look {
        heard: stats.udp_rx.datagrams,
        answered: Some(stats.frame_rx.acks),
        said: stats.frame_tx.stream,
        round_trip: connection.rtt(),
        own: own_address(connection.remote_address()),
        clock: clock(),
    }
}

/// The address that the system would send from. Nothing is sent: a UDP socket is connected by looking at the routes.
fn own_address(hub: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match hub {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(hub).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Counts while the PC sleeps, which [`std::time::Instant`] does on Windows but not on Linux.
#[cfg(target_os = "linux")]
fn clock() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn clock() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed()
}
