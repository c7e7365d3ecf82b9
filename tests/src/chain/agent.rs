//! An agent process.

use super::process::{Process, program, run_to_end};
use super::{Hub, PATIENCE, wait_for};
use anyhow::Context;
use std::ffi::OsString;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A printer in an agent's configuration.
#[derive(Debug, Clone)]
pub struct PrinterAt {
    /// Its name.
    pub name: String,
    /// How it is reached, as the agent's configuration says it.
    pub address: String,
    /// Stations whose tickets it prints.
    pub stations: Vec<String>,
    /// Whether it prints what maps nowhere.
    pub default: bool,
}

impl PrinterAt {
    /// A store's only printer.
    pub fn only(address: impl ToString) -> Self {
        PrinterAt {
            name: "front".into(),
            address: address.to_string(),
            stations: vec!["front".into()],
            default: true,
        }
    }
}

/// How an agent is started.
#[derive(Debug, Clone, Default)]
pub struct AgentOptions {
    /// Its printers.
    pub printers: Vec<PrinterAt>,
    /// Another data folder than one in its folder: a small disk.
    pub data: Option<PathBuf>,
    /// Where it finds the hub, if not at the hub's own address: behind a bad network.
    pub hub: Option<SocketAddr>,
    /// What is run instead of `docket-agent`: `wine` and a program for Windows.
    pub launcher: Option<Vec<PathBuf>>,
    /// Environment variables.
    pub environment: Vec<(OsString, OsString)>,
    /// Further lines of the configuration, before the sections.
    pub extra: String,
    /// Further lines of its `[page]`.
    pub page: String,
    /// The lines of its `[link]`; without them there is no way over TCP.
    pub link: Option<String>,
}

/// An agent.
#[derive(Debug)]
pub struct Agent {
    folder: PathBuf,
    data: PathBuf,
    options: AgentOptions,
    process: Option<Process>,
}

impl Agent {
    /// Enrols an agent for `store` with its files in `folder`, without starting it.
    ///
    /// # Errors
    /// Where the hub refuses.
    pub fn enrol(folder: &Path, hub: &Hub, store: &str, options: AgentOptions) -> anyhow::Result<Self> {
        let agent = Agent::unenrolled(folder, options)?;
        let output = agent.try_enrol(agent.hub_address(hub), &hub.enrol_code(store)?)?;
        anyhow::ensure!(output.status.success(), "enrol: {}", String::from_utf8_lossy(&output.stderr));
        Ok(agent)
    }

    /// An agent with a configuration and no identity.
    ///
    /// # Errors
    /// Where its files cannot be written.
    pub fn unenrolled(folder: &Path, options: AgentOptions) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let data = options.data.clone().unwrap_or_else(|| folder.join("agent-data"));
        let mut agent = Agent { folder: folder.to_owned(), data, options, process: None };
        agent.configure(agent.options.printers.clone())?;
        Ok(agent)
    }

    /// Gives it these printers, when it is started the next time.
    ///
    /// # Errors
    /// Where its configuration cannot be written.
    pub fn configure(&mut self, printers: Vec<PrinterAt>) -> anyhow::Result<()> {
        self.options.printers = printers;
        // Relative under a launcher, whose idea of paths may be another.
        let data = match self.options.launcher {
            Some(_) => "agent-data".into(),
            None => self.data.display().to_string(),
        };
        let mut text = format!("data = {data:?}\n{}\n", self.options.extra);
        for printer in &self.options.printers {
            writeln!(
                text,
                "[[printer]]\nname = {:?}\naddress = {:?}\nstations = {:?}\ndefault = {}",
                printer.name, printer.address, printer.stations, printer.default
            )?;
        }
        let link = self.options.link.as_deref().unwrap_or("fallback = \"off\"");
        writeln!(text, "[link]\n{link}")?;
        // Many agents on one machine: none has the usual port.
        writeln!(text, "[page]\nlisten = \"127.0.0.1:0\"\n{}", self.options.page)?;
        Ok(std::fs::write(self.folder.join("agent.toml"), text)?)
    }

    /// Runs `docket-agent enrol`.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub fn try_enrol(&self, hub: SocketAddr, code: &str) -> anyhow::Result<Output> {
        self.command(&["enrol", "--hub", &hub.to_string(), "--code", code])
    }

    /// Gives it these lines of `[link]`, when it is started the next time.
    ///
    /// # Errors
    /// Where its configuration cannot be written.
    pub fn configure_link(&mut self, link: String) -> anyhow::Result<()> {
        self.options.link = Some(link);
        self.configure(self.options.printers.clone())
    }

    fn hub_address(&self, hub: &Hub) -> SocketAddr {
        self.options.hub.unwrap_or(hub.addresses().link)
    }

    /// Starts it.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let mut command = self.program()?;
        command.arg("run");
        self.process = Some(Process::start(command, &self.folder.join("agent.log"))?);
        Ok(())
    }

    /// Starts it and waits for its link.
    ///
    /// # Errors
    /// Where the link does not come up; with its log.
    pub async fn start_linked(&mut self, hub: &Hub) -> anyhow::Result<()> {
        let before = hub.ledger()?.sessions()?;
        self.start()?;
        wait_for("the agent's session", PATIENCE, || {
            let sessions = hub.ledger().and_then(|ledger| ledger.sessions()).unwrap_or(before);
            if sessions > before { Ok(()) } else { Err(self.log_text()) }
        })
        .await
    }

    /// The process.
    ///
    /// # Errors
    /// Where it was not started.
    pub fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("the agent was not started")
    }

    /// Runs `docket-agent` with its configuration.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        run_to_end(self.program()?.args(arguments))
    }

    fn program(&self) -> anyhow::Result<Command> {
        let mut command = match self.options.launcher.as_deref() {
            Some([launcher, arguments @ ..]) => {
                let mut command = Command::new(launcher);
                command.args(arguments);
                command
            }
            Some([]) | None => Command::new(program("docket-agent")?),
        };
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.folder).arg("--config").arg("agent.toml");
        Ok(command)
    }

    /// What `docket-agent status` says; `Null` where nothing was ever written.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub fn status(&self) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_slice(&self.command(&["status", "--json"])?.stdout).unwrap_or_default())
    }

    /// Waits until `docket-agent status` shows this link: `live`, or the code of a refusal.
    ///
    /// # Errors
    /// Where it does not in time; with what it showed last and the log.
    pub async fn until_link(&self, link: &str) -> anyhow::Result<()> {
        wait_for(&format!("the link to be {link}"), PATIENCE, || match self.status() {
            Ok(status) if status["file"]["link"] == link && status["fresh"] == true => Ok(()),
            seen => Err(format!("{seen:?}\n{}", self.log_text())),
        })
        .await
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it has said.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.folder.join("agent.log")).unwrap_or_default()
    }
}
