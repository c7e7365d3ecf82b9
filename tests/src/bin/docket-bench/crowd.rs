//! Very many agents in one process: each a real [`AgentSession`] over a connection of its own with a certificate of its
//! own, and an outbox and a cursor in memory in place of a spool.
//!
//! It connects like an agent over one of the two ways: as often, with the same pauses, keep-alives and windows. A few
//! dozen share a UDP socket; with all at one, its buffer would lose what no agent's own loses.
//!
//! The benchmark hears of it by lines on standard output ([`Counts`]), and says by lines on standard input
//! ([`FORGET`], [`LISTENING`]) what is to be counted from now on. At the end of standard input it ends.

use anyhow::{Context, ensure};
use docket_protocol::enrol::{HUB_SERVER_NAME, LINK_ALPN};
use docket_protocol::frame::{self, Decoder};
use docket_protocol::ids::{PrinterName, Seq};
use docket_protocol::message::{AgentStatus, Message};
use docket_protocol::printer::PrinterHealth;
use docket_protocol::session::{AgentSession, Cursors, Effect, LinkState};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsConnector;

/// Sessions that are open now do not count as live any more: the hub is about to be killed.
pub const FORGET: &str = "forget";
/// The hub listens: attempts that begin from now on are to succeed.
pub const LISTENING: &str = "listening";

/// Agents that share a socket.
const AGENTS_OF_SOCKET: usize = 50;
/// Open files of a process that holds some thousand connections.
const OPEN_FILES: u64 = 16_384;
const COUNT_EVERY: Duration = Duration::from_millis(50);
const READ_BYTES: usize = 4 * 1024;
/// As an agent's (`agent/src/link/tls.rs`, `reach.rs`).
const KEEP_ALIVE: Duration = Duration::from_secs(4);
const IDLE_MAX_MS: u32 = 45_000;
const WINDOW_BYTES: u32 = 256 * 1024;
const REACH_MAX: Duration = Duration::from_secs(9);
/// Printers whose state each tells.
const PRINTERS: usize = 3;

/// Who they are.
#[derive(Debug, Serialize, Deserialize)]
pub struct Identities {
    /// The hub's CA.
    pub ca: Vec<u8>,
    /// One key for all: what it is does not matter.
    pub key: Vec<u8>,
    /// Of each agent.
    pub certificates: Vec<Vec<u8>>,
}

/// How a crowd is, all told.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Agents with a session that counts.
    pub live: u64,
    /// Attempts that began while the hub was listening and came to nothing.
    pub dropped: u64,
    /// Orders that were stored.
    pub stored: u64,
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Self {
        counts.fold(Counts::default(), |sum, one| Counts {
            live: sum.live + one.live,
            dropped: sum.dropped + one.dropped,
            stored: sum.stored + one.stored,
        })
    }
}

/// What all agents of the process count.
#[derive(Debug)]
struct Tally {
    /// Raised by [`FORGET`].
    generation: AtomicU64,
    /// The generation in which each agent's session began; 0 where it has none.
    live_in: Vec<AtomicU64>,
    is_listening: AtomicU64,
    dropped: AtomicU64,
    stored: AtomicU64,
}

impl Tally {
    fn counts(&self) -> Counts {
        let generation = self.generation.load(Ordering::Relaxed);
        let is_live = |live_in: &&AtomicU64| live_in.load(Ordering::Relaxed) == generation;
        Counts {
            live: self.live_in.iter().filter(is_live).count() as u64,
            dropped: self.dropped.load(Ordering::Relaxed),
            stored: self.stored.load(Ordering::Relaxed),
        }
    }
}

/// Holds the agents `first..first + agents` until standard input ends.
///
/// # Errors
/// Where the identities or the system's bounds do not suffice.
pub async fn hold(
    identities: &Path,
    first: usize,
    agents: usize,
    tcp: bool,
    hub: SocketAddr,
) -> anyhow::Result<()> {
    raise_open_files()?;
    let Identities { ca, key, certificates } = serde_json::from_slice(&std::fs::read(identities)?)?;
    let own = certificates.get(first..first + agents).context("not so many identities")?;
    let tally = Arc::new(Tally {
        generation: AtomicU64::new(1),
        live_in: (0..agents).map(|_| AtomicU64::new(0)).collect(),
        is_listening: AtomicU64::new(1),
        dropped: AtomicU64::new(0),
        stored: AtomicU64::new(0),
    });
    let mut endpoint = None;
    for (place, certificate) in own.iter().enumerate() {
        let tls = tls(&ca, &key, certificate)?;
        let road = if tcp {
            Road::Tcp(TlsConnector::from(Arc::new(tls)), hub)
        } else {
            if place % AGENTS_OF_SOCKET == 0 {
                endpoint = Some(quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?);
            }
            let endpoint = endpoint.clone().context("the first has opened one")?;
            Road::Quic(endpoint, quic(tls)?, hub)
        };
        let number = (first + place) as u64;
        tokio::spawn(Agent::new(number, place, road, Arc::clone(&tally)).run());
    }
    let commands = std::thread::spawn({
        let tally = Arc::clone(&tally);
        move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if line == FORGET {
                    tally.is_listening.store(0, Ordering::Relaxed);
                    tally.generation.fetch_add(1, Ordering::Relaxed);
                } else if line == LISTENING {
                    tally.is_listening.store(1, Ordering::Relaxed);
                }
            }
        }
    });
    while !commands.is_finished() {
        println!("{}", serde_json::to_string(&tally.counts())?);
        tokio::time::sleep(COUNT_EVERY).await;
    }
    Ok(())
}

