//! A database that is damaged, in each way and at any time: it is set aside, another one goes on, and every order comes
//! out; once, or marked where it may have been printed before.

use anyhow::{Context as _, ensure};
use docket_tests::chain::counter::{SPOOLED, slips_of, until_shown, until_state};
use docket_tests::chain::shop::slips;
use docket_tests::chain::slips::are_marked_rightly;
use docket_tests::chain::{PATIENCE, Shop, wait_for};
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::Fault;
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PAGE_BYTES: usize = 4_096;
/// What begins every database.
const HEADER_BYTES: usize = 100;

/// What is done to the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// The first bytes are others.
    Beginning,
    /// The pages behind the first one are.
    Pages,
    /// One page is: that of the tickets.
    Tickets,
    /// The whole file is.
    Garbage,
    /// The whole file is, and the log.
    EverythingGarbage,
    /// The log ends before its time.
    LogCut,
    /// The log is of other bytes.
    LogGarbage,
}

impl Damage {
    /// Whether the database shows it. A log that was cut is as if its end had never been written.
    fn shows(self) -> bool {
        !matches!(self, Damage::LogCut | Damage::LogGarbage)
    }

    /// Writes over a file as another program would, under an agent that may be running.
    fn inflict(self, database: &Path) -> anyhow::Result<()> {
        let log = database.with_extension("db-wal");
        let length = |path: &Path| anyhow::Ok(usize::try_from(fs::metadata(path)?.len())?);
        match self {
            Damage::Beginning => overwrite(database, 0, HEADER_BYTES),
            Damage::Pages => overwrite(database, PAGE_BYTES, length(database)?),
            Damage::Tickets => {
                let open = Connection::open(database)?;
                let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'tickets'";
                let page = usize::from(open.query_row(root, [], |row| row.get::<_, u16>(0))?);
                drop(open);
                overwrite(database, (page - 1) * PAGE_BYTES, page * PAGE_BYTES)
            }
            Damage::Garbage => overwrite(database, 0, length(database)?),
            Damage::EverythingGarbage => {
                overwrite(database, 0, length(database)?)?;
                overwrite(&log, 0, length(&log)?)
            }
            Damage::LogCut => {
                let half = length(&log)? / 2;
                Ok(fs::File::options().write(true).open(&log)?.set_len(half as u64)?)
            }
            Damage::LogGarbage => overwrite(&log, 0, length(&log)?),
        }
    }
}

/// With bytes that mean nothing, the same each time.
fn overwrite(file: &Path, from: usize, to: usize) -> anyhow::Result<()> {
    let length = usize::try_from(fs::metadata(file)?.len())?;
    ensure!(from <= to && to <= length, "{from} to {to} of {length} bytes of {}", file.display());
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let bytes: Vec<u8> = (from..to)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .collect();
    Ok(fs::File::options().write(true).open(file)?.write_all_at(&bytes, from as u64)?)
}

/// All of the database in one file, and an agent that has it open reads it anew.
fn into_one_file(database: &Path) -> anyhow::Result<()> {
    let open = Connection::open(database)?;
    open.busy_timeout(Duration::from_secs(10))?;
    open.execute("UPDATE meta SET boot = boot", [])?;
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let blocked: i64 = open.query_row(checkpoint, [], |row| row.get(0))?;
    ensure!(blocked == 0, "the database is in use");
    Ok(())
}

fn set_aside(shop: &Shop) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(shop.agent.data())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("spool-damaged-") && name.ends_with(".db") {
            found.push(path);
        }
    }
    Ok(found)
}

