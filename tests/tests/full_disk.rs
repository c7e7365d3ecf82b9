//! No room on a disk: nothing is promised that is not stored, everybody can see why, and with room it goes on
//! by itself. The disks are small file systems in memory, so these tests need to be root.

use docket_tests::chain::shop::{PAID_PATH, now_s, order, slips};
use docket_tests::chain::{AgentOptions, HubOptions, PATIENCE, Shop, TicketRow, wait_for};
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::small_disk::SmallDisk;
use docket_tests::virtual_printer::{Fault, Paper};
use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;

const QUEUED: i64 = 1;
const SPOOLED: i64 = 2;

/// Pushes an order; whether the hub has taken it. What it has not taken is refused as the platform expects.
async fn push(shop: &Shop, order: &PlacedOrder) -> anyhow::Result<bool> {
    let reply = shop.hub.client().post(PAID_PATH, &shop.hub.meituan().paid(order, now_s())).await?;
    if reply.body == OK_REPLY {
        return Ok(true);
    }
    let body: Value = serde_json::from_str(&reply.body)?;
    anyhow::ensure!(reply.status == 503 && body["data"] == "ng", "{} {}", reply.status, reply.body);
    Ok(false)
}

fn tickets_of(shop: &Shop, order: &PlacedOrder) -> anyhow::Result<Vec<TicketRow>> {
    let mut tickets = shop.hub.ledger()?.tickets()?;
    tickets.retain(|ticket| ticket.order == order.order_id);
    Ok(tickets)
}

/// Waits until the hub shows whether the store's PC has room.
async fn until_shown_full(shop: &Shop, full: bool) -> anyhow::Result<()> {
    let what = format!("spool_full to be {full}");
    let look = |overview: &Value| {
        let store = &overview["stores"][0];
        (store["spool_full"] == full).then(|| store.clone())
    };
    let store = shop.hub.until_overview(&what, PATIENCE, look).await?;
    assert!(!full || store["light"] == "red", "{store:#}");
    Ok(())
}

/// A store whose PC's data folder is on the disk, and the order that it has printed.
async fn with_pc_on(disk: &SmallDisk) -> anyhow::Result<(Shop, PlacedOrder)> {
    let options = AgentOptions { data: Some(disk.path().join("data")), ..AgentOptions::default() };
    let mut shop = Shop::enrolled(HubOptions::default(), options).await?;
    shop.agent.start_linked(&shop.hub).await?;
    let order = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    Ok((shop, order))
}

fn assert_printed_once(shop: &Shop, orders: &[PlacedOrder]) {
    for order in orders {
        assert_eq!(slips(&shop.printer, order), [None], "{}", order.order_id);
    }
}

