//! Enrolment at the hub. The exchange and why it is safe: [`docket_protocol::enrol`].

use super::ca::{Authority, bundle};
use super::codes;
use super::wire::Stream;
use crate::storage::Storage;
use crate::storage::agents::NewAgent;
use crate::storage::certificates::Life;
use docket_protocol::enrol::{Answer, ENROL_BYTES_MAX, EnrolRefusal, Grant, Request};
use docket_protocol::frame;
use docket_protocol::ids::AgentId;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::{info, warn};

/// Codes that an address may try in [`TRIES_WINDOW`].
const TRIES_MAX: u32 = 10;
const TRIES_WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; past that all are forgotten, which only forgives.
const ADDRESSES_MAX: usize = 10_000;
/// How long a whole exchange may take.
const EXCHANGE_MAX: Duration = Duration::from_secs(20);

/// Enrols whoever knows a code.
#[derive(Debug)]
pub struct Enrolment {
    storage: Storage,
    authority: Arc<Authority>,
    tries: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Enrolment {
    /// Enrolment into `storage`.
    pub fn new(storage: Storage, authority: Arc<Authority>) -> Self {
        Enrolment { storage, authority, tries: Mutex::default() }
    }

    /// Serves one connection.
    pub(super) async fn serve(&self, mut stream: Stream) {
        let exchange = async {
            let mut bytes = Vec::new();
            let limit = ENROL_BYTES_MAX as u64 + 1;
            (&mut stream).take(limit).read_to_end(&mut bytes).await.ok()?;
            if bytes.len() > ENROL_BYTES_MAX {
                return None;
            }
            let answer = self.answer(&stream, &bytes).await;
            stream.write_all(&frame::payload(&answer)).await.ok()
        };
        match tokio::time::timeout(EXCHANGE_MAX, exchange).await {
            Ok(_) => {
                // The agent closes once it has read.
                stream.finish().await;
                stream.close(0, "done");
            }
            Err(_) => stream.close(0, "enrol-timeout"),
        }
    }

    async fn answer(&self, stream: &Stream, bytes: &[u8]) -> Answer {
        let from = stream.address().ip();
        let answer = if self.is_one_too_many(from) {
            Err(EnrolRefusal::TooMany)
        } else {
            self.enrol(stream, bytes).await
        };
        match answer {
            Ok(grant) => {
                info!(agent = %grant.agent, store = %grant.store, %from, "agent enrolled");
                Answer::Granted(grant)
            }
            Err(refusal) => {
                warn!(code = refusal.code(), %from, "enrolment refused");
                Answer::Refused(refusal)
            }
        }
    }

    async fn enrol(&self, stream: &Stream, bytes: &[u8]) -> Result<Grant, EnrolRefusal> {
        let request: Request = frame::read_payload(bytes).ok_or(EnrolRefusal::Malformed)?;
        let exported = stream.keying_material().ok_or(EnrolRefusal::Malformed)?;
        let stored = self.storage.code(request.lookup).await.map_err(|_| EnrolRefusal::Unavailable)?;
        let code = stored?;
        if !codes::verify(&code.key, &[&exported, b"agent", &request.public_key], &request.tag) {
            return Err(EnrolRefusal::UnknownCode);
        }
        let agent = self.draw_id(code.store.as_str())?;
        let certified =
            self.authority.certify(&agent, &request.public_key).map_err(|_| EnrolRefusal::Malformed)?;
        let ca = self.authority.ca();
        let row = NewAgent {
            lookup: request.lookup,
            id: agent.clone(),
            store: code.store.clone(),
            fingerprint: fingerprint(&certified.certificate),
            life: Life { from: certified.at, until: certified.until },
            trusts: bundle(std::slice::from_ref(&ca)),
            host: request.host.chars().filter(|c| !c.is_control()).take(64).collect(),
        };
        self.storage.enrol(row).await.map_err(|_| EnrolRefusal::Unavailable)??;
        let ca = ca.to_vec();
        let certificate = certified.certificate.to_vec();
        let tag = codes::tag(&code.key, &[&exported, b"hub", &certificate, &ca]);
        Ok(Grant { agent, store: code.store, store_name: code.store_name, certificate, ca, tag })
    }

    fn draw_id(&self, store: &str) -> Result<AgentId, EnrolRefusal> {
        let mut random = [0_u8; 4];
        SystemRandom::new().fill(&mut random).map_err(|_| EnrolRefusal::Unavailable)?;
        let store: String = store.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Ok(AgentId::new(format!("{}-{:08x}", store.to_lowercase(), u32::from_be_bytes(random))))
    }

    /// Counts an attempt when it begins, so that many at once are no way around the bound.
    fn is_one_too_many(&self, from: IpAddr) -> bool {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= ADDRESSES_MAX {
            tries.clear();
        }
        let entry = tries.entry(from).or_insert((Instant::now(), 0));
        if entry.0.elapsed() >= TRIES_WINDOW {
            *entry = (Instant::now(), 0);
        }
        entry.1 += 1;
        entry.1 > TRIES_MAX
    }
}

/// SHA-256 of a certificate: what the hub knows an agent by.
pub(super) fn fingerprint(certificate: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, certificate).as_ref().to_vec()
}
