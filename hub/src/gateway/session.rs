//! The shell around a [`HubSession`]: one task for each connection of an agent. It reads, writes, asks
//! storage, and decides nothing.

use super::bundles::Bundles;
use super::ca::{Authority, bundle};
use super::enrol::fingerprint;
use super::wire::{Stream, Wire};
use crate::clock;
use crate::fleet::{Fleet, Inbox, Sighting, ToSession};
use crate::storage::certificates::{Life, NewCertificate};
use crate::storage::outbox::{Opening, SentAt};
use crate::storage::{Storage, StorageError};
use docket_protocol::frame::FrameError;
use docket_protocol::help::{BundlePart, BundleTaken};
use docket_protocol::ids::{AgentId, Seq};
use docket_protocol::message::{Instance, Message, RENEWAL_LABEL, Refusal, Renewal};
use docket_protocol::pack;
use docket_protocol::session::{CloseReason, Effect, HubSession, Opened};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

/// Bytes that may wait to be written before the session is asked for no more.
const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;

/// An agent that does not do what it was asked for is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// The longest name of a PC that is kept.
const HOST_CHARS_MAX: usize = 64;

/// What storage has answered.
enum Answer {
    Opened(Opened),
    Refused(Refusal),
    Read(Vec<(Seq, Vec<u8>)>),
    Stored(Seq),
    Uploaded(u64),
    Taken(BundleTaken),
    Certified(Option<Vec<u8>>),
    Failed(StorageError),
}

/// Says why there is no session, and closes.
pub(super) async fn refuse(stream: Stream, refusal: Refusal) {
    let mut wire = Wire::new(stream);
    let (code, number) = CloseReason::Refused(refusal).code();
    if let Err(error) = wire.send(&Message::Refused(refusal)) {
        debug!(%error, "a refusal was not sent");
    }
    wire.farewell(number, code).await;
}

/// Answers that the session has not taken. There are no more of them than questions, and those have to find room in
/// the lanes of storage. Like an [`Inbox`] it holds no memory when it is empty.
#[derive(Default)]
struct Answers {
    waiting: Mutex<VecDeque<Answer>>,
    came: Notify,
}

impl Answers {
    fn give(&self, answer: Answer) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
        self.came.notify_one();
    }

    /// Safe to be dropped.
    async fn next(&self) -> Answer {
        loop {
            if let Some(answer) = self.take() {
                return answer;
            }
            self.came.notified().await;
        }
    }

    fn take(&self) -> Option<Answer> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = waiting.pop_front();
        if waiting.is_empty() {
            *waiting = VecDeque::new();
        }
        answer
    }
}

/// Everything that a session's task needs.
pub(super) struct SessionShell {
    pub(super) agent: AgentId,
    /// The PC that its certificate was first seen on.
    pub(super) machine: Option<Vec<u8>>,
    pub(super) storage: Storage,
    pub(super) fleet: Arc<Fleet>,
    pub(super) bundles: Bundles,
    pub(super) authority: Arc<Authority>,
}

struct Open {
    epoch: u64,
    inbox: Arc<Inbox>,
}

struct Running {
    shell: SessionShell,
    wire: Wire,
    session: HubSession,
    open: Option<Open>,
    /// Items on their way, with the time at which they were sent.
    sent: VecDeque<SentAt>,
    answers: Arc<Answers>,
    /// The program at the other end, where it says which it is.
    instance: Option<Box<Instance>>,
    asked_to_renew: Option<Instant>,
    told_to_trust: Option<(Instant, [u8; 32])>,
    certifying: bool,
    closing: Option<CloseReason>,
    /// The hub stops.
    over: bool,
}

impl SessionShell {
    /// Runs the session until it is over.
    pub(super) async fn run(self, stream: Stream) {
        let mut running = Running {
            shell: self,
            wire: Wire::new(stream),
            session: HubSession::new(Instant::now()),
            open: None,
            sent: VecDeque::new(),
            answers: Arc::default(),
            instance: None,
            asked_to_renew: None,
            told_to_trust: None,
            certifying: false,
            closing: None,
            over: false,
        };
        running.serve().await;
        // In boxes, like whatever is not waited for when nothing happens: an idle session is its smallest state.
        Box::pin(running.end()).await;
    }
}

