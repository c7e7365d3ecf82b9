//! The hub's own certificate authority: it names the hub to its agents and the agents to the hub.
//!
//! Nobody else has to trust it, so it needs no names that the world knows. Its key never leaves the data folder. A
//! certificate here says only "this key was enrolled"; what the key may do, and until when, is looked up by the
//! certificate's fingerprint, so that revoking is a row in the database, and a CA's key alone makes no agent.
//!
//! Agents pin the CA, and do not ask a PC's clock whether the hub's certificate is good: it may be years wrong in either
//! direction, and the store has to print. What answers a key of the hub that leaked is another CA. The hub's certificates
//! begin in 2020, and end; the serving hub renews its own, for the same key, and a new key comes with a new CA.
//!
//! # Another CA
//! Each CA has a folder: the first is `ca` itself, the next ones are `ca/2`, `ca/3`. `ca/use` names the one in use; without
//! it that is the first.
//!
//! | step | what is done | a crash leaves |
//! |---|---|---|
//! | `ca rotate` | `ca/2.part` is made, and renamed to `ca/2` when it is whole | the old CA alone; the next rotation begins anew |
//! | agents are told both | each stores both by renaming, then confirms; the hub stores that | it is told again in its next session |
//! | `ca finish` | `ca/use` is written beside, and renamed | the old CA or the new one in use; both are trusted by all who confirmed |
//! | the old keys are removed | | keys that nobody trusts |
//! | agents are told the new one alone | as above | it is told again |
//!
//! A serving hub looks at these files every second; sessions stay. Rejected: to swap the folders, which is two renames
//! with a moment without any CA between them.

use crate::clock;
use docket_protocol::enrol::{HUB_SERVER_NAME, PUBLIC_KEY_BYTES};
use docket_protocol::ids::{AgentId, UnixMs};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use ring::digest;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use thiserror::Error;
use tracing::info;

const FOLDER: &str = "ca";
const IN_USE: &str = "use";
const CA_KEY: &str = "ca.key.pem";
const CA_CERTIFICATE: &str = "ca.der";
const HUB_KEY: &str = "hub.key.pem";
const HUB_CERTIFICATE: &str = "hub.der";

/// Validity of CAs, and the begin of the hub's certificates.
const VALID_FROM: (i32, u8, u8) = (2020, 1, 1);
const VALID_UNTIL: (i32, u8, u8) = (2046, 1, 1);
/// How long before now an agent's certificate begins.
const BACKDATED_DAYS: u64 = 7;
const DAY_S: u64 = 86_400;

/// Why there is no authority.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("ca-file: {path}: {cause}; restore the `ca` folder of the data folder from a backup")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A key or certificate cannot be made or read.
    #[error("ca-certificate: {0}; restore the `ca` folder of the data folder from a backup")]
    Certificate(#[from] rcgen::Error),
    /// TLS does not take a key or certificate.
    #[error("ca-certificate: {0}; restore the `ca` folder of the data folder from a backup")]
    Tls(#[from] rustls::Error),
    /// A public key that is not one.
    #[error("ca-public-key: not an uncompressed point of P-256")]
    PublicKey,
    /// There is a next CA already.
    #[error("ca-rotating: the next CA is made already; `docket-hub ca status` shows who has it")]
    Rotating,
    /// There is no next CA.
    #[error("ca-not-rotating: there is no next CA; make one with `docket-hub ca rotate`")]
    NotRotating,
}

/// The hub's keys and certificates, as they are now.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    days: u64,
    keys: RwLock<Arc<Keys>>,
}

#[derive(Debug)]
struct Keys {
    generation: u32,
    ca: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    hub_key: Vec<u8>,
    shown: Arc<CertifiedKey>,
    next: Option<CertificateDer<'static>>,
}

/// A certificate of an agent.
#[derive(Debug)]
pub struct Certified {
    /// DER.
    pub certificate: CertificateDer<'static>,
    /// When it was made.
    pub at: UnixMs,
    /// When it ends.
    pub until: UnixMs,
}

impl Authority {
    /// Reads the authority of a data folder, or makes it there. Agents' certificates and the hub's live for `days`.
    ///
    /// # Errors
    /// Where its files cannot be read or made.
    pub fn open(data: &Path, days: u32) -> Result<Self, AuthorityError> {
        let (folder, days) = (data.join(FOLDER), u64::from(days));
        if !folder.join(HUB_CERTIFICATE).exists() {
            make(&folder, days)?;
        }
        let keys = RwLock::new(Arc::new(Keys::read(&folder)?));
        Ok(Authority { folder, days, keys })
    }

