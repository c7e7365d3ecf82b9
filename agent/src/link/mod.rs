//! The shell around an [`AgentSession`]: one task that connects, reads, writes, asks the spool, and decides
//! nothing.
//!
//! The session's effects are done in their order: what concerns the spool is in the spool's own order when the next
//! effect is looked at. Where the spool has no room (a disk that is full for long), nothing more is read from the
//! hub, which then holds back by itself; the session ends of silence and a new one is tried, until there is room.
//!
//! There are two ways to the hub, and [`way`] says which is next. While a session goes on over TCP, QUIC may be tried
//! beside it, and either way where [`pulse`] doubts that the wire in use leads anywhere: a connection that says nothing
//! yet is no session. Once it stands, the old wire is closed and the new one greeted, in this order; so there is one
//! session at a time, and whatever the old one has under way at the hub counts no more there, since the greeting takes its
//! lease.

mod asked;
pub mod connect;
pub mod credentials;
pub mod proxy;
pub mod pulse;
pub mod reach;
pub mod record;
mod sight;
mod socket;
pub mod tcp;
pub mod tls;
pub mod way;
pub mod wire;

use crate::help::parcel::Parcel;
use crate::spool::{Spool, SpoolError};
use asked::{Answer, Asked};
use connect::ConnectError;
use credentials::Credentials;
use docket_protocol::frame::FrameError;
use docket_protocol::help::BundlePart;
use docket_protocol::ids::Seq;
use docket_protocol::message::{AgentStatus, LinkReport, Message, Transport};
use docket_protocol::session::{AgentSession, CloseReason, Effect, LinkState};
use docket_protocol::storage::StorageReport;
use pulse::{Doubt, Pulse};
use reach::{Attempt, NoRoad, Reached, Roads};
use record::Record;
use ring::rand::{SecureRandom, SystemRandom};
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::sleep_until;
use tracing::{debug, info, warn};
use way::End;
use wire::{Lost, Stream, Wire};

/// The link as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkShown {
    /// Whether there is a session.
    pub state: LinkState,
    /// How it is connected, while it is.
    pub report: Option<LinkReport>,
    /// Why the last attempt led nowhere, while it is not.
    pub trouble: Option<String>,
}

impl Default for LinkShown {
    fn default() -> Self {
        LinkShown { state: LinkState::Waiting, report: None, trouble: None }
    }
}

type Reaching = Pin<Box<dyn Future<Output = Result<Reached, NoRoad>> + Send>>;

/// What is made beside the wire in use.
enum Better {
    /// QUIC, beside a session over TCP.
    Trying(Attempt),
    /// Another wire, since the one in use is in doubt.
    Replacing(Doubt, Reaching),
    /// It takes the place of the one in use.
    Stands(Option<Doubt>, Reached),
}

/// What came of it.
enum Tried {
    Stands(Option<Doubt>, Reached),
    NoQuic(ConnectError),
    NoRoad(NoRoad),
}

struct Link {
    roads: Roads,
    credentials: Credentials,
    record: Record,
    spool: Spool,
    session: AgentSession,
    wire: Option<Wire>,
    /// An attempt under way. To drop it is to give it up.
    reaching: Option<Reaching>,
    better: Option<Better>,
    pulse: Pulse,
    asked: Asked,
    parcel: Parcel,
    shown: watch::Sender<LinkShown>,
}

/// What the hub is told of how things are now.
#[derive(Debug)]
pub struct Told {
    /// Printers and counts.
    pub status: watch::Receiver<AgentStatus>,
    /// The disk.
    pub storage: watch::Receiver<StorageReport>,
}

/// How the hub is reached, and as whom.
#[derive(Debug)]
pub struct Passage {
    /// Where it is.
    pub roads: Roads,
    /// Who this is, and whom it trusts.
    pub credentials: Credentials,
    /// What earlier lives have learnt of the ways.
    pub record: Record,
}

