//! The shell around an [`AgentSession`]: one task that connects, reads, writes, asks the spool, and decides
//! nothing.
//!
//! The session's effects are done in their order: what concerns the spool is in the spool's own order when the next
//! effect is looked at. Where the spool has no room (a disk that is full for long), nothing more is read from the
//! hub, which then holds back by itself; the session ends of silence and a new one is tried, until there is room.

mod asked;
pub mod connect;
mod socket;
pub mod tls;

use crate::config::SocketChoice;
use crate::spool::{Spool, SpoolError};
use asked::{Answer, Asked};
use connect::{ConnectError, Connected, connect};
use docket_protocol::frame::{self, Decoder, FrameError};
use docket_protocol::ids::Seq;
use docket_protocol::message::AgentStatus;
use docket_protocol::session::{AgentSession, CloseReason, Effect, LinkState};
use docket_protocol::storage::StorageReport;
use ring::rand::{SecureRandom, SystemRandom};
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

/// Bytes that are read at once.
const READ_BYTES: usize = 4 * 1024;
/// How long a stopping agent tries to send its last reports.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// What the link needs.
#[derive(Debug)]
pub struct LinkOptions {
    /// `host:port` of the hub.
    pub hub: String,
    /// TLS with this agent's identity.
    pub tls: quinn::ClientConfig,
    /// Which UDP socket is used.
    pub socket: SocketChoice,
}

struct Wire {
    connected: Connected,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    decoder: Decoder,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Wire, ConnectError>> + Send>>;

struct Link {
    options: LinkOptions,
    spool: Spool,
    session: AgentSession,
    wire: Option<Wire>,
    /// An attempt under way. To drop it is to give it up.
    connecting: Option<Connecting>,
    unwritten: Vec<u8>,
    asked: Asked,
    shown: watch::Sender<LinkState>,
}

/// Keeps the link to the hub until `stop` becomes true.
pub async fn run_link(
    options: LinkOptions,
    spool: Spool,
    mut status: watch::Receiver<AgentStatus>,
    mut storage: watch::Receiver<StorageReport>,
    shown: watch::Sender<LinkState>,
    mut stop: watch::Receiver<bool>,
) {
    let platform = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut outbox = spool.outbox_changed();
    let mut link = Link {
        options,
        spool,
        session: AgentSession::new(Instant::now(), chance(), version, platform),
        wire: None,
        connecting: None,
        unwritten: Vec::new(),
        asked: Asked::default(),
        shown,
    };
    let mut buffer = vec![0_u8; READ_BYTES];
    loop {
        link.act();
        link.show(&mut status, &mut storage);
        let deadline =
            link.session.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
        let Link { wire, unwritten, connecting, asked, spool, .. } = &mut link;
        let event = tokio::select! {
            moved = transfer(wire.as_mut(), unwritten, spool, &mut buffer) => Event::Moved(moved),
            connected = attempt(connecting.as_mut()) => Event::Connected(connected),
            answer = asked.next() => Event::Answered(answer),
            Ok(()) = outbox.changed() => Event::Outbox(*outbox.borrow_and_update()),
            Ok(()) = status.changed() => Event::Status(status.borrow_and_update().clone()),
            Ok(()) = storage.changed() => Event::Storage(storage.borrow_and_update().clone()),
            () = sleep_until(deadline.into()) => Event::Time,
            _ = stop.wait_for(|stopping| *stopping) => Event::Stop,
        };
        match event {
            Event::Moved(moved) => link.moved(moved, &buffer),
            Event::Connected(connected) => link.connected(connected),
            Event::Answered(answer) => link.answered(answer),
            Event::Outbox(assigned) => link.session.outbox_has(assigned),
            Event::Status(status) => link.session.report_status(status),
            Event::Storage(report) => link.session.report_storage(report),
            Event::Time => link.session.timed_out(Instant::now()),
            Event::Stop => return link.stop().await,
        }
    }
}

enum Event {
    Moved(Moved),
    Connected(Result<Wire, ConnectError>),
    Answered(Result<Answer, SpoolError>),
    Outbox(Seq),
    Status(AgentStatus),
    Storage(StorageReport),
    Time,
    Stop,
}

enum Moved {
    Read(usize),
    Wrote(usize),
    Lost(String),
}

/// Reads or writes, whichever can be done first. Both are safe to be dropped half-way.
async fn transfer(wire: Option<&mut Wire>, unwritten: &[u8], spool: &Spool, buffer: &mut [u8]) -> Moved {
    let Some(Wire { send, receive, .. }) = wire else { return std::future::pending().await };
    let read = async {
        spool.room().await;
        receive.read(buffer).await
    };
    tokio::select! {
        read = read => match read {
            Ok(Some(bytes)) => Moved::Read(bytes),
            Ok(None) => Moved::Lost("closed by the hub".to_owned()),
            Err(error) => Moved::Lost(error.to_string()),
        },
        wrote = send.write(unwritten), if !unwritten.is_empty() => match wrote {
            Ok(bytes) => Moved::Wrote(bytes),
            Err(error) => Moved::Lost(error.to_string()),
        },
    }
}

async fn attempt(connecting: Option<&mut Connecting>) -> Result<Wire, ConnectError> {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}

impl Link {
    fn act(&mut self) {
        while let Some(effect) = self.session.poll_effect(Instant::now()) {
            match effect {
                Effect::Connect => self.connect(),
                Effect::Send(message) => {
                    if let Err(error) = frame::encode(&message, &mut self.unwritten) {
                        warn!(code = "frame", %error, "a message was not sent");
                    }
                }
                Effect::Store(items) => self.asked.stores(self.spool.receive(items)),
                Effect::ReadOutbox { after, limit } => {
                    self.asked.reads(self.spool.outbox_after(after, limit))
                }
                Effect::RenumberAfter(seq) => self.asked.renumbers(self.spool.renumber_after(seq)),
                // Nobody waits for these three.
                Effect::HubTime(time) => drop(self.spool.hub_time(time)),
                Effect::SkipTo(seq) => drop(self.spool.skip_to(seq)),
                Effect::Acknowledged(up_to) => drop(self.spool.acknowledged(up_to)),
                Effect::Close(reason) => self.close(reason),
                Effect::Open(_) | Effect::Status(_) | Effect::Storage(_) => {
                    debug_assert!(false, "a hub's effect in an agent's session")
                }
            }
        }
    }

