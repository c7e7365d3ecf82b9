//! The TCP port: TLS for agents whose network lets no UDP through. The same certificates, the same protocols by ALPN,
//! the same sessions.
//!
//! Whoever comes has [`HANDSHAKE_MAX`] to be through with TLS; what does not speak it is closed at its first byte. A
//! connection may be half-open: the session's heartbeats find that within 45 s, and that what is sent is not acknowledged
//! within [`UNACKNOWLEDGED_MAX`] finds it sooner, where the system has such an option (Linux).

use super::Reception;
use super::gate::{Gate, Place};
use super::wire::Stream;
use docket_protocol::enrol::{ENROL_ALPN, LINK_ALPN};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info, warn};

/// How long TLS may take; an agent gives up after as long.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Connections that the system may hold for us: a whole chain that comes back at once.
const BACKLOG: u32 = 8_192;
/// How long nothing is accepted where the system gives no more files.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// What was sent and is not acknowledged within this ends a connection.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(20);
/// A quiet connection is asked whether it still is one: after so long, and then as often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What TLS may hold that is not on the wire yet.
const TLS_BYTES_MAX: usize = 16 * 1024;

/// Opens the port.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // After a restart, connections of before are still about.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    raise_open_files();
    Ok(listener)
}

/// Serves agents until it is dropped.
pub(super) async fn accept(listener: TcpListener, tls: Arc<rustls::ServerConfig>, reception: Arc<Reception>) {
    let acceptor = TlsAcceptor::from(tls);
    let gate = Arc::new(Gate::default());
    let mut exhausted = false;
    loop {
        let (tcp, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The connection was gone before it was taken.
            Err(error) if is_of_connection(&error) => continue,
            Err(error) => {
                if !exhausted {
                    warn!(code = "link-tcp-accept", %error, "no connection can be taken: raise the limit of open files");
                }
                exhausted = true;
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                continue;
            }
        };
        exhausted = false;
        match gate.let_in(from.ip()) {
            Some(place) => {
                tokio::spawn(serve(tcp, from, place, acceptor.clone(), Arc::clone(&reception)));
            }
            None => debug!(%from, "too many connections"),
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Each step in a box of its own: a session that goes on for days does not keep the place of a handshake.
async fn serve(
    tcp: TcpStream,
    from: SocketAddr,
    mut place: Place,
    acceptor: TlsAcceptor,
    reception: Arc<Reception>,
) {
    let handshake = tokio::time::timeout(HANDSHAKE_MAX, Box::pin(handshake(tcp, acceptor)));
    let stream = match handshake.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%from, %error, "no handshake"),
        Err(_) => return debug!(%from, "no handshake in time"),
    };
    let (_, tls) = stream.get_ref();
    let certificate = tls.peer_certificates().and_then(|chain| chain.first()).cloned();
    let is_enrolment = match tls.alpn_protocol() {
        Some(alpn) if alpn == ENROL_ALPN => true,
        Some(alpn) if alpn == LINK_ALPN => false,
        Some(_) | None => return debug!(%from, "neither link nor enrolment"),
    };
    let stream = Stream::Tls { stream, from };
    if is_enrolment {
        return Box::pin(reception.enrolment.serve(stream)).await;
    }
    match Box::pin(reception.admit(certificate, from)).await {
        Ok(agent) => {
            place.is_known();
            reception.session(agent, stream).await;
        }
        Err(refusal) => Box::pin(super::session::refuse(stream, refusal)).await,
    }
}

async fn handshake(tcp: TcpStream, acceptor: TlsAcceptor) -> io::Result<Box<TlsStream<TcpStream>>> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(&tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    let stream = acceptor.accept_with(tcp, |tls| tls.set_buffer_limit(Some(TLS_BYTES_MAX))).await?;
    Ok(Box::new(stream))
}

/// Each connection is an open file, and the usual limit of 1,024 is only the one that may be raised.
fn raise_open_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            limit.current = limit.maximum;
            match setrlimit(Resource::Nofile, limit) {
                Ok(()) => info!(files = limit.maximum, "limit of open files raised"),
                Err(error) => info!(%error, "the limit of open files cannot be raised"),
            }
        }
    }
}
