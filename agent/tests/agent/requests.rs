//! What people ask of a running agent: each request is done once at most, and answered.

use crate::samples::{PATIENCE, claim, finish, front, item, open, ticket, within};
use docket_agent::requests::{Answer, AskError, Request, ask, serve};
use docket_agent::spool::{Ending, Spool};
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::outcome::Evidence;
use docket_protocol::ticket::Ticket;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tempfile::{TempDir, tempdir};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

struct Running {
    folder: TempDir,
    spool: Spool,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(folder: TempDir) -> Self {
        let spool = open(folder.path());
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(serve(folder.path().to_owned(), spool.clone(), stopping));
        Self { folder, spool, stop, task }
    }

    /// With one printed ticket.
    async fn with_a_printed_ticket(folder: TempDir) -> Self {
        let running = Running::start(folder);
        let mut port = running.spool.port(&front()).unwrap();
        port.want(1).unwrap();
        running.spool.receive(vec![(Seq(1), item(&ticket(1, "front")))]).await.unwrap();
        let claim = claim(&mut port).await;
        port.want(0).unwrap();
        port.finish(finish(&claim, Ending::Printed(Evidence::Fence))).await.unwrap();
        running.spool.flush().await.unwrap();
        running
    }

    async fn ask(&self, request: &Request) -> Answer {
        within("an answer", ask(self.folder.path(), request)).await.unwrap()
    }
}

fn reprint(number: u32) -> Request {
    Request::Reprint { ticket: ticket(number, "front").id.to_string(), printer: None }
}

fn files(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("requests")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn until_there(path: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !path.exists() {
        let beside = path.parent().and_then(|folder| folder.read_dir().ok());
        let seen: Option<Vec<_>> =
            beside.map(|entries| entries.flatten().map(|entry| entry.path()).collect());
        assert!(Instant::now() < deadline, "{} does not come; there is {seen:?}", path.display());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn everybody_is_answered_and_nothing_is_left() {
    let running = Running::with_a_printed_ticket(tempdir().unwrap()).await;
    let pause = Request::Pause { printer: "front".into() };
    assert_eq!(running.ask(&pause).await, Answer::Paused);
    assert!(running.spool.counts().borrow().paused_since(&front()).is_some());
    let unknown = running.ask(&Request::Resume { printer: "bar".into() }).await;
    assert_eq!(unknown, Answer::UnknownPrinter { printers: vec!["front".into(), "back".into()] });
    assert_eq!(running.ask(&reprint(2)).await, Answer::UnknownTicket);
    assert_eq!(running.ask(&Request::Release { ticket: None }).await, Answer::Released { tickets: 0 });
    // More at once than are done in one look; one of them is the first.
    let mut asked = JoinSet::new();
    for _ in 0..40 {
        let data = running.folder.path().to_owned();
        asked.spawn(async move { ask(&data, &reprint(1)).await });
    }
    let answers = within("the answers", asked.join_all()).await;
    let count = |wanted: Answer| {
        answers.iter().filter(|answer| matches!(answer, Ok(answer) if *answer == wanted)).count()
    };
    let counts = (count(Answer::Queued), count(Answer::Waiting));
    assert_eq!(counts, (1, 39), "a ticket that waits is not queued once more: {answers:?}");
    assert_eq!(files(running.folder.path()), Vec::<PathBuf>::new());
    running.stop.send(true).unwrap();
    within("the end", running.task).await.unwrap();
}

#[tokio::test]
async fn all_that_wait_for_a_person_go_on_in_one_step() {
    const TICKETS: u32 = 3_000;
    let running = Running::start(tempdir().unwrap());
    let expired = |number| Ticket { expires_at: Some(UnixMs(1)), ..ticket(number, "front") };
    let items = (1..=TICKETS).map(|number| (Seq(u64::from(number)), item(&expired(number))));
    running.spool.receive(items.collect()).await.unwrap();
    let mut counts = running.spool.counts();
    within("the expiry", counts.wait_for(|counts| counts.held == TICKETS)).await.unwrap();
    // Nothing of it was ever printed, and it says so.
    assert_eq!(running.ask(&reprint(1)).await, Answer::Unmarked);
    let released = Answer::Released { tickets: TICKETS - 1 };
    assert_eq!(running.ask(&Request::Release { ticket: None }).await, released);
    assert_eq!((counts.borrow().held, counts.borrow().waiting), (0, TICKETS));
}

#[tokio::test]
async fn without_an_agent_nothing_is_asked() {
    let folder = tempdir().unwrap();
    assert!(matches!(ask(folder.path(), &reprint(1)).await, Err(AskError::NotRunning)));
    assert!(!folder.path().join("requests").exists());
}

#[tokio::test]
async fn what_an_earlier_life_had_taken_is_not_done_again() {
    let folder = tempdir().unwrap();
    let requests = folder.path().join("requests");
    std::fs::create_dir_all(&requests).unwrap();
    let taken = serde_json::to_vec(&reprint(1)).unwrap();
    std::fs::write(requests.join("1.taken"), taken).unwrap();
    let running = Running::with_a_printed_ticket(folder).await;
    // A later one is done; by then the former would have been.
    assert_eq!(running.ask(&Request::Release { ticket: None }).await, Answer::Released { tickets: 0 });
    assert_eq!(running.spool.counts().borrow().waiting, 0);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_done() {
    let folder = tempdir().unwrap();
    let requests = folder.path().join("requests");
    std::fs::create_dir_all(&requests).unwrap();
    // No agent ran, and whoever asked went away instead of waiting.
    let pause = serde_json::to_vec(&Request::Pause { printer: "front".into() }).unwrap();
    let left = requests.join("1.ask");
    std::fs::write(&left, pause).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(120);
    std::fs::File::options().write(true).open(&left).unwrap().set_modified(long_ago).unwrap();
    let running = Running::start(folder);
    // A later one is done; by then the former would have been.
    assert_eq!(running.ask(&Request::Release { ticket: None }).await, Answer::Released { tickets: 0 });
    assert_eq!(running.spool.counts().borrow().paused, []);
    assert_eq!(files(running.folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_and_does_no_harm() {
    let running = Running::with_a_printed_ticket(tempdir().unwrap()).await;
    let requests = running.folder.path().join("requests");
    until_there(&requests).await;
    let long = format!(r#"{{"pause":{{"printer":"{}"}}}}"#, "x".repeat(100_000));
    for (name, text) in [("a", "reprint all"), ("b", ""), ("c", long.as_str()), ("d", r#"{"format":{}}"#)] {
        let file = |kind: &str| requests.join(format!("{name}.{kind}"));
        std::fs::write(file("part"), text).unwrap();
        std::fs::rename(file("part"), file("ask")).unwrap();
        until_there(&file("answer")).await;
        let answer: Answer = serde_json::from_slice(&std::fs::read(file("answer")).unwrap()).unwrap();
        assert_eq!(answer, Answer::Unreadable, "{name}");
    }
    std::fs::create_dir(requests.join("folder.ask")).unwrap();
    assert_eq!(running.ask(&reprint(1)).await, Answer::Queued);
}
