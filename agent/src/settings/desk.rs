//! What is done with revisions as they come: the shell around [`Kept`].

use super::kept::{Came, Kept};
use crate::clock;
use crate::config::Config;
use crate::page::Shown;
use crate::printing::transport;
use crate::spool::{Spool, SpoolError};
use crate::status::StatusFile;
use docket_protocol::ids::UnixMs;
use docket_protocol::printer::Condition;
use docket_settings::bundle::Settings;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

/// How long what is inside has to be up until it counts as come up: whatever keeps a printer out for its configuration is
/// seen by then.
const PROOF_MS: u64 = 1_000;
/// How long it may take to say how its printers are.
const COME_UP_MS_MAX: u64 = 30_000;

/// When a spool that did not answer is asked again.
const AGAIN_MS: u64 = 5_000;

/// Decides about revisions.
#[derive(Debug)]
pub(crate) struct Desk {
    data: PathBuf,
    kept: Kept,
    /// When what is on trial was put in force.
    tried_at: UnixMs,
}

impl Desk {
    /// Opens what is kept. To be called once in a run of the program.
    pub(crate) fn open(data: PathBuf) -> Self {
        let mut desk = Desk { kept: Kept::open(&data), data, tried_at: clock::now() };
        if desk.kept.start() {
            desk.write();
        }
        desk
    }

    /// The settings in force, for the configuration.
    pub(crate) fn in_force(&self) -> Arc<Settings> {
        Arc::new(self.kept.settings())
    }

    /// Whether those in force have not come up yet.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.kept.is_on_trial()
    }

    /// Staff have changed the printers: headquarters is to know what of the settings this PC has otherwise.
    pub(crate) fn tell_otherwise(&mut self, config: &Config) {
        if self.kept.otherwise(config.otherwise()) {
            self.write();
        }
    }

    /// What is on trial does not come up.
    pub(crate) fn roll_back(&mut self, cause: &dyn std::fmt::Display) {
        let words = "已退回上一个设定 / the last settings are in force again";
        warn!(code = "settings-rolled-back", %cause, "settings are given up");
        self.kept.roll_back(format!("settings-rolled-back: {cause}: {words}"));
        self.write();
    }

    /// Proves, tells and takes what comes, until other settings are in force and everything has to be opened anew. To be
    /// dropped at any moment.
    pub(crate) async fn changes(&mut self, config: &Config, shown: &Shown) {
        let mut spools = shown.spool.subscribe();
        loop {
            let Ok(spool) = spools.wait_for(Option::is_some).await.map(|spool| spool.clone()) else {
                // The agent ends.
                return std::future::pending().await;
            };
            let Some(spool) = spool else { continue };
            if self.is_on_trial() {
                match self.proof(config, &shown.status).await {
                    Ok(()) => {
                        info!(revision = ?self.revision(), "settings are in force");
                        self.kept.prove(config.otherwise());
                        self.write();
                    }
                    Err(cause) => return self.roll_back(&cause),
                }
            }
            match self.next(config, &spool).await {
                Ok(true) => return,
                Ok(false) => {}
                // Another spool has what this one had; and one that cannot be read may be read later.
                Err(_) => {
                    let _ = timeout(Duration::from_millis(AGAIN_MS), spools.changed()).await;
                }
            }
        }
    }

    fn revision(&self) -> Option<u64> {
        self.kept.in_force().map(|held| held.revision)
    }

    /// Tells what came of the last one and takes the next; whether it is in force.
    async fn next(&mut self, config: &Config, spool: &Spool) -> Result<bool, SpoolError> {
        if let Some(told) = self.kept.untold().cloned() {
            spool.settle_settings(told.revision, told.outcome).await?;
            self.kept.told();
            self.write();
        }
        let mut changed = spool.settings_changed();
        changed.borrow_and_update();
        match spool.newest_settings().await? {
            Some((revision, bundle)) => Ok(self.take(config, revision, bundle)),
            None => changed.changed().await.map(|()| false).map_err(|_| SpoolError::Closed),
        }
    }

    fn take(&mut self, config: &Config, revision: u64, bundle: Vec<u8>) -> bool {
        if self.kept.came(revision, &bundle, config.otherwise()) == Came::Known {
            return false;
        }
        if let Err(cause) = check(&bundle) {
            warn!(code = "settings-refused", revision, %cause, "settings are refused");
            self.kept.refuse(revision, cause);
            self.write();
            return false;
        }
        let before = self.kept.clone();
        self.kept.try_out(revision, bundle);
        if let Err(cause) = self.kept.write(&self.data) {
            warn!(code = "settings-file", revision, %cause, "settings cannot be kept");
            self.kept = before;
            self.kept.refuse(
                revision,
                format!("settings-file: {cause}: 检查门店电脑的磁盘和数据目录权限,再发一次 / check disk and rights of the data folder, then set it again"),
            );
            return false;
        }
        info!(revision, "settings have come: opening everything anew");
        self.tried_at = clock::now();
        true
    }

    /// What cannot be written now is written with the next change: it holds in this run, and a start decides again.
    fn write(&self) {
        if let Err(error) = self.kept.write(&self.data) {
            error!(code = "settings-file", %error, "what was decided about settings is not kept");
        }
    }

    /// Waits until what is inside has come up with the settings on trial.
    async fn proof(
        &self,
        config: &Config,
        status: &watch::Sender<Option<Arc<StatusFile>>>,
    ) -> Result<(), String> {
        let names: Vec<String> =
            config.in_force().list.into_iter().map(|printer| printer.entry.name).collect();
        let mut status = status.subscribe();
        let is_up = |status: &Option<Arc<StatusFile>>| {
            status.as_ref().is_some_and(|status| {
                let known = &status.status.printers;
                status.at >= self.tried_at
                    && names.iter().all(|name| known.iter().any(|health| health.printer.as_str() == name))
            })
        };
        match timeout(Duration::from_millis(COME_UP_MS_MAX), status.wait_for(is_up)).await {
            Ok(_) => {}
            Err(_) => {
                return Err(format!("{COME_UP_MS_MAX} ms 内没有启用 / it did not come up in that time"));
            }
        }
        sleep(Duration::from_millis(PROOF_MS)).await;
        let status = status.borrow().clone();
        let healths = status.as_ref().map_or(&[][..], |status| &status.status.printers);
        let is_out = |condition: Condition| condition == Condition::Journal;
        let out = healths.iter().find(|health| health.conditions.iter().any(|since| is_out(since.condition)));
        match out {
            None => Ok(()),
            Some(health) => {
                let (zh, en) = Condition::Journal.remedy();
                Err(format!("打印机/printer {}: {zh} / {en}", health.printer))
            }
        }
    }
}

/// Whether a bundle is in order, and all that it names can be on this PC: code, cause and remedy where not.
fn check(bundle: &[u8]) -> Result<(), String> {
    let settings = Settings::read(bundle).map_err(|error| error.to_string())?;
    for printer in settings.document.printers.iter().flatten() {
        let name = &printer.name;
        if let Some((zh, en)) = crate::printers::entry_fault(printer) {
            return Err(format!("settings-value: printer {name}: {zh} / {en}"));
        }
        if let Err(error) = transport::check(&printer.address) {
            let (zh, en) = error.remedy();
            return Err(format!("{}: printer {name}: {error}: {zh} / {en}", transport::NotADevice::CODE));
        }
    }
    Ok(())
}
