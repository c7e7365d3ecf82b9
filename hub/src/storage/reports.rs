//! What agents report: the outcomes of their tickets. The rows and the agent's cursor change in one transaction, so
//! each report counts once.

use super::alarms::raise;
use super::lane::{Fault, Pending, Urgency};
use super::outbox::{fence, from_sql, to_sql};
use super::ticket_state::TicketState;
use super::{Storage, help, settings};
use docket_protocol::frame;
use docket_protocol::ids::{AgentId, Seq, TicketId, UnixMs};
use docket_protocol::message::Report;
use docket_protocol::outcome::{Outcome, TicketReport};
use rusqlite::{Connection, OptionalExtension as _, params};

impl Storage {
    /// Stores what an agent has reported at `at`, and its cursor, which is the answer. It is
    /// [`StorageError::Superseded`](super::StorageError::Superseded) where the session is no longer the agent's. Reports
    /// are stored in the order of these calls.
    pub async fn report(
        &self,
        agent: AgentId,
        epoch: u64,
        reports: Vec<(Seq, Vec<u8>)>,
        at: UnixMs,
    ) -> Pending<Seq> {
        self.writer
            .submit(Urgency::Lazy, move |connection| report(connection, &agent, epoch, &reports, at), |_| ())
            .await
    }
}

fn report(
    connection: &Connection,
    agent: &AgentId,
    epoch: u64,
    reports: &[(Seq, Vec<u8>)],
    now: UnixMs,
) -> Result<Seq, Fault> {
    fence(connection, agent, epoch)?;
    let mut received: Seq = connection
        .prepare_cached("SELECT received_up_to FROM agents WHERE id = ?1")?
        .query_row([agent.as_str()], |row| Ok(from_sql(row.get(0)?)))?;
    for (seq, payload) in reports {
        if *seq <= received {
            continue;
        }
        received = *seq;
        match frame::read_payload(payload) {
            Some(Report::Ticket(report)) => record(connection, agent, &report, now)?,
            Some(Report::Unreadable { seq }) => {
                raise(connection, "item-unreadable", agent.as_str(), &seq.to_string(), now)?;
            }
            Some(Report::CutShort { ticket }) => cut_short(connection, agent, ticket, now)?,
            Some(Report::Help { id, outcome }) => help::answered(connection, agent, id, outcome, now)?,
            Some(Report::Settings { revision, outcome }) => {
                settings::record(connection, agent, revision, &outcome, now)?;
            }
            None => raise(connection, "report-unreadable", agent.as_str(), &seq.to_string(), now)?,
        }
    }
    connection
        .prepare_cached("UPDATE agents SET received_up_to = ?1 WHERE id = ?2")?
        .execute(params![to_sql(received), agent.as_str()])?;
    Ok(received)
}

/// An agent speaks for its own store only. Printed is the end: what is said of another attempt afterwards changes only the count of repeats.
pub(super) fn record(
    connection: &Connection,
    agent: &AgentId,
    report: &TicketReport,
    now: UnixMs,
) -> rusqlite::Result<()> {
    let (state, evidence, doubt) = match report.outcome {
        Outcome::Printed(evidence) => (TicketState::Printed, Some(evidence.as_str()), None),
        Outcome::Unknown(doubt) => (TicketState::Unknown, None, Some(doubt.as_str())),
        Outcome::Held(doubt) => (TicketState::Held, None, Some(doubt.as_str())),
        Outcome::Settled => (TicketState::Settled, None, None),
    };
    let printed_at = (state == TicketState::Printed).then_some(now.0);
    connection
        .prepare_cached(
            "UPDATE tickets SET
                state = CASE state WHEN 5 THEN 5 ELSE ?1 END,
                printed_at = coalesce(printed_at, ?2),
                spooled_at = coalesce(spooled_at, ?3),
                evidence = coalesce(evidence, ?4),
                doubt = coalesce(?5, doubt),
                repeats = max(repeats, ?6),
                printer = ?7,
                meant_for = ?8,
                boxes = coalesce(?9, boxes)
             WHERE id = ?10 AND store = (SELECT store FROM agents WHERE id = ?11)",
        )?
        .execute(params![
            state as i64,
            printed_at,
            now.0,
            evidence,
            doubt,
            report.repeat,
            report.printer.as_str(),
            report.meant_for.as_ref().map(|printer| printer.as_str()),
            report.boxes.as_ref().map(|boxes| boxes.as_str()),
            report.ticket.as_bytes(),
            agent.as_str()
        ])?;
    Ok(())
}

/// An order of which a slip is not whole is looked at by people: dishes may be missing from it.
pub(super) fn cut_short(
    connection: &Connection,
    agent: &AgentId,
    ticket: TicketId,
    now: UnixMs,
) -> rusqlite::Result<()> {
    let of_ticket = connection
        .prepare_cached(
            "SELECT orders.platform || ':' || orders.id, tickets.store || ' ' || tickets.kind || ' ' || tickets.station
             FROM tickets JOIN orders ON orders.number = tickets.order_number
             WHERE tickets.id = ?1 AND tickets.store = (SELECT store FROM agents WHERE id = ?2)",
        )?
        .query_row(params![ticket.as_bytes(), agent.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    match of_ticket {
        Some((order, slip)) => raise(connection, "ticket-cut-short", &order, &slip, now),
        None => Ok(()),
    }
}
