//! Frames: how messages lie on a stream.
//!
//! ```text
//! u32 little-endian   length of what follows, at most FRAME_BYTES_MAX
//! u8                  FRAME_VERSION
//! postcard            one Message
//! ```
//!
//! A message that a newer peer has appended is skipped; everything else that cannot be read is an error, and
//! the connection is closed: the cursors bring back what it carried.

use crate::message::Message;
use serde::Serialize;
use thiserror::Error;

/// The largest frame, its length field not counted. A ticket has about 2 KiB.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// The version of the envelope.
pub const FRAME_VERSION: u8 = 1;
/// Messages that this version knows: a higher number is a newer peer's.
pub const MESSAGE_KINDS: u8 = 18;
const LENGTH_BYTES: usize = 4;

/// Why bytes are not frames.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("frame of {bytes} bytes, at most {FRAME_BYTES_MAX} are taken")]
    TooLarge {
        /// The length that it has or claims.
        bytes: usize,
    },
    /// An envelope of another version.
    #[error("frame version {found}, this program reads {FRAME_VERSION}")]
    Version {
        /// The version that it claims.
        found: u8,
    },
    /// A message that this version knows, with wrong content.
    #[error("unreadable message of kind {kind}")]
    Message {
        /// The number of the variant.
        kind: u8,
    },
    /// A frame without a message.
    #[error("empty frame")]
    Empty,
}

/// Appends `message` to `out` as a frame.
///
/// # Errors
/// [`FrameError::TooLarge`]; `out` is as before.
pub fn encode(message: &Message, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.push(FRAME_VERSION);
    let body = payload(message);
    out.extend_from_slice(&body);
    let bytes = out.len() - start - LENGTH_BYTES;
    match u32::try_from(bytes) {
        Ok(length) if bytes <= FRAME_BYTES_MAX => {
            out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(FrameError::TooLarge { bytes })
        }
    }
}

/// The postcard bytes of a wire type.
pub fn payload<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value)
        .expect("wire types have no maps and no unsized sequences, and a Vec always grows")
}

/// Reads the postcard bytes of a wire type; `None` where they are not one, as with a newer peer's.
pub fn read_payload<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

/// Cuts a stream of bytes into messages. It holds at most one frame and one read.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    read: usize,
    skipped: u64,
}

impl Decoder {
    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message; `None` until more bytes have come. Unknown messages are skipped and counted.
    ///
    /// # Errors
    /// The stream is of no more use after one.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        loop {
            let rest = &self.buffer[self.read..];
            if rest.is_empty() {
                // Peers are idle most of the time, and a hub has thousands: none keeps the room of its largest frame.
                self.buffer = Vec::new();
                self.read = 0;
                return Ok(None);
            }
            let Some((length, body)) = rest.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
            let bytes = u32::from_le_bytes(*length) as usize;
            if bytes > FRAME_BYTES_MAX {
                return Err(FrameError::TooLarge { bytes });
            }
            let Some(frame) = body.get(..bytes) else { return Ok(None) };
            let message = read_frame(frame)?;
            self.read += LENGTH_BYTES + bytes;
            match message {
                Some(message) => return Ok(Some(message)),
                None => self.skipped += 1,
            }
        }
    }

    /// How many messages of a newer peer were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

fn read_frame(frame: &[u8]) -> Result<Option<Message>, FrameError> {
    let (&version, message) = frame.split_first().ok_or(FrameError::Empty)?;
    if version != FRAME_VERSION {
        return Err(FrameError::Version { found: version });
    }
    // postcard writes a variant's number as a varint: one byte up to 127.
    let &kind = message.first().ok_or(FrameError::Empty)?;
    if kind >= MESSAGE_KINDS {
        return Ok(None);
    }
    read_payload(message).map(Some).ok_or(FrameError::Message { kind })
}
