//! What a ticket looks like on paper: the lines that its printer gets, drawn as that printer prints them.
//!
//! So it is asked what the printer's task asks: how wide the paper is, what the unit has shown to understand, and what
//! the fonts of this PC have. A ticket that is out is shown as it came out, on a backup's paper if that printed it; one
//! that is asked for again, as it would come out now. What has changed since (a font, a pinned profile) shows here
//! first.

use super::App;
use super::reply::{Refused, Reply, whole};
use super::tickets::{TICKETS_SHOWN, id, unknown_ticket};
use crate::printers::Printer;
use crate::printing::{Paper, slip};
use crate::spool::{Claim, Spool, SpoolError};
use docket_paper::escpos::Dialect;
use docket_paper::font::Fonts;
use docket_paper::svg;
use docket_protocol::ticket::Ticket;

/// An SVG of one copy of a ticket with the marks that it bears, or would bear if it were printed again.
pub async fn preview(app: &App, query: &str) -> Result<Reply, Refused> {
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("ticket=")).unwrap_or_default();
    let id = id(asked)?;
    let spool = app.spool()?;
    let ticket = spool.ticket(id).await?.ok_or_else(unknown_ticket)?;
    let mut claim = Claim { ticket: Ticket { copies: 1, ..ticket }, attempt: 1, repeat: 0, backup_for: None };
    let recent = spool.recent(TICKETS_SHOWN).await?.into_iter().find(|recent| recent.id == id);
    let mut prints = None;
    if let Some(recent) = recent {
        let is_again = query.split('&').any(|pair| pair == "again=1");
        claim.repeat = if is_again { recent.repeat.saturating_add(1) } else { recent.repeat };
        match recent.taken_by.filter(|taken_by| !is_again && *taken_by != recent.printer) {
            Some(backup) => (prints, claim.backup_for) = (Some(backup), Some(recent.printer)),
            None => prints = Some(recent.printer),
        }
    }
    let printers = app.printers();
    let printer = prints.as_ref().and_then(|name| printers.get(name.as_str()));
    let paper = match printer {
        Some(printer) if printer.entry.paper_mm == 58 => Paper::Mm58,
        _ => Paper::Mm80,
    };
    let dialect = match printer {
        Some(printer) => dialect(&spool, printer).await?,
        None => Dialect::default(),
    };
    let lines = slip::lines(&claim, paper);
    Ok(whole("image/svg+xml", svg::draw(&lines, paper, &dialect, &mut Fonts::installed())))
}

/// What the unit that stands there understands, as far as it is known.
async fn dialect(spool: &Spool, printer: &Printer) -> Result<Dialect, SpoolError> {
    let (name, address) = (&printer.entry.name, &printer.entry.address);
    // The newest first: the unit that stands there now.
    let facts = spool.profiles().await?.into_iter().find(|(owner, _)| owner == name);
    let facts = facts.map(|(_, facts)| facts).unwrap_or_default();
    Ok(printer.entry.profile.profile(address.usb_ids(), &facts).dialect())
}
