//! A printer's task against a printer that the test plays itself, byte by byte.

use crate::far_end::FarEnd;
use crate::samples::{PATIENCE, copy, front, item, items, open, options, reports, ticket, within};
use docket_agent::printing::profile::Pins;
use docket_agent::printing::{Address, Kept, Paper, PrinterConfig, run_printer, unknown_health};
use docket_agent::spool::Spool;
use docket_protocol::ids::Seq;
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Evidence, Outcome};
use docket_protocol::printer::{Condition, PrinterHealth};
use docket_protocol::ticket::Ticket;
use std::time::Instant;
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const CUT: [u8; 4] = [0x1D, 0x56, 0x42, 0x00];
/// Content begins with it.
const KANJI_ON: [u8; 2] = [0x1C, 0x26];
const PROCESS: [u8; 7] = [0x1D, 0x28, 0x48, 6, 0, 0x30, 0x30];
pub const CLEAN: [u8; 4] = [0x12; 4];
const PAPER_OUT: [u8; 4] = [0x1A, 0x32, 0x12, 0x72];

/// A printer's task, and the place where its printer is.
pub struct Stage<P = TcpListener> {
    pub folder: TempDir,
    pub spool: Spool,
    pub place: P,
    health: watch::Receiver<PrinterHealth>,
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<Option<Kept>>,
}

impl Stage {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().into();
        Self::at(listener, address, tempdir().unwrap())
    }

    pub async fn connection(&self) -> Unit {
        let (stream, _) = within("a connection", self.place.accept()).await.unwrap();
        Unit::new(Box::new(stream))
    }
}

impl<P> Stage<P> {
    pub fn at(place: P, address: Address, folder: TempDir) -> Self {
        Self::in_boot("boot-1", place, address, folder)
    }

    fn in_boot(boot: &str, place: P, address: Address, folder: TempDir) -> Self {
        let spool = Spool::open(folder.path(), options(boot)).unwrap();
        let config = PrinterConfig {
            name: front(),
            address,
            paper: Paper::Mm80,
            stations: Vec::new(),
            default: true,
            profile: Pins::default(),
            others: Vec::new(),
        };
        let (told, health) = watch::channel(unknown_health(&front()));
        let (stop, stopping) = watch::channel(false);
        let journal = spool.journal(&front()).unwrap().in_boot(Some(boot)).unwrap();
        let task = tokio::spawn(run_printer(config, spool.clone(), journal, told, stopping));
        Self { folder, spool, place, health, stop, task }
    }

