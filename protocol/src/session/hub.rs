//! The hub's end of one connection.

use super::live::Live;
use super::upload::Taking;
use super::{CURSOR_MAX, CloseReason, Effect, GREETING_MAX};
use crate::help::BundleTaken;
use crate::ids::{Seq, UnixMs};
use crate::message::{Message, PROTOCOL_VERSION, Refusal, Welcome};
use std::collections::VecDeque;
use std::time::Instant;

/// What storage says of a session that it has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The lease.
    pub epoch: u64,
    /// Everything from the agent up to here is stored.
    pub received_up_to: Seq,
    /// Everything to the agent up to here needs no sending.
    pub sends_after: Seq,
    /// The last place in the agent's outbox.
    pub assigned_up_to: Seq,
    /// The hub's clock.
    pub now: UnixMs,
}

#[derive(Debug)]
enum State {
    /// Waiting for the hello.
    Fresh {
        until: Instant,
    },
    /// The shell opens the session in storage, and may already offer what was not yet there when it did.
    Opening {
        offered: Seq,
    },
    Live(Live),
    Closed,
}

/// One agent's connection at the hub.
#[derive(Debug)]
pub struct HubSession {
    state: State,
    taking: Taking,
    effects: VecDeque<Effect>,
}

impl HubSession {
    /// A connection has come.
    pub fn new(now: Instant) -> Self {
        HubSession {
            state: State::Fresh { until: now + GREETING_MAX },
            taking: Taking::default(),
            effects: VecDeque::new(),
        }
    }

    /// Whether the agent has been welcomed.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// A message came.
    pub fn received(&mut self, now: Instant, message: Message) {
        let outcome = match (&mut self.state, message) {
            (State::Live(live), Message::Status(status)) => {
                live.heard(now);
                self.effects.push_back(Effect::Status(status));
                Ok(())
            }
            (State::Live(live), Message::Upload { number, packed }) => {
                live.heard(now);
                self.taking.came(number, packed, &mut self.effects);
                Ok(())
            }
            (State::Live(live), Message::Link(report)) => {
                live.heard(now);
                self.effects.push_back(Effect::Link(report));
                Ok(())
            }
            (State::Live(live), Message::BundlePart(part)) => {
                live.heard(now);
                self.effects.push_back(Effect::BundlePart(part));
                Ok(())
            }
            (State::Live(live), Message::Renew(renewal)) => {
                live.heard(now);
                self.effects.push_back(Effect::Certify(renewal));
                Ok(())
            }
            (State::Live(live), Message::Trusting { bundle }) => {
                live.heard(now);
                self.effects.push_back(Effect::Trusting(bundle));
                Ok(())
            }
            (State::Live(live), message) => live.received(now, message, &mut self.effects),
            (State::Fresh { .. }, Message::Instance(instance)) => {
                self.effects.push_back(Effect::Instance(instance));
                Ok(())
            }
            (State::Fresh { .. }, Message::Hello(hello))
                if hello.received_up_to.max(hello.assigned_up_to) > CURSOR_MAX =>
            {
                Err(CloseReason::Unexpected)
            }
            (State::Fresh { .. }, Message::Hello(hello)) => {
                if (hello.protocol_min..=hello.protocol_max).contains(&PROTOCOL_VERSION) {
                    self.state = State::Opening { offered: Seq(0) };
                    self.effects.push_back(Effect::Open(hello));
                    Ok(())
                } else {
                    self.refuse(Refusal::Protocol { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION });
                    Ok(())
                }
            }
            (State::Fresh { .. } | State::Opening { .. }, _) => Err(CloseReason::Unexpected),
            (State::Closed, _) => Ok(()),
        };
        self.close_on(outcome);
    }

