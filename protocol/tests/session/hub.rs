use super::{deliver, hub_effects, item, items, read};
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::{
    AgentStatus, Hello, Instance, LinkReport, Message, PROTOCOL_VERSION, Refusal, Renewal, Transport,
};
use docket_protocol::session::{
    CloseReason, Effect, GREETING_MAX, HEARTBEAT_AFTER, HubSession, Opened, READ_ITEMS_MAX, SILENCE_MAX,
    WINDOW_ITEMS,
};
use std::time::Instant;

fn hello() -> Hello {
    Hello {
        protocol_min: PROTOCOL_VERSION,
        protocol_max: PROTOCOL_VERSION,
        spool: [7; 16],
        received_up_to: Seq(0),
        assigned_up_to: Seq(0),
        agent_version: "0.1.0".into(),
        platform: "test".into(),
    }
}

fn opened(sends_after: u64, assigned_up_to: u64) -> Opened {
    Opened {
        epoch: 3,
        received_up_to: Seq(0),
        sends_after: Seq(sends_after),
        assigned_up_to: Seq(assigned_up_to),
        now: UnixMs(0),
    }
}

fn link_report() -> LinkReport {
    LinkReport {
        transport: Transport::Quic,
        proxied: false,
        rtt_us: None,
        lost_packets: None,
        reconnects: 0,
        fallbacks: 0,
        connected_at: UnixMs(0),
        counted_since: UnixMs(0),
    }
}

fn opening(now: Instant) -> HubSession {
    let mut session = HubSession::new(now);
    session.received(now, Message::Hello(hello()));
    assert_eq!(hub_effects(&mut session, now), [Effect::Open(hello())]);
    session
}

fn live(now: Instant, sends_after: u64, assigned_up_to: u64) -> HubSession {
    let mut session = opening(now);
    session.opened(now, opened(sends_after, assigned_up_to));
    assert!(session.is_live());
    let welcomed = hub_effects(&mut session, now);
    assert!(matches!(welcomed[0], Effect::Send(Message::Welcome(_))));
    session
}

fn sent(seq: u64) -> Effect {
    Effect::Send(deliver(seq))
}

#[test]
fn an_order_that_is_offered_while_the_session_opens_is_sent() {
    let now = Instant::now();
    let mut session = opening(now);
    session.offer(Seq(6), item(6).1);
    session.opened(now, opened(5, 5));
    assert_eq!(hub_effects(&mut session, now)[1..], [read(5, READ_ITEMS_MAX)]);

    let mut session = opening(now);
    session.outbox_has(Seq(6));
    session.opened(now, opened(5, 5));
    assert_eq!(hub_effects(&mut session, now)[1..], [read(5, READ_ITEMS_MAX)]);
}

#[test]
fn a_new_order_is_sent_at_once() {
    let now = Instant::now();
    let mut session = live(now, 5, 5);
    session.offer(Seq(6), item(6).1);
    assert_eq!(hub_effects(&mut session, now), [sent(6)]);
}

#[test]
fn orders_that_are_offered_out_of_order_are_read_in_order() {
    let now = Instant::now();
    let mut session = live(now, 5, 5);
    session.offer(Seq(7), item(7).1);
    assert_eq!(hub_effects(&mut session, now), [read(5, READ_ITEMS_MAX)]);
    session.offer(Seq(6), item(6).1);
    session.offer(Seq(8), item(8).1);
    assert_eq!(hub_effects(&mut session, now), []);
    session.outbox_read(items(6..=7));
    assert_eq!(hub_effects(&mut session, now), [sent(6), sent(7), read(7, READ_ITEMS_MAX)]);
}

/// The read found nothing, the order was committed, its offer overtook the answer of the read.
#[test]
fn an_order_that_is_offered_during_an_empty_read_is_sent() {
    let now = Instant::now();
    let mut session = live(now, 5, 6);
    session.offer(Seq(7), item(7).1);
    session.outbox_read(Vec::new());
    assert_eq!(hub_effects(&mut session, now), [read(5, READ_ITEMS_MAX)]);
    session.outbox_read(Vec::new());
    assert_eq!(hub_effects(&mut session, now), [], "and it is not asked for ever");
}

#[test]
fn no_more_than_the_window_is_unacknowledged() {
    let now = Instant::now();
    let backlog = 2 * WINDOW_ITEMS;
    let mut session = live(now, 0, backlog);
    let (mut next, mut after) = (1, 0);
    while after < WINDOW_ITEMS {
        let last = after + READ_ITEMS_MAX as u64;
        session.outbox_read(items(next..=last));
        (next, after) = (last + 1, last);
        hub_effects(&mut session, now);
    }
    session.offer(Seq(backlog + 1), Vec::new());
    assert_eq!(hub_effects(&mut session, now), [], "the window is full");
    session.received(now, Message::Ack { up_to: Seq(3) });
    let expected = [Effect::Acknowledged(Seq(3)), read(WINDOW_ITEMS, 3)];
    assert_eq!(hub_effects(&mut session, now), expected);
}

