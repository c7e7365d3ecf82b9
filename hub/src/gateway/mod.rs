//! The gateway: the UDP endpoint at which agents enrol and hold their sessions.

pub mod ca;
pub mod codes;
mod connection_ids;
mod enrol;
mod session;

use crate::fleet::Fleet;
use crate::storage::Storage;
use ca::Authority;
use connection_ids::RandomIds;
use docket_protocol::enrol::{ENROL_ALPN, LINK_ALPN};
use docket_protocol::message::Refusal;
use enrol::Enrolment;
use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use session::SessionShell;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tracing::{debug, info, warn};

/// Receive buffer of the socket: with the usual 200 KiB, thousands of agents that connect at once after a
/// restart lose most of their first packets.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// A connection that is idle sends something this often, so that NATs keep its mapping.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A connection without a sign of life for so long is gone.
const IDLE_MAX_MS: u32 = 45_000;
/// Between two stateless resets: thousands of agents learn within seconds that the hub is another.
const RESET_INTERVAL_MIN: Duration = Duration::from_millis(1);
/// What the peer may send on the control stream ahead of our reading.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// How often changes that other processes made in the database are looked for.
const WATCH_EVERY: Duration = Duration::from_secs(1);

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
    /// The certificates do not fit.
    #[error("link-tls: {0}; restore the `ca` folder of the data folder from a backup")]
    Tls(String),
}

/// The running endpoint.
#[derive(Debug)]
pub struct Gateway {
    endpoint: quinn::Endpoint,
}

impl Gateway {
    /// Opens the port and serves agents until the handle is closed.
    ///
    /// # Errors
    /// Where the port or the certificates cannot be used.
    pub fn start(
        address: SocketAddr,
        storage: Storage,
        fleet: Arc<Fleet>,
        authority: Arc<Authority>,
    ) -> Result<Self, GatewayError> {
        let config = server_config(&authority)?;
        let socket = bind(address).map_err(|cause| GatewayError::Listen { address, cause })?;
        let mut ids = quinn::EndpointConfig::new(Arc::new(authority.reset_key()));
        ids.cid_generator(|| Box::new(RandomIds::new())).min_reset_interval(RESET_INTERVAL_MIN);
        let endpoint = quinn::Endpoint::new(ids, Some(config), socket, Arc::new(quinn::TokioRuntime))
            .map_err(|cause| GatewayError::Listen { address, cause })?;
        let enrolment = Arc::new(Enrolment::new(storage.clone(), authority));
        tokio::spawn(watch_database(storage.clone(), Arc::clone(&fleet)));
        tokio::spawn(accept(endpoint.clone(), storage, fleet, enrolment));
        Ok(Gateway { endpoint })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Where the operating system does not know.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Closes all connections and waits for the farewells.
    pub async fn close(&self) {
        self.endpoint.close(0_u32.into(), b"hub-stopping");
        self.endpoint.wait_idle().await;
    }
}

async fn accept(endpoint: quinn::Endpoint, storage: Storage, fleet: Arc<Fleet>, enrolment: Arc<Enrolment>) {
    while let Some(incoming) = endpoint.accept().await {
        let (storage, fleet, enrolment) = (storage.clone(), Arc::clone(&fleet), Arc::clone(&enrolment));
        tokio::spawn(async move {
            let from = incoming.remote_address();
            match incoming.await {
                Ok(connection) => serve(connection, storage, fleet, enrolment).await,
                Err(error) => debug!(%from, %error, "no handshake"),
            }
        });
    }
}

async fn serve(
    connection: quinn::Connection,
    storage: Storage,
    fleet: Arc<Fleet>,
    enrolment: Arc<Enrolment>,
) {
    let alpn = connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok())
        .and_then(|data| data.protocol);
    if alpn.as_deref() == Some(ENROL_ALPN) {
        return enrolment.serve(connection).await;
    }
    let certificate = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .and_then(|chain| chain.into_iter().next());
    let Some(certificate) = certificate else {
        return session::refuse(connection, Refusal::UnknownAgent).await;
    };
    match storage.agent_by_fingerprint(enrol::fingerprint(&certificate)).await {
        Ok(Some(agent)) => SessionShell { agent, storage, fleet }.run(connection).await,
        Ok(None) => {
            warn!(from = %connection.remote_address(), code = Refusal::UnknownAgent.code(), "certificate without agent");
            session::refuse(connection, Refusal::UnknownAgent).await;
        }
        Err(error) => {
            warn!(%error, "an agent could not be looked up");
            session::refuse(connection, Refusal::Unavailable).await;
        }
    }
}

/// The command line works on the same database: agents that it has revoked are cut off, and sessions are told
/// of items that it has assigned.
async fn watch_database(storage: Storage, fleet: Arc<Fleet>) {
    let mut known_revoked = HashSet::new();
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let agents = match storage.agents().await {
            Ok(agents) => agents,
            Err(crate::storage::StorageError::Closed) => return,
            Err(error) => {
                warn!(%error, "the database could not be watched");
                continue;
            }
        };
        for agent in agents {
            if agent.revoked_at.is_some() {
                if known_revoked.insert(agent.id.clone()) {
                    fleet.refuse(&agent.id, Refusal::Revoked);
                    fleet.touch();
                }
            } else {
                fleet.outbox_has(&agent.id, agent.assigned);
            }
        }
    }
}

fn server_config(authority: &Authority) -> Result<quinn::ServerConfig, GatewayError> {
    let failed = |error: &dyn std::fmt::Display| GatewayError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.ca().clone()).map_err(|error| failed(&error))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| failed(&error))?;
    let (chain, key) = authority.hub();
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| failed(&error))?;
    tls.alpn_protocols = vec![LINK_ALPN.to_vec(), ENROL_ALPN.to_vec()];
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| failed(&error))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(1_u8.into())
        .max_concurrent_uni_streams(0_u8.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(STREAM_WINDOW_BYTES.into())
        .mtu_discovery_config(None)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(quinn::VarInt::from_u32(IDLE_MAX_MS).into()));
    config.transport_config(Arc::new(transport));
    Ok(config)
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
