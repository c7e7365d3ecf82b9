//! What goes to an agent, and what it has stored.

use super::alarms::raise;
use super::lane::{Fault, Pending, Urgency};
use super::ticket_state::TicketState;
use super::{Storage, StorageError, help, settings};
use crate::clock;
use docket_protocol::frame;
use docket_protocol::ids::{AgentId, Seq, StoreId, UnixMs};
use docket_protocol::message::{Hello, Item, Refusal, SettingsPart};
use docket_protocol::session::Opened;
use rusqlite::{Connection, OptionalExtension, params};

/// A new item in an agent's outbox.
#[derive(Debug, Clone)]
pub struct Assigned {
    /// Whose outbox.
    pub agent: AgentId,
    /// Its place.
    pub seq: Seq,
    /// A postcard `Item`.
    pub payload: Vec<u8>,
}

/// The answer to a hello.
#[derive(Debug)]
pub enum Opening {
    /// The session is open.
    Opened(Opened),
    /// It is not.
    Refused(Refusal),
}

/// When an item was sent, for its ticket's times.
#[derive(Debug, Clone, Copy)]
pub struct SentAt {
    /// Which item.
    pub seq: Seq,
    /// When.
    pub at: UnixMs,
}

impl Storage {
    /// Opens a session: a new epoch, and the places where both directions go on.
    ///
    /// # Errors
    /// Where nothing could be stored.
    pub async fn open_session(&self, agent: AgentId, hello: Hello) -> Result<Opening, StorageError> {
        self.writer.call(move |connection| open_session(connection, &agent, &hello, clock::now())).await
    }

