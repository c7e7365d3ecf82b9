//! Bytes as a program: each step takes what it needs; where there is nothing left, it takes zeros.

use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::{AgentStatus, Hello, LinkReport, Message, Refusal, Transport, Welcome};
use docket_protocol::session::{CURSOR_MAX, Effect};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

pub(super) struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Program(bytes)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    pub(super) fn coin(&mut self) -> bool {
        self.byte().is_multiple_of(2)
    }

    /// Small ones mostly, since those fit together; and those at which counting breaks.
    pub(super) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=199 => u64::from(small % 40),
            200..=209 => u64::from(self.byte()) * 8,
            210..=219 => CURSOR_MAX.0,
            220..=229 => CURSOR_MAX.0 + 1,
            230..=239 => u64::MAX - u64::from(self.byte() % 3),
            _ => u64::MAX / 2,
        }
    }

    pub(super) fn seq(&mut self) -> Seq {
        Seq(self.number())
    }

    /// As a shell has them: out of place, but numbers that were given out.
    pub(super) fn own_seq(&mut self) -> Seq {
        self.seq().min(CURSOR_MAX)
    }

    pub(super) fn time(&mut self) -> Duration {
        match self.byte() {
            ms @ 0..=99 => Duration::from_millis(u64::from(ms)),
            s @ 100..=249 => Duration::from_secs(u64::from(s - 100)),
            _ => Duration::from_secs(86_400),
        }
    }

    pub(super) fn payload(&mut self) -> Vec<u8> {
        vec![self.byte(); usize::from(self.byte() % 4)]
    }

    /// In a row, with gaps, or the same again.
    pub(super) fn items(&mut self) -> Vec<(Seq, Vec<u8>)> {
        let mut seq = self.own_seq().0;
        (0..self.byte() % 6)
            .map(|_| {
                let item = (Seq(seq), self.payload());
                seq = seq.saturating_add(u64::from(!self.byte().is_multiple_of(8)));
                item
            })
            .collect()
    }

    pub(super) fn hello(&mut self) -> Hello {
        let span = self.byte();
        Hello {
            protocol_min: u16::from(span % 3),
            protocol_max: u16::from(span / 3 % 3),
            spool: [self.byte(); 16],
            received_up_to: self.seq(),
            assigned_up_to: self.seq(),
            agent_version: "0.1.0".into(),
            platform: "fuzz".into(),
        }
    }

    pub(super) fn refusal(&mut self) -> Refusal {
        match self.byte() % 5 {
            0 => Refusal::Protocol { min: 1, max: 1 },
            1 => Refusal::UnknownAgent,
            2 => Refusal::Revoked,
            3 => Refusal::Superseded,
            _ => Refusal::Unavailable,
        }
    }

    pub(super) fn link_report(&mut self) -> LinkReport {
        LinkReport {
            transport: Transport::Quic,
            proxied: false,
            rtt_us: None,
            lost_packets: Some(self.number()),
            reconnects: 0,
            fallbacks: 0,
            connected_at: UnixMs(0),
            counted_since: UnixMs(0),
        }
    }

    /// Each kind, whichever end has to say it.
    pub(super) fn message(&mut self) -> Message {
        match self.byte() % 10 {
            0 => Message::Hello(self.hello()),
            1 => Message::Welcome(Welcome {
                protocol: 1,
                epoch: self.number(),
                received_up_to: self.seq(),
                sends_after: self.seq(),
                now: UnixMs(0),
            }),
            2 => Message::Refused(self.refusal()),
            3 | 4 => Message::Deliver { seq: self.seq(), payload: self.payload() },
            5 => Message::Ack { up_to: self.seq() },
            6 => Message::Heartbeat { sent_up_to: self.seq(), stored_up_to: self.seq() },
            7 => Message::Status(AgentStatus::default()),
            8 => Message::Link(self.link_report()),
            _ if self.coin() => Message::Upload { number: self.number(), packed: self.payload() },
            _ => Message::Uploaded { number: self.number() },
        }
    }
}

/// What was set off: a step in a state, with the kinds of its effects.
#[derive(Default)]
pub(super) struct SetOff(pub(super) BTreeSet<u64>);

impl SetOff {
    pub(super) fn note(&mut self, state: u8, step: u8, effects: &[Effect]) {
        let mut hasher = DefaultHasher::new();
        (state, step, effects.len().min(4)).hash(&mut hasher);
        for effect in effects.iter().take(4) {
            std::mem::discriminant(effect).hash(&mut hasher);
            if let Effect::Send(message) = effect {
                std::mem::discriminant(message).hash(&mut hasher);
            }
            if let Effect::Close(reason) = effect {
                reason.code().hash(&mut hasher);
            }
        }
        self.0.insert(hasher.finish());
    }
}

/// Effects of one step: what it gave, and a few of its own.
const EFFECTS_MAX: usize = 64;
/// Timers that are due at the same moment.
const TIMERS_AT_ONCE_MAX: usize = 8;

/// All that a step has set off, which has an end.
pub(super) fn effects_of<S>(
    session: &mut S,
    now: Instant,
    poll: fn(&mut S, Instant) -> Option<Effect>,
) -> Vec<Effect> {
    let effects: Vec<Effect> = std::iter::from_fn(|| poll(session, now)).take(EFFECTS_MAX + 1).collect();
    assert!(effects.len() <= EFFECTS_MAX, "effects without end");
    effects
}

/// Lets the next timer come. It must be of use: another one, later, or none.
pub(super) fn pass_timer<S>(
    session: &mut S,
    now: Instant,
    due: fn(&S) -> Option<Instant>,
    pass: fn(&mut S, Instant),
) -> Instant {
    let Some(first) = due(session) else { return now };
    let now = now.max(first);
    for _ in 0..TIMERS_AT_ONCE_MAX {
        match due(session) {
            Some(due) if due <= now => pass(session, now),
            _ => return now,
        }
    }
    panic!("a timer that is due for ever");
}
