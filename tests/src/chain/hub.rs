//! A hub process.

use super::process::{Process, program, run_to_end};
use super::{Ledger, PATIENCE, copy_files, wait_for};
use crate::platform::http::HttpClient;
use crate::platform::meituan::MeituanClient;
use anyhow::Context;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Secret and callbacks of the platform client, the same in every chain.
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const CALLBACK_BASE: &str = "https://hub.example.com/cb/meituan/order";
const APP_ID: &str = "10001";
/// How often the overview is looked at while something is waited for.
const OVERVIEW_EVERY: Duration = Duration::from_millis(20);

/// Where a hub listens.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct HubAddresses {
    /// Agents, UDP.
    pub link: SocketAddr,
    /// Agents, TCP.
    pub link_tcp: Option<SocketAddr>,
    /// Platforms, TCP.
    pub http: SocketAddr,
    /// Console, TCP.
    pub console: SocketAddr,
}

/// How a hub is started.
#[derive(Debug, Clone, Default)]
pub struct HubOptions {
    /// Another data folder than one in the chain's folder: a small disk.
    pub data: Option<PathBuf>,
    /// Another address for agents than one that the system gives: another hub's.
    pub link: Option<SocketAddr>,
    /// Another line for its TCP port than one with a port that the system gives.
    pub tcp_listen: Option<String>,
    /// Further lines of the `[http]` section.
    pub http: String,
    /// The `[routing]` section and what follows.
    pub routing: String,
}

/// A hub.
#[derive(Debug)]
pub struct Hub {
    folder: PathBuf,
    data: PathBuf,
    options: HubOptions,
    addresses: HubAddresses,
    process: Process,
}

impl Hub {
    /// Starts a hub with its files in `folder`.
    ///
    /// # Errors
    /// Where it does not come up; with its log.
    pub async fn start(folder: &Path, options: HubOptions) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let data = options.data.clone().unwrap_or_else(|| folder.join("hub-data"));
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let addresses =
            HubAddresses { link: options.link.unwrap_or(any), link_tcp: Some(any), http: any, console: any };
        let (process, addresses) = serve(folder, &data, &options, addresses).await?;
        Ok(Hub { folder: folder.to_owned(), data, options, addresses, process })
    }

    /// Where it listens; the same after a restart.
    pub fn addresses(&self) -> HubAddresses {
        self.addresses
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Starts it again, killed or ended before, on the same ports.
    ///
    /// # Errors
    /// Where it does not come up; with its log.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill();
        self.process = serve(&self.folder, &self.data, &self.options, self.addresses).await?.0;
        Ok(())
    }

    /// Ends it, and keeps a copy of what it has stored.
    ///
    /// # Errors
    /// Where it does not end, or there is no room.
    pub fn end_and_copy(&mut self, copy: &Path) -> anyhow::Result<()> {
        self.process.end()?;
        copy_files(&self.data, copy)
    }

    /// Ends it, and starts it again as a copy of what it had stored before.
    ///
    /// # Errors
    /// Where it does not come up; with its log.
    pub async fn restart_as(&mut self, copy: &Path) -> anyhow::Result<()> {
        self.process.end()?;
        // The copy was made of a database at rest: it has no log.
        for stale in ["hub.db-wal", "hub.db-shm"] {
            let _ = std::fs::remove_file(self.data.join(stale));
        }
        copy_files(copy, &self.data)?;
        self.restart().await
    }

    /// Runs `docket-hub` with the hub's configuration, whether it serves or not.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(program("docket-hub")?);
        run_to_end(command.arg("--config").arg(self.folder.join("hub.toml")).args(arguments))
    }

    /// [`Hub::command`], which has to succeed.
    ///
    /// # Errors
    /// Where it fails; with what it said.
    pub fn must(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments)?;
        anyhow::ensure!(
            output.status.success(),
            "docket-hub {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Adds a store whose shop at the platform has the same name.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn add_store(&self, id: &str, name: &str) -> anyhow::Result<()> {
        self.must(&["store", "add", "--id", id, "--name", name, "--meituan-shop", id]).map(drop)
    }

    /// An enrolment code for a store.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn enrol_code(&self, store: &str) -> anyhow::Result<String> {
        Ok(self.must(&["enrol-code", "--store", store])?.trim().to_owned())
    }

    /// A client of the platforms' port.
    pub fn client(&self) -> HttpClient {
        HttpClient::new(self.addresses.http)
    }

    /// Meituan, as this hub is configured for it.
    pub fn meituan(&self) -> MeituanClient {
        MeituanClient::new(CALLBACK_BASE, APP_ID, SECRET)
    }

    /// The console's overview.
    ///
    /// # Errors
    /// Where the hub does not answer.
    pub async fn overview(&self) -> anyhow::Result<serde_json::Value> {
        let reply = HttpClient::new(self.addresses.console).get("/api/overview").await?;
        anyhow::ensure!(reply.status == 200, "overview: {} {}", reply.status, reply.body);
        Ok(serde_json::from_str(&reply.body)?)
    }

    /// Where it takes TLS over TCP.
    ///
    /// # Errors
    /// Where it does not.
    pub fn tcp(&self) -> anyhow::Result<SocketAddr> {
        self.addresses.link_tcp.context("a hub without a TCP port")
    }

    /// Waits until `look` is content with the console's overview.
    ///
    /// # Errors
    /// After `patience`: what was waited for, and the stores as the overview shows them.
    pub async fn until_overview<T>(
        &self,
        what: &str,
        patience: Duration,
        look: impl Fn(&serde_json::Value) -> Option<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            let overview = self.overview().await?;
            if let Some(value) = look(&overview) {
                return Ok(value);
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "waited {patience:?} for {what}; the last state: {:#}",
                overview["stores"]
            );
            tokio::time::sleep(OVERVIEW_EVERY).await;
        }
    }

    /// A connection that writes to its database behind its back.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn tamper(&self) -> anyhow::Result<rusqlite::Connection> {
        let connection = rusqlite::Connection::open(self.data.join("hub.db"))?;
        connection.busy_timeout(PATIENCE)?;
        Ok(connection)
    }

    /// The hub's own record.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn ledger(&self) -> anyhow::Result<Ledger> {
        Ledger::open(&self.data)
    }
}

