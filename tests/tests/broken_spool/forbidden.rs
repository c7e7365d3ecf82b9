//! An agent that may not open its database. It says so and prints nothing, and nothing that it has is touched: once a
//! person has mended it, what waited comes out, once and unmarked.

use anyhow::{Context, ensure};
use docket_tests::chain::counter::{SPOOLED, until_shown, until_state};
use docket_tests::chain::shop::slips;
use docket_tests::chain::{AgentOptions, HubOptions, Shop, copy_files};
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::small_disk::SmallDisk;
use docket_tests::virtual_printer::Fault;
use rusqlite::Connection;
use std::fs;
use std::path::PathBuf;

/// A store whose agent was killed while a ticket waits for paper. Its data folder is on a disk of its own.
struct Killed {
    disk: SmallDisk,
    shop: Shop,
    orders: Vec<PlacedOrder>,
    /// The files as they were.
    kept: PathBuf,
}

impl Killed {
    async fn with_a_ticket_waiting() -> anyhow::Result<Self> {
        let disk = SmallDisk::mount()?;
        let options = AgentOptions { data: Some(disk.path().join("data")), ..AgentOptions::default() };
        let mut shop = Shop::enrolled(HubOptions::default(), options).await?;
        shop.agent.start_linked(&shop.hub).await?;
        let mut orders = vec![shop.push(1).await?];
        shop.until_printed(&orders).await?;
        shop.printer.set(Fault::PaperOut);
        until_shown(&shop, &["paper-out"]).await?;
        orders.push(shop.push(2).await?);
        until_state(&shop, &orders[1], SPOOLED).await?;
        shop.agent.process()?.kill();
        // All of it in one file: a damaged page is one that is read.
        let database = Connection::open(shop.agent.data().join("spool.db"))?;
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let blocked: i64 = database.query_row(checkpoint, [], |row| row.get(0))?;
        ensure!(blocked == 0, "the database is still in use");
        drop(database);
        let kept = shop.folder().join("kept");
        copy_files(shop.agent.data(), &kept)?;
        Ok(Killed { disk, shop, orders, kept })
    }

    fn spool(&self) -> PathBuf {
        self.shop.agent.data().join("spool.db")
    }

    /// It does not begin, and says why and what to do, in both languages.
    fn refuses_to_run(&self, code: &str, words: [&str; 2]) -> anyhow::Result<()> {
        let output = self.shop.agent.command(&["run"])?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success(), "it ended as if nothing were wrong: {said}");
        let last = said.lines().find(|line| line.starts_with("docket-agent: ")).context(said.clone())?;
        ensure!(last.starts_with(&format!("docket-agent: {code}: ")), "{last}");
        for word in words {
            ensure!(last.contains(word), "{word} is missing: {last}");
        }
        Ok(())
    }

    /// The database is again as it was, and the printer has paper: everything comes out, and nothing twice.
    async fn prints_what_waited(mut self) -> anyhow::Result<()> {
        self.shop.printer.set(Fault::PaperIn);
        self.shop.agent.start_linked(&self.shop.hub).await?;
        self.shop.until_printed(&self.orders).await?;
        for order in &self.orders {
            let slips = slips(&self.shop.printer, order);
            ensure!(slips == [None], "{}: {slips:?}", order.order_id);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_may_not_be_written_ends_it_and_takes_nothing() -> anyhow::Result<()> {
    let killed = Killed::with_a_ticket_waiting().await?;
    killed.disk.set_read_only(true)?;
    killed.refuses_to_run("spool-folder", ["Read-only file system", "检查路径和权限"])?;
    killed.disk.set_read_only(false)?;
    killed.prints_what_waited().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_opened_ends_it_and_takes_nothing() -> anyhow::Result<()> {
    let killed = Killed::with_a_ticket_waiting().await?;
    fs::remove_file(killed.spool())?;
    fs::create_dir(killed.spool())?;
    killed.refuses_to_run("spool-forbidden", ["unable to open database file", "检查目录权限"])?;
    ensure!(fs::read_dir(killed.spool())?.next().is_none());
    fs::remove_dir(killed.spool())?;
    fs::copy(killed.kept.join("spool.db"), killed.spool())?;
    killed.prints_what_waited().await
}
