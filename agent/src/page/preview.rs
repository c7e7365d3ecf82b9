//! What a ticket looks like on paper: the lines that its printer gets, drawn as that printer prints them.
//!
//! So it is asked what the printer's task asks: how wide the paper is, what the unit has shown to understand, and what
//! the fonts of this PC have. A ticket that is out is shown as it came out, on a backup's paper if that printed it; one
//! that is asked for again, as it would come out now of the printer that was chosen. What has changed since (a font, a
//! pinned profile) shows here first.

use super::App;
use super::reply::{Refused, Reply, whole};
use super::tickets::{TICKETS_SHOWN, id, unknown_ticket};
use crate::printers::Printer;
use crate::printing::{Paper, slip};
use crate::spool::{Claim, Spool, SpoolError};
use docket_paper::escpos::Dialect;
use docket_paper::font::Fonts;
use docket_paper::glyphs::Remembered;
use docket_paper::svg;
use docket_protocol::ids::PrinterName;
use docket_protocol::ticket::Ticket;

/// An SVG of one copy of a ticket with the marks that it bears (`ticket=ID`), or would bear if it were printed again
/// (`again=1`), there or elsewhere (`printer=NAME`).
pub async fn preview(app: &App, query: &str) -> Result<Reply, Refused> {
    let asked = |name: &str| {
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(asked, _)| *asked == name)
    };
    let id = id(asked("ticket").map_or("", |(_, id)| id))?;
    let spool = app.spool()?;
    let ticket = spool.ticket(id).await?.ok_or_else(unknown_ticket)?;
    let mut claim = Claim {
        ticket: Ticket { copies: 1, ..ticket },
        attempt: 1,
        repeat: 0,
        backup_for: None,
        late_min: 0,
    };
    let recent = spool.recent(TICKETS_SHOWN).await?.into_iter().find(|recent| recent.id == id);
    let mut prints = None;
    if let Some(recent) = recent {
        let is_again = asked("again").is_some();
        claim.late_min = recent.late.map_or(0, |late| late.minutes);
        claim.repeat = if is_again { recent.next_repeat() } else { recent.repeat };
        match recent.taken_by.filter(|taken_by| !is_again && *taken_by != recent.printer) {
            Some(backup) => (prints, claim.backup_for) = (Some(backup), Some(recent.printer)),
            None => prints = Some(recent.printer),
        }
        if let (true, Some((_, elsewhere))) = (is_again, asked("printer")) {
            prints = Some(PrinterName::new(unescaped(elsewhere)));
        }
    }
    let printers = app.printers();
    let printer = prints.as_ref().and_then(|name| printers.get(name.as_str()));
    let paper = printer.map_or(Paper::Mm80, |printer| printer.entry.paper());
    let dialect = match printer {
        Some(printer) => dialect(&spool, printer).await?,
        None => Dialect::default(),
    };
    let lines = slip::lines(&claim, paper);
    // One character may stand in a note thousands of times, and the printers' tasks wait meanwhile.
    let (mut remembered, mut fonts) = (Remembered::default(), Fonts::installed());
    let drawn = svg::draw(&lines, paper, &dialect, &mut remembered.before(&mut fonts));
    Ok(whole("image/svg+xml", drawn))
}

/// What `encodeURIComponent` has made harmless; names of printers are Chinese.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let digits = escaped.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) => {
                bytes.push(byte);
                rest = &escaped[2..];
            }
            None => {
                bytes.push(b'%');
                rest = escaped;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the unit that stands there understands, as far as it is known.
async fn dialect(spool: &Spool, printer: &Printer) -> Result<Dialect, SpoolError> {
    let (name, address) = (&printer.entry.name, &printer.entry.address);
    // The newest first: the unit that stands there now.
    let facts = spool.profiles().await?.into_iter().find(|(owner, _)| owner == name);
    let facts = facts.map(|(_, facts)| facts).unwrap_or_default();
    Ok(printer.entry.profile.profile(address.usb_ids(), &facts).dialect())
}
