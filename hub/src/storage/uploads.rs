//! What the stores' counters have done, as their agents send it up: each thing once, by the keys in it.
//!
//! The hub is told of it and prints nothing: these tickets have no content here, and go into no outbox. A PC that takes
//! a store's open tickets over does not get them; their agent has them, and they print without the hub.
//!
//! An agent speaks for its own store only. The key of an order names the agent that took it, and that agent has to be one
//! of the same store: this one, or one that stood there before and left its folder. What is another's, and what only a
//! newer hub can read, is kept as it came and raised, so that an agent that deletes what is acknowledged loses nothing.

use super::Storage;
use super::alarms::raise;
use super::lane::{Fault, Pending, Urgency};
use super::outbox::fence;
use super::reports::{cut_short, record};
use super::ticket_state::TicketState;
use docket_protocol::frame;
use docket_protocol::ids::{AgentId, Fen, OrderKey, Platform, StoreId, UnixMs};
use docket_protocol::upload::{CounterCancelled, CounterOrder, CounterTickets, TicketOutline, Upload};
use ring::digest;
use rusqlite::{Connection, OptionalExtension, params};

/// What is shown of a counter's order as its number, in characters.
const NUMBER_CHARS_MAX: usize = 64;

impl Storage {
    /// Stores what an agent has sent up, all of it or nothing. The answer is
    /// [`StorageError::Superseded`](super::StorageError::Superseded) where the session is no longer the agent's.
    pub async fn uploaded(&self, agent: AgentId, epoch: u64, rows: Vec<Vec<u8>>, at: UnixMs) -> Pending<()> {
        self.writer
            .submit(Urgency::Lazy, move |connection| store(connection, &agent, epoch, &rows, at), |()| ())
            .await
    }
}

fn store(
    connection: &Connection,
    agent: &AgentId,
    epoch: u64,
    rows: &[Vec<u8>],
    now: UnixMs,
) -> Result<(), Fault> {
    fence(connection, agent, epoch)?;
    let store = StoreId::new(
        connection
            .prepare_cached("SELECT store FROM agents WHERE id = ?1")?
            .query_row([agent.as_str()], |row| row.get::<_, String>(0))?,
    );
    let uploads = Uploads { connection, agent, store: &store, now };
    for row in rows {
        let taken = match frame::read_payload(row) {
            Some(Upload::Order(order)) => uploads.order(&order)?,
            Some(Upload::Tickets(tickets)) => uploads.tickets(&tickets)?,
            Some(Upload::Cancelled(cancelled)) => uploads.cancelled(&cancelled)?,
            Some(Upload::Outcome(report)) => {
                record(connection, agent, &report, now)?;
                Ok(())
            }
            Some(Upload::CutShort { ticket }) => {
                cut_short(connection, agent, ticket, now)?;
                Ok(())
            }
            None => Err("upload-unreadable"),
        };
        if let Err(code) = taken {
            uploads.keep(row, code)?;
        }
    }
    Ok(())
}

/// Stored, or the code of why not.
type Taken = Result<(), &'static str>;

struct Uploads<'a> {
    connection: &'a Connection,
    agent: &'a AgentId,
    store: &'a StoreId,
    now: UnixMs,
}

