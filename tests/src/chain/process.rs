//! A process of ours.

use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a process that is asked to end may take before it is killed.
const END_MAX: Duration = Duration::from_secs(15);
/// How long a process may take to stand still.
#[cfg(target_os = "linux")]
const FREEZE_MAX: Duration = Duration::from_secs(5);

/// The path of one of the project's programs: beside this one, or in `DOCKET_PROGRAMS`. `DOCKET_AGENT` names
/// another agent.
///
/// # Errors
/// Where it is not built.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    if name == "docket-agent"
        && let Some(path) = std::env::var_os("DOCKET_AGENT")
    {
        return Ok(path.into());
    }
    let folder = match std::env::var_os("DOCKET_PROGRAMS") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let own = std::env::current_exe()?;
            let beside = own.parent().context("a program without a folder")?;
            if beside.ends_with("deps") { beside.join("..") } else { beside.to_owned() }
        }
    };
    let path = folder.join(name);
    anyhow::ensure!(path.exists(), "{} is missing: `cargo build --workspace --bins` first", path.display());
    Ok(path)
}

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says goes to the end of `log`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        let err: File = out.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        Ok(Process { child, log: log.to_owned() })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGSTOP, and waits until it stands still: then it can be looked at, and killed where it is, or let go on.
    ///
    /// # Errors
    /// Where it has ended, or does not stop.
    #[cfg(target_os = "linux")]
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(rustix::process::Signal::STOP)?;
        let deadline = Instant::now() + FREEZE_MAX;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
            // The state follows the name, which may hold anything.
            let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim_start());
            if state.starts_with('T') {
                return Ok(());
            }
            anyhow::ensure!(!state.starts_with('Z'), "it has ended; its log:\n{}", self.log_text());
            anyhow::ensure!(Instant::now() < deadline, "it does not stop: {stat}");
            std::thread::yield_now();
        }
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// Where it has ended.
    #[cfg(target_os = "linux")]
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(rustix::process::Signal::CONT)
    }

    #[cfg(target_os = "linux")]
    fn signal(&self, signal: rustix::process::Signal) -> anyhow::Result<()> {
        let process =
            rustix::process::Pid::from_raw(self.id().cast_signed()).context("a process without an id")?;
        Ok(rustix::process::kill_process(process, signal)?)
    }

    /// SIGTERM, and waits; killed if it does not end.
    ///
    /// # Errors
    /// Where it does not end by itself.
    pub fn end(&mut self) -> anyhow::Result<ExitStatus> {
        let asked = Command::new("kill").arg("-TERM").arg(self.id().to_string()).status()?;
        anyhow::ensure!(asked.success() || self.ended()?.is_some(), "kill -TERM failed");
        let deadline = Instant::now() + END_MAX;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.kill();
                anyhow::bail!("it did not end within {END_MAX:?}; its log:\n{}", self.log_text());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it has said.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program to its end.
///
/// # Errors
/// Where it cannot be started.
pub fn run_to_end(command: &mut Command) -> anyhow::Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))
}
