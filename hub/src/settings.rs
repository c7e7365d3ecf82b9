//! Puts together what stores are set to, see [`crate::storage::settings`], and watches what of it comes from the hub's
//! own files: `[routing]` of `hub.toml` at the start, and the templates whenever others come into force.
//!
//! What is sent of the templates is the copies of the last good ones ([`crate::templates::folder`]): what was not tried
//! is not among them.

use crate::config::Config;
use crate::fleet::Fleet;
use crate::storage::settings::{Base, Published};
use crate::storage::{Storage, StorageError};
use crate::templates::folder::{self, KEPT_FOLDER};
use crate::templates::{Own, Templates};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{info, warn};

/// How soon stores get what has changed in the hub's files.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The alarm of settings that cannot be sent.
const UNSENT: &str = "settings-unsent";

/// What every store has that says nothing else, as the hub's files have it now.
pub fn base(config: &Config) -> Base {
    let kept = config.templates.folder.is_some().then(|| config.data.join(KEPT_FOLDER));
    let texts = kept.map(|kept| folder::texts(&kept)).unwrap_or_default();
    Base { routing: config.routing.clone(), texts }
}

/// Publishes at the start, and when other templates come into force, until the hub stops.
pub async fn run(
    config: Config,
    templates: Arc<Templates>,
    storage: Storage,
    fleet: Arc<Fleet>,
    mut stop: watch::Receiver<bool>,
) {
    let mut published: Option<Arc<Own>> = None;
    loop {
        let own = templates.own();
        if published.as_ref().is_none_or(|before| !Arc::ptr_eq(before, &own)) {
            let base = base(&config);
            let told = match storage.publish_settings(None, base).await {
                Ok(Published { stores, .. }) => {
                    if !stores.is_empty() {
                        info!(stores = stores.len(), "settings are sent: routing or templates have changed");
                    }
                    storage.set_alarms(UNSENT, Vec::new()).await
                }
                Err(StorageError::Refused(cause)) => {
                    warn!(code = UNSENT, %cause, "settings cannot be sent");
                    storage.set_alarms(UNSENT, vec![("settings".to_owned(), cause)]).await
                }
                // The disk may have room later.
                Err(error) => Err(error),
            };
            if told.is_ok() {
                published = Some(own);
                fleet.touch();
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stopping| *stopping) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
