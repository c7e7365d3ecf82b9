use super::{TIME, agent, agent_effects, cursors, deliver, greet, hub_effects, item, welcome};
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::{Hello, Message};
use docket_protocol::session::{
    AgentSession, Batch, CloseReason, Effect, GIVE_WAY_MAX, HubSession, Opened, UPLOAD_ANSWER_MAX,
    UPLOAD_BYTES_FIRST, UPLOAD_BYTES_MAX, UPLOAD_BYTES_MIN, UPLOAD_BYTES_PER_S_MAX, UPLOAD_TAKES_MAX,
};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(1);

fn live(now: Instant) -> AgentSession {
    let mut session = agent(now);
    greet(&mut session, now, cursors(0, 0));
    session.received(now, welcome(0, 0));
    assert_eq!(agent_effects(&mut session, now), [TIME, Effect::RenumberAfter(Seq(0))]);
    session
}

fn batch(up_to: u64, bytes: usize) -> Option<Batch> {
    Some(Batch { up_to, packed: vec![7; bytes] })
}

fn reads(bytes_max: usize) -> [Effect; 1] {
    [Effect::ReadUploads { bytes_max }]
}

/// Lets the time of the session come, and says what it does then.
fn when_due(session: &mut AgentSession) -> (Instant, Vec<Effect>) {
    let due = session.poll_timeout().unwrap();
    session.timed_out(due);
    (due, agent_effects(session, due))
}

/// Has a batch of so many bytes sent, under that number.
fn sends(session: &mut AgentSession, now: Instant, number: u64, up_to: u64, bytes: usize) {
    session.uploads_read(now, batch(up_to, bytes));
    let packed = vec![7; bytes];
    assert_eq!(agent_effects(session, now), [Effect::Send(Message::Upload { number, packed })]);
}

#[test]
fn rows_go_up_one_batch_after_the_other_and_are_deleted_when_stored() {
    let now = Instant::now();
    let mut session = live(now);
    session.uploads_wait(now);
    assert_eq!(agent_effects(&mut session, now), reads(UPLOAD_BYTES_FIRST));
    sends(&mut session, now, 1, 40, 100);
    session.uploads_wait(now);
    assert_eq!(agent_effects(&mut session, now), [], "a second batch before the first is stored");

    session.received(now + SOON, Message::Uploaded { number: 1 });
    assert_eq!(
        agent_effects(&mut session, now + SOON),
        [Effect::UploadedUpTo(40), Effect::ReadUploads { bytes_max: 2 * UPLOAD_BYTES_FIRST }]
    );
    session.uploads_read(now + SOON, None);
    let (_, effects) = when_due(&mut session);
    assert!(matches!(effects[..], [Effect::Send(Message::Heartbeat { .. })]), "{effects:?}");
}

#[test]
fn a_batch_gives_way_to_a_report_but_not_for_ever() {
    let now = Instant::now();
    let mut session = live(now);
    session.outbox_has(Seq(1));
    agent_effects(&mut session, now);
    session.outbox_read(vec![item(1)]);
    session.uploads_wait(now);
    assert_eq!(agent_effects(&mut session, now), [Effect::Send(deliver(1))]);

    let mut acknowledged = live(now);
    acknowledged.outbox_has(Seq(1));
    acknowledged.outbox_read(vec![item(1)]);
    acknowledged.uploads_wait(now);
    agent_effects(&mut acknowledged, now);
    acknowledged.received(now + SOON, Message::Ack { up_to: Seq(1) });
    let effects = agent_effects(&mut acknowledged, now + SOON);
    assert_eq!(
        effects,
        [Effect::Acknowledged(Seq(1)), Effect::ReadUploads { bytes_max: UPLOAD_BYTES_FIRST }]
    );

    let (due, effects) = when_due(&mut session);
    assert_eq!((due, &effects[..]), (now + GIVE_WAY_MAX, &reads(UPLOAD_BYTES_FIRST)[..]));
}

#[test]
fn batches_keep_to_the_rate() {
    let now = Instant::now();
    let mut session = live(now);
    session.uploads_wait(now);
    agent_effects(&mut session, now);
    let bytes = usize::try_from(UPLOAD_BYTES_PER_S_MAX / 4).unwrap();
    sends(&mut session, now, 1, 9, bytes);
    session.received(now + SOON, Message::Uploaded { number: 1 });
    assert_eq!(agent_effects(&mut session, now + SOON), [Effect::UploadedUpTo(9)]);
    let (due, effects) = when_due(&mut session);
    assert_eq!(due, now + Duration::from_millis(250));
    assert_eq!(effects, reads(2 * UPLOAD_BYTES_FIRST));
}

