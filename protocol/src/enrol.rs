//! Enrolment: how an agent gets its certificate with nothing but a short code.
//!
//! The agent connects with TLS to a hub that it cannot verify yet. Both sides then show that they know the
//! code, without saying it: from the stretched code each makes a tag over the keying material of *this* TLS
//! session (RFC 5705), so a relay in the middle, which has a TLS session with either, has the wrong tag for
//! both. The code is stretched (PBKDF2-HMAC-SHA256) so that its 40 bits cannot be tried out from what a
//! relay sees before the code expires. It works once.
//!
//! ```text
//! agent → hub   Request { lookup, public key, tag(key, exporter ‖ "agent" ‖ public key) }
//! hub → agent   Granted { certificate, CA, tag(key, exporter ‖ "hub" ‖ certificate ‖ CA) }  or  Refused
//! ```

use crate::ids::{AgentId, StoreId};
use serde::{Deserialize, Serialize};

/// ALPN of enrolment.
pub const ENROL_ALPN: &[u8] = b"docket-enrol/1";
/// ALPN of the link.
pub const LINK_ALPN: &[u8] = b"docket/1";
/// The name in the certificate of every hub; the agent trusts the CA, not a DNS name.
pub const HUB_SERVER_NAME: &str = "docket-hub";
/// Label of the exported keying material.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-docket-enrol-1";
/// Salt of the stretching. It is fixed: the hub must find the code by its stretched form.
pub const STRETCH_SALT: &[u8] = b"docket enrolment code, version 1";
/// Rounds of PBKDF2: what OWASP's password storage cheat sheet asks for HMAC-SHA256; about 0.2 s on an old PC.
pub const STRETCH_ROUNDS: u32 = 600_000;
/// Bytes of the stretched code: the first [`LOOKUP_BYTES`] find it, the rest is the key of the tags.
pub const STRETCHED_BYTES: usize = 40;
/// Bytes that find a code at the hub.
pub const LOOKUP_BYTES: usize = 8;
/// The largest enrolment message.
pub const ENROL_BYTES_MAX: usize = 16 * 1024;

/// Characters of a code: digits and capitals without 0/O, 1/I, which people mix up. 32 of them: 5 bits each.
pub const CODE_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Characters in a code: 40 bits.
pub const CODE_CHARACTERS: usize = 8;

/// A code as it was typed, made regular: capitals, without spaces and hyphens. `None` where it cannot be one.
pub fn normalise_code(typed: &str) -> Option<String> {
    let code: String =
        typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect();
    let known = code.bytes().all(|byte| CODE_ALPHABET.contains(&byte));
    (known && code.len() == CODE_CHARACTERS).then_some(code)
}

/// Bytes of [`Request::public_key`].
pub const PUBLIC_KEY_BYTES: usize = 65;

/// What an agent asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Finds the code.
    pub lookup: [u8; LOOKUP_BYTES],
    /// The public half of the key that the agent made: an uncompressed point of P-256, 65 bytes (SEC 1, 2.3.3).
    pub public_key: Vec<u8>,
    /// HMAC-SHA256.
    pub tag: [u8; 32],
    /// For the hub's list: the PC's name.
    pub host: String,
}

/// What the hub answers. Append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The agent is enrolled.
    Granted(Grant),
    /// It is not.
    Refused(EnrolRefusal),
}

/// What an enrolled agent needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who it is.
    pub agent: AgentId,
    /// The store that it belongs to.
    pub store: StoreId,
    /// The store's name for people.
    pub store_name: String,
    /// Its certificate (DER).
    pub certificate: Vec<u8>,
    /// The certificate of the hub's CA (DER), to be pinned.
    pub ca: Vec<u8>,
    /// HMAC-SHA256.
    pub tag: [u8; 32],
}

/// Why an agent is not enrolled. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrolRefusal {
    /// No such code.
    UnknownCode,
    /// The code was used.
    UsedCode,
    /// The code is too old.
    ExpiredCode,
    /// Too many wrong codes lately.
    TooMany,
    /// The request is not one.
    Malformed,
    /// The hub cannot store at the moment.
    Unavailable,
}

impl EnrolRefusal {
    /// The code that logs and interfaces show.
    pub fn code(self) -> &'static str {
        match self {
            EnrolRefusal::UnknownCode => "enrol-code-unknown",
            EnrolRefusal::UsedCode => "enrol-code-used",
            EnrolRefusal::ExpiredCode => "enrol-code-expired",
            EnrolRefusal::TooMany => "enrol-too-many",
            EnrolRefusal::Malformed => "enrol-malformed",
            EnrolRefusal::Unavailable => "hub-unavailable",
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(self) -> (&'static str, &'static str) {
        match self {
            EnrolRefusal::UnknownCode => {
                ("注册码不对:请核对后再输", "no such code: check it and type it again")
            }
            EnrolRefusal::UsedCode => {
                ("注册码已用过:请向总部要一个新的", "the code was used: ask headquarters for a new one")
            }
            EnrolRefusal::ExpiredCode => {
                ("注册码已过期:请向总部要一个新的", "the code has expired: ask headquarters for a new one")
            }
            EnrolRefusal::TooMany => {
                ("尝试次数过多:请一分钟后再试", "too many wrong codes: try again in a minute")
            }
            EnrolRefusal::Malformed => {
                ("注册请求无法识别:请更新程序", "the hub cannot read the request: update the agent")
            }
            EnrolRefusal::Unavailable => {
                ("总部暂时无法存储:请稍后再试", "the hub cannot store now: try again")
            }
        }
    }
}
