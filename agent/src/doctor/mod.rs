//! `docket-agent doctor`: one page for whoever helps a store: everything that printing needs, each with a verdict and what
//! to do.
//!
//! It works while the agent runs and while it does not. It opens connections of its own to the hub, which are no sessions
//! and take nothing from the agent's. It never opens a printer that a running agent has: a second connection could come
//! between the bytes of a ticket. So those are told as the agent sees them, and only without an agent it is tried
//! whether they can be reached, without a byte being sent.
//!
//! All is looked at at the same time, each thing for [`LOOK_MAX`] at most: what hangs is said to hang.

mod certificate;
mod network;
mod pc;
mod printers;

use crate::clock;
use crate::config::Config;
use crate::identity::Identity;
use crate::status::{StatusFile, read_file};
use anyhow::Context as _;
use docket_protocol::ids::UnixMs;
use serde::Serialize;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// How long one thing is looked at.
pub const LOOK_MAX: Duration = Duration::from_secs(12);

/// Longer than all of it takes: only a disk that does not answer at all takes more.
const END_MAX: Duration = Duration::from_millis(14_500);

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Somebody should see to it; tickets come out.
    Warn,
    /// Tickets do not come, or do not come out.
    Bad,
}

/// What was found out about one thing.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Of what kind it is: `network`, `identity`, `clock`, `disk`, `program`, `printer`.
    pub area: &'static str,
    /// Which one.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What is so, in zh-CN and en.
    pub said: String,
    /// What to do, in zh-CN and en; empty where nothing is.
    pub remedy: String,
}

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub struct Examination {
    /// When.
    pub at: UnixMs,
    /// Version of the program that looked.
    pub version: &'static str,
    /// The worst of all verdicts.
    pub verdict: Verdict,
    /// Each thing.
    pub findings: Vec<Finding>,
}

impl Finding {
    fn ok(area: &'static str, subject: impl Into<String>, said: impl Into<String>) -> Self {
        let (subject, said) = (subject.into(), said.into());
        Finding { area, subject, verdict: Verdict::Ok, said, remedy: String::new() }
    }

    /// `remedy` in zh-CN and en.
    fn but(self, verdict: Verdict, remedy: (&str, &str)) -> Self {
        Finding { verdict, remedy: format!("{} / {}", remedy.0, remedy.1), ..self }
    }
}

/// Looks at everything.
pub async fn examine(config: &Config) -> Examination {
    let now = clock::now();
    let status = read_file(&config.data).ok().flatten();
    let running = status.as_ref().filter(|status| status.is_fresh(now));
    let identity = Identity::read(&config.data);
    let network = async {
        match &identity {
            Ok(identity) => network::findings(config, identity).await,
            // That it is not enrolled is told below.
            Err(_) => Vec::new(),
        }
    };
    let disk = pc::disk(config.data.clone(), running);
    let printers = printers::findings(config, running, now);
    let (network, disk, printers) = tokio::join!(network, disk, printers);
    let mut findings = vec![program(status.as_ref(), running, now)];
    findings.extend(network);
    findings.push(pc::identity(&identity, now));
    findings.extend(disk);
    findings.extend(printers);
    let verdict = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
    Examination { at: now, version: env!("CARGO_PKG_VERSION"), verdict, findings }
}

fn program(status: Option<&StatusFile>, running: Option<&StatusFile>, now: UnixMs) -> Finding {
    let Some(running) = running else {
        let last = status.map_or_else(
            || "从未运行过 never ran here".to_owned(),
            |status| format!("最后一次 last seen {} s", now.since(status.at) / 1_000),
        );
        return Finding::ok("program", "docket-agent", format!("没有在运行 / not running ({last})"))
            .but(Verdict::Bad, ("启动程序", "start the agent"));
    };
    let memory = running.memory_kib.map_or_else(String::new, |kib| format!(", {kib} KiB"));
    let version = &running.version;
    let said = format!("正在运行 / running, {version}{memory}, 待打 waiting {}", running.status.waiting);
    match (running.page, running.status.held) {
        (Some(page), 0) => Finding::ok("program", "docket-agent", format!("{said}, http://{page}/")),
        (Some(page), held) => {
            Finding::ok("program", "docket-agent", format!("{said}, 等人处理 held {held}, http://{page}/"))
                .but(
                    Verdict::Warn,
                    ("在本机页面处理等人确认的小票", "see to the held tickets on the local page"),
                )
        }
        (None, _) => {
            Finding::ok("program", "docket-agent", format!("{said}, 本机页面没有打开 / no local page"))
                .but(Verdict::Warn, ("换一个 [page] listen 端口", "set another [page] listen"))
        }
    }
}

/// Ends the process in time, whatever its first look at the disk does: exit code 2.
pub fn end_in_time() {
    std::thread::spawn(|| {
        std::thread::sleep(END_MAX);
        eprintln!(
            "doctor-hangs: 这台电脑没有响应,多半是磁盘 / this PC does not answer, most likely its disk; \
             检查硬盘 / have the disk looked at"
        );
        std::process::exit(2);
    });
}

/// Prints it and ends the process: what hangs in the operating system is not waited for. Exit code 0 where all is well, 1
/// where somebody should see to something, 2 where tickets do not come out.
///
/// # Errors
/// Where it cannot be printed.
pub async fn show(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let examination = examine(config).await;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&examination).context("doctor-show")?)?;
    } else {
        for finding in &examination.findings {
            let mark = match finding.verdict {
                Verdict::Ok => "正常 ok  ",
                Verdict::Warn => "注意 warn",
                Verdict::Bad => "异常 bad ",
            };
            writeln!(out, "{mark}  {}  {}: {}", area(finding.area), finding.subject, finding.said)?;
            if !finding.remedy.is_empty() {
                writeln!(out, "           → {}", finding.remedy)?;
            }
        }
    }
    out.flush()?;
    std::process::exit(match examination.verdict {
        Verdict::Ok => 0,
        Verdict::Warn => 1,
        Verdict::Bad => 2,
    })
}

fn area(area: &str) -> String {
    let zh = match area {
        "network" => "网络",
        "identity" => "身份",
        "clock" => "时钟",
        "disk" => "磁盘",
        "program" => "程序",
        _ => "打印机",
    };
    format!("{zh} {area}")
}
