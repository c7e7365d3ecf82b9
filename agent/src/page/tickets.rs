//! The newest tickets, and what a person does with one: print it again, say that it is settled.

use super::reply::Refused;
use super::words::{self, Words};
use super::{App, stored};
use crate::spool::{RecentTicket, Reprint, Spool, SpoolError, TicketState};
use docket_paper::wanted::Wanted;
use docket_protocol::boxes::Boxes;
use docket_protocol::ids::{PrinterName, TicketId, UnixMs};
use docket_protocol::outcome::Evidence;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

/// Tickets that are shown.
pub const TICKETS_SHOWN: usize = 50;

/// A ticket as it is shown.
#[derive(Debug, Serialize)]
pub struct TicketView {
    id: String,
    /// What it is for; `None` where a newer program has stored it.
    kind: Option<&'static str>,
    kind_title: Option<&'static str>,
    title: String,
    station: String,
    printer: String,
    /// Its backup, where that has it or has printed it.
    backup: Option<String>,
    urgent: bool,
    state: &'static str,
    /// Whether the printer itself has confirmed it.
    confirmed: bool,
    /// How often it bears 补打.
    repeat: u16,
    /// How often it will if it is printed again.
    next_repeat: u16,
    received_at: UnixMs,
    ended_at: Option<UnixMs>,
    /// In what state, and how that is known.
    says: Words,
    evidence: Option<Words>,
    doubt: Option<Words>,
    /// What of it came out as boxes.
    boxes: Option<BoxesView>,
    /// Whether it was too long to come out whole.
    cut_short: bool,
    /// How late it was printed, and why.
    late: Option<Words>,
}

/// Characters that came out as boxes, and what to do about it.
#[derive(Debug, Serialize)]
struct BoxesView {
    characters: String,
    remedies: Vec<Words>,
}

impl BoxesView {
    fn new(boxes: &Boxes) -> Option<Self> {
        (!boxes.is_empty()).then(|| BoxesView {
            characters: boxes.as_str().to_owned(),
            remedies: Wanted::by(boxes.as_str()).into_iter().map(|wanted| wanted.remedy().into()).collect(),
        })
    }
}

impl TicketView {
    fn new(ticket: RecentTicket) -> Self {
        let printed = ticket.state == TicketState::Printed;
        TicketView {
            id: ticket.id.to_string(),
            next_repeat: ticket.next_repeat(),
            kind: ticket.kind.map(|kind| kind.as_str()),
            kind_title: ticket.kind.map(|kind| kind.title()),
            title: ticket.title,
            station: ticket.station,
            backup: ticket
                .taken_by
                .filter(|taken_by| *taken_by != ticket.printer)
                .map(|name| name.to_string()),
            printer: ticket.printer.to_string(),
            urgent: ticket.urgent,
            state: ticket.state.as_str(),
            confirmed: printed && ticket.evidence >= Some(Evidence::Status),
            repeat: ticket.repeat,
            received_at: ticket.received_at,
            ended_at: ticket.ended_at,
            says: ticket.state.title().into(),
            evidence: ticket.evidence.filter(|_| printed).map(|evidence| words::evidence(evidence).into()),
            doubt: ticket.doubt.filter(|_| !printed).map(|doubt| words::doubt(doubt, ticket.attempt).into()),
            boxes: BoxesView::new(&ticket.boxes),
            cut_short: ticket.cut_short,
            late: ticket.late.map(|late| late.words()).map(|(zh, en)| Words { zh, en }),
        }
    }
}

/// The newest first.
pub async fn recent(spool: &Spool) -> Result<Vec<TicketView>, SpoolError> {
    let tickets = spool.recent(TICKETS_SHOWN).await?;
    Ok(tickets.into_iter().map(TicketView::new).collect())
}

impl From<SpoolError> for Refused {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::UnknownPrinter { printer } => unknown_printer(printer.as_str()),
            // Another one is being opened, unless the agent ends, and then nobody reads this for long.
            SpoolError::Closed => Refused::busy(),
            error => {
                let (zh, en) = error.remedy();
                Refused::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), zh, en)
            }
        }
    }
}

/// Which ticket, and where.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    ticket: String,
    /// Another printer than its own.
    #[serde(default)]
    printer: Option<String>,
}

/// Which ticket.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    ticket: String,
}

/// Prints a ticket again, marked.
pub async fn reprint(app: &App, again: Again) -> Result<(), Refused> {
    let printer = again.printer.map(PrinterName::new);
    match stored(app.spool_with_room()?.reprint(id(&again.ticket)?, printer)).await? {
        Reprint::Queued | Reprint::Unmarked | Reprint::Moved => Ok(()),
        Reprint::Waiting => Err(Refused::new(
            StatusCode::CONFLICT,
            "not-printed-yet",
            "这张还没打完,不用补打",
            "it has not come out yet; it will",
        )),
        Reprint::Unknown => Err(unknown_ticket()),
    }
}

/// It did not come out: a held ticket is printed again, marked.
pub async fn release(app: &App, which: Which) -> Result<(), Refused> {
    held(stored(app.spool_with_room()?.release(id(&which.ticket)?)).await?)
}

/// It came out, or nobody needs it: a held ticket is not printed any more.
pub async fn settle(app: &App, which: Which) -> Result<(), Refused> {
    held(stored(app.spool_with_room()?.settle(id(&which.ticket)?)).await?)
}

fn held(was_held: bool) -> Result<(), Refused> {
    if was_held {
        return Ok(());
    }
    Err(Refused::new(
        StatusCode::CONFLICT,
        "not-held",
        "这张已经不在等人处理了",
        "this ticket does not wait for a person any more",
    ))
}

pub(super) fn id(text: &str) -> Result<TicketId, Refused> {
    TicketId::parse(text).ok_or_else(unknown_ticket)
}

pub(super) fn unknown_ticket() -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        "unknown-ticket",
        "找不到这张小票,可能已经过了保存期",
        "there is no such ticket (any more)",
    )
}

/// There is no printer of that name.
pub fn unknown_printer(name: &str) -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        "unknown-printer",
        format!("没有名为「{name}」的打印机"),
        format!("there is no printer named {name}"),
    )
}
