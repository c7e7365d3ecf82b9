//! `docket-agent status`: the state that a running agent writes to its data folder, in words.

use super::span;
use crate::clock;
use crate::config::Config;
use crate::page::pin::read_pin;
use crate::printing::profile::Source;
use crate::status::{ProfileView, ReplacedView, StatusFile, WayView, read_file};
use anyhow::Context;
use docket_protocol::ids::UnixMs;
use docket_protocol::message::Refusal;
use docket_protocol::printer::PrinterHealth;
use docket_protocol::storage::StorageReport;
use std::process::ExitCode;

/// Exit code 0: all is well. 1: something is wrong, or nobody knows.
pub(super) fn status(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let read = read_file(&config.data).with_context(|| format!("status-file: {}", config.data.display()))?;
    let Some(file) = read else {
        anyhow::bail!(
            "not-running: 程序还没有在这台电脑上运行过 / the agent has not run here yet: docket-agent run"
        );
    };
    let now = clock::now();
    let is_fresh = file.is_fresh(now);
    if json {
        let shown = serde_json::json!({ "age_ms": now.since(file.at), "fresh": is_fresh, "file": file });
        println!("{}", serde_json::to_string_pretty(&shown).context("status-show")?);
    } else {
        print_status(&file, now);
        print_page(config, &file)?;
    }
    let status = &file.status;
    let well = is_fresh
        && file.link == "live"
        && status.held == 0
        && file.spool.is_none()
        && !status.printers.is_empty()
        && status.printers.iter().all(|printer| printer.conditions.is_empty());
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

fn print_status(file: &StatusFile, now: UnixMs) {
    match (file.is_fresh(now), now.since(file.at)) {
        (true, _) => {}
        (false, 0) => println!(
            "!! 状态的时间比电脑时钟还晚:时钟改过,下面可能是旧的,一分钟后再看 / this is from after now: the clock was \
             set back and it may be old; look again in a minute"
        ),
        (false, age) => {
            println!("!! 程序没有在运行,下面是 {} 前的状态 / NOT RUNNING, this is what was then", span(age));
        }
    }
    println!("{} {}  ({}, {})", file.store, file.store_name, file.agent, file.version);
    let link = match file.link.as_str() {
        "live" => "已连接总部 / connected",
        "connecting" => "正在连接 / connecting",
        "waiting" => "未连接,自动重试 / not connected, retrying",
        refused => refused,
    };
    println!("总部 hub      {link},{} / since", span(now.since(file.link_since)));
    if let Some(way) = &file.way {
        print_way(way);
    }
    for line in file.link_trouble.iter().flat_map(|trouble| trouble.lines()) {
        println!("    !! {line}");
    }
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
    if let Some(storing) = file.storing() {
        let (zh, en) = storing.remedy();
        println!("!! {zh} / {en}");
    }
    print_storage(&file.storage, now);
    if let Some(replaced) = &file.replaced {
        let (zh, en) = ReplacedView::REMEDY;
        println!("!! {zh} / {en}: {} ({})", replaced.kept_as, span(now.since(replaced.at)));
    }
    for held in &file.held {
        let hint = match held.doubt.as_deref() {
            // Else an earlier attempt may have come out.
            Some("expired") if held.attempts == 0 => {
                "已过期,没有开打,仍要打 / expired, not begun, print it all the same:"
            }
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

fn print_way(way: &WayView) {
    let transport = match (way.transport.as_str(), way.proxied) {
        ("quic", _) => "QUIC",
        (_, false) => "TCP(备用 fallback)",
        (_, true) => "TCP(备用 fallback,经代理 by proxy)",
    };
    let rtt = way.rtt_ms.map_or_else(String::new, |ms| format!(" {ms} ms"));
    let lost = way.lost_packets.map_or_else(String::new, |lost| format!(",丢包 lost {lost}"));
    let (reconnects, fallbacks) = (way.reconnects, way.fallbacks);
    println!("    {transport}{rtt}{lost},重连 reconnects {reconnects},改走 TCP fallbacks {fallbacks}");
}

fn print_storage(storage: &StorageReport, now: UnixMs) {
    let mib = |bytes: u64| bytes >> 20;
    print!("存储 storage  {} / {} MiB", mib(storage.used_bytes), mib(storage.bound_bytes));
    if let (Some(free), Some(disk)) = (storage.free_bytes, storage.disk_bytes) {
        print!("  磁盘剩余 disk free {} / {} MiB", mib(free), mib(disk));
    }
    print!("  未上报 unsent {}", storage.unsent);
    if let Some(oldest) = storage.oldest_unsent {
        print!(" (最早 oldest {})", span(now.since(oldest)));
    }
    println!();
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
