//! What this agent shows and trusts on the link, and how both change while it runs: its certificate is renewed, and the hub
//! may have another CA.
//!
//! Whatever changes is in `identity.json` before the hub is told so, in one step. A crash leaves the state before or the
//! one after, and the hub takes either: it tells again what was not confirmed. A private key never leaves this PC.
//!
//! CAs are believed because they come over a session with a hub that was proven by one that is trusted; the link has no
//! other sessions.

use super::tls::{TlsConfigs, TlsError, link_config};
use crate::enrol::host_name;
use crate::identity::Identity;
use crate::{boot, machine};
use docket_protocol::message::{Instance, RENEWAL_LABEL, Renewal, TRUSTED_MAX};
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use std::path::PathBuf;
use std::sync::OnceLock;
use tracing::{error, info, warn};

/// The identity in use.
#[derive(Debug)]
pub struct Credentials {
    identity: Identity,
    data: PathBuf,
}

impl Credentials {
    /// Of an identity in the data folder.
    pub fn new(identity: Identity, data: PathBuf) -> Self {
        Credentials { identity, data }
    }

    /// For the next connection.
    ///
    /// # Errors
    /// Where keys and certificates are not usable.
    pub fn tls(&self) -> Result<TlsConfigs, TlsError> {
        link_config(&self.identity)
    }

    /// Which of the programs with this identity this is.
    pub fn instance(&self) -> Instance {
        Instance { process: process(), machine: machine::id(), boot: boot::id(), host: host_name() }
    }

    /// A fresh key to be certified, or the one that was made and not answered. `exported` is the session's keying material.
    pub(super) fn renew(&mut self, exported: &[u8]) -> Option<Renewal> {
        let random = SystemRandom::new();
        if self.identity.next_key().is_none() {
            let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).ok()?;
            let identity = self.identity.clone().with_next_key(key.as_ref().to_vec());
            self.keep(identity).then_some(())?;
        }
        let key = self.identity.next_key()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key, &random).ok()?;
        let public_key = pair.public_key().as_ref().to_vec();
        let proof = pair.sign(&random, &[RENEWAL_LABEL, exported, &public_key].concat()).ok()?;
        Some(Renewal { public_key, proof: proof.as_ref().to_vec() })
    }

    /// A certificate came. Says whether it is in use from the next connection on.
    pub(super) fn renewed(&mut self, certificate: Vec<u8>) -> bool {
        let Some(identity) = self.identity.clone().renewed(certificate) else {
            warn!("a certificate came that is not for a key of this PC");
            return false;
        };
        let kept = self.keep(identity);
        if kept {
            info!("the certificate is renewed");
        }
        kept
    }

    /// These CAs are to be trusted and no other. Says what they are called once they are.
    pub(super) fn trust(&mut self, cas: Vec<Vec<u8>>) -> Option<[u8; 32]> {
        let bundle = bundle(&cas);
        let known: Vec<_> = self.identity.cas().iter().map(|ca| ca.to_vec()).collect();
        if cas == known {
            return Some(bundle);
        }
        let count = cas.len();
        let mut cas = cas.into_iter();
        let (ca, next) = (cas.next()?, cas.next());
        let identity = self.identity.clone().trusting(ca, next);
        if count > TRUSTED_MAX || link_config(&identity).is_err() {
            warn!(count, "CAs came that cannot be trusted");
            return None;
        }
        self.keep(identity).then(|| {
            info!(count, "the hub's CAs have changed");
            bundle
        })
    }

    /// Writes it. Where somebody else was enrolled in this folder by now, it stays theirs.
    fn keep(&mut self, identity: Identity) -> bool {
        match Identity::read(&self.data) {
            Ok(kept) if kept.agent == identity.agent => {}
            Ok(_) => return false,
            Err(error) => {
                error!(%error, "the identity cannot be changed");
                return false;
            }
        }
        match identity.write(&self.data) {
            Ok(()) => {
                self.identity = identity;
                true
            }
            Err(error) => {
                error!(%error, "the identity cannot be changed");
                false
            }
        }
    }
}

/// What the hub calls these CAs.
fn bundle(cas: &[Vec<u8>]) -> [u8; 32] {
    let mut all = digest::Context::new(&digest::SHA256);
    for ca in cas {
        all.update(digest::digest(&digest::SHA256, ca).as_ref());
    }
    let mut bundle = [0; 32];
    bundle.copy_from_slice(all.finish().as_ref());
    bundle
}

/// Drawn once: it names this program for as long as it runs.
fn process() -> [u8; 16] {
    static PROCESS: OnceLock<[u8; 16]> = OnceLock::new();
    *PROCESS.get_or_init(|| {
        let mut id = [0; 16];
        if SystemRandom::new().fill(&mut id).is_err() {
            // Another one for each program of this PC all the same.
            id[..4].copy_from_slice(&std::process::id().to_le_bytes());
        }
        id
    })
}