/// Waits until `docket-agent status` shows whether there is room.
async fn until_status_full(shop: &Shop, full: bool) -> anyhow::Result<()> {
    wait_for("docket-agent status", PATIENCE, || match shop.agent.status() {
        Ok(status) if status["fresh"] == true && status["file"]["status"]["spool_full"] == full => Ok(()),
        other => Err(format!("{other:?}\n{}", shop.agent.log_text())),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_without_room_promises_nothing_and_goes_on_by_itself() -> anyhow::Result<()> {
    let disk = SmallDisk::mount()?;
    let options = HubOptions { data: Some(disk.path().join("data")), ..HubOptions::default() };
    let mut shop = Shop::enrolled(options, AgentOptions::default()).await?;
    shop.agent.start_linked(&shop.hub).await?;
    let mut orders = vec![shop.push(1).await?];
    shop.until_printed(&orders).await?;

    disk.fill()?;
    let mut refused = Vec::new();
    for number in 2..=8 {
        let order = order(Shop::STORE, number);
        let taken = push(&shop, &order).await?;
        assert_eq!(tickets_of(&shop, &order)?.is_empty(), !taken, "order {number}: taken {taken}");
        if taken { orders.push(order) } else { refused.push(order) }
    }
    assert!(refused.len() >= 5, "only {} pushes were refused on a full disk", refused.len());
    assert_eq!(shop.hub.process().ended()?, None);
    let overview = shop.hub.overview().await?;
    assert_eq!(overview["refused"]["unstored"], refused.len(), "{overview:#}");
    assert!(shop.hub.process().log_text().contains("storage-full"), "the log does not say why");
    // A code that could not be kept is not given out either.
    let code = shop.hub.command(&["enrol-code", "--store", Shop::STORE])?;
    let said = String::from_utf8_lossy(&code.stderr).into_owned();
    assert!(code.status.code() == Some(1) && said.contains("storage-full: "), "{said}");

    disk.free()?;
    for order in refused {
        assert!(push(&shop, &order).await?, "the platform's repeat is refused with room on the disk");
        orders.push(order);
    }
    shop.until_printed(&orders).await?;
    assert_printed_once(&shop, &orders);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_on_a_full_hub_loses_and_repeats_nothing() -> anyhow::Result<()> {
    let disk = SmallDisk::mount()?;
    let options = HubOptions { data: Some(disk.path().join("data")), ..HubOptions::default() };
    let mut shop = Shop::enrolled(options, AgentOptions::default()).await?;
    shop.agent.start_linked(&shop.hub).await?;
    shop.printer.set(Fault::PaperOut);
    let order = shop.push(1).await?;
    wait_for("the ticket to be in the spool", PATIENCE, || match tickets_of(&shop, &order) {
        Ok(tickets) if tickets.iter().all(|ticket| ticket.state == SPOOLED) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await?;

    // The hub has no room for the news that it is printed: the agent has to keep it, over a restart too.
    disk.fill()?;
    shop.printer.set(Fault::PaperIn);
    shop.agent.until_link("hub-unavailable").await?;
    assert_eq!(shop.printer.receipt_count(), 1);
    assert_eq!(tickets_of(&shop, &order)?[0].state, SPOOLED);
    shop.agent.process()?.kill();
    shop.agent.start()?;
    shop.agent.until_link("hub-unavailable").await?;

    disk.free()?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    assert_eq!(slips(&shop.printer, &order), [None]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_without_room_acknowledges_nothing_and_goes_on_by_itself() -> anyhow::Result<()> {
    let disk = SmallDisk::mount()?;
    let (shop, first) = with_pc_on(&disk).await?;
    let mut orders = vec![first];
    until_status_full(&shop, false).await?;
    // One ticket is half on paper when the room ends.
    shop.printer.set(Fault::PaperOutAfterLines(3));
    orders.push(shop.push(2).await?);
    wait_for("the paper to end in the ticket", PATIENCE, || {
        let status = shop.printer.status();
        if status.conditions.paper == Paper::Out { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await?;

    disk.fill()?;
    for number in 3..=7 {
        orders.push(shop.push(number).await?);
    }
    until_shown_full(&shop, true).await?;
    until_status_full(&shop, true).await?;
    let shown = shop.agent.command(&["status"])?;
    let words = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.code() == Some(1) && words.contains("磁盘已满"), "{words}");
    shop.printer.set(Fault::PaperIn);
    wait_for("the ticket that was half on paper", PATIENCE, || match shop.printer.receipt_count() {
        2 => Ok(()),
        other => Err(other),
    })
    .await?;
    for order in &orders[2..] {
        let tickets = tickets_of(&shop, order)?;
        assert!(
            tickets.iter().all(|ticket| ticket.state == QUEUED),
            "acknowledged without room: {tickets:?}"
        );
    }

    disk.free()?;
    shop.until_printed(&orders).await?;
    until_shown_full(&shop, false).await?;
    until_status_full(&shop, false).await?;
    assert_printed_once(&shop, &orders);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_is_started_again_without_room() -> anyhow::Result<()> {
    let disk = SmallDisk::mount()?;
    let (mut shop, first) = with_pc_on(&disk).await?;
    let mut orders = vec![first];
    disk.fill()?;
    orders.push(shop.push(2).await?);
    until_status_full(&shop, true).await?;
    shop.agent.process()?.kill();
    shop.agent.start_linked(&shop.hub).await?;
    orders.push(shop.push(3).await?);
    until_shown_full(&shop, true).await?;
    assert_eq!(shop.printer.receipt_count(), 1, "printed what could not be remembered");

    disk.free()?;
    shop.until_printed(&orders).await?;
    until_shown_full(&shop, false).await?;
    assert_printed_once(&shop, &orders);
    Ok(())
}

/// Records of a print journal that say so: see `docket_agent::printing::journal`.
fn on_paper_in(journal: &[u8]) -> usize {
    const RECORD_BYTES: usize = 64;
    const PHASE_AT: usize = 4;
    const FENCED: u8 = 2;
    journal.as_chunks::<RECORD_BYTES>().0.iter().filter(|record| record[PHASE_AT] == FENCED).count()
}

/// What the spool could not store is in the journal, which needs no room.
#[tokio::test(flavor = "multi_thread")]
async fn a_pc_is_killed_when_it_could_not_store_what_it_printed() -> anyhow::Result<()> {
    let disk = SmallDisk::mount()?;
    let options = AgentOptions { data: Some(disk.path().join("data")), ..AgentOptions::default() };
    let mut shop = Shop::enrolled(HubOptions::default(), options).await?;
    shop.agent.start_linked(&shop.hub).await?;
    let mut orders = vec![shop.push(1).await?];
    shop.until_printed(&orders).await?;
    shop.printer.set(Fault::PaperOutAfterLines(3));
    orders.push(shop.push(2).await?);
    let is_out = shop.printer.wait_until(PATIENCE, |status| status.conditions.paper == Paper::Out);
    is_out.await.map_err(anyhow::Error::msg)?;
    disk.fill()?;
    shop.printer.set(Fault::PaperIn);
    until_status_full(&shop, true).await?;
    wait_for("the journal to say that both are on paper", PATIENCE, || {
        match std::fs::read(shop.agent.data().join("journal").join("p-front.bin")) {
            Ok(bytes) if on_paper_in(&bytes) == orders.len() => Ok(()),
            other => Err(other.map(|bytes| on_paper_in(&bytes))),
        }
    })
    .await?;
    shop.agent.process()?.kill();
    shop.agent.start_linked(&shop.hub).await?;
    until_status_full(&shop, true).await?;

    disk.free()?;
    shop.until_printed(&orders).await?;
    for order in &orders {
        assert_eq!(slips(&shop.printer, order), [None], "{}", order.order_id);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_room_is_told_and_can_stop_the_agent() -> anyhow::Result<()> {
    let disk = SmallDisk::mount()?;
    let (mut shop, first) = with_pc_on(&disk).await?;
    // Written before the room ends, asked after it.
    let asked = shop.agent.data().join("requests").join("1.ask");
    std::fs::write(asked.with_extension("part"), r#"{"pause":{"printer":"front"}}"#)?;
    disk.fill()?;
    let second = shop.push(2).await?;
    until_status_full(&shop, true).await?;
    let said = shop.agent.command(&["pause", "front"])?;
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.code() == Some(1) && words.contains("request-folder: "), "{words}");
    let listed = shop.agent.command(&["tickets"])?;
    let words = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success() && words.contains("已打印"), "{words}");
    std::fs::rename(asked.with_extension("part"), &asked)?;
    wait_for("the agent to take the request", PATIENCE, || {
        if asked.exists() { Err(shop.agent.log_text()) } else { Ok(()) }
    })
    .await?;
    // It cannot be stored, and stopping does not wait for it.
    shop.agent.process()?.end()?;

    disk.free()?;
    shop.agent.start_linked(&shop.hub).await?;
    shop.until_printed(&[first, second]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_that_was_switched_off_is_started_again_without_room() -> anyhow::Result<()> {
    let disk = SmallDisk::mount()?;
    let (mut shop, first) = with_pc_on(&disk).await?;
    let mut orders = vec![first];
    shop.agent.process()?.end()?;
    disk.fill()?;
    shop.agent.start_linked(&shop.hub).await?;
    orders.push(shop.push(2).await?);
    until_shown_full(&shop, true).await?;
    until_status_full(&shop, true).await?;

    disk.free()?;
    shop.until_printed(&orders).await?;
    until_status_full(&shop, false).await?;
    assert_printed_once(&shop, &orders);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_without_room_the_agent_can_be_stopped() -> anyhow::Result<()> {
    let disk = SmallDisk::mount()?;
    let (mut shop, order) = with_pc_on(&disk).await?;
    shop.agent.process()?.kill();
    // The next life is of another boot, and that has to be written down before anything is printed.
    let database = rusqlite::Connection::open(shop.agent.data().join("spool.db"))?;
    database.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    database.execute("UPDATE meta SET boot = 'before'", [])?;
    drop(database);
    disk.fill()?;
    shop.agent.start_linked(&shop.hub).await?;
    until_status_full(&shop, true).await?;
    shop.agent.process()?.end()?;

    disk.free()?;
    shop.agent.start_linked(&shop.hub).await?;
    until_status_full(&shop, false).await?;
    let second = shop.push(2).await?;
    shop.until_printed(&[order, second]).await
}

/// Waits until the store's own status and headquarters say this of its disk, or that nothing is wrong.
async fn until_storing(shop: &Shop, code: Option<&str>) -> anyhow::Result<()> {
    wait_for("docket-agent status", PATIENCE, || match shop.agent.status() {
        Ok(status) if status["fresh"] == true && status["file"]["spool"].as_str() == code => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await?;
    let look = |overview: &Value| {
        let reasons = overview["stores"][0]["reasons"].as_array()?;
        let is_code =
            |reason: &&Value| ["disk-filling", "spool-full"].contains(&reason["code"].as_str().unwrap_or(""));
        (reasons.iter().find(is_code).and_then(|reason| reason["code"].as_str()) == code).then_some(())
    };
    shop.hub.until_overview(&format!("{code:?} of the disk"), PATIENCE, look).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_before_the_disk_is_full() -> anyhow::Result<()> {
    const MOST_OF_IT: usize = 13 << 20;
    let disk = SmallDisk::mount()?;
    let (shop, first) = with_pc_on(&disk).await?;
    until_storing(&shop, None).await?;
    let others = disk.path().join("of somebody else");
    std::fs::write(&others, vec![1; MOST_OF_IT])?;
    until_storing(&shop, Some("disk-filling")).await?;
    let status = shop.agent.status()?;
    let storage = &status["file"]["storage"];
    let (free, all) = (storage["free_bytes"].as_u64(), storage["disk_bytes"].as_u64());
    assert!(free.zip(all).is_some_and(|(free, all)| free > 0 && free * 5 <= all), "{storage}");
    let shown = shop.agent.command(&["status"])?;
    let words = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.code() == Some(1) && words.contains("磁盘快满了"), "{words}");
    let second = shop.push(2).await?;
    shop.until_printed(&[first, second]).await?;
    std::fs::remove_file(others)?;
    until_storing(&shop, None).await
}

#[test]
fn the_disk_is_small_and_goes_away() -> anyhow::Result<()> {
    let mounted = |path: &Path| -> anyhow::Result<bool> {
        Ok(std::fs::read_to_string("/proc/mounts")?.contains(&path.display().to_string()))
    };
    let disk = SmallDisk::mount()?;
    let path = disk.path().to_owned();
    assert!(mounted(&path)?);
    disk.fill()?;
    let refused = std::fs::write(path.join("one more"), b"x").expect_err("there is room");
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    disk.free()?;
    std::fs::write(path.join("one more"), b"x")?;
    drop(disk);
    assert!(!mounted(&path)? && !path.exists());
    Ok(())
}
