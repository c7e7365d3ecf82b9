//! What headquarters sets a store to, from the command line to the paper: applied, refused, rolled back, and whole
//! whenever the agent is killed.

mod kills;

use docket_tests::chain::shop::{Shop, slips};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, wait_for};
use docket_tests::virtual_printer::{PrinterOptions, VirtualPrinter};
use serde_json::Value;
use std::fs;

/// A store whose printers only headquarters names.
async fn bare_shop() -> anyhow::Result<Shop> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.agent.configure(Vec::new())?;
    Ok(shop)
}

fn printer(name: &str, address: &str) -> String {
    format!("[[printer]]\nname = {name:?}\naddress = {address:?}\n")
}

/// Runs `docket-hub settings set` for the store.
fn set(shop: &Shop, text: &str, why: &str) -> anyhow::Result<std::process::Output> {
    let file = shop.folder().join("settings.toml");
    fs::write(&file, text)?;
    let file = file.display().to_string();
    shop.hub.command(&["settings", "set", "--store", Shop::STORE, &file, "--why", why, "--who", "wang"])
}

/// [`set`], which has to succeed: its revision.
fn must_set(shop: &Shop, text: &str, why: &str) -> anyhow::Result<u64> {
    let output = set(shop, text, why)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    let number = said.split("saved as revision ").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(number.unwrap_or_default().parse()?)
}

fn settings(overview: &Value) -> &Value {
    &overview["stores"][0]["settings"]
}

/// Waits until headquarters shows this revision as applied.
async fn until_applied(hub: &Hub, agent: &Agent, revision: u64) -> anyhow::Result<Value> {
    hub.until_overview(&format!("revision {revision} to be applied"), PATIENCE, |overview| {
        let seen = settings(overview);
        (seen["applied"] == revision && seen["wanted"] == revision).then(|| seen.clone())
    })
    .await
    .map_err(|error| error.context(agent.log_text()))
}

