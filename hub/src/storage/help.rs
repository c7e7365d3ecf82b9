//! Help for a store's agent: what was asked of it, by whom, and what came of it.
//!
//! Each request is two things in one transaction: a row of the audit, and an item of the agent's outbox, beside its
//! tickets and in the same sequence. What came of it is another row. The audit only grows: triggers refuse to change
//! or delete a row, so whoever wants to hide one has to change the file.
//!
//! A request that has not reached an agent whose spool is lost goes with it: nobody can know that it was not done, and it
//! is told as not delivered.

use super::lane::Fault;
use super::outbox::{agent_of, to_sql};
use super::{Storage, StorageError};
use crate::clock;
use docket_protocol::frame;
use docket_protocol::help::{Help, HelpId, HelpOutcome, HelpRequest};
use docket_protocol::ids::{AgentId, Seq, StoreId, UnixMs};
use docket_protocol::message::Item;
use rusqlite::{Connection, OptionalExtension as _, params};

/// Requests of one agent that may be without an outcome and in time.
pub const OPEN_MAX: u32 = 16;
/// The outcome of a request that an agent never got.
const NOT_DELIVERED: &str = "help-undelivered";

/// What is asked for, and by whom.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Of which store's agent.
    pub store: StoreId,
    /// What.
    pub what: Help,
    /// Drawn for it.
    pub id: HelpId,
    /// Not to be begun later.
    pub until: UnixMs,
    /// Who asks.
    pub who: String,
}

/// A request as the audit has it.
#[derive(Debug, Clone)]
pub struct Audited {
    /// Its place in the audit.
    pub number: i64,
    /// When it was asked.
    pub at: UnixMs,
    /// By whom.
    pub who: String,
    /// Of which store.
    pub store: StoreId,
    /// Of which agent.
    pub agent: AgentId,
    /// What, in words.
    pub what: String,
    /// Which request.
    pub id: HelpId,
    /// Until when it could be begun.
    pub until: UnixMs,
    /// The code of what came of it, and when that was heard.
    pub outcome: Option<(String, UnixMs)>,
}

impl Storage {
    /// Asks a store's agent for help: it is in the audit and on its way when this returns. Whose agent it is.
    ///
    /// # Errors
    /// Where the store has none, or it has not answered what was asked before.
    pub async fn ask_help(&self, ask: Ask) -> Result<AgentId, StorageError> {
        self.writer.call(move |connection| ask_help(connection, &ask, clock::now())).await
    }

