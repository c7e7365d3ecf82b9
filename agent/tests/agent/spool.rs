//! The spool: what it promises while it lives.

use crate::samples::{PATIENCE, claim, finish, front, item, items, open, options, reports, ticket, within};
use docket_agent::spool::{
    ATTEMPTS_MAX, COMMANDS_MAX, ClaimPort, Ending, Finish, KEPT_TICKETS_MIN, OnUnknown, Pending, Spool,
    SpoolError,
};
use docket_protocol::boxes::Boxes;
use docket_protocol::ids::{PrinterName, Seq, TicketId, UnixMs};
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Evidence, Outcome, TicketReport};
use std::path::Path;
use tempfile::tempdir;

async fn waiting(spool: &Spool) -> (u32, u32) {
    spool.flush().await.unwrap();
    let counts = spool.counts();
    let counts = counts.borrow();
    (counts.waiting, counts.held)
}

#[tokio::test]
async fn what_is_received_is_kept_once() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    assert_eq!(spool.receive(items(3)).await.unwrap(), Seq(3));
    // Again, as after a lost acknowledgement; and the same ticket at another place, as from another hub.
    assert_eq!(spool.receive(items(2)).await.unwrap(), Seq(3));
    let again = (Seq(4), item(&ticket(2, "front")));
    assert_eq!(spool.receive(vec![again]).await.unwrap(), Seq(4));
    assert_eq!(waiting(&spool).await, (3, 0));
    let cursors = spool.cursors();
    spool.close().await;
    assert!(matches!(spool.receive(items(9)).await, Err(SpoolError::Closed)));
    let spool = open(folder.path());
    assert_eq!(spool.cursors(), cursors);
    assert_eq!(spool.cursors().received_up_to, Seq(4));
    assert_eq!(waiting(&spool).await, (3, 0));
}

#[tokio::test]
async fn one_folder_has_one_agent() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    assert!(matches!(Spool::open(folder.path(), options("boot-1")), Err(SpoolError::InUse { .. })));
    spool.close().await;
    open(folder.path());
}

#[tokio::test]
async fn stations_have_printers_and_the_rest_has_the_default() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut ports = [front(), PrinterName::new("back")].map(|name| spool.port(&name).unwrap());
    assert!(spool.port(&PrinterName::new("nowhere")).is_none());
    let stations = ["kitchen", "front", "bar"];
    let batch =
        stations.iter().zip(1..).map(|(station, n)| (Seq(n), item(&ticket(n as u32, station)))).collect();
    spool.receive(batch).await.unwrap();
    ports.iter().for_each(|port| port.want(9).unwrap());
    assert_eq!(claim(&mut ports[1]).await.ticket, ticket(1, "kitchen"));
    assert_eq!(claim(&mut ports[0]).await.ticket, ticket(2, "front"));
    assert_eq!(claim(&mut ports[0]).await.ticket, ticket(3, "bar"));
}

#[tokio::test]
async fn each_printer_is_remembered_with_the_unit_that_it_had_last() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let [front, back] = ["front", "back"].map(|name| spool.port(&PrinterName::new(name)).unwrap());
    assert_eq!(spool.units().await.unwrap(), []);
    let learn = async |port: &ClaimPort, unit: &str| port.learn(unit, String::new()).await.unwrap();
    let seen = async |spool: &Spool, expected: &[(&str, &str)]| {
        spool.flush().await.unwrap();
        let units = spool.units().await.unwrap();
        let units: Vec<_> = units.iter().map(|(name, unit)| (name.as_str(), unit.as_str())).collect();
        assert_eq!(units, expected);
    };
    learn(&front, "A").await;
    learn(&front, "B").await;
    seen(&spool, &[("front", "B")]).await;
    // Units of one serial number.
    learn(&back, "B").await;
    seen(&spool, &[("front", "B"), ("back", "B")]).await;
    spool.close().await;

    let spool = open(folder.path());
    seen(&spool, &[("front", "B"), ("back", "B")]).await;
    spool.port(&PrinterName::new("back")).unwrap().own("B").await.unwrap();
    seen(&spool, &[("back", "B")]).await;
    spool.close().await;
    let mut options = options("boot-1");
    options.printers.retain(|route| route.name == PrinterName::new("front"));
    seen(&Spool::open(folder.path(), options).unwrap(), &[]).await;
}