#[test]
fn batches_fit_the_line() {
    let mut now = Instant::now();
    let mut session = live(now);
    session.uploads_wait(now);
    let mut sizes = Vec::new();
    // A line with a round trip of a second is no slow line; one on which larger batches take longer is.
    for (number, takes) in [1_000, 1_000, 1_000, 1_000, 1_000, 1_200, 1_300, 1_300].into_iter().enumerate() {
        let effects = agent_effects(&mut session, now);
        let Some(Effect::ReadUploads { bytes_max }) = effects.last() else { panic!("{effects:?}") };
        sizes.push(bytes_max / 1024);
        sends(&mut session, now, number as u64 + 1, 9, 10);
        now += Duration::from_millis(takes);
        session.received(now, Message::Uploaded { number: number as u64 + 1 });
    }
    assert_eq!(sizes, [16, 32, 64, 128, 192, 192, 192, 96]);
    assert!(sizes.iter().all(|kib| (UPLOAD_BYTES_MIN..=UPLOAD_BYTES_MAX).contains(&(kib * 1024))));
    assert_eq!(UPLOAD_TAKES_MAX, Duration::from_millis(250));
}

#[test]
fn a_hub_that_does_not_answer_is_asked_again_more_seldom() {
    let now = Instant::now();
    let mut session = live(now);
    session.uploads_wait(now);
    agent_effects(&mut session, now);
    sends(&mut session, now, 1, 9, 10);
    let mut sent_at = now;
    for (number, wait) in [(2, 1), (3, 2), (4, 4)] {
        let due = sent_at + UPLOAD_ANSWER_MAX * wait;
        // Heartbeats of both sides keep the session.
        while session.poll_timeout().unwrap() < due {
            let at = session.poll_timeout().unwrap();
            session.received(at, Message::Heartbeat { sent_up_to: Seq(0), stored_up_to: Seq(0) });
            session.timed_out(at);
            agent_effects(&mut session, at);
        }
        session.timed_out(due);
        let effects = agent_effects(&mut session, due);
        assert!(effects.ends_with(&reads(UPLOAD_BYTES_MIN)), "{effects:?}");
        sends(&mut session, due, number, 9, 10);
        sent_at = due;
    }
    // The answer to what was given up deletes nothing; that to the last does.
    session.received(sent_at, Message::Uploaded { number: 2 });
    assert_eq!(agent_effects(&mut session, sent_at), []);
    session.received(sent_at, Message::Uploaded { number: 4 });
    assert_eq!(agent_effects(&mut session, sent_at)[0], Effect::UploadedUpTo(9));
    session.received(sent_at, Message::Uploaded { number: 5 });
    assert!(agent_effects(&mut session, sent_at).contains(&Effect::Close(CloseReason::AckBeyondSent)));
}

#[test]
fn a_hub_stores_one_upload_at_a_time_and_answers_when_it_is_stored() {
    let now = Instant::now();
    let mut session = HubSession::new(now);
    let upload = |number| Message::Upload { number, packed: vec![1, 2] };
    let hello = Hello {
        protocol_min: 1,
        protocol_max: 1,
        spool: [7; 16],
        received_up_to: Seq(0),
        assigned_up_to: Seq(0),
        agent_version: "0.1.0".into(),
        platform: "test".into(),
    };
    session.received(now, Message::Hello(hello));
    let seq = Seq(0);
    session.opened(
        now,
        Opened { epoch: 1, received_up_to: seq, sends_after: seq, assigned_up_to: seq, now: UnixMs(0) },
    );
    hub_effects(&mut session, now);

    session.received(now, upload(1));
    assert_eq!(hub_effects(&mut session, now), [Effect::StoreUpload { number: 1, packed: vec![1, 2] }]);
    session.received(now, upload(2));
    session.received(now, upload(1));
    assert_eq!(hub_effects(&mut session, now), [], "while one is being stored");
    session.upload_stored(1);
    assert_eq!(hub_effects(&mut session, now), [Effect::Send(Message::Uploaded { number: 1 })]);
    session.upload_stored(1);
    session.received(now, upload(1));
    assert_eq!(hub_effects(&mut session, now), [], "it is stored and said");
    session.received(now, upload(3));
    assert_eq!(hub_effects(&mut session, now), [Effect::StoreUpload { number: 3, packed: vec![1, 2] }]);
}
