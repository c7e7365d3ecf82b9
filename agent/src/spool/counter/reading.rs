//! What is looked up for the counter.

use super::super::command::Asker;
use super::super::store::{limit_number, tell};
use super::super::view::{RECENT_COLUMNS, recent_from_row};
use super::{Answered, CounterTicket, DIGEST_BYTES, Submitted};
use docket_protocol::frame::read_payload;
use docket_protocol::ids::{TicketId, UnixMs};
use docket_protocol::pack::{ROWS_MAX, pack};
use docket_protocol::session::Batch;
use rusqlite::{Connection, OptionalExtension as _, Params, Row};

/// Something to look up.
#[derive(Debug)]
pub(in super::super) enum CounterRead {
    /// What was answered before.
    Answered { key: String, digest: [u8; DIGEST_BYTES], answer: Asker<Option<Answered>> },
    /// What was submitted under a key.
    Submitted { key: String, answer: Asker<Option<Submitted>> },
    /// Orders, the newest first.
    OrdersBefore { before: i64, limit: usize, answer: Asker<Vec<Submitted>> },
    /// A ticket.
    Ticket { id: TicketId, answer: Asker<Option<CounterTicket>> },
    /// Tickets that have changed.
    ChangedAfter { change: u64, limit: usize, answer: Asker<Vec<CounterTicket>> },
    /// What the hub is to be told.
    Uploads { bytes_max: usize, answer: Asker<Option<Batch>> },
}

/// Looks it up. Whether that has met damage.
pub(in super::super) fn read(connection: &Connection, read: CounterRead) -> bool {
    match read {
        CounterRead::Answered { key, digest, answer } => tell(answer, answered(connection, &key, digest)),
        CounterRead::Submitted { key, answer } => tell(answer, submitted(connection, &key)),
        CounterRead::OrdersBefore { before, limit, answer } => {
            tell(answer, orders_before(connection, before, limit))
        }
        CounterRead::Ticket { id, answer } => tell(
            answer,
            tickets(connection, "id = ?1", [id.as_bytes()]).map(|found| found.into_iter().next()),
        ),
        CounterRead::ChangedAfter { change, limit, answer } => {
            let change = i64::try_from(change).unwrap_or(i64::MAX);
            let found =
                tickets(connection, "changed > ?1 ORDER BY changed LIMIT ?2", [change, limit_number(limit)]);
            tell(answer, found)
        }
        CounterRead::Uploads { bytes_max, answer } => tell(answer, uploads(connection, bytes_max)),
    }
}

/// Whether the counter has ever given anything, and the number of the last change.
pub(in super::super) fn last_change(connection: &Connection) -> rusqlite::Result<(bool, u64)> {
    let last: i64 = connection.prepare_cached("SELECT last FROM changes")?.query_row([], |row| row.get(0))?;
    Ok((last > 0, last.unsigned_abs()))
}

/// What was answered to this request; that another one has its key; or nothing.
pub(super) fn answered(
    connection: &Connection,
    key: &str,
    digest: [u8; DIGEST_BYTES],
) -> rusqlite::Result<Option<Answered>> {
    let before = connection
        .prepare_cached("SELECT digest, answer FROM answers WHERE key = ?1")?
        .query_row([key], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))
        .optional()?;
    Ok(before.map(
        |(kept, answer)| {
            if kept == digest { Answered::Before(answer) } else { Answered::OtherRequest }
        },
    ))
}

const SUBMITTED_COLUMNS: &str = "place, key, content, received_at, cancelled_at";

fn submitted(connection: &Connection, key: &str) -> rusqlite::Result<Option<Submitted>> {
    let found = connection
        .prepare_cached(&format!("SELECT {SUBMITTED_COLUMNS} FROM submissions WHERE key = ?1"))?
        .query_row([key], submitted_from_row)
        .optional()?;
    found.map(|submitted| with_tickets(connection, submitted)).transpose()
}

fn orders_before(connection: &Connection, before: i64, limit: usize) -> rusqlite::Result<Vec<Submitted>> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT {SUBMITTED_COLUMNS} FROM submissions WHERE place < ?1 AND content IS NOT NULL
             ORDER BY place DESC LIMIT ?2"
        ))?
        .query_map([before, limit_number(limit)], submitted_from_row)?
        .collect::<Result<Vec<_>, _>>()?;
    found.into_iter().map(|submitted| with_tickets(connection, submitted)).collect()
}

fn submitted_from_row(row: &Row<'_>) -> rusqlite::Result<Submitted> {
    let content: Option<Vec<u8>> = row.get(2)?;
    Ok(Submitted {
        place: row.get(0)?,
        key: row.get(1)?,
        order: content.and_then(|content| read_payload(&content)),
        received_at: UnixMs(row.get(3)?),
        cancelled_at: row.get::<_, Option<i64>>(4)?.map(UnixMs),
        tickets: Vec::new(),
    })
}

fn with_tickets(connection: &Connection, submitted: Submitted) -> rusqlite::Result<Submitted> {
    let tickets = tickets(connection, "submission = ?1 ORDER BY tickets.place", [submitted.place])?;
    Ok(Submitted { tickets, ..submitted })
}

/// `condition` is one of the above.
fn tickets(
    connection: &Connection,
    condition: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<CounterTicket>> {
    connection
        .prepare_cached(&format!(
            "SELECT {RECENT_COLUMNS}, key, changed FROM tickets JOIN submissions ON submissions.place = submission
             WHERE {condition}"
        ))?
        .query_map(params, |row| {
            let changed: i64 = row.get(21)?;
            Ok(CounterTicket {
                ticket: recent_from_row(row)?,
                key: row.get(20)?,
                changed: changed.unsigned_abs(),
            })
        })?
        .collect()
}

/// The number of the last thing that the hub is to be told; 0 where nothing waits.
pub(in super::super) fn last_upload(connection: &Connection) -> rusqlite::Result<u64> {
    let last: i64 = connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM uploads")?
        .query_row([], |row| row.get(0))?;
    Ok(last.unsigned_abs())
}

fn uploads(connection: &Connection, bytes_max: usize) -> rusqlite::Result<Option<Batch>> {
    let mut select = connection.prepare_cached("SELECT seq, payload FROM uploads ORDER BY seq LIMIT ?1")?;
    let mut found = select.query([limit_number(ROWS_MAX)])?;
    let (mut rows, mut bytes, mut up_to) = (Vec::<Vec<u8>>::new(), 0, 0_i64);
    while let Some(row) = found.next()? {
        let upload: Vec<u8> = row.get(1)?;
        bytes += upload.len();
        if bytes > bytes_max && !rows.is_empty() {
            break;
        }
        up_to = row.get(0)?;
        rows.push(upload);
    }
    Ok((!rows.is_empty()).then(|| Batch { up_to: up_to.unsigned_abs(), packed: pack(&rows) }))
}
