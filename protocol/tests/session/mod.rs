//! Single steps of a session, where the simulation would only say that something is lost.

mod agent;
mod hub;
mod upload;

use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::{Message, PROTOCOL_VERSION, Welcome};
use docket_protocol::session::{AgentSession, Cursors, Effect, HubSession};
use std::time::Instant;

fn agent_effects(session: &mut AgentSession, now: Instant) -> Vec<Effect> {
    std::iter::from_fn(|| session.poll_effect(now)).collect()
}

fn hub_effects(session: &mut HubSession, now: Instant) -> Vec<Effect> {
    std::iter::from_fn(|| session.poll_effect(now)).collect()
}

fn agent(now: Instant) -> AgentSession {
    AgentSession::new(now, 7, "0.1.0".into(), "test".into())
}

fn cursors(received_up_to: u64, assigned_up_to: u64) -> Cursors {
    Cursors { spool: [7; 16], received_up_to: Seq(received_up_to), assigned_up_to: Seq(assigned_up_to) }
}

/// Connects and says hello.
fn greet(session: &mut AgentSession, now: Instant, cursors: Cursors) {
    let due = session.poll_timeout().expect("an agent tries again by itself").max(now);
    session.timed_out(due);
    assert_eq!(agent_effects(session, due), [Effect::Connect]);
    session.connected(now, cursors);
    assert!(matches!(agent_effects(session, now)[..], [Effect::Send(Message::Hello(_))]));
}

/// What a welcome always brings: the hub's time in [`welcome`].
const TIME: Effect = Effect::HubTime(UnixMs(0));

fn welcome(received_up_to: u64, sends_after: u64) -> Message {
    Message::Welcome(Welcome {
        protocol: PROTOCOL_VERSION,
        epoch: 3,
        received_up_to: Seq(received_up_to),
        sends_after: Seq(sends_after),
        now: UnixMs(0),
    })
}

fn item(seq: u64) -> (Seq, Vec<u8>) {
    (Seq(seq), vec![u8::try_from(seq % 256).unwrap()])
}

fn items(seqs: std::ops::RangeInclusive<u64>) -> Vec<(Seq, Vec<u8>)> {
    seqs.map(item).collect()
}

fn deliver(seq: u64) -> Message {
    let (seq, payload) = item(seq);
    Message::Deliver { seq, payload }
}

fn read(after: u64, limit: usize) -> Effect {
    Effect::ReadOutbox { after: Seq(after), limit }
}
