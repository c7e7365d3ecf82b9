//! Enrolment codes: drawing them, and the tags that show that both sides know one.

use docket_protocol::enrol::{
    CODE_ALPHABET, CODE_CHARACTERS, LOOKUP_BYTES, STRETCH_ROUNDS, STRETCH_SALT, STRETCHED_BYTES,
};
use ring::rand::SecureRandom;
use ring::{hmac, pbkdf2, rand};
use std::num::NonZeroU32;

/// A code stretched: what finds it, and the key of the tags.
#[derive(Debug)]
pub struct Stretched {
    /// Finds the code at the hub.
    pub lookup: [u8; LOOKUP_BYTES],
    /// Key of the tags.
    pub key: Vec<u8>,
}

/// Draws a code.
///
/// # Errors
/// Where the operating system has no random numbers.
pub fn draw() -> Result<String, ring::error::Unspecified> {
    let mut random = [0_u8; CODE_CHARACTERS];
    rand::SystemRandom::new().fill(&mut random)?;
    // 32 characters: the low five bits of a byte, without bias.
    Ok(random.iter().map(|byte| char::from(CODE_ALPHABET[usize::from(byte & 31)])).collect())
}

/// Stretches a code; takes some tenths of a second on purpose.
pub fn stretch(code: &str) -> Stretched {
    let rounds = NonZeroU32::new(STRETCH_ROUNDS).unwrap_or(NonZeroU32::MIN);
    let mut stretched = [0_u8; STRETCHED_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, STRETCH_SALT, code.as_bytes(), &mut stretched);
    let mut lookup = [0_u8; LOOKUP_BYTES];
    lookup.copy_from_slice(&stretched[..LOOKUP_BYTES]);
    Stretched { lookup, key: stretched[LOOKUP_BYTES..].to_vec() }
}

/// Whether `tag` is that of `parts` under the code's key.
pub fn verify(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat(), tag).is_ok()
}

/// The tag of `parts` under the code's key.
pub fn tag(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut bytes = [0_u8; 32];
    bytes.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat()).as_ref());
    bytes
}
