//! A port whose system calls block: a thread of its own makes them, in short turns.
//!
//! The thread gets pieces of what is to be sent through a queue of one, and reports each step through a bounded queue.
//! The port counts what it has handed over and not heard of again; [`Threaded::settle`] is the end of that account.
//!
//! There is one thread a port. It ends when the port is gone, at the latest when the call it is in returns; where that
//! takes longer than it may, the device is still its own, and opening it again fails until then.

use super::{Happened, SETTLE_MS_MAX};
use crate::printing::health::Conditions;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// A piece is what is handed over at once: a ticket is a few of them.
const PIECE_BYTES_MAX: usize = 4_096;
/// Reports that nobody has read yet; with more of them the thread waits.
const REPORTS_MAX: usize = 16;
/// How often a quiet device is looked at.
const IDLE_TURN_MS: u64 = 50;
/// How often one is that has just said or taken something: its next answer is due.
const BUSY_TURN_MS: u64 = 2;
/// How long that lasts.
const BUSY_MS: u64 = 2_000;

/// A device that a thread works with.
pub(super) trait Device: 'static {
    /// Writes some of `piece` and reads what there is. It returns within a fraction of a second; `moved` holds what
    /// was done, also with an error.
    fn turn(&mut self, piece: &[u8], moved: &mut Moved) -> io::Result<()>;

    /// Gives up what is under way. What may have left of it counts as written.
    fn stop(&mut self, moved: &mut Moved);
}

/// What a turn did.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// Bytes of the piece that have left, or may have.
    pub(super) written: usize,
    /// What the printer said.
    pub(super) read: Vec<u8>,
    /// How the way to it is, where that is news.
    pub(super) told: Option<Conditions>,
}

#[derive(Debug)]
enum Report {
    Took(usize),
    Received(Vec<u8>),
    Told(Conditions),
    Lost(io::Error),
}

/// An open port with its thread.
#[derive(Debug)]
pub(super) struct Threaded {
    /// `None` once it has to stop.
    pieces: Option<SyncSender<Vec<u8>>>,
    reports: mpsc::Receiver<Report>,
    stop: Arc<AtomicBool>,
    piece_bytes_max: usize,
    /// Bytes handed over that were not reported yet.
    handed: usize,
    received: Vec<u8>,
    given_up: bool,
}

impl Threaded {
    /// Opens a device on a thread of its own.
    pub(super) async fn open<D: Device>(
        name: &str,
        open: impl FnOnce() -> io::Result<D> + Send + 'static,
    ) -> io::Result<Self> {
        Self::start(name, PIECE_BYTES_MAX, open).await
    }

    /// The same for a device that gets all that is to be sent as one piece.
    #[cfg(windows)]
    pub(super) async fn open_for_whole_tickets<D: Device>(
        name: &str,
        bytes_max: usize,
        open: impl FnOnce() -> io::Result<D> + Send + 'static,
    ) -> io::Result<Self> {
        Self::start(name, bytes_max, open).await
    }