    /// The items of an agent's outbox after a place.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn outbox_after(
        &self,
        agent: AgentId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<(Seq, Vec<u8>)>, StorageError> {
        self.reader
            .call(move |connection| {
                let mut select = connection.prepare_cached(
                    "SELECT outbox.seq, coalesce(settings, item)
                         FROM outbox LEFT JOIN tickets ON tickets.number = outbox.ticket
                         WHERE outbox.agent = ?1 AND outbox.seq > ?2
                     UNION ALL SELECT seq, item FROM help_outbox WHERE agent = ?1 AND seq > ?2
                     ORDER BY 1 LIMIT ?3",
                )?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let rows = select.query_map(params![agent.as_str(), to_sql(after), limit], |row| {
                    Ok((from_sql(row.get(0)?), row.get(1)?))
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The agent has stored everything up to a place, and said so at `at`. The answer is [`StorageError::Superseded`] where the
    /// session is no longer the agent's.
    pub async fn acknowledged(
        &self,
        agent: AgentId,
        epoch: u64,
        up_to: Seq,
        sent: Vec<SentAt>,
        at: UnixMs,
    ) -> Pending<()> {
        self.writer
            .submit(
                Urgency::Lazy,
                move |connection| acknowledged(connection, &agent, epoch, up_to, &sent, at),
                |()| (),
            )
            .await
    }

    /// A session is over: what is made from now on, its spool cannot have got.
    ///
    /// # Errors
    /// Where it could not be stored.
    pub async fn session_ended(&self, agent: AgentId, epoch: u64) -> Result<(), StorageError> {
        self.writer
            .call(move |connection| {
                connection
                    .prepare_cached("UPDATE agents SET disconnected_at = ?1 WHERE id = ?2 AND epoch = ?3")?
                    .execute(params![
                        clock::now().0,
                        agent.as_str(),
                        i64::try_from(epoch).unwrap_or(i64::MAX)
                    ])?;
                Ok(())
            })
            .await
    }
}

/// The store's agent: the one that is not revoked.
pub(super) fn agent_of(connection: &Connection, store: &StoreId) -> rusqlite::Result<Option<AgentId>> {
    connection
        .prepare_cached(
            "SELECT id FROM agents WHERE store = ?1 AND revoked_at IS NULL ORDER BY enrolled_at DESC LIMIT 1",
        )?
        .query_row([store.as_str()], |row| Ok(AgentId::new(row.get::<_, String>(0)?)))
        .optional()
}

/// Puts a ticket at the end of an agent's outbox.
pub(super) fn assign(
    connection: &Connection,
    agent: &AgentId,
    ticket: i64,
    item: Vec<u8>,
) -> rusqlite::Result<Assigned> {
    let seq = next_place(connection, agent)?;
    connection
        .prepare_cached("INSERT INTO outbox (agent, seq, ticket) VALUES (?1, ?2, ?3)")?
        .execute(params![agent.as_str(), seq, ticket])?;
    Ok(Assigned { agent: agent.clone(), seq: from_sql(seq), payload: item })
}

/// Puts parts of settings at the end of an agent's outbox. What is still there of older ones keeps its places, and
/// nothing more.
pub(super) fn assign_settings(
    connection: &Connection,
    agent: &AgentId,
    parts: Vec<SettingsPart>,
) -> rusqlite::Result<usize> {
    let placeholder =
        parts.first().map(|part| SettingsPart { parts: 0, part: 0, bytes: Vec::new(), ..*part });
    if let Some(nothing) = placeholder {
        connection
            .prepare_cached("UPDATE outbox SET settings = ?2 WHERE agent = ?1 AND settings IS NOT NULL")?
            .execute(params![agent.as_str(), frame::payload(&Item::Settings(nothing))])?;
    }
    let count = parts.len();
    for part in parts {
        let seq = next_place(connection, agent)?;
        connection
            .prepare_cached("INSERT INTO outbox (agent, seq, settings) VALUES (?1, ?2, ?3)")?
            .execute(params![agent.as_str(), seq, frame::payload(&Item::Settings(part))])?;
    }
    Ok(count)
}

fn next_place(connection: &Connection, agent: &AgentId) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("UPDATE agents SET assigned = assigned + 1 WHERE id = ?1 RETURNING assigned")?
        .query_row([agent.as_str()], |row| row.get(0))
}

/// When an agent's spool may have been given tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Contact {
    /// It never had a session.
    Never,
    /// Its last session ended then.
    Until(UnixMs),
    /// Its last session may still be open.
    Still,
}

impl Contact {
    pub(super) fn read(connected_at: Option<i64>, disconnected_at: Option<i64>) -> Self {
        match (connected_at, disconnected_at) {
            (None, _) => Contact::Never,
            (Some(_), Some(at)) => Contact::Until(UnixMs(at)),
            (Some(_), None) => Contact::Still,
        }
    }

    fn may_have_got(self, made_at: UnixMs) -> bool {
        match self {
            Contact::Never => false,
            Contact::Until(at) => made_at <= at,
            Contact::Still => true,
        }
    }
}

/// What an agent was given anew.
pub(super) struct Handed {
    /// Places in its outbox.
    items: usize,
    /// Of these, tickets.
    tickets: usize,
}

/// Gives the store's settings and open tickets to an agent whose spool does not have them: a new PC, or a spool that was
/// lost. Tickets that the former spool may have printed are marked. Tickets of the counter have no content here.
pub(super) fn hand_over(
    connection: &Connection,
    store: &StoreId,
    agent: &AgentId,
    former: Contact,
) -> Result<Handed, Fault> {
    connection.prepare_cached("DELETE FROM outbox WHERE agent = ?1")?.execute([agent.as_str()])?;
    help::lose(connection, agent, clock::now())?;
    // First, so that its printers are known when the tickets come.
    let parts = settings::give(connection, store, agent)?;
    let open: Vec<(i64, UnixMs, Vec<u8>)> = connection
        .prepare_cached(
            "SELECT number, made_at, item FROM tickets
             WHERE store = ?1 AND state < ?2 AND item <> x'' ORDER BY made_at, number",
        )?
        .query_map(params![store.as_str(), TicketState::Printed as i64], |row| {
            Ok((row.get(0)?, UnixMs(row.get(1)?), row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let tickets = open.len();
    for (number, made_at, mut item) in open {
        if former.may_have_got(made_at)
            && let Some(Item::Ticket(mut ticket)) = frame::read_payload(&item)
        {
            ticket.maybe_printed = true;
            item = frame::payload(&Item::Ticket(ticket));
            connection
                .prepare_cached("UPDATE tickets SET item = ?1 WHERE number = ?2")?
                .execute(params![item, number])?;
        }
        connection
            .prepare_cached(
                "UPDATE tickets SET sent_at = NULL, spooled_at = NULL, state = ?1 WHERE number = ?2",
            )?
            .execute(params![TicketState::Queued as i64, number])?;
        assign(connection, agent, number, item)?;
    }
    Ok(Handed { items: parts + tickets, tickets })
}

fn open_session(
    connection: &Connection,
    agent: &AgentId,
    hello: &Hello,
    now: UnixMs,
) -> Result<Opening, Fault> {
    let row = connection
        .prepare_cached(
            "SELECT store, spool, epoch, received_up_to, acked, assigned, revoked_at, connected_at, disconnected_at
             FROM agents WHERE id = ?1",
        )?
        .query_row([agent.as_str()], |row| {
            Ok(AgentRow {
                store: StoreId::new(row.get::<_, String>(0)?),
                spool: row.get(1)?,
                epoch: row.get(2)?,
                received_up_to: from_sql(row.get(3)?),
                acked: from_sql(row.get(4)?),
                assigned: from_sql(row.get(5)?),
                revoked: row.get::<_, Option<i64>>(6)?.is_some(),
                contact: Contact::read(row.get(7)?, row.get(8)?),
            })
        })
        .optional()?;
    let Some(row) = row else { return Ok(Opening::Refused(Refusal::UnknownAgent)) };
    if row.revoked {
        return Ok(Opening::Refused(Refusal::Revoked));
    }
    let mut acked = row.acked.max(hello.received_up_to);
    let mut assigned = row.assigned;
    // A spool that this identity never had a session with counts in another one's places: the PC was enrolled
    // again, or our database is an older copy. In an older copy the spool can also be ahead of all we know.
    let counts_otherwise = row.spool.is_none() && hello.received_up_to > Seq(0);
    if counts_otherwise || hello.received_up_to > assigned {
        assigned = go_on_after(connection, agent, &row, hello.received_up_to)?;
    } else {
        acknowledge_rows(connection, agent, hello.received_up_to, &[], now)?;
    }
    let lost_spool = row.spool.as_deref().is_some_and(|spool| spool != hello.spool);
    let old_copy = hello.received_up_to < row.acked;
    connection
        .prepare_cached(
            "UPDATE agents SET spool = ?1, epoch = epoch + 1, acked = ?2, assigned = ?3, connected_at = ?4,
                    disconnected_at = NULL, version = ?5, platform = ?6 WHERE id = ?7",
        )?
        .execute(params![
            hello.spool,
            to_sql(acked),
            to_sql(assigned),
            now.0,
            hello.agent_version,
            hello.platform,
            agent.as_str()
        ])?;
    if lost_spool || old_copy {
        let Handed { items, tickets } = hand_over(connection, &row.store, agent, row.contact)?;
        raise(connection, "spool-lost", agent.as_str(), &format!("{} {tickets}", row.store), now)?;
        // The new places begin after all that the former spool has had.
        acked = assigned;
        assigned = Seq(assigned.0 + items as u64);
        connection
            .prepare_cached("UPDATE agents SET acked = ?1 WHERE id = ?2")?
            .execute(params![to_sql(acked), agent.as_str()])?;
    }
    Ok(Opening::Opened(Opened {
        epoch: row.epoch.unsigned_abs() + 1,
        received_up_to: row.received_up_to,
        sends_after: acked,
        assigned_up_to: assigned,
        now,
    }))
}

/// Gives what is in an agent's outbox the places after `received`, and returns the last one.
fn go_on_after(
    connection: &Connection,
    agent: &AgentId,
    row: &AgentRow,
    received: Seq,
) -> rusqlite::Result<Seq> {
    let (from, to) = (to_sql(row.acked), to_sql(received));
    // By way of negative places: a place may be taken by another item until that has moved, too.
    for outbox in ["outbox", "help_outbox"] {
        connection
            .prepare_cached(&format!("UPDATE {outbox} SET seq = ?2 - ?3 - seq WHERE agent = ?1"))?
            .execute(params![agent.as_str(), from, to])?;
        connection
            .prepare_cached(&format!("UPDATE {outbox} SET seq = -seq WHERE agent = ?1"))?
            .execute([agent.as_str()])?;
    }
    Ok(Seq(received.0 + row.assigned.0.saturating_sub(row.acked.0)))
}

struct AgentRow {
    store: StoreId,
    spool: Option<Vec<u8>>,
    epoch: i64,
    received_up_to: Seq,
    acked: Seq,
    assigned: Seq,
    revoked: bool,
    contact: Contact,
}

fn acknowledged(
    connection: &Connection,
    agent: &AgentId,
    epoch: u64,
    up_to: Seq,
    sent: &[SentAt],
    now: UnixMs,
) -> Result<(), Fault> {
    fence(connection, agent, epoch)?;
    acknowledge_rows(connection, agent, up_to, sent, now)?;
    connection
        .prepare_cached("UPDATE agents SET acked = max(acked, ?1) WHERE id = ?2")?
        .execute(params![to_sql(up_to), agent.as_str()])?;
    Ok(())
}

fn acknowledge_rows(
    connection: &Connection,
    agent: &AgentId,
    up_to: Seq,
    sent: &[SentAt],
    now: UnixMs,
) -> Result<(), Fault> {
    let rows: Vec<(i64, Option<i64>)> = connection
        .prepare_cached("DELETE FROM outbox WHERE agent = ?1 AND seq <= ?2 RETURNING seq, ticket")?
        .query_map(params![agent.as_str(), to_sql(up_to)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    help::acknowledged(connection, agent, up_to)?;
    for (seq, ticket) in rows {
        let Some(ticket) = ticket else { continue };
        let sent_at = sent.iter().find(|sent| to_sql(sent.seq) == seq).map(|sent| sent.at.0);
        connection
            .prepare_cached(
                "UPDATE tickets SET sent_at = coalesce(?1, sent_at), spooled_at = ?2, state = max(state, ?3)
                 WHERE number = ?4",
            )?
            .execute(params![sent_at, now.0, TicketState::Spooled as i64, ticket])?;
    }
    Ok(())
}

/// Refuses the writes of a session that has been taken over.
pub(super) fn fence(connection: &Connection, agent: &AgentId, epoch: u64) -> Result<(), Fault> {
    let current: Option<i64> = connection
        .prepare_cached("SELECT epoch FROM agents WHERE id = ?1 AND revoked_at IS NULL")?
        .query_row([agent.as_str()], |row| row.get(0))
        .optional()?;
    match current {
        Some(current) if current.unsigned_abs() == epoch => Ok(()),
        _ => Err(StorageError::Superseded.into()),
    }
}

/// SQLite's integers are signed; a sequence does not reach 2^63.
pub(super) fn to_sql(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(super) fn from_sql(seq: i64) -> Seq {
    Seq(seq.unsigned_abs())
}
