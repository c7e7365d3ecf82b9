//! A store's PC is replaced, copied, or loses its spool: nothing is lost, and what may have come out before
//! is marked when it comes again.

use docket_tests::chain::shop::{push, slips, until_printed};
use docket_tests::chain::{
    Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, Shop, copy_files, wait_for,
};
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::{Fault, PrinterOptions, VirtualPrinter};

const SPOOLED: i64 = 2;

fn with_printer(printer: &VirtualPrinter) -> AgentOptions {
    AgentOptions { printers: vec![PrinterAt::only(printer.address())], ..AgentOptions::default() }
}

/// Waits until the store's PC has the order's ticket.
async fn until_spooled(hub: &Hub, order: &PlacedOrder) -> anyhow::Result<()> {
    let ledger = hub.ledger()?;
    wait_for("the ticket to be in the spool", PATIENCE, || {
        let tickets = ledger.tickets().map_err(|error| error.to_string())?;
        match tickets.iter().find(|ticket| ticket.order == order.order_id) {
            Some(ticket) if ticket.state == SPOOLED => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// Ends the store's PC without a farewell, and waits until the hub knows that it is gone. A hub that starts
/// again knows at once; one that runs on, only after the idle timeout of 45 s.
async fn kill_and_restart_hub(agent: &mut Agent, hub: &mut Hub) -> anyhow::Result<()> {
    agent.process()?.kill();
    hub.restart().await?;
    let ledger = hub.ledger()?;
    let open = "SELECT count(*) FROM agents WHERE connected_at IS NOT NULL AND disconnected_at IS NULL";
    wait_for("the end of the session", PATIENCE, || match ledger.number(open) {
        Ok(0) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pc_takes_over_and_marks_what_the_former_may_have_printed() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let printed = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&printed)).await?;
    shop.printer.set(Fault::PaperOut);
    let before = shop.push(2).await?;
    until_spooled(&shop.hub, &before).await?;
    kill_and_restart_hub(&mut shop.agent, &mut shop.hub).await?;
    let after = shop.push(3).await?;

    let new_printer = VirtualPrinter::start(PrinterOptions::default())?;
    let mut new =
        Agent::enrol(&shop.folder().join("new"), &shop.hub, Shop::STORE, with_printer(&new_printer))?;
    let during = shop.push(4).await?;
    new.start_linked(&shop.hub).await?;
    until_printed(&shop.hub, &[before.clone(), after.clone(), during.clone()]).await?;
    assert_eq!(slips(&new_printer, &before), [Some(1)]);
    assert_eq!(slips(&new_printer, &after), [None], "the former PC never had it");
    assert_eq!(slips(&new_printer, &during), [None]);
    assert_eq!(slips(&new_printer, &printed), [], "it was printed before");
    let alarms = shop.hub.ledger()?.alarms()?;
    assert!(alarms.contains(&("agent-replaced".to_owned(), Shop::STORE.to_owned())), "{alarms:?}");

    // The former one comes back: it may print what it has, but is told to go, and is told nothing new.
    shop.agent.start()?;
    shop.agent.until_link("revoked").await?;
    let last = shop.push(5).await?;
    until_printed(&shop.hub, std::slice::from_ref(&last)).await?;
    assert_eq!(slips(&new_printer, &last), [None]);
    assert_eq!(slips(&shop.printer, &last), []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_pc_is_replaced() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    shop.printer.set(Fault::PaperOut);
    let first = shop.push(1).await?;
    until_spooled(&shop.hub, &first).await?;
    let new_printer = VirtualPrinter::start(PrinterOptions::default())?;
    let mut new =
        Agent::enrol(&shop.folder().join("new"), &shop.hub, Shop::STORE, with_printer(&new_printer))?;
    shop.agent.until_link("revoked").await?;
    new.start_linked(&shop.hub).await?;
    let second = shop.push(2).await?;
    until_printed(&shop.hub, &[first.clone(), second.clone()]).await?;
    assert_eq!(slips(&new_printer, &first), [Some(1)]);
    assert_eq!(slips(&new_printer, &second), [None]);
    shop.agent.process()?.end()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_that_was_enrolled_and_never_ran_hides_nobody() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    // The first identity is replaced before it ever connects; the second one works.
    let output = shop.agent.try_enrol(shop.hub.addresses().link, &shop.hub.enrol_code(Shop::STORE)?)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    shop.agent.start_linked(&shop.hub).await?;
    shop.printer.set(Fault::PaperOut);
    let order = shop.push(1).await?;
    until_spooled(&shop.hub, &order).await?;
    kill_and_restart_hub(&mut shop.agent, &mut shop.hub).await?;

    let new_printer = VirtualPrinter::start(PrinterOptions::default())?;
    let mut new =
        Agent::enrol(&shop.folder().join("new"), &shop.hub, Shop::STORE, with_printer(&new_printer))?;
    new.start_linked(&shop.hub).await?;
    until_printed(&shop.hub, std::slice::from_ref(&order)).await?;
    assert_eq!(slips(&new_printer, &order), [Some(1)], "the second PC may have printed it");
    Ok(())
}

/// The first program is kept, since both are on one PC here; which PC is kept otherwise: `hub/src/fleet/clones.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_data_folder_is_seen_and_prints_nothing_twice_unmarked() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let mut orders = vec![shop.push(1).await?];
    shop.until_printed(&orders).await?;
    shop.agent.process()?.end()?;
    let copy_printer = VirtualPrinter::start(PrinterOptions::default())?;
    let copy_folder = shop.folder().join("copy");
    let mut copy = Agent::unenrolled(&copy_folder, with_printer(&copy_printer))?;
    copy_files(shop.agent.data(), copy.data())?;

    shop.agent.start_linked(&shop.hub).await?;
    orders.push(shop.push(2).await?);
    shop.until_printed(&orders).await?;
    copy.start_linked(&shop.hub).await?;
    orders.push(shop.push(3).await?);
    copy.until_link("agent-cloned").await?;
    shop.agent.until_link("live").await?;
    let shown = copy.command(&["status"])?;
    let words = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(words.contains("磁盘被复制"), "without a remedy: {words}");
    until_alarm(&shop.hub, true).await?;
    let detail: String =
        shop.hub
            .tamper()?
            .query_row("SELECT detail FROM alarms WHERE code = 'agent-cloned'", [], |row| row.get(0))?;
    assert_eq!(detail.matches("127.0.0.1:").count(), 2, "{detail}");

    // The copy gets nothing more, and the one that is kept is not disturbed.
    let sessions = shop.hub.ledger()?.sessions()?;
    for number in 4..=6 {
        orders.push(shop.push(number).await?);
    }
    until_printed(&shop.hub, &orders).await?;
    assert_eq!(shop.hub.ledger()?.sessions()?, sessions);
    for order in &orders[3..] {
        assert_eq!(slips(&copy_printer, order), []);
    }
    for order in &orders {
        let mut all = slips(&shop.printer, order);
        all.extend(slips(&copy_printer, order));
        let unmarked = all.iter().filter(|repeat| repeat.is_none()).count();
        assert!(unmarked <= 1 && !all.is_empty(), "order {}: {all:?}", order.order_id);
    }
    assert_eq!(copy.process()?.ended()?, None);
    Ok(())
}

async fn until_alarm(hub: &Hub, stands: bool) -> anyhow::Result<()> {
    let ledger = hub.ledger()?;
    wait_for("the alarm of two PCs with one identity", PATIENCE, || {
        let alarms = ledger.alarms().map_err(|error| error.to_string())?;
        let is_there = alarms.contains(&("agent-cloned".to_owned(), Shop::STORE.to_owned()));
        if is_there == stands { Ok(()) } else { Err(format!("{alarms:?}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_moved_to_another_pc_just_works() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let first = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&first)).await?;
    // Without a farewell: the hub takes its session for alive.
    shop.agent.process()?.kill();
    let printer = VirtualPrinter::start(PrinterOptions::default())?;
    let mut moved = Agent::unenrolled(&shop.folder().join("moved"), with_printer(&printer))?;
    copy_files(shop.agent.data(), moved.data())?;
    moved.start_linked(&shop.hub).await?;
    let order = shop.push(2).await?;
    until_printed(&shop.hub, std::slice::from_ref(&order)).await?;
    // And started again.
    moved.process()?.kill();
    moved.start_linked(&shop.hub).await?;
    let last = shop.push(3).await?;
    until_printed(&shop.hub, std::slice::from_ref(&last)).await?;
    moved.until_link("live").await?;
    assert_eq!(slips(&printer, &order), [None]);
    until_alarm(&shop.hub, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_spool_prints_marked_what_was_open_and_nothing_else() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let printed = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&printed)).await?;
    shop.printer.set(Fault::PaperOut);
    let open = shop.push(2).await?;
    until_spooled(&shop.hub, &open).await?;
    kill_and_restart_hub(&mut shop.agent, &mut shop.hub).await?;
    let after = push(&shop.hub, Shop::STORE, 3).await?;
    for entry in std::fs::read_dir(shop.agent.data())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != "identity.json" {
            std::fs::remove_file(entry.path())?;
        }
    }
    // What the printer has in its buffer comes out with the new roll, and so it should: it is why there is a mark.
    shop.printer.set(Fault::Power(false));
    shop.printer.set(Fault::PaperIn);
    shop.printer.set(Fault::Power(true));

    shop.agent.start_linked(&shop.hub).await?;
    shop.until_printed(&[open.clone(), after.clone()]).await?;
    assert_eq!(slips(&shop.printer, &open), [Some(1)]);
    assert_eq!(slips(&shop.printer, &after), [None], "the lost spool never had it");
    assert_eq!(slips(&shop.printer, &printed), [None]);
    let alarms = shop.hub.ledger()?.alarms()?;
    assert!(alarms.iter().any(|(code, _)| code == "spool-lost"), "{alarms:?}");

    // Both sequences go on.
    let next = shop.push(4).await?;
    shop.until_printed(std::slice::from_ref(&next)).await?;
    assert_eq!(slips(&shop.printer, &next), [None]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_comes_back_as_an_older_copy_goes_on() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let mut orders = vec![shop.push(1).await?];
    shop.until_printed(&orders).await?;
    shop.agent.process()?.end()?;
    orders.push(shop.push(2).await?);
    let backup = shop.folder().join("backup");
    shop.hub.end_and_copy(&backup)?;

    shop.hub.restart().await?;
    shop.agent.start_linked(&shop.hub).await?;
    for number in 3..=5 {
        orders.push(shop.push(number).await?);
    }
    shop.until_printed(&orders).await?;
    shop.agent.process()?.end()?;

    // The agent is ahead of all that this copy knows; its second order was never sent, as far as it knows.
    shop.hub.restart_as(&backup).await?;
    shop.agent.start_linked(&shop.hub).await?;
    orders.push(shop.push(6).await?);
    shop.until_printed(&orders[5..]).await?;
    for order in &orders {
        assert_eq!(slips(&shop.printer, order), [None], "{}", order.order_id);
    }
    Ok(())
}
