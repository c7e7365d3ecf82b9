//! Tickets, spools and waiting, for the tests.

use docket_agent::printing::journal::{Journal, Record};
use docket_agent::spool::{Claim, ClaimPort, Ending, Finish, PrinterRoute, Spool, SpoolOptions};
use docket_protocol::document::{Align, Block, Document, Style};
use docket_protocol::frame::{payload, read_payload};
use docket_protocol::ids::{OrderKey, Platform, PrinterName, Seq, Station, TicketId, UnixMs};
use docket_protocol::message::{Item, Report};
use docket_protocol::outcome::Doubt;
use docket_protocol::ticket::{Ticket, TicketKind};
use std::path::Path;
use std::time::Duration;

/// Longer than anything here should take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn ticket(number: u32, station: &str) -> Ticket {
    let order = OrderKey { platform: Platform::Meituan, id: number.to_string() };
    let station = Station::new(station);
    Ticket {
        id: TicketId::derive(&order, TicketKind::Kitchen, &station, 0),
        order,
        kind: TicketKind::Kitchen,
        station,
        title: format!("美团外卖 #{number}"),
        made_at: UnixMs(0),
        maybe_printed: false,
        urgent: false,
        copies: 1,
        expires_at: None,
        document: Document {
            blocks: vec![Block::Text {
                text: format!("No.{number}"),
                style: Style::BIG,
                align: Align::Center,
            }],
        },
    }
}

pub fn item(ticket: &Ticket) -> Vec<u8> {
    payload(&Item::Ticket(ticket.clone()))
}

/// Items 1 to `count` for the default printer.
pub fn items(count: u32) -> Vec<(Seq, Vec<u8>)> {
    (1..=count).map(|number| (Seq(u64::from(number)), item(&ticket(number, "front")))).collect()
}

/// `front` is the default, `back` prints for the kitchen.
pub fn options(boot: &str) -> SpoolOptions {
    let route = |name: &str, station: &str, default| PrinterRoute {
        name: PrinterName::new(name),
        stations: vec![station.into()],
        default,
        backup: None,
    };
    SpoolOptions::new(vec![route("front", "front", true), route("back", "kitchen", false)], Some(boot.into()))
}

pub fn open(folder: &Path) -> Spool {
    Spool::open(folder, options("boot-1")).unwrap()
}

pub fn front() -> PrinterName {
    PrinterName::new("front")
}

/// A printer's journal, as its task opens it in the first boot.
pub fn journal(folder: &Path, printer: &PrinterName) -> Journal {
    Journal::open(folder, printer).unwrap().in_boot(Some("boot-1")).unwrap()
}

pub async fn reports(spool: &Spool) -> Vec<Report> {
    let rows = spool.outbox_after(Seq(0), 10_000).await.unwrap();
    rows.into_iter().map(|(_, payload)| read_payload(&payload).unwrap()).collect()
}

/// What the printer's task does first: it asks the printer about the ticket that it was found in. This one does not
/// know, either.
pub async fn ask_in_vain(journal: &Journal, port: &ClaimPort) {
    let Some(record) = journal.left_open() else { return };
    let Some(repeat) = port.in_question(record.ticket, record.attempt).await.unwrap() else { return };
    let ending = Ending::Unknown(Doubt::AgentEnded);
    let Record { ticket, attempt, began_at, .. } = record;
    let finish = Finish {
        ticket,
        attempt,
        repeat,
        ending,
        boxes: None,
        cut_short: false,
        began_at,
        ended_at: UnixMs(9),
    };
    port.finish(finish).await.unwrap();
}

/// What came of a claim just now.
pub fn finish(claim: &Claim, ending: Ending) -> Finish {
    Finish {
        ticket: claim.ticket.id,
        attempt: claim.attempt,
        repeat: claim.repeat,
        ending,
        boxes: None,
        cut_short: false,
        began_at: UnixMs(10),
        ended_at: docket_agent::clock::now(),
    }
}

pub async fn claim(port: &mut ClaimPort) -> Claim {
    within("a claim", port.next()).await.expect("the spool is open")
}

/// What is in the folder at this moment, as `kill -9` leaves it.
pub fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_into(from, to.path());
    to
}

fn copy_into(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}