async fn serve(
    folder: &Path,
    data: &Path,
    options: &HubOptions,
    addresses: HubAddresses,
) -> anyhow::Result<(Process, HubAddresses)> {
    let config = folder.join("hub.toml");
    // Never the usual port: many hubs on one machine.
    let tcp_listen = match (&options.tcp_listen, addresses.link_tcp) {
        (Some(line), _) => line.clone(),
        (None, Some(address)) => format!("tcp_listen = \"{address}\""),
        (None, None) => "tcp_listen = \"off\"".to_owned(),
    };
    let text = format!(
        "data = {data:?}\n[link]\nlisten = \"{link}\"\n{tcp_listen}\n[http]\nlisten = \"{http}\"\n{more_http}\n[console]\nlisten = \"{console}\"\n\
         [platforms.meituan]\nsecret = \"{SECRET}\"\n[platforms.meituan.callbacks]\npaid = \"{CALLBACK_BASE}/paid\"\n\
         cancelled = \"{CALLBACK_BASE}/cancelled\"\nreminded = \"{CALLBACK_BASE}/reminded\"\n{routing}\n",
        link = addresses.link,
        http = addresses.http,
        more_http = options.http,
        console = addresses.console,
        routing = options.routing,
    );
    std::fs::write(&config, text)?;
    let ready = folder.join("hub-ready.json");
    if ready.exists() {
        std::fs::remove_file(&ready)?;
    }
    let mut command = Command::new(program("docket-hub")?);
    command.arg("--config").arg(&config).arg("serve").arg("--ready-file").arg(&ready);
    let mut process = Process::start(command, &folder.join("hub.log"))?;
    let addresses = wait_for("the hub to listen", PATIENCE, || {
        if let Ok(Some(status)) = process.ended() {
            return Err(format!("it has ended ({status}): {}", process.log_text()));
        }
        let text = std::fs::read_to_string(&ready).map_err(|_| process.log_text())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    })
    .await
    .context("starting docket-hub")?;
    Ok((process, addresses))
}
