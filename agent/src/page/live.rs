//! `/api/events`: the state as server-sent events, whenever it changes.
//!
//! One task renders for all who look, and only while somebody does. It leaves the newest frame in a `watch` channel;
//! each viewer takes what it has not seen when its connection can take more. So a slow viewer skips frames, holds up
//! nobody, and has one frame at most waiting for it.
//!
//! The state is rendered as soon as it changes: paper that is out is seen at once. The tickets are read from the spool,
//! so they are looked at less often.

use super::reply::{self, Refused, Reply};
use super::view::State;
use super::{App, assets, tickets};
use crate::clock;
use docket_protocol::ids::UnixMs;
use hyper::StatusCode;
use hyper::body::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

/// Pages that may look at the same time.
pub const VIEWERS_MAX: usize = 16;
/// How often a viewer hears the agent's clock. The page calls the stream broken after three of these.
pub const BEAT: Duration = Duration::from_secs(2);
/// The shortest time between two looks at the tickets.
const TICKETS_EVERY: Duration = Duration::from_millis(500);
/// The longest time between two frames: things become old by time alone.
const FRAME_MAX: Duration = Duration::from_secs(5);
/// How long one viewer looks; its browser comes again. Shorter than its connection lives.
const VIEW_MAX: Duration = Duration::from_secs(500);
/// How long a viewer's connection may take nothing.
const STUCK_MAX: Duration = Duration::from_secs(10);
/// How soon a browser whose stream has ended tries again.
const RETRY_MS: u32 = 500;
/// Events that wait for a connection.
const EVENTS_MAX: usize = 4;

/// What a frame has, in the order in which it is sent.
const PARTS: [&str; 3] = ["state", "tickets", "search"];

/// The stream that all viewers share.
#[derive(Debug, Default)]
pub struct Live {
    frames: watch::Sender<Frame>,
    viewers: AtomicUsize,
    arrived: Notify,
}

/// The newest text of each part, and a number that rises with each change of it.
#[derive(Debug, Clone, Default)]
struct Frame {
    texts: [Arc<str>; PARTS.len()],
    versions: [u64; PARTS.len()],
}

impl Frame {
    fn put(&mut self, part: usize, text: String) -> bool {
        let changed = *self.texts[part] != *text;
        if changed {
            self.texts[part] = text.into();
            self.versions[part] += 1;
        }
        changed
    }
}

/// Renders until the agent stops.
pub async fn render_always(app: Arc<App>) {
    let mut stop = app.stop.clone();
    tokio::select! {
        () = render(&app) => {}
        _ = stop.wait_for(|stopping| *stopping) => {}
    }
}

async fn render(app: &App) {
    let (mut status, mut added, mut spool) = (app.status.clone(), app.added.subscribe(), app.spool.clone());
    let mut found = app.search.watch();
    let mut read_at: Option<Instant> = None;
    loop {
        if app.live.viewers.load(Ordering::SeqCst) == 0 {
            app.live.arrived.notified().await;
        }
        let state = state_text(app);
        let search = text_of(&*found.borrow_and_update());
        app.live.frames.send_if_modified(|frame| frame.put(0, state) | frame.put(2, search));
        added.mark_unchanged();
        status.mark_unchanged();
        let current = spool.borrow_and_update().clone();
        let mut counts = current.as_ref().map(|spool| spool.counts());
        if read_at.is_none_or(|at| at.elapsed() >= TICKETS_EVERY)
            && let Some(spool) = &current
        {
            if let Some(counts) = &mut counts {
                counts.mark_unchanged();
            }
            read_at = Some(Instant::now());
            // Without an answer the spool is being closed: what was shown stays until the next one is open.
            if let Ok(tickets) = tickets::recent(spool).await {
                let tickets = text_of(&tickets);
                app.live.frames.send_if_modified(|frame| frame.put(1, tickets));
            }
        }
        let again_at = read_at.map_or_else(Instant::now, |at| at + TICKETS_EVERY);
        tokio::select! {
            Ok(()) = status.changed() => {}
            Ok(()) = added.changed() => {}
            Ok(()) = spool.changed() => {}
            Ok(()) = found.changed() => {}
            () = app.live.arrived.notified() => {}
            () = async {
                // Not before the tickets may be read again.
                sleep_until(again_at).await;
                match &mut counts {
                    Some(counts) => { let _ = counts.changed().await; }
                    None => std::future::pending().await,
                }
            } => {}
            () = sleep(FRAME_MAX) => {}
        }
    }
}