    /// The newest requests, newest first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn audit(&self, store: Option<StoreId>, last: u32) -> Result<Vec<Audited>, StorageError> {
        self.reader
            .call(move |connection| {
                let mut select = connection.prepare_cached(
                    "SELECT asked.number, asked.at, asked.who, asked.store, asked.agent, asked.what, asked.help,
                            asked.until, done.outcome, done.at
                     FROM audit asked LEFT JOIN audit done ON done.help = asked.help AND done.outcome IS NOT NULL
                     WHERE asked.outcome IS NULL AND (?1 IS NULL OR asked.store = ?1)
                     ORDER BY asked.number DESC LIMIT ?2",
                )?;
                let store = store.as_ref().map(StoreId::as_str);
                let rows = select.query_map(params![store, last], |row| {
                    let outcome: Option<String> = row.get(8)?;
                    let heard_at: Option<i64> = row.get(9)?;
                    Ok(Audited {
                        number: row.get(0)?,
                        at: UnixMs(row.get(1)?),
                        who: row.get(2)?,
                        store: StoreId::new(row.get::<_, String>(3)?),
                        agent: AgentId::new(row.get::<_, String>(4)?),
                        what: row.get(5)?,
                        id: HelpId::from_bytes(row.get(6)?),
                        until: UnixMs(row.get(7)?),
                        outcome: outcome.zip(heard_at.map(UnixMs)),
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The store of an agent that was asked for this bundle; `None` where it was not.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn bundle_asked(&self, agent: AgentId, id: HelpId) -> Result<Option<StoreId>, StorageError> {
        self.reader
            .call(move |connection| {
                Ok(connection
                    .prepare_cached(
                        "SELECT store FROM audit WHERE help = ?1 AND agent = ?2 AND outcome IS NULL AND what = ?3",
                    )?
                    .query_row(params![id.as_bytes(), agent.as_str(), Help::Bundle.as_str()], |row| {
                        Ok(StoreId::new(row.get::<_, String>(0)?))
                    })
                    .optional()?)
            })
            .await
    }
}

fn ask_help(connection: &Connection, ask: &Ask, now: UnixMs) -> Result<AgentId, Fault> {
    let Some(agent) = agent_of(connection, &ask.store)? else {
        return Err(StorageError::Refused(format!(
            "store-without-agent: {} has no agent: enrol one, or see `docket-hub store list`",
            ask.store
        ))
        .into());
    };
    let open: u32 = connection
        .prepare_cached(
            "SELECT count(*) FROM audit asked WHERE agent = ?1 AND outcome IS NULL AND until > ?2 AND NOT EXISTS
                 (SELECT 1 FROM audit done WHERE done.help = asked.help AND done.outcome IS NOT NULL)",
        )?
        .query_row(params![agent.as_str(), now.0], |row| row.get(0))?;
    if open >= OPEN_MAX {
        return Err(StorageError::Refused(format!(
            "help-open: {agent} has not answered {open} requests: wait for it, see `docket-hub audit`"
        ))
        .into());
    }
    let request = HelpRequest { id: ask.id, until: ask.until, what: ask.what.clone() };
    connection
        .prepare_cached(
            "INSERT INTO audit (at, who, store, agent, what, help, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            now.0,
            ask.who,
            ask.store.as_str(),
            agent.as_str(),
            ask.what.to_string(),
            ask.id.as_bytes(),
            ask.until.0
        ])?;
    let seq: i64 = connection
        .prepare_cached("UPDATE agents SET assigned = assigned + 1 WHERE id = ?1 RETURNING assigned")?
        .query_row([agent.as_str()], |row| row.get(0))?;
    connection
        .prepare_cached("INSERT INTO help_outbox (agent, seq, help, item) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![agent.as_str(), seq, ask.id.as_bytes(), frame::payload(&Item::Help(request))])?;
    Ok(agent)
}

/// What an agent says came of a request. It speaks of its own only, and the first word counts.
pub(super) fn answered(
    connection: &Connection,
    agent: &AgentId,
    id: HelpId,
    outcome: HelpOutcome,
    now: UnixMs,
) -> rusqlite::Result<()> {
    conclude(connection, agent, id.as_bytes(), outcome.code(), now)
}

fn conclude(
    connection: &Connection,
    agent: &AgentId,
    id: &[u8; 16],
    outcome: &str,
    now: UnixMs,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, who, store, agent, what, help, until, outcome)
             SELECT ?1, ?2, store, agent, what, help, until, ?3 FROM audit
             WHERE help = ?4 AND agent = ?2 AND outcome IS NULL
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![now.0, agent.as_str(), outcome, id])?;
    Ok(())
}

/// An agent has stored everything up to a place.
pub(super) fn acknowledged(connection: &Connection, agent: &AgentId, up_to: Seq) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM help_outbox WHERE agent = ?1 AND seq <= ?2")?
        .execute(params![agent.as_str(), to_sql(up_to)])?;
    Ok(())
}

/// What is on its way to an agent does not reach it any more.
pub(super) fn lose(connection: &Connection, agent: &AgentId, now: UnixMs) -> rusqlite::Result<()> {
    let lost: Vec<[u8; 16]> = connection
        .prepare_cached("DELETE FROM help_outbox WHERE agent = ?1 RETURNING help")?
        .query_map([agent.as_str()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    lost.iter().try_for_each(|id| conclude(connection, agent, id, NOT_DELIVERED, now))
}
