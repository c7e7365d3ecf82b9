//! `/events`: the page's sections as server-sent events, whenever they change.
//!
//! One task renders for all viewers, at most every [`FRAME_GAP_MIN`](super::frame::FRAME_GAP_MIN) and at least
//! every [`FRAME_GAP_MAX`](super::frame::FRAME_GAP_MAX), and only while somebody looks. It leaves the newest
//! frame in a `watch` channel; each viewer's stream takes what it has not seen from there when its connection
//! can take more. So a viewer's queue is never longer than one frame.
//!
//! Every [`BEAT`] a viewer hears the hub's time and the time of the last snapshot, whether anything changed or
//! not. The page trusts nothing that is older than a few beats: neither a silent connection nor a connection
//! that beats while storage cannot be read looks well.

use super::assets;
use super::frame::{self, Frame, PARTS};
use super::language::Language;
use super::page::SECTIONS;
use super::{Console, snapshot};
use crate::clock;
use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tracing::warn;

/// Pages that may look at the same time.
pub const VIEWERS_MAX: usize = 64;
/// How often a viewer hears the hub's time. The page calls the stream broken after 10 s.
pub const BEAT: Duration = Duration::from_secs(2);
/// How soon a browser whose stream has ended tries again.
const RETRY: Duration = Duration::from_secs(1);

/// The stream that all viewers share.
#[derive(Debug)]
pub struct Live {
    console: Console,
    frames: watch::Sender<Arc<Frame>>,
    seats: Arc<Semaphore>,
    readers: [AtomicUsize; 2],
    arrived: Notify,
    stop: watch::Receiver<bool>,
}

impl Live {
    /// Nobody looks yet. Streams end when `stop` says so: a server that waits for its last answer to end would
    /// wait for them for ever.
    pub fn start(console: Console, stop: watch::Receiver<bool>) -> Arc<Self> {
        let live = Arc::new(Live {
            console,
            frames: watch::Sender::new(Arc::default()),
            seats: Arc::new(Semaphore::new(VIEWERS_MAX)),
            readers: Default::default(),
            arrived: Notify::new(),
            stop: stop.clone(),
        });
        let renderer = Arc::clone(&live);
        tokio::spawn(async move {
            tokio::select! {
                () = renderer.render_always() => {}
                () = crate::http::stopped(stop) => {}
            }
        });
        live
    }

    /// A new viewer's stream; `None` where there are [`VIEWERS_MAX`] already.
    pub fn watch(
        self: &Arc<Self>,
        language: Language,
    ) -> Option<impl Stream<Item = Result<Event, Infallible>> + Send + use<>> {
        let seat = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        let viewer = Viewer::new(Arc::clone(self), language, seat);
        Some(stream::unfold(viewer, |mut viewer| async move {
            let event = viewer.next().await?;
            Some((Ok(event), viewer))
        }))
    }

    /// When the newest frame's snapshot was taken.
    #[cfg(test)]
    pub fn taken_at(&self) -> Option<docket_protocol::ids::UnixMs> {
        self.frames.borrow().taken_at
    }

    fn readers(&self) -> [bool; 2] {
        [0, 1].map(|index| self.readers[index].load(Ordering::SeqCst) > 0)
    }

    async fn render_always(&self) {
        let mut rendered_at: Option<Instant> = None;
        loop {
            if self.readers() == [false, false] {
                self.arrived.notified().await;
                continue;
            }
            if let Some(rendered_at) = rendered_at {
                sleep_until(rendered_at + frame::gap(true)).await;
            }
            let seen = self.console.fleet.changes();
            rendered_at = Some(Instant::now());
            self.render().await;
            let latest = Instant::now() + frame::gap(false);
            tokio::select! {
                () = self.console.fleet.wait_for_change(seen) => {}
                () = self.arrived.notified() => {}
                () = sleep_until(latest) => {}
            }
        }
    }

    async fn render(&self) {
        let former = Arc::clone(&self.frames.borrow());
        let frame = match snapshot::take(&self.console.storage, &self.console.fleet).await {
            Ok(snapshot) => former.next(&snapshot, self.readers()),
            Err(error) => {
                if former.trouble.is_none() {
                    warn!(code = "console-snapshot", %error, "the console shows nothing new");
                }
                former.troubled(error.to_string())
            }
        };
        self.frames.send_replace(Arc::new(frame));
    }
}

/// One page that looks.
struct Viewer {
    live: Arc<Live>,
    language: Language,
    frames: watch::Receiver<Arc<Frame>>,
    beat: Interval,
    seen: [u64; PARTS],
    // At most one frame's events.
    queue: VecDeque<Event>,
    _seat: OwnedSemaphorePermit,
}

impl Viewer {
    fn new(live: Arc<Live>, language: Language, seat: OwnedSemaphorePermit) -> Self {
        let frames = live.frames.subscribe();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        live.readers[language.index()].fetch_add(1, Ordering::SeqCst);
        // The next frame, not the last one: that may be from when somebody last looked.
        live.arrived.notify_one();
        let queue = VecDeque::from([Event::default().retry(RETRY)]);
        Viewer { live, language, frames, beat, seen: [0; PARTS], queue, _seat: seat }
    }

    /// `None` is the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            tokio::select! {
                () = crate::http::stopped(self.live.stop.clone()) => return None,
                changed = self.frames.changed() => {
                    changed.ok()?;
                    self.take_frame();
                }
                _ = self.beat.tick() => {
                    let beat = beat(&self.frames.borrow());
                    self.queue.push_back(beat);
                }
            }
        }
    }

    fn take_frame(&mut self) {
        let frame = Arc::clone(&self.frames.borrow_and_update());
        for (index, part) in frame.unseen(self.language, &self.seen) {
            self.seen[index] = part.version;
            self.queue.push_back(Event::default().event(SECTIONS[index].name()).data(&*part.html));
        }
        self.queue.push_back(beat(&frame));
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.live.readers[self.language.index()].fetch_sub(1, Ordering::SeqCst);
    }
}

fn beat(frame: &Frame) -> Event {
    let beat = serde_json::json!({
        "now": clock::now(), "taken": frame.taken_at, "trouble": frame.trouble, "build": assets::build(),
    });
    Event::default().event("beat").data(beat.to_string())
}
