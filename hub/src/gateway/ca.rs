//! The hub's own certificate authority: it names the hub to its agents and the agents to the hub.
//!
//! Nobody else has to trust it, so it needs no names that the world knows. Its key never leaves the data
//! folder. A certificate here says only "this key was enrolled"; what the key may do is looked up by the
//! certificate's fingerprint, so that revoking is a row in the database.

use docket_protocol::enrol::{HUB_SERVER_NAME, PUBLIC_KEY_BYTES};
use docket_protocol::ids::AgentId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use thiserror::Error;

const FOLDER: &str = "ca";
const CA_KEY: &str = "ca.key.pem";
const CA_CERTIFICATE: &str = "ca.der";
const HUB_KEY: &str = "hub.key.pem";
const HUB_CERTIFICATE: &str = "hub.der";

/// Validity of all certificates, wide on purpose: the clock of a cashier PC with an empty battery must not
/// keep a store from printing. Revocation does not depend on it.
const VALID_FROM: (i32, u8, u8) = (2020, 1, 1);
const VALID_UNTIL: (i32, u8, u8) = (2046, 1, 1);

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
    /// A public key that is not one.
    #[error("ca-public-key: not an uncompressed point of P-256")]
    PublicKey,
}

/// The hub's keys and certificates.
#[derive(Debug)]
pub struct Authority {
    ca: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    hub: CertificateDer<'static>,
    hub_key: Vec<u8>,
}

impl Authority {
    /// Reads the authority of a data folder, or makes it there.
    ///
    /// # Errors
    /// Where its files cannot be read or made.
    pub fn open(data: &Path) -> Result<Self, AuthorityError> {
        let folder = data.join(FOLDER);
        if !folder.join(HUB_CERTIFICATE).exists() {
            make(&folder)?;
        }
        let ca_key = KeyPair::from_pem(&read_text(&folder.join(CA_KEY))?)?;
        let hub_key = KeyPair::from_pem(&read_text(&folder.join(HUB_KEY))?)?;
        Ok(Authority {
            ca: CertificateDer::from(read(&folder.join(CA_CERTIFICATE))?),
            issuer: Issuer::new(ca_params(), ca_key),
            hub: CertificateDer::from(read(&folder.join(HUB_CERTIFICATE))?),
            hub_key: hub_key.serialize_der(),
        })
    }

    /// The CA's certificate, which agents pin.
    pub fn ca(&self) -> &CertificateDer<'static> {
        &self.ca
    }

    /// The hub's certificate chain and key.
    pub fn hub(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.hub_key.clone());
        (vec![self.hub.clone(), self.ca.clone()], key.into())
    }

    /// Key of stateless resets (RFC 9000, 10.3). It is the same after a restart, so that agents learn at their
    /// next packet that their session is gone, instead of waiting for the idle timeout.
    pub fn reset_key(&self) -> ring::hmac::Key {
        let own = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.hub_key);
        let derived = ring::hmac::sign(&own, b"docket stateless reset 1");
        ring::hmac::Key::new(ring::hmac::HMAC_SHA256, derived.as_ref())
    }

    /// A certificate for an agent's key.
    ///
    /// # Errors
    /// Where the key is not one.
    pub fn certify(
        &self,
        agent: &AgentId,
        public_key: &[u8],
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        if public_key.len() != PUBLIC_KEY_BYTES || public_key.first() != Some(&4) {
            return Err(AuthorityError::PublicKey);
        }
        let mut params = leaf_params(agent.as_str(), ExtendedKeyUsagePurpose::ClientAuth)?;
        params.distinguished_name = named(agent.as_str());
        Ok(params.signed_by(&AgentKey(public_key.to_vec()), &self.issuer)?.der().clone())
    }
}

/// The hub's certificate is written last: a folder that has it is whole.
fn make(folder: &Path) -> Result<(), AuthorityError> {
    fs::create_dir_all(folder).map_err(|cause| AuthorityError::File { path: folder.into(), cause })?;
    let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let ca = ca_params().self_signed(&ca_key)?;
    write_secret(&folder.join(CA_KEY), ca_key.serialize_pem().as_bytes())?;
    write_secret(&folder.join(CA_CERTIFICATE), ca.der())?;
    let hub_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let hub = leaf_params(HUB_SERVER_NAME, ExtendedKeyUsagePurpose::ServerAuth)?
        .signed_by(&hub_key, &Issuer::new(ca_params(), ca_key))?;
    write_secret(&folder.join(HUB_KEY), hub_key.serialize_pem().as_bytes())?;
    write_secret(&folder.join(HUB_CERTIFICATE), hub.der())
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Docket hub CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params);
    params
}

fn leaf_params(name: &str, usage: ExtendedKeyUsagePurpose) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    valid(&mut params);
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(VALID_FROM.0, VALID_FROM.1, VALID_FROM.2);
    params.not_after = date_time_ymd(VALID_UNTIL.0, VALID_UNTIL.1, VALID_UNTIL.2);
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

/// Readable by the hub's user only, and on disk before this returns.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), AuthorityError> {
    let write = || {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|cause| AuthorityError::File { path: path.into(), cause })
}
