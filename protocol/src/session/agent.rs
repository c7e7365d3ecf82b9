//! The agent's end: connect, greet, live, and again.

use super::live::Live;
use super::upload::{Batch, Uploads};
use super::{
    CURSOR_MAX, CloseReason, Effect, GREETING_MAX, RECONNECT_MAX, RECONNECT_MIN, REFUSED_PAUSE,
    SETTLED_AFTER, UNANSWERED_PAUSE,
};
use crate::help::BundlePart;
use crate::ids::Seq;
use crate::message::{AgentStatus, Hello, LinkReport, Message, PROTOCOL_VERSION, Refusal, Welcome};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Where the spool stands when a session opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursors {
    /// Drawn when the spool was made.
    pub spool: [u8; 16],
    /// Everything from the hub up to here is stored.
    pub received_up_to: Seq,
    /// The last place given to an item of our own.
    pub assigned_up_to: Seq,
}

/// The link as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Not connected; the next attempt comes by itself.
    Waiting,
    /// Connecting or greeting.
    Connecting,
    /// Connected and greeted.
    Live {
        /// The lease of this session.
        epoch: u64,
    },
    /// The hub refuses.
    Refused(Refusal),
}

#[derive(Debug)]
enum State {
    Waiting {
        until: Instant,
    },
    Connecting {
        until: Instant,
    },
    Greeting {
        until: Instant,
        cursors: Cursors,
    },
    Live {
        live: Live,
        uploads: Uploads,
        since: Instant,
        epoch: u64,
    },
    /// [`Effect::Close`] is out; `disconnected` will come.
    Closing,
}

/// An agent's session with its hub, over all connections.
#[derive(Debug)]
pub struct AgentSession {
    state: State,
    effects: VecDeque<Effect>,
    /// Attempts since a session last settled.
    attempts: u32,
    refusal: Option<Refusal>,
    /// Where the hub stood when it last spoke of our items, as far as this process knows.
    hub_has: Option<Seq>,
    chance: SplitMix64,
    version: String,
    platform: String,
}

impl AgentSession {
    /// Connects at once. `seed` spreads the pauses of many agents.
    pub fn new(now: Instant, seed: u64, version: String, platform: String) -> Self {
        AgentSession {
            state: State::Waiting { until: now },
            effects: VecDeque::new(),
            attempts: 0,
            refusal: None,
            hub_has: None,
            chance: SplitMix64(seed),
            version,
            platform,
        }
    }

    /// The link as people see it.
    pub fn link(&self) -> LinkState {
        match (&self.state, self.refusal) {
            (State::Live { epoch, .. }, _) => LinkState::Live { epoch: *epoch },
            (_, Some(refusal)) => LinkState::Refused(refusal),
            (State::Waiting { .. }, None) => LinkState::Waiting,
            (State::Connecting { .. } | State::Greeting { .. } | State::Closing, None) => {
                LinkState::Connecting
            }
        }
    }

    /// A connection stands; `cursors` as they are in the spool now.
    pub fn connected(&mut self, now: Instant, cursors: Cursors) {
        if let State::Connecting { .. } = self.state {
            self.greet(now, cursors);
        }
    }

    /// A better connection stands and takes the place of the one in use: there is no pause between the two. What was
    /// not yet done of the old one is dropped, as when it breaks; `cursors` as they are in the spool now.
    pub fn switched(&mut self, now: Instant, cursors: Cursors) {
        if let State::Live { .. } = self.state {
            self.settle(now);
            self.effects.clear();
            self.greet(now, cursors);
        }
    }

    fn greet(&mut self, now: Instant, cursors: Cursors) {
        self.state = State::Greeting { until: now + GREETING_MAX, cursors };
        self.effects.push_back(Effect::Send(Message::Hello(Hello {
            protocol_min: PROTOCOL_VERSION,
            protocol_max: PROTOCOL_VERSION,
            spool: cursors.spool,
            received_up_to: cursors.received_up_to,
            assigned_up_to: cursors.assigned_up_to,
            agent_version: self.version.clone(),
            platform: self.platform.clone(),
        })));
    }

    /// A session that has lasted makes the next pause short again.
    fn settle(&mut self, now: Instant) {
        if let State::Live { since, .. } = &self.state
            && now.saturating_duration_since(*since) >= SETTLED_AFTER
        {
            self.attempts = 0;
        }
    }

    /// There is no connection, or it is gone. What was not yet done of it is dropped.
    pub fn disconnected(&mut self, now: Instant) {
        self.settle(now);
        self.effects.clear();
        self.state = State::Waiting { until: now + self.pause() };
    }

