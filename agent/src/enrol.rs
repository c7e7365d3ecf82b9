//! Enrolment at the agent. The exchange and why it is safe: [`docket_protocol::enrol`].

use crate::config::LinkConfig;
use crate::identity::{Identity, IdentityError};
use crate::link::reach::{NoRoad, Roads};
use crate::link::tls::{TlsError, enrol_config};
use crate::link::way::Ways;
use crate::link::wire::Stream;
use docket_protocol::enrol::{
    Answer, CODE_CHARACTERS, ENROL_BYTES_MAX, EnrolRefusal, Grant, LOOKUP_BYTES, Request, STRETCH_ROUNDS,
    STRETCH_SALT, STRETCHED_BYTES, normalise_code,
};
use docket_protocol::frame;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use ring::{hmac, pbkdf2, rand};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long the whole may take.
const ENROL_MAX: Duration = Duration::from_secs(30);

/// Why this PC is not enrolled.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// What was typed cannot be a code.
    #[error(
        "enrol-code-form: a code has {CODE_CHARACTERS} letters and digits, like ABCD-EF23 (注册码是 {CODE_CHARACTERS} 位字母数字)"
    )]
    Form,
    /// The hub refuses.
    #[error("{code}: {en} ({zh})", code = .0.code(), en = .0.remedy().1, zh = .0.remedy().0)]
    Refused(EnrolRefusal),
    /// Whoever answered does not know the code.
    #[error(
        "enrol-hub-unproven: whoever answers does not know the code, somebody may be in the middle; \
         do not go on, ask headquarters (对方无法证明是总部,请停止并联系总部)"
    )]
    Unproven,
    /// The answer cannot be read.
    #[error("enrol-answer: the hub's answer cannot be read; update the agent (请更新程序)")]
    Answer,
    /// The hub takes too long.
    #[error("enrol-timeout: no answer within {} s; try again (总部超时无应答,请重试)", ENROL_MAX.as_secs())]
    Timeout,
    /// The key cannot be made.
    #[error("enrol-key: the operating system gave no random numbers")]
    Key,
    /// No connection.
    #[error(transparent)]
    Connect(#[from] NoRoad),
    /// The connection broke.
    #[error("enrol-connection: {0}; try again (连接中断,请重试)")]
    Connection(String),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The identity cannot be written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Enrols this PC with `code` at `hub` and writes its identity into `data`.
///
/// # Errors
/// See [`EnrolError`]; a former identity is then still there.
pub async fn enrol(data: &Path, hub: &str, code: &str, link: &LinkConfig) -> Result<Identity, EnrolError> {
    let code = normalise_code(code).ok_or(EnrolError::Form)?;
    let identity = tokio::time::timeout(ENROL_MAX, exchange(hub, &code, link)).await;
    let identity = identity.map_err(|_| EnrolError::Timeout)??;
    identity.write(data)?;
    Ok(identity)
}

async fn exchange(hub: &str, code: &str, link: &LinkConfig) -> Result<Identity, EnrolError> {
    let stretched = stretch(code);
    let (lookup, key) = stretched.split_at(LOOKUP_BYTES);
    let random = rand::SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
        .map_err(|_| EnrolError::Key)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random)
        .map_err(|_| EnrolError::Key)?;
    let public_key = pair.public_key().as_ref().to_vec();

    let roads = Roads::to(hub, link, enrol_config()?);
    // Nothing is known yet of the network here.
    let plan = Ways::new(None, roads.tcp.is_some(), link.quic_again()).plan();
    let mut stream = roads.reach(plan).await?.stream;
    let exported =
        stream.keying_material().ok_or_else(|| EnrolError::Connection("no keying material".into()))?;
    let request = Request {
        lookup: lookup.try_into().map_err(|_| EnrolError::Key)?,
        tag: tag(key, &[&exported, b"agent", &public_key]),
        public_key,
        host: host_name(),
    };
    let answer =
        ask(&mut stream, &request).await.map_err(|error| EnrolError::Connection(error.to_string()))?;
    stream.end("done").await;
    let grant = match frame::read_payload(&answer) {
        Some(Answer::Granted(grant)) => grant,
        Some(Answer::Refused(refusal)) => return Err(EnrolError::Refused(refusal)),
        None => return Err(EnrolError::Answer),
    };
    if !proven(key, &exported, &grant) {
        return Err(EnrolError::Unproven);
    }
    Ok(Identity::new(grant, hub.to_owned(), pkcs8.as_ref().to_vec()))
}

async fn ask(stream: &mut Stream, request: &Request) -> std::io::Result<Vec<u8>> {
    stream.write_all(&frame::payload(request)).await?;
    stream.finish().await?;
    let mut answer = Vec::new();
    stream.take(ENROL_BYTES_MAX as u64 + 1).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn proven(key: &[u8], exported: &[u8], grant: &Grant) -> bool {
    let parts: [&[u8]; 4] = [exported, b"hub", &grant.certificate, &grant.ca];
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat(), &grant.tag).is_ok()
}

fn tag(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut bytes = [0_u8; 32];
    bytes.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat()).as_ref());
    bytes
}

fn stretch(code: &str) -> [u8; STRETCHED_BYTES] {
    let rounds = NonZeroU32::new(STRETCH_ROUNDS).unwrap_or(NonZeroU32::MIN);
    let mut stretched = [0_u8; STRETCHED_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, STRETCH_SALT, code.as_bytes(), &mut stretched);
    stretched
}

/// The PC's name, for people.
pub(crate) fn host_name() -> String {
    let variable = if cfg!(windows) { "COMPUTERNAME" } else { "HOSTNAME" };
    std::env::var(variable)
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
