//! Looks at a chain's folder of templates again and again.
//!
//! Polling, not the system's notifications: they do not come over a network drive, and a slip that looks new
//! two seconds later is early enough. A signal (SIGHUP) was rejected: who changes a slip is seldom who may send one.

use super::Templates;
use super::folder::{Changed, Folder};
use crate::fleet::Fleet;
use crate::storage::{Storage, StorageError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{error, info, warn};

/// From look to look. A change counts after the second one that sees it.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Where the last good ones are, in the data folder.
pub const KEPT_FOLDER: &str = "templates";
/// The alarm of a file that is refused.
pub const REFUSED: &str = "template-refused";
/// The alarm of a template that failed with an order.
pub const FAILED: &str = "template-failed";

/// Puts a chain's templates in force before anything is printed.
pub fn open(folder: &Path, data: &Path, templates: &Templates) -> (Folder, Changed) {
    let mut folder = Folder::new(folder.to_path_buf(), data.join(KEPT_FOLDER));
    let changed = folder.open();
    templates.put_in_force(changed.own.clone());
    (folder, changed)
}

/// Puts a chain's templates in force for a command that makes slips beside the hub, or before it: `store add` does
/// for orders that have waited. It writes nothing; what is refused, the hub that serves says.
pub fn open_read_only(folder: &Path, data: &Path, templates: &Templates) -> Changed {
    let changed = Folder::new(folder.to_path_buf(), data.join(KEPT_FOLDER)).read_only().open();
    templates.put_in_force(changed.own.clone());
    changed
}

/// Says in alarms what is refused, and looks again until the hub stops.
pub async fn run(
    mut folder: Folder,
    opened: Changed,
    templates: Arc<Templates>,
    storage: Storage,
    fleet: Arc<Fleet>,
    mut stop: watch::Receiver<bool>,
) {
    let mut untold = tell(&storage, &fleet, &opened, false).await.is_err().then_some(opened);
    while !*stop.borrow() {
        tokio::select! {
            _ = stop.changed() => break,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        // Reading files blocks, and a network drive may block long.
        let looked = tokio::task::spawn_blocking(move || {
            let changed = folder.look();
            (folder, changed)
        });
        let changed;
        (folder, changed) = match looked.await {
            Ok(looked) => looked,
            Err(error) => {
                error!(code = "templates-watch", %error, "templates are not looked at any more");
                return;
            }
        };
        if let Some(changed) = changed {
            templates.put_in_force(changed.own.clone());
            untold = Some(changed);
        }
        if let Some(changed) = &untold
            && tell(&storage, &fleet, changed, true).await.is_ok()
        {
            untold = None;
        }
    }
}

/// Storage may be full: then it is told with the next look. What failed before a change is another template's.
async fn tell(
    storage: &Storage,
    fleet: &Fleet,
    changed: &Changed,
    is_change: bool,
) -> Result<(), StorageError> {
    let own: Vec<&str> = changed.own.values().map(|template| template.file()).collect();
    info!(own = ?own, refused = changed.refused.len(), "templates");
    for refusal in &changed.refused {
        warn!(code = REFUSED, file = %refusal.subject, reason = %refusal.detail, "a template is refused");
    }
    let refused =
        changed.refused.iter().map(|refusal| (refusal.subject.clone(), refusal.detail.clone())).collect();
    storage.set_alarms(REFUSED, refused).await?;
    if is_change {
        storage.set_alarms(FAILED, Vec::new()).await?;
    }
    fleet.touch();
    Ok(())
}
