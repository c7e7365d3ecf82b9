//! `docket-agent tickets`: the newest tickets, from the spool itself. It can be read whether or not the agent runs.

use super::span;
use crate::clock;
use crate::config::Config;
use crate::spool::{RecentTicket, TicketState, recent_in};
use anyhow::Context;
use docket_protocol::ids::UnixMs;
use std::process::ExitCode;

/// Prints them, newest first.
pub(super) fn tickets(config: &Config, last: usize, json: bool) -> anyhow::Result<ExitCode> {
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
        "cut_short": ticket.cut_short,
        "late_min": ticket.late.map(|late| late.minutes),
        "late_at_hub_min": ticket.late.map(|late| late.at_hub_minutes),
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
    let cut_short = if ticket.cut_short { " 太长,没打完 / too long, not whole" } else { "" };
    let late = ticket.late.map(|late| late.words()).map_or(String::new(), |(zh, en)| format!(" {zh} / {en}"));
    println!(
        "{}  {zh} {en}{how}{repeat}{urgent}{boxes}{cut_short}{late}  {kind} {} → {printer}  {} 前 / ago",
        ticket.id,
        ticket.title,
        span(now.since(ticket.received_at))
    );
}