#[tokio::test]
async fn a_printer_holds_what_it_wants_and_reports_in_order() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(2).unwrap();
    spool.receive(items(4)).await.unwrap();
    let first = claim(&mut port).await;
    assert_eq!((first.ticket.id, first.attempt, first.repeat), (ticket(1, "front").id, 1, 0));
    let second = claim(&mut port).await;
    spool.flush().await.unwrap();
    assert!(port.try_next().is_none(), "two are wanted, two are held");
    let mut outbox = spool.outbox_changed();
    let boxes = Some(Boxes::of(&['😀'].into()));
    let by_fence = Finish { boxes, ..finish(&second, Ending::Printed(Evidence::Fence)) };
    let by_status = finish(&first, Ending::Printed(Evidence::Status));
    port.finish(by_fence.clone()).await.unwrap();
    let third = claim(&mut port).await;
    assert_eq!(third.ticket.id, ticket(3, "front").id);
    within("a report", outbox.wait_for(|seq| *seq == Seq(1))).await.unwrap();
    port.finish(by_status.clone()).await.unwrap();
    // What is not claimed cannot be finished, and not twice.
    port.finish(by_status.clone()).await.unwrap();
    assert_eq!(waiting(&spool).await, (2, 0));
    let report = |finish: &Finish, evidence| {
        Report::Ticket(TicketReport {
            ticket: finish.ticket,
            attempt: 1,
            repeat: 0,
            printer: front(),
            meant_for: None,
            outcome: Outcome::Printed(evidence),
            boxes: finish.boxes.clone(),
            began_at: finish.began_at,
            ended_at: finish.ended_at,
        })
    };
    assert_eq!(
        reports(&spool).await,
        [report(&by_fence, Evidence::Fence), report(&by_status, Evidence::Status)]
    );
    spool.acknowledged(Seq(1)).unwrap();
    spool.flush().await.unwrap();
    assert_eq!(reports(&spool).await, [report(&by_status, Evidence::Status)]);
    assert_eq!(spool.cursors().assigned_up_to, Seq(2));
}

#[tokio::test]
async fn doubt_is_marked_and_keeps_its_place_until_a_person_decides() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    spool.receive(items(2)).await.unwrap();
    for attempt in 1..=ATTEMPTS_MAX {
        let claim = claim(&mut port).await;
        let expected = (ticket(1, "front").id, attempt, attempt - 1);
        assert_eq!((claim.ticket.id, claim.attempt, claim.repeat), expected);
        port.finish(finish(&claim, Ending::Unknown(Doubt::ConnectionLost))).await.unwrap();
    }
    let next = claim(&mut port).await;
    assert_eq!(next.ticket.id, ticket(2, "front").id);
    assert_eq!(waiting(&spool).await, (1, 1));
    let outcomes: Vec<Outcome> = reports(&spool)
        .await
        .into_iter()
        .map(|report| match report {
            Report::Ticket(report) => report.outcome,
            other => panic!("{other:?}"),
        })
        .collect();
    let unknown = Outcome::Unknown(Doubt::ConnectionLost);
    assert_eq!(outcomes, [unknown, unknown, Outcome::Held(Doubt::ConnectionLost)]);

    let held = spool.held(9).await.unwrap();
    assert_eq!((held[0].ticket, held[0].attempts), (ticket(1, "front").id, ATTEMPTS_MAX));
    assert!(spool.release(held[0].ticket).await.unwrap());
    assert!(!spool.release(held[0].ticket).await.unwrap());
    port.hand_back(vec![next.ticket.id]).await.unwrap();
    let released = claim(&mut port).await;
    assert_eq!((released.ticket.id, released.attempt, released.repeat), (ticket(1, "front").id, 4, 3));
    assert_eq!(waiting(&spool).await, (2, 0));
}

