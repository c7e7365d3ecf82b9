//! The queues of a store, as its people meet them: pause, reprint, backup, urgent slips, and a hub that forgot.

use docket_tests::chain::shop::{PRINTED, now_s, push, slips};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, Shop, wait_for};
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::{Fault, PrinterOptions, Receipt, VirtualPrinter};
use rusqlite::{Connection, OpenFlags};
use std::process::Output;

const REMINDED_PATH: &str = "/cb/meituan/order/reminded";
/// In the middle of a slip, and more than the status queries of an idle minute.
const TORN_AFTER_BYTES: u64 = 200;
const ROUTING: &str = "[[routing.stations]]\nname = \"kitchen\"\ndishes = [\"*\"]\n";

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Runs `docket-agent`, which must end with `code` and say all of `words`.
fn must_say(agent: &Agent, arguments: &[&str], code: i32, words: &[&str]) -> anyhow::Result<String> {
    let (ended, text) = said(&agent.command(arguments)?);
    anyhow::ensure!(ended == Some(code), "{arguments:?} ended with {ended:?}: {text}");
    for word in words {
        anyhow::ensure!(text.contains(word), "{arguments:?} does not say {word:?}: {text}");
    }
    Ok(text)
}

/// The newest tickets as `docket-agent tickets` shows them.
fn tickets(agent: &Agent) -> anyhow::Result<Vec<serde_json::Value>> {
    Ok(serde_json::from_slice(&agent.command(&["tickets", "--json"])?.stdout)?)
}

