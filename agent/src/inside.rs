//! What is opened anew when the printers change: the spool, the printers, the link and the reporter.

use crate::config::Config;
use crate::identity::Identity;
use crate::link::{LinkOptions, run_link, tls};
use crate::page::Shown;
use crate::printing::{run_printer, unknown_health};
use crate::spool::{Spool, SpoolOptions};
use crate::status::Reporter;
use crate::{AgentError, boot, requests};
use docket_protocol::message::AgentStatus;
use docket_protocol::session::LinkState;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Runs until `stop` becomes true: first the printers finish what they have begun, then the reports are sent.
///
/// # Errors
/// Where it cannot begin.
pub async fn run(
    config: &Config,
    identity: &Identity,
    shown: &Shown,
    stop: watch::Receiver<bool>,
) -> Result<(), AgentError> {
    let tls = tls::link_config(identity)?;
    let boot = boot::id();
    let mut options = SpoolOptions::new(config.printer_routes(), boot.clone());
    options.on_unknown = config.printing.on_unknown.into();
    options.backup_after_ms = u64::from(config.printing.backup_after_s) * 1_000;
    let spool = Spool::open(&config.data, options)?;
    shown.spool.send_replace(Some(spool.clone()));

    let mut printers = JoinSet::new();
    let mut healths = Vec::new();
    let configs = config.printer_configs();
    for printer in configs.clone() {
        let journal = spool.journal(&printer.name)?.in_boot(boot.as_deref())?;
        let (health, seen) = watch::channel(unknown_health(&printer.name));
        healths.push(seen);
        printers.spawn(run_printer(printer, spool.clone(), journal, health, stop.clone()));
    }
    // A store without a printer waits for its first one.
    let mut waited = stop;
    printers.spawn(async move {
        let _ = waited.wait_for(|stopping| *stopping).await;
    });

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

    printers.join_all().await;
    shown.spool.send_replace(None);
    // An error means that the storage thread is gone, and then there is nothing to wait for.
    let _ = spool.flush().await;
    let _ = end.send(true);
    rest.join_all().await;
    spool.close().await;
    Ok(())
}
