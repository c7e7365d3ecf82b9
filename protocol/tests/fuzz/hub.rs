//! A hub's session.

use super::program::{Program, SetOff, effects_of, pass_timer};
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::Message;
use docket_protocol::session::{CURSOR_MAX, Effect, HubSession, Opened, READ_ITEMS_MAX};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Instant;

pub(super) fn run(input: &[u8]) -> BTreeSet<u64> {
    play(input, true)
}

/// The observer does not hear of what is stored.
pub(super) fn run_uninformed(input: &[u8]) -> BTreeSet<u64> {
    play(input, false)
}

#[derive(Default)]
struct Observer {
    asked_to_open: bool,
    welcomed: bool,
    closed: bool,
    stored: u64,
    /// The upload that is being stored.
    storing: Option<u64>,
    uploaded: BTreeSet<u64>,
}

fn play(input: &[u8], informed: bool) -> BTreeSet<u64> {
    static BASE: OnceLock<Instant> = OnceLock::new();
    let mut now = *BASE.get_or_init(Instant::now);
    let mut program = Program::new(input);
    let mut session = HubSession::new(now);
    let mut observer = Observer::default();
    let mut set_off = SetOff::default();
    while !program.is_over() {
        let state = u8::from(session.is_live()) + 2 * u8::from(observer.asked_to_open);
        let step = program.byte() % 11;
        match step {
            0 => {
                now += program.time();
                session.timed_out(now);
            }
            1 => now = pass_timer(&mut session, now, HubSession::poll_timeout, HubSession::timed_out),
            2..=4 => session.received(now, program.message()),
            5 => {
                let opened = opened(&mut program);
                if observer.asked_to_open && !observer.welcomed {
                    observer.stored = opened.received_up_to.0;
                }
                session.opened(now, opened);
            }
            6 => session.refuse(program.refusal()),
            7 => {
                let seq = program.own_seq();
                if informed {
                    observer.stored = observer.stored.max(seq.0);
                }
                session.stored(seq);
            }
            8 => {
                // Not a shell's own number only: that of the peer, or any.
                let number = observer.storing.filter(|_| program.coin()).unwrap_or(program.number());
                if observer.storing == Some(number) {
                    observer.storing = None;
                    observer.uploaded.insert(number);
                }
                session.upload_stored(number);
            }
            9 => session.offer(program.own_seq(), program.payload()),
            _ if program.coin() => session.outbox_has(program.own_seq()),
            _ => session.outbox_read(program.items()),
        }
        let effects = effects_of(&mut session, now, HubSession::poll_effect);
        for effect in &effects {
            observer.sees(effect);
        }
        set_off.note(state, step, &effects);
    }
    set_off.0
}

/// Storage's own numbers are bounded, since it refuses what is not ([`CURSOR_MAX`]).
fn opened(program: &mut Program<'_>) -> Opened {
    let mut seq = || program.own_seq();
    let (received_up_to, sends_after, assigned_up_to) = (seq(), seq(), seq());
    Opened { epoch: 1, received_up_to, sends_after, assigned_up_to, now: UnixMs(0) }
}

impl Observer {
    fn sees(&mut self, effect: &Effect) {
        assert!(!self.closed, "{effect:?} after the end");
        match effect {
            Effect::Send(message) => self.hears(message),
            Effect::Open(hello) => {
                assert!(!self.asked_to_open, "opened twice");
                assert!(
                    hello.received_up_to.max(hello.assigned_up_to) <= CURSOR_MAX,
                    "numbers beyond any life"
                );
                self.asked_to_open = true;
            }
            Effect::ReadOutbox { limit, .. } => {
                assert!((1..=READ_ITEMS_MAX).contains(limit), "reads {limit}")
            }
            Effect::StoreUpload { number, .. } => {
                assert!(self.storing.is_none(), "two uploads at once");
                self.storing = Some(*number);
            }
            Effect::Store(items) => {
                assert!(self.welcomed && !items.is_empty(), "stores {items:?}");
            }
            Effect::Close(_) => self.closed = true,
            Effect::Instance(_) => assert!(!self.asked_to_open, "an instance after the greeting"),
            Effect::Acknowledged(_)
            | Effect::Status(_)
            | Effect::Link(_)
            | Effect::BundlePart(_)
            | Effect::Storage(_)
            | Effect::Certify(_)
            | Effect::Trusting(_) => {
                assert!(self.welcomed, "{effect:?} before the welcome");
            }
            Effect::Connect
            | Effect::SkipTo(_)
            | Effect::HubTime(_)
            | Effect::RenumberAfter(_)
            | Effect::ReadUploads { .. }
            | Effect::UploadedUpTo(_)
            | Effect::BundleTaken(_)
            | Effect::Renew
            | Effect::Renewed(_)
            | Effect::Trust(_) => panic!("an effect of an agent: {effect:?}"),
        }
    }

    fn hears(&mut self, message: &Message) {
        match message {
            Message::Welcome(welcome) => {
                assert!(self.asked_to_open && !self.welcomed, "a welcome out of place");
                self.may_acknowledge(welcome.received_up_to);
                self.welcomed = true;
            }
            Message::Ack { up_to } => self.may_acknowledge(*up_to),
            Message::Heartbeat { stored_up_to, .. } => self.may_acknowledge(*stored_up_to),
            Message::Deliver { .. } => assert!(self.welcomed, "an item before the welcome"),
            Message::Uploaded { number } => {
                assert!(self.uploaded.contains(number), "upload {number} is acknowledged and is not stored");
            }
            Message::Refused(_) | Message::BundleTaken(_) => {}
            Message::RenewalDue | Message::Renewed { .. } | Message::Trust { .. } => assert!(self.welcomed),
            Message::Hello(_)
            | Message::Status(_)
            | Message::Link(_)
            | Message::Upload { .. }
            | Message::BundlePart(_)
            | Message::Storage(_)
            | Message::Instance(_)
            | Message::Renew(_)
            | Message::Trusting { .. } => {
                panic!("the hub says {message:?}")
            }
        }
    }

    fn may_acknowledge(&self, up_to: Seq) {
        assert!(up_to.0 <= self.stored, "{up_to} is acknowledged and is not stored");
    }
}
