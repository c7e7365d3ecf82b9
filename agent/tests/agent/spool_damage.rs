//! A damaged spool is replaced: in whichever step that ends, the next life goes on, and loses nothing that can be read.

use crate::samples::{claim, copy, finish, front, item, items, journal, open, reports, ticket};
use docket_agent::spool::{Ending, SET_ASIDE_MAX, Storing, set_aside_in};
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::Report;
use docket_protocol::outcome::{Evidence, Outcome};
use docket_protocol::ticket::Ticket;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

const TICKETS: u32 = 5;
const NAME: &str = "spool-damaged-202601012000-000.db";
const HEADER_BYTES: usize = 100;

fn overwrite(path: &Path, from: usize, to: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[from..to].fill(0xA5);
    fs::write(path, bytes).unwrap();
}

fn into_one_file(database: &Path) {
    let open = Connection::open(database).unwrap();
    open.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    open.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

/// A closed spool with tickets that wait, of which the first was printed and not reported. Its beginning is another.
async fn damaged() -> (TempDir, [u8; 16]) {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    spool.receive(items(TICKETS)).await.unwrap();
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    let first = claim(&mut port).await;
    port.want(0).unwrap();
    port.finish(finish(&first, Ending::Printed(Evidence::Fence))).await.unwrap();
    spool.flush().await.unwrap();
    let id = spool.cursors().spool;
    spool.close().await;
    let database = folder.path().join("spool.db");
    into_one_file(&database);
    overwrite(&database, 0, HEADER_BYTES);
    (folder, id)
}

/// What the next life finds.
async fn ensure_replaced(folder: &Path, before: [u8; 16], step: &str) {
    let spool = open(folder);
    assert_ne!(spool.cursors().spool, before, "{step}: the hub has to know");
    assert_eq!(spool.cursors().received_up_to, Seq(0), "{step}");
    assert_eq!(spool.counts().borrow().waiting, TICKETS - 1, "{step}");
    let told = reports(&spool).await;
    let [Report::Ticket(printed), Report::SpoolReplaced(replaced)] = &told[..] else {
        panic!("{step}: {told:?}")
    };
    assert_eq!((printed.ticket, printed.outcome), (ticket(1, "front").id, Outcome::Printed(Evidence::Fence)));
    assert!(replaced.is_whole && replaced.lost == 0 && replaced.tickets == TICKETS - 1, "{replaced:?}");
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    for number in 2..=TICKETS {
        let claim = claim(&mut port).await;
        assert_eq!((claim.ticket.id, claim.repeat), (ticket(number, "front").id, 0), "{step}");
        port.finish(finish(&claim, Ending::Printed(Evidence::Fence))).await.unwrap();
    }
    assert_eq!(set_aside_in(folder).unwrap().len(), 1, "{step}");
    for left in ["spool.mark", "spool.new.db", "spool-damaged-202601012000-000.copy"] {
        assert!(!folder.join(left).exists(), "{step}: {left}");
    }
}

#[tokio::test]
async fn each_step_goes_on_where_the_last_one_ended() {
    let (folder, id) = damaged().await;
    ensure_replaced(copy(folder.path()).path(), id, "found when it is opened").await;
    let mark = |folder: &Path| fs::write(folder.join("spool.mark"), NAME).unwrap();
    let moved = |folder: &Path, suffix: &str| {
        fs::rename(folder.join(format!("spool.db{suffix}")), folder.join(format!("{NAME}{suffix}"))).unwrap();
    };
    for step in ["marked", "log moved", "database moved", "a new one half made"] {
        let folder = copy(folder.path());
        mark(folder.path());
        if step != "marked" {
            moved(folder.path(), "-wal");
        }
        if step == "database moved" || step == "a new one half made" {
            moved(folder.path(), "");
        }
        if step == "a new one half made" {
            fs::write(folder.path().join("spool.new.db"), b"SQLite format 3").unwrap();
        }
        ensure_replaced(folder.path(), id, step).await;
    }
    // The new one is in its place, and only the mark is left.
    let done = copy(folder.path());
    open(done.path()).close().await;
    let aside = set_aside_in(done.path()).unwrap().pop().unwrap();
    fs::write(done.path().join("spool.mark"), aside.file_name().unwrap().to_str().unwrap()).unwrap();
    ensure_replaced(done.path(), id, "renamed").await;
}

#[tokio::test]
async fn only_the_newest_are_kept() {
    let folder = tempdir().unwrap();
    for round in 0..SET_ASIDE_MAX + 2 {
        open(folder.path()).close().await;
        let database = folder.path().join("spool.db");
        into_one_file(&database);
        let length = fs::metadata(&database).unwrap().len() as usize;
        overwrite(&database, 0, length);
        open(folder.path()).close().await;
        assert_eq!(set_aside_in(folder.path()).unwrap().len(), (round + 1).min(SET_ASIDE_MAX));
    }
}

/// What the database has lost, the journal still knows.
#[tokio::test]
async fn what_the_hub_delivers_again_is_not_printed_where_the_journal_has_it_on_paper() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut written = journal(folder.path(), &front());
    let on_paper = written.began(ticket(1, "front").id, 1, UnixMs(1)).unwrap();
    written.fenced(&on_paper, Evidence::Fence, UnixMs(2)).unwrap();
    written.began(ticket(2, "front").id, 1, UnixMs(3)).unwrap();
    let again = |number| item(&Ticket { maybe_printed: true, ..ticket(number, "front") });
    spool.receive((1..=3).map(|number| (Seq(u64::from(number)), again(number))).collect()).await.unwrap();
    assert_eq!(spool.counts().borrow().waiting, 2);
    let [Report::Ticket(printed)] = &reports(&spool).await[..] else { panic!() };
    assert_eq!((printed.ticket, printed.outcome), (ticket(1, "front").id, Outcome::Printed(Evidence::Fence)));
    let mut port = spool.port(&front()).unwrap();
    port.want(2).unwrap();
    for number in [2, 3] {
        let claim = claim(&mut port).await;
        assert_eq!((claim.ticket.id, claim.repeat), (ticket(number, "front").id, 1));
    }
}

/// The end of the log was lost, and with it that two tickets were begun.
#[tokio::test]
async fn what_waits_though_the_journal_has_begun_it_is_settled_by_the_journal() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    spool.receive(items(3)).await.unwrap();
    let mut written = journal(folder.path(), &front());
    let on_paper = written.began(ticket(1, "front").id, 1, UnixMs(1)).unwrap();
    written.fenced(&on_paper, Evidence::Fence, UnixMs(2)).unwrap();
    written.began(ticket(2, "front").id, 1, UnixMs(3)).unwrap();
    let folder = copy(folder.path());
    // Another boot, so that nobody is asked.
    let spool = docket_agent::spool::Spool::open(folder.path(), crate::samples::options("boot-2")).unwrap();
    assert_eq!(spool.counts().borrow().storing, Storing::Well);
    let mut port = spool.port(&front()).unwrap();
    port.want(3).unwrap();
    let again = [claim(&mut port).await, claim(&mut port).await];
    let again = again.map(|claim| (claim.ticket.id, claim.repeat));
    assert_eq!(again, [(ticket(2, "front").id, 1), (ticket(3, "front").id, 0)]);
}
