//! Printers are changed while orders come, while the agent is killed, and while another printer waits for paper in the
//! middle of a ticket.

use anyhow::Context;
use docket_tests::chain::shop::{push, slips, until_printed};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, wait_for};
use docket_tests::platform::http::HttpClient;
use docket_tests::virtual_printer::{Fault, PrinterOptions, VirtualPrinter};
use serde_json::{Value, json};
use std::net::SocketAddr;

const STORE: &str = "S0042";
/// A slip takes some tenths of a second: there is always one in flight.
const SPEED_MM_PER_S: u32 = 400;
const CHANGES: u64 = 8;
const ORDERS_PER_CHANGE: u64 = 3;
/// Before this change the agent is killed.
const KILLED_BEFORE: u64 = 5;

/// Where the page of the agent that runs now is.
async fn page(agent: &mut Agent) -> anyhow::Result<HttpClient> {
    let id = agent.process()?.id();
    let address: SocketAddr = wait_for("the page's address", PATIENCE, || {
        let log = agent.log_text();
        // Every life has its own port, and the newest is the last that was said.
        let said = log.rsplit("local page: http://").next().filter(|_| log.contains("local page: http://"));
        said.and_then(|said| said.split('/').next()?.parse().ok()).ok_or_else(|| format!("{id}: {log}"))
    })
    .await?;
    Ok(HttpClient::new(address))
}

async fn ask(page: &HttpClient, path: &str, body: &Value) -> anyhow::Result<()> {
    let reply = page.post_json(path, &body.to_string()).await?;
    anyhow::ensure!(reply.status == 200, "{path} {body}: {} {}", reply.status, reply.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_printed_twice_unmarked_while_printers_change() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options = PrinterOptions { speed_mm_per_s: SPEED_MM_PER_S, ..PrinterOptions::default() };
    let printers = [VirtualPrinter::start(options.clone())?, VirtualPrinter::start(options)?];
    let hub = Hub::start(folder.path(), HubOptions::default()).await?;
    hub.add_store(STORE, "测试面馆")?;
    let mut agent = Agent::enrol(folder.path(), &hub, STORE, AgentOptions::default())?;
    agent.start_linked(&hub).await?;
    let mut client = page(&mut agent).await?;

    let wanted = |printer: usize, name: &str, stations: &[&str]| json!({ "name": name, "address": printers[printer].address().to_string(), "paper_mm": 80, "stations": stations });
    let mut orders = vec![push(&hub, STORE, 1).await?];
    ask(&client, "/api/printers/add", &wanted(0, "左", &["front"])).await?;
    ask(&client, "/api/printers/add", &wanted(1, "右", &[])).await?;
    for change in 0..CHANGES {
        if change == KILLED_BEFORE {
            agent.process()?.kill();
            let lives = agent.log_text().matches("local page: http://").count();
            agent.start()?;
            wait_for("the next life's page", PATIENCE, || {
                let log = agent.log_text();
                if log.matches("local page: http://").count() > lives { Ok(()) } else { Err(log) }
            })
            .await?;
            client = page(&mut agent).await?;
        }
        // The station goes from one to the other and back.
        let (from, to) = if change % 2 == 0 { ((0, "左"), (1, "右")) } else { ((1, "右"), (0, "左")) };
        let before = printers[to.0].receipt_count();
        let moved = |(printer, name): (usize, &str), stations: &[&str]| json!({ "printer": name, "to": wanted(printer, name, stations) });
        ask(&client, "/api/printers/change", &moved(from, &[])).await?;
        ask(&client, "/api/printers/change", &moved(to, &["front"])).await?;
        for number in 0..ORDERS_PER_CHANGE {
            orders.push(push(&hub, STORE, 2 + change * ORDERS_PER_CHANGE + number).await?);
        }
        // One has come out, and the next change meets the others.
        wait_for("a slip on the other printer", PATIENCE, || {
            let now = printers[to.0].receipt_count();
            if now > before { Ok(()) } else { Err((now, agent.log_text())) }
        })
        .await?;
    }
    until_printed(&hub, &orders).await.with_context(|| agent.log_text())?;

    for order in &orders {
        let all: Vec<Option<u32>> = printers.iter().flat_map(|printer| slips(printer, order)).collect();
        let unmarked = all.iter().filter(|repeat| repeat.is_none()).count();
        assert!(!all.is_empty() && unmarked <= 1, "{}: {all:?}", order.order_id);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_waits_for_paper_is_not_given_up_when_other_printers_change() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options = PrinterOptions { speed_mm_per_s: SPEED_MM_PER_S, ..PrinterOptions::default() };
    let [front, kitchen] = [VirtualPrinter::start(options.clone())?, VirtualPrinter::start(options)?];
    let hub = Hub::start(folder.path(), HubOptions::default()).await?;
    hub.add_store(STORE, "测试面馆")?;
    let mut agent = Agent::enrol(folder.path(), &hub, STORE, AgentOptions::default())?;
    agent.start_linked(&hub).await?;
    let client = page(&mut agent).await?;
    let wanted = |printer: &VirtualPrinter, name: &str, stations: &[&str]| json!({ "name": name, "address": printer.address().to_string(), "paper_mm": 80, "stations": stations });
    ask(&client, "/api/printers/add", &wanted(&front, "前台", &["front"])).await?;
    let mut orders = vec![push(&hub, STORE, 1).await?];
    until_printed(&hub, &orders).await?;
    let health = |printers: usize, is_so: &dyn Fn(&Value) -> bool| {
        let file = agent.status().map_err(|error| error.to_string())?["file"].take();
        let all = file["status"]["printers"].as_array().map_or(0, Vec::len);
        if all == printers && is_so(&file["status"]["printers"][0]) { Ok(()) } else { Err(file.to_string()) }
    };
    let is_out = |printer: &Value| printer["conditions"].to_string().contains("PaperOut");

    front.set(Fault::PaperOutAfterLines(3));
    orders.push(push(&hub, STORE, 2).await?);
    wait_for("paper out in mid-ticket", PATIENCE, || health(1, &is_out)).await?;
    let connections = front.status().connections;

    // Another one comes, gets a station of the first one's, and goes.
    ask(&client, "/api/printers/add", &wanted(&kitchen, "后厨", &["kitchen"])).await?;
    wait_for("the other printer", PATIENCE, || health(2, &is_out)).await?;
    ask(&client, "/api/printers/change", &json!({ "printer": "前台", "to": wanted(&front, "前台", &[]) }))
        .await?;
    let moved = wanted(&kitchen, "后厨", &["front"]);
    ask(&client, "/api/printers/change", &json!({ "printer": "后厨", "to": moved })).await?;
    orders.push(push(&hub, STORE, 3).await?);
    until_printed(&hub, &orders[2..]).await?;
    assert_eq!(slips(&kitchen, &orders[2]), [None]);
    ask(&client, "/api/printers/remove", &json!({ "printer": "后厨" })).await?;
    wait_for("one printer to be left", PATIENCE, || health(1, &is_out)).await?;

    front.set(Fault::PaperIn);
    orders.push(push(&hub, STORE, 4).await?);
    until_printed(&hub, &orders).await.with_context(|| agent.log_text())?;
    for place in [0, 1, 3] {
        assert_eq!(slips(&front, &orders[place]), [None], "order {place}: {}", agent.log_text());
    }
    assert_eq!(front.status().connections, connections, "{}", agent.log_text());
    Ok(())
}
