//! The local page: what is wrong at this store's printers and what to do, for staff who are not technicians.
//!
//! * `server` is HTTP with bounds; `guard` and [`pin`] say who may talk to it; `routes` maps requests to what
//!   is done, and does nothing itself.
//! * `view` makes of the agent's state what is shown, `trouble` puts what is wrong in order; both are pure. `live`
//!   pushes it: server-sent events, whenever something changes.
//! * `printers` adds and changes printers, `tickets` prints again and settles, `preview` shows a ticket as it comes out,
//!   `search` finds printers.
//! * `assets` are the page's own files. They draw what comes as JSON; nothing comes from elsewhere.
//!
//! # What survives a crash
//! What was answered: a printer is in `printers.toml` before its answer, a ticket's change in the spool. A search and
//! who looks at the page are forgotten.
//!
//! # Stale is never green
//! The page hears the agent's clock every two seconds. When it does not, or when the state is older than the agent
//! would let it become, it loses its colours and says so (`assets/live.js`).
//!
//! Rejected: axum, which the hub uses (two dozen routes are one `match`, and a router and its layers are bytes in every
//! store); HTML made here, as the hub makes it (the API has to be there anyway, for the tills of a store, and a browser
//! draws from it what costs the agent nothing).

mod assets;
pub(crate) mod guard;
mod live;
pub mod pin;
mod preview;
mod printers;
pub(crate) mod reply;
mod routes;
mod search;
mod server;
pub(crate) mod slip;
mod tickets;
mod trouble;
mod view;
pub(crate) mod words;

pub use live::{LAN_VIEWERS_MAX, VIEWERS_MAX};
pub use server::CONNECTIONS_MAX;

use crate::config::{Config, PrinterEntry};
use crate::counter::{Api, Counter};
use crate::printers::{Added, Printers};
use crate::spool::{Spool, SpoolError, Storing};
use crate::status::StatusFile;
use live::Live;
use pin::Door;
use reply::Refused;
use search::Search;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::error;

/// How long a person waits for the disk before it is said that it takes its time.
const STORE_MAX: Duration = Duration::from_secs(3);

/// What the rest of the agent tells the page, and the page's address. It outlives what is opened anew when the
/// printers change.
#[derive(Debug)]
pub struct Shown {
    /// The printers as headquarters has set them.
    pub set: watch::Sender<Vec<PrinterEntry>>,
    /// The spool; `None` while it is being opened.
    pub spool: watch::Sender<Option<Spool>>,
    /// How things are.
    pub status: watch::Sender<Option<Arc<StatusFile>>>,
    /// Where the page listens.
    pub address: watch::Receiver<Option<SocketAddr>>,
}

/// The running page.
#[derive(Debug)]
pub struct Page {
    /// The printers that staff have added; changes when they change them.
    pub printers: watch::Receiver<Added>,
    server: JoinHandle<()>,
}

impl Page {
    /// Waits until the server has ended, which it does when the agent stops.
    pub async fn ended(self) {
        // A task that was cancelled has ended too.
        let _ = self.server.await;
    }
}

/// Starts the page, and the counter's API beside it. To be called within the runtime. What keeps the page from running does not keep the agent from
/// printing: it is said in the log.
pub fn start(config: &Config, counter: Counter, stop: watch::Receiver<bool>) -> (Shown, Page) {
    let (added, printers) = watch::channel(config.added.clone());
    let (set, see_set) = watch::channel(config.from_hq().to_vec());
    let (spool, see_spool) = watch::channel(None);
    let (status, see_status) = watch::channel(None);
    let (address, see_address) = watch::channel(None);
    let app = Arc::new(App {
        data: config.data.clone(),
        lan: config.page.lan,
        door: config.page.lan.then(|| open_door(config)).flatten().map(Mutex::new),
        fixed: config.printers.clone(),
        set: see_set,
        added,
        api: Api::new(counter, config.data.clone(), see_spool.clone(), stop.clone()),
        spool: see_spool,
        status: see_status,
        search: Search::new(config.page.search.clone()),
        live: Live::default(),
        stop: stop.clone(),
    });
    tokio::spawn(live::render_always(Arc::clone(&app)));
    let server = tokio::spawn(server::serve(config.page.address(), app, address, stop));
    (Shown { set, spool, status, address: see_address }, Page { printers, server })
}

/// Without it only this PC comes in.
fn open_door(config: &Config) -> Option<Door> {
    match Door::open(&config.data) {
        Ok(door) => Some(door),
        Err(cause) => {
            error!(code = "page-pin", %cause, "the PIN cannot be kept: the page is for this PC only; check who may write the data folder");
            None
        }
    }
}

/// What the handlers share.
#[derive(Debug)]
struct App {
    data: PathBuf,
    lan: bool,
    door: Option<Mutex<Door>>,
    fixed: Vec<PrinterEntry>,
    /// What headquarters has set.
    set: watch::Receiver<Vec<PrinterEntry>>,
    added: watch::Sender<Added>,
    spool: watch::Receiver<Option<Spool>>,
    status: watch::Receiver<Option<Arc<StatusFile>>>,
    search: Search,
    api: Api,
    live: Live,
    stop: watch::Receiver<bool>,
}

impl App {
    /// The printers in force.
    fn printers(&self) -> Printers {
        Printers::merge(&self.fixed, &self.set.borrow(), &self.added.borrow())
    }

    /// The spool as it is now; while it is being opened there is none for a second or two.
    fn spool(&self) -> Result<Spool, Refused> {
        self.spool.borrow().clone().ok_or_else(Refused::busy)
    }

    /// The spool, to have it store something.
    fn spool_with_room(&self) -> Result<Spool, Refused> {
        with_room(self.spool()?)
    }
}

/// Where nothing can be stored, nothing more is taken: it would wait, a person would press again, and all of it would be
/// done later. A spool at its bound has room for what comes of its tickets.
fn with_room(spool: Spool) -> Result<Spool, Refused> {
    let storing = spool.counts().borrow().storing;
    if storing.fails() && storing != Storing::AtBound { Err(Refused::unstored(storing)) } else { Ok(spool) }
}

/// What the spool is to store, or word that it takes longer than a person waits.
async fn stored<T>(storing: impl Future<Output = Result<T, SpoolError>>) -> Result<T, Refused> {
    Ok(timeout(STORE_MAX, storing).await.map_err(|_| Refused::delayed())??)
}
