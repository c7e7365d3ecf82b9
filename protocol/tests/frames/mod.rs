//! Frames on a stream: whole, in pieces, from a newer peer, and broken.

mod memory;

use docket_protocol::frame::{
    Decoder, FRAME_BYTES_MAX, FRAME_VERSION, FrameError, MESSAGE_KINDS, encode, payload,
};
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::{AgentStatus, Hello, Message, Refusal, Welcome};
use docket_protocol::storage::StorageReport;
use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

const LENGTH_BYTES: usize = 4;

fn message() -> impl Strategy<Value = Message> {
    let seq = || any::<u64>().prop_map(Seq);
    prop_oneof![
        (any::<[u8; 16]>(), seq(), seq(), ".{0,40}").prop_map(|(spool, received, assigned, version)| {
            Message::Hello(Hello {
                protocol_min: 1,
                protocol_max: 3,
                spool,
                received_up_to: received,
                assigned_up_to: assigned,
                agent_version: version.clone(),
                platform: version,
            })
        }),
        (any::<u64>(), seq(), seq(), any::<i64>()).prop_map(|(epoch, received_up_to, sends_after, now)| {
            Message::Welcome(Welcome { protocol: 1, epoch, received_up_to, sends_after, now: UnixMs(now) })
        }),
        any::<(u16, u16)>().prop_map(|(min, max)| Message::Refused(Refusal::Protocol { min, max })),
        Just(Message::Refused(Refusal::Superseded)),
        (seq(), vec(any::<u8>(), 0..3_000)).prop_map(|(seq, payload)| Message::Deliver { seq, payload }),
        seq().prop_map(|up_to| Message::Ack { up_to }),
        (seq(), seq()).prop_map(|(sent_up_to, stored_up_to)| Message::Heartbeat { sent_up_to, stored_up_to }),
        any::<(u32, u32, bool)>().prop_map(|(waiting, held, spool_full)| {
            Message::Status(AgentStatus { printers: Vec::new(), waiting, held, spool_full })
        }),
        any::<(u64, u64, Option<u64>)>().prop_map(|(used_bytes, unsent, free_bytes)| {
            Message::Storage(StorageReport { used_bytes, unsent, free_bytes, ..StorageReport::default() })
        }),
    ]
}

fn stream(messages: &[Message]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        encode(message, &mut bytes).unwrap();
    }
    bytes
}

/// A frame of these bytes behind the length.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
    frame.extend_from_slice(bytes);
    frame
}

/// Everything that comes out, and what ends it.
fn decode(decoder: &mut Decoder, bytes: &[u8]) -> (Vec<Message>, Result<(), FrameError>) {
    decoder.push(bytes);
    let mut messages = Vec::new();
    loop {
        match decoder.next_message() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, Ok(())),
            Err(error) => return (messages, Err(error)),
        }
    }
}

fn error_of(bytes: &[u8]) -> FrameError {
    decode(&mut Decoder::default(), bytes).1.unwrap_err()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_may_be_cut_anywhere(
        messages in vec(message(), 0..12),
        cuts in vec(any::<proptest::sample::Index>(), 0..20),
    ) {
        let bytes = stream(&messages);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut decoder = Decoder::default();
        let mut decoded = Vec::new();
        for piece in cuts.windows(2) {
            let (some, end) = decode(&mut decoder, &bytes[piece[0]..piece[1]]);
            prop_assert_eq!(end, Ok(()));
            decoded.extend(some);
        }
        prop_assert_eq!(decoded, messages);
        prop_assert_eq!(decoder.skipped(), 0);
    }

    #[test]
    fn byte_by_byte_is_a_way_to_cut_it(messages in vec(message(), 1..3)) {
        let mut decoder = Decoder::default();
        let mut decoded = Vec::new();
        for byte in stream(&messages) {
            decoded.extend(decode(&mut decoder, &[byte]).0);
        }
        prop_assert_eq!(decoded, messages);
    }

    #[test]
    fn foreign_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..2_000)) {
        let _ = decode(&mut Decoder::default(), &bytes);
    }

    /// Foreign bytes rarely get past the length; these do.
    #[test]
    fn foreign_frames_do_no_harm(kind in any::<u8>(), bytes in vec(any::<u8>(), 0..2_000)) {
        let mut body = vec![FRAME_VERSION, kind];
        body.extend(bytes);
        let mut decoder = Decoder::default();
        let (messages, end) = decode(&mut decoder, &frame(&body));
        match end {
            Ok(()) => prop_assert_eq!(messages.len() + usize::try_from(decoder.skipped()).unwrap(), 1),
            Err(error) => prop_assert_eq!(error, FrameError::Message { kind }),
        }
        prop_assert!(decoder.skipped() == 0 || kind >= MESSAGE_KINDS);
    }

    #[test]
    fn damage_is_an_error_or_another_message(
        messages in vec(message(), 1..4),
        at in any::<proptest::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut bytes = stream(&messages);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let _ = decode(&mut Decoder::default(), &bytes);
    }

    #[test]
    fn what_has_not_come_whole_is_waited_for(message in message(), end in any::<proptest::sample::Index>()) {
        let bytes = stream(std::slice::from_ref(&message));
        let end = end.index(bytes.len());
        prop_assert_eq!(decode(&mut Decoder::default(), &bytes[..end]), (Vec::new(), Ok(())));
    }
}

