//! The hub's database, read from outside: what it has promised.

use anyhow::Context;
use rusqlite::{Connection, OpenFlags, Params};
use std::path::Path;
use std::time::Duration;

/// A read-only look at the hub's database.
#[derive(Debug)]
pub struct Ledger(Connection);

/// A ticket with its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// The platform's id of the order.
    pub order: String,
    /// `front`, `kitchen`, `urge`, `cancel`.
    pub kind: String,
    /// Where it is wanted.
    pub station: String,
    /// 0 no agent, 1 queued, 2 spooled, 3 unknown, 4 held, 5 printed.
    pub state: i64,
    /// How it is known that it came out.
    pub evidence: Option<String>,
    /// How often it bears 补打.
    pub repeats: i64,
    /// Times in milliseconds: received, made, sent, spooled, printed.
    pub received_at: i64,
    /// When it was made.
    pub made_at: i64,
    /// When it was given to the link.
    pub sent_at: Option<i64>,
    /// When the agent had it.
    pub spooled_at: Option<i64>,
    /// When its evidence was stored.
    pub printed_at: Option<i64>,
}

impl Ledger {
    /// Opens the database of a data folder.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(data.join("hub.db"), flags).context("opening the ledger")?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(Ledger(connection))
    }

    /// All tickets in the order in which they were made.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn tickets(&self) -> anyhow::Result<Vec<TicketRow>> {
        self.select("true", [])
    }

    /// The tickets of one order.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn tickets_of(&self, order: &str) -> anyhow::Result<Vec<TicketRow>> {
        self.select("orders.id = ?1", [order])
    }

    fn select(&self, condition: &str, parameters: impl Params) -> anyhow::Result<Vec<TicketRow>> {
        let mut select = self.0.prepare(&format!(
            "SELECT orders.id, kind, station, state, evidence, repeats, orders.received_at,
                    made_at, sent_at, spooled_at, printed_at
             FROM tickets JOIN orders ON orders.number = tickets.order_number
             WHERE {condition} ORDER BY tickets.number"
        ))?;
        let rows = select.query_map(parameters, |row| {
            Ok(TicketRow {
                order: row.get(0)?,
                kind: row.get(1)?,
                station: row.get(2)?,
                state: row.get(3)?,
                evidence: row.get(4)?,
                repeats: row.get(5)?,
                received_at: row.get(6)?,
                made_at: row.get(7)?,
                sent_at: row.get(8)?,
                spooled_at: row.get(9)?,
                printed_at: row.get(10)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// (tickets, printed tickets).
    ///
    /// # Errors
    /// Where they cannot be counted.
    pub fn counts(&self) -> anyhow::Result<(u64, u64)> {
        let sql = "SELECT count(*), coalesce(sum(state = 5), 0) FROM tickets";
        let (all, printed): (i64, i64) = self.0.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((all.unsigned_abs(), printed.unsigned_abs()))
    }

    /// Sessions that agents have opened so far.
    ///
    /// # Errors
    /// Where they cannot be counted.
    pub fn sessions(&self) -> anyhow::Result<i64> {
        Ok(self.0.query_row("SELECT coalesce(sum(epoch), 0) FROM agents", [], |row| row.get(0))?)
    }

    /// One number of any query.
    ///
    /// # Errors
    /// Where the query cannot be run.
    pub fn number(&self, sql: &str) -> anyhow::Result<i64> {
        Ok(self.0.query_row(sql, [], |row| row.get(0))?)
    }

    /// Codes and subjects of all alarms.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn alarms(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut select = self.0.prepare("SELECT code, subject FROM alarms ORDER BY code, subject")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
