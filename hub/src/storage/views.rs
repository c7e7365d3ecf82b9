//! What the console shows of storage.

use super::settings::{self, SettingsView};
use super::ticket_state::TicketState;
use super::{Storage, StorageError};
use docket_protocol::ids::UnixMs;
use rusqlite::{Connection, params};
use serde::Serialize;

/// An order with its tickets.
#[derive(Debug, Clone, Serialize)]
pub struct OrderView {
    /// `meituan`.
    pub platform: String,
    /// The platform's id.
    pub id: String,
    /// The store; `None` while its shop is not mapped.
    pub store: Option<String>,
    /// The shop on the platform.
    pub shop: String,
    /// The pick-up number.
    pub pickup: String,
    /// Total in fen.
    pub total_fen: i64,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// When the push came.
    pub received_at: UnixMs,
    /// Its tickets in the order in which they were made.
    pub tickets: Vec<TicketView>,
}

/// A ticket and its times, all by the hub's clock.
#[derive(Debug, Clone, Serialize)]
pub struct TicketView {
    /// Its id.
    pub id: String,
    /// `front`, `kitchen`, `urge`, `cancel`.
    pub kind: String,
    /// Where it is wanted; empty is the store's default printer.
    pub station: String,
    /// `no-agent`, `queued`, `spooled`, `unknown`, `held`, `printed`.
    pub state: &'static str,
    /// How it is known that it came out.
    pub evidence: Option<String>,
    /// Why it was or is doubtful.
    pub doubt: Option<String>,
    /// Characters that came out as boxes, as [`docket_protocol::boxes::Boxes`] says them; empty where there are none, or
    /// none are known.
    pub boxes: String,
    /// How often it was printed again, marked.
    pub repeats: i64,
    /// Where it came out.
    pub printer: Option<String>,
    /// The printer that it was meant for, where its backup printed it.
    pub meant_for: Option<String>,
    /// When it was made, together with its order's storing.
    pub made_at: UnixMs,
    /// When it was given to the link.
    pub sent_at: Option<UnixMs>,
    /// When the agent had stored it.
    pub spooled_at: Option<UnixMs>,
    /// When the hub had its evidence.
    pub printed_at: Option<UnixMs>,
}

/// An alarm.
#[derive(Debug, Clone, Serialize)]
pub struct AlarmView {
    /// What it is.
    pub code: String,
    /// What it is about.
    pub subject: String,
    /// More about it.
    pub detail: String,
    /// Since when.
    pub since: UnixMs,
    /// How often it was raised.
    pub times: i64,
}

/// A store's open tickets.
#[derive(Debug, Clone, Serialize)]
pub struct OpenTickets {
    /// The store.
    pub store: String,
    /// How many.
    pub tickets: i64,
    /// When the oldest was made.
    pub oldest_at: UnixMs,
}

/// All that the console needs of storage, read at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// The newest orders first.
    pub orders: Vec<OrderView>,
    /// The newest alarms first.
    pub alarms: Vec<AlarmView>,
    /// Stores with tickets that have not come out.
    pub open: Vec<OpenTickets>,
    /// What stores are set to, of those that headquarters has set.
    pub settings: Vec<SettingsView>,
}

impl Storage {
    /// The newest orders, the alarms, and what is open.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn overview(&self, orders_max: usize, alarms_max: usize) -> Result<Overview, StorageError> {
        self.reader
            .call(move |connection| {
                Ok(Overview {
                    orders: orders(connection, orders_max)?,
                    alarms: alarms(connection, alarms_max)?,
                    open: open_tickets(connection)?,
                    settings: settings::views(connection)?,
                })
            })
            .await
    }
}

fn orders(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<OrderView>> {
    let mut select = connection.prepare_cached(
        "SELECT platform, id, store, shop, pickup, total, cancelled, received_at, number
         FROM orders ORDER BY number DESC LIMIT ?1",
    )?;
    let mut rows = select.query(params![i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut orders = Vec::new();
    while let Some(row) = rows.next()? {
        orders.push(OrderView {
            platform: row.get(0)?,
            id: row.get(1)?,
            store: row.get(2)?,
            shop: row.get(3)?,
            pickup: row.get(4)?,
            total_fen: row.get(5)?,
            cancelled: row.get(6)?,
            received_at: UnixMs(row.get(7)?),
            tickets: tickets(connection, row.get(8)?)?,
        });
    }
    Ok(orders)
}

fn tickets(connection: &Connection, order: i64) -> rusqlite::Result<Vec<TicketView>> {
    let mut select = connection.prepare_cached(
        "SELECT id, kind, station, state, evidence, doubt, repeats, printer, made_at, sent_at, spooled_at, printed_at,
                meant_for, boxes
         FROM tickets WHERE order_number = ?1 ORDER BY number",
    )?;
    let rows = select.query_map([order], |row| {
        Ok(TicketView {
            id: docket_protocol::ids::TicketId::from_bytes(row.get(0)?).to_string(),
            kind: row.get(1)?,
            station: row.get(2)?,
            state: TicketState::from_number(row.get(3)?).map_or("?", TicketState::as_str),
            evidence: row.get(4)?,
            doubt: row.get(5)?,
            repeats: row.get(6)?,
            printer: row.get(7)?,
            made_at: UnixMs(row.get(8)?),
            sent_at: row.get::<_, Option<i64>>(9)?.map(UnixMs),
            spooled_at: row.get::<_, Option<i64>>(10)?.map(UnixMs),
            printed_at: row.get::<_, Option<i64>>(11)?.map(UnixMs),
            meant_for: row.get(12)?,
            boxes: row.get::<_, Option<String>>(13)?.unwrap_or_default(),
        })
    })?;
    rows.collect()
}

fn alarms(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<AlarmView>> {
    let mut select = connection.prepare_cached(
        "SELECT code, subject, detail, since, times FROM alarms ORDER BY last_at DESC LIMIT ?1",
    )?;
    let rows = select.query_map(params![i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(AlarmView {
            code: row.get(0)?,
            subject: row.get(1)?,
            detail: row.get(2)?,
            since: UnixMs(row.get(3)?),
            times: row.get(4)?,
        })
    })?;
    rows.collect()
}

fn open_tickets(connection: &Connection) -> rusqlite::Result<Vec<OpenTickets>> {
    let mut select = connection.prepare_cached(
        "SELECT store, count(*), min(made_at) FROM tickets WHERE state < 5 GROUP BY store ORDER BY min(made_at)",
    )?;
    let rows = select.query_map([], |row| {
        Ok(OpenTickets { store: row.get(0)?, tickets: row.get(1)?, oldest_at: UnixMs(row.get(2)?) })
    })?;
    rows.collect()
}