/// Waits until headquarters shows why a revision is not in force.
async fn until_failed(shop: &Shop, revision: u64) -> anyhow::Result<Value> {
    let failed = |overview: &Value| {
        let failed = &settings(overview)["failed"];
        (failed["revision"] == revision).then(|| overview.clone())
    };
    let shown = shop.hub.until_overview(&format!("revision {revision} to fail"), PATIENCE, failed).await;
    shown.map_err(|error| error.context(shop.agent.log_text()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_gets_its_printers_from_headquarters() -> anyhow::Result<()> {
    let mut shop = bare_shop().await?;
    shop.agent.start_linked(&shop.hub).await?;
    let order = shop.push(1).await?;
    let first = must_set(&shop, &printer("前台", &shop.printer.address().to_string()), "new store")?;
    let applied = until_applied(&shop.hub, &shop.agent, first).await?;
    assert_eq!((&applied["failed"], &applied["otherwise"]), (&Value::Null, &Value::from("")));
    // What waited for a printer is printed by it.
    shop.until_printed(std::slice::from_ref(&order)).await?;
    assert_eq!(slips(&shop.printer, &order), [None]);

    let other = VirtualPrinter::start(PrinterOptions::default())?;
    // Two, one right after the other: the second one counts.
    must_set(&shop, &printer("前台", "192.0.2.1"), "a mistake")?;
    let second = must_set(&shop, &printer("前台", &other.address().to_string()), "moved")?;
    until_applied(&shop.hub, &shop.agent, second).await?;
    let order = shop.push(2).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    assert_eq!((slips(&other, &order), slips(&shop.printer, &order).len()), (vec![None], 0));

    let history = shop.hub.must(&["settings", "history", "--store", Shop::STORE])?;
    assert!(
        history.contains("wang") && history.contains("a mistake") && history.contains("moved"),
        "{history}"
    );
    let back = ["settings", "rollback", "--store", Shop::STORE, "--to", &first.to_string()];
    shop.hub.must(&back)?;
    until_applied(&shop.hub, &shop.agent, second + 1).await?;
    let order = shop.push(3).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    assert_eq!(slips(&shop.printer, &order), [None]);
    let shown = shop.hub.must(&["settings", "show", "--store", Shop::STORE])?;
    assert!(shown.contains("前台") && shown.contains("✓ S0042"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_technician_fixed_stays_and_headquarters_knows() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.agent.start_linked(&shop.hub).await?;
    let revision = must_set(&shop, &printer("front", "192.0.2.1"), "")?;
    let applied = until_applied(&shop.hub, &shop.agent, revision).await?;
    assert_eq!(applied["otherwise"], "front (agent.toml)");
    let order = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    assert_eq!(slips(&shop.printer, &order), [None]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_store_gets_the_last_word_and_keeps_it_without_network() -> anyhow::Result<()> {
    let mut shop = bare_shop().await?;
    // Never started yet: what is set meanwhile waits, and only the last of it is sent whole.
    must_set(&shop, &printer("a", "192.0.2.1"), "")?;
    must_set(&shop, &printer("b", "192.0.2.2"), "")?;
    let last = must_set(&shop, &printer("c", &shop.printer.address().to_string()), "")?;
    shop.agent.start_linked(&shop.hub).await?;
    until_applied(&shop.hub, &shop.agent, last).await?;
    let order = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    // Without the hub, after a restart, too.
    shop.hub.process().kill();
    shop.agent.process()?.kill();
    shop.agent.start()?;
    wait_for("the printer of the last settings", PATIENCE, || {
        let status = shop.agent.status().unwrap_or_default();
        let name = &status["file"]["status"]["printers"][0]["printer"];
        if status["fresh"] == true && name == "c" {
            Ok(())
        } else {
            Err(format!("{status}\n{}", shop.agent.log_text()))
        }
    })
    .await?;
    let shown = String::from_utf8(shop.agent.command(&["check-config"])?.stdout)?;
    assert!(
        shown.contains("(总部 headquarters)") && shown.contains(&format!("headquarters: {last}")),
        "{shown}"
    );
    shop.hub.restart().await?;
    shop.agent.until_link("live").await?;
    let order = shop.push(2).await?;
    shop.until_printed(std::slice::from_ref(&order)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_where_it_is_known_and_nothing_changes() -> anyhow::Result<()> {
    let mut shop = bare_shop().await?;
    shop.agent.start_linked(&shop.hub).await?;
    let good = must_set(&shop, &printer("front", &shop.printer.address().to_string()), "")?;
    until_applied(&shop.hub, &shop.agent, good).await?;

    for (text, code) in [
        (printer("front", "192.0.2.500"), "192.0.2.500"),
        (printer("a", "192.0.2.1").repeat(2), "settings-value: printer a"),
        ("[[printers]]\n".to_owned(), "settings-syntax"),
        ("[routing]\nfront_copies = 0\n".to_owned(), "routing-copies"),
    ] {
        let output = set(&shop, &text, "")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(code), "{text}: {said}");
    }
    assert_eq!(settings(&shop.hub.overview().await?)["wanted"], good);

    // Only that PC can know.
    let refused = must_set(&shop, &printer("front", "serial:/etc/passwd"), "")?;
    let shown = until_failed(&shop, refused).await?;
    let failed = &settings(&shown)["failed"];
    assert_eq!((&failed["how"], &settings(&shown)["applied"]), (&Value::from("refused"), &Value::from(good)));
    let cause = failed["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("address-no-device") && cause.contains("/etc/passwd"), "{cause}");
    assert_eq!(shown["alarms"][0]["code"], "settings-refused");

    // Its journal cannot be made: it does not come up, and the last good ones are in force again.
    let journal = shop.agent.data().join("journal/p-bar.bin");
    std::os::unix::fs::symlink(shop.folder().join("nowhere/journal"), &journal)?;
    let text = printer("front", &shop.printer.address().to_string())
        + "default = true\n"
        + &printer("bar", "192.0.2.1");
    let rolled_back = must_set(&shop, &text, "")?;
    let shown = until_failed(&shop, rolled_back).await?;
    let failed = &settings(&shown)["failed"];
    assert_eq!(failed["how"], "rolled-back", "{failed}");
    assert!(
        failed["cause"]
            .as_str()
            .is_some_and(|cause| cause.contains("settings-rolled-back") && cause.contains("bar"))
    );
    let order = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    assert_eq!(slips(&shop.printer, &order), [None]);

    // Once the cause is gone it is set again, and all is well.
    fs::remove_file(&journal)?;
    let mended = must_set(&shop, &text, "again")?;
    let applied = until_applied(&shop.hub, &shop.agent, mended).await?;
    assert_eq!(applied["failed"], Value::Null);
    assert_eq!(shop.hub.overview().await?["alarms"].as_array().map(Vec::len), Some(0));
    Ok(())
}
