//! The hub: takes the platforms' orders, routes them to the stores' agents, and shows what is going on.
//!
//! [`run`] is the whole program behind the command line. Its parts:
//!
//! * [`http`] takes pushes; [`platforms`] verifies and decodes them; [`routing`] makes tickets of orders;
//!   [`templates`] says how they look.
//! * [`storage`] keeps it all; nothing is answered before it is there.
//! * [`settings`] says what stores are set to.
//! * [`gateway`] holds the agents' sessions; [`fleet`] knows who is live.
//! * [`console`] shows it.

pub mod cli;
mod clock;
pub mod config;
pub mod console;
pub mod fleet;
pub mod gateway;
pub mod http;
mod lock;
pub mod platforms;
pub mod routing;
pub mod settings;
pub mod storage;
pub mod templates;

use config::{Config, ConfigError};
use console::Console;
use fleet::Fleet;
use gateway::bundles::Bundles;
use gateway::ca::{Authority, AuthorityError};
use gateway::{Gateway, GatewayError};
use http::{Bounds, HttpError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{Storage, StorageError};
use templates::Templates;
use templates::folder::{self, Folder};
use templates::guard::Guard;
use templates::trial::Checker;
use thiserror::Error;
use tokio::sync::watch;
use tracing::{error, info};

/// Why the hub does not run.
#[derive(Debug, Error)]
pub enum HubError {
    /// The data folder cannot be made.
    #[error("data-folder: {path}: {cause}; make it writable for the hub's user, or set another `data`")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Another hub serves this folder.
    #[error("data-folder-in-use: {path}: another docket-hub serves this folder; end it first")]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys and certificates.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The agents' port.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The platforms' or the console's port.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A port's own address is not known.
    #[error("local-address: {0}")]
    Address(std::io::Error),
}

/// Where a running hub listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Agents, UDP.
    pub link: SocketAddr,
    /// Agents, TCP, if that port is open.
    pub link_tcp: Option<SocketAddr>,
    /// Platforms, TCP.
    pub http: SocketAddr,
    /// Console, TCP.
    pub console: SocketAddr,
}

/// The data folder with its database and authority, for the server and the command line alike.
#[derive(Debug)]
pub struct Data {
    /// The database.
    pub storage: Storage,
    /// Keys and certificates.
    pub authority: Arc<Authority>,
    /// How slips look.
    pub templates: Arc<Templates>,
}

/// Opens the data folder, and makes it where there is none.
///
/// # Errors
/// Where it cannot be used.
pub fn open(config: &Config) -> Result<Data, HubError> {
    std::fs::create_dir_all(&config.data)
        .map_err(|cause| HubError::Folder { path: config.data.clone(), cause })?;
    let authority = Arc::new(Authority::open(&config.data, config.link.certificate_days)?);
    let templates = Arc::new(Templates::default());
    if config.templates.folder.is_some() {
        // What the hub that serves has found to be in order; a drive that hangs keeps no command.
        templates.put_in_force(folder::restore(&config.data.join(folder::KEPT_FOLDER)).own);
    }
    let storage = Storage::open(&config.data, Arc::new(config.routing(Arc::clone(&templates))?))?;
    Ok(Data { storage, authority, templates })
}

/// Takes out of force what the hub before has ended over. Without a guard, slips are printed all the same.
fn guard_templates(templates: &Templates, kept: &Path) {
    let guarded = Guard::open(kept).and_then(|guard| guard.watch().map(|()| guard));
    match guarded {
        Ok(guard) => templates.be_heard_by(guard),
        Err(error) => error!(code = "template-guard", %error, "nothing notes what is being filled in"),
    }
    templates.put_in_force(folder::restore(kept).own);
}

/// Serves until `stop` says so. `checker` tries templates that change; `ready` is called once everything listens.
///
/// # Errors
/// Where it cannot begin to serve.
pub async fn run(
    config: Config,
    checker: Arc<dyn Checker>,
    ready: impl FnOnce(Addresses),
    stop: watch::Receiver<bool>,
) -> Result<(), HubError> {
    let tls = config.http.tls.as_ref().map(http::acceptor).transpose().map_err(HttpError::from)?;
    let Data { storage, authority, templates } = open(&config)?;
    let _lock = lock::take(&config.data)?;
    if config.templates.folder.is_some() {
        guard_templates(&templates, &config.data.join(folder::KEPT_FOLDER));
    }
    authority.look()?;
    storage.end_all_sessions().await?;
    tokio::spawn(storage::retention::run(storage.clone(), config.retention_days));
    let fleet = Arc::new(Fleet::default());
    let platforms = http::platform_routes(config.platforms.meituan.as_ref(), &storage, &fleet)?;
    let shown = Console { storage: storage.clone(), fleet: Arc::clone(&fleet) };
    let console = console::routes(shown, stop.clone());
    let http_listener = http::bind(config.http.listen).await?;
    let console_listener = http::bind(config.console.listen).await?;
    let (link, tcp) = (config.link.listen, config.link.tcp_port());
    let bundles = Bundles::of(&config.data);
    let gateway = Gateway::start(link, tcp, storage.clone(), Arc::clone(&fleet), authority, bundles)?;
    let addresses = Addresses {
        link: gateway.address().map_err(HubError::Address)?,
        link_tcp: gateway.tcp_address(),
        http: http_listener.local_addr().map_err(HubError::Address)?,
        console: console_listener.local_addr().map_err(HubError::Address)?,
    };
    let tcp = addresses.link_tcp.map_or_else(|| "off".to_owned(), |tcp| tcp.to_string());
    info!(link = %addresses.link, link_tcp = tcp, http = %addresses.http, console = %addresses.console, "serving");
    ready(addresses);
    tokio::spawn(settings::run(
        config.clone(),
        Arc::clone(&templates),
        storage.clone(),
        Arc::clone(&fleet),
        stop.clone(),
    ));
    if let Some(slips) = config.templates.folder {
        let folder = Folder::new(slips, config.data.join(folder::KEPT_FOLDER), checker).restored();
        tokio::spawn(templates::watch::run(folder, templates, storage, fleet, stop.clone()));
    }
    let bounds = Bounds::platforms(config.http.connections_of_address_max);
    tokio::join!(
        http::serve(http_listener, tls, platforms, bounds, stop.clone()),
        http::serve(console_listener, None, console, Bounds::console(), stop),
    );
    gateway.close().await;
    info!("stopped");
    Ok(())
}
