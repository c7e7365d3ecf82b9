//! Rows that travel together, compressed: the content of [`crate::message::Message::Upload`].
//!
//! Orders of one store are much alike: a few hundred of them take a quarter of their room. What is unpacked is bounded
//! before memory is spent on it, since whoever holds an agent's key can send anything.

use crate::frame;
use miniz_oxide::{deflate, inflate};
use thiserror::Error;

/// What a batch may be, unpacked: the largest that an agent makes, with each row's length.
pub const UNPACKED_BYTES_MAX: usize = 256 * 1024;
/// Rows in a batch.
pub const ROWS_MAX: usize = 4_096;
/// Of miniz's 0 to 10: at 3 it takes half the time of its default, for a tenth more bytes.
const LEVEL: u8 = 3;

/// Why bytes are not packed rows.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UnpackError {
    /// Damaged, or more than [`UNPACKED_BYTES_MAX`].
    #[error("not a packed batch of at most {UNPACKED_BYTES_MAX} bytes")]
    Damaged,
    /// Unpacked, it is not a list of rows, or has more than [`ROWS_MAX`].
    #[error("not a list of at most {ROWS_MAX} rows")]
    Rows,
}

/// Packs rows.
pub fn pack(rows: &[Vec<u8>]) -> Vec<u8> {
    deflate::compress_to_vec_zlib(&frame::payload(&rows), LEVEL)
}

/// What [`pack`] has packed.
///
/// # Errors
/// [`UnpackError`]: nothing of it is used then.
pub fn unpack(packed: &[u8]) -> Result<Vec<Vec<u8>>, UnpackError> {
    let bytes = inflate::decompress_to_vec_zlib_with_limit(packed, UNPACKED_BYTES_MAX)
        .map_err(|_| UnpackError::Damaged)?;
    let rows: Vec<Vec<u8>> = frame::read_payload(&bytes).ok_or(UnpackError::Rows)?;
    if rows.len() <= ROWS_MAX { Ok(rows) } else { Err(UnpackError::Rows) }
}