    /// The answer to [`Effect::Open`].
    pub fn opened(&mut self, now: Instant, opened: Opened) {
        if let State::Opening { offered } = self.state {
            self.effects.push_back(Effect::Send(Message::Welcome(Welcome {
                protocol: PROTOCOL_VERSION,
                epoch: opened.epoch,
                received_up_to: opened.received_up_to,
                sends_after: opened.sends_after,
                now: opened.now,
            })));
            let mut live = Live::new(now, opened.sends_after, opened.assigned_up_to, opened.received_up_to);
            live.outbox_has(opened.assigned_up_to.max(offered), &mut self.effects);
            self.state = State::Live(live);
        }
    }

    /// Says why not, and closes. In any state: a revoked or superseded agent is live.
    pub fn refuse(&mut self, refusal: Refusal) {
        if !matches!(self.state, State::Closed) {
            self.effects.push_back(Effect::Send(Message::Refused(refusal)));
            self.close_on(Err(CloseReason::Refused(refusal)));
        }
    }

    /// Says something that is not sequenced, if anyone listens.
    pub fn tell(&mut self, message: Message) {
        if let State::Live(_) = &self.state {
            self.effects.push_back(Effect::Send(message));
        }
    }

    /// The shell has stored what it was given up to here.
    pub fn stored(&mut self, up_to: Seq) {
        if let State::Live(live) = &mut self.state {
            live.stored(up_to, &mut self.effects);
        }
    }

    /// The answer to [`Effect::StoreUpload`].
    pub fn upload_stored(&mut self, number: u64) {
        if let State::Live(_) = &self.state {
            self.taking.stored(number, &mut self.effects);
        }
    }

    /// What became of [`Effect::BundlePart`].
    pub fn bundle_taken(&mut self, taken: BundleTaken) {
        if let State::Live(_) = &self.state {
            self.effects.push_back(Effect::Send(Message::BundleTaken(taken)));
        }
    }

    /// A new item is in the outbox.
    pub fn offer(&mut self, seq: Seq, payload: Vec<u8>) {
        match &mut self.state {
            State::Live(live) => live.offer(seq, payload, &mut self.effects),
            State::Opening { offered } => *offered = seq.max(*offered),
            State::Fresh { .. } | State::Closed => {}
        }
    }

    /// The outbox holds items up to here.
    pub fn outbox_has(&mut self, assigned: Seq) {
        match &mut self.state {
            State::Live(live) => live.outbox_has(assigned, &mut self.effects),
            State::Opening { offered } => *offered = assigned.max(*offered),
            State::Fresh { .. } | State::Closed => {}
        }
    }

    /// The answer to [`Effect::ReadOutbox`].
    pub fn outbox_read(&mut self, items: Vec<(Seq, Vec<u8>)>) {
        if let State::Live(live) = &mut self.state {
            live.outbox_read(items, &mut self.effects);
        }
    }

    /// When [`HubSession::timed_out`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Fresh { until } => Some(*until),
            State::Live(live) => Some(live.deadline()),
            State::Opening { .. } | State::Closed => None,
        }
    }

    /// The time of [`HubSession::poll_timeout`] has come.
    pub fn timed_out(&mut self, now: Instant) {
        let outcome = match &mut self.state {
            State::Fresh { until } if now >= *until => Err(CloseReason::NoGreeting),
            State::Live(live) => live.timed_out(now, &mut self.effects),
            State::Fresh { .. } | State::Opening { .. } | State::Closed => Ok(()),
        };
        self.close_on(outcome);
    }

    /// What is to be done next.
    pub fn poll_effect(&mut self, now: Instant) -> Option<Effect> {
        let effect = self.effects.pop_front()?;
        if let (State::Live(live), Effect::Send(_)) = (&mut self.state, &effect) {
            live.spoke(now);
        }
        Some(effect)
    }

    fn close_on(&mut self, outcome: Result<(), CloseReason>) {
        if let Err(reason) = outcome {
            self.effects.push_back(Effect::Close(reason));
            self.state = State::Closed;
        }
    }
}