fn raise_open_files() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    ensure!(
        limit.maximum.is_none_or(|most| most >= OPEN_FILES),
        "the hard limit of open files is below {OPEN_FILES}: raise it (ulimit -Hn)"
    );
    limit.current = Some(OPEN_FILES);
    Ok(setrlimit(Resource::Nofile, limit)?)
}

fn tls(ca: &[u8], key: &[u8], certificate: &[u8]) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(ca.to_vec()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from(certificate.to_vec())],
            PrivatePkcs8KeyDer::from(key.to_vec()).into(),
        )?;
    tls.alpn_protocols = vec![LINK_ALPN.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    Ok(tls)
}

fn quic(tls: rustls::ClientConfig) -> anyhow::Result<quinn::ClientConfig> {
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(0_u8.into())
        .max_concurrent_uni_streams(0_u8.into())
        .stream_receive_window(WINDOW_BYTES.into())
        .receive_window(WINDOW_BYTES.into())
        .send_window(u64::from(WINDOW_BYTES))
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(None)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(quinn::VarInt::from_u32(IDLE_MAX_MS).into()));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type Reaching = Pin<Box<dyn Future<Output = anyhow::Result<Wire>> + Send>>;

#[derive(Clone)]
enum Road {
    Quic(quinn::Endpoint, quinn::ClientConfig, SocketAddr),
    Tcp(TlsConnector, SocketAddr),
}

impl Road {
    async fn connect(self) -> anyhow::Result<Wire> {
        match self {
            Road::Quic(endpoint, config, hub) => {
                let connection = endpoint.connect_with(config, hub, HUB_SERVER_NAME)?.await?;
                let (send, receive) = connection.open_bi().await?;
                Ok(Wire::new(Box::new(tokio::io::join(receive, send))))
            }
            Road::Tcp(connector, hub) => {
                let tcp = TcpStream::connect(hub).await?;
                tcp.set_nodelay(true)?;
                let stream = connector.connect(ServerName::try_from(HUB_SERVER_NAME)?, tcp).await?;
                Ok(Wire::new(Box::new(stream)))
            }
        }
    }
}

struct Wire {
    stream: Box<dyn Duplex>,
    decoder: Decoder,
}

impl Wire {
    fn new(stream: Box<dyn Duplex>) -> Self {
        Wire { stream, decoder: Decoder::default() }
    }

    async fn send(&mut self, message: &Message) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes)?;
        self.stream.write_all(&bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Safe to be dropped.
    async fn read(&mut self) -> anyhow::Result<()> {
        let mut bytes = [0; READ_BYTES];
        let read = self.stream.read(&mut bytes).await?;
        ensure!(read > 0, "the hub has closed");
        self.decoder.push(&bytes[..read]);
        Ok(())
    }
}

struct Agent {
    place: usize,
    road: Road,
    tally: Arc<Tally>,
    session: AgentSession,
    spool: [u8; 16],
    received_up_to: Seq,
    wire: Option<Wire>,
    reaching: Option<Reaching>,
    /// Whether the attempt under way is to succeed.
    is_due: bool,
}

impl Agent {
    fn new(number: u64, place: usize, road: Road, tally: Arc<Tally>) -> Self {
        let mut spool = [1; 16];
        spool[..8].copy_from_slice(&number.to_le_bytes());
        Agent {
            place,
            road,
            tally,
            session: AgentSession::new(Instant::now(), number, "bench".into(), std::env::consts::OS.into()),
            spool,
            received_up_to: Seq(0),
            wire: None,
            reaching: None,
            is_due: false,
        }
    }

    async fn run(mut self) {
        loop {
            if self.act().await.is_err() {
                self.lost();
                continue;
            }
            self.show();
            let deadline =
                self.session.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
            tokio::select! {
                read = read(self.wire.as_mut()) => match read {
                    Ok(()) => self.take(),
                    Err(_) => self.lost(),
                },
                reached = reached(self.reaching.as_mut()) => self.reached(reached),
                () = sleep_until(deadline.into()) => self.session.timed_out(Instant::now()),
            }
        }
    }

