//! What is opened anew when the printers change: the spool, the printers, the link and the reporter.

use crate::config::Config;
use crate::identity::Identity;
use crate::link::{LinkOptions, run_link, tls};
use crate::page::Shown;
use crate::printing::{Kept, PrinterConfig, run_printer, unknown_health};
use crate::spool::{Spool, SpoolOptions};
use crate::status::Reporter;
use crate::{AgentError, boot, requests};
use docket_protocol::message::AgentStatus;
use docket_protocol::session::LinkState;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// Runs until it is told which printers will go on, or its sender is gone. Those are given back as they are; the others
/// finish what they have begun; then the reports are sent. `kept` are those that were given back the last time.
///
/// # Errors
/// Where it cannot begin.
pub async fn run(
    config: Config,
    identity: &Identity,
    shown: &Shown,
    mut kept: Vec<Kept>,
    until: oneshot::Receiver<Vec<PrinterConfig>>,
) -> Result<Vec<Kept>, AgentError> {
    let tls = tls::link_config(identity)?;
    let mut options = SpoolOptions::new(config.printer_routes(), boot::id());
    options.on_unknown = config.printing.on_unknown.into();
    options.backup_after_ms = u64::from(config.printing.backup_after_s) * 1_000;
    let spool = Spool::open(&config.data, options)?;
    shown.spool.send_replace(Some(spool.clone()));

    let mut printers = JoinSet::new();
    let (mut healths, mut stops) = (Vec::new(), Vec::new());
    let configs = config.printer_configs();
    for printer in configs.clone() {
        let (stop, stopped) = watch::channel(false);
        stops.push((printer.clone(), stop));
        if let Some(place) = kept.iter().position(|kept| kept.is(&printer)) {
            let kept = kept.swap_remove(place);
            healths.push(kept.health());
            printers.spawn(kept.go_on(spool.clone(), stopped));
        } else {
            let journal = spool.journal(&printer.name)?;
            let (health, seen) = watch::channel(unknown_health(&printer.name));
            healths.push(seen);
            printers.spawn(run_printer(printer, spool.clone(), journal, health, stopped));
        }
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

    let going_on = until.await.unwrap_or_default();
    for (printer, stop) in stops {
        if !going_on.iter().any(|next| next.is_same_unit(&printer)) {
            // An error is a task that has ended.
            let _ = stop.send(true);
        }
    }
    let kept = printers.join_all().await.into_iter().flatten().collect();
    shown.spool.send_replace(None);
    // An error means that the storage thread is gone, and then there is nothing to wait for.
    let _ = spool.flush().await;
    let _ = end.send(true);
    rest.join_all().await;
    spool.close().await;
    Ok(kept)
}
