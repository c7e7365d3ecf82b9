//! The spool where it cannot store: what it still does, what it lets go, and what it says.

use crate::samples::{PATIENCE, claim, finish, front, item, items, open, options, ticket, within};
use docket_agent::spool::{Ending, FILLING_PERCENT, KEPT_TICKETS_MIN, Pending, Spool, Storing};
use docket_protocol::ids::Seq;
use docket_protocol::outcome::Evidence;
use docket_tests::small_disk::SmallDisk;
use std::path::Path;
use tempfile::tempdir;

/// Small, with `count` tickets for the front printer, and then as many for the kitchen as find room; with the delivery
/// that finds none.
async fn full(folder: &Path, count: u32) -> (Spool, Pending<Seq>) {
    let mut options = options("boot-1");
    options.bytes_max = 400 * 1_024;
    let spool = Spool::open(folder, options).unwrap();
    spool.receive(items(count)).await.unwrap();
    let mut counts = spool.counts();
    for number in count + 1.. {
        let mut receiving = spool.receive(vec![(Seq(u64::from(number)), item(&ticket(number, "kitchen")))]);
        tokio::select! {
            biased;
            stored = &mut receiving => drop(stored.unwrap()),
            full = counts.wait_for(|counts| counts.storing.fails()) => {
                drop(full.unwrap());
                return (spool, receiving);
            }
        }
    }
    unreachable!("the spool has a bound");
}

