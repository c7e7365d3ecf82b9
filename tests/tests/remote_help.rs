//! Help from headquarters, as the people there ask for it: done once, not late, in the audit, and never in the way of an
//! order. Real processes.

mod bundles;
mod doctor;

use docket_tests::chain::shop::slips;
use docket_tests::chain::{AgentOptions, Hub, HubOptions, PATIENCE, Shop, wait_for};

/// Asks the agent of the usual store; which request it is.
fn ask(hub: &Hub, what: &[&str]) -> anyhow::Result<String> {
    let arguments = [&["agent", "help"], what, &["--store", Shop::STORE]].concat();
    Ok(hub.must(&arguments)?.trim().to_owned())
}

/// The line of a request in the audit.
fn audited(hub: &Hub, id: &str) -> anyhow::Result<String> {
    let audit = hub.must(&["audit", "--store", Shop::STORE])?;
    let line = audit.lines().find(|line| line.contains(id));
    Ok(line.ok_or_else(|| anyhow::anyhow!("{id} is not in the audit: {audit}"))?.to_owned())
}

/// The id of the newest ticket, as the agent lists it.
fn newest_ticket(shop: &Shop) -> anyhow::Result<String> {
    let tickets: serde_json::Value =
        serde_json::from_slice(&shop.agent.command(&["tickets", "--last", "1", "--json"])?.stdout)?;
    let id = tickets[0]["ticket"].as_str();
    Ok(id.ok_or_else(|| anyhow::anyhow!("no ticket: {tickets}"))?.to_owned())
}

/// Waits until the audit says this of a request.
async fn until_outcome(shop: &Shop, id: &str, outcome: &str) -> anyhow::Result<String> {
    wait_for(&format!("{id} to be {outcome}"), PATIENCE, || match audited(&shop.hub, id) {
        Ok(line) if line.contains(&format!("\t{outcome}:")) => Ok(line),
        seen => Err(format!("{seen:?}\n{}", shop.agent.log_text())),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_headquarters_asks_is_done_and_audited() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let order = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;

    let id = newest_ticket(&shop)?;
    let page = ask(&shop.hub, &["test-page", "--printer", "front"])?;
    let line = until_outcome(&shop, &page, "done").await?;
    let asked: Vec<&str> = line.split('\t').collect();
    assert_eq!((asked[2], asked[4]), (Shop::STORE, "test-page front"), "{line}");
    assert!(!asked[1].is_empty(), "nobody has asked: {line}");
    wait_for("the test page", PATIENCE, || match shop.printer.receipt_count() {
        2 => Ok(()),
        others => Err(others),
    })
    .await?;
    let bar = ask(&shop.hub, &["test-page", "--printer", "bar"])?;
    until_outcome(&shop, &bar, "printer-unknown").await?;

    let reprint = ask(&shop.hub, &["reprint", "--ticket", &id])?;
    until_outcome(&shop, &reprint, "done").await?;
    wait_for("the ticket again, marked", PATIENCE, || match slips(&shop.printer, &order) {
        slips if slips == [None, Some(1)] => Ok(()),
        others => Err(others),
    })
    .await?;
    let other = ask(&shop.hub, &["reprint", "--ticket", &"0".repeat(32)])?;
    until_outcome(&shop, &other, "ticket-unknown").await?;

    // The program runs anew in the same process: nobody has to look after it.
    let (before, process) = (shop.hub.ledger()?.sessions()?, shop.agent.process()?.id());
    let restart = ask(&shop.hub, &["restart"])?;
    until_outcome(&shop, &restart, "done").await?;
    assert!(shop.hub.ledger()?.sessions()? > before);
    assert_eq!((shop.agent.process()?.ended()?, shop.agent.process()?.id()), (None, process));
    let order = shop.push(2).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    assert_eq!(slips(&shop.printer, &order), [None]);

    let refused = shop.hub.command(&["agent", "help", "restart", "--store", "S0043"])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("store-without-agent: "), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn more_is_logged_for_a_while_and_a_new_start_ends_it() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let level = ask(&shop.hub, &["log-level", "--level", "trace"])?;
    until_outcome(&shop, &level, "done").await?;
    let log = shop.agent.data().join("log/agent.log");
    let kept = || std::fs::read_to_string(&log).unwrap_or_default();
    assert!(kept().contains("logging another level level=\"trace\""), "{}", kept());
    let order = shop.push(1).await?;
    shop.until_printed(&[order]).await?;
    wait_for("a line at a level below the usual", PATIENCE, || match kept() {
        log if log.contains("DEBUG docket_") => Ok(()),
        log => Err(log),
    })
    .await?;
    shop.agent.process()?.kill();
    let before = kept().len();
    shop.agent.start_linked(&shop.hub).await?;
    let order = shop.push(2).await?;
    shop.until_printed(&[order]).await?;
    let since = &kept()[before..];
    assert!(since.contains("INFO") && !since.contains("DEBUG docket_"), "{since}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_offline_does_what_is_in_time_and_refuses_what_is_late() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    let late = ask(&shop.hub, &["restart", "--within-s", "1"])?;
    let in_time = ask(&shop.hub, &["test-page", "--printer", "front"])?;
    assert!(audited(&shop.hub, &in_time)?.contains("no word yet"));
    until_outcome(&shop, &late, "help-unanswered").await?;
    let before = shop.hub.ledger()?.sessions()?;
    shop.agent.start_linked(&shop.hub).await?;
    until_outcome(&shop, &late, "help-expired").await?;
    until_outcome(&shop, &in_time, "done").await?;
    assert_eq!(shop.hub.ledger()?.sessions()?, before + 1, "it was started anew");
    // However often it is started: each was done once.
    for _ in 0..2 {
        shop.agent.process()?.kill();
        shop.agent.start_linked(&shop.hub).await?;
    }
    let order = shop.push(1).await?;
    shop.until_printed(&[order]).await?;
    assert_eq!(shop.printer.receipt_count(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_that_is_replaced_never_gets_what_was_asked_of_the_former() -> anyhow::Result<()> {
    let shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    let restart = ask(&shop.hub, &["restart"])?;
    let code = shop.hub.enrol_code(Shop::STORE)?;
    assert!(shop.agent.try_enrol(shop.hub.addresses().link, &code)?.status.success());
    assert!(audited(&shop.hub, &restart)?.contains("\thelp-undelivered:"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_only_grows() -> anyhow::Result<()> {
    let shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    ask(&shop.hub, &["restart"])?;
    let database = rusqlite::Connection::open(shop.hub.data().join("hub.db"))?;
    database.busy_timeout(PATIENCE)?;
    for change in ["DELETE FROM audit", "UPDATE audit SET who = 'nobody'"] {
        let error = database.execute(change, []).unwrap_err().to_string();
        assert!(error.contains("the audit only grows"), "{change}: {error}");
    }
    Ok(())
}
