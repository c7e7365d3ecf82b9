//! `/api/events`: the state as server-sent events, whenever it changes.
//!
//! One task renders for all who look, and only while somebody does. It leaves the newest frame in a `watch` channel;
//! each viewer takes what it has not seen when its connection can take more. So a slow viewer skips frames, holds up
//! nobody, and has one frame at most waiting for it.
//!
//! The state is rendered as soon as it changes: paper that is out is seen at once. The tickets are read from the spool,
//! so they are looked at less often; a newcomer gets the next frame, never the last one.
//!
//! Seats are bounded, and other devices have their own, so that none of them takes one from the people at this PC. Where
//! all are taken, the longest viewer is told so and leaves: a phone that went out of reach keeps its seat for minutes, and
//! must not keep out whoever stands there now. Rejected: refusing the newcomer, of which a browser's event stream shows
//! nothing.

use super::reply::{self, Reply};
use super::view::State;
use super::words::Words;
use super::{App, assets, tickets};
use crate::clock;
use crate::spool::{Counts, Spool};
use docket_protocol::ids::UnixMs;
use hyper::body::Bytes;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

/// Pages on this PC that may look at the same time.
pub const VIEWERS_MAX: usize = 8;
/// Pages on other devices that may.
pub const LAN_VIEWERS_MAX: usize = 8;
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
/// How soon one tries again that has left for another one: were it at once, they would take turns without end.
const RETRY_LEFT_MS: u32 = 30_000;
/// Events that wait for a connection.
const EVENTS_MAX: usize = 4;

/// What a frame has, in the order in which it is sent.
const PARTS: [&str; 3] = ["state", "tickets", "search"];

/// The stream that all viewers share.
#[derive(Debug, Default)]
pub struct Live {
    frames: watch::Sender<Frame>,
    viewers: AtomicUsize,
    arrivals: AtomicUsize,
    arrived: Notify,
    here: Row,
    lan: Row,
}

/// Who sits where, the longest first: each leaves when its end is dropped.
#[derive(Debug, Default)]
struct Row(Mutex<VecDeque<oneshot::Sender<()>>>);

impl Row {
    /// Sits down. What is returned ends when the seat is another one's.
    fn sit_down(&self, seats_max: usize) -> oneshot::Receiver<()> {
        let (seat, taken) = oneshot::channel();
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| !seat.is_closed());
        while seats.len() >= seats_max {
            seats.pop_front();
        }
        seats.push_back(seat);
        taken
    }
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
    let (mut status, mut added, mut found) = (app.status.clone(), app.added.subscribe(), app.search.watch());
    let mut shelf = Shelf::new(app.spool.clone());
    let mut welcomed = 0;
    loop {
        if app.live.viewers.load(Ordering::SeqCst) == 0 {
            app.live.arrived.notified().await;
        }
        // A newcomer gets everything as it is now, also what is as it was when somebody last looked.
        let arrivals = app.live.arrivals.load(Ordering::SeqCst);
        let newcomer = std::mem::replace(&mut welcomed, arrivals) != arrivals;
        added.mark_unchanged();
        status.mark_unchanged();
        let (state, search) = (state_text(app), text_of(&*found.borrow_and_update()));
        app.live.frames.send_if_modified(|frame| frame.put(0, state) | frame.put(2, search));
        // Not before the state is out: the spool may be busy with its disk.
        let tickets = shelf.read(newcomer).await;
        app.live
            .frames
            .send_if_modified(|frame| tickets.is_some_and(|tickets| frame.put(1, tickets)) | newcomer);
        tokio::select! {
            Ok(()) = status.changed() => {}
            Ok(()) = added.changed() => {}
            Ok(()) = found.changed() => {}
            () = shelf.changed() => {}
            () = app.live.arrived.notified() => {}
            () = sleep(FRAME_MAX) => {}
        }
    }
}

/// The newest tickets, read only when there is news of them, and not too often.
struct Shelf {
    spools: watch::Receiver<Option<Spool>>,
    open: Option<(Spool, watch::Receiver<Counts>)>,
    read_at: Option<Instant>,
}

impl Shelf {
    fn new(mut spools: watch::Receiver<Option<Spool>>) -> Self {
        spools.mark_changed();
        Shelf { spools, open: None, read_at: None }
    }

    /// `None` where there is no news, or no answer: the spool is being closed then, and what was shown stays until the
    /// next one is open.
    async fn read(&mut self, anyway: bool) -> Option<String> {
        // An error is a sender that is gone: the agent ends.
        let is_new = self.spools.has_changed().unwrap_or(false);
        if is_new {
            let spool = self.spools.borrow_and_update().clone();
            self.open = spool.map(|spool| (spool.clone(), spool.counts()));
        }
        let (spool, counts) = self.open.as_mut()?;
        let has_news = counts.has_changed().unwrap_or(false)
            && self.read_at.is_none_or(|at| at.elapsed() >= TICKETS_EVERY);
        if !(anyway || is_new || has_news) {
            return None;
        }
        counts.mark_unchanged();
        self.read_at = Some(Instant::now());
        tickets::recent(spool).await.ok().map(|tickets| text_of(&tickets))
    }

    /// Returns when there is news that may be read.
    async fn changed(&mut self) {
        let news = async {
            match &mut self.open {
                Some((_, counts)) => {
                    if counts.changed().await.is_err() {
                        std::future::pending().await
                    }
                    // What was waited for has to be seen again by `read`.
                    counts.mark_changed();
                }
                None => std::future::pending().await,
            }
            if let Some(at) = self.read_at {
                sleep_until(at + TICKETS_EVERY).await;
            }
        };
        tokio::select! {
            () = news => {}
            Ok(()) = self.spools.changed() => self.spools.mark_changed(),
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
pub fn watch(app: &Arc<App>, peer: IpAddr) -> Reply {
    let (row, seats_max) =
        if peer.is_loopback() { (&app.live.here, VIEWERS_MAX) } else { (&app.live.lan, LAN_VIEWERS_MAX) };
    let taken = row.sit_down(seats_max);
    // Before the seat is taken, which asks for a frame: that one is not to be missed.
    let frames = app.live.frames.subscribe();
    let seat = Seat::take(app);
    let (events, stream) = mpsc::channel(EVENTS_MAX);
    tokio::spawn(async move {
        let mut stop = seat.0.stop.clone();
        tokio::select! {
            () = view(&seat.0, frames, &events) => {}
            () = sleep(VIEW_MAX) => {}
            // One that takes nothing is not waited for.
            _ = taken => drop(events.try_send(left_event(seats_max).into())),
            _ = stop.wait_for(|stopping| *stopping) => {}
        }
    });
    reply::events(stream)
}

/// A viewer's place; free again when it is dropped.
struct Seat(Arc<App>);

impl Seat {
    fn take(app: &Arc<App>) -> Self {
        app.live.viewers.fetch_add(1, Ordering::SeqCst);
        app.live.arrivals.fetch_add(1, Ordering::SeqCst);
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
async fn view(app: &App, mut frames: watch::Receiver<Frame>, events: &mpsc::Sender<Bytes>) {
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

/// Its seat is another page's now.
fn left_event(seats_max: usize) -> String {
    let words = Words {
        zh: format!("打开的页面太多(最多 {seats_max} 个),这一个停下了:关掉不用的,再刷新"),
        en: format!("more than {seats_max} pages are open and this one has stopped: close some, then reload"),
    };
    format!("retry: {RETRY_LEFT_MS}\nevent: left\ndata: {}\n\n", text_of(&words))
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