#[tokio::test]
async fn what_is_stored_is_printed_while_a_delivery_waits_for_room() {
    const TICKETS: u32 = 20;
    let folder = tempdir().unwrap();
    let (spool, mut refused) = full(folder.path(), TICKETS).await;
    let mut port = spool.port(&front()).unwrap();
    port.want(10).unwrap();
    for number in 1..=TICKETS {
        let claim = claim(&mut port).await;
        assert_eq!(claim.ticket.id, ticket(number, "front").id);
        port.finish(finish(&claim, Ending::Printed(Evidence::Fence))).await.unwrap();
    }
    let mut counts = spool.counts();
    within("the outcomes", counts.wait_for(|counts| counts.printers[0].1 == 0)).await.unwrap();
    assert!(counts.borrow().storing.fails(), "the delivery still waits");
    assert_eq!(spool.outbox_after(Seq(0), 99).await.unwrap().len() as u32, TICKETS);
    tokio::select! {
        biased;
        stored = &mut refused => panic!("{stored:?}"),
        () = std::future::ready(()) => {}
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_delivered_again_and_again_without_room_is_kept_once() {
    const SESSIONS: u32 = 1_000;
    const ITEMS: u64 = 32;
    const ITEM_BYTES: usize = 2_000;
    const GROWTH_BYTES_MAX: u64 = 16 << 20;
    let folder = tempdir().unwrap();
    let (spool, first) = full(folder.path(), 1).await;
    drop(first);
    let after = spool.cursors().received_up_to.0;
    let before = resident_bytes();
    for _ in 0..SESSIONS {
        let items = (after + 1..=after + ITEMS).map(|seq| (Seq(seq), vec![0xFF; ITEM_BYTES])).collect();
        // The session ends without an answer.
        drop(spool.receive(items));
        within("room for commands", spool.room()).await;
        spool.held(1).await.unwrap();
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{SESSIONS} sessions took {grown} bytes");
    // The last one is answered with what all of them have delivered.
    let last = spool.receive((after + 1..=after + 2).map(|seq| (Seq(seq), vec![0xFF])).collect());
    let database = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    database.execute("DELETE FROM payloads", []).unwrap();
    assert_eq!(within("the items", last).await.unwrap(), Seq(after + ITEMS));
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[tokio::test]
async fn near_the_bound_the_oldest_go_that_are_printed_and_reported() {
    const PRINTED: u32 = 1_000;
    const REPORTED: u32 = 600;
    let folder = tempdir().unwrap();
    let tickets = PRINTED + KEPT_TICKETS_MIN;
    let spool = open(folder.path());
    spool.receive(items(tickets)).await.unwrap();
    spool.close().await;
    // As if they had been printed just now, each with its report; the hub has taken the first ones.
    let database = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
    let now = docket_agent::clock::now().0;
    let printed = "UPDATE tickets SET state = 2, ended_at = ?1, told_seq = place WHERE place <= ?2";
    database.execute(printed, [now, i64::from(PRINTED)]).unwrap();
    database.execute("UPDATE meta SET assigned_up_to = ?1", [PRINTED]).unwrap();
    for seq in REPORTED + 1..=PRINTED {
        database.execute("INSERT INTO outbox VALUES (?1, x'00')", [seq]).unwrap();
    }
    let pages: u64 = database.query_row("PRAGMA page_count", [], |row| row.get::<_, u32>(0)).unwrap().into();
    drop(database);
    let mut options = options("boot-1");
    options.bytes_max = pages * 4_096 * 93 / 100;
    let spool = Spool::open(folder.path(), options).unwrap();
    let new = (Seq(u64::from(tickets) + 1), item(&ticket(tickets + 1, "front")));
    within("room for a new one", spool.receive(vec![new])).await.unwrap();
    let is_there = async |number| spool.ticket(ticket(number, "front").id).await.unwrap().is_some();
    assert!(!is_there(1).await, "the oldest went");
    for number in REPORTED + 1..=tickets + 1 {
        assert!(is_there(number).await, "ticket {number} of {tickets}");
    }
}

#[tokio::test]
async fn people_hear_that_it_fills_up_before_it_is_full() {
    let folder = tempdir().unwrap();
    let mut options = options("boot-1");
    options.bytes_max = 300 * 1_024;
    let spool = Spool::open(folder.path(), options).unwrap();
    let counts = spool.counts();
    let mut taken_after = 0;
    for number in 1.. {
        let stored = spool.receive(vec![(Seq(number), item(&ticket(number as u32, "front")))]);
        let mut failing = spool.counts();
        tokio::select! {
            biased;
            stored = stored => drop(stored.unwrap()),
            failing = failing.wait_for(|counts| counts.storing.fails()) => {
                assert_eq!(failing.unwrap().storing, Storing::AtBound);
                break;
            }
        }
        taken_after += u64::from(counts.borrow().storing == Storing::Filling);
    }
    let all = spool.cursors().received_up_to.0;
    let expected = all * (100 - FILLING_PERCENT) / 100;
    assert!(taken_after > expected / 2 && taken_after < expected * 2, "{taken_after} of {all}");
}

#[tokio::test]
async fn what_fails_is_told_apart() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let database = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    database.execute_batch("ALTER TABLE unreadable RENAME TO lost").unwrap();
    let strange = spool.receive(vec![(Seq(1), vec![0xFF])]);
    let mut counts = spool.counts();
    let seen = within("the failure", counts.wait_for(|counts| counts.storing.fails())).await.unwrap().storing;
    assert_eq!(seen, Storing::Failing, "no file that is deleted would help");
    assert!(seen.remedy().0.contains("磁盘出错") && Storing::from_code(seen.code()) == Some(seen));
    database.execute_batch("ALTER TABLE lost RENAME TO unreadable").unwrap();
    within("the item", strange).await.unwrap();
}

#[tokio::test]
async fn a_printer_that_is_told_to_go_on_does_not_wait_once_the_disk_has_room() {
    let disk = SmallDisk::mount().unwrap();
    let spool = open(disk.path());
    disk.fill().unwrap();
    let pausing = tokio::spawn({
        let spool = spool.clone();
        async move { spool.set_paused(front(), true).await }
    });
    let mut counts = spool.counts();
    within("a full disk", counts.wait_for(|counts| counts.storing == Storing::DiskFull)).await.unwrap();
    let resuming = spool.set_paused(front(), false);
    tokio::pin!(resuming);
    tokio::select! {
        biased;
        done = &mut resuming => panic!("done before what was asked first: {done:?}"),
        // Asked later, and it needs no room.
        flushed = within("a flush", spool.flush()) => flushed.unwrap(),
    }
    disk.free().unwrap();
    within("the pause", pausing).await.unwrap().unwrap();
    within("its end", resuming).await.unwrap();
    assert_eq!(counts.borrow().paused, []);
}
