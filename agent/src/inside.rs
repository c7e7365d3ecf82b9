//! What is opened anew when the printers change: the spool, the printers, the link and the reporter.

use crate::config::Config;
use crate::help::Helper;
use crate::help::parcel;
use crate::identity::Identity;
use crate::link::credentials::Credentials;
use crate::link::reach::Roads;
use crate::link::record::Record;
use crate::link::{LinkShown, Passage, Told, run_link, tls};
use crate::page::Shown;
use crate::printing::{Kept, PrinterConfig, SHUTDOWN_MS_MAX, run_printer, unknown_health};
use crate::spool::{Spool, SpoolOptions};
use crate::status::Reporter;
use crate::{AgentError, boot, clock, requests};
use docket_protocol::message::AgentStatus;
use docket_protocol::printer::{Condition, PrinterHealth, Since};
use docket_protocol::storage::StorageReport;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tracing::{error, warn};

/// How long printers may take to finish what they have begun: longer than each takes for itself.
const PRINTERS_MS_MAX: u64 = 2 * SHUTDOWN_MS_MAX;
/// How long what was asked before may take to be stored; on a full disk it takes until there is room.
const FLUSH_MS_MAX: u64 = 3_000;
/// How often a journal that cannot be opened is tried again.
const JOURNAL_RETRY_MS: u64 = 5_000;

/// What goes on when everything else is opened anew.
#[derive(Debug)]
pub struct GoesOn {
    /// Printers with their connections.
    pub printers: Vec<Kept>,
    /// What the link has learnt.
    pub link: Record,
}

/// Runs until it is told which printers will go on, its sender is gone, or the spool has turned out to be damaged, and
/// then all of them go on. Those are given back as they are; the others finish what they have begun; then the reports are
/// sent. Each step has a limit: what is cut short is settled by the next life, as after a crash. `before` is what was
/// given back the last time.
///
/// # Errors
/// Where it cannot begin, or a printer's task ends unasked.
pub async fn run(
    config: Config,
    identity: &Identity,
    shown: &Shown,
    before: GoesOn,
    restart: watch::Sender<bool>,
    until: oneshot::Receiver<Vec<PrinterConfig>>,
) -> Result<GoesOn, AgentError> {
    let GoesOn { printers: mut kept, link: record } = before;
    // It may have been renewed since.
    let identity = &identity.refreshed(&config.data);
    let hub = config.hub(identity);
    let roads = Roads::to(hub, &config.link, tls::link_config(identity)?);
    let credentials = Credentials::new(identity.clone(), config.data.clone());
    let boot = boot::id();
    let mut options = SpoolOptions::new(config.printer_routes(), Some(boot.clone()));
    options.on_unknown = config.printing.on_unknown.into();
    options.late = config.printing.late_rule();
    options.bytes_max = u64::from(config.storage.spool_mib) << 20;
    options.retention_days = config.storage.keep_days;
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
            printers.spawn(kept.go_on(printer, spool.clone(), stopped));
        } else {
            let (health, seen) = watch::channel(unknown_health(&printer.name));
            healths.push(seen);
            printers.spawn(with_journal(printer, spool.clone(), boot.clone(), health, stopped));
        }
    }

    let (publish, status) = watch::channel(AgentStatus::default());
    let (publish_storage, storage) = watch::channel(StorageReport::default());
    let (show_link, link) = watch::channel(LinkShown::default());
    let (end, ended) = watch::channel(false);
    let reporter = Reporter {
        identity: identity.clone(),
        data: config.data.clone(),
        spool: spool.clone(),
        configs: configs.clone(),
        printers: healths,
        link,
        page: shown.address.clone(),
        publish,
        publish_storage,
        show: shown.status.clone(),
    };
    let mut rest = JoinSet::new();
    let (parts, parcel) = parcel::channel();
    let helper = Helper {
        config: config.clone(),
        identity: identity.clone(),
        spool: spool.clone(),
        status: shown.status.subscribe(),
        parts,
        restart,
    };
    let told = Told { status, storage };
    let passage = Passage { roads, credentials, record };
    let linked = run_link(passage, spool.clone(), parcel, told, show_link, ended.clone());
    let linked = tokio::spawn(linked);
    rest.spawn(helper.run(ended.clone()));
    rest.spawn(reporter.run(ended.clone()));
    rest.spawn(requests::serve(config.data.clone(), spool.clone(), ended));

    let (going_on, is_damaged) = tokio::select! {
        going_on = until => (going_on.unwrap_or_default(), false),
        () = spool.damaged() => (configs, true),
        Some(_) = printers.join_next() => return Err(AgentError::PrinterEnded),
    };
    let goes_on = |(printer, _): &(PrinterConfig, _)| going_on.iter().any(|next| next.is_same_unit(printer));
    let (going_on, leaving): (Vec<_>, Vec<_>) = stops.into_iter().partition(goes_on);
    for (_, stop) in &leaving {
        // An error is a task that has ended.
        let _ = stop.send(true);
    }
    let ended = async {
        for _ in &leaving {
            let _ = printers.join_next().await;
        }
        // Until now they were looked after.
        drop(going_on);
        while let Some(ended) = printers.join_next().await {
            kept.extend(ended.ok().flatten());
        }
    };
    let printed = tokio::time::timeout(Duration::from_millis(PRINTERS_MS_MAX), ended).await;
    // What has not ended by now is cut short.
    drop(printers);
    shown.spool.send_replace(None);
    // An error means that the storage thread is gone, and then there is nothing to wait for.
    let patience = if is_damaged { Duration::ZERO } else { Duration::from_millis(FLUSH_MS_MAX) };
    let stored = tokio::time::timeout(patience, spool.flush()).await;
    if printed.is_err() || stored.is_err() {
        warn!(code = "stop-unstored", "stopping without storing everything: the journals have it");
    }
    let _ = end.send(true);
    let record = linked.await;
    rest.join_all().await;
    spool.close().await;
    // It does not panic, and nobody aborts it; were it so, what it has counted would begin anew.
    let link = record.unwrap_or_else(|_| link_record(&config, identity));
    Ok(GoesOn { printers: kept, link })
}

