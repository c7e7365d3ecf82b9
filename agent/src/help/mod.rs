//! Help from headquarters: what it asks of this agent is done here.
//!
//! The spool says what is next, and that it is begun is durable by then ([`crate::spool::Spool::begin_help`]). So whatever
//! happens in the middle of it, it is not done twice. A new start of the program has no outcome of its own: the next
//! life finds that it was begun, and that it runs is the evidence.

mod bundle;
pub mod parcel;

use crate::config::Config;
use crate::identity::Identity;
use crate::page::slip;
use crate::spool::{Reprint, Spool, SpoolError};
use crate::status::StatusFile;
use crate::{clock, logging};
use docket_protocol::help::{Help, HelpId, HelpOutcome, LOG_MINUTES_MAX};
use docket_protocol::ids::{PrinterName, TicketId};
use parcel::Parts;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

/// What it takes to help.
#[derive(Debug)]
pub struct Helper {
    /// The configuration.
    pub config: Config,
    /// Who this is.
    pub identity: Identity,
    /// Where requests are kept.
    pub spool: Spool,
    /// The newest state.
    pub status: watch::Receiver<Option<Arc<StatusFile>>>,
    /// Where a bundle goes.
    pub parts: Parts,
    /// Ends the program for a new start.
    pub restart: watch::Sender<bool>,
}

impl Helper {
    /// Does what is asked, until `stop` becomes true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            result = self.serve() => if let Err(error) = result {
                // The agent is stopping.
                tracing::debug!(%error, "no more help");
            },
            _ = stop.wait_for(|stopping| *stopping) => {}
        }
    }

    async fn serve(self) -> Result<(), SpoolError> {
        let Helper { config, identity, spool, status, parts, restart } = self;
        let parts = Arc::new(Mutex::new(parts));
        // A bundle takes long on a slow line, and nothing else waits for it.
        let mut bundles: JoinSet<(HelpId, HelpOutcome)> = JoinSet::new();
        let mut asked = spool.helps();
        spool.settle_helps().await?;
        loop {
            while let Some(request) = spool.begin_help().await? {
                let id = request.id;
                info!(help = %id, what = %request.what, "headquarters asks");
                let outcome = match request.what {
                    Help::Bundle => {
                        let (config, identity) = (config.clone(), identity.clone());
                        let (status, parts) = (status.borrow().clone(), Arc::clone(&parts));
                        bundles.spawn(async move {
                            let sent = send_bundle(config, identity, status, id, &parts).await;
                            (id, if sent { HelpOutcome::Done } else { HelpOutcome::Failed })
                        });
                        continue;
                    }
                    Help::TestPage { printer } => {
                        let status = status.borrow().clone();
                        test_page(&config, &spool, status, printer).await?
                    }
                    Help::Reprint { ticket, printer } => reprint(&spool, ticket, printer).await?,
                    Help::LogLevel { level, minutes } => {
                        let time = Duration::from_secs(60 * u64::from(minutes.min(LOG_MINUTES_MAX)));
                        if logging::raise(level, time) { HelpOutcome::Done } else { HelpOutcome::Failed }
                    }
                    Help::Restart => {
                        // What was said before is durable; the next life says the rest.
                        spool.flush().await?;
                        let _ = restart.send(true);
                        return std::future::pending().await;
                    }
                };
                spool.end_help(id, outcome).await?;
            }
            tokio::select! {
                changed = asked.changed() => if changed.is_err() { return Ok(()) },
                Some(ended) = bundles.join_next() => if let Ok((id, outcome)) = ended {
                    spool.end_help(id, outcome).await?;
                },
            }
        }
    }
}

async fn send_bundle(
    config: Config,
    identity: Identity,
    status: Option<Arc<StatusFile>>,
    help: HelpId,
    parts: &Mutex<Parts>,
) -> bool {
    match bundle::pack(config, identity, status).await {
        Ok(bundle) => {
            info!(%help, bytes = bundle.len(), "sending a bundle");
            parts.lock().await.send(help, &bundle).await
        }
        Err(error) => {
            warn!(code = "bundle-unmade", %help, %error, "no bundle");
            false
        }
    }
}

async fn test_page(
    config: &Config,
    spool: &Spool,
    status: Option<Arc<StatusFile>>,
    printer: PrinterName,
) -> Result<HelpOutcome, SpoolError> {
    let printers = config.in_force();
    let Some(known) = printers.get(printer.as_str()) else { return Ok(HelpOutcome::UnknownPrinter) };
    let ticket = slip::test_page(known, status.as_deref(), clock::now());
    match spool.print_here(ticket, printer).await {
        Ok(()) => Ok(HelpOutcome::Done),
        Err(SpoolError::UnknownPrinter { .. }) => Ok(HelpOutcome::UnknownPrinter),
        Err(error) => Err(error),
    }
}

async fn reprint(
    spool: &Spool,
    ticket: TicketId,
    printer: Option<PrinterName>,
) -> Result<HelpOutcome, SpoolError> {
    match spool.reprint(ticket, printer).await {
        Ok(Reprint::Queued | Reprint::Unmarked | Reprint::Moved) => Ok(HelpOutcome::Done),
        Ok(Reprint::Waiting) => Ok(HelpOutcome::TicketWaiting),
        Ok(Reprint::Unknown) => Ok(HelpOutcome::UnknownTicket),
        Err(SpoolError::UnknownPrinter { .. }) => Ok(HelpOutcome::UnknownPrinter),
        Err(error) => Err(error),
    }
}
