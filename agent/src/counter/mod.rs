//! The local order API: the counter's own software on this PC gives orders and ready tickets, asks what became of
//! them, cancels, has tickets printed again, and listens. HTTP and JSON on the loopback, beside the local page.
//!
//! * `routes` is the table of what can be asked, and who may ask: programs on this PC that know the token (`token`),
//!   whatever the page does for other devices. A browser's page knows no token, and is refused besides.
//! * `order` and `ticket` read what is given; `problem` says what is wrong with it, by field.
//! * `handlers` does it, `view` shows it, `events` tells changes.
//! * `openapi.json` says all of it to programs; a test holds it against the table and real answers.
//!
//! # What survives a crash
//! An answer comes after the commit that holds the order, its tickets and the answer itself ([`crate::spool::counter`]).
//! A till that heard nothing asks again under the same key, however often and whenever, and it is done once.
//!
//! # Without a link
//! An order is routed here, by [`Rules`], and waits for the hub in the spool. Nothing in this folder knows whether there
//! is a link.
//!
//! Rejected: a port of its own (one more to be free, and one more set of bounds); taking an order and routing it later
//! (a till wants to hear of a dish without station now); a user name and password (a file that this user may read is
//! what the system can protect).

mod events;
mod handlers;
mod order;
mod problem;
mod routes;
mod ticket;
mod token;
mod view;

pub use events::STREAMS_MAX;
pub use handlers::WAITING_MAX;
pub(crate) use routes::BASE;
pub use routes::{BODY_BYTES_MAX, routes};
pub use token::{FILE as TOKEN_FILE, renew, token};

use crate::identity::Identity;
use crate::spool::Spool;
use docket_protocol::ids::{AgentId, StoreId};
use docket_routing::Routing;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::watch;
use tracing::error;

/// By what the store prints: what is in force now. Whoever changes it swaps it whole; an order is routed by one set of
/// rules from beginning to end.
pub type Rules = watch::Receiver<Arc<Routing>>;

/// Whose counter it is.
#[derive(Debug, Clone)]
pub struct Counter {
    /// The agent: its id is in the orders' keys.
    pub agent: AgentId,
    /// The store.
    pub store: StoreId,
    /// The store's name, for slips.
    pub store_name: String,
    /// The store's rules.
    pub rules: Rules,
}

impl Counter {
    /// An enrolled agent's.
    pub fn of(identity: &Identity, rules: Rules) -> Self {
        Counter {
            agent: identity.agent.clone(),
            store: identity.store.clone(),
            store_name: identity.store_name.clone(),
            rules,
        }
    }
}

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Api {
    counter: Counter,
    data: PathBuf,
    spool: watch::Receiver<Option<Spool>>,
    stop: watch::Receiver<bool>,
    streams: Arc<AtomicUsize>,
}

impl Api {
    /// Makes the token where there is none. What keeps it from being made does not keep the agent from printing.
    pub(crate) fn new(
        counter: Counter,
        data: PathBuf,
        spool: watch::Receiver<Option<Spool>>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        if let Err(cause) = token::make(&data) {
            error!(code = "api-token", %cause, "no local order API: check who may write the data folder");
        }
        Api { counter, data, spool, stop, streams: Arc::default() }
    }
}