/// A person at headquarters, and one in the store, see that it was replaced.
async fn until_told(shop: &Shop) -> anyhow::Result<()> {
    wait_for("the alarm", PATIENCE, || {
        let alarms =
            shop.hub.ledger().and_then(|ledger| ledger.alarms()).map_err(|error| error.to_string())?;
        if alarms.iter().any(|(code, _)| code == "spool-replaced") {
            Ok(())
        } else {
            Err(format!("{alarms:?}"))
        }
    })
    .await?;
    wait_for("the status", PATIENCE, || match shop.agent.status() {
        Ok(status) if status["fresh"] == true && status["file"]["replaced"]["kept_as"].is_string() => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await?;
    let shown = shop.agent.command(&["status"])?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.contains("spool-damaged-") && shown.contains("检查电脑的磁盘"), "{shown}");
    ensure!(set_aside(shop)?.len() == 1);
    Ok(())
}

fn ensure_came_out(shop: &Shop, orders: &[PlacedOrder]) -> anyhow::Result<()> {
    for order in orders {
        let slips = slips_of(shop, order);
        ensure!(!slips.is_empty() && are_marked_rightly(&slips), "{}: {slips:?}", order.order_id);
    }
    Ok(())
}

async fn while_stopped(damage: Damage) -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let mut orders = vec![shop.push(1).await?];
    shop.until_printed(&orders).await?;
    let database = shop.agent.data().join("spool.db");
    if damage.shows() {
        into_one_file(&database)?;
    }
    shop.printer.set(Fault::PaperOut);
    until_shown(&shop, &["paper-out"]).await?;
    orders.push(shop.push(2).await?);
    until_state(&shop, &orders[1], SPOOLED).await?;
    shop.agent.process()?.end()?;
    if damage.shows() && damage != Damage::EverythingGarbage {
        into_one_file(&database)?;
    }
    damage.inflict(&database)?;
    orders.push(shop.push(3).await?);
    shop.printer.set(Fault::PaperIn);
    shop.agent.start_linked(&shop.hub).await?;
    orders.push(shop.push(4).await?);
    shop.until_printed(&orders).await.with_context(|| format!("{damage:?}"))?;
    ensure_came_out(&shop, &orders)?;
    ensure!(slips(&shop.printer, &orders[0]) == [None], "it was printed and reported before: {damage:?}");
    for late in &orders[2..] {
        ensure!(slips(&shop.printer, late) == [None], "no spool had it before: {damage:?}");
    }
    let second = slips(&shop.printer, &orders[1]);
    match damage {
        // Nobody can read it any more, and the hub cannot know that it was not printed.
        Damage::Garbage | Damage::EverythingGarbage | Damage::Pages | Damage::Tickets => {
            ensure!(second == [Some(1)], "{damage:?}: {second:?}");
        }
        // All of it could be read, and the journal says that it never began.
        Damage::Beginning => ensure!(second == [None], "{second:?}"),
        Damage::LogCut | Damage::LogGarbage => ensure!(second.len() == 1, "{second:?}"),
    }
    if damage.shows() { until_told(&shop).await } else { Ok(()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_that_is_another_is_mended_in_a_copy() -> anyhow::Result<()> {
    while_stopped(Damage::Beginning).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_others() -> anyhow::Result<()> {
    while_stopped(Damage::Pages).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_that_cannot_be_read() -> anyhow::Result<()> {
    while_stopped(Damage::Tickets).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_garbage() -> anyhow::Result<()> {
    while_stopped(Damage::Garbage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_and_a_log_of_garbage() -> anyhow::Result<()> {
    while_stopped(Damage::EverythingGarbage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut() -> anyhow::Result<()> {
    while_stopped(Damage::LogCut).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_garbage() -> anyhow::Result<()> {
    while_stopped(Damage::LogGarbage).await
}

/// Under a running agent, which has one ticket half on paper and one that waits.
async fn while_running(damage: Damage) -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let mut orders = vec![shop.push(1).await?];
    shop.until_printed(&orders).await?;
    let before = shop.printer.status();
    shop.printer.set(Fault::PaperOutAfterLines(3));
    orders.push(shop.push(2).await?);
    docket_tests::chain::counter::until_in_print(&shop, &before).await?;
    orders.push(shop.push(3).await?);
    until_state(&shop, &orders[2], SPOOLED).await?;
    let database = shop.agent.data().join("spool.db");
    into_one_file(&database)?;
    damage.inflict(&database)?;
    orders.push(shop.push(4).await?);
    shop.printer.set(Fault::PaperIn);
    until_told(&shop).await.with_context(|| format!("{damage:?}: {}", shop.agent.log_text()))?;
    orders.push(shop.push(5).await?);
    shop.until_printed(&orders).await.with_context(|| format!("{damage:?}"))?;
    ensure_came_out(&shop, &orders)?;
    ensure!(slips(&shop.printer, &orders[0]) == [None], "{damage:?}");
    ensure!(slips(&shop.printer, &orders[4]) == [None], "{damage:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_that_becomes_another_under_the_agent() -> anyhow::Result<()> {
    while_running(Damage::Beginning).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_become_others_under_the_agent() -> anyhow::Result<()> {
    while_running(Damage::Pages).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_that_can_be_read_no_more_under_the_agent() -> anyhow::Result<()> {
    while_running(Damage::Tickets).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_garbage_under_the_agent() -> anyhow::Result<()> {
    while_running(Damage::Garbage).await
}