/// The state as JSON.
pub fn state_text(app: &App) -> String {
    let status = app.status.borrow().clone();
    text_of(&State::new(status.as_deref(), app.printers(), clock::now()))
}

fn text_of(value: &impl serde::Serialize) -> String {
    // Our own views: strings as keys, numbers that are finite.
    serde_json::to_string(value).unwrap_or_default()
}

/// A new viewer's stream.
pub fn watch(app: &Arc<App>) -> Result<Reply, Refused> {
    if app.live.viewers.load(Ordering::SeqCst) >= VIEWERS_MAX {
        return Err(Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "page-full",
            format!("已有 {VIEWERS_MAX} 个页面打开,请关掉不用的"),
            format!("{VIEWERS_MAX} pages are open already; close some"),
        ));
    }
    let seat = Seat::take(app);
    let (events, stream) = mpsc::channel(EVENTS_MAX);
    tokio::spawn(async move {
        let mut stop = seat.0.stop.clone();
        tokio::select! {
            () = view(&seat.0, events) => {}
            () = sleep(VIEW_MAX) => {}
            _ = stop.wait_for(|stopping| *stopping) => {}
        }
    });
    Ok(reply::events(stream))
}

/// A viewer's place; free again when it is dropped.
struct Seat(Arc<App>);

impl Seat {
    fn take(app: &Arc<App>) -> Self {
        app.live.viewers.fetch_add(1, Ordering::SeqCst);
        // The next frame, not the last one: that may be from when somebody last looked.
        app.live.arrived.notify_one();
        Seat(Arc::clone(app))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.live.viewers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sends until the connection is gone or takes nothing any more.
async fn view(app: &App, events: mpsc::Sender<Bytes>) {
    let mut frames = app.live.frames.subscribe();
    let mut seen = [0; PARTS.len()];
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let send = async |text: String| {
        timeout(STUCK_MAX, events.send(text.into())).await.is_ok_and(|sent| sent.is_ok())
    };
    if !send(format!("retry: {RETRY_MS}\n\n")).await {
        return;
    }
    loop {
        tokio::select! {
            () = events.closed() => return,
            changed = frames.changed() => if changed.is_err() { return },
            _ = beat.tick() => {
                let taken = app.status.borrow().as_ref().map(|status| status.at);
                if !send(beat_event(clock::now(), taken)).await {
                    return;
                }
                continue;
            }
        }
        let frame = frames.borrow_and_update().clone();
        for (part, name) in PARTS.iter().enumerate() {
            if seen[part] != frame.versions[part] {
                seen[part] = frame.versions[part];
                if !send(format!("event: {name}\ndata: {}\n\n", frame.texts[part])).await {
                    return;
                }
            }
        }
    }
}

/// `taken`: when the state was last written; the page trusts nothing that is old.
fn beat_event(now: UnixMs, taken: Option<UnixMs>) -> String {
    let beat = serde_json::json!({ "now": now, "taken": taken, "build": assets::build() });
    format!("event: beat\ndata: {beat}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_sent_again_only_when_it_has_changed() {
        let mut frame = Frame::default();
        assert!(frame.put(0, "a".into()) && !frame.put(0, "a".into()) && frame.put(0, "b".into()));
        assert_eq!(frame.versions, [2, 0, 0]);
    }
}