impl Running {
    async fn serve(&mut self) {
        loop {
            Box::pin(self.act()).await;
            if self.closing.is_some() || self.over {
                return;
            }
            let deadline =
                self.session.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
            let writable = self.wire.unwritten_bytes() < UNWRITTEN_BYTES_MAX;
            tokio::select! {
                moved = self.wire.transfer() => match moved {
                    Ok(()) => {
                        if let Err(error) = self.take() {
                            warn!(agent = %self.shell.agent, code = "frame", %error, "closing a session");
                            self.closing = Some(CloseReason::Unexpected);
                        }
                    }
                    Err(error) => return debug!(agent = %self.shell.agent, %error, "connection lost"),
                },
                answer = self.answers.next() => self.answer(answer),
                told = told(self.open.as_ref()), if writable => self.told(told),
                () = sleep_until(deadline.into()) => self.session.timed_out(Instant::now()),
            }
        }
    }

    fn take(&mut self) -> Result<(), FrameError> {
        while let Some(message) = self.wire.next_message()? {
            self.session.received(Instant::now(), message);
        }
        Ok(())
    }

    fn told(&mut self, told: ToSession) {
        match told {
            ToSession::Offer(seq, payload) => self.session.offer(seq, payload),
            ToSession::Assigned(seq) => self.session.outbox_has(seq),
            ToSession::RenewalDue => {
                if self.asked_to_renew.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
                    self.asked_to_renew = Some(Instant::now());
                    self.session.tell(Message::RenewalDue);
                }
            }
            ToSession::Trust => {
                let cas = self.shell.authority.trusted();
                let now = bundle(&cas);
                let is_told = |(at, told): (Instant, [u8; 32])| told == now && at.elapsed() < ASK_AGAIN;
                if !self.told_to_trust.is_some_and(is_told) {
                    self.told_to_trust = Some((Instant::now(), now));
                    self.session.tell(Message::Trust { cas: cas.iter().map(|ca| ca.to_vec()).collect() });
                }
            }
            ToSession::Refuse(refusal) => self.session.refuse(refusal),
            ToSession::End => self.over = true,
        }
    }

    fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Opened(opened) => {
                let (fleet, agent) = (&self.shell.fleet, &self.shell.agent);
                let address = self.wire.address();
                let process = self.instance.as_ref().map(|instance| instance.process);
                let inbox = fleet.opened(agent, &opened, process, address);
                info!(%agent, epoch = opened.epoch, %address, "session open");
                self.open = Some(Open { epoch: opened.epoch, inbox });
                self.session.opened(Instant::now(), opened);
            }
            Answer::Refused(refusal) => self.session.refuse(refusal),
            Answer::Read(items) => self.session.outbox_read(items),
            Answer::Stored(up_to) => {
                self.session.stored(up_to);
                self.shell.fleet.touch();
            }
            Answer::Uploaded(number) => {
                self.session.upload_stored(number);
                self.shell.fleet.touch();
            }
            Answer::Taken(taken) => self.session.bundle_taken(taken),
            Answer::Certified(certificate) => {
                self.certifying = false;
                if let Some(certificate) = certificate {
                    info!(agent = %self.shell.agent, "certificate renewed");
                    self.session.tell(Message::Renewed { certificate });
                }
            }
            Answer::Failed(StorageError::Superseded) => self.session.refuse(Refusal::Superseded),
            Answer::Failed(error) => {
                warn!(agent = %self.shell.agent, %error, "closing a session");
                self.session.refuse(Refusal::Unavailable);
            }
        }
    }

    /// Does what the session asks for.
    async fn act(&mut self) {
        while let Some(effect) = self.session.poll_effect(Instant::now()) {
            match effect {
                Effect::Send(message) => self.send(&message),
                Effect::Instance(instance) => self.instance = Some(Box::new(instance)),
                Effect::Open(_) if !self.is_admitted() => self.session.refuse(Refusal::Cloned),
                Effect::Open(hello) => {
                    let (storage, agent) = (self.shell.storage.clone(), self.shell.agent.clone());
                    let machine = self.instance.as_ref().and_then(|instance| instance.machine);
                    let machine = machine.filter(|_| self.shell.machine.is_none());
                    self.ask(async move {
                        if let Some(machine) = machine
                            && let Err(error) = storage.seen_on(agent.clone(), machine).await
                        {
                            return Answer::Failed(error);
                        }
                        match storage.open_session(agent, hello).await {
                            Ok(Opening::Opened(opened)) => Answer::Opened(opened),
                            Ok(Opening::Refused(refusal)) => Answer::Refused(refusal),
                            Err(error) => Answer::Failed(error),
                        }
                    });
                }
                Effect::Store(reports) => {
                    let (storage, agent, epoch) = self.lease();
                    let pending = storage.report(agent, epoch, reports, clock::now()).await;
                    self.ask(
                        async move { pending.answer().await.map_or_else(Answer::Failed, Answer::Stored) },
                    );
                }
                Effect::ReadOutbox { after, limit } => {
                    let (storage, agent, _) = self.lease();
                    self.ask(async move {
                        storage
                            .outbox_after(agent, after, limit)
                            .await
                            .map_or_else(Answer::Failed, Answer::Read)
                    });
                }
                Effect::Acknowledged(up_to) => self.acknowledged(up_to).await,
                Effect::StoreUpload { number, packed } => self.store_upload(number, &packed).await,
                Effect::Status(status) => {
                    let (fleet, agent, epoch) = (&self.shell.fleet, &self.shell.agent, self.epoch());
                    fleet.status(agent, epoch, status, clock::now());
                }
                Effect::Link(report) => {
                    self.shell.fleet.link(&self.shell.agent, self.epoch(), report);
                }
                Effect::BundlePart(part) => {
                    let (storage, agent, _) = self.lease();
                    self.ask(take_part(storage, agent, self.shell.bundles.clone(), part));
                }
                Effect::Certify(renewal) => self.certify(renewal),
                Effect::Trusting(bundle) => {
                    let (storage, agent, epoch) = self.lease();
                    if let Err(error) = storage.trusting(agent, epoch, bundle).await {
                        // It is told again, and will say so again.
                        warn!(agent = %self.shell.agent, %error, "what an agent trusts was not stored");
                    }
                }
                Effect::Close(reason) => self.closing = Some(reason),
                Effect::Connect
                | Effect::HubTime(_)
                | Effect::SkipTo(_)
                | Effect::RenumberAfter(_)
                | Effect::ReadUploads { .. }
                | Effect::UploadedUpTo(_)
                | Effect::BundleTaken(_)
                | Effect::Renew
                | Effect::Renewed(_)
                | Effect::Trust(_) => {
                    debug_assert!(false, "an agent's effect in a hub's session");
                }
            }
        }
    }

    async fn store_upload(&mut self, number: u64, packed: &[u8]) {
        let rows = match pack::unpack(packed) {
            Ok(rows) => rows,
            Err(error) => {
                warn!(agent = %self.shell.agent, code = "upload-unpacked", %error, "closing a session");
                self.closing = Some(CloseReason::Unexpected);
                return;
            }
        };
        let (storage, agent, epoch) = self.lease();
        let pending = storage.uploaded(agent, epoch, rows, clock::now()).await;
        self.ask(
            async move { pending.answer().await.map_or_else(Answer::Failed, |()| Answer::Uploaded(number)) },
        );
    }

    /// Whether it is not a copy of another program that is kept. An older agent does not say which it is.
    fn is_admitted(&self) -> bool {
        let Some(instance) = &self.instance else { return true };
        let sighting = Sighting {
            process: instance.process,
            machine: instance.machine,
            host: instance.host.chars().filter(|c| !c.is_control()).take(HOST_CHARS_MAX).collect(),
            address: self.wire.address(),
        };
        let admitted = self.shell.fleet.admits(&self.shell.agent, self.shell.machine.as_deref(), sighting);
        if !admitted {
            let (agent, address, host) = (&self.shell.agent, self.wire.address(), &instance.host);
            warn!(%agent, %address, host, code = Refusal::Cloned.code(), "another PC runs with this identity");
        }
        admitted
    }

    /// Makes a certificate for a key of which the agent has shown in this connection that it has it. One at a time.
    fn certify(&mut self, renewal: Renewal) {
        if self.certifying {
            return;
        }
        let agent = &self.shell.agent;
        let Some(exported) = self.wire.keying_material() else { return };
        let said = [RENEWAL_LABEL, &exported, &renewal.public_key].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &renewal.public_key);
        if key.verify(&said, &renewal.proof).is_err() {
            return warn!(%agent, "a renewal without proof of its key");
        }
        let certified = match self.shell.authority.certify(agent, &renewal.public_key) {
            Ok(certified) => certified,
            Err(error) => return warn!(%agent, %error, "no certificate can be made"),
        };
        let new = NewCertificate {
            public_key: renewal.public_key,
            fingerprint: fingerprint(&certified.certificate),
            certificate: certified.certificate.to_vec(),
            life: Life { from: certified.at, until: certified.until },
        };
        let (storage, agent, epoch) = self.lease();
        self.certifying = true;
        self.ask(async move {
            storage.renew(agent, epoch, new).await.map_or_else(Answer::Failed, Answer::Certified)
        });
    }

    fn send(&mut self, message: &Message) {
        if let Message::Deliver { seq, .. } = message {
            self.sent.push_back(SentAt { seq: *seq, at: clock::now() });
        }
        if let Err(error) = self.wire.send(message) {
            // Tickets are bounded far below a frame where they are made.
            warn!(agent = %self.shell.agent, code = "frame", %error, "closing a session");
            self.closing = Some(CloseReason::Unexpected);
        }
    }

    async fn acknowledged(&mut self, up_to: Seq) {
        let (storage, agent, epoch) = self.lease();
        let stored = self.sent.iter().take_while(|sent| sent.seq <= up_to).count();
        let sent: Vec<SentAt> = self.sent.drain(..stored).collect();
        if self.sent.is_empty() {
            self.sent = VecDeque::new();
        }
        let pending = storage.acknowledged(agent, epoch, up_to, sent, clock::now()).await;
        let (answers, fleet) = (self.answers.clone(), Arc::clone(&self.shell.fleet));
        tokio::spawn(async move {
            match pending.answer().await {
                Ok(()) => fleet.touch(),
                Err(error) => {
                    answers.give(Answer::Failed(error));
                }
            }
        });
    }

    fn lease(&self) -> (Storage, AgentId, u64) {
        (self.shell.storage.clone(), self.shell.agent.clone(), self.epoch())
    }

    fn epoch(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.epoch)
    }

    fn ask(&self, question: impl Future<Output = Answer> + Send + 'static) {
        let answers = self.answers.clone();
        // The session may be over when the answer comes.
        tokio::spawn(async move { answers.give(question.await) });
    }

    /// Gives the agent the time to read why it is closed, and gives back what the session had.
    async fn end(self) {
        let Running { shell: SessionShell { agent, storage, fleet, .. }, wire, open, closing, .. } = self;
        if let Some(reason) = closing {
            let (code, number) = reason.code();
            wire.farewell(number, code).await;
            info!(%agent, code, "session closed");
        }
        let Some(open) = open else { return };
        if fleet.closed(&agent, open.epoch, clock::now()) {
            info!(%agent, epoch = open.epoch, "session over");
            if let Err(error) = storage.session_ended(agent.clone(), open.epoch).await {
                debug!(%agent, %error, "the end of a session was not stored");
            }
        }
    }
}

/// What cannot be written is not taken: the request has failed, and can be made again.
async fn take_part(storage: Storage, agent: AgentId, bundles: Bundles, part: BundlePart) -> Answer {
    let help = part.help;
    match storage.bundle_asked(agent.clone(), help).await {
        Ok(None) => Answer::Taken(BundleTaken { help, up_to: None }),
        Ok(Some(store)) => {
            let written = tokio::task::spawn_blocking(move || bundles.take(&store, &part)).await;
            Answer::Taken(written.map_err(std::io::Error::other).flatten().unwrap_or_else(|error| {
                warn!(%agent, code = "bundle-unwritten", %error, "a part of a bundle was not written");
                BundleTaken { help, up_to: None }
            }))
        }
        Err(error) => Answer::Failed(error),
    }
}

async fn told(open: Option<&Open>) -> ToSession {
    match open {
        Some(open) => open.inbox.next().await,
        None => std::future::pending().await,
    }
}
