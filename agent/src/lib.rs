//! The agent: the program on a store's cashier PC. It takes tickets from the hub, keeps them, and gets them
//! out of the printers, whatever the network does.
//!
//! [`run`] is the whole program behind the command line. Its parts:
//!
//! * [`link`] holds the session with the hub; [`enrol`] and [`identity`] are how the two know each other.
//! * [`spool`] keeps tickets and reports; nothing is acknowledged before it is there.
//! * [`printing`] gets tickets onto paper and knows how it is known; [`discovery`] finds the printers.
//! * [`status`] tells the hub and the people on this PC how things are.

mod boot;
pub mod cli;
pub mod clock;
pub mod config;
pub mod discovery;
pub mod enrol;
pub mod identity;
pub mod link;
pub mod printing;
pub mod requests;
pub mod spool;
pub mod status;

use config::Config;
use docket_protocol::message::AgentStatus;
use docket_protocol::session::LinkState;
use identity::{Identity, IdentityError};
use link::tls::TlsError;
use link::{LinkOptions, run_link};
use printing::journal::JournalError;
use printing::queue::unknown_health;
use printing::run_printer;
use spool::{Spool, SpoolError, SpoolOptions};
use status::Reporter;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

/// Why the agent does not run.
#[derive(Debug, Error)]
pub enum AgentError {
    /// Who it is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its keys.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The spool.
    #[error("{code}: {0}; {en} ({zh})", code = .0.code(), en = .0.remedy().1, zh = .0.remedy().0)]
    Spool(#[from] SpoolError),
    /// A printer's journal.
    #[error("print-journal: {0}; check who may write the data folder (检查数据目录权限)")]
    Journal(#[from] JournalError),
}

/// Runs until `stop` becomes true: first the printers finish what they have begun, then the reports are sent.
///
/// # Errors
/// Where it cannot begin.
pub async fn run(config: Config, stop: watch::Receiver<bool>) -> Result<(), AgentError> {
    let identity = Identity::read(&config.data)?;
    let tls = link::tls::link_config(&identity)?;
    let mut options = SpoolOptions::new(config.printer_routes(), boot::id());
    options.on_unknown = config.printing.on_unknown.into();
    options.backup_after_ms = u64::from(config.printing.backup_after_s) * 1_000;
    let spool = Spool::open(&config.data, options)?;
    info!(agent = %identity.agent, store = %identity.store, "running");

    let mut printers = JoinSet::new();
    let mut healths = Vec::new();
    let configs = config.printer_configs();
    for printer in configs.clone() {
        let journal = spool.journal(&printer.name)?;
        let (health, seen) = watch::channel(unknown_health(&printer.name));
        healths.push(seen);
        printers.spawn(run_printer(printer, spool.clone(), journal, health, stop.clone()));
    }

    let (publish, status) = watch::channel(AgentStatus::default());
    let (shown, link) = watch::channel(LinkState::Waiting);
    let (end, ended) = watch::channel(false);
    let hub = config.link.hub.clone().unwrap_or_else(|| identity.hub.clone());
    let options = LinkOptions { hub, tls, socket: config.link.socket };
    let reporter = Reporter {
        identity,
        data: config.data.clone(),
        spool: spool.clone(),
        configs,
        printers: healths,
        link,
        publish,
    };
    let mut rest = JoinSet::new();
    rest.spawn(run_link(options, spool.clone(), status, shown, ended.clone()));
    rest.spawn(reporter.run(ended.clone()));
    rest.spawn(requests::serve(config.data.clone(), spool.clone(), ended));

    printers.join_all().await;
    // An error means that the storage thread is gone, and then there is nothing to wait for.
    let _ = spool.flush().await;
    let _ = end.send(true);
    rest.join_all().await;
    spool.close().await;
    info!("stopped");
    Ok(())
}
