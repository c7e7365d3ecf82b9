//! What programs on this PC show to be let in: a text that whoever may read the data folder's secrets can read.
//!
//! The agent makes it at its first start, and it stays until a person renews it: a command that only shows it makes none,
//! since two that make one at the same time would each show its own. It is read anew for each request, so that a new one
//! counts at once, and the old one no more, whoever has renewed it.

use crate::kept_file::{self, Readers};
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use std::fs;
use std::io;
use std::path::Path;

/// Its file in the data folder.
pub const FILE: &str = "api-token";
/// Bytes of chance in it.
const TOKEN_BYTES: usize = 32;

/// The token in force.
///
/// # Errors
/// Where it cannot be read: the agent was never started.
pub fn token(data: &Path) -> io::Result<String> {
    Ok(fs::read_to_string(data.join(FILE))?.trim().to_owned())
}

/// Makes a token where there is none.
///
/// # Errors
/// Where it cannot be read or written.
pub(super) fn make(data: &Path) -> io::Result<()> {
    match token(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => renew(data).map(drop),
        token => token.map(drop),
    }
}

/// A new token; the old one counts no more.
///
/// # Errors
/// Where it cannot be written.
pub fn renew(data: &Path) -> io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no random bytes"))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::create_dir_all(data)?;
    kept_file::replace(&data.join(FILE), Readers::ThisUser, token.as_bytes())?;
    Ok(token)
}

/// Whether this is the token in force.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn is_token(data: &Path, shown: &[u8]) -> io::Result<bool> {
    let token = token(data)?;
    // Digests are compared, so that the time it takes says nothing of the token.
    let digest = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
    Ok(!token.is_empty() && digest(shown).as_ref() == digest(token.as_bytes()).as_ref())
}
