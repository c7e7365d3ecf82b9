//! What an agent weighs while very many tickets wait in its spool: a printer that has been out for a month of orders.

use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, wait_for};
use docket_tests::measure::usage;
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::{Fault, PrinterOptions, VirtualPrinter};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const STORE: &str = "S0042";
const SEED: u64 = 3;
const PLACED_AT_S: i64 = 1_795_000_000;
const CONNECTIONS: u64 = 64;
/// Tickets that come out of the full queue before the agent is weighed the second time.
const PRINTED_MIN: u64 = 500;
/// Receipts that the printer remembers: they are not looked at.
const RECEIPTS_KEPT: usize = 16;
/// What a busy machine takes for a thousand orders at worst.
const PATIENCE_PER_1K: Duration = Duration::from_secs(3);

/// The memory of the agent.
#[derive(Debug, Clone, Copy)]
pub struct Weight {
    /// With all tickets waiting, in bytes.
    pub rss_bytes: u64,
    /// The most that it ever had, in bytes: while they came, and while the first of them were printed.
    pub peak_rss_bytes: u64,
}

/// Has a real hub deliver as many tickets to a real agent whose printer is out of paper, and weighs it. Then there is
/// paper.
///
/// # Errors
/// Where a process does not come up, or the tickets do not.
pub async fn weigh(folder: &Path, tickets: u64) -> anyhow::Result<Weight> {
    let options = PrinterOptions { receipts_kept: RECEIPTS_KEPT, ..PrinterOptions::default() };
    let printer = VirtualPrinter::start(options)?;
    printer.set(Fault::PaperOut);
    let hub = Hub::start(&folder.join("hub"), HubOptions::default()).await?;
    hub.add_store(STORE, "测试面馆")?;
    let options =
        AgentOptions { printers: vec![PrinterAt::only(printer.address())], ..AgentOptions::default() };
    let mut agent = Agent::enrol(&folder.join("agent"), &hub, STORE, options)?;
    agent.start_linked(&hub).await?;
    push_all(&hub, tickets).await?;
    let patience = PATIENCE + PATIENCE_PER_1K * u32::try_from(tickets / 1_000).unwrap_or(u32::MAX);
    wait_for("all tickets to wait", patience, || match agent.status() {
        Ok(status) if status["file"]["status"]["waiting"] == tickets => Ok(()),
        Ok(status) => Err(status["file"]["status"].to_string()),
        Err(error) => Err(error.to_string()),
    })
    .await?;
    let full = usage(agent.process()?.id())?;
    printer.set(Fault::PaperIn);
    let printed = printer.wait_until(patience, |status| status.receipts >= PRINTED_MIN.min(tickets)).await;
    printed.map_err(anyhow::Error::msg)?;
    let after = usage(agent.process()?.id())?;
    Ok(Weight { rss_bytes: full.rss_bytes, peak_rss_bytes: after.peak_rss_bytes })
}

async fn push_all(hub: &Hub, orders: u64) -> anyhow::Result<()> {
    let (client, meituan) = (Arc::new(hub.client()), Arc::new(hub.meituan()));
    let next = Arc::new(AtomicU64::new(1));
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, meituan, next) = (Arc::clone(&client), Arc::clone(&meituan), Arc::clone(&next));
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number > orders {
                    return anyhow::Ok(());
                }
                let body =
                    meituan.paid(&PlacedOrder::generate(SEED, number, STORE, PLACED_AT_S), PLACED_AT_S);
                let reply = client.post("/cb/meituan/order/paid", &body).await?;
                anyhow::ensure!(reply.body == OK_REPLY, "the hub answered {} {}", reply.status, reply.body);
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    Ok(())
}
