//! The gateway: the UDP endpoint at which agents enrol and hold their sessions, and the TCP port for those whose
//! network lets no UDP through.

pub mod bundles;
pub mod ca;
pub mod codes;
mod connection_ids;
mod doorman;
mod enrol;
mod gate;
mod session;
mod tcp;
mod tls;
mod watch;
mod wire;

use crate::clock;
use crate::fleet::Fleet;
use crate::storage::Storage;
use crate::storage::certificates::Admitted;
use bundles::Bundles;
use ca::Authority;
use connection_ids::RandomIds;
use docket_protocol::enrol::ENROL_ALPN;
use docket_protocol::message::Refusal;
use docket_protocol::session::{CloseReason, GREETING_MAX};
use enrol::Enrolment;
use quinn::crypto::rustls::HandshakeData;
use rustls::pki_types::CertificateDer;
use session::SessionShell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};
use wire::{FAREWELL_MAX, Stream};

/// Receive buffer of the socket: with the usual 200 KiB, thousands of agents that connect at once after a
/// restart lose most of their first packets.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Between two stateless resets: none, so that thousands of agents learn at once that the hub is another. quinn looks at
/// the clock once for a whole batch of packets, so any pause would be one reset a batch, and agents without one
/// repeat their packet after longer and longer. A reset is smaller than what it answers, so it serves no flood.
const RESET_INTERVAL_MIN: Duration = Duration::ZERO;

/// Why there is no gateway.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The port cannot be had.
    #[error("link-listen: UDP {address}: {cause}; choose another [link] listen or end what uses it")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The TCP port cannot be had.
    #[error(
        "link-tcp-listen: TCP {address}: {cause}; choose another [link] tcp_listen, allow it, or write \"off\""
    )]
    ListenTcp {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The certificates do not fit.
    #[error("link-tls: {0}; restore the `ca` folder of the data folder from a backup")]
    Tls(String),
}

/// The TCP port: where agents connect whose network lets no UDP through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpPort {
    /// There is none.
    Off,
    /// There is this one, or no hub.
    At(SocketAddr),
    /// There is this one, if it can be had: nobody has asked for it.
    IfPossible(SocketAddr),
}

/// The running endpoints.
#[derive(Debug)]
pub struct Gateway {
    endpoint: quinn::Endpoint,
    tcp: Option<SocketAddr>,
    accepting: Vec<AbortHandle>,
    fleet: Arc<Fleet>,
}

/// Whom a connection is taken to.
struct Reception {
    storage: Storage,
    fleet: Arc<Fleet>,
    enrolment: Enrolment,
    authority: Arc<Authority>,
    bundles: Bundles,
}