#[test]
fn a_length_above_the_bound_is_refused_before_its_bytes_come() {
    for bytes in [FRAME_BYTES_MAX + 1, u32::MAX as usize] {
        let length = u32::try_from(bytes).unwrap().to_le_bytes();
        assert_eq!(error_of(&length), FrameError::TooLarge { bytes });
    }
    let largest = u32::try_from(FRAME_BYTES_MAX).unwrap().to_le_bytes();
    assert_eq!(decode(&mut Decoder::default(), &largest), (Vec::new(), Ok(())));
}

#[test]
fn a_frame_has_a_version_and_a_message() {
    assert_eq!(error_of(&frame(&[])), FrameError::Empty);
    assert_eq!(error_of(&frame(&[FRAME_VERSION])), FrameError::Empty);
}

#[test]
fn another_version_of_the_envelope_is_refused() {
    for version in [0, FRAME_VERSION + 1, 255] {
        assert_eq!(error_of(&frame(&[version, 4, 1])), FrameError::Version { found: version });
        assert_eq!(error_of(&frame(&[version])), FrameError::Version { found: version });
    }
}

#[test]
fn a_message_that_ends_too_early_is_an_error() {
    let whole = stream(&[Message::Heartbeat { sent_up_to: Seq(1), stored_up_to: Seq(2) }]);
    let body = &whole[LENGTH_BYTES..];
    for bytes in 2..body.len() {
        assert_eq!(error_of(&frame(&body[..bytes])), FrameError::Message { kind: body[1] });
    }
}

#[test]
fn messages_of_a_newer_peer_are_skipped_and_counted() {
    let known = Message::Ack { up_to: Seq(9) };
    let mut bytes = Vec::new();
    // The last one is a variant above 127, whose number has two bytes.
    for newer in [&[MESSAGE_KINDS][..], &[MESSAGE_KINDS, 1, 2, 3], &[127], &[0x80, 0x01, 9]] {
        let mut body = vec![FRAME_VERSION];
        body.extend_from_slice(newer);
        bytes.extend(frame(&body));
    }
    encode(&known, &mut bytes).unwrap();
    let mut decoder = Decoder::default();
    assert_eq!(decode(&mut decoder, &bytes), (vec![known], Ok(())));
    assert_eq!(decoder.skipped(), 4);
}

#[test]
fn what_came_before_a_broken_frame_is_whole() {
    let known = Message::Ack { up_to: Seq(9) };
    let mut bytes = stream(std::slice::from_ref(&known));
    bytes.extend(frame(&[FRAME_VERSION, 4]));
    let expected = (vec![known], Err(FrameError::Message { kind: 4 }));
    assert_eq!(decode(&mut Decoder::default(), &bytes), expected);
}

#[test]
fn a_message_above_the_bound_is_not_encoded() {
    let deliver = |bytes| Message::Deliver { seq: Seq(1), payload: vec![0; bytes] };
    let envelope = 1 + payload(&deliver(FRAME_BYTES_MAX)).len() - FRAME_BYTES_MAX;

    let before = stream(&[Message::Ack { up_to: Seq(9) }]);
    let mut bytes = before.clone();
    let too_large = deliver(FRAME_BYTES_MAX - envelope + 1);
    assert_eq!(encode(&too_large, &mut bytes), Err(FrameError::TooLarge { bytes: FRAME_BYTES_MAX + 1 }));
    assert_eq!(bytes, before);

    let largest = deliver(FRAME_BYTES_MAX - envelope);
    encode(&largest, &mut bytes).unwrap();
    assert_eq!(bytes.len(), before.len() + LENGTH_BYTES + FRAME_BYTES_MAX);
    let (messages, end) = decode(&mut Decoder::default(), &bytes);
    assert_eq!((messages.last(), end), (Some(&largest), Ok(())));
}
