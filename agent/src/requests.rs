//! What a person asks of the running agent from the command line: an empty file in a folder of the data
//! folder, named for what is asked. Whoever may write there may ask; nothing has to listen for it.

use crate::spool::Spool;
use docket_protocol::ids::TicketId;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tracing::{info, warn};

const FOLDER: &str = "requests";
/// How often is looked while there is anything to release; otherwise never.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Held tickets that are released at once.
const RELEASE_MAX: usize = 1_000;
/// Stands for all tickets.
const ALL: &str = "all";

/// Asks the running agent to print a held ticket again, marked; `None` is all of them.
///
/// # Errors
/// Where the data folder cannot be written.
pub fn ask_release(data: &Path, ticket: Option<&str>) -> std::io::Result<()> {
    let folder = data.join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(format!("release-{}", ticket.unwrap_or(ALL))), b"")
}

/// Does what is asked, until `stop` becomes true.
pub async fn serve(data: PathBuf, spool: Spool, mut stop: watch::Receiver<bool>) {
    let folder = data.join(FOLDER);
    let mut counts = spool.counts();
    loop {
        if counts.borrow().held == 0 {
            tokio::select! {
                waiting = counts.wait_for(|counts| counts.held > 0) => if waiting.is_err() { return },
                _ = stop.wait_for(|stopping| *stopping) => return,
            }
            // Who asked while nothing waited has not seen what waits now.
            for path in asked(&folder) {
                remove(&path);
            }
        }
        look(&folder, &spool).await;
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
    }
}

async fn look(folder: &Path, spool: &Spool) {
    for path in asked(folder) {
        if let Some(wanted) = path.file_name().and_then(|name| name.to_str()?.strip_prefix("release-"))
            && let Ok(held) = spool.held(RELEASE_MAX).await
        {
            for held in held.into_iter().filter(|held| wanted == ALL || held.ticket.to_string() == wanted) {
                release(spool, held.ticket).await;
            }
        }
        remove(&path);
    }
}

fn asked(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        warn!(code = "request-file", %error, path = %path.display(), "a request cannot be removed");
    }
}

async fn release(spool: &Spool, ticket: TicketId) {
    match spool.release(ticket).await {
        Ok(true) => info!(%ticket, "a held ticket goes back to its queue"),
        Ok(false) => info!(%ticket, "the ticket is not held any more"),
        Err(error) => warn!(%ticket, %error, "a held ticket was not released"),
    }
}