    /// Nobody has answered the attempt to connect. The hub may be out of reach for a minute or for a night, and is to be
    /// found soon after in either case.
    pub fn unanswered(&mut self, now: Instant) {
        let pause = match self.refusal {
            Some(_) => self.pause(),
            None => self.chance.between(UNANSWERED_PAUSE / 2, UNANSWERED_PAUSE),
        };
        self.effects.clear();
        self.state = State::Waiting { until: now + pause };
    }

    /// A message came.
    pub fn received(&mut self, now: Instant, message: Message) {
        let outcome = match (&mut self.state, message) {
            (State::Greeting { .. } | State::Live { .. }, Message::Refused(refusal)) => {
                self.refusal = Some(refusal);
                Err(CloseReason::Refused(refusal))
            }
            (State::Live { live, uploads, .. }, Message::Uploaded { number }) => {
                live.heard(now);
                uploads.stored(now, number, &mut self.effects)
            }
            (State::Live { live, .. }, Message::BundleTaken(taken)) => {
                live.heard(now);
                self.effects.push_back(Effect::BundleTaken(taken));
                Ok(())
            }
            (State::Live { live, .. }, Message::RenewalDue) => {
                live.heard(now);
                self.effects.push_back(Effect::Renew);
                Ok(())
            }
            (State::Live { live, .. }, Message::Renewed { certificate }) => {
                live.heard(now);
                self.effects.push_back(Effect::Renewed(certificate));
                Ok(())
            }
            (State::Live { live, .. }, Message::Trust { cas }) => {
                live.heard(now);
                self.effects.push_back(Effect::Trust(cas));
                Ok(())
            }
            (State::Live { live, .. }, message) => live.received(now, message, &mut self.effects),
            (State::Greeting { .. }, Message::Welcome(welcome))
                if welcome.received_up_to.max(welcome.sends_after) > CURSOR_MAX =>
            {
                Err(CloseReason::Unexpected)
            }
            (State::Greeting { cursors, .. }, Message::Welcome(welcome)) => {
                let cursors = *cursors;
                self.welcomed(now, cursors, &welcome);
                Ok(())
            }
            (State::Greeting { .. }, _) => Err(CloseReason::Unexpected),
            (State::Waiting { .. } | State::Connecting { .. } | State::Closing, _) => Ok(()),
        };
        self.close_on(outcome);
        self.upload_on(now);
    }

    fn welcomed(&mut self, now: Instant, cursors: Cursors, welcome: &Welcome) {
        self.refusal = None;
        self.effects.push_back(Effect::HubTime(welcome.now));
        let mut has = cursors.received_up_to;
        if welcome.sends_after > has {
            has = welcome.sends_after;
            self.effects.push_back(Effect::SkipTo(has));
        }
        // Only a process that has heard the hub before knows that its numbers are those that the hub means. A
        // spool that was just made, or came back as an older copy, has given out numbers that the hub knows
        // from another life, be they above the hub's or below; a hub that came back as an older copy has
        // forgotten some. To send an item twice is harmless (the hub takes it by its key), to take it for
        // acknowledged is not.
        let hub_has = welcome.received_up_to;
        let ours = self.hub_has.is_some_and(|before| before <= hub_has) && hub_has <= cursors.assigned_up_to;
        let assigned = if ours {
            self.effects.push_back(Effect::Acknowledged(hub_has));
            cursors.assigned_up_to
        } else {
            self.effects.push_back(Effect::RenumberAfter(hub_has));
            hub_has
        };
        let mut live = Live::new(now, hub_has, assigned, has);
        live.outbox_has(assigned, &mut self.effects);
        let uploads = Uploads::new(now);
        self.state = State::Live { live, uploads, since: now, epoch: welcome.epoch };
    }

    /// The shell has stored what it was given up to here.
    pub fn stored(&mut self, up_to: Seq) {
        if let State::Live { live, .. } = &mut self.state {
            live.stored(up_to, &mut self.effects);
        }
    }

    /// The outbox holds items up to here.
    pub fn outbox_has(&mut self, assigned: Seq) {
        match &mut self.state {
            State::Live { live, .. } => live.outbox_has(assigned, &mut self.effects),
            State::Greeting { cursors, .. } => cursors.assigned_up_to = cursors.assigned_up_to.max(assigned),
            // The cursors of the next session will say it.
            State::Waiting { .. } | State::Connecting { .. } | State::Closing => {}
        }
    }

