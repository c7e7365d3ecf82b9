//! A till and the agent on its PC, as they live through a store's day: without a hub, killed, asked twice, cancelled.
//! What the printers have on paper is the judge.

use anyhow::ensure;
use docket_tests::chain::till::order;
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, Shop, Till, wait_for};
use docket_tests::virtual_printer::{PrinterOptions, VirtualPrinter};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tempfile::TempDir;

/// Kills at each of the [`Moment`]s.
const ROUNDS: u32 = 4;
/// `front` prints the front slip and what maps nowhere.
const ROUTING: &str = "[routing]\nstations = [{ name = \"kitchen\", dishes = [\"F1001\"] }]\n";
const MARK: &str = "【补打 ";

struct Store {
    agent: Agent,
    front: VirtualPrinter,
    kitchen: VirtualPrinter,
    _folder: TempDir,
}

impl Store {
    /// An agent that was enrolled once, whose hub is gone for good.
    async fn alone() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-counter-").tempdir()?;
        let hub = Hub::start(&folder.path().join("hub"), HubOptions::default()).await?;
        hub.add_store(Shop::STORE, "人民路店")?;
        let (front, kitchen) = (
            VirtualPrinter::start(PrinterOptions::default())?,
            VirtualPrinter::start(PrinterOptions::default())?,
        );
        let printer = |name: &str, printer: &VirtualPrinter| PrinterAt {
            name: name.into(),
            address: printer.address().to_string(),
            stations: vec![name.into()],
            default: name == "front",
        };
        let printers = vec![printer("front", &front), printer("kitchen", &kitchen)];
        let options = AgentOptions { printers, page: ROUTING.into(), ..AgentOptions::default() };
        let mut agent = Agent::enrol(&folder.path().join("agent"), &hub, Shop::STORE, options)?;
        drop(hub);
        agent.start()?;
        Ok(Store { agent, front, kitchen, _folder: folder })
    }

    /// How often each order's number is on paper as a title in the kitchen: unmarked, and marked.
    fn in_kitchen(&self, number: u32) -> (usize, usize) {
        let title = format!("柜台 #{number}");
        let receipts = self.kitchen.receipts();
        let of_order = receipts
            .iter()
            .map(|receipt| receipt.text())
            .filter(|text| text.lines().any(|line| line.trim() == title));
        let (marked, unmarked): (Vec<_>, Vec<_>) = of_order.partition(|text| text.contains(MARK));
        (unmarked.len(), marked.len())
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.agent.command(arguments)?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// How many rows of each kind wait to be told to the hub.
    fn uploads(&self) -> anyhow::Result<Vec<(String, i64)>> {
        let path = self.agent.data().join("spool.db");
        let spool = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut rows = spool.prepare("SELECT kind, count(*) FROM uploads GROUP BY kind ORDER BY kind")?;
        Ok(rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_a_hub_sells_and_prints() -> anyhow::Result<()> {
    let mut store = Store::alone().await?;
    let till = Till::at(&store.agent).await?;
    let first = till.must("/orders", "k1", &order(1)).await?;
    assert_eq!(till.must("/orders", "k1", &order(1)).await?, first);
    let printed = till.until("k1", "printed").await?;
    assert_eq!(printed["tickets"][1]["evidence"], "fence");
    assert_eq!((store.in_kitchen(1), store.front.receipt_count()), ((1, 0), 2));
    let slip = store.kitchen.receipts()[0].text();
    assert!(slip.contains("A1") && slip.contains("红烧牛肉面") && !slip.contains("可乐"), "{slip}");

    let kitchens = first["tickets"][1]["id"].as_str().unwrap_or_default();
    till.must(&format!("/tickets/{kitchens}/reprint"), "r1", &json!({})).await?;
    till.until("k1", "printed").await?;
    assert_eq!(store.in_kitchen(1), (1, 1));

    // Taken back in time: no paper.
    store.command(&["pause", "front"])?;
    store.command(&["pause", "kitchen"])?;
    till.must("/orders", "k2", &order(2)).await?;
    let cancelled = till.must("/orders/k2/cancel", "c2", &json!({ "reason": "顾客改变主意" })).await?;
    assert_eq!(cancelled["slips"], json!([]));
    store.command(&["resume", "front"])?;
    store.command(&["resume", "kitchen"])?;
    // Too late: a slip for whoever has it, after a restart too.
    store.agent.process()?.kill();
    store.agent.start()?;
    let till = Till::at(&store.agent).await?;
    let before = store.kitchen.receipt_count();
    till.must("/orders/k1/cancel", "c1", &json!({ "reason": "顾客改变主意" })).await?;
    store
        .kitchen
        .wait_until(PATIENCE, |_| store.kitchen.receipt_count() > before)
        .await
        .map_err(anyhow::Error::msg)?;
    let slip = store.kitchen.receipts().last().map(|receipt| receipt.text()).unwrap_or_default();
    assert!(slip.contains("(退)柜台 #1") && slip.contains("顾客改变主意"), "{slip}");
    assert_eq!(till.get("/orders/k2").await?["state"], "cancelled");
    assert_eq!(store.in_kitchen(2), (0, 0));
    let told = |kind: &str, count| (kind.to_owned(), count);
    wait_for("the outcomes to be stored", PATIENCE, || match store.uploads() {
        // Three of k1, its reprint and its slips (退菜单) for the front, the kitchen and the default printer; three of k2.
        Ok(uploads) if uploads == [told("cancelled", 2), told("order", 2), told("outcome", 10)] => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await
}

/// When the agent is killed, seen from the till.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// It has asked, and may have been heard.
    Asked,
    /// It has an answer.
    Answered,
    /// The kitchen's printer has got something.
    Printing,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_each_order_prints_once() -> anyhow::Result<()> {
    let mut store = Store::alone().await?;
    let moments = [Moment::Asked, Moment::Answered, Moment::Printing];
    let mut number = 0;
    for moment in std::iter::repeat_n(moments, ROUNDS as usize).flatten() {
        number += 1;
        let key = format!("till-{number}");
        let till = Till::at(&store.agent).await?;
        let bytes = store.kitchen.bytes_received();
        let body = order(number);
        let asking = till.ask("/orders", &key, &body);
        let heard = match moment {
            Moment::Asked => {
                tokio::pin!(asking);
                // Once around: it is on its way, and no answer can be here.
                let polled =
                    std::future::poll_fn(|context| std::task::Poll::Ready(asking.as_mut().poll(context)));
                let polled = polled.await;
                store.agent.process()?.kill();
                matches!(polled, std::task::Poll::Ready(Ok(_)))
            }
            Moment::Answered => {
                asking.await?;
                store.agent.process()?.kill();
                true
            }
            Moment::Printing => {
                asking.await?;
                wait_for("the printer to hear of it", PATIENCE, || {
                    let now = store.kitchen.bytes_received();
                    // More than the questions that an idle printer is asked.
                    if now > bytes + 100 { Ok(()) } else { Err(now) }
                })
                .await?;
                store.agent.process()?.kill();
                true
            }
        };
        store.agent.start()?;
        let till = Till::at(&store.agent).await?;
        if heard {
            assert_eq!(till.get(&format!("/orders/{key}")).await?["number"], number.to_string());
        }
        till.must("/orders", &key, &body).await?;
        till.until(&key, "printed").await?;
    }
    for number in 1..=number {
        let (unmarked, _) = store.in_kitchen(number);
        assert!(
            unmarked == 1,
            "order {number} is on paper {unmarked} times unmarked\n{}",
            store.agent.log_text()
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_hub_and_counter_share_a_printer() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let till = Till::at(&shop.agent).await?;
    let orders = [shop.push(1).await?];
    till.must("/orders", "k1", &order(1)).await?;
    let orders = [orders.as_slice(), &[shop.push(2).await?]].concat();
    shop.until_printed(&orders).await?;
    till.until("k1", "printed").await?;
    // The hub hears of the counter's, too.
    let ledger = shop.hub.ledger()?;
    wait_for("the hub to know of all three", PATIENCE, || match ledger.counts() {
        Ok((3, 3)) => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await
}
