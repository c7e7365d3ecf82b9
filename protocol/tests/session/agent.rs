use super::{TIME, agent, agent_effects, cursors, deliver, greet, item, items, read, welcome};
use docket_protocol::ids::Seq;
use docket_protocol::message::{AgentStatus, Message, Refusal};
use docket_protocol::session::{
    CloseReason, Effect, GREETING_MAX, HEARTBEAT_AFTER, LinkState, READ_ITEMS_MAX, RECONNECT_MAX,
    RECONNECT_MIN, REFUSED_PAUSE, SETTLED_AFTER, SILENCE_MAX, UNANSWERED_PAUSE,
};
use std::time::{Duration, Instant};

/// The pause that begins now.
fn pause(session: &docket_protocol::session::AgentSession, now: Instant) -> Duration {
    session.poll_timeout().expect("an agent tries again by itself") - now
}

#[test]
fn a_report_that_is_made_while_greeting_is_sent() {
    let now = Instant::now();
    let mut session = agent(now);
    greet(&mut session, now, cursors(0, 0));
    session.outbox_has(Seq(1));
    session.received(now, welcome(0, 0));
    assert_eq!(agent_effects(&mut session, now), [TIME, Effect::RenumberAfter(Seq(0))]);
    session.outbox_has(Seq(1));
    assert_eq!(agent_effects(&mut session, now), [read(0, READ_ITEMS_MAX)]);

    session.disconnected(now);
    greet(&mut session, now, cursors(0, 1));
    session.outbox_has(Seq(2));
    session.received(now, welcome(1, 0));
    let expected = [TIME, Effect::Acknowledged(Seq(1)), read(1, READ_ITEMS_MAX)];
    assert_eq!(agent_effects(&mut session, now), expected);
}

/// A new spool, or an old copy of one, may have given out as many numbers as the hub has seen, or more.
#[test]
fn a_process_that_has_not_heard_the_hub_trusts_no_numbers() {
    let now = Instant::now();
    for assigned in [0, 9, 10, 11, 500] {
        let mut session = agent(now);
        greet(&mut session, now, cursors(0, assigned));
        session.received(now, welcome(10, 0));
        assert_eq!(
            agent_effects(&mut session, now),
            [TIME, Effect::RenumberAfter(Seq(10))],
            "{assigned} assigned"
        );
        session.outbox_has(Seq(12));
        assert_eq!(agent_effects(&mut session, now), [read(10, READ_ITEMS_MAX)]);
    }
}

#[test]
fn numbers_are_kept_from_one_session_to_the_next() {
    let now = Instant::now();
    let mut session = agent(now);
    greet(&mut session, now, cursors(0, 12));
    session.received(now, welcome(10, 0));
    // What was not handed out before the connection broke has not happened.
    session.disconnected(now);
    greet(&mut session, now, cursors(0, 12));
    session.received(now, welcome(10, 0));
    assert_eq!(agent_effects(&mut session, now), [TIME, Effect::RenumberAfter(Seq(10))]);

    session.disconnected(now);
    greet(&mut session, now, cursors(0, 12));
    session.received(now, welcome(11, 0));
    let expected = [TIME, Effect::Acknowledged(Seq(11)), read(11, READ_ITEMS_MAX)];
    assert_eq!(agent_effects(&mut session, now), expected);
}

#[test]
fn a_hub_that_has_forgotten_is_given_new_numbers() {
    let now = Instant::now();
    let mut session = agent(now);
    greet(&mut session, now, cursors(0, 12));
    session.received(now, welcome(12, 0));
    agent_effects(&mut session, now);
    session.disconnected(now);
    greet(&mut session, now, cursors(0, 14));
    session.received(now, welcome(5, 0));
    assert_eq!(agent_effects(&mut session, now), [TIME, Effect::RenumberAfter(Seq(5))]);
}

#[test]
fn what_an_earlier_spool_has_taken_is_skipped() {
    let now = Instant::now();
    let mut session = agent(now);
    greet(&mut session, now, cursors(0, 0));
    session.received(now, welcome(0, 4));
    let expected = [TIME, Effect::SkipTo(Seq(4)), Effect::RenumberAfter(Seq(0))];
    assert_eq!(agent_effects(&mut session, now), expected);
    session.received(now, deliver(5));
    assert_eq!(agent_effects(&mut session, now), [Effect::Store(vec![item(5)])]);
}

