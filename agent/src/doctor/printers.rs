//! The printers: as the running agent sees them, or whether they can be reached where none runs.

use super::{Finding, Verdict};
use crate::config::Config;
use crate::printing::Address;
use crate::spool::{RecentTicket, TicketState, recent_in};
use crate::status::StatusFile;
use docket_protocol::ids::UnixMs;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

const AREA: &str = "printer";
/// How long a printer in the network has to take a connection.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// In so many of the newest tickets is looked for what each has printed last.
const TICKETS_MAX: usize = 500;

pub(super) async fn findings(config: &Config, running: Option<&StatusFile>, now: UnixMs) -> Vec<Finding> {
    let printers = config.in_force().list;
    if printers.is_empty() {
        return vec![
            Finding::ok(AREA, "-", "一台也没有 / there is none")
                .but(Verdict::Bad, ("在本机页面添加打印机", "add one on the local page")),
        ];
    }
    let data = config.data.clone();
    let recent = tokio::task::spawn_blocking(move || recent_in(&data, TICKETS_MAX));
    let recent = timeout(CONNECT_MAX, recent).await.ok().and_then(Result::ok);
    let recent = recent.and_then(Result::ok).unwrap_or_default();
    // At the same time: each of those that are switched off takes as long as it may.
    let mut looks = Vec::new();
    for printer in printers {
        let (name, address) = (printer.entry.name, printer.entry.address);
        let subject = format!("{name} {address}");
        let last = last_printed(&recent, &name, now);
        looks.push(match running {
            Some(status) => Look::Done(seen(status, &name, subject, &last)),
            None => Look::Going(tokio::spawn(async move { tried(&address, subject, &last).await })),
        });
    }
    let mut findings = Vec::new();
    for look in looks {
        findings.extend(match look {
            Look::Done(finding) => Some(finding),
            Look::Going(looking) => looking.await.ok(),
        });
    }
    findings
}

enum Look {
    Done(Finding),
    Going(tokio::task::JoinHandle<Finding>),
}

fn last_printed(recent: &[RecentTicket], name: &str, now: UnixMs) -> String {
    let by = |ticket: &&RecentTicket| {
        ticket.state == TicketState::Printed
            && ticket.taken_by.as_ref().is_some_and(|printer| printer.as_str() == name)
    };
    match recent.iter().filter(by).filter_map(|ticket| ticket.ended_at).max() {
        Some(at) => format!("上次出纸 last printed {} min", now.since(at) / 60_000),
        None => "近期没有出纸 / printed nothing lately".to_owned(),
    }
}

fn seen(status: &StatusFile, name: &str, subject: String, last: &str) -> Finding {
    let Some(health) = status.status.printers.iter().find(|health| health.printer.as_str() == name) else {
        return Finding::ok(AREA, subject, "程序还没有接管 / the agent has not taken it yet")
            .but(Verdict::Warn, ("过一分钟再看", "look again in a minute"));
    };
    let profile = status.profiles.iter().find(|profile| profile.printer == name);
    let model = profile.and_then(|profile| profile.model.as_deref()).unwrap_or("型号未知 model unknown");
    let fence = profile.map_or("?", |profile| profile.fence.as_str());
    let codes: Vec<&str> = health.conditions.iter().map(|since| since.condition.code()).collect();
    let said = format!("{model}, fence {fence}, 待打 waiting {}, {last} {}", health.waiting, codes.join(" "));
    let finding = Finding::ok(AREA, subject, said.trim_end());
    let worst = health.conditions.iter().max_by_key(|since| since.condition.stops_printing());
    match worst.map(|since| since.condition) {
        None => finding,
        Some(condition) if condition.stops_printing() => finding.but(Verdict::Bad, condition.remedy()),
        Some(condition) => finding.but(Verdict::Warn, condition.remedy()),
    }
}

async fn tried(address: &Address, subject: String, last: &str) -> Finding {
    let reached = match address {
        Address::Lan { host, port } => {
            match timeout(CONNECT_MAX, TcpStream::connect((host.as_str(), *port))).await {
                Ok(connected) => connected.map(drop).map_err(|error| error.to_string()),
                Err(_) => Err("no answer".to_owned()),
            }
        }
        // What is not a file here (`COM3`) is left to the agent.
        Address::Serial { path, .. } | Address::UsbClass { path } if path.starts_with('/') => {
            if Path::new(path).exists() { Ok(()) } else { Err("no such device".to_owned()) }
        }
        _ => {
            return Finding::ok(
                AREA,
                subject,
                format!("程序没有运行,没有去试 / not tried without the agent, {last}"),
            );
        }
    };
    match reached {
        Ok(()) => Finding::ok(AREA, subject, format!("能连上 / reached, {last}")),
        Err(error) => Finding::ok(AREA, subject, format!("unreachable: {error}, {last}"))
            .but(Verdict::Bad, ("检查打印机电源、网线或 USB 线", "check its power and cable")),
    }
}