/// Keeps the link to the hub until `stop` becomes true. Gives back what it has learnt.
pub async fn run_link(
    passage: Passage,
    spool: Spool,
    parcel: Parcel,
    mut told: Told,
    shown: watch::Sender<LinkShown>,
    mut stop: watch::Receiver<bool>,
) -> Record {
    let platform = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let (mut outbox, mut uploads) = (spool.outbox_changed(), spool.uploads_changed());
    let Passage { roads, credentials, record } = passage;
    let mut link = Link {
        roads,
        credentials,
        record,
        spool,
        session: AgentSession::new(Instant::now(), chance(), version, platform),
        wire: None,
        reaching: None,
        better: None,
        pulse: Pulse::new(Instant::now()),
        asked: Asked::default(),
        parcel,
        shown,
    };
    loop {
        link.act();
        link.go_over();
        link.show(&mut told);
        let deadline =
            link.session.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
        let probe_at = link.record.ways.probe_at();
        let look_at = link.wire.as_ref().map(|_| link.pulse.look_at());
        let is_idle = link.is_idle();
        let Link { wire, reaching, better, asked, spool, parcel, .. } = &mut link;
        let event = tokio::select! {
            moved = transfer(wire.as_mut(), spool) => Event::Moved(moved),
            reached = reached(reaching.as_mut()) => Event::Reached(reached),
            tried = tried(better.as_mut()) => Event::Tried(tried),
            answer = asked.next() => Event::Answered(answer),
            Some(part) = parcel.next(), if is_idle => Event::Part(part),
            Ok(()) = outbox.changed() => Event::Outbox(*outbox.borrow_and_update()),
            Ok(()) = uploads.changed() => Event::Uploads,
            Ok(()) = told.status.changed() => Event::Status(told.status.borrow_and_update().clone()),
            Ok(()) = told.storage.changed() => Event::Storage(told.storage.borrow_and_update().clone()),
            () = sleep_until(deadline.into()) => Event::Time,
            () = due(probe_at) => Event::Probe,
            () = due(look_at) => Event::Look,
            _ = stop.wait_for(|stopping| *stopping) => Event::Stop,
        };
        match event {
            Event::Moved(moved) => link.moved(moved),
            Event::Reached(reached) => link.reached(reached),
            Event::Tried(tried) => link.tried(tried),
            Event::Answered(answer) => link.answered(answer),
            Event::Part(part) => link.session.send_part(part),
            Event::Outbox(assigned) => link.session.outbox_has(assigned),
            Event::Uploads => link.session.uploads_wait(Instant::now()),
            Event::Status(status) => link.report(status),
            Event::Storage(report) => link.session.report_storage(report),
            Event::Time => link.session.timed_out(Instant::now()),
            Event::Probe => link.probe(),
            Event::Look => link.look(),
            Event::Stop => return link.stop().await,
        }
    }
}

enum Event {
    Moved(Result<(), Lost>),
    Reached(Result<Reached, NoRoad>),
    Tried(Tried),
    Answered(Result<Answer, SpoolError>),
    Part(BundlePart),
    Outbox(Seq),
    Uploads,
    Status(AgentStatus),
    Storage(StorageReport),
    Time,
    Probe,
    Look,
    Stop,
}

async fn transfer(wire: Option<&mut Wire>, spool: &Spool) -> Result<(), Lost> {
    match wire {
        Some(wire) => wire.transfer(spool.room()).await,
        None => std::future::pending().await,
    }
}

async fn reached(reaching: Option<&mut Reaching>) -> Result<Reached, NoRoad> {
    match reaching {
        Some(reaching) => reaching.await,
        None => std::future::pending().await,
    }
}