    async fn act(&mut self) -> anyhow::Result<()> {
        while let Some(effect) = self.session.poll_effect(Instant::now()) {
            match effect {
                Effect::Connect => {
                    self.is_due = self.tally.is_listening.load(Ordering::Relaxed) == 1;
                    let road = self.road.clone();
                    self.reaching = Some(Box::pin(async move { timeout(REACH_MAX, road.connect()).await? }));
                }
                Effect::Send(message) => {
                    if let Some(wire) = &mut self.wire {
                        wire.send(&message).await?;
                    }
                }
                Effect::Store(items) => {
                    if let Some((last, _)) = items.last() {
                        self.received_up_to = *last;
                        self.session.stored(*last);
                        self.tally.stored.fetch_add(items.len() as u64, Ordering::Relaxed);
                    }
                }
                Effect::ReadOutbox { .. } => self.session.outbox_read(Vec::new()),
                Effect::ReadUploads { .. } => self.session.uploads_read(Instant::now(), None),
                Effect::RenumberAfter(seq) => self.session.outbox_has(seq),
                Effect::SkipTo(seq) => self.received_up_to = self.received_up_to.max(seq),
                Effect::Close(reason) => anyhow::bail!("{reason:?}"),
                Effect::UploadedUpTo(_)
                | Effect::HubTime(_)
                | Effect::Acknowledged(_)
                | Effect::BundleTaken(_)
                | Effect::Renewed(_)
                | Effect::Trust(_) => {}
                Effect::Renew => anyhow::bail!("a certificate of the benchmark that ends"),
                Effect::Open(_)
                | Effect::Status(_)
                | Effect::Link(_)
                | Effect::StoreUpload { .. }
                | Effect::BundlePart(_)
                | Effect::Instance(_)
                | Effect::Certify(_)
                | Effect::Storage(_)
                | Effect::Trusting(_) => anyhow::bail!("a hub's effect in an agent's session"),
            }
        }
        Ok(())
    }

    fn reached(&mut self, reached: anyhow::Result<Wire>) {
        self.reaching = None;
        match reached {
            Ok(wire) => {
                self.wire = Some(wire);
                let cursors = Cursors {
                    spool: self.spool,
                    received_up_to: self.received_up_to,
                    assigned_up_to: Seq(0),
                };
                self.session.connected(Instant::now(), cursors);
            }
            Err(error) => {
                let late = error.is::<tokio::time::error::Elapsed>()
                    || matches!(error.downcast_ref(), Some(quinn::ConnectionError::TimedOut))
                    || matches!(error.downcast_ref::<std::io::Error>(), Some(error) if error.kind() == std::io::ErrorKind::ConnectionRefused);
                self.gave_up();
                if late {
                    self.session.unanswered(Instant::now());
                } else {
                    self.session.disconnected(Instant::now());
                }
            }
        }
    }

    fn take(&mut self) {
        let Some(wire) = &mut self.wire else { return };
        loop {
            match wire.decoder.next_message() {
                Ok(Some(message)) => self.session.received(Instant::now(), message),
                Ok(None) => return,
                Err(_) => return self.lost(),
            }
        }
    }

    fn lost(&mut self) {
        // A connection without a session, or an attempt that the session has given up.
        if !self.is_live() {
            self.gave_up();
        }
        self.wire = None;
        self.reaching = None;
        self.session.disconnected(Instant::now());
        self.show();
    }

    fn gave_up(&mut self) {
        self.tally.dropped.fetch_add(u64::from(std::mem::take(&mut self.is_due)), Ordering::Relaxed);
    }

    fn is_live(&self) -> bool {
        matches!(self.session.link(), LinkState::Live { .. })
    }

    fn show(&mut self) {
        let live_in = &self.tally.live_in[self.place];
        match (self.is_live(), live_in.load(Ordering::Relaxed)) {
            (true, 0) => {
                self.is_due = false;
                live_in.store(self.tally.generation.load(Ordering::Relaxed), Ordering::Relaxed);
                self.session.report_status(status());
            }
            (false, 1..) => live_in.store(0, Ordering::Relaxed),
            _ => {}
        }
    }
}

fn status() -> AgentStatus {
    let printer = |number| PrinterHealth {
        printer: PrinterName::new(format!("printer{number}")),
        conditions: Vec::new(),
        heard_at: None,
        waiting: 0,
    };
    AgentStatus { printers: (0..PRINTERS).map(printer).collect(), waiting: 0, held: 0, spool_full: false }
}

async fn read(wire: Option<&mut Wire>) -> anyhow::Result<()> {
    match wire {
        Some(wire) => wire.read().await,
        None => std::future::pending().await,
    }
}

async fn reached(reaching: Option<&mut Reaching>) -> anyhow::Result<Wire> {
    match reaching {
        Some(reaching) => reaching.await,
        None => std::future::pending().await,
    }
}
