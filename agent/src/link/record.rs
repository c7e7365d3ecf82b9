//! What the link remembers: which way it prefers, over restarts of the PC, and what it has counted, over changes of
//! the printers. The file is written when the preference changes, and only then; without it, or with one that cannot
//! be read, QUIC is first, which costs a store behind a firewall two seconds once.

use super::way::Ways;
use super::wire::Stream;
use crate::clock;
use crate::kept_file::{self, Readers};
use docket_protocol::ids::UnixMs;
use docket_protocol::message::{LinkReport, Transport};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::{info, warn};

const FILE: &str = "link.json";

/// The memory of the link.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    /// Which way is next.
    pub(super) ways: Ways,
    written: Transport,
    sessions: u32,
    connected_at: UnixMs,
    since: UnixMs,
}

#[derive(Debug, Serialize, Deserialize)]
struct File {
    prefers: String,
}

impl Record {
    /// That of the data folder. `tcp` and `again` as [`Ways::new`] has them.
    pub fn read(data: &Path, tcp: bool, again: Duration) -> Self {
        let path = data.join(FILE);
        let file = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<File>(&bytes).ok());
        let kept = match file {
            Some(file) if file.prefers == Transport::Tls.as_str() => Transport::Tls,
            Some(_) | None => Transport::Quic,
        };
        Record {
            path,
            ways: Ways::new(Some(kept), tcp, again),
            written: kept,
            sessions: 0,
            connected_at: clock::now(),
            since: clock::now(),
        }
    }

    /// Writes the preference, if it has changed. Where that fails it is tried with the next change: it costs no more
    /// than a slower start.
    pub(super) fn keep(&mut self) {
        let preferred = self.ways.preferred();
        if preferred == self.written {
            return;
        }
        self.written = preferred;
        let fallbacks = self.ways.fallbacks();
        info!(preferred = preferred.as_str(), fallbacks, "another way to the hub is preferred from now on");
        let file = File { prefers: preferred.as_str().to_owned() };
        let bytes = serde_json::to_vec(&file).unwrap_or_default();
        if let Err(error) = kept_file::replace(&self.path, Readers::All, &bytes) {
            warn!(code = "link-file", %error, path = %self.path.display(), "the preferred way was not written");
        }
    }

    /// A connection is in use.
    pub(super) fn connected(&mut self) {
        self.connected_at = clock::now();
    }

    /// A session is live.
    pub(super) fn session_began(&mut self) {
        self.sessions = self.sessions.saturating_add(1);
    }

    /// How it is connected now.
    pub(super) fn report(&self, stream: &Stream) -> LinkReport {
        let (rtt, lost_packets) = stream.quality();
        LinkReport {
            transport: stream.transport(),
            proxied: stream.is_proxied(),
            rtt_us: u32::try_from(rtt.as_micros()).ok(),
            lost_packets,
            reconnects: self.sessions.saturating_sub(1),
            fallbacks: self.ways.fallbacks(),
            connected_at: self.connected_at,
            counted_since: self.since,
        }
    }
}