    async fn start<D: Device>(
        name: &str,
        piece_bytes_max: usize,
        open: impl FnOnce() -> io::Result<D> + Send + 'static,
    ) -> io::Result<Self> {
        let (pieces, to_do) = sync_channel(1);
        let (tell, reports) = mpsc::channel(REPORTS_MAX);
        let (answer, answered) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || match open() {
            Ok(device) => {
                // Where nobody waits for it any more, the device is closed again.
                if answer.send(Ok(())).is_ok() {
                    work(device, &to_do, &tell, &stopping);
                }
            }
            Err(error) => drop(answer.send(Err(error))),
        })?;
        answered.await.map_err(|_| io::Error::other("the thread of the port ended"))??;
        Ok(Self {
            pieces: Some(pieces),
            reports,
            stop,
            piece_bytes_max,
            handed: 0,
            received: Vec::new(),
            given_up: false,
        })
    }

    pub(super) async fn next(&mut self, to_send: &[u8]) -> Happened<'_> {
        let rest = to_send.get(self.handed..).unwrap_or_default();
        if let Some(pieces) = &self.pieces
            && !rest.is_empty()
        {
            let piece = &rest[..rest.len().min(self.piece_bytes_max)];
            // A full queue has room again with the next report; one without a thread ends with the last report.
            if pieces.try_send(piece.to_vec()).is_ok() {
                self.handed += piece.len();
            }
        }
        match self.reports.recv().await {
            Some(report) => self.happened(report),
            None => Happened::Lost(None),
        }
    }

    pub(super) async fn settle(&mut self) -> Option<Happened<'_>> {
        if self.given_up {
            return None;
        }
        self.stop.store(true, Ordering::Relaxed);
        self.pieces = None;
        let limit = Duration::from_millis(SETTLE_MS_MAX);
        match tokio::time::timeout(limit, self.reports.recv()).await {
            Ok(Some(report)) => Some(self.happened(report)),
            // It has ended: what it did not report never left.
            Ok(None) => None,
            Err(_) => {
                self.given_up = true;
                let unknown = std::mem::take(&mut self.handed);
                (unknown > 0).then_some(Happened::Took(unknown))
            }
        }
    }

    fn happened(&mut self, report: Report) -> Happened<'_> {
        match report {
            Report::Took(bytes) => {
                self.handed -= bytes;
                Happened::Took(bytes)
            }
            Report::Received(bytes) => {
                self.received = bytes;
                Happened::Received(&self.received)
            }
            Report::Told(conditions) => Happened::Told(conditions),
            Report::Lost(error) => Happened::Lost(Some(error)),
        }
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What the thread does until it is told to stop, or the device fails.
fn work(
    mut device: impl Device,
    pieces: &Receiver<Vec<u8>>,
    reports: &mpsc::Sender<Report>,
    stop: &AtomicBool,
) {
    let (mut piece, mut at) = (Vec::new(), 0);
    let mut moved_at = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if at == piece.len() {
            let is_busy = moved_at.elapsed() < Duration::from_millis(BUSY_MS);
            let pause = if is_busy { BUSY_TURN_MS } else { IDLE_TURN_MS };
            match pieces.recv_timeout(Duration::from_millis(pause)) {
                Ok(next) => (piece, at) = (next, 0),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let mut moved = Moved::default();
        let turn = device.turn(&piece[at..], &mut moved);
        if moved.written > 0 || !moved.read.is_empty() {
            moved_at = Instant::now();
        }
        at += moved.written;
        if !report(reports, moved) {
            break;
        }
        if let Err(error) = turn {
            // Nobody to hear it: the port is gone.
            let _ = reports.blocking_send(Report::Lost(error));
            break;
        }
    }
    let mut moved = Moved::default();
    device.stop(&mut moved);
    report(reports, moved);
}

/// False where nobody listens any more.
fn report(reports: &mpsc::Sender<Report>, moved: Moved) -> bool {
    let took = (moved.written > 0).then_some(Report::Took(moved.written));
    let received = (!moved.read.is_empty()).then_some(Report::Received(moved.read));
    let told = moved.told.map(Report::Told);
    [took, received, told].into_iter().flatten().all(|report| reports.blocking_send(report).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use docket_protocol::printer::Condition;
    use std::sync::mpsc as blocking;

    /// A device that does what it is told, one turn after the other.
    struct Script {
        turns: Receiver<Turn>,
        /// Bytes that stopping finds to have left.
        left: usize,
    }

    enum Turn {
        Write(usize),
        Fail,
        /// Until somebody lets go of the other end.
        Hang(Receiver<()>),
    }

    impl Device for Script {
        fn turn(&mut self, piece: &[u8], moved: &mut Moved) -> io::Result<()> {
            if piece.is_empty() {
                return Ok(());
            }
            match self.turns.recv() {
                Ok(Turn::Write(bytes)) => moved.written = bytes,
                Ok(Turn::Hang(until)) => {
                    let _ = until.recv();
                    moved.written = piece.len();
                }
                Ok(Turn::Fail) | Err(_) => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            Ok(())
        }

        fn stop(&mut self, moved: &mut Moved) {
            moved.written = self.left;
        }
    }

    /// A device that says how it is, and takes everything.
    struct Queue(std::vec::IntoIter<Conditions>);

    impl Device for Queue {
        fn turn(&mut self, piece: &[u8], moved: &mut Moved) -> io::Result<()> {
            moved.written = piece.len();
            moved.told = self.0.next();
            Ok(())
        }

        fn stop(&mut self, _: &mut Moved) {}
    }

    async fn port(left: usize) -> (Threaded, blocking::Sender<Turn>) {
        let (tell, turns) = blocking::channel();
        (Threaded::open("test", move || Ok(Script { turns, left })).await.unwrap(), tell)
    }

    async fn settled(port: &mut Threaded) -> usize {
        let mut took = 0;
        while let Some(happened) = port.settle().await {
            if let Happened::Took(bytes) = happened {
                took += bytes;
            }
        }
        took
    }

    #[tokio::test]
    async fn what_was_handed_over_and_not_written_did_not_leave() {
        let (mut port, turns) = port(0).await;
        turns.send(Turn::Write(3)).unwrap();
        turns.send(Turn::Fail).unwrap();
        assert!(matches!(port.next(&[0; 10]).await, Happened::Took(3)));
        assert!(matches!(port.next(&[0; 7]).await, Happened::Lost(Some(_))));
        assert_eq!(settled(&mut port).await, 0);
    }

    #[tokio::test]
    async fn what_stopping_cannot_take_back_has_left() {
        let (mut port, turns) = port(4).await;
        turns.send(Turn::Write(3)).unwrap();
        assert!(matches!(port.next(&[0; 10]).await, Happened::Took(3)));
        turns.send(Turn::Fail).unwrap();
        assert_eq!(settled(&mut port).await, 4);
    }

    #[tokio::test]
    async fn a_thread_that_does_not_come_back_may_have_written_all_it_was_given() {
        let (mut port, turns) = port(0).await;
        let (let_go, until) = blocking::channel();
        turns.send(Turn::Hang(until)).unwrap();
        // Handed over by the first look, and nothing comes of it.
        let waited = tokio::time::timeout(Duration::from_millis(1), port.next(&[0; 10])).await;
        assert!(waited.is_err());
        let began = Instant::now();
        assert_eq!(settled(&mut port).await, 10);
        assert!(began.elapsed() < 2 * Duration::from_millis(SETTLE_MS_MAX));
        // What it says later counts no second time.
        drop(let_go);
        assert_eq!(settled(&mut port).await, 0);
    }

    #[tokio::test]
    async fn how_the_way_is_comes_in_its_order() {
        let stopped = Conditions::NONE.with(Condition::Queue);
        let said = vec![stopped, Conditions::NONE, stopped];
        let mut port = Threaded::open("test", move || Ok(Queue(said.into_iter()))).await.unwrap();
        let (mut told, mut took) = (Vec::new(), 0);
        while told.len() < 3 || took < 10 {
            match port.next(&[0; 10][took..]).await {
                Happened::Told(conditions) => told.push(conditions),
                Happened::Took(bytes) => took += bytes,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((told, took), (vec![stopped, Conditions::NONE, stopped], 10));
        assert_eq!(settled(&mut port).await, 0);
    }

    #[tokio::test]
    async fn a_device_that_cannot_be_opened_says_why() {
        let opening = Threaded::open("test", || Err::<Script, _>(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(opening.await.map(drop).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
