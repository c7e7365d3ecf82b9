//! An agent's session.

use super::program::{Program, SetOff, effects_of, pass_timer};
use docket_protocol::ids::Seq;
use docket_protocol::message::{AgentStatus, Message};
use docket_protocol::session::{AgentSession, Batch, Cursors, Effect, LinkState, READ_ITEMS_MAX};
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

/// All that an observer needs to know to say what is wrong.
struct Observer {
    connecting: bool,
    connected: bool,
    /// Everything up to here may be acknowledged.
    stored: u64,
    reads_uploads: bool,
    /// Uploads of this session that were sent, and where their rows end.
    uploads: Vec<(u64, u64)>,
}

fn play(input: &[u8], informed: bool) -> BTreeSet<u64> {
    static BASE: OnceLock<Instant> = OnceLock::new();
    let mut now = *BASE.get_or_init(Instant::now);
    let mut program = Program::new(input);
    let mut session = AgentSession::new(now, 7, "0.1.0".into(), "fuzz".into());
    let mut observer = Observer {
        connecting: false,
        connected: false,
        stored: 0,
        reads_uploads: false,
        uploads: Vec::new(),
    };
    let mut set_off = SetOff::default();
    while !program.is_over() {
        let state = state(&session);
        let step = program.byte() % 12;
        match step {
            0 => {
                now += program.time();
                session.timed_out(now);
            }
            1 => now = pass_timer(&mut session, now, AgentSession::poll_timeout, AgentSession::timed_out),
            2 => {
                let cursors = cursors(&mut program);
                if observer.connecting {
                    observer.connected = true;
                    observer.connecting = false;
                    observer.stored = cursors.received_up_to.0;
                    observer.uploads.clear();
                    observer.reads_uploads = false;
                }
                session.connected(now, cursors);
            }
            3 => {
                observer.connected = false;
                observer.connecting = false;
                if program.coin() { session.disconnected(now) } else { session.unanswered(now) }
            }
            4 | 5 => session.received(now, program.message()),
            6 => {
                let seq = program.own_seq();
                if informed {
                    observer.stored = observer.stored.max(seq.0);
                }
                session.stored(seq);
            }
            7 => session.outbox_has(program.own_seq()),
            8 => session.outbox_read(program.items()),
            9 => session.report_status(AgentStatus::default()),
            10 => session.uploads_wait(now),
            _ => {
                let batch = (!program.byte().is_multiple_of(3))
                    .then(|| Batch { up_to: program.number(), packed: program.payload() });
                if let (Some(batch), true) = (&batch, observer.reads_uploads) {
                    observer.uploads.push((0, batch.up_to));
                }
                observer.reads_uploads = false;
                session.uploads_read(now, batch);
            }
        }
        let effects = effects_of(&mut session, now, AgentSession::poll_effect);
        for effect in &effects {
            observer.sees(effect);
        }
        set_off.note(state, step, &effects);
    }
    set_off.0
}

impl Observer {
    fn sees(&mut self, effect: &Effect) {
        match effect {
            Effect::Connect => {
                assert!(!self.connecting && !self.connected, "a second connection");
                self.connecting = true;
            }
            Effect::Send(message) => {
                assert!(self.connected, "{message:?} without a connection");
                self.hears(message);
            }
            Effect::SkipTo(seq) => self.stored = self.stored.max(seq.0),
            Effect::ReadOutbox { limit, .. } => {
                assert!((1..=READ_ITEMS_MAX).contains(limit), "reads {limit}")
            }
            Effect::ReadUploads { bytes_max } => {
                assert!(!self.reads_uploads, "two readings of uploads at once");
                assert!(*bytes_max > 0);
                self.reads_uploads = true;
            }
            Effect::UploadedUpTo(up_to) => {
                let known = self.uploads.iter().any(|&(_, rows)| rows == *up_to);
                assert!(known, "rows up to {up_to} were never sent and are to be deleted");
            }
            Effect::Close(_) => self.connected = false,
            Effect::Store(items) => assert!(!items.is_empty(), "nothing to store"),
            Effect::HubTime(_) | Effect::Acknowledged(_) | Effect::RenumberAfter(_) => {}
            Effect::BundleTaken(_) => assert!(self.connected, "{effect:?} without a connection"),
            Effect::Renew | Effect::Renewed(_) | Effect::Trust(_) => {}
            Effect::Open(_)
            | Effect::Status(_)
            | Effect::Link(_)
            | Effect::StoreUpload { .. }
            | Effect::BundlePart(_)
            | Effect::Storage(_)
            | Effect::Instance(_)
            | Effect::Certify(_)
            | Effect::Trusting(_) => {
                panic!("an effect of the hub: {effect:?}")
            }
        }
    }

    fn hears(&mut self, message: &Message) {
        match message {
            Message::Ack { up_to } => self.may_acknowledge(*up_to),
            Message::Heartbeat { stored_up_to, .. } => self.may_acknowledge(*stored_up_to),
            Message::Upload { .. }
            | Message::Hello(_)
            | Message::Deliver { .. }
            | Message::Status(_)
            | Message::Link(_)
            | Message::BundlePart(_)
            | Message::Storage(_)
            | Message::Instance(_)
            | Message::Renew(_)
            | Message::Trusting { .. } => {}
            Message::Welcome(_)
            | Message::BundleTaken(_)
            | Message::Refused(_)
            | Message::Uploaded { .. }
            | Message::RenewalDue
            | Message::Renewed { .. }
            | Message::Trust { .. } => {
                panic!("an agent says {message:?}")
            }
        }
    }

    fn may_acknowledge(&self, up_to: Seq) {
        assert!(up_to.0 <= self.stored, "{up_to} is acknowledged and is not stored");
    }
}

fn cursors(program: &mut Program<'_>) -> Cursors {
    Cursors { spool: [7; 16], received_up_to: program.own_seq(), assigned_up_to: program.own_seq() }
}

fn state(session: &AgentSession) -> u8 {
    match session.link() {
        LinkState::Waiting => 0,
        LinkState::Connecting if session.poll_timeout().is_none() => 1,
        LinkState::Connecting => 2,
        LinkState::Live { .. } => 3,
        LinkState::Refused(_) => 4,
    }
}