async fn until_tickets(
    agent: &Agent,
    what: &str,
    is_so: impl Fn(&[serde_json::Value]) -> bool,
) -> anyhow::Result<()> {
    wait_for(what, PATIENCE, || match tickets(agent) {
        Ok(tickets) if is_so(&tickets) => Ok(()),
        seen => Err(format!("{seen:#?}")),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_pauses_a_printer_and_has_a_ticket_printed_again() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    must_say(&shop.agent, &["pause", "front"], 1, &["not-running: "])?;
    must_say(&shop.agent, &["tickets"], 1, &["spool-none: "])?;
    shop.agent.start_linked(&shop.hub).await?;
    must_say(&shop.agent, &["tickets"], 0, &["no tickets yet"])?;
    must_say(&shop.agent, &["release"], 0, &["no ticket waits for a person"])?;
    must_say(&shop.agent, &["pause", "bar"], 1, &["printer-unknown: ", "front"])?;
    must_say(&shop.agent, &["pause", "front"], 0, &["已暂停"])?;
    let order = shop.push(1).await?;
    let waits = |state: &'static str| {
        move |tickets: &[serde_json::Value]| tickets.len() == 1 && tickets[0]["state"] == state
    };
    until_tickets(&shop.agent, "the ticket to wait", waits("waiting")).await?;
    // The person's word survives the program.
    shop.agent.process()?.kill();
    shop.agent.start_linked(&shop.hub).await?;
    wait_for("the pause to be shown", PATIENCE, || {
        must_say(&shop.agent, &["status"], 1, &["已暂停打印", "paused by a person"])
            .map_err(|error| error.to_string())
    })
    .await?;
    assert_eq!(shop.printer.receipt_count(), 0);
    let store = shop.hub.overview().await?.to_string();
    assert!(store.contains("paused"), "headquarters sees it: {store}");
    must_say(&shop.agent, &["resume", "front"], 0, &["已继续"])?;
    shop.until_printed(std::slice::from_ref(&order)).await?;

    let id = tickets(&shop.agent)?[0]["ticket"].as_str().unwrap_or_default().to_owned();
    must_say(&shop.agent, &["reprint", &id], 0, &["queued to be printed again, marked"])?;
    let ledger = shop.hub.ledger()?;
    wait_for("the hub to count the repeat", PATIENCE, || match ledger.tickets() {
        Ok(tickets) if tickets[0].repeats == 1 && tickets[0].state == PRINTED => Ok(()),
        seen => Err(format!("{seen:#?}")),
    })
    .await?;
    assert_eq!(slips(&shop.printer, &order), [None, Some(1)]);
    must_say(&shop.agent, &["tickets"], 0, &["已打印", "补打 1", &id, "fence"])?;
    must_say(&shop.agent, &["reprint", &id, "--printer", "bar"], 1, &["printer-unknown: "])?;
    must_say(&shop.agent, &["reprint", "8bf94dec-31fc-5d2d-a43d-aaf7027d78c8"], 1, &["ticket-unknown: "])?;
    must_say(&shop.agent, &["reprint", "17"], 1, &["ticket-unknown: "])?;
    must_say(&shop.agent, &["release", &id], 1, &["not-held: "])?;
    shop.printer.set(Fault::PaperOut);
    let waiting = shop.push(2).await?;
    until_tickets(&shop.agent, "the next ticket", |tickets| tickets.len() == 2).await?;
    let id = tickets(&shop.agent)?[0]["ticket"].as_str().unwrap_or_default().to_owned();
    must_say(&shop.agent, &["reprint", &id], 1, &["ticket-waiting: "])?;
    shop.printer.set(Fault::PaperIn);
    shop.until_printed(std::slice::from_ref(&waiting)).await?;
    assert_eq!(slips(&shop.printer, &waiting), [None]);

    // Nothing is left of a question that nobody answered, so nobody answers it later.
    shop.agent.process()?.kill();
    must_say(&shop.agent, &["reprint", &id], 1, &["not-running: ", "nothing was changed"])?;
    must_say(&shop.agent, &["tickets"], 0, &[&id])?;
    let left = std::fs::read_dir(shop.agent.data().join("requests"))?.count();
    assert_eq!(left, 0, "files in the folder of requests");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_kill() -> anyhow::Result<()> {
    const REPRINTS: usize = 6;
    let mut shop = Shop::open().await?;
    let order = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    let id = tickets(&shop.agent)?[0]["ticket"].as_str().unwrap_or_default().to_owned();
    for asked in 1..=REPRINTS {
        must_say(&shop.agent, &["reprint", &id], 0, &["marked"])?;
        // It is most likely printing, or about to be.
        shop.agent.process()?.kill();
        shop.agent.start()?;
        let printed = |tickets: &[serde_json::Value]| tickets[0]["state"] == "printed";
        wait_for("the reprint", PATIENCE, || {
            // After three attempts in doubt a person decides.
            let _ = shop.agent.command(&["release"]);
            match tickets(&shop.agent) {
                Ok(seen) if printed(&seen) && slips(&shop.printer, &order).len() > asked => Ok(()),
                seen => Err(format!("{seen:#?}")),
            }
        })
        .await?;
    }
    let marks = slips(&shop.printer, &order);
    assert_eq!(marks[0], None);
    let marks: Vec<u32> = marks[1..].iter().copied().map(Option::unwrap_or_default).collect();
    assert!(marks.len() >= REPRINTS && marks[0] >= 1 && marks.is_sorted_by(|a, b| a < b), "{marks:?}");
    let ledger = shop.hub.ledger()?;
    let last = i64::from(marks.last().copied().unwrap_or_default());
    wait_for("the hub to count them", PATIENCE, || match ledger.tickets() {
        Ok(tickets) if tickets[0].repeats == last && tickets[0].state == PRINTED => Ok(()),
        seen => Err(format!("{last}: {seen:#?}")),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_what_expired_and_what_is_in_doubt() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    wait_for("a status", PATIENCE, || match shop.agent.status() {
        Ok(status) if status["file"]["link"] == "live" => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await?;
    shop.agent.process()?.end()?;
    // As the agent would write it.
    let file = shop.agent.data().join("status.json");
    let mut status: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let held = |title: &str, doubt: &str| {
        serde_json::json!({
            "ticket": "8bf94dec-31fc-5d2d-a43d-aaf7027d78c8", "title": title, "printer": "front", "attempts": 0,
            "since": status["at"], "doubt": doubt,
        })
    };
    status["held"] = serde_json::json!([held("美团外卖 #1", "expired"), held("美团外卖 #2", "power-lost")]);
    status["status"]["held"] = 2.into();
    std::fs::write(&file, status.to_string())?;
    let text = must_say(&shop.agent, &["status"], 1, &[])?;
    let line = |title: &str| text.lines().find(|line| line.contains(title)).unwrap_or_default().to_owned();
    assert!(line("#1").contains("已过期") && line("#1").contains("docket-agent release 8bf94dec"), "{text}");
    assert!(line("#2").contains("若没出纸") && !line("#2").contains("已过期"), "{text}");
    Ok(())
}

/// A store whose kitchen has the counter's printer as its backup.
struct Restaurant {
    hub: Hub,
    agent: Agent,
    front: VirtualPrinter,
    kitchen: VirtualPrinter,
    _folder: tempfile::TempDir,
}

impl Restaurant {
    async fn open() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-queues-").tempdir()?;
        let options = HubOptions { routing: ROUTING.into(), ..HubOptions::default() };
        let hub = Hub::start(&folder.path().join("hub"), options).await?;
        hub.add_store(Shop::STORE, "测试面馆")?;
        let printer = || VirtualPrinter::start(PrinterOptions::default());
        let (front, kitchen) = (printer()?, printer()?);
        let extra = format!(
            "[printing]\nbackup_after_s = 1\n\
             [[printer]]\nname = \"front\"\naddress = \"{}\"\nstations = [\"front\"]\ndefault = true\n\
             [[printer]]\nname = \"kitchen\"\naddress = \"{}\"\nstations = [\"kitchen\"]\nbackup = \"front\"\n",
            front.address(),
            kitchen.address()
        );
        let options = AgentOptions { extra, ..AgentOptions::default() };
        let mut agent = Agent::enrol(&folder.path().join("agent"), &hub, Shop::STORE, options)?;
        agent.start_linked(&hub).await?;
        Ok(Restaurant { hub, agent, front, kitchen, _folder: folder })
    }

    /// Waits until the agent knows that nothing stops the kitchen's printer.
    async fn until_kitchen_prints(&self) -> anyhow::Result<()> {
        wait_for("the kitchen's printer to be well", PATIENCE, || {
            let status = self.agent.status().map_err(|error| error.to_string())?;
            let printers = status["file"]["status"]["printers"].as_array().cloned().unwrap_or_default();
            let kitchen = printers.iter().find(|printer| printer["printer"] == "kitchen");
            match kitchen.and_then(|kitchen| kitchen["conditions"].as_array()) {
                Some(conditions) if conditions.is_empty() => Ok(()),
                _ => Err(status.to_string()),
            }
        })
        .await
    }

    async fn until_printed(&self, tickets: usize) -> anyhow::Result<()> {
        let ledger = self.hub.ledger()?;
        wait_for(&format!("{tickets} printed tickets"), PATIENCE, || match ledger.tickets() {
            Ok(seen) if seen.len() == tickets && seen.iter().all(|ticket| ticket.state == PRINTED) => Ok(()),
            seen => Err(format!("{seen:#?}\n{}", self.agent.log_text())),
        })
        .await
    }
}

/// Where the hub says that the kitchen's slip of an order came out, and for whom.
fn came_out(hub: &Hub, order: &PlacedOrder) -> anyhow::Result<(String, Option<String>)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(hub.data().join("hub.db"), flags)?;
    let sql = "SELECT printer, meant_for FROM tickets JOIN orders ON orders.number = tickets.order_number
               WHERE orders.id = ?1 AND station = 'kitchen'";
    Ok(database.query_row(sql, [&order.order_id], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

fn titles(printer: &VirtualPrinter) -> Vec<String> {
    let first = |receipt: &Receipt| receipt.lines().first().map(|line| line.text.clone()).unwrap_or_default();
    printer.receipts().iter().map(first).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_printer_cannot_print_comes_out_of_its_backup() -> anyhow::Result<()> {
    let restaurant = Restaurant::open().await?;
    let Restaurant { hub, front, kitchen, .. } = &restaurant;
    restaurant.until_kitchen_prints().await?;
    let usual = push(hub, Shop::STORE, 1).await?;
    restaurant.until_printed(2).await?;
    assert_eq!(came_out(hub, &usual)?, ("kitchen".to_owned(), None));
    kitchen.set(Fault::PaperOut);
    let helped = push(hub, Shop::STORE, 2).await?;
    restaurant.until_printed(4).await?;
    assert_eq!(came_out(hub, &helped)?, ("front".to_owned(), Some("kitchen".to_owned())));
    assert!(titles(front).contains(&"【备用】kitchen".to_owned()), "{:?}", titles(front));
    let receipts = front.receipts();
    assert!(receipts.iter().all(|receipt| receipt.is_repeat().is_none()), "no byte had left");
    must_say(&restaurant.agent, &["tickets"], 0, &["front(备用,代 kitchen)"])?;

    // The one that was printing when the power went is in doubt, and comes out of the backup marked.
    kitchen.set(Fault::PaperIn);
    restaurant.until_kitchen_prints().await?;
    let back = push(hub, Shop::STORE, 3).await?;
    restaurant.until_printed(6).await?;
    assert_eq!(came_out(hub, &back)?, ("kitchen".to_owned(), None));
    assert_eq!(kitchen.receipt_count(), 2);
    kitchen.set(Fault::Refuse(true));
    kitchen.set(Fault::DropAfterBytes(TORN_AFTER_BYTES));
    let torn = push(hub, Shop::STORE, 4).await?;
    restaurant.until_printed(8).await?;
    assert_eq!(came_out(hub, &torn)?, ("front".to_owned(), Some("kitchen".to_owned())));
    let marks: Vec<_> = front.receipts().iter().filter_map(Receipt::is_repeat).collect();
    assert_eq!(marks, [1], "{:?}", titles(front));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printer_whose_journal_is_broken_gets_another_one_and_prints() -> anyhow::Result<()> {
    let mut restaurant = Restaurant::open().await?;
    restaurant.agent.process()?.end()?;
    let journal = restaurant.agent.data().join("journal").join("p-kitchen.bin");
    std::fs::remove_file(&journal)?;
    std::fs::create_dir(&journal)?;
    restaurant.agent.start_linked(&restaurant.hub).await?;
    let order = push(&restaurant.hub, Shop::STORE, 1).await?;
    restaurant.until_printed(2).await?;
    assert_eq!(came_out(&restaurant.hub, &order)?, ("kitchen".to_owned(), None));
    assert!(
        journal.is_file() && journal.with_extension("damaged").is_dir(),
        "{}",
        restaurant.agent.log_text()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_slips_do_not_wait_behind_the_others() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    must_say(&shop.agent, &["pause", "front"], 0, &[])?;
    let order = shop.push(1).await?;
    shop.push(2).await?;
    let body = shop.hub.meituan().reminded(&order.order_id, 1, now_s());
    let reply = shop.hub.client().post(REMINDED_PATH, &body).await?;
    anyhow::ensure!(reply.body == OK_REPLY, "{}", reply.body);
    until_tickets(&shop.agent, "three tickets", |tickets| tickets.len() == 3).await?;
    must_say(&shop.agent, &["resume", "front"], 0, &[])?;
    shop.printer.wait_until(PATIENCE, |status| status.receipts == 3).await.map_err(anyhow::Error::msg)?;
    let titles = titles(&shop.printer);
    assert!(titles[0].starts_with("(催)") && !titles[1].contains("催"), "{titles:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_comes_back_as_an_older_copy_learns_what_was_printed_since() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let printed = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&printed)).await?;
    shop.printer.set(Fault::PaperOut);
    let spooled = shop.push(2).await?;
    until_tickets(&shop.agent, "the ticket", |tickets| tickets.len() == 2).await?;
    let backup = shop.folder().join("backup");
    shop.hub.end_and_copy(&backup)?;

    shop.hub.restart().await?;
    shop.printer.set(Fault::PaperIn);
    shop.until_printed(std::slice::from_ref(&spooled)).await?;
    shop.hub.restart_as(&backup).await?;
    // The ticket is not sent again, since this copy knows that the spool has it; its outcome is.
    shop.until_printed(&[printed.clone(), spooled.clone()]).await?;
    let next = shop.push(3).await?;
    shop.until_printed(std::slice::from_ref(&next)).await?;
    for order in [printed, spooled, next] {
        assert_eq!(slips(&shop.printer, &order), [None]);
    }
    Ok(())
}
