//! Looks at a chain's folder of templates again and again.
//!
//! Polling, not the system's notifications: they do not come over a network drive, and a slip that looks new
//! two seconds later is early enough. A signal (SIGHUP) was rejected: who changes a slip is seldom who may send one.
//!
//! A drive may answer late or never, and who waits for it cannot be stopped. So the hub starts with the last good
//! copies, looks at the folder itself only once it serves, does so on a thread that nothing waits for when the hub
//! ends (`spawn_blocking` is waited for), and says so where a look takes too long.

use super::Templates;
use super::folder::{Changed, Folder, Refusal};
use crate::fleet::Fleet;
use crate::storage::Storage;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

/// From look to look. A change counts after the second one that sees it.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A look that takes longer is told as a fault: it takes milliseconds, and a second or two more for each file
/// whose trial has to be ended.
pub const LOOK_MAX: Duration = Duration::from_secs(10);
/// What is said of a folder that does not answer.
const LATE: &str = "templates-folder: 文件夹没有响应,现用的小票不变;请检查网络盘 / it does not answer, and nothing changes; check its \
                    drive";
/// The alarm of a file that is refused.
pub const REFUSED: &str = "template-refused";
/// The alarm of a template that failed with an order.
pub const FAILED: &str = "template-failed";

/// Looks until the hub stops, and says in alarms what is refused.
pub async fn run(
    folder: Folder,
    templates: Arc<Templates>,
    storage: Storage,
    fleet: Arc<Fleet>,
    mut stop: watch::Receiver<bool>,
) {
    let mut alarms = Alarms { subject: folder.subject(), refused: Vec::new(), untold: None, storage, fleet };
    let mut looks = match start(folder) {
        Ok(looks) => looks,
        Err(error) => return error!(code = "templates-watch", %error, "templates are not looked at"),
    };
    let (mut is_first, mut is_late) = (true, false);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(LOOK_MAX), if !is_late => {
                is_late = true;
                alarms.untold.get_or_insert(false);
            }
            looked = looks.recv() => match looked {
                Some(Some(changed)) => {
                    templates.put_in_force(changed.own.clone());
                    alarms.changed(changed, !is_first);
                    (is_first, is_late) = (false, false);
                }
                Some(None) => {
                    if is_late {
                        alarms.untold.get_or_insert(false);
                    }
                    is_late = false;
                }
                None => return error!(code = "templates-watch", "templates are not looked at any more"),
            },
        }
        alarms.tell(is_late).await;
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could say so is gone: that is the end as well.
    let _ = stop.wait_for(|is_stopping| *is_stopping).await;
}

/// Looks on a thread of its own; `None` where nothing is different from before.
fn start(mut folder: Folder) -> io::Result<mpsc::Receiver<Option<Changed>>> {
    let (looked, looks) = mpsc::channel(1);
    let look_on = move || {
        let mut look = Some(folder.open());
        while looked.blocking_send(look).is_ok() {
            thread::sleep(LOOK_INTERVAL);
            look = folder.look();
        }
    };
    thread::Builder::new().name("templates".into()).spawn(look_on)?;
    Ok(looks)
}

/// What people are told.
struct Alarms {
    /// The folder, as people know it.
    subject: String,
    refused: Vec<Refusal>,
    /// Whether there is something to be told, and whether it is of a change: what failed before one is another
    /// template's. Storage may be full: then it is told with the next look.
    untold: Option<bool>,
    storage: Storage,
    fleet: Arc<Fleet>,
}

impl Alarms {
    fn changed(&mut self, changed: Changed, is_change: bool) {
        let own: Vec<&str> = changed.own.values().map(|template| template.file()).collect();
        info!(own = ?own, refused = changed.refused.len(), "templates");
        for refusal in &changed.refused {
            warn!(code = REFUSED, file = %refusal.subject, reason = %refusal.detail, "a template is refused");
        }
        self.refused = changed.refused;
        self.untold = Some(is_change || self.untold == Some(true));
    }

    async fn tell(&mut self, is_late: bool) {
        let Some(is_change) = self.untold else { return };
        let mut refused: Vec<(String, String)> =
            self.refused.iter().map(|refusal| (refusal.subject.clone(), refusal.detail.clone())).collect();
        if is_late {
            warn!(code = REFUSED, folder = %self.subject, "a folder of templates does not answer");
            refused.push((self.subject.clone(), LATE.to_owned()));
        }
        let mut told = self.storage.set_alarms(REFUSED, refused).await;
        if is_change && told.is_ok() {
            told = self.storage.set_alarms(FAILED, Vec::new()).await;
        }
        if told.is_ok() {
            self.untold = None;
            self.fleet.touch();
        }
    }
}