    pub async fn outcomes(&self, count: usize) -> Vec<(Outcome, u16)> {
        let mut outbox = self.spool.outbox_changed();
        within("reports", outbox.wait_for(|seq| seq.0 >= count as u64)).await.unwrap();
        let told = reports(&self.spool).await.into_iter().map(|report| match report {
            Report::Ticket(report) => (report.outcome, report.repeat),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    pub async fn health(&mut self, what: &str, is_so: impl FnMut(&PrinterHealth) -> bool) {
        let seen = tokio::time::timeout(PATIENCE, self.health.wait_for(is_so)).await.is_ok();
        if !seen {
            panic!("{what}: {:?}", self.health.borrow());
        }
    }
}

/// The other end of the line.
pub struct Unit {
    stream: Box<dyn FarEnd>,
    seen: Vec<u8>,
}

impl Unit {
    pub fn new(stream: Box<dyn FarEnd>) -> Self {
        Self { stream, seen: Vec::new() }
    }

    /// Reads until `bytes` have come; what came before and with them.
    async fn until(&mut self, bytes: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.seen.windows(bytes.len()).position(|window| window == bytes) {
                let rest = self.seen.split_off(at + bytes.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let mut buffer = [0; 4_096];
            let count = within("bytes", self.stream.read(&mut buffer)).await.unwrap();
            assert!(count > 0, "closed; seen {:x?}", self.seen);
            self.seen.extend_from_slice(&buffer[..count]);
            self.answer_probe().await;
        }
    }

    /// At first contact, and after a lost line, it is asked which fences it knows: GS ( H.
    async fn answer_probe(&mut self) {
        const PROBE: &[u8] = b"\x1Dr\x01\x1D(H\x06\x0000[__]\x1Dr\x01";
        if let Some(at) = self.seen.windows(PROBE.len()).position(|window| window == PROBE) {
            self.seen.drain(at..at + PROBE.len());
            self.say(b"\x37\x22[__]\x00").await;
        }
    }

    pub async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// So many bytes.
    async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.seen.len() < count {
            let mut buffer = [0; 64];
            let read = within("bytes", self.stream.read(&mut buffer)).await.unwrap();
            assert!(read > 0, "closed; seen {:x?}", self.seen);
            self.seen.extend_from_slice(&buffer[..read]);
        }
        let rest = self.seen.split_off(count);
        std::mem::replace(&mut self.seen, rest)
    }

    /// Answers the next round of queries.
    pub async fn answer(&mut self, status: [u8; 4]) {
        self.until(&[0x10, 0x04, 0x04]).await;
        self.say(&status).await;
    }

    /// Takes a ticket whole; its bytes up to the cut, and its two fences.
    pub async fn ticket(&mut self) -> (Vec<u8>, [Vec<u8>; 2]) {
        let body = self.until(&CUT).await;
        let tail = self.until(&PROCESS).await;
        let tail = [tail, self.take(4).await].concat();
        (body.clone(), [fence(&body), fence(&tail)])
    }
}

/// The answer to the last GS ( H in some bytes.
fn fence(bytes: &[u8]) -> Vec<u8> {
    let at = bytes.windows(PROCESS.len()).rposition(|window| window == PROCESS).unwrap() + PROCESS.len();
    [&[0x37, 0x22], &bytes[at..at + 4], &[0]].concat()
}

pub fn contains(bytes: &[u8], text: &str) -> bool {
    let (text, _, _) = encoding_rs::GB18030.encode(text);
    bytes.windows(text.len()).any(|window| window == &*text)
}

#[tokio::test]
async fn a_ticket_is_done_when_its_fences_are_in() {
    let mut stage = Stage::new().await;
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    stage.health("heard", |health| health.heard_at.is_some()).await;
    stage.spool.receive(items(1)).await.unwrap();
    // The preflight before it, unless the first answers were fresh.
    let (body, fences) = unit.ticket_or_answer().await;
    assert!(contains(&body, "No.1"));
    unit.say(&fences[0]).await;
    unit.say(&fences[1]).await;
    assert_eq!(stage.outcomes(1).await, [(Outcome::Printed(Evidence::Fence), 0)]);
    assert_eq!(stage.spool.counts().borrow().waiting, 0);
}

impl Unit {
    /// A ticket, with as many rounds of queries before it as are asked.
    pub async fn ticket_or_answer(&mut self) -> (Vec<u8>, [Vec<u8>; 2]) {
        loop {
            let began = self.until_any(&KANJI_ON, &[0x10, 0x04, 0x04]).await;
            if began {
                return self.ticket().await;
            }
            self.say(&CLEAN).await;
        }
    }

    /// Until the first bytes of a ticket.
    pub async fn begin(&mut self) {
        while !self.until_any(&KANJI_ON, &[0x10, 0x04, 0x04]).await {
            self.say(&CLEAN).await;
        }
    }

    /// Whether the first of the two came first.
    async fn until_any(&mut self, one: &[u8], other: &[u8]) -> bool {
        loop {
            let at = |bytes: &[u8]| self.seen.windows(bytes.len()).position(|window| window == bytes);
            match (at(one), at(other)) {
                (Some(first), second) if second.is_none_or(|second| first < second) => {
                    self.until(one).await;
                    return true;
                }
                (_, Some(_)) => {
                    self.until(other).await;
                    return false;
                }
                _ => {}
            }
            let mut buffer = [0; 4_096];
            let count = within("bytes", self.stream.read(&mut buffer)).await.unwrap();
            assert!(count > 0, "closed; seen {:x?}", self.seen);
            self.seen.extend_from_slice(&buffer[..count]);
            self.answer_probe().await;
        }
    }
}

#[tokio::test]
async fn without_paper_a_ticket_waits_unclaimed_and_unmarked() {
    let mut stage = Stage::new().await;
    let mut unit = stage.connection().await;
    unit.answer(PAPER_OUT).await;
    let out =
        |health: &PrinterHealth| health.conditions.iter().any(|since| since.condition == Condition::PaperOut);
    stage.health("paper out", out).await;
    stage.spool.receive(items(1)).await.unwrap();
    // Paper comes back by itself (ASB), and the ticket comes out as a first print.
    unit.say(&[0x10, 0, 0, 0]).await;
    let (body, fences) = unit.ticket_or_answer().await;
    assert!(!contains(&body, "补打"));
    unit.say(&fences[1]).await;
    assert_eq!(stage.outcomes(1).await, [(Outcome::Printed(Evidence::Fence), 0)]);
    stage.health("healthy", PrinterHealth::prints).await;
}

#[tokio::test]
async fn a_line_lost_in_mid_ticket_is_reported_and_the_repeat_is_marked() {
    let stage = Stage::new().await;
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    stage.spool.receive(items(2)).await.unwrap();
    let (body, _) = unit.ticket_or_answer().await;
    assert!(contains(&body, "No.1"));
    drop(unit);
    let mut unit = stage.connection().await;
    for (mark, text) in [(true, "No.1"), (false, "No.2")] {
        let (body, fences) = unit.ticket_or_answer().await;
        assert!(contains(&body, text));
        assert_eq!(contains(&body, "【补打 1】"), mark);
        unit.say(&fences[0]).await;
        unit.say(&fences[1]).await;
    }
    let printed = Outcome::Printed(Evidence::Fence);
    let unknown = Outcome::Unknown(Doubt::ConnectionLost);
    assert_eq!(stage.outcomes(3).await, [(unknown, 0), (printed, 1), (printed, 0)]);
}

/// The PC loses power, the printer does not, and the journal's last record was not on the disk yet.
#[tokio::test]
async fn after_a_power_cut_answers_for_a_forgotten_ticket_end_no_other() {
    let stage = Stage::new().await;
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    stage.spool.receive(items(1)).await.unwrap();
    let (_, fences) = unit.ticket_or_answer().await;
    unit.say(&fences.concat()).await;
    assert_eq!(stage.outcomes(1).await, [(Outcome::Printed(Evidence::Fence), 0)]);
    let journal = std::path::Path::new("journal/p-front.bin");
    let on_disk = std::fs::read(stage.folder.path().join(journal)).unwrap();
    stage.spool.receive(items(2).split_off(1)).await.unwrap();
    let (body, stopped_in) = unit.ticket_or_answer().await;
    assert!(contains(&body, "No.2"));
    let folder = copy(stage.folder.path());
    std::fs::write(folder.path().join(journal), on_disk).unwrap();
    stage.task.abort();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().into();
    let stage = Stage::in_boot("boot-2", listener, address, folder);
    let mut unit = stage.connection().await;
    let (body, fences) = unit.ticket_or_answer().await;
    assert!(contains(&body, "No.2") && contains(&body, "【补打 1】"));
    assert_ne!(fences, stopped_in, "two tickets with the same fences");
    // Paper is put in, and it goes on with what it had.
    unit.say(&stopped_in.concat()).await;
    drop(unit);
    let told = stage.outcomes(3).await;
    let (lost, power) = (Doubt::ConnectionLost, Doubt::PowerLost);
    assert_eq!(told[1..], [(Outcome::Unknown(power), 0), (Outcome::Unknown(lost), 1)]);
}

#[tokio::test]
async fn after_the_first_fence_nothing_is_in_doubt() {
    let stage = Stage::new().await;
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    stage.spool.receive(items(1)).await.unwrap();
    let (_, fences) = unit.ticket_or_answer().await;
    unit.say(&fences[0]).await;
    drop(unit);
    assert_eq!(stage.outcomes(1).await, [(Outcome::Printed(Evidence::Fence), 0)]);
}

#[tokio::test]
async fn a_printer_that_is_not_there_is_shown_and_holds_nothing() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap().into();
    drop(nobody);
    let config = PrinterConfig {
        name: front(),
        address,
        paper: Paper::Mm58,
        stations: Vec::new(),
        default: true,
        profile: Pins::default(),
        others: Vec::new(),
    };
    let (told, mut health) = watch::channel(unknown_health(&front()));
    let (stop, stopping) = watch::channel(false);
    let journal = spool.journal(&front()).unwrap().in_boot(Some("boot-1")).unwrap();
    let task = tokio::spawn(run_printer(config, spool.clone(), journal, told, stopping));
    let unreachable = |health: &PrinterHealth| {
        health.conditions.iter().any(|since| since.condition == Condition::Unreachable)
    };
    within("unreachable", health.wait_for(unreachable)).await.unwrap();
    spool.receive(items(1)).await.unwrap();
    spool.flush().await.unwrap();
    stop.send(true).unwrap();
    within("the end", task).await.unwrap();
    let states = states(&folder);
    assert_eq!(states, [0], "queued, not claimed");
}

#[tokio::test]
async fn stopping_lets_the_ticket_in_flight_finish_and_gives_back_the_rest() {
    let stage = Stage::new().await;
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    stage.spool.receive(items(3)).await.unwrap();
    let (_, fences) = unit.ticket_or_answer().await;
    stage.stop.send(true).unwrap();
    unit.say(&fences[0]).await;
    unit.say(&fences[1]).await;
    within("the end", stage.task).await.unwrap();
    stage.spool.flush().await.unwrap();
    assert_eq!(reports(&stage.spool).await.len(), 1);
    assert_eq!(stage.spool.cursors().assigned_up_to, Seq(1));
    assert_eq!(states(&stage.folder), [2, 0, 0]);
}

#[tokio::test]
async fn copies_are_one_job_with_one_outcome() {
    let stage = Stage::new().await;
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    let twice = Ticket { copies: 2, maybe_printed: true, ..ticket(1, "front") };
    stage.spool.receive(vec![(Seq(1), item(&twice)), (Seq(2), item(&ticket(2, "front")))]).await.unwrap();
    while !unit.until_any(&KANJI_ON, &[0x10, 0x04, 0x04]).await {
        unit.say(&CLEAN).await;
    }
    // The first copy ends with a cut and without a fence.
    let first = unit.until(&CUT).await;
    let (second, fences) = unit.ticket().await;
    for copy in [&first, &second] {
        assert!(contains(copy, "【补打 1】") && contains(copy, "No.1"), "{copy:x?}");
    }
    unit.say(&fences[0]).await;
    unit.say(&fences[1]).await;
    let (next, fences) = unit.ticket_or_answer().await;
    assert!(contains(&next, "No.2"));
    unit.say(&fences[0]).await;
    unit.say(&fences[1]).await;
    let printed = Outcome::Printed(Evidence::Fence);
    assert_eq!(stage.outcomes(2).await, [(printed, 1), (printed, 0)]);
}

#[tokio::test]
async fn a_pause_takes_back_what_was_not_begun() {
    let stage = Stage::new().await;
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    // It has been told to be as switched on, and nothing begins until it answers after that. It takes its time.
    unit.until(&[0x10, 0x04, 0x04]).await;
    stage.spool.receive(items(1)).await.unwrap();
    until_states(&stage.folder, &[1]).await;
    stage.spool.set_paused(front(), true).await.unwrap();
    unit.say(&CLEAN).await;
    until_states(&stage.folder, &[0]).await;
    stage.spool.set_paused(front(), false).await.unwrap();
    let (body, fences) = unit.ticket_or_answer().await;
    assert!(contains(&body, "No.1") && !contains(&body, "补打"), "no byte of it had left");
    unit.say(&fences[0]).await;
    unit.say(&fences[1]).await;
    assert_eq!(stage.outcomes(1).await, [(Outcome::Printed(Evidence::Fence), 0)]);
}

async fn until_states(folder: &TempDir, wanted: &[u8]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = states(folder);
        if seen == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{seen:?}, not {wanted:?}");
        tokio::task::yield_now().await;
    }
}

pub fn states(folder: &TempDir) -> Vec<u8> {
    let database = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
    let mut statement = database.prepare("SELECT state FROM tickets ORDER BY place").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