    fn connect(&mut self) {
        let (hub, tls, socket) = (self.options.hub.clone(), self.options.tls.clone(), self.options.socket);
        self.connecting = Some(Box::pin(async move {
            let connected = connect(&hub, tls, socket).await?;
            match connected.connection.open_bi().await {
                Ok((send, receive)) => Ok(Wire { connected, send, receive, decoder: Decoder::default() }),
                Err(error) => Err(ConnectError::Handshake {
                    address: connected.connection.remote_address(),
                    cause: error.to_string(),
                }),
            }
        }));
    }

    fn connected(&mut self, connected: Result<Wire, ConnectError>) {
        self.connecting = None;
        match connected {
            Ok(wire) => {
                self.wire = Some(wire);
                self.session.connected(Instant::now(), self.spool.cursors());
            }
            Err(error) => {
                info!(%error, "no link");
                self.session.disconnected(Instant::now());
            }
        }
    }

    fn answered(&mut self, answer: Result<Answer, SpoolError>) {
        match answer {
            Ok(Answer::Stored(up_to)) => self.session.stored(up_to),
            Ok(Answer::Read(items)) => self.session.outbox_read(items),
            Ok(Answer::Renumbered(assigned)) => self.session.outbox_has(assigned),
            Err(error @ SpoolError::Database { .. }) => {
                warn!(code = error.code(), %error, "the outbox cannot be read");
                self.close(CloseReason::OutboxUnread);
            }
            // The agent is stopping.
            Err(error) => debug!(%error, "the spool does not answer"),
        }
    }

    fn moved(&mut self, moved: Moved, buffer: &[u8]) {
        match moved {
            Moved::Wrote(bytes) => drop(self.unwritten.drain(..bytes)),
            Moved::Lost(cause) => {
                info!(cause, "link lost");
                self.disconnect();
            }
            Moved::Read(bytes) => {
                if let Err(error) = self.take(&buffer[..bytes]) {
                    warn!(code = "frame", %error, "closing the link");
                    self.close(CloseReason::Unexpected);
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        let Some(wire) = &mut self.wire else { return Ok(()) };
        wire.decoder.push(bytes);
        while let Some(message) = wire.decoder.next_message()? {
            self.session.received(Instant::now(), message);
        }
        Ok(())
    }

    fn close(&mut self, reason: CloseReason) {
        let (code, number) = reason.code();
        info!(code, "closing the link");
        if let Some(wire) = &self.wire {
            wire.connected.connection.close(number.into(), code.as_bytes());
        }
        self.disconnect();
    }

    fn disconnect(&mut self) {
        self.wire = None;
        self.unwritten.clear();
        self.connecting = None;
        self.asked.session_ended();
        self.session.disconnected(Instant::now());
    }

    /// Shows the state of the link, and greets a new session with the state of things.
    fn show(
        &mut self,
        status: &mut watch::Receiver<AgentStatus>,
        storage: &mut watch::Receiver<StorageReport>,
    ) {
        let link = self.session.link();
        let changed = self.shown.send_if_modified(|shown| {
            let changed = *shown != link;
            *shown = link;
            changed
        });
        if changed {
            match link {
                LinkState::Live { epoch } => {
                    info!(epoch, "link live");
                    self.session.report_status(status.borrow_and_update().clone());
                    self.session.report_storage(storage.borrow_and_update().clone());
                    self.act();
                }
                LinkState::Refused(refusal) => {
                    warn!(code = refusal.code(), remedy = refusal.remedy().1, "the hub refuses this agent");
                }
                LinkState::Waiting | LinkState::Connecting => {}
            }
        }
    }

    /// Sends what is still to be sent, for a moment, and closes.
    async fn stop(mut self) {
        let Some(wire) = &mut self.wire else { return };
        let flush = async {
            wire.send.write_all(&self.unwritten).await.ok()?;
            wire.send.finish().ok()?;
            wire.send.stopped().await.ok()
        };
        let _ = tokio::time::timeout(FLUSH_MAX, flush).await;
        wire.connected.connection.close(0_u32.into(), b"agent-stopping");
        let _ = tokio::time::timeout(FLUSH_MAX, wire.connected.endpoint.wait_idle()).await;
    }
}

/// Spreads the pauses of many agents; without random numbers they would only be less spread.
fn chance() -> u64 {
    let mut seed = [0_u8; 8];
    match SystemRandom::new().fill(&mut seed) {
        Ok(()) => u64::from_le_bytes(seed),
        Err(_) => u64::from(std::process::id()),
    }
}
