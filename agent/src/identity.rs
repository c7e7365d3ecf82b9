//! Who this agent is: its key, its certificate, and the CA of the hub that it trusts.
//!
//! `identity.json` is written last and by renaming: a data folder that has it has all of it. A key that is to be certified
//! lies in it beside the one in use, so that a crash between asking and being answered asks again for the same key; with
//! the certificate, it takes that one's place in one step.

use crate::kept_file::{self, Readers};
use docket_protocol::ids::{AgentId, StoreId};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use thiserror::Error;

const FILE: &str = "identity.json";

/// Why there is no identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// This PC was never enrolled.
    #[error(
        "not-enrolled: {path} is missing; run `docket-agent enrol --hub HOST:PORT --code CODE` \
         (请先用总部给的注册码注册)"
    )]
    NotEnrolled {
        /// What was looked for.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("identity-file: {path}: {cause}; check who may write the data folder")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is damaged.
    #[error("identity-damaged: {path}: {cause}; enrol again with a new code (请用新的注册码重新注册)")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: serde_json::Error,
    },
}

/// An enrolled agent.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// Who it is.
    pub agent: AgentId,
    /// Its store.
    pub store: StoreId,
    /// The store's name.
    pub store_name: String,
    /// `host:port` of the hub.
    pub hub: String,
    /// Private key, PKCS #8 (DER). It never leaves this PC.
    key: Vec<u8>,
    /// Certificate (DER).
    certificate: Vec<u8>,
    /// The hub's CA (DER).
    ca: Vec<u8>,
    /// A CA that is trusted as well: the hub's next one.
    #[serde(default)]
    next_ca: Option<Vec<u8>>,
    /// A key that is to be certified, PKCS #8.
    #[serde(default)]
    next_key: Option<Vec<u8>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("agent", &self.agent)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// What enrolment has given.
    pub fn new(grant: docket_protocol::enrol::Grant, hub: String, key: Vec<u8>) -> Self {
        Identity {
            agent: grant.agent,
            store: grant.store,
            store_name: grant.store_name,
            hub,
            key,
            certificate: grant.certificate,
            ca: grant.ca,
            next_ca: None,
            next_key: None,
        }
    }

    /// As it is in the data folder now: it may have been renewed since. Where somebody else is enrolled there by now, or it
    /// cannot be read, it is as it was.
    #[must_use]
    pub fn refreshed(&self, data: &Path) -> Self {
        match Identity::read(data) {
            Ok(kept) if kept.agent == self.agent => kept,
            Ok(_) | Err(_) => self.clone(),
        }
    }

    /// Reads it from the data folder.
    ///
    /// # Errors
    /// Where there is none.
    pub fn read(data: &Path) -> Result<Self, IdentityError> {
        let path = data.join(FILE);
        let bytes = fs::read(&path).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::NotFound => IdentityError::NotEnrolled { path: path.clone() },
            _ => IdentityError::File { path: path.clone(), cause },
        })?;
        serde_json::from_slice(&bytes).map_err(|cause| IdentityError::Damaged { path, cause })
    }

    /// Writes it to the data folder, for this user only.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, data: &Path) -> Result<(), IdentityError> {
        let path = data.join(FILE);
        let write = || {
            fs::create_dir_all(data)?;
            kept_file::replace(&path, Readers::ThisUser, &serde_json::to_vec(self)?)
        };
        write().map_err(|cause| IdentityError::File { path: path.clone(), cause })
    }

    /// Certificate chain and key for TLS.
    pub fn credentials(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.clone());
        (vec![CertificateDer::from(self.certificate.clone())], key.into())
    }

    /// The CAs of which the hub must have a certificate.
    pub fn cas(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(&self.ca).chain(&self.next_ca).map(|ca| CertificateDer::from(ca.clone())).collect()
    }

    /// Trusts `ca`, `next` and no other.
    #[must_use]
    pub fn trusting(self, ca: Vec<u8>, next: Option<Vec<u8>>) -> Self {
        Identity { ca, next_ca: next, ..self }
    }

    /// The key that is to be certified, PKCS #8.
    pub fn next_key(&self) -> Option<&[u8]> {
        self.next_key.as_deref()
    }

    /// With a key that is to be certified.
    #[must_use]
    pub fn with_next_key(self, key: Vec<u8>) -> Self {
        Identity { next_key: Some(key), ..self }
    }

    /// With `certificate` in use, and its key; `None` where it is of none of our keys.
    #[must_use]
    pub fn renewed(self, certificate: Vec<u8>) -> Option<Self> {
        let keys = [self.next_key.as_ref(), Some(&self.key)];
        let key = keys.into_iter().flatten().find(|key| is_pair(key, &certificate))?.clone();
        Some(Identity { key, certificate, next_key: None, ..self })
    }
}

fn is_pair(key: &[u8], certificate: &[u8]) -> bool {
    let Ok(key) = any_supported_type(&PrivatePkcs8KeyDer::from(key).into()) else { return false };
    CertifiedKey::new(vec![CertificateDer::from(certificate.to_vec())], key).keys_match().is_ok()
}