    /// The answer to [`Effect::ReadOutbox`].
    pub fn outbox_read(&mut self, items: Vec<(Seq, Vec<u8>)>) {
        if let State::Live { live, .. } = &mut self.state {
            live.outbox_read(items, &mut self.effects);
        }
    }

    /// The store has made something of its own accord, or has something left when a session begins: it is to go up.
    pub fn uploads_wait(&mut self, now: Instant) {
        if let State::Live { uploads, .. } = &mut self.state {
            uploads.rows_wait();
        }
        self.upload_on(now);
    }

    /// The answer to [`Effect::ReadUploads`]; `None` where nothing waits.
    pub fn uploads_read(&mut self, now: Instant, batch: Option<Batch>) {
        if let State::Live { uploads, .. } = &mut self.state {
            uploads.read(now, batch, &mut self.effects);
        }
    }

    fn upload_on(&mut self, now: Instant) {
        if let State::Live { live, uploads, .. } = &mut self.state {
            uploads.proceed(now, live.is_quiet(), &mut self.effects);
        }
    }

    /// Sends the state of things now, if anyone listens.
    pub fn report_status(&mut self, status: AgentStatus) {
        if let State::Live { .. } = &self.state {
            self.effects.push_back(Effect::Send(Message::Status(status)));
        }
    }

    /// Says how it is connected, if anyone listens.
    pub fn report_link(&mut self, report: LinkReport) {
        self.tell(Message::Link(report));
    }

    /// Says something that is not sequenced, if anyone listens.
    pub fn tell(&mut self, message: Message) {
        if let State::Live { .. } = &self.state {
            self.effects.push_back(Effect::Send(message));
        }
    }

    /// Sends a part of a bundle, if anyone listens.
    pub fn send_part(&mut self, part: BundlePart) {
        if let State::Live { .. } = &self.state {
            self.effects.push_back(Effect::Send(Message::BundlePart(part)));
        }
    }

    /// When [`AgentSession::timed_out`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { until } | State::Connecting { until } | State::Greeting { until, .. } => {
                Some(*until)
            }
            State::Live { live, uploads, .. } => {
                let upload = uploads.deadline(live.is_quiet());
                Some(upload.map_or(live.deadline(), |at| at.min(live.deadline())))
            }
            State::Closing => None,
        }
    }

    /// The time of [`AgentSession::poll_timeout`] has come.
    pub fn timed_out(&mut self, now: Instant) {
        let outcome = match &mut self.state {
            State::Waiting { until } if now >= *until => {
                self.state = State::Connecting { until: now + GREETING_MAX };
                self.effects.push_back(Effect::Connect);
                Ok(())
            }
            State::Connecting { until } | State::Greeting { until, .. } if now >= *until => {
                Err(CloseReason::NoGreeting)
            }
            State::Live { live, .. } => live.timed_out(now, &mut self.effects),
            State::Waiting { .. } | State::Connecting { .. } | State::Greeting { .. } | State::Closing => {
                Ok(())
            }
        };
        self.close_on(outcome);
        self.upload_on(now);
    }

    /// What is to be done next.
    pub fn poll_effect(&mut self, now: Instant) -> Option<Effect> {
        let effect = self.effects.pop_front()?;
        if let Effect::Acknowledged(up_to) | Effect::RenumberAfter(up_to) = &effect {
            self.hub_has = Some(*up_to);
        }
        if let (State::Live { live, .. }, Effect::Send(_)) = (&mut self.state, &effect) {
            live.spoke(now);
        }
        Some(effect)
    }

    fn close_on(&mut self, outcome: Result<(), CloseReason>) {
        if let Err(reason) = outcome {
            // What is to be stored is still stored: it costs nothing and saves sending it again.
            self.effects.push_back(Effect::Close(reason));
            self.state = State::Closing;
        }
    }

    fn pause(&mut self) -> Duration {
        if let Some(refusal) = self.refusal {
            let longest = if refusal.passes_by_itself() { RECONNECT_MAX } else { REFUSED_PAUSE };
            return self.chance.between(longest / 2, longest);
        }
        let doubled = RECONNECT_MIN.saturating_mul(1 << self.attempts.min(16));
        self.attempts += 1;
        let longest = doubled.min(RECONNECT_MAX);
        self.chance.between(longest / 2, longest)
    }
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014). It spreads pauses, no more.
#[derive(Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = u64::try_from((high - low).as_millis()).unwrap_or(u64::MAX);
        low + Duration::from_millis(self.next() % (span + 1))
    }
}
