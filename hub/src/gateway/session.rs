//! The shell around a [`HubSession`]: one task for each connection of an agent. It reads, writes, asks
//! storage, and decides nothing.

use crate::clock;
use crate::fleet::{Fleet, SessionInbox, ToSession};
use crate::storage::outbox::{Opening, SentAt};
use crate::storage::{Storage, StorageError};
use docket_protocol::frame::{self, Decoder, FrameError};
use docket_protocol::ids::{AgentId, Seq};
use docket_protocol::message::{Message, Refusal};
use docket_protocol::session::{CloseReason, Effect, HubSession, Opened};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;
/// Bytes that may wait to be written before the session is asked for no more.
const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;
/// Answers of storage that may wait.
const ANSWERS_MAX: usize = 1_024;
/// What a refused agent has to read the reason.
const FAREWELL: Duration = Duration::from_secs(2);

/// What storage has answered.
enum Answer {
    Opened(Opened),
    Refused(Refusal),
    Read(Vec<(Seq, Vec<u8>)>),
    Stored(Seq),
    Failed(StorageError),
}

/// Says why there is no session, and closes.
pub(super) async fn refuse(connection: quinn::Connection, refusal: Refusal) {
    let told = async {
        let (mut send, _receive) = connection.accept_bi().await.ok()?;
        let mut frame = Vec::new();
        frame::encode(&Message::Refused(refusal), &mut frame).ok()?;
        send.write_all(&frame).await.ok()?;
        send.finish().ok()?;
        send.stopped().await.ok()
    };
    let _ = tokio::time::timeout(FAREWELL, told).await;
    connection.close(CloseReason::Refused(refusal).code().1.into(), refusal.code().as_bytes());
}

/// Everything that a session's task needs.
pub(super) struct SessionShell {
    pub(super) agent: AgentId,
    pub(super) storage: Storage,
    pub(super) fleet: Arc<Fleet>,
}

struct Open {
    epoch: u64,
    inbox: SessionInbox,
}

struct Running {
    shell: SessionShell,
    connection: quinn::Connection,
    session: HubSession,
    open: Option<Open>,
    /// Items on their way, with the time at which they were sent.
    sent: VecDeque<SentAt>,
    answers: mpsc::Sender<Answer>,
    unwritten: Vec<u8>,
    closing: Option<CloseReason>,
}

impl SessionShell {
    /// Runs the session until it is over.
    pub(super) async fn run(self, connection: quinn::Connection) {
        let greeting = tokio::time::timeout(docket_protocol::session::GREETING_MAX, connection.accept_bi());
        let Ok(Ok((send, receive))) = greeting.await else {
            connection.close(CloseReason::NoGreeting.code().1.into(), b"no-greeting");
            return;
        };
        let (answers, answered) = mpsc::channel(ANSWERS_MAX);
        let mut running = Running {
            shell: self,
            connection,
            session: HubSession::new(Instant::now()),
            open: None,
            sent: VecDeque::new(),
            answers,
            unwritten: Vec::new(),
            closing: None,
        };
        running.serve(send, receive, answered).await;
        running.end().await;
    }
}

