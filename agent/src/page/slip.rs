//! Slips that the page makes itself: a number that tells printers apart, and a test page.

use crate::config::PrinterEntry;
use crate::printers::Printer;
use crate::printing::Address;
use crate::status::{ProfileView, StatusFile};
use docket_paper::test_page::TestPage;
use docket_protocol::document::{Align, Block, Document, Style};
use docket_protocol::ids::{OrderKey, Platform, Station, TicketId, UnixMs};
use docket_protocol::ticket::{Ticket, TicketKind};

/// The largest that a character can be.
const HUGE: Style = Style { width: 8, height: 8, bold: true, ..Style::NORMAL };

/// A number as large as paper allows.
pub fn number(number: usize, address: &Address) -> Document {
    let centered = |text: String, style| Block::Text { text, style, align: Align::Center };
    Document {
        blocks: vec![
            centered(number.to_string(), HUGE),
            Block::Feed { lines: 1 },
            centered(address.to_string(), Style::NORMAL),
            centered("请在页面上选这个编号".to_owned(), Style::NORMAL),
        ],
    }
}

/// A test page for a printer: one that can be printed any number of times, and so has an id of its own each time.
pub fn test_page(printer: &Printer, status: Option<&StatusFile>, now: UnixMs) -> Ticket {
    let PrinterEntry { name, address, paper_mm, stations, .. } = &printer.entry;
    let order = OrderKey { platform: Platform::Meituan, id: format!("test-{name}-{}", now.0) };
    let station = Station::new(stations.first().map_or("front", String::as_str));
    let is_its = |profile: &&ProfileView| profile.printer == *name;
    let profile = status.and_then(|status| status.profiles.iter().find(is_its));
    let page = TestPage {
        store: status.map(|status| status.store_name.clone()).unwrap_or_default(),
        printer: name.clone(),
        address: address.to_string(),
        model: profile.and_then(|profile| profile.model.clone()).unwrap_or_default(),
        paper_mm: u16::from(*paper_mm),
        columns: printer.entry.paper().columns(),
        made_at: now,
    };
    Ticket {
        id: TicketId::derive(&order, TicketKind::Test, &station, 0),
        order,
        kind: TicketKind::Test,
        station,
        title: format!("测试页 {name}"),
        made_at: now,
        maybe_printed: false,
        urgent: true,
        copies: 1,
        expires_at: None,
        document: page.document(),
    }
}
