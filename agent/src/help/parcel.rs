//! A bundle on its way to the hub, between whoever sends it and the link: a part at a time, and no faster than
//! [`BYTES_A_SECOND_MAX`].
//!
//! The link takes a part only when it has nothing else to write, and the next one comes only after the hub has said how
//! much it has. What is lost with a connection is sent again, from where the hub says that it stands.

use docket_protocol::help::{BundlePart, BundleTaken, HelpId, PART_BYTES_MAX};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

/// How fast a bundle goes at most: a quarter of a slow store's line.
const BYTES_A_SECOND_MAX: u64 = 64 * 1024;
/// How long the hub's answer is waited for before a part is sent again.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a bundle may take in all: a store that is offline keeps none.
const SENDING_MAX: Duration = Duration::from_secs(600);

/// The link's end.
#[derive(Debug)]
pub struct Parcel {
    parts: mpsc::Receiver<BundlePart>,
    taken: watch::Sender<Option<BundleTaken>>,
}

/// The sender's end.
#[derive(Debug)]
pub struct Parts {
    parts: mpsc::Sender<BundlePart>,
    taken: watch::Receiver<Option<BundleTaken>>,
}

/// Both ends.
pub fn channel() -> (Parts, Parcel) {
    let (parts, next) = mpsc::channel(1);
    let (said, taken) = watch::channel(None);
    (Parts { parts, taken }, Parcel { parts: next, taken: said })
}

impl Parcel {
    /// The next part, once there is one. Safe to be dropped.
    pub async fn next(&mut self) -> Option<BundlePart> {
        self.parts.recv().await
    }

    /// The hub has said how much it has.
    pub fn taken(&self, taken: BundleTaken) {
        self.taken.send_replace(Some(taken));
    }
}

impl Parts {
    /// Sends a bundle; whether the hub has all of it.
    pub async fn send(&mut self, help: HelpId, bundle: &[u8]) -> bool {
        match timeout(SENDING_MAX, self.send_all(help, bundle)).await {
            Ok(sent) => sent,
            Err(_) => {
                warn!(code = "bundle-unsent", %help, "a bundle did not get through in time");
                false
            }
        }
    }

    async fn send_all(&mut self, help: HelpId, bundle: &[u8]) -> bool {
        let Ok(total) = u32::try_from(bundle.len()) else { return false };
        let mut offset = 0;
        while offset < bundle.len() {
            let bytes = &bundle[offset..bundle.len().min(offset + PART_BYTES_MAX)];
            let next_at =
                Instant::now() + Duration::from_millis(bytes.len() as u64 * 1_000 / BYTES_A_SECOND_MAX);
            let place = u32::try_from(offset).unwrap_or(total);
            self.taken.mark_unchanged();
            if self
                .parts
                .send(BundlePart { help, offset: place, total, bytes: bytes.to_vec() })
                .await
                .is_err()
            {
                return false;
            }
            match timeout(ANSWER_MAX, self.answer(help)).await {
                Ok(Some(BundleTaken { up_to: Some(up_to), .. })) => {
                    offset = bundle.len().min(usize::try_from(up_to).unwrap_or(usize::MAX));
                }
                Ok(Some(BundleTaken { up_to: None, .. })) => {
                    warn!(code = "bundle-refused", %help, "the hub does not take a bundle");
                    return false;
                }
                Ok(None) => return false,
                Err(_) => debug!(%help, offset, "a part of a bundle is sent again"),
            }
            sleep_until(next_at).await;
        }
        true
    }

    async fn answer(&mut self, help: HelpId) -> Option<BundleTaken> {
        loop {
            self.taken.changed().await.ok()?;
            let taken = *self.taken.borrow_and_update();
            if let Some(taken) = taken
                && taken.help == help
            {
                return Some(taken);
            }
        }
    }
}