#[test]
fn a_hello_that_shares_no_version_is_refused() {
    let now = Instant::now();
    let mut session = HubSession::new(now);
    let newer = PROTOCOL_VERSION + 1;
    session.received(now, Message::Hello(Hello { protocol_min: newer, protocol_max: newer, ..hello() }));
    let refusal = Refusal::Protocol { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION };
    let expected = [Effect::Send(Message::Refused(refusal)), Effect::Close(CloseReason::Refused(refusal))];
    assert_eq!(hub_effects(&mut session, now), expected);
}

#[test]
fn a_session_can_be_refused_in_any_state_and_once() {
    let now = Instant::now();
    let refused = [
        Effect::Send(Message::Refused(Refusal::Superseded)),
        Effect::Close(CloseReason::Refused(Refusal::Superseded)),
    ];
    for mut session in [HubSession::new(now), opening(now), live(now, 0, 0)] {
        session.refuse(Refusal::Superseded);
        session.refuse(Refusal::Superseded);
        session.opened(now, opened(0, 9));
        session.received(now, Message::Hello(hello()));
        assert_eq!(hub_effects(&mut session, now), refused);
        assert_eq!(session.poll_timeout(), None);
        assert!(!session.is_live());
    }
}

#[test]
fn nothing_comes_before_hello_and_nothing_while_it_opens() {
    let now = Instant::now();
    let (status, link) = (Message::Status(AgentStatus::default()), Message::Link(link_report()));
    for message in [deliver(1), Message::Ack { up_to: Seq(0) }, status, link] {
        for mut session in [HubSession::new(now), opening(now)] {
            session.received(now, message.clone());
            assert_eq!(hub_effects(&mut session, now), [Effect::Close(CloseReason::Unexpected)]);
        }
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let start = Instant::now();
    let mut session = HubSession::new(start);
    assert_eq!(session.poll_timeout(), Some(start + GREETING_MAX));
    session.timed_out(start + GREETING_MAX);
    assert_eq!(hub_effects(&mut session, start), [Effect::Close(CloseReason::NoGreeting)]);

    let mut session = live(start, 0, 0);
    session.timed_out(start + SILENCE_MAX);
    assert_eq!(hub_effects(&mut session, start), [Effect::Close(CloseReason::Silence)]);
}

#[test]
fn whatever_is_heard_ends_the_silence_and_whatever_is_said_puts_off_the_heartbeat() {
    let start = Instant::now();
    let mut session = live(start, 0, 0);
    let half = start + HEARTBEAT_AFTER / 2;
    session.received(half, Message::Status(AgentStatus::default()));
    assert_eq!(hub_effects(&mut session, half), [Effect::Status(AgentStatus::default())]);
    session.received(half, Message::Link(link_report()));
    assert_eq!(hub_effects(&mut session, half), [Effect::Link(link_report())]);
    session.offer(Seq(1), item(1).1);
    assert_eq!(hub_effects(&mut session, half), [sent(1)]);
    assert_eq!(session.poll_timeout(), Some(half + HEARTBEAT_AFTER));
    session.timed_out(half + HEARTBEAT_AFTER);
    let heartbeat = Message::Heartbeat { sent_up_to: Seq(1), stored_up_to: Seq(0) };
    assert_eq!(hub_effects(&mut session, half + HEARTBEAT_AFTER), [Effect::Send(heartbeat)]);
    session.timed_out(start + SILENCE_MAX);
    assert!(session.is_live(), "it was heard later than that");
}

#[test]
fn which_program_it_is_comes_before_the_greeting_and_never_after() {
    let now = Instant::now();
    let mut session = HubSession::new(now);
    let instance = Instance { process: [1; 16], machine: None, boot: String::new(), host: "front".into() };
    session.received(now, Message::Instance(instance.clone()));
    session.received(now, Message::Hello(hello()));
    assert_eq!(hub_effects(&mut session, now), [Effect::Instance(instance.clone()), Effect::Open(hello())]);
    session.received(now, Message::Instance(instance));
    assert_eq!(hub_effects(&mut session, now), [Effect::Close(CloseReason::Unexpected)]);
}

#[test]
fn keys_are_certified_and_trust_is_confirmed_in_a_live_session_only() {
    let renewal = || Renewal { public_key: vec![4; 65], proof: vec![1] };
    let now = Instant::now();
    for message in [Message::Renew(renewal()), Message::Trusting { bundle: [1; 32] }] {
        let mut session = HubSession::new(now);
        session.received(now, message);
        assert_eq!(hub_effects(&mut session, now), [Effect::Close(CloseReason::Unexpected)]);
    }
    let mut session = live(now, 0, 0);
    session.received(now, Message::Renew(renewal()));
    session.received(now, Message::Trusting { bundle: [1; 32] });
    session.tell(Message::RenewalDue);
    let expected = [Effect::Certify(renewal()), Effect::Trusting([1; 32]), Effect::Send(Message::RenewalDue)];
    assert_eq!(hub_effects(&mut session, now), expected);
    for message in
        [Message::RenewalDue, Message::Renewed { certificate: vec![] }, Message::Trust { cas: vec![] }]
    {
        let mut session = live(now, 0, 0);
        session.received(now, message);
        assert_eq!(hub_effects(&mut session, now), [Effect::Close(CloseReason::Unexpected)]);
    }
}
