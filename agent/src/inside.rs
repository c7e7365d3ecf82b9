//! What is opened anew when the printers change: the spool, the printers, the link and the reporter.

use crate::config::Config;
use crate::identity::Identity;
use crate::link::{LinkOptions, run_link, tls};
use crate::page::Shown;
use crate::printing::{PrinterConfig, SHUTDOWN_MS_MAX, run_printer, unknown_health};
use crate::spool::{Spool, SpoolOptions};
use crate::status::Reporter;
use crate::{AgentError, boot, clock, requests};
use docket_protocol::message::AgentStatus;
use docket_protocol::printer::{Condition, PrinterHealth, Since};
use docket_protocol::session::LinkState;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, warn};

/// How long printers may take to finish what they have begun: longer than each takes for itself.
const PRINTERS_MS_MAX: u64 = 2 * SHUTDOWN_MS_MAX;
/// How long what was asked before may take to be stored; on a full disk it takes until there is room.
const FLUSH_MS_MAX: u64 = 3_000;
/// How often a journal that cannot be opened is tried again.
const JOURNAL_RETRY_MS: u64 = 5_000;

/// Runs until `stop` becomes true: first the printers finish what they have begun, then the reports are sent. Each step
/// has a limit: what is cut short is settled by the next life, as after a crash.
///
/// # Errors
/// Where it cannot begin, or a printer's task ends unasked.
pub async fn run(
    config: &Config,
    identity: &Identity,
    shown: &Shown,
    mut stop: watch::Receiver<bool>,
) -> Result<(), AgentError> {
    let tls = tls::link_config(identity)?;
    let mut options = SpoolOptions::new(config.printer_routes(), boot::id());
    options.on_unknown = config.printing.on_unknown.into();
    options.backup_after_ms = u64::from(config.printing.backup_after_s) * 1_000;
    let spool = Spool::open(&config.data, options)?;
    shown.spool.send_replace(Some(spool.clone()));

    let mut printers = JoinSet::new();
    let mut healths = Vec::new();
    let configs = config.printer_configs();
    for printer in configs.clone() {
        let (health, seen) = watch::channel(unknown_health(&printer.name));
        healths.push(seen);
        printers.spawn(with_journal(printer, spool.clone(), health, stop.clone()));
    }

    let (publish, status) = watch::channel(AgentStatus::default());
    let (show_link, link) = watch::channel(LinkState::Waiting);
    let (end, ended) = watch::channel(false);
    let hub = config.link.hub.clone().unwrap_or_else(|| identity.hub.clone());
    let options = LinkOptions { hub, tls, socket: config.link.socket };
    let reporter = Reporter {
        identity: identity.clone(),
        data: config.data.clone(),
        spool: spool.clone(),
        configs,
        printers: healths,
        link,
        page: shown.address.clone(),
        publish,
        show: shown.status.clone(),
    };
    let mut rest = JoinSet::new();
    rest.spawn(run_link(options, spool.clone(), status, show_link, ended.clone()));
    rest.spawn(reporter.run(ended.clone()));
    rest.spawn(requests::serve(config.data.clone(), spool.clone(), ended));

    tokio::select! {
        () = until_stopping(&mut stop) => {}
        Some(_) = printers.join_next() => if !is_stopping(&stop) {
            return Err(AgentError::PrinterEnded);
        }
    }
    let printed = tokio::time::timeout(Duration::from_millis(PRINTERS_MS_MAX), printers.join_all()).await;
    shown.spool.send_replace(None);
    // An error means that the storage thread is gone, and then there is nothing to wait for.
    let stored = tokio::time::timeout(Duration::from_millis(FLUSH_MS_MAX), spool.flush()).await;
    if printed.is_err() || stored.is_err() {
        warn!(code = "stop-unstored", "stopping without storing everything: the journals have it");
    }
    let _ = end.send(true);
    rest.join_all().await;
    spool.close().await;
    Ok(())
}

/// Runs a printer once its journal can be used. Until then it is out, and only it: nothing may be printed of which a
/// crash could not be settled.
async fn with_journal(
    printer: PrinterConfig,
    spool: Spool,
    health: watch::Sender<PrinterHealth>,
    mut stop: watch::Receiver<bool>,
) {
    let counts = spool.counts();
    loop {
        let error = match spool.journal(&printer.name) {
            Ok(journal) => return run_printer(printer, spool, journal, health, stop).await,
            Err(error) => error,
        };
        let is_new = health.borrow().prints();
        if is_new {
            let cause = &error.source;
            error!(code = "journal-failed", printer = %printer.name, %error, %cause, "this printer is out");
        }
        health.send_modify(|health| {
            if is_new {
                health.conditions = vec![Since { condition: Condition::Journal, since: clock::now() }];
            }
            health.waiting = counts.borrow().waiting_for(&printer.name);
        });
        tokio::select! {
            () = until_stopping(&mut stop) => return,
            () = tokio::time::sleep(Duration::from_millis(JOURNAL_RETRY_MS)) => {}
        }
    }
}

async fn until_stopping(stop: &mut watch::Receiver<bool>) {
    // An error is a sender that is gone: the agent ends.
    let _ = stop.wait_for(|&stopping| stopping).await;
}

fn is_stopping(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}
