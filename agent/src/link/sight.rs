//! What is seen of a connection, and of the PC: the numbers that [`super::pulse`] judges.

use super::pulse::Look;
use super::tls::KEEP_ALIVE;
use super::wire::{Stream, Wire};
use docket_protocol::session::HEARTBEAT_AFTER;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// A look at a wire. QUIC asks for signs of life and shows what is confirmed; over TCP the hub's heartbeat is all.
pub(super) fn of(wire: &Wire) -> Look {
    match wire.stream() {
        Stream::Quic { connected, .. } => {
            let (connection, stats) = (&connected.connection, connected.connection.stats());
            Look {
                heard: stats.udp_rx.datagrams,
                answered: Some(stats.frame_rx.acks),
                said: stats.frame_tx.stream,
                round_trip: connection.rtt(),
                own: own_address(connection.remote_address()),
                beat: KEEP_ALIVE,
                clock: clock(),
            }
        }
        Stream::Tls { stream, rtt, .. } => Look {
            heard: wire.read_bytes(),
            answered: None,
            said: 0,
            round_trip: *rtt,
            // That of the proxy, where there is one: it is what the PC has to reach.
            own: stream.get_ref().0.peer_addr().ok().and_then(own_address),
            beat: HEARTBEAT_AFTER,
            clock: clock(),
        },
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