impl Gateway {
    /// Opens the ports and serves agents until the handle is closed. To be called within the runtime.
    ///
    /// # Errors
    /// Where a port or the certificates cannot be used.
    pub fn start(
        address: SocketAddr,
        tcp: TcpPort,
        storage: Storage,
        fleet: Arc<Fleet>,
        authority: Arc<Authority>,
        bundles: Bundles,
    ) -> Result<Self, GatewayError> {
        let tls = tls::server_config(Arc::clone(&authority))?;
        let socket = bind(address).map_err(|cause| GatewayError::Listen { address, cause })?;
        let mut ids = quinn::EndpointConfig::new(Arc::new(authority.reset_key()));
        ids.cid_generator(|| Box::new(RandomIds::new())).min_reset_interval(RESET_INTERVAL_MIN);
        let config = tls::quic_config(Arc::clone(&tls))?;
        let endpoint = doorman::thread()
            .and_then(|doorman| {
                let _its_own = doorman.enter();
                quinn::Endpoint::new(ids, Some(config), socket, Arc::new(quinn::TokioRuntime))
            })
            .map_err(|cause| GatewayError::Listen { address, cause })?;
        let listener = open(tcp, &fleet)?;
        let tcp = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let enrolment = Enrolment::new(storage.clone(), Arc::clone(&authority));
        let reception = Arc::new(Reception {
            storage: storage.clone(),
            fleet: Arc::clone(&fleet),
            enrolment,
            authority: Arc::clone(&authority),
            bundles,
        });
        tokio::spawn(watch::run(storage, Arc::clone(&fleet), authority));
        let mut accepting =
            vec![tokio::spawn(accept(endpoint.clone(), Arc::clone(&reception))).abort_handle()];
        if let Some(listener) = listener {
            accepting.push(tokio::spawn(tcp::accept(listener, tls, reception)).abort_handle());
        }
        Ok(Gateway { endpoint, tcp, accepting, fleet })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Where the operating system does not know.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Where it listens for TLS over TCP, if it does.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Closes all connections and waits for the farewells.
    pub async fn close(&self) {
        self.accepting.iter().for_each(AbortHandle::abort);
        self.endpoint.close(0_u32.into(), b"hub-stopping");
        self.fleet.end_all();
        self.endpoint.wait_idle().await;
    }
}

fn open(tcp: TcpPort, fleet: &Fleet) -> Result<Option<tokio::net::TcpListener>, GatewayError> {
    match tcp {
        TcpPort::Off => Ok(None),
        TcpPort::At(address) => {
            let listener = tcp::bind(address);
            listener.map(Some).map_err(|cause| GatewayError::ListenTcp { address, cause })
        }
        TcpPort::IfPossible(address) => match tcp::bind(address) {
            Ok(listener) => Ok(Some(listener)),
            Err(error) => {
                warn!(
                    code = "link-tcp-listen", %address, %error,
                    "no TCP port for agents: stores whose network lets no UDP through cannot connect"
                );
                fleet.lacks_tcp(address, &error);
                Ok(None)
            }
        },
    }
}

async fn accept(endpoint: quinn::Endpoint, reception: Arc<Reception>) {
    while let Some(incoming) = endpoint.accept().await {
        let reception = Arc::clone(&reception);
        tokio::spawn(async move {
            let from = incoming.remote_address();
            // In a box, like every step that is over when a session begins: it goes on for days.
            match Box::pin(incoming.into_future()).await {
                Ok(connection) => serve(connection, &reception).await,
                Err(error) => debug!(%from, %error, "no handshake"),
            }
        });
    }
}

async fn serve(connection: quinn::Connection, reception: &Reception) {
    let alpn = connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok())
        .and_then(|data| data.protocol);
    let stream_within = |limit| {
        let connection = connection.clone();
        async move {
            match tokio::time::timeout(limit, connection.accept_bi()).await {
                Ok(Ok((send, receive))) => Some(Stream::Quic { connection, send, receive }),
                Ok(Err(_)) | Err(_) => None,
            }
        }
    };
    if alpn.as_deref() == Some(ENROL_ALPN) {
        match Box::pin(stream_within(GREETING_MAX)).await {
            Some(stream) => Box::pin(reception.enrolment.serve(stream)).await,
            None => connection.close(0_u32.into(), b"enrol-timeout"),
        }
        return;
    }
    let certificate = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .and_then(|chain| chain.into_iter().next());
    match Box::pin(reception.admit(certificate, connection.remote_address())).await {
        Ok(agent) => match Box::pin(stream_within(GREETING_MAX)).await {
            Some(stream) => reception.session(agent, stream).await,
            None => {
                let (code, number) = CloseReason::NoGreeting.code();
                connection.close(number.into(), code.as_bytes());
            }
        },
        Err(refusal) => match Box::pin(stream_within(FAREWELL_MAX)).await {
            Some(stream) => Box::pin(session::refuse(stream, refusal)).await,
            None => {
                connection.close(CloseReason::Refused(refusal).code().1.into(), refusal.code().as_bytes())
            }
        },
    }
}

impl Reception {
    /// Whose certificate this is.
    async fn admit(
        &self,
        certificate: Option<CertificateDer<'static>>,
        from: SocketAddr,
    ) -> Result<Admitted, Refusal> {
        let certificate = certificate.ok_or(Refusal::UnknownAgent)?;
        match self.storage.admit(enrol::fingerprint(&certificate), clock::now()).await {
            Ok(Some(admitted)) if admitted.ended_long_ago => {
                warn!(%from, agent = %admitted.agent, code = Refusal::CertificateEnded.code(), "not admitted");
                Err(Refusal::CertificateEnded)
            }
            Ok(Some(admitted)) => Ok(admitted),
            Ok(None) => {
                warn!(%from, code = Refusal::UnknownAgent.code(), "certificate without agent");
                Err(Refusal::UnknownAgent)
            }
            Err(error) => {
                warn!(%error, "an agent could not be looked up");
                Err(Refusal::Unavailable)
            }
        }
    }

    /// Runs an agent's session.
    fn session(&self, admitted: Admitted, stream: Stream) -> impl Future<Output = ()> + Send + use<> {
        let shell = SessionShell {
            agent: admitted.agent,
            machine: admitted.machine,
            storage: self.storage.clone(),
            fleet: Arc::clone(&self.fleet),
            authority: Arc::clone(&self.authority),
            bundles: self.bundles.clone(),
        };
        Box::pin(shell.run(stream))
    }
}

fn bind(address: SocketAddr) -> std::io::Result<std::net::UdpSocket> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    let granted = socket.recv_buffer_size()?;
    if granted < RECEIVE_BUFFER_BYTES {
        info!(
            bytes = granted,
            wanted = RECEIVE_BUFFER_BYTES,
            "small receive buffer: raise net.core.rmem_max before thousands of agents connect"
        );
    }
    Ok(socket.into())
}