    /// Looks at the files again: another process may have made a CA, or put it in use. Renews the hub's certificate where
    /// two thirds of its life are over, or where it outlives what is configured.
    ///
    /// # Errors
    /// Where they cannot be read; what was known stays in use.
    pub fn look(&self) -> Result<(), AuthorityError> {
        let known = self.now();
        let (generation, next) = generations(&self.folder)?;
        if generation != known.generation || next.is_some() != known.next.is_some() {
            let keys = Keys::read(&self.folder)?;
            info!(generation = keys.generation, next = keys.next.is_some(), "the CAs have changed");
            self.put(keys);
        }
        let known = self.now();
        let life = Duration::from_secs(self.days * DAY_S);
        if known.is_valid_in(life / 3) && !known.is_valid_in(life + Duration::from_secs(DAY_S)) {
            return Ok(());
        }
        let folder = folder_of(&self.folder, known.generation);
        let key = KeyPair::from_pem(&read_text(&folder.join(HUB_KEY))?)?;
        write_secret(&folder.join(HUB_CERTIFICATE), &hub_certificate(&key, &known.issuer, self.days)?)?;
        info!(days = self.days, "the hub's certificate is renewed");
        self.put(Keys::read(&self.folder)?);
        Ok(())
    }

    /// The certificate of the CA in use.
    pub fn ca(&self) -> CertificateDer<'static> {
        self.now().ca.clone()
    }

    /// The CAs that agents are to trust: the one in use, and the next one.
    pub fn trusted(&self) -> Vec<CertificateDer<'static>> {
        let keys = self.now();
        std::iter::once(&keys.ca).chain(&keys.next).cloned().collect()
    }

    /// Whether there is a next CA.
    pub fn is_rotating(&self) -> bool {
        self.now().next.is_some()
    }

    /// Key of stateless resets (RFC 9000, 10.3). It is the same after a restart, so that agents learn at their
    /// next packet that their session is gone, instead of waiting for the idle timeout.
    pub fn reset_key(&self) -> ring::hmac::Key {
        let own = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.now().hub_key);
        let derived = ring::hmac::sign(&own, b"docket stateless reset 1");
        ring::hmac::Key::new(ring::hmac::HMAC_SHA256, derived.as_ref())
    }

    /// A certificate for an agent's key.
    ///
    /// # Errors
    /// Where the key is not one.
    pub fn certify(&self, agent: &AgentId, public_key: &[u8]) -> Result<Certified, AuthorityError> {
        if public_key.len() != PUBLIC_KEY_BYTES || public_key.first() != Some(&4) {
            return Err(AuthorityError::PublicKey);
        }
        let at = clock::now();
        let now_s = at.0.unsigned_abs() / 1_000;
        let until_s = now_s + self.days * DAY_S;
        let mut params = leaf_params(agent.as_str(), ExtendedKeyUsagePurpose::ClientAuth)?;
        params.not_before =
            date_time_ymd(1970, 1, 1) + Duration::from_secs(now_s.saturating_sub(BACKDATED_DAYS * DAY_S));
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(until_s);
        let signed = params.signed_by(&AgentKey(public_key.to_vec()), &self.now().issuer)?;
        let until = UnixMs(i64::try_from(until_s * 1_000).unwrap_or(i64::MAX));
        Ok(Certified { certificate: signed.der().clone(), at, until })
    }

    /// Makes the next CA; a serving hub sees it within a second.
    ///
    /// # Errors
    /// Where there is one already, or it cannot be made.
    pub fn rotate(&self) -> Result<(), AuthorityError> {
        let (generation, next) = generations(&self.folder)?;
        if next.is_some() {
            return Err(AuthorityError::Rotating);
        }
        let next = folder_of(&self.folder, generation + 1);
        let part = next.with_extension("part");
        match fs::remove_dir_all(&part) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(AuthorityError::File { path: part, cause });
            }
            Ok(()) | Err(_) => {}
        }
        make(&part, self.days)?;
        let renamed = fs::rename(&part, &next).and_then(|()| sync_folder(&self.folder));
        renamed.map_err(|cause| AuthorityError::File { path: next, cause })
    }

    /// Puts the next CA in use; a serving hub sees it within a second. Whoever does not trust it by now is left behind.
    ///
    /// # Errors
    /// Where there is none, or it cannot be written.
    pub fn finish(&self) -> Result<(), AuthorityError> {
        let (generation, next) = generations(&self.folder)?;
        next.ok_or(AuthorityError::NotRotating)?;
        write_secret(&self.folder.join(IN_USE), (generation + 1).to_string().as_bytes())?;
        let former = folder_of(&self.folder, generation);
        for key in [CA_KEY, HUB_KEY] {
            let path = former.join(key);
            fs::remove_file(&path).map_err(|cause| AuthorityError::File { path, cause })?;
        }
        Ok(())
    }

    fn now(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// A handshake gets the certificate that is the hub's now.
impl ResolvesServerCert for Authority {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.now().shown))
    }
}

/// Names a list of CAs: SHA-256 of their SHA-256s.
pub fn bundle(cas: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut all = digest::Context::new(&digest::SHA256);
    for ca in cas {
        all.update(digest::digest(&digest::SHA256, ca).as_ref());
    }
    let mut bundle = [0; 32];
    bundle.copy_from_slice(all.finish().as_ref());
    bundle
}

