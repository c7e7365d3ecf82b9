//! A printer's task over a disk that fails: what it may not do, what it says, and that it goes on.

use crate::printer_task::{CLEAN, Stage, states};
use crate::samples::{PATIENCE, copy, front, items, journal, open, within};
use docket_protocol::ids::UnixMs;
use docket_protocol::outcome::{Evidence, Outcome};
use docket_protocol::printer::Condition;
use docket_tests::small_disk::SmallDisk;
use std::fs::File;
use std::path::Path;
use std::time::Instant;
use tempfile::{TempDir, tempdir};
use tokio::net::TcpListener;

/// A printer's task with its files in this folder.
async fn stage(folder: TempDir) -> Stage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().into();
    Stage::at(listener, address, folder)
}

fn change(folder: &Path, sql: &str) {
    let database = rusqlite::Connection::open(folder.join("spool.db")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    database.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn nothing_is_printed_that_the_journal_cannot_have() {
    let disk = SmallDisk::mount().unwrap();
    let folder = tempdir().unwrap();
    std::os::unix::fs::symlink(disk.path(), folder.path().join("journal")).unwrap();
    let mut stage = stage(folder).await;
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    // It was filled when it was made; now it is short, and there is no room for it.
    File::options().write(true).open(disk.path().join("p-front.bin")).unwrap().set_len(0).unwrap();
    disk.fill().unwrap();
    stage.spool.receive(items(1)).await.unwrap();
    let out = async {
        let is_out = |condition: Condition| condition == Condition::Journal;
        stage.health("out", |health| health.conditions.iter().any(|since| is_out(since.condition))).await;
        // So that a backup can have it.
        let deadline = Instant::now() + PATIENCE;
        while states(&stage.folder) != [0] {
            assert!(Instant::now() < deadline, "{:?}", states(&stage.folder));
            tokio::task::yield_now().await;
        }
        disk.free().unwrap();
    };
    tokio::join!(unit.begin(), out);
    let (_, fences) = unit.ticket().await;
    unit.say(&fences[0]).await;
    unit.say(&fences[1]).await;
    assert_eq!(stage.outcomes(1).await, [(Outcome::Printed(Evidence::Fence), 0)]);
    stage.health("well", |health| health.conditions.is_empty()).await;
}

#[tokio::test]
async fn a_printer_is_not_given_up_for_a_profile_that_cannot_be_read() {
    let stage = stage(tempdir().unwrap()).await;
    change(stage.folder.path(), "ALTER TABLE profiles RENAME TO lost");
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    change(stage.folder.path(), "ALTER TABLE lost RENAME TO profiles");
    stage.spool.receive(items(1)).await.unwrap();
    let (_, fences) = unit.ticket_or_answer().await;
    unit.say(&fences[0]).await;
    unit.say(&fences[1]).await;
    assert_eq!(stage.outcomes(1).await, [(Outcome::Printed(Evidence::Fence), 0)]);
}

#[tokio::test]
async fn what_an_earlier_life_left_is_looked_up_until_it_can_be() {
    let left = tempdir().unwrap();
    let spool = open(left.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    spool.receive(items(1)).await.unwrap();
    let claim = within("a claim", port.next()).await.unwrap();
    let mut journal = journal(left.path(), &front());
    journal.began(claim.ticket.id, claim.attempt, UnixMs(1)).unwrap();
    let stage = stage(copy(left.path())).await;
    change(stage.folder.path(), "ALTER TABLE tickets RENAME TO lost");
    // The task has asked by the time that this is answered, and it was answered the same.
    tokio::task::yield_now().await;
    stage.spool.held(1).await.unwrap_err();
    change(stage.folder.path(), "ALTER TABLE lost RENAME TO tickets");
    let mut unit = stage.connection().await;
    unit.answer(CLEAN).await;
    assert!(!stage.task.is_finished());
}