#[tokio::test]
async fn a_store_may_want_a_person_to_decide_each_time() {
    let folder = tempdir().unwrap();
    let mut options = options("boot-1");
    options.on_unknown = OnUnknown::Hold;
    let spool = Spool::open(folder.path(), options).unwrap();
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    spool.receive(items(1)).await.unwrap();
    let claim = claim(&mut port).await;
    port.finish(finish(&claim, Ending::Unknown(Doubt::PrinterSilent))).await.unwrap();
    assert_eq!(waiting(&spool).await, (0, 1));
}

#[tokio::test]
async fn what_another_spool_may_have_printed_is_marked() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    let mut moved = ticket(1, "front");
    moved.maybe_printed = true;
    spool.receive(vec![(Seq(1), item(&moved))]).await.unwrap();
    let claim = claim(&mut port).await;
    assert_eq!((claim.attempt, claim.repeat), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_reported() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let strange = (Seq(1), vec![0xFF; 40]);
    assert_eq!(spool.receive(vec![strange, (Seq(2), item(&ticket(2, "front")))]).await.unwrap(), Seq(2));
    assert_eq!(reports(&spool).await, [Report::Unreadable { seq: Seq(1) }]);
    assert_eq!(waiting(&spool).await, (1, 0));
    spool.close().await;
    // The next version can read it.
    let database = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
    database.execute("UPDATE unreadable SET payload = ?1", [item(&ticket(1, "front"))]).unwrap();
    drop(database);
    assert_eq!(waiting(&open(folder.path())).await, (2, 0));
}

#[tokio::test]
async fn what_an_older_program_cannot_read_is_printed_by_the_next_with_its_marks() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    spool.receive(items(2)).await.unwrap();
    let in_doubt = claim(&mut port).await;
    port.want(0).unwrap();
    port.finish(finish(&in_doubt, Ending::Unknown(Doubt::ConnectionLost))).await.unwrap();
    spool.close().await;
    let rewrite = |payload: Vec<u8>| {
        let database = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
        database.execute("UPDATE payloads SET payload = ?1 WHERE place = 1", [&payload]).unwrap();
    };
    rewrite(vec![0xFF; 40]);
    // What it can read is not kept back by it.
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    assert_eq!(claim(&mut port).await.ticket.id, ticket(2, "front").id);
    assert_eq!(reports(&spool).await.last(), Some(&Report::Unreadable { seq: Seq(1) }));
    assert_eq!(waiting(&spool).await, (1, 0));
    spool.close().await;
    rewrite(item(&in_doubt.ticket));
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    let again = claim(&mut port).await;
    assert_eq!((again.ticket.id, again.attempt, again.repeat), (in_doubt.ticket.id, 2, 1));
}

#[tokio::test]
async fn cursors_move_as_the_hub_says() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    spool.skip_to(Seq(7)).await.unwrap();
    spool.skip_to(Seq(5)).await.unwrap();
    assert_eq!(spool.cursors().received_up_to, Seq(7));
    let strange: Vec<(Seq, Vec<u8>)> = (8..=11).map(|seq| (Seq(seq), vec![0xFF])).collect();
    spool.receive(strange).await.unwrap();
    let outbox = |after| spool.outbox_after(Seq(after), 99);
    let seqs = |rows: Vec<(Seq, Vec<u8>)>| rows.into_iter().map(|(seq, _)| seq.0).collect::<Vec<_>>();
    assert_eq!(seqs(outbox(0).await.unwrap()), [1, 2, 3, 4]);
    spool.acknowledged(Seq(1)).unwrap();
    let before = outbox(1).await.unwrap();
    for after in [2, 100] {
        assert_eq!(spool.renumber_after(Seq(after)).await.unwrap(), Seq(after + 3));
        let moved = outbox(0).await.unwrap();
        assert_eq!(seqs(moved.clone()), [after + 1, after + 2, after + 3]);
        assert!(moved.iter().zip(&before).all(|(now, before)| now.1 == before.1), "the order is kept");
        assert_eq!(spool.cursors().assigned_up_to, Seq(after + 3));
    }
    spool.receive(vec![(Seq(12), vec![0xFF])]).await.unwrap();
    assert_eq!(seqs(outbox(102).await.unwrap()), [103, 104]);
}

