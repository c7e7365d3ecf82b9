//! `/api/v1/events`: each change of a ticket of the counter, as server-sent events.
//!
//! An event's id is the number of the change, which is stored with the ticket. So a program goes on after the last event
//! that it has seen, by `Last-Event-ID` as the standard has it or by `?after=`, whatever has happened to it or to this
//! one: it hears of each ticket that has changed since, as it stands now. Without either it hears of what comes. Nothing
//! waits for a slow listener but one slice of tickets.

use super::Api;
use super::handlers::number;
use super::problem::Problem;
use super::view::TicketView;
use crate::page::reply::{self, Reply};
use crate::spool::{Spool, SpoolError};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// Programs that may listen at the same time.
pub const STREAMS_MAX: usize = 4;
/// Tickets that are read at once.
const SLICE: usize = 64;
/// How often a listener hears that the stream is alive.
const BEAT: Duration = Duration::from_secs(10);
/// How long one stream lives; its program comes again. Shorter than its connection.
const STREAM_MAX: Duration = Duration::from_secs(500);
/// How long a listener may take nothing.
const STUCK_MAX: Duration = Duration::from_secs(10);
/// How soon a program whose stream has ended tries again.
const RETRY_MS: u32 = 500;
/// How long a spool that is being opened anew is waited for before it is looked for again.
const REOPEN: Duration = Duration::from_millis(100);
/// Events that wait for a connection.
const EVENTS_MAX: usize = 4;
const LAST_EVENT_ID: &str = "last-event-id";

/// A new listener's stream.
pub(super) fn stream(api: &Api, head: &Parts, query: &str) -> Result<Reply, Problem> {
    let after = match head.headers.get(LAST_EVENT_ID) {
        Some(id) => id.to_str().unwrap_or_default().trim().parse().map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "event-id",
                ("Last-Event-ID 不是这里给的编号", "this Last-Event-ID is none that was given here"),
                ("用收到的最后一个 id,或不带", "send the last id that was received, or none"),
            )
        })?,
        None => number(query, "after", u64::MAX)?,
    };
    let seat = Seat::take(&api.streams)?;
    let (spools, mut stop) = (api.spool.clone(), api.stop.clone());
    let (events, stream) = mpsc::channel(EVENTS_MAX);
    tokio::spawn(async move {
        tokio::select! {
            () = listen(spools, after, &events) => {}
            () = sleep(STREAM_MAX) => {}
            () = events.closed() => {}
            _ = stop.wait_for(|stopping| *stopping) => {}
        }
        drop(seat);
    });
    Ok(reply::events(stream))
}

/// A listener's place; free again when it is dropped.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(streams: &Arc<AtomicUsize>) -> Result<Self, Problem> {
        if streams.fetch_add(1, Ordering::SeqCst) < STREAMS_MAX {
            return Ok(Seat(Arc::clone(streams)));
        }
        streams.fetch_sub(1, Ordering::SeqCst);
        Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-streams",
            (format!("已有 {STREAMS_MAX} 个程序在听事件"), format!("{STREAMS_MAX} programs listen already")),
            ("关掉不用的连接", "close connections that nobody needs"),
        )
        .after_s(10))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sends until the connection is gone or takes nothing any more.
async fn listen(mut spools: watch::Receiver<Option<Spool>>, after: u64, events: &mpsc::Sender<Bytes>) {
    let mut last = after;
    let mut is_new = true;
    loop {
        let Some(spool) = spools.borrow_and_update().clone() else {
            // An error is a sender that is gone: the agent ends.
            if spools.changed().await.is_err() {
                return;
            }
            continue;
        };
        if std::mem::take(&mut is_new) {
            let newest = *spool.changes().borrow();
            // What is said to be after all is of another data folder than this one: from the beginning, then.
            last = match last {
                u64::MAX => newest,
                last if last > newest => 0,
                last => last,
            };
            let start = format!("retry: {RETRY_MS}\nid: {last}\nevent: start\ndata: {{}}\n\n");
            if !send(events, start).await {
                return;
            }
        }
        // It is opened anew when printers change; what was sent by then is counted.
        let followed = tokio::select! {
            followed = follow(&spool, &mut last, events) => followed,
            Ok(()) = spools.changed() => continue,
        };
        match followed {
            Err(SpoolError::Closed) => {}
            Ok(()) | Err(_) => return,
        }
        let _ = timeout(REOPEN, spools.changed()).await;
    }
}

/// Returns when the listener is gone.
///
/// # Errors
/// Where the spool is closed, or cannot be read.
async fn follow(spool: &Spool, last: &mut u64, events: &mpsc::Sender<Bytes>) -> Result<(), SpoolError> {
    let mut changes = spool.changes();
    loop {
        changes.mark_unchanged();
        loop {
            let tickets = spool.changed_after(*last, SLICE).await?;
            let count = tickets.len();
            for ticket in tickets {
                let change = ticket.changed;
                // Our own view: strings as keys, numbers that are finite.
                let view = serde_json::to_string(&TicketView::new(ticket)).unwrap_or_default();
                if !send(events, format!("id: {change}\nevent: ticket\ndata: {view}\n\n")).await {
                    return Ok(());
                }
                *last = change;
            }
            if count < SLICE {
                break;
            }
        }
        match timeout(BEAT, changes.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(SpoolError::Closed),
            Err(_) => {
                if !send(events, ": \n\n".to_owned()).await {
                    return Ok(());
                }
            }
        }
    }
}

async fn send(events: &mpsc::Sender<Bytes>, text: String) -> bool {
    timeout(STUCK_MAX, events.send(text.into())).await.is_ok_and(|sent| sent.is_ok())
}