/// What the link of an earlier life has left.
pub fn link_record(config: &Config, identity: &Identity) -> Record {
    let tcp = config.link.fallback_of(config.hub(identity)).is_some();
    Record::read(&config.data, tcp, config.link.quic_again())
}

/// Runs a printer once its journal can be used. Until then it is out, and only it: nothing may be printed of which a
/// crash could not be settled.
async fn with_journal(
    printer: PrinterConfig,
    spool: Spool,
    boot: String,
    health: watch::Sender<PrinterHealth>,
    mut stop: watch::Receiver<bool>,
) -> Option<Kept> {
    let counts = spool.counts();
    loop {
        let error = match spool.journal(&printer.name).and_then(|journal| journal.in_boot(Some(&boot))) {
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
            // An error is a sender that is gone: another spool follows.
            _ = stop.wait_for(|&stopping| stopping) => return None,
            () = tokio::time::sleep(Duration::from_millis(JOURNAL_RETRY_MS)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::Counter;
    use crate::page;
    use docket_protocol::enrol::Grant;
    use docket_protocol::ids::{AgentId, StoreId};
    use std::sync::Arc;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn identity() -> Identity {
        let own = rcgen::generate_simple_self_signed(vec!["agent".to_owned()]).unwrap();
        let certificate = own.cert.der().to_vec();
        let grant = Grant {
            agent: AgentId::new("agent"),
            store: StoreId::new("S1"),
            store_name: "测试面馆".into(),
            ca: certificate.clone(),
            certificate,
            tag: [0; 32],
        };
        Identity::new(grant, "127.0.0.1:9".into(), own.signing_key.serialize_der())
    }

    #[tokio::test]
    async fn without_its_storage_thread_the_agent_ends_and_is_not_deaf() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        let printers = ["kitchen", "front"].map(|name| {
            format!(
                "[[printer]]\nname = \"{name}\"\naddress = \"serial:{name}\"\ndefault = {}\n",
                name == "front"
            )
        });
        let text = format!("data = \"data\"\n[page]\nlisten = \"127.0.0.1:0\"\n{}", printers.concat());
        std::fs::write(&path, text).unwrap();
        let config = Config::read(&path).unwrap();
        std::fs::create_dir_all(&config.data).unwrap();
        let (_stop, stopped) = watch::channel(false);
        let identity = identity();
        let (_rules, in_force) = watch::channel(Arc::new(config.rules().unwrap()));
        let (shown, _page) = page::start(&config, Counter::of(&identity, in_force), stopped);
        let (_until, asked_to_end) = oneshot::channel();
        let mut spools = shown.spool.subscribe();
        let loses_its_storage = async {
            let spool = spools.wait_for(Option::is_some).await.unwrap().clone().unwrap();
            spool.close().await;
        };
        let before = GoesOn { printers: Vec::new(), link: link_record(&config, &identity) };
        let (restart, _asked) = watch::channel(false);
        let running = run(config, &identity, &shown, before, restart, asked_to_end);
        let running = tokio::time::timeout(PATIENCE, running);
        let (ended, ()) = tokio::join!(running, loses_its_storage);
        let error = ended.expect("it goes on without storage").err().unwrap();
        assert!(matches!(error, AgentError::PrinterEnded), "{error}");
        let said = error.to_string();
        assert!(said.starts_with("printer-ended") && said.contains("请重新启动"), "{said}");
    }
}
