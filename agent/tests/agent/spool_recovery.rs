//! What is left of a ticket when the process is killed or the power is cut, at each step of its way.
//!
//! The folder is copied at the step, as it would be found; the copy is then opened as by the next life.

use crate::samples::{ask_in_vain, copy, front, items, journal, open, options, reports, ticket, within};
use docket_agent::printing::journal::Journal;
use docket_agent::spool::{Claim, Ending, Finish, Spool};
use docket_protocol::ids::UnixMs;
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Evidence, Outcome};
use tempfile::{TempDir, tempdir};

/// How far a ticket came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Received,
    Claimed,
    Began,
    Withdrawn,
    Fenced,
    Finished,
    JournalGone,
}

/// The next life of the PC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Boot {
    Same,
    Other,
    Unknown,
}

/// What the next life makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Printed as if nothing had been.
    Unmarked,
    /// Reported as unknown and printed again, marked.
    Marked(Doubt),
    Printed(Evidence),
}

async fn left_at(step: Step) -> TempDir {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut journal = journal(folder.path(), &front());
    let mut port = spool.port(&front()).unwrap();
    if step != Step::Received {
        port.want(1).unwrap();
    }
    spool.receive(items(1)).await.unwrap();
    if step == Step::Received {
        return copy(folder.path());
    }
    let claim = within("a claim", port.next()).await.unwrap();
    let ticket = claim.ticket.id;
    if !matches!(step, Step::Claimed | Step::JournalGone) {
        let record = journal.began(ticket, claim.attempt, UnixMs(10)).unwrap();
        match step {
            Step::Withdrawn => journal.withdrawn(&record).unwrap(),
            Step::Fenced | Step::Finished => journal.fenced(&record, Evidence::Fence, UnixMs(20)).unwrap(),
            _ => {}
        }
    }
    if step == Step::JournalGone {
        std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
    }
    if step == Step::Finished {
        let Claim { attempt, repeat, .. } = claim;
        let ending = Ending::Printed(Evidence::Fence);
        let finish = Finish {
            ticket,
            attempt,
            repeat,
            ending,
            boxes: None,
            cut_short: false,
            began_at: UnixMs(10),
            ended_at: UnixMs(20),
        };
        port.finish(finish).await.unwrap();
        spool.flush().await.unwrap();
    }
    copy(folder.path())
}