impl Keys {
    fn read(ca: &Path) -> Result<Self, AuthorityError> {
        let (generation, next) = generations(ca)?;
        let folder = folder_of(ca, generation);
        let ca_key = KeyPair::from_pem(&read_text(&folder.join(CA_KEY))?)?;
        let hub_key = KeyPair::from_pem(&read_text(&folder.join(HUB_KEY))?)?.serialize_der();
        let ca = CertificateDer::from(read(&folder.join(CA_CERTIFICATE))?);
        let hub = CertificateDer::from(read(&folder.join(HUB_CERTIFICATE))?);
        let provider = rustls::crypto::ring::default_provider();
        let key = PrivatePkcs8KeyDer::from(hub_key.clone()).into();
        let shown = CertifiedKey::from_der(vec![hub, ca.clone()], key, &provider)?;
        let issuer = Issuer::new(ca_params(generation), ca_key);
        Ok(Keys { generation, ca, issuer, hub_key, shown: Arc::new(shown), next })
    }

    /// Whether the hub's certificate is good after this time.
    fn is_valid_in(&self, time: Duration) -> bool {
        let verified = || {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.ca.clone())?;
            let hub = ParsedCertificate::try_from(self.shown.end_entity_cert()?)?;
            let at = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + time);
            let provider = rustls::crypto::ring::default_provider();
            let algorithms = provider.signature_verification_algorithms.all;
            rustls::client::verify_server_cert_signed_by_trust_anchor(&hub, &roots, &[], at, algorithms)
        };
        verified().is_ok()
    }
}

/// Which CA is in use, and the next one if there is one.
fn generations(ca: &Path) -> Result<(u32, Option<CertificateDer<'static>>), AuthorityError> {
    let path = ca.join(IN_USE);
    let generation = match fs::read_to_string(&path) {
        Ok(number) => number.trim().parse().map_err(|_| AuthorityError::File {
            path,
            cause: std::io::Error::new(ErrorKind::InvalidData, "not a number"),
        })?,
        Err(cause) if cause.kind() == ErrorKind::NotFound => 1,
        Err(cause) => return Err(AuthorityError::File { path, cause }),
    };
    let next = folder_of(ca, generation + 1);
    let next = if next.exists() { Some(read(&next.join(CA_CERTIFICATE))?.into()) } else { None };
    Ok((generation, next))
}

fn folder_of(ca: &Path, generation: u32) -> PathBuf {
    if generation == 1 { ca.to_owned() } else { ca.join(generation.to_string()) }
}

/// The hub's certificate is written last: a folder that has it is whole.
fn make(folder: &Path, days: u64) -> Result<(), AuthorityError> {
    fs::create_dir_all(folder).map_err(|cause| AuthorityError::File { path: folder.into(), cause })?;
    let generation = folder.file_stem().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(1);
    let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let ca = ca_params(generation).self_signed(&ca_key)?;
    write_secret(&folder.join(CA_KEY), ca_key.serialize_pem().as_bytes())?;
    write_secret(&folder.join(CA_CERTIFICATE), ca.der())?;
    let hub_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let hub = hub_certificate(&hub_key, &Issuer::new(ca_params(generation), ca_key), days)?;
    write_secret(&folder.join(HUB_KEY), hub_key.serialize_pem().as_bytes())?;
    write_secret(&folder.join(HUB_CERTIFICATE), &hub)
}

/// Each CA has a name of its own, so that of two that are trusted the right one is tried.
fn ca_params(generation: u32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = match generation {
        1 => named("Docket hub CA"),
        _ => named(&format!("Docket hub CA {generation}")),
    };
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(VALID_FROM.0, VALID_FROM.1, VALID_FROM.2);
    params.not_after = date_time_ymd(VALID_UNTIL.0, VALID_UNTIL.1, VALID_UNTIL.2);
    params
}

fn hub_certificate(
    key: &KeyPair,
    issuer: &Issuer<'static, KeyPair>,
    days: u64,
) -> Result<CertificateDer<'static>, AuthorityError> {
    let mut params = leaf_params(HUB_SERVER_NAME, ExtendedKeyUsagePurpose::ServerAuth)?;
    params.not_before = date_time_ymd(VALID_FROM.0, VALID_FROM.1, VALID_FROM.2);
    params.not_after =
        date_time_ymd(1970, 1, 1) + Duration::from_secs(clock::now().0.unsigned_abs() / 1_000 + days * DAY_S);
    Ok(params.signed_by(key, issuer)?.der().clone())
}

fn leaf_params(name: &str, usage: ExtendedKeyUsagePurpose) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

struct AgentKey(Vec<u8>);

impl PublicKeyData for AgentKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

fn read(path: &Path) -> Result<Vec<u8>, AuthorityError> {
    fs::read(path).map_err(|cause| AuthorityError::File { path: path.into(), cause })
}

fn read_text(path: &Path) -> Result<String, AuthorityError> {
    fs::read_to_string(path).map_err(|cause| AuthorityError::File { path: path.into(), cause })
}

/// Readable by the hub's user only, whole or not there, and on disk before this returns.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), AuthorityError> {
    let write = || {
        let part = path.with_extension("part");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(part, path)?;
        path.parent().map_or(Ok(()), sync_folder)
    };
    write().map_err(|cause| AuthorityError::File { path: path.into(), cause })
}

/// Without it a power cut could take a rename back.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}