impl Uploads<'_> {
    fn order(&self, upload: &CounterOrder) -> Result<Taken, Fault> {
        let order = &upload.order;
        if !self.is_ours(&order.key)? {
            return Ok(Err("upload-foreign"));
        }
        let row = OrderRow {
            key: &order.key,
            shop: &order.shop,
            number: &order.pickup_number,
            total: order.total,
            placed_at: order.placed_at,
            canonical: frame::payload(order),
        };
        if let Some(number) = self.insert_order(&row)? {
            for dish in &upload.unmapped {
                let detail = format!("{} {}", self.store, order.key);
                raise(self.connection, "dish-unmapped", dish, &detail, self.now)?;
            }
            self.insert_tickets(number, &upload.tickets)?;
        }
        Ok(Ok(()))
    }

    fn tickets(&self, upload: &CounterTickets) -> Result<Taken, Fault> {
        if !self.is_ours(&upload.key)? {
            return Ok(Err("upload-foreign"));
        }
        let row = OrderRow {
            key: &upload.key,
            shop: self.store.as_str(),
            number: upload.tickets.first().map_or("", |ticket| &ticket.title),
            total: Fen(0),
            placed_at: upload.accepted_at,
            canonical: Vec::new(),
        };
        if let Some(number) = self.insert_order(&row)? {
            self.insert_tickets(number, &upload.tickets)?;
        }
        Ok(Ok(()))
    }

    fn cancelled(&self, upload: &CounterCancelled) -> Result<Taken, Fault> {
        if !self.is_ours(&upload.order)? {
            return Ok(Err("upload-foreign"));
        }
        let number: Option<i64> = self
            .connection
            .prepare_cached(
                "UPDATE orders SET cancelled = 1 WHERE platform = ?1 AND id = ?2 AND store = ?3 RETURNING number",
            )?
            .query_row(params![upload.order.platform.as_str(), upload.order.id, self.store.as_str()], |row| {
                row.get(0)
            })
            .optional()?;
        // An order that is no longer kept needs no cancelling.
        if let Some(number) = number {
            self.insert_tickets(number, &upload.slips)?;
        }
        Ok(Ok(()))
    }

    fn is_ours(&self, key: &OrderKey) -> Result<bool, Fault> {
        if key.platform != Platform::Counter {
            return Ok(false);
        }
        let Some((agent, _)) = key.id.split_once('/') else { return Ok(false) };
        Ok(self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM agents WHERE id = ?1 AND store = ?2)")?
            .query_row([agent, self.store.as_str()], |row| row.get(0))?)
    }

    /// The number of a new order; `None` where it is there already.
    fn insert_order(&self, row: &OrderRow<'_>) -> Result<Option<i64>, Fault> {
        let number: String = row.number.chars().take(NUMBER_CHARS_MAX).collect();
        let new = self
            .connection
            .prepare_cached(
                "INSERT INTO orders (platform, id, store, shop, pickup, total, placed_at, received_at, canonical)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING RETURNING number",
            )?
            .query_row(
                params![
                    row.key.platform.as_str(),
                    row.key.id,
                    self.store.as_str(),
                    row.shop,
                    number,
                    row.total.0,
                    row.placed_at.0,
                    self.now.0,
                    row.canonical
                ],
                |row| row.get(0),
            )
            .optional()?;
        Ok(new)
    }

    /// They are in the store's spool, or they would not be known. They count as made when the hub hears of them: the
    /// store's clock may be anything, and what is late is judged by one clock.
    fn insert_tickets(&self, order: i64, outlines: &[TicketOutline]) -> Result<(), Fault> {
        for outline in outlines {
            self.connection
                .prepare_cached(
                    "INSERT INTO tickets
                         (id, order_number, store, kind, station, title, state, made_at, spooled_at, item)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, x'') ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    outline.id.as_bytes(),
                    order,
                    self.store.as_str(),
                    outline.kind.as_str(),
                    outline.station.as_str(),
                    outline.title,
                    TicketState::Spooled as i64,
                    self.now.0
                ])?;
        }
        Ok(())
    }

    fn keep(&self, row: &[u8], code: &str) -> Result<(), Fault> {
        let digest = digest::digest(&digest::SHA256, row);
        let inserted = self
            .connection
            .prepare_cached(
                "INSERT INTO unread_uploads (digest, agent, received_at, code, row) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![digest.as_ref(), self.agent.as_str(), self.now.0, code, row])?;
        if inserted == 1 {
            raise(self.connection, code, self.agent.as_str(), "", self.now)?;
        }
        Ok(())
    }
}

struct OrderRow<'a> {
    key: &'a OrderKey,
    shop: &'a str,
    number: &'a str,
    total: Fen,
    placed_at: UnixMs,
    canonical: Vec<u8>,
}