#[tokio::test]
async fn what_is_asked_first_is_done_first_whatever_is_waited_for() {
    const ROUNDS: u64 = 200;
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let strange = |seq: u64| vec![(Seq(seq), vec![0xFF])];
    spool.receive(strange(1)).await.unwrap();
    // Each question makes sense only after the one before it; they are waited for from the last to the first.
    let mut stored = Vec::new();
    let mut renumbered = Vec::new();
    for round in 1..=ROUNDS {
        stored.push(spool.receive(strange(round + 1)));
        renumbered.push(spool.renumber_after(Seq(round * 1_000)));
    }
    let read = spool.outbox_after(Seq(ROUNDS * 1_000), 999);
    let places: Vec<u64> = read.await.unwrap().iter().map(|(place, _)| place.0).collect();
    assert_eq!(places, (ROUNDS * 1_000 + 1..=ROUNDS * 1_000 + ROUNDS + 1).collect::<Vec<_>>());
    for round in (1..=ROUNDS).rev() {
        let assigned = renumbered.pop().unwrap().await.unwrap();
        assert_eq!(assigned, Seq(round * 1_000 + round + 1), "those that were there, and no more");
        assert_eq!(stored.pop().unwrap().await.unwrap(), Seq(round + 1));
    }
    // The deletion is of the places that are given just before.
    drop(spool.renumber_after(Seq(500_000)));
    spool.acknowledged(Seq(500_001)).unwrap();
    spool.flush().await.unwrap();
    assert_eq!(spool.outbox_after(Seq(0), 999).await.unwrap().len() as u64, ROUNDS);
}

/// A spool with so many reports and no room for one more ticket; the delivery that waits, and its place.
async fn without_room(folder: &Path, reports: u64) -> (Spool, Pending<Seq>, Seq) {
    let mut options = options("boot-1");
    options.bytes_max = 300 * 1_024;
    let spool = Spool::open(folder, options).unwrap();
    let strange: Vec<(Seq, Vec<u8>)> = (1..=reports).map(|seq| (Seq(seq), vec![0xFF])).collect();
    assert_eq!(spool.receive(strange).await.unwrap(), Seq(reports));
    let mut counts = spool.counts();
    let mut seq = Seq(reports);
    loop {
        seq = seq.next();
        let mut receiving = spool.receive(vec![(seq, item(&ticket(seq.0 as u32, "front")))]);
        tokio::select! {
            biased;
            stored = &mut receiving => assert_eq!(stored.unwrap(), seq),
            full = counts.wait_for(|counts| counts.storing.fails()) => {
                drop(full.unwrap());
                return (spool, receiving, seq);
            }
        }
    }
}

