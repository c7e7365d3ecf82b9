//! The main job: what a platform pushes comes out of the right printer of the right store, as kitchens know it.

mod command_line;
mod slips;
mod stores;

use docket_tests::chain::shop::{PRINTED, now_s};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, TicketRow, wait_for};
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::{PrinterOptions, Receipt, VirtualPrinter};
use std::path::Path;
use tempfile::TempDir;

const STORE: &str = "S0042";
const STORE_NAME: &str = "测试面馆(人民路店)";
const CANCELLED_PATH: &str = "/cb/meituan/order/cancelled";
const REMINDED_PATH: &str = "/cb/meituan/order/reminded";
/// Noodles are made in the kitchen, drinks at the bar; what else there is maps nowhere.
const ROUTING: &str = "[[routing.stations]]\nname = \"kitchen\"\ndishes = [\"F1001\", \"重庆小面\"]\n\
     [[routing.stations]]\nname = \"bar\"\ndishes = [\"F2001\"]\n";

/// A store with a printer at the counter and one in the kitchen, which has the bar's slips too.
struct Restaurant {
    hub: Hub,
    agent: Agent,
    front: VirtualPrinter,
    kitchen: VirtualPrinter,
    folder: TempDir,
}

impl Restaurant {
    async fn open() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-restaurant-").tempdir()?;
        let options = HubOptions { routing: ROUTING.into(), ..HubOptions::default() };
        let hub = Hub::start(&folder.path().join("hub"), options).await?;
        hub.add_store(STORE, STORE_NAME)?;
        let (mut agent, front, kitchen) = enrol(&folder.path().join("agent"), &hub, STORE)?;
        agent.start_linked(&hub).await?;
        Ok(Restaurant { hub, agent, front, kitchen, folder })
    }
}

/// An agent with a printer at the counter and one in the kitchen, not started.
fn enrol(folder: &Path, hub: &Hub, store: &str) -> anyhow::Result<(Agent, VirtualPrinter, VirtualPrinter)> {
    let printer = || VirtualPrinter::start(PrinterOptions::default());
    let (front, kitchen) = (printer()?, printer()?);
    let stations = vec!["kitchen".to_owned(), "bar".to_owned()];
    let printers = vec![
        PrinterAt::only(front.address()),
        PrinterAt {
            name: "kitchen".into(),
            address: kitchen.address().to_string(),
            stations,
            default: false,
        },
    ];
    let agent = Agent::enrol(folder, hub, store, AgentOptions { printers, ..AgentOptions::default() })?;
    Ok((agent, front, kitchen))
}

/// Pushes to one of the platform's URLs, as often as asked, and is answered ok each time.
async fn push(hub: &Hub, path: &str, body: &str, times: usize) -> anyhow::Result<()> {
    let client = hub.client();
    for _ in 0..times {
        let reply = client.post(path, body).await?;
        anyhow::ensure!(reply.body == OK_REPLY, "{path}: {} {}", reply.status, reply.body);
    }
    Ok(())
}

/// Waits until the hub's record has so many tickets, all of them printed.
async fn until_all_printed(hub: &Hub, count: usize) -> anyhow::Result<Vec<TicketRow>> {
    let ledger = hub.ledger()?;
    wait_for(&format!("{count} printed tickets"), PATIENCE, || match ledger.tickets() {
        Ok(tickets) if tickets.len() == count && tickets.iter().all(|ticket| ticket.state == PRINTED) => {
            Ok(tickets)
        }
        seen => Err(format!("{seen:#?}")),
    })
    .await
}

/// The pick-up numbers of a printer's receipts, from their titles.
fn pickups(printer: &VirtualPrinter) -> Vec<u32> {
    let pickup = |receipt: &Receipt| {
        let lines = receipt.lines();
        let title = lines.iter().find_map(|line| line.text.split_once("美团外卖 #"));
        title.and_then(|(_, number)| number.parse().ok())
    };
    printer.receipts().iter().filter_map(pickup).collect()
}

/// A noodle order without anything special; its front slip and its kitchen slip are its tickets.
fn noodles(shop: &str, number: u32) -> PlacedOrder {
    let order = PlacedOrder::generate(1, u64::from(number), shop, now_s());
    let mut dish = order.dishes[0].clone();
    (dish.code, dish.name) = ("F1001".to_owned(), "红烧牛肉面".to_owned());
    PlacedOrder { day_seq: number, dishes: vec![dish], ..order }
}