#[test]
fn items_that_come_together_are_stored_together_and_acknowledged_when_stored() {
    let now = Instant::now();
    let mut session = agent(now);
    greet(&mut session, now, cursors(0, 0));
    session.received(now, welcome(0, 0));
    agent_effects(&mut session, now);
    for seq in 1..=3 {
        session.received(now, deliver(seq));
    }
    assert_eq!(agent_effects(&mut session, now), [Effect::Store(items(1..=3))]);
    session.stored(Seq(2));
    session.stored(Seq(2));
    assert_eq!(agent_effects(&mut session, now), [Effect::Send(Message::Ack { up_to: Seq(2) })]);
    // A store that was begun in an earlier session says more than this one was given.
    session.stored(Seq(7));
    assert_eq!(agent_effects(&mut session, now), [Effect::Send(Message::Ack { up_to: Seq(3) })]);
}

#[test]
fn whatever_is_out_of_place_ends_the_session() {
    let now = Instant::now();
    let heartbeat = |sent, stored| Message::Heartbeat { sent_up_to: Seq(sent), stored_up_to: Seq(stored) };
    for (message, reason) in [
        (deliver(2), CloseReason::Gap),
        (deliver(0), CloseReason::Gap),
        (heartbeat(1, 0), CloseReason::Gap),
        (heartbeat(0, 1), CloseReason::AckBeyondSent),
        (Message::Ack { up_to: Seq(1) }, CloseReason::AckBeyondSent),
        (welcome(0, 0), CloseReason::Unexpected),
        (Message::Status(AgentStatus::default()), CloseReason::Unexpected),
        (Message::Refused(Refusal::Superseded), CloseReason::Refused(Refusal::Superseded)),
    ] {
        let mut session = agent(now);
        greet(&mut session, now, cursors(0, 0));
        session.received(now, welcome(0, 0));
        agent_effects(&mut session, now);
        session.received(now, message.clone());
        assert_eq!(agent_effects(&mut session, now), [Effect::Close(reason)], "{message:?}");
        session.received(now, deliver(1));
        assert_eq!(agent_effects(&mut session, now), [], "after {message:?}");
    }
}

#[test]
fn what_came_before_the_end_is_still_stored() {
    let now = Instant::now();
    let mut session = agent(now);
    greet(&mut session, now, cursors(0, 0));
    session.received(now, welcome(0, 0));
    agent_effects(&mut session, now);
    session.received(now, deliver(1));
    session.received(now, deliver(3));
    let expected = [Effect::Store(vec![item(1)]), Effect::Close(CloseReason::Gap)];
    assert_eq!(agent_effects(&mut session, now), expected);
}

#[test]
fn pauses_double_to_their_bound_and_start_again_after_a_settled_session() {
    let mut now = Instant::now();
    let mut session = agent(now);
    let mut longest = RECONNECT_MIN;
    for attempt in 0..400 {
        now = session.poll_timeout().unwrap().max(now);
        session.timed_out(now);
        assert_eq!(agent_effects(&mut session, now), [Effect::Connect]);
        session.disconnected(now);
        let pause = pause(&session, now);
        assert!((longest / 2..=longest).contains(&pause), "attempt {attempt}: {pause:?}");
        longest = (longest * 2).min(RECONNECT_MAX);
    }

    for (lasted, longest) in
        [(SETTLED_AFTER - Duration::from_millis(1), RECONNECT_MAX), (SETTLED_AFTER, RECONNECT_MIN)]
    {
        now = session.poll_timeout().unwrap();
        greet(&mut session, now, cursors(0, 0));
        session.received(now, welcome(0, 0));
        agent_effects(&mut session, now);
        now += lasted;
        session.disconnected(now);
        let pause = pause(&session, now);
        assert!((longest / 2..=longest).contains(&pause), "after {lasted:?}: {pause:?}");
    }
}

#[test]
fn a_hub_that_does_not_answer_is_asked_again_soon_however_often() {
    let now = Instant::now();
    let mut session = agent(now);
    for attempt in 0..100 {
        session.timed_out(session.poll_timeout().expect("an attempt"));
        assert_eq!(agent_effects(&mut session, now), [Effect::Connect], "attempt {attempt}");
        session.unanswered(now);
        let pause = pause(&session, now);
        assert!((UNANSWERED_PAUSE / 2..=UNANSWERED_PAUSE).contains(&pause), "attempt {attempt}: {pause:?}");
    }
    // One that answers and hangs up is given time as ever.
    session.timed_out(now + UNANSWERED_PAUSE);
    session.disconnected(now);
    assert!(pause(&session, now) <= RECONNECT_MIN);
}

