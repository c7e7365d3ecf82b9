//! What is going on now: live sessions and what the agents last said. All of it is in memory, since all of it
//! is told again when an agent connects.

use docket_protocol::ids::{AgentId, Seq, UnixMs};
use docket_protocol::message::{AgentStatus, Refusal};
use docket_protocol::storage::StorageReport;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, mpsc, watch};

/// New outbox items that may wait for a session; past that it reads them from storage.
const OFFERS_MAX: usize = 1_024;

/// What the rest of the hub tells a session.
#[derive(Debug)]
pub enum ToSession {
    /// A new item in the agent's outbox.
    Offer(Seq, Vec<u8>),
    /// End.
    Refuse(Refusal),
}

/// A session's ends of its channels.
#[derive(Debug)]
pub struct SessionInbox {
    /// What it is told.
    pub messages: mpsc::Receiver<ToSession>,
    /// The last place in its outbox, whatever was lost of the offers.
    pub assigned: watch::Receiver<Seq>,
}

#[derive(Debug)]
struct Session {
    epoch: u64,
    messages: mpsc::Sender<ToSession>,
    assigned: watch::Sender<Seq>,
}

/// What is known of an agent.
#[derive(Debug, Clone)]
pub struct AgentLive {
    /// Whether it has a session.
    pub connected: bool,
    /// Since when it has, or has not.
    pub since: UnixMs,
    /// Where it comes from.
    pub address: Option<SocketAddr>,
    /// What it last said of itself.
    pub status: AgentStatus,
    /// When it said it, by the hub's clock.
    pub status_at: Option<UnixMs>,
    /// How its disk is, as it last said.
    pub storage: Option<StorageReport>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<AgentId, Session>,
    agents: HashMap<AgentId, AgentLive>,
}

/// The live state of all agents, shared by gateway, platforms and console.
#[derive(Debug, Default)]
pub struct Fleet {
    state: Mutex<State>,
    changed: Notify,
    changes: AtomicU64,
    /// Pushes that were refused for their signature since the hub started.
    pub bad_signatures: AtomicU64,
    /// Pushes that were refused for anything else.
    pub bad_pushes: AtomicU64,
    /// Pushes that could not be stored.
    pub unstored_pushes: AtomicU64,
}

impl Fleet {
    /// Something that the console shows has changed.
    pub fn touch(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Rises with each change.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Waits for a change after the one with this number.
    pub async fn wait_for_change(&self, seen: u64) {
        loop {
            let notified = self.changed.notified();
            if self.changes() != seen {
                return;
            }
            notified.await;
        }
    }

    /// A session is open; an older one of the same agent is told that it is over.
    pub fn opened(
        &self,
        agent: &AgentId,
        epoch: u64,
        assigned: Seq,
        address: SocketAddr,
        now: UnixMs,
    ) -> SessionInbox {
        let (messages, inbox) = mpsc::channel(OFFERS_MAX);
        let (assigned_sender, assigned_receiver) = watch::channel(assigned);
        let session = Session { epoch, messages, assigned: assigned_sender };
        let mut state = self.lock();
        if let Some(former) = state.sessions.insert(agent.clone(), session) {
            let _ = former.messages.try_send(ToSession::Refuse(Refusal::Superseded));
        }
        let live = state.agents.entry(agent.clone()).or_insert_with(|| AgentLive {
            connected: true,
            since: now,
            address: Some(address),
            status: AgentStatus::default(),
            status_at: None,
            storage: None,
        });
        if !live.connected {
            live.since = now;
        }
        live.connected = true;
        live.address = Some(address);
        drop(state);
        self.touch();
        SessionInbox { messages: inbox, assigned: assigned_receiver }
    }

    /// A session is over. Says whether it was still the agent's.
    pub fn closed(&self, agent: &AgentId, epoch: u64, now: UnixMs) -> bool {
        let mut state = self.lock();
        let current = state.sessions.get(agent).is_some_and(|session| session.epoch == epoch);
        if current {
            state.sessions.remove(agent);
            if let Some(live) = state.agents.get_mut(agent) {
                live.connected = false;
                live.since = now;
            }
            drop(state);
            self.touch();
        }
        current
    }

    /// What an agent says of itself.
    pub fn status(&self, agent: &AgentId, status: AgentStatus, now: UnixMs) {
        let mut state = self.lock();
        if let Some(live) = state.agents.get_mut(agent) {
            live.status = status;
            live.status_at = Some(now);
        }
        drop(state);
        self.touch();
    }

    /// What an agent says of its disk.
    pub fn storage(&self, agent: &AgentId, report: StorageReport) {
        let mut state = self.lock();
        if let Some(live) = state.agents.get_mut(agent) {
            live.storage = Some(report);
        }
        drop(state);
        self.touch();
    }

    /// A new item in an agent's outbox, after its commit.
    pub fn offer(&self, agent: &AgentId, seq: Seq, payload: &[u8]) {
        let state = self.lock();
        if let Some(session) = state.sessions.get(agent) {
            session.assigned.send_if_modified(|assigned| {
                let newer = seq > *assigned;
                *assigned = seq.max(*assigned);
                newer
            });
            // A full channel is no loss: the session reads on up to `assigned`.
            let _ = session.messages.try_send(ToSession::Offer(seq, payload.to_vec()));
        }
    }

    /// Another process has put items into an agent's outbox.
    pub fn outbox_has(&self, agent: &AgentId, assigned: Seq) {
        if let Some(session) = self.lock().sessions.get(agent) {
            session.assigned.send_if_modified(|known| {
                let newer = assigned > *known;
                *known = assigned.max(*known);
                newer
            });
        }
    }

    /// Ends an agent's session.
    pub fn refuse(&self, agent: &AgentId, refusal: Refusal) {
        if let Some(session) = self.lock().sessions.get(agent) {
            let _ = session.messages.try_send(ToSession::Refuse(refusal));
        }
    }

    /// What is known of each agent.
    pub fn agents(&self) -> HashMap<AgentId, AgentLive> {
        self.lock().agents.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while it was held has left it whole: each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
