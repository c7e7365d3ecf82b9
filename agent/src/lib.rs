//! The agent: the program on a store's cashier PC. It takes tickets from the hub, keeps them, and gets them
//! out of the printers, whatever the network does.
//!
//! [`run`] is the whole program behind the command line. Its parts:
//!
//! * [`link`] holds the session with the hub; [`enrol`] and [`identity`] are how the two know each other.
//! * [`spool`] keeps tickets and reports; nothing is acknowledged before it is there.
//! * [`printing`] gets tickets onto paper and knows how it is known; [`discovery`] finds the printers.
//! * [`settings`] is what headquarters has set this store to.
//! * [`counter`] takes the orders of this PC's own counter.
//! * [`page`] is what staff see and do on this PC; [`printers`] is what they have added.
//! * [`doctor`] looks at everything that printing needs; [`logging`] keeps the newest of what is logged.
//! * [`status`] tells the hub and the people on this PC how things are.

mod boot;
pub mod cli;
pub mod clock;
pub mod config;
pub mod counter;
pub mod discovery;
pub mod doctor;
pub mod enrol;
mod help;
pub mod identity;
mod inside;
mod kept_file;
pub mod link;
pub mod logging;
mod machine;
pub mod page;
pub mod printers;
pub mod printing;
pub mod requests;
pub mod settings;
pub mod spool;
pub mod status;

use config::{Config, ConfigError};
use counter::Counter;
use identity::{Identity, IdentityError};
use inside::GoesOn;
use link::tls::TlsError;
use spool::SpoolError;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tracing::info;

/// Why the agent does not run.
#[derive(Debug, Error)]
pub enum AgentError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Who it is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its keys.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The spool.
    #[error("{code}: {0}; {en} ({zh})", code = .0.code(), en = .0.remedy().1, zh = .0.remedy().0)]
    Spool(#[from] SpoolError),
    /// What keeps a printer running is gone. A printer's task ends by itself only when the storage thread is gone; a panic
    /// ends the whole program, as stores have it. Whoever started the agent starts it again, and what was in flight is
    /// settled as after any crash. Rejected: to start that task anew, in a program of which a part is gone.
    #[error(
        "printer-ended: 打印任务意外结束,请重新启动程序 / a printer's task has ended: start the agent again"
    )]
    PrinterEnded,
}

/// Why the agent has ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Headquarters has asked for a new start of the program.
    Restart,
}

/// Runs until `stop` becomes true, or headquarters asks for a new start.
///
/// When staff change the printers on the local page, everything inside is closed and opened again with the new list:
/// the way of a restart, which loses nothing at any step. Two things stay: the page, and the connections of printers
/// that are as they were, since a new connection cannot prove what an earlier one has sent. Rejected: exchanging
/// printers in a running spool, which would be a second way with states of its own.
///
/// # Errors
/// Where it cannot begin or go on.
pub async fn run(mut config: Config, mut stop: watch::Receiver<bool>) -> Result<Ended, AgentError> {
    let identity = Identity::read(&config.data)?;
    info!(agent = %identity.agent, store = %identity.store, "running");
    let mut desk = settings::Desk::open(config.data.clone());
    config.settings = desk.in_force();
    let (rules, in_force) = watch::channel(Arc::new(config.rules()?));
    let (stopping, stopped) = watch::channel(false);
    let (restart, mut restarts) = watch::channel(false);
    let (parts, mut page) = page::start(&config, Counter::of(&identity, in_force), stopped);
    let mut before = GoesOn { printers: Vec::new(), link: inside::link_record(&config, &identity) };
    let how = loop {
        let (end, ended) = oneshot::channel();
        let inside = inside::run(config.clone(), &identity, &parts, before, restart.clone(), ended);
        tokio::pin!(inside);
        let next = tokio::select! {
            // By itself only where it cannot begin or go on.
            result = &mut inside => match result {
                Err(AgentError::Spool(error)) if desk.is_on_trial() => {
                    desk.roll_back(&error);
                    parts.spool.send_replace(None);
                    before = GoesOn { printers: Vec::new(), link: inside::link_record(&config, &identity) };
                    set_to(&mut config, &desk, &parts, &rules)?;
                    continue;
                }
                result => return result.map(|_| Ended::Stopped),
            },
            // An error is a sender that is gone, which says so too.
            _ = stop.wait_for(|stopping| *stopping) => Next::End(Ended::Stopped),
            Ok(_) = restarts.wait_for(|asked| *asked) => Next::End(Ended::Restart),
            Ok(()) = page.printers.changed() => Next::Printers,
            () = desk.changes(&config, &parts) => Next::Settings,
        };
        match next {
            Next::End(how) => {
                let _ = stopping.send(true);
                drop(end);
                inside.await?;
                break how;
            }
            Next::Printers => {
                info!("the printers have changed: opening everything anew");
                config.added = page.printers.borrow_and_update().clone();
                desk.tell_otherwise(&config);
            }
            Next::Settings => set_to(&mut config, &desk, &parts, &rules)?,
        }
        let _ = end.send(config.printer_configs());
        before = inside.await?;
    };
    page.ended().await;
    info!(?how, "stopped");
    Ok(how)
}

/// Why everything is opened anew, or nothing more.
enum Next {
    End(Ended),
    Printers,
    Settings,
}

/// Puts the settings in force that the desk has. They were checked before it has them.
fn set_to(
    config: &mut Config,
    desk: &settings::Desk,
    parts: &page::Shown,
    rules: &watch::Sender<Arc<docket_routing::Routing>>,
) -> Result<(), ConfigError> {
    config.settings = desk.in_force();
    rules.send_replace(Arc::new(config.rules()?));
    parts.set.send_replace(config.from_hq().to_vec());
    Ok(())
}
