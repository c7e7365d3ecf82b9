//! The decoder: any bytes, in any pieces.

use docket_protocol::frame::{Decoder, FrameError, MESSAGE_KINDS, encode};
use docket_protocol::message::Message;
use std::collections::BTreeSet;

/// The first byte says in what pieces the rest comes. Half of the inputs are made into frames, since foreign bytes rarely
/// get past a length.
pub(super) fn run(input: &[u8]) -> BTreeSet<u64> {
    let (&how, rest) = input.split_first().unwrap_or((&0, &[]));
    let bytes = if how & 1 == 0 { rest.to_vec() } else { framed(rest) };
    let mut set_off = BTreeSet::new();
    let whole = decode(&bytes, bytes.len().max(1));
    let pieces = decode(&bytes, usize::from(how >> 1 & 15) + 1);
    assert_eq!(whole, pieces, "how bytes are cut changes what they mean");
    for message in &whole.0 {
        let mut again = Vec::new();
        encode(message, &mut again).unwrap();
        assert_eq!(
            decode(&again, again.len()).0,
            std::slice::from_ref(message),
            "a message does not come back"
        );
        set_off.insert(u64::from(kind(message)));
    }
    set_off.insert(1_000 + whole.1.min(20));
    set_off.insert(match whole.2 {
        None => 2_000,
        Some(FrameError::TooLarge { .. }) => 2_001,
        Some(FrameError::Version { .. }) => 2_002,
        Some(FrameError::Empty) => 2_003,
        Some(FrameError::Message { kind }) => {
            assert!(kind < MESSAGE_KINDS, "a newer peer's message is an error");
            3_000 + u64::from(kind)
        }
    });
    set_off.insert(4_000 + (whole.0.len() as u64).min(40));
    set_off
}

/// Each frame: a byte for its length, then its kind and what follows.
fn framed(mut rest: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let Some((&length, more)) = rest.split_first() {
        let body = &more[..usize::from(length).min(more.len())];
        rest = &more[body.len()..];
        stream.extend(u32::try_from(body.len() + 1).unwrap().to_le_bytes());
        stream.push(1);
        stream.extend(body);
    }
    stream
}

fn decode(bytes: &[u8], piece: usize) -> (Vec<Message>, u64, Option<FrameError>) {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, decoder.skipped(), Some(error)),
            }
        }
    }
    (messages, decoder.skipped(), None)
}

fn kind(message: &Message) -> u8 {
    let mut frame = Vec::new();
    encode(message, &mut frame).unwrap();
    frame[5]
}