#[test]
fn a_refusal_is_shown_and_has_its_own_pause() {
    for (refusal, longest) in [
        (Refusal::Unavailable, RECONNECT_MAX),
        (Refusal::Superseded, RECONNECT_MAX),
        (Refusal::Revoked, REFUSED_PAUSE),
        (Refusal::UnknownAgent, REFUSED_PAUSE),
        (Refusal::Protocol { min: 2, max: 3 }, REFUSED_PAUSE),
    ] {
        let now = Instant::now();
        let mut session = agent(now);
        greet(&mut session, now, cursors(0, 0));
        session.received(now, Message::Refused(refusal));
        assert_eq!(agent_effects(&mut session, now), [Effect::Close(CloseReason::Refused(refusal))]);
        session.disconnected(now);
        assert_eq!(session.link(), LinkState::Refused(refusal));
        assert!((longest / 2..=longest).contains(&pause(&session, now)), "{refusal:?}");

        let now = session.poll_timeout().unwrap();
        greet(&mut session, now, cursors(0, 0));
        assert_eq!(session.link(), LinkState::Refused(refusal), "until it is welcomed");
        session.received(now, welcome(0, 0));
        assert_eq!(session.link(), LinkState::Live { epoch: 3 });
    }
}

#[test]
fn an_agent_waits_for_a_connection_and_for_the_welcome_and_no_longer() {
    let start = Instant::now();
    let mut session = agent(start);
    session.timed_out(start);
    assert_eq!(agent_effects(&mut session, start), [Effect::Connect]);
    assert_eq!(session.poll_timeout(), Some(start + GREETING_MAX));
    session.timed_out(start + GREETING_MAX);
    let expected = [Effect::Close(CloseReason::NoGreeting)];
    assert_eq!(agent_effects(&mut session, start + GREETING_MAX), expected);

    let now = start + GREETING_MAX;
    session.disconnected(now);
    greet(&mut session, now, cursors(0, 0));
    session.timed_out(now + GREETING_MAX - Duration::from_millis(1));
    assert_eq!(agent_effects(&mut session, now), []);
    session.timed_out(now + GREETING_MAX);
    assert_eq!(agent_effects(&mut session, now), [Effect::Close(CloseReason::NoGreeting)]);
}

#[test]
fn a_quiet_side_sends_heartbeats_and_a_silent_one_is_left() {
    let start = Instant::now();
    let mut session = agent(start);
    greet(&mut session, start, cursors(4, 0));
    session.received(start, welcome(0, 4));
    agent_effects(&mut session, start);
    let heartbeat = Effect::Send(Message::Heartbeat { sent_up_to: Seq(0), stored_up_to: Seq(4) });
    for beat in 1..=2 {
        let now = start + HEARTBEAT_AFTER * beat;
        assert_eq!(session.poll_timeout(), Some(now));
        session.timed_out(now);
        assert_eq!(agent_effects(&mut session, now), std::slice::from_ref(&heartbeat));
    }
    session.timed_out(start + SILENCE_MAX);
    assert_eq!(agent_effects(&mut session, start + SILENCE_MAX), [Effect::Close(CloseReason::Silence)]);
}

/// The hub may still hear the old connection: whatever it says there, and whatever is said of it, counts no more.
#[test]
fn going_over_to_another_connection_greets_it_at_once_and_forgets_the_old_one() {
    let now = Instant::now();
    let mut session = agent(now);
    greet(&mut session, now, cursors(0, 3));
    session.received(now, welcome(0, 0));
    session.received(now, deliver(1));
    session.switched(now, cursors(1, 3));
    let [Effect::Send(Message::Hello(hello))] = &agent_effects(&mut session, now)[..] else {
        panic!("a greeting and nothing else")
    };
    assert_eq!((hello.received_up_to, hello.assigned_up_to), (Seq(1), Seq(3)));
    assert_eq!(session.link(), LinkState::Connecting);
    // The answers to what the old one had asked for.
    session.stored(Seq(1));
    session.outbox_read(items(1..=3));
    assert_eq!(agent_effects(&mut session, now), []);
    session.timed_out(now + GREETING_MAX);
    assert_eq!(
        agent_effects(&mut session, now + GREETING_MAX),
        [Effect::Close(CloseReason::NoGreeting)],
        "a new connection gets the time that any has"
    );
}

#[test]
fn only_a_live_session_goes_over_to_another_connection() {
    let now = Instant::now();
    let mut session = agent(now);
    session.switched(now, cursors(0, 0));
    session.timed_out(now);
    assert_eq!(agent_effects(&mut session, now), [Effect::Connect]);
    session.switched(now, cursors(0, 0));
    session.connected(now, cursors(0, 0));
    assert!(matches!(agent_effects(&mut session, now)[..], [Effect::Send(Message::Hello(_))]));
    session.switched(now, cursors(0, 0));
    assert_eq!(agent_effects(&mut session, now), []);
}
