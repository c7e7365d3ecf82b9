//! The command line.

use crate::config::{self, Config};
use crate::enrol::enrol;
use crate::identity::Identity;
use crate::page::pin::read_pin;
use crate::printers::PRINTERS_FILE;
use crate::printing::Address;
use crate::printing::profile::Source;
use crate::requests::{Request, ask};
use crate::spool::{RecentTicket, TicketState, recent_in};
use crate::status::{ProfileView, STATUS_AGE_MAX_MS, StatusFile, read_file};
use crate::{clock, discovery, run};
use anyhow::Context;
use clap::{Parser, Subcommand};
use docket_protocol::ids::UnixMs;
use docket_protocol::message::Refusal;
use docket_protocol::printer::PrinterHealth;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::sync::{mpsc, watch};

/// Printers found that were not shown yet.
const FOUND_MAX: usize = 16;

/// Docket 门店程序 / the Docket agent: gets a store's orders out of its printers.
#[derive(Debug, Parser)]
#[command(name = "docket-agent", version)]
pub struct Cli {
    /// 配置文件 / the configuration
    #[arg(long, global = true, default_value_os_t = config::default_path())]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 用总部给的注册码注册这台电脑 / enrol this PC with a code from headquarters
    Enrol {
        /// 总部地址 HOST:PORT / the hub's address
        #[arg(long)]
        hub: String,
        /// 注册码 / the code
        #[arg(long)]
        code: String,
    },
    /// 运行 / run
    Run,
    /// 现在怎么样 / what is going on
    Status {
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// 查找打印机:本机所在网段、USB、串口 / find printers: in the network, at USB and serial ports
    Printers,
    /// 检查并显示生效的配置 / check the configuration and show what is in force
    CheckConfig,
    /// 最近的小票 / the newest tickets
    Tickets {
        /// 多少张 / how many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        last: u32,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// 重打等待人工确认的小票(可能已出纸的带补打标记)/ print held tickets, marked if they may have come out
    Release {
        /// 票号,不写则全部 / a ticket's id; all without it
        ticket: Option<String>,
    },
    /// 重打一张小票(带补打标记)/ print a ticket again, marked
    Reprint {
        /// 票号,见 tickets / a ticket's id, see tickets
        ticket: String,
        /// 换一台打印机 / on another printer
        #[arg(long)]
        printer: Option<String>,
    },
    /// 让一台打印机暂停,加急单也等 / tell a printer to wait, with urgent tickets too
    Pause {
        /// 打印机名 / the printer's name
        printer: String,
    },
    /// 让一台打印机继续 / tell a printer to go on
    Resume {
        /// 打印机名 / the printer's name
        printer: String,
    },
}

/// Does what the command line says.
///
/// # Errors
/// With code, cause and remedy for people.
pub async fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    let read = || Config::read(&cli.config);
    match cli.command {
        Command::Enrol { hub, code } => {
            let config = read()?;
            let identity = enrol(&config.data, &hub, &code, config.link.socket).await?;
            println!("注册成功 / enrolled: {} {} ({})", identity.store, identity.store_name, identity.agent);
            Ok(ExitCode::SUCCESS)
        }
        Command::Run => {
            let (stopping, stop) = watch::channel(false);
            tokio::spawn(async move {
                wait_for_signal().await;
                let _ = stopping.send(true);
            });
            run(read()?, stop).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Status { json } => status(&read()?, json),
        Command::Printers => Ok(printers(read().ok()).await),
        Command::CheckConfig => {
            let config = read()?;
            let shown = serde_json::to_string_pretty(&config).context("config-show")?;
            println!("配置有效 / configuration in order:\n{shown}");
            print_printers_in_force(&config);
            match Identity::read(&config.data) {
                Ok(identity) => println!("已注册 / enrolled: {} → {}", identity.agent, identity.hub),
                Err(error) => println!("{error}"),
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Tickets { last, json } => tickets(&read()?, last as usize, json),
        Command::Release { ticket } => ask_for(&read()?, Request::Release { ticket }).await,
        Command::Reprint { ticket, printer } => ask_for(&read()?, Request::Reprint { ticket, printer }).await,
        Command::Pause { printer } => ask_for(&read()?, Request::Pause { printer }).await,
        Command::Resume { printer } => ask_for(&read()?, Request::Resume { printer }).await,
    }
}

/// Exit code 1 where it was not done; the text says why.
async fn ask_for(config: &Config, request: Request) -> anyhow::Result<ExitCode> {
    let answer = ask(&config.data, &request).await?;
    if answer.is_done() {
        println!("{}", answer.text());
        Ok(ExitCode::SUCCESS)
    } else {
        anyhow::bail!(answer.text())
    }
}

/// From the spool itself: it can be read whether or not the agent runs.
fn tickets(config: &Config, last: usize, json: bool) -> anyhow::Result<ExitCode> {
    let tickets = recent_in(&config.data, last).map_err(|error| {
        let (zh, en) = error.remedy();
        anyhow::anyhow!("{}: {error}; {zh} / {en}", error.code())
    })?;
    if json {
        let shown: Vec<_> = tickets.iter().map(ticket_json).collect();
        println!("{}", serde_json::to_string_pretty(&shown).context("tickets-show")?);
        return Ok(ExitCode::SUCCESS);
    }
    if tickets.is_empty() {
        println!("还没有小票 / no tickets yet");
    }
    let now = clock::now();
    for ticket in &tickets {
        print_ticket(ticket, now);
    }
    Ok(ExitCode::SUCCESS)
}

fn ticket_json(ticket: &RecentTicket) -> serde_json::Value {
    serde_json::json!({
        "ticket": ticket.id.to_string(),
        "kind": ticket.kind.map(|kind| kind.as_str()),
        "title": ticket.title,
        "station": ticket.station,
        "printer": ticket.printer.as_str(),
        "taken_by": ticket.taken_by.as_ref().map(|printer| printer.as_str()),
        "urgent": ticket.urgent,
        "state": ticket.state.as_str(),
        "repeat": ticket.repeat,
        "received_at": ticket.received_at,
        "began_at": ticket.began_at,
        "ended_at": ticket.ended_at,
        "evidence": ticket.evidence.map(|evidence| evidence.as_str()),
        "doubt": ticket.doubt.map(|doubt| doubt.as_str()),
        "boxes": ticket.boxes.as_str(),
    })
}

fn print_ticket(ticket: &RecentTicket, now: UnixMs) {
    let (zh, en) = ticket.state.title();
    let kind = ticket.kind.map_or("", |kind| kind.title());
    let printer = match &ticket.taken_by {
        Some(by) if *by != ticket.printer => format!("{by}(备用,代 {})", ticket.printer),
        Some(_) | None => ticket.printer.to_string(),
    };
    let repeat = if ticket.repeat > 0 { format!(" 补打 {}", ticket.repeat) } else { String::new() };
    let urgent = if ticket.urgent { " 加急" } else { "" };
    let how = match (ticket.state, ticket.evidence, ticket.doubt) {
        (TicketState::Printed, Some(evidence), _) => format!(" ({})", evidence.as_str()),
        (TicketState::Waiting | TicketState::Held, _, Some(doubt)) => format!(" ({})", doubt.as_str()),
        _ => String::new(),
    };
    let boxes = match ticket.boxes.as_str() {
        "" => String::new(),
        boxes => format!(" 打成方框 / boxes: {boxes}"),
    };
    println!(
        "{}  {zh} {en}{how}{repeat}{urgent}{boxes}  {kind} {} → {printer}  {} 前 / ago",
        ticket.id,
        ticket.title,
        span(now.since(ticket.received_at))
    );
}

/// Exit code 0: something was found. The configuration is often written only after this.
async fn printers(config: Option<Config>) -> ExitCode {
    let configured = config.into_iter().flat_map(|config| config.in_force().list);
    let known: Vec<Address> = configured.map(|printer| printer.entry.address).collect();
    for address in &known {
        println!("{address}  已在配置里,不去打扰 / configured already, left alone");
    }
    let (tell, mut found) = mpsc::channel(FOUND_MAX);
    let options = discovery::Options { known, ..Default::default() };
    let searching = tokio::spawn(discovery::search(options, tell));
    let mut any = false;
    while let Some(printer) = found.recv().await {
        any = true;
        let answered = if printer.answered { "已应答 answered" } else { "" };
        let line = [printer.address.to_string(), printer.label, printer.detail, answered.to_owned()];
        println!("{}", line.join("  ").trim_end());
        for condition in printer.conditions {
            let (zh, en) = condition.remedy();
            println!("    !! {zh} / {en}");
        }
    }
    // It has ended: its sender is gone.
    let _ = searching.await;
    if any {
        return ExitCode::SUCCESS;
    }
    println!(
        "没有找到打印机:检查电源、网线,是否与电脑在同一网段 / none found: check power, cable and network"
    );
    ExitCode::FAILURE
}

async fn wait_for_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Exit code 0: all is well. 1: something is wrong, or nobody knows.
fn status(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let read = read_file(&config.data).with_context(|| format!("status-file: {}", config.data.display()))?;
    let Some(file) = read else {
        anyhow::bail!(
            "not-running: 程序还没有在这台电脑上运行过 / the agent has not run here yet: docket-agent run"
        );
    };
    let age = clock::now().since(file.at);
    if json {
        let shown = serde_json::json!({ "age_ms": age, "fresh": age <= STATUS_AGE_MAX_MS, "file": file });
        println!("{}", serde_json::to_string_pretty(&shown).context("status-show")?);
    } else {
        print_status(&file, age);
        print_page(config, &file)?;
    }
    let status = &file.status;
    let well = age <= STATUS_AGE_MAX_MS
        && file.link == "live"
        && status.held == 0
        && !status.spool_full
        && !status.printers.is_empty()
        && status.printers.iter().all(|printer| printer.conditions.is_empty());
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Those of both files, as they count.
fn print_printers_in_force(config: &Config) {
    let printers = config.in_force();
    println!("生效的打印机 / printers in force: {}", printers.list.len());
    for printer in &printers.list {
        let entry = &printer.entry;
        let default = if entry.default { "  默认 default" } else { "" };
        let file = if printer.fixed { "agent.toml" } else { PRINTERS_FILE };
        println!(
            "  {}  {}  {} mm  {}{default}  ({file})",
            entry.name,
            entry.address,
            entry.paper_mm,
            entry.stations.join(",")
        );
    }
    for (zh, en) in &printers.notes {
        println!("  !! {zh} / {en}");
    }
}

fn print_page(config: &Config, file: &StatusFile) -> anyhow::Result<()> {
    match file.page {
        Some(address) => println!("本机页面 page http://{address}/"),
        None => println!("!! 本机页面没有打开,端口可能被占用 / no local page: its port may be in use"),
    }
    if config.page.lan
        && let Some(pin) = read_pin(&config.data).context("page-pin: page.json cannot be read")?
    {
        println!("其他设备用的 PIN / PIN for other devices: {pin}");
    }
    Ok(())
}

fn print_status(file: &StatusFile, age: u64) {
    let now = clock::now();
    if age > STATUS_AGE_MAX_MS {
        println!("!! 程序没有在运行,下面是 {} 前的状态 / NOT RUNNING, this is what was then", span(age));
    }
    println!("{} {}  ({}, {})", file.store, file.store_name, file.agent, file.version);
    let link = match file.link.as_str() {
        "live" => "已连接总部 / connected",
        "connecting" => "正在连接 / connecting",
        "waiting" => "未连接,自动重试 / not connected, retrying",
        refused => refused,
    };
    println!("总部 hub      {link},{} / since", span(now.since(file.link_since)));
    if let Some(refusal) = Refusal::from_code(&file.link) {
        let (zh, en) = refusal.remedy();
        println!("    !! {zh} / {en}");
    }
    println!("待打 waiting  {}", file.status.waiting);
    for printer in &file.status.printers {
        print_printer(printer, now);
        if let Some(profile) = file.profiles.iter().find(|view| view.printer == printer.printer.as_str()) {
            print_profile(profile);
        }
    }
    if file.status.spool_full {
        println!("!! 磁盘已满,新小票存不下 / the disk is full: free some space");
    }
    for held in &file.held {
        let hint = match held.doubt.as_deref() {
            Some("expired") => "已过期,没有开打,仍要打 / expired, not begun, print it all the same:",
            _ => "若没出纸 / if it did not come out:",
        };
        println!(
            "!! 等待人工 held  {} {} {} — {hint} docket-agent release {}",
            held.title,
            held.printer,
            span(now.since(held.since)),
            held.ticket
        );
    }
}

fn print_printer(printer: &PrinterHealth, now: UnixMs) {
    let heard = match printer.heard_at {
        Some(at) => format!("{} 前应答 / answered {} ago", span(now.since(at)), span(now.since(at))),
        None => "从未应答 / never answered".to_owned(),
    };
    let state = if printer.conditions.is_empty() { "正常 ok" } else { "异常 !!" };
    println!("打印机 printer {}  {state}  待打 {}  {heard}", printer.printer, printer.waiting);
    for since in &printer.conditions {
        let (zh, en) = since.condition.remedy();
        println!("    !! {zh} / {en} ({})", span(now.since(since.since)));
    }
}

fn print_profile(profile: &ProfileView) {
    let model = profile.model.as_deref().unwrap_or("未知 unknown");
    println!("    型号 model {model}  栅栏 fence {}", profile.fence);
    for fact in profile.facts.iter().filter(|fact| fact.source != Source::Unverified.words().1) {
        println!("    {} = {} ({} {})", fact.name, fact.value, fact.source_zh, fact.source);
    }
}

fn span(ms: u64) -> String {
    match ms / 1_000 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}