/// Makes room behind the spool's back, and more of it than its reports do.
fn make_room(folder: &Path) {
    let database = rusqlite::Connection::open(folder.join("spool.db")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    database.execute("DELETE FROM payloads", []).unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_goes_on_by_itself() {
    let folder = tempdir().unwrap();
    // Reports that can be deleted later are what makes room.
    let (spool, refused, seq) = without_room(folder.path(), 4_000).await;
    // Nothing is acknowledged, reading goes on.
    assert_eq!(spool.cursors().received_up_to, Seq(seq.0 - 1));
    assert_eq!(spool.outbox_after(Seq(3_990), 99).await.unwrap().len(), 10);
    spool.acknowledged(Seq(4_000)).unwrap();
    assert_eq!(within("the delivery that waited", refused).await.unwrap(), seq);
    let mut counts = spool.counts();
    tokio::time::timeout(PATIENCE, counts.wait_for(|counts| !counts.storing.fails())).await.unwrap().unwrap();
    assert_eq!(waiting(&spool).await, (seq.0 as u32 - 4_000, 0));
}

#[tokio::test]
async fn nothing_overtakes_new_places_that_find_no_room() {
    let folder = tempdir().unwrap();
    let (spool, _refused, _) = without_room(folder.path(), 1_000).await;
    // The hub knows a million from another life: none of those that are here.
    let renumbered = spool.renumber_after(Seq(1_000_000));
    spool.acknowledged(Seq(1_000_000)).unwrap();
    let mut read = spool.outbox_after(Seq(1_000_000), 9_999);
    tokio::select! {
        biased;
        early = &mut read => panic!("it was read at the old places: {:?}", early.unwrap().len()),
        held = spool.held(9) => drop(held.unwrap()),
    }
    make_room(folder.path());
    assert_eq!(within("new places", renumbered).await.unwrap(), Seq(1_001_000));
    assert_eq!(within("the reports", read).await.unwrap().len(), 1_000, "none was acknowledged");
}

#[tokio::test]
async fn there_is_no_room_for_more_commands_than_the_bound() {
    let folder = tempdir().unwrap();
    let (spool, refused, seq) = without_room(folder.path(), 1_000).await;
    within("room for all but one", async {
        for _ in 1..COMMANDS_MAX {
            spool.room().await;
            drop(spool.skip_to(seq));
        }
    })
    .await;
    tokio::select! {
        biased;
        () = spool.room() => panic!("there is room for more"),
        held = spool.held(9) => drop(held.unwrap()),
    }
    make_room(folder.path());
    within("room again", spool.room()).await;
    assert_eq!(within("the delivery that waited", refused).await.unwrap(), seq);
}

#[tokio::test]
async fn old_printed_tickets_go_and_others_stay() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(2).unwrap();
    spool.receive(items(3)).await.unwrap();
    let old = claim(&mut port).await;
    let recent = claim(&mut port).await;
    let now = docket_agent::clock::now();
    let printed_at = |claim, ended_at| Finish { ended_at, ..finish(claim, Ending::Printed(Evidence::Fence)) };
    port.want(0).unwrap();
    port.finish(printed_at(&old, UnixMs(now.0 - 31 * 86_400_000))).await.unwrap();
    port.finish(printed_at(&recent, now)).await.unwrap();
    let ids = [1, 2, 3].map(|number| ticket(number, "front").id);
    // The clock was behind when it was printed, and is right now: it is the newest day's all the same.
    spool.close().await;
    let spool = open(folder.path());
    assert_eq!(kept(&spool, ids).await, [true, true, true]);
    // A day later.
    let later =
        (4..=3 + KEPT_TICKETS_MIN).map(|number| (Seq(u64::from(number)), item(&ticket(number, "front"))));
    spool.receive(later.collect()).await.unwrap();
    spool.close().await;
    let spool = open(folder.path());
    assert_eq!(kept(&spool, ids).await, [false, true, true]);
    spool.close().await;
    let database = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
    let left = |table: &str| -> u32 {
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((left("tickets"), left("payloads")), (2 + KEPT_TICKETS_MIN, 2 + KEPT_TICKETS_MIN));
}

async fn kept(spool: &Spool, ids: [TicketId; 3]) -> [bool; 3] {
    let mut kept = [false; 3];
    for (kept, id) in kept.iter_mut().zip(ids) {
        *kept = spool.ticket(id).await.unwrap().is_some();
    }
    kept
}