async fn tried(better: Option<&mut Better>) -> Tried {
    match better {
        Some(Better::Trying(attempt)) => match attempt.await {
            Ok(stream) => Tried::Stands(None, Reached { stream, still_trying: None }),
            Err(error) => Tried::NoQuic(error),
        },
        Some(Better::Replacing(doubt, reaching)) => match reaching.await {
            Ok(reached) => Tried::Stands(Some(*doubt), reached),
            Err(error) => Tried::NoRoad(error),
        },
        Some(Better::Stands(..)) | None => std::future::pending().await,
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl Link {
    fn act(&mut self) {
        while let Some(effect) = self.session.poll_effect(Instant::now()) {
            match effect {
                Effect::Connect => {
                    let plan = self.record.ways.plan();
                    self.reaching = Some(Box::pin(self.roads.clone().reach(plan)));
                }
                Effect::Send(message) => self.send(&message),
                Effect::Store(items) => {
                    debug!(items = items.len(), "the hub delivers");
                    self.asked.stores(self.spool.receive(items));
                }
                Effect::ReadOutbox { after, limit } => {
                    self.asked.reads(self.spool.outbox_after(after, limit))
                }
                Effect::ReadUploads { bytes_max } => self.asked.reads_uploads(self.spool.uploads(bytes_max)),
                Effect::RenumberAfter(seq) => self.asked.renumbers(self.spool.renumber_after(seq)),
                // Nobody waits for these.
                Effect::UploadedUpTo(up_to) => drop(self.spool.uploaded_up_to(up_to)),
                Effect::HubTime(time) => drop(self.spool.hub_time(time)),
                Effect::SkipTo(seq) => drop(self.spool.skip_to(seq)),
                Effect::Acknowledged(up_to) => {
                    debug!(%up_to, "the hub has our reports");
                    drop(self.spool.acknowledged(up_to));
                }
                Effect::Close(reason) => self.close(reason),
                Effect::BundleTaken(taken) => self.parcel.taken(taken),
                Effect::Renew => {
                    let exported = self.wire.as_ref().and_then(|wire| wire.stream().keying_material());
                    if let Some(renewal) = exported.and_then(|exported| self.credentials.renew(&exported)) {
                        self.session.tell(Message::Renew(renewal));
                    }
                }
                Effect::Renewed(certificate) => {
                    if self.credentials.renewed(certificate) {
                        self.use_credentials();
                        self.replace(Doubt::Renewed);
                    }
                }
                Effect::Trust(cas) => {
                    if let Some(bundle) = self.credentials.trust(cas) {
                        self.use_credentials();
                        self.session.tell(Message::Trusting { bundle });
                    }
                }
                Effect::Open(_)
                | Effect::Status(_)
                | Effect::Link(_)
                | Effect::StoreUpload { .. }
                | Effect::Storage(_)
                | Effect::BundlePart(_)
                | Effect::Instance(_)
                | Effect::Certify(_)
                | Effect::Trusting(_) => {
                    debug_assert!(false, "a hub's effect in an agent's session")
                }
            }
        }
    }

    /// Whether there is a session and nothing waits to be written: a part of a bundle may go.
    fn is_idle(&self) -> bool {
        let is_written = self.wire.as_ref().is_some_and(Wire::is_written);
        is_written && matches!(self.session.link(), LinkState::Live { .. })
    }

    fn send(&mut self, message: &Message) {
        let Some(wire) = &mut self.wire else { return };
        if let Err(error) = wire.send(message) {
            warn!(code = "frame", %error, "a message was not sent");
        }
    }

    fn reached(&mut self, reached: Result<Reached, NoRoad>) {
        self.reaching = None;
        match reached {
            Ok(Reached { stream, still_trying }) => {
                self.use_stream(stream, still_trying.is_some());
                self.better = still_trying.map(Better::Trying);
                self.session.connected(Instant::now(), self.spool.cursors());
            }
            Err(error) => {
                info!(%error, "no link");
                self.shown.send_if_modified(|shown| shown.trouble.replace(error.to_string()).is_none());
                if error.is_unanswered() {
                    self.session.unanswered(Instant::now());
                } else {
                    self.session.disconnected(Instant::now());
                }
            }
        }
    }

    fn use_stream(&mut self, stream: Stream, still_trying: bool) {
        let transport = stream.transport();
        info!(transport = transport.as_str(), proxied = stream.is_proxied(), "connected");
        self.record.ways.connected(Instant::now(), transport, still_trying, chance());
        self.record.keep();
        self.record.connected();
        self.wire = Some(Wire::new(stream));
        let instance = self.credentials.instance();
        self.send(&Message::Instance(instance));
        self.pulse.replaced(Instant::now());
    }

    /// Tries QUIC beside the session.
    fn probe(&mut self) {
        self.record.ways.probe_began();
        self.better = Some(Better::Trying(self.roads.attempt(Transport::Quic)));
    }

    /// Where the wire in use is in doubt, another one is made beside it.
    fn look(&mut self) {
        let Some(wire) = &self.wire else { return };
        let Some(doubt) = self.pulse.looked(Instant::now(), sight::of(wire)) else { return };
        let is_known = matches!(self.better, Some(Better::Replacing(..))) && !doubt.is_news();
        if !is_known && matches!(self.session.link(), LinkState::Live { .. }) {
            self.replace(doubt);
        }
    }

    fn replace(&mut self, doubt: Doubt) {
        info!(doubt = doubt.as_str(), "making another connection beside the one in use");
        let plan = self.record.ways.plan();
        self.better = Some(Better::Replacing(doubt, Box::pin(self.roads.clone().reach(plan))));
    }

    /// From the next connection on.
    fn use_credentials(&mut self) {
        match self.credentials.tls() {
            Ok(tls) => self.roads.use_tls(tls),
            Err(error) => warn!(%error, "the credentials are not usable"),
        }
    }

    fn tried(&mut self, tried: Tried) {
        match tried {
            Tried::Stands(doubt, reached) => self.better = Some(Better::Stands(doubt, reached)),
            Tried::NoRoad(error) => {
                debug!(%error, "no other connection");
                self.better = None;
                self.record.ways.probe_failed(Instant::now(), chance());
                self.record.keep();
            }
            Tried::NoQuic(error) => {
                debug!(%error, "QUIC does not get through");
                self.better = None;
                self.record.ways.probe_failed(Instant::now(), chance());
                self.record.keep();
                self.report_link();
            }
        }
    }

    /// Goes over to the better wire, if one stands. Not while the one in use is being greeted: its greeting could come
    /// to the hub behind the new one's and take the lease from it.
    fn go_over(&mut self) {
        if !matches!(self.session.link(), LinkState::Live { .. }) {
            return;
        }
        match self.better.take() {
            Some(Better::Stands(doubt, Reached { stream, still_trying })) => {
                if let Some(former) = self.wire.take() {
                    former.replaced();
                }
                self.asked.session_ended();
                if let Some(doubt) = doubt {
                    self.record
                        .ways
                        .ended(Instant::now(), if doubt.is_news() { End::Other } else { End::Silent });
                }
                self.use_stream(stream, still_trying.is_some());
                self.better = still_trying.map(Better::Trying);
                self.session.switched(Instant::now(), self.spool.cursors());
                self.act();
            }
            trying_or_none => self.better = trying_or_none,
        }
    }

    fn answered(&mut self, answer: Result<Answer, SpoolError>) {
        match answer {
            Ok(Answer::Stored(up_to)) => self.session.stored(up_to),
            Ok(Answer::Read(items)) => self.session.outbox_read(items),
            Ok(Answer::Renumbered(assigned)) => self.session.outbox_has(assigned),
            Ok(Answer::Uploads(batch)) => self.session.uploads_read(Instant::now(), batch),
            Err(error @ SpoolError::Database { .. }) => {
                warn!(code = error.code(), %error, "the outbox cannot be read");
                self.close(CloseReason::OutboxUnread);
            }
            // The agent is stopping.
            Err(error) => debug!(%error, "the spool does not answer"),
        }
    }

    fn moved(&mut self, moved: Result<(), Lost>) {
        match moved {
            Ok(()) => {
                if let Err(error) = self.take() {
                    warn!(code = "frame", %error, "closing the link");
                    self.close(CloseReason::Unexpected);
                }
            }
            Err(Lost { cause, silent }) => {
                info!(cause, "link lost");
                self.wire = None;
                self.disconnected(if silent { End::Silent } else { End::Other });
            }
        }
    }

    fn take(&mut self) -> Result<(), FrameError> {
        let Some(wire) = &mut self.wire else { return Ok(()) };
        while let Some(message) = wire.next_message()? {
            self.session.received(Instant::now(), message);
        }
        Ok(())
    }

    fn close(&mut self, reason: CloseReason) {
        info!(code = reason.code().0, "closing the link");
        if let Some(wire) = self.wire.take() {
            wire.close(reason);
        }
        let silent = matches!(reason, CloseReason::Silence | CloseReason::NoGreeting);
        self.disconnected(if silent { End::Silent } else { End::Other });
    }

    fn disconnected(&mut self, end: End) {
        self.reaching = None;
        self.better = None;
        self.record.ways.ended(Instant::now(), end);
        self.record.keep();
        self.asked.session_ended();
        self.session.disconnected(Instant::now());
    }

    /// Tells the hub how things are, and how it hears of it.
    fn report(&mut self, status: AgentStatus) {
        self.session.report_status(status);
        self.report_link();
    }

    fn report_link(&mut self) {
        if let Some(wire) = &self.wire
            && let LinkState::Live { .. } = self.session.link()
        {
            let report = self.record.report(wire.stream());
            self.session.report_link(report.clone());
            self.shown.send_if_modified(|shown| shown.report.replace(report.clone()) != Some(report));
        }
    }

    /// Shows the state of the link, and greets a new session with the state of things.
    fn show(&mut self, told: &mut Told) {
        let state = self.session.link();
        if self.shown.borrow().state == state {
            return;
        }
        self.shown.send_modify(|shown| {
            shown.state = state;
            shown.report = None;
            if let LinkState::Live { .. } = state {
                shown.trouble = None;
            }
        });
        match state {
            LinkState::Live { epoch } => {
                info!(epoch, "link live");
                self.record.session_began();
                self.report(told.status.borrow_and_update().clone());
                self.session.report_storage(told.storage.borrow_and_update().clone());
                if *self.spool.uploads_changed().borrow() > 0 {
                    self.session.uploads_wait(Instant::now());
                }
                self.act();
            }
            LinkState::Refused(refusal) => {
                warn!(code = refusal.code(), remedy = refusal.remedy().1, "the hub refuses this agent");
            }
            LinkState::Waiting | LinkState::Connecting => {}
        }
    }

    /// Sends what is still to be sent, for a moment, and closes.
    async fn stop(mut self) -> Record {
        if let Some(wire) = self.wire.take() {
            wire.stop().await;
        }
        self.record
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
