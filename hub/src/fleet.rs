//! What is going on now: live sessions and what the agents last said. All of it is in memory, since all of it
//! is told again when an agent connects.

mod clones;
mod inbox;

pub use clones::{Contest, Sighting};
pub use inbox::{Inbox, ToSession};

use crate::clock;
use clones::Clones;
use docket_protocol::ids::{AgentId, Seq, UnixMs};
use docket_protocol::message::{AgentStatus, LinkReport, Refusal};
use docket_protocol::session::Opened;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

#[derive(Debug)]
struct Session {
    epoch: u64,
    /// The program, where it has said which it is.
    process: Option<[u8; 16]>,
    inbox: Arc<Inbox>,
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
    /// How it is connected, as it last said in this session.
    pub link: Option<LinkReport>,
    /// What it last said of itself.
    pub status: AgentStatus,
    /// When it said it, by the hub's clock.
    pub status_at: Option<UnixMs>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<AgentId, Session>,
    agents: HashMap<AgentId, AgentLive>,
    clones: Clones,
}

/// A TCP port for agents that could not be had.
#[derive(Debug)]
pub struct NoTcp {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub cause: String,
    /// When it was tried.
    pub since: UnixMs,
}

/// The live state of all agents, shared by gateway, platforms and console.
#[derive(Debug, Default)]
pub struct Fleet {
    state: Mutex<State>,
    changed: Notify,
    changes: AtomicU64,
    opened: AtomicU64,
    no_tcp: OnceLock<NoTcp>,
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

    /// Whether this program may open a session of the agent: not while another one that is kept is running. `own` is the
    /// PC that the agent's certificate was first seen on.
    pub fn admits(&self, agent: &AgentId, own: Option<&[u8]>, sighting: Sighting) -> bool {
        let mut state = self.lock();
        let is_live = state.sessions.contains_key(agent);
        state.clones.admit(agent, own, sighting, is_live, Instant::now())
    }

    /// Agents of which two programs are running.
    pub fn clones(&self) -> Vec<(AgentId, Contest)> {
        self.lock().clones.standing(Instant::now())
    }

    /// How many sessions were opened.
    pub fn opened_count(&self) -> u64 {
        self.opened.load(Ordering::Acquire)
    }

    /// A session is open; an older one of the same agent is told that it is over.
    pub fn opened(
        &self,
        agent: &AgentId,
        opened: &Opened,
        process: Option<[u8; 16]>,
        address: SocketAddr,
    ) -> Arc<Inbox> {
        let now = opened.now;
        let inbox = Arc::new(Inbox::new(opened.assigned_up_to));
        let session = Session { epoch: opened.epoch, process, inbox: Arc::clone(&inbox) };
        let mut state = self.lock();
        if let Some(former) = state.sessions.insert(agent.clone(), session) {
            let is_refused = former.process.is_some_and(|process| state.clones.is_refused(agent, process));
            let why = if is_refused { Refusal::Cloned } else { Refusal::Superseded };
            former.inbox.end(ToSession::Refuse(why));
        }
        self.opened.fetch_add(1, Ordering::Release);
        let live = state.agents.entry(agent.clone()).or_insert_with(|| AgentLive {
            connected: true,
            since: now,
            address: Some(address),
            link: None,
            status: AgentStatus::default(),
            status_at: None,
        });
        if !live.connected {
            live.since = now;
        }
        live.connected = true;
        live.address = Some(address);
        live.link = None;
        drop(state);
        self.touch();
        inbox
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

    /// What an agent says of itself in its session `epoch`. What an older one says no longer counts.
    pub fn status(&self, agent: &AgentId, epoch: u64, status: AgentStatus, now: UnixMs) {
        self.says(agent, epoch, |live| {
            live.status = status;
            live.status_at = Some(now);
        });
    }

    /// How an agent says that it is connected.
    pub fn link(&self, agent: &AgentId, epoch: u64, report: LinkReport) {
        self.says(agent, epoch, |live| live.link = Some(report));
    }

    fn says(&self, agent: &AgentId, epoch: u64, change: impl FnOnce(&mut AgentLive)) {
        let mut state = self.lock();
        if state.sessions.get(agent).is_none_or(|session| session.epoch != epoch) {
            return;
        }
        if let Some(live) = state.agents.get_mut(agent) {
            change(live);
        }
        drop(state);
        self.touch();
    }

    /// A new item in an agent's outbox, after its commit.
    pub fn offer(&self, agent: &AgentId, seq: Seq, payload: &[u8]) {
        if let Some(session) = self.lock().sessions.get(agent) {
            session.inbox.offer(seq, payload);
        }
    }

    /// Another process has put items into an agent's outbox.
    pub fn outbox_has(&self, agent: &AgentId, assigned: Seq) {
        if let Some(session) = self.lock().sessions.get(agent) {
            session.inbox.outbox_has(assigned);
        }
    }

    /// An agent's certificate is to be renewed.
    pub fn renewal_due(&self, agent: &AgentId) {
        if let Some(session) = self.lock().sessions.get(agent) {
            session.inbox.renewal_due();
        }
    }

    /// An agent is to be told which CAs it trusts.
    pub fn trust(&self, agent: &AgentId) {
        if let Some(session) = self.lock().sessions.get(agent) {
            session.inbox.trust();
        }
    }

    /// Ends an agent's session.
    pub fn refuse(&self, agent: &AgentId, refusal: Refusal) {
        if let Some(session) = self.lock().sessions.get(agent) {
            session.inbox.end(ToSession::Refuse(refusal));
        }
    }

    /// Ends all sessions, since the hub stops.
    pub fn end_all(&self) {
        for session in self.lock().sessions.values() {
            session.inbox.end(ToSession::End);
        }
    }

    /// The TCP port that nobody has asked for could not be had: some agents cannot connect, and people should know.
    pub fn lacks_tcp(&self, address: SocketAddr, cause: &dyn std::fmt::Display) {
        // It is opened once.
        let _ = self.no_tcp.set(NoTcp { address, cause: cause.to_string(), since: clock::now() });
    }

    /// Whether it could not be had.
    pub fn no_tcp(&self) -> Option<&NoTcp> {
        self.no_tcp.get()
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