async fn found(folder: &TempDir, boot: Boot) -> Found {
    let mut options = options(if boot == Boot::Other { "boot-2" } else { "boot-1" });
    if boot == Boot::Unknown {
        options.boot_id = None;
    }
    let spool = Spool::open(folder.path(), options).unwrap();
    let mut port = spool.port(&front()).unwrap();
    ask_in_vain(&Journal::open(folder.path(), &front()).unwrap(), &port).await;
    spool.flush().await.unwrap();
    let reports = reports(&spool).await;
    let outcome = match &reports[..] {
        [] => None,
        [Report::Ticket(report)] => {
            assert_eq!((report.ticket, report.attempt, report.repeat), (ticket(1, "front").id, 1, 0));
            Some(report.outcome)
        }
        other => panic!("{other:?}"),
    };
    let waiting = spool.counts().borrow().waiting;
    port.want(1).unwrap();
    spool.flush().await.unwrap();
    let claim = port.try_next().map(|claim| (claim.attempt, claim.repeat));
    match (outcome, waiting, claim) {
        (None, 1, Some((1, 0))) => Found::Unmarked,
        (Some(Outcome::Unknown(doubt)), 1, Some((2, 1))) => Found::Marked(doubt),
        (Some(Outcome::Printed(evidence)), 0, None) => Found::Printed(evidence),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_step_is_settled_in_each_boot() {
    use Boot::{Other, Same, Unknown};
    let ended = Found::Marked(Doubt::AgentEnded);
    let power = Found::Marked(Doubt::PowerLost);
    let fence = Found::Printed(Evidence::Fence);
    let table = [
        (Step::Received, [Found::Unmarked, Found::Unmarked, Found::Unmarked]),
        (Step::Claimed, [Found::Unmarked, power, power]),
        (Step::Began, [ended, power, power]),
        (Step::Withdrawn, [Found::Unmarked, power, power]),
        (Step::Fenced, [fence, fence, fence]),
        (Step::Finished, [fence, fence, fence]),
        (Step::JournalGone, [power, power, power]),
    ];
    for (step, expected) in table {
        let folder = left_at(step).await;
        for (boot, expected) in [Same, Other, Unknown].into_iter().zip(expected) {
            assert_eq!(found(&copy(folder.path()), boot).await, expected, "{step:?}, {boot:?} boot");
        }
    }
}

#[tokio::test]
async fn killed_again_and_again_it_ends_with_a_person() {
    let mut folder = left_at(Step::Began).await;
    let mut marks = Vec::new();
    loop {
        let spool = open(folder.path());
        let mut port = spool.port(&front()).unwrap();
        ask_in_vain(&Journal::open(folder.path(), &front()).unwrap(), &port).await;
        port.want(1).unwrap();
        spool.flush().await.unwrap();
        let Some(claim) = port.try_next() else {
            assert_eq!(spool.counts().borrow().held, 1);
            let last = reports(&spool).await.pop();
            let held = Outcome::Held(Doubt::AgentEnded);
            assert!(
                matches!(last, Some(Report::Ticket(report)) if report.outcome == held && report.attempt == 3)
            );
            break;
        };
        marks.push((claim.attempt, claim.repeat));
        journal(folder.path(), &front()).began(claim.ticket.id, claim.attempt, UnixMs(1)).unwrap();
        folder = copy(folder.path());
    }
    assert_eq!(marks, [(2, 1), (3, 2)]);
}

#[tokio::test]
async fn a_claim_of_several_is_settled_one_by_one() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut journal = journal(folder.path(), &front());
    let port = spool.port(&front()).unwrap();
    port.want(4).unwrap();
    spool.receive(items(4)).await.unwrap();
    let ids = [1, 2, 3, 4].map(|number| ticket(number, "front").id);
    let first = journal.began(ids[0], 1, UnixMs(1)).unwrap();
    journal.fenced(&first, Evidence::Fence, UnixMs(2)).unwrap();
    journal.began(ids[1], 1, UnixMs(3)).unwrap();
    let folder = copy(folder.path());
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    assert_eq!(spool.counts().borrow().waiting, 3, "the one in question is among them");
    ask_in_vain(&Journal::open(folder.path(), &front()).unwrap(), &port).await;
    port.want(4).unwrap();
    spool.flush().await.unwrap();
    let mut claims = Vec::new();
    while let Some(claim) = port.try_next() {
        claims.push((claim.ticket.id, claim.attempt, claim.repeat));
    }
    // The one in doubt keeps its place at the head, and only it is marked.
    assert_eq!(claims, [(ids[1], 2, 1), (ids[2], 1, 0), (ids[3], 1, 0)]);
    assert_eq!(reports(&spool).await.len(), 2);
}

#[tokio::test]
async fn a_printer_is_asked_about_its_last_ticket_only() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut journal = journal(folder.path(), &front());
    let port = spool.port(&front()).unwrap();
    port.want(2).unwrap();
    spool.receive(items(3)).await.unwrap();
    // The outcome of the first was not stored when the second began.
    let ids = [1, 2, 3].map(|number| ticket(number, "front").id);
    for id in &ids[..2] {
        journal.began(*id, 1, UnixMs(1)).unwrap();
    }
    let folder = copy(folder.path());
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    assert_eq!(port.in_question(ids[0], 1).await.unwrap(), None, "it has an end");
    assert_eq!(port.in_question(ids[1], 1).await.unwrap(), Some(0));
    ask_in_vain(&Journal::open(folder.path(), &front()).unwrap(), &port).await;
    // Nothing is in its hands any more that keeps the others from it.
    port.want(1).unwrap();
    let claim = within("a claim", port.next()).await.unwrap();
    assert_eq!((claim.ticket.id, claim.attempt, claim.repeat), (ids[0], 2, 1));
}
