//! Slips that the page makes itself: a number that tells printers apart, and a test page.

use crate::config::PrinterEntry;
use crate::printers::Printer;
use crate::printing::Address;
use crate::status::StatusFile;
use docket_protocol::document::{Align, Block, Cell, Document, Style};
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
    let row = |left: &str, right: String| Block::Row {
        cells: vec![
            Cell { text: left.to_owned(), columns: Some(10), align: Align::Left },
            Cell { text: right, columns: None, align: Align::Right },
        ],
        style: Style::NORMAL,
    };
    let text = |text: String, style| Block::Text { text, style, align: Align::Center };
    let mut blocks = vec![
        text("测试页".to_owned(), Style::BIG),
        text(name.clone(), Style { width: 3, height: 3, bold: true, ..Style::NORMAL }),
        Block::Rule { title: String::new() },
    ];
    if let Some(status) = status {
        blocks.push(row("门店", format!("{} {}", status.store, status.store_name)));
    }
    blocks.extend([
        row("地址", address.to_string()),
        row("纸宽", format!("{paper_mm} mm")),
        row("档口", if stations.is_empty() { "—".to_owned() } else { stations.join("、") }),
        Block::Rule { title: String::new() },
        text("汉字清楚、两边不缺、切纸干净,就没问题".to_owned(), Style::NORMAL),
        text("0123456789 ABCDEFG abcdefg ¥".to_owned(), Style::NORMAL),
    ]);
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
        document: Document { blocks },
    }
}