impl Running {
    async fn serve(
        &mut self,
        mut send: quinn::SendStream,
        mut receive: quinn::RecvStream,
        mut answered: mpsc::Receiver<Answer>,
    ) {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0_u8; READ_BYTES];
        loop {
            self.act().await;
            if self.closing.is_some() {
                return self.farewell(send).await;
            }
            let deadline =
                self.session.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
            let writable = self.unwritten.len() < UNWRITTEN_BYTES_MAX;
            tokio::select! {
                read = receive.read(&mut buffer) => match read {
                    Ok(Some(bytes)) => {
                        decoder.push(&buffer[..bytes]);
                        if let Err(error) = self.take(&mut decoder) {
                            warn!(agent = %self.shell.agent, code = "frame", %error, "closing a session");
                            self.closing = Some(CloseReason::Unexpected);
                        }
                    }
                    Ok(None) => return,
                    Err(error) => return debug!(agent = %self.shell.agent, %error, "connection lost"),
                },
                wrote = send.write(&self.unwritten), if !self.unwritten.is_empty() => match wrote {
                    Ok(bytes) => { self.unwritten.drain(..bytes); }
                    Err(error) => return debug!(agent = %self.shell.agent, %error, "connection lost"),
                },
                answer = answered.recv() => if let Some(answer) = answer { self.answer(answer) },
                told = told(self.open.as_mut()), if writable => self.told(told),
                () = sleep_until(deadline.into()) => self.session.timed_out(Instant::now()),
            }
        }
    }

    fn take(&mut self, decoder: &mut Decoder) -> Result<(), FrameError> {
        while let Some(message) = decoder.next_message()? {
            self.session.received(Instant::now(), message);
        }
        Ok(())
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Message(ToSession::Offer(seq, payload)) => self.session.offer(seq, payload),
            Told::Message(ToSession::Refuse(refusal)) => self.session.refuse(refusal),
            Told::Assigned(seq) => self.session.outbox_has(seq),
            Told::Gone => self.session.refuse(Refusal::Superseded),
        }
    }

    fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Opened(opened) => {
                let (fleet, agent) = (&self.shell.fleet, &self.shell.agent);
                let address = self.connection.remote_address();
                let inbox = fleet.opened(agent, opened.epoch, opened.assigned_up_to, address, clock::now());
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
                Effect::Open(hello) => {
                    let (storage, agent) = (self.shell.storage.clone(), self.shell.agent.clone());
                    self.ask(async move {
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
                Effect::Status(status) => self.shell.fleet.status(&self.shell.agent, status, clock::now()),
                Effect::Storage(report) => self.shell.fleet.storage(&self.shell.agent, report),
                Effect::Close(reason) => self.closing = Some(reason),
                Effect::Connect | Effect::HubTime(_) | Effect::SkipTo(_) | Effect::RenumberAfter(_) => {
                    debug_assert!(false, "an agent's effect in a hub's session");
                }
            }
        }
    }

    fn send(&mut self, message: &Message) {
        if let Message::Deliver { seq, .. } = message {
            self.sent.push_back(SentAt { seq: *seq, at: clock::now() });
        }
        if let Err(error) = frame::encode(message, &mut self.unwritten) {
            // Tickets are bounded far below a frame where they are made.
            warn!(agent = %self.shell.agent, code = "frame", %error, "closing a session");
            self.closing = Some(CloseReason::Unexpected);
        }
    }

    async fn acknowledged(&mut self, up_to: Seq) {
        let (storage, agent, epoch) = self.lease();
        let stored = self.sent.iter().take_while(|sent| sent.seq <= up_to).count();
        let sent: Vec<SentAt> = self.sent.drain(..stored).collect();
        let pending = storage.acknowledged(agent, epoch, up_to, sent, clock::now()).await;
        let (answers, fleet) = (self.answers.clone(), Arc::clone(&self.shell.fleet));
        tokio::spawn(async move {
            match pending.answer().await {
                Ok(()) => fleet.touch(),
                Err(error) => {
                    let _ = answers.send(Answer::Failed(error)).await;
                }
            }
        });
    }

    fn lease(&self) -> (Storage, AgentId, u64) {
        let epoch = self.open.as_ref().map_or(0, |open| open.epoch);
        (self.shell.storage.clone(), self.shell.agent.clone(), epoch)
    }

    fn ask(&self, question: impl Future<Output = Answer> + Send + 'static) {
        let answers = self.answers.clone();
        tokio::spawn(async move {
            // The session may be over by now.
            let _ = answers.send(question.await).await;
        });
    }

    /// Gives the agent the time to read why.
    async fn farewell(&mut self, mut send: quinn::SendStream) {
        let told = async {
            send.write_all(&self.unwritten).await.ok()?;
            send.finish().ok()?;
            send.stopped().await.ok()
        };
        let _ = tokio::time::timeout(FAREWELL, told).await;
        if let Some(reason) = self.closing {
            let (code, number) = reason.code();
            info!(agent = %self.shell.agent, code, "session closed");
            self.connection.close(number.into(), code.as_bytes());
        }
    }

    async fn end(self) {
        let Some(open) = self.open else { return };
        let SessionShell { agent, storage, fleet } = self.shell;
        if fleet.closed(&agent, open.epoch, clock::now()) {
            info!(%agent, epoch = open.epoch, "session over");
            if let Err(error) = storage.session_ended(agent.clone(), open.epoch).await {
                debug!(%agent, %error, "the end of a session was not stored");
            }
        }
    }
}

enum Told {
    Message(ToSession),
    Assigned(Seq),
    /// The fleet has dropped its ends.
    Gone,
}

async fn told(open: Option<&mut Open>) -> Told {
    let Some(open) = open else { return std::future::pending().await };
    let inbox = &mut open.inbox;
    tokio::select! {
        biased;
        message = inbox.messages.recv() => message.map_or(Told::Gone, Told::Message),
        changed = inbox.assigned.changed() => match changed {
            Ok(()) => Told::Assigned(*inbox.assigned.borrow_and_update()),
            Err(_) => Told::Gone,
        },
    }
}
