//! A chain of one store, and what tests ask of it again and again.

use super::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, wait_for};
use crate::platform::meituan::OK_REPLY;
use crate::platform::orders::PlacedOrder;
use crate::virtual_printer::{PrinterOptions, Receipt, VirtualPrinter};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Where the platform pushes paid orders.
pub const PAID_PATH: &str = "/cb/meituan/order/paid";
/// The state of a ticket that came out, in [`super::TicketRow::state`].
pub const PRINTED: i64 = 5;
/// Orders of a shop come from this seed.
const SEED: u64 = 7;

/// A hub, one store with an agent, and its only printer. All files are in a temporary folder.
#[derive(Debug)]
pub struct Shop {
    /// The hub.
    pub hub: Hub,
    /// The store's agent.
    pub agent: Agent,
    /// Its printer.
    pub printer: VirtualPrinter,
    // Dropped last: the processes are gone by then.
    folder: TempDir,
}

impl Shop {
    /// The store's id, and that of its shop at the platform.
    pub const STORE: &'static str = "S0042";

    /// With the usual options and a live link.
    ///
    /// # Errors
    /// Where a process does not come up; with its log.
    pub async fn open() -> anyhow::Result<Self> {
        Shop::with_printer(PrinterOptions::default()).await
    }

    /// With another kind of printer, and a live link.
    ///
    /// # Errors
    /// Where a process does not come up; with its log.
    pub async fn with_printer(printer: PrinterOptions) -> anyhow::Result<Self> {
        let mut shop = Shop::build(HubOptions::default(), AgentOptions::default(), printer).await?;
        shop.agent.start_linked(&shop.hub).await?;
        Ok(shop)
    }

    /// The hub runs and the agent is enrolled, but not started. The agent's printers are set here.
    ///
    /// # Errors
    /// Where the hub does not come up; with its log.
    pub async fn enrolled(hub: HubOptions, agent: AgentOptions) -> anyhow::Result<Self> {
        Shop::build(hub, agent, PrinterOptions::default()).await
    }

    /// With a printer that is reached in any way, `address` in the words of the agent's configuration, and a live
    /// link.
    ///
    /// # Errors
    /// Where a process does not come up; with its log.
    pub async fn at(printer: VirtualPrinter, address: &str) -> anyhow::Result<Self> {
        let mut shop =
            Shop::around(HubOptions::default(), |_| Ok(AgentOptions::default()), printer, address).await?;
        shop.agent.start_linked(&shop.hub).await?;
        Ok(shop)
    }

    /// Puts another printer in the place of this one, which ends. The agent is started again with the new address.
    ///
    /// # Errors
    /// Where there is no other, or the agent does not come up; with its log.
    pub async fn replace_printer(
        &mut self,
        other: impl FnOnce() -> io::Result<(VirtualPrinter, String)>,
    ) -> anyhow::Result<()> {
        self.agent.process()?.end()?;
        // First, since both may want the same plug.
        self.printer.unplug_for_good().await;
        let (printer, address) = other()?;
        self.printer = printer;
        self.agent.configure(vec![PrinterAt::only(address)])?;
        self.agent.start_linked(&self.hub).await
    }

    /// [`Shop::enrolled`], with options of the agent that depend on where the hub is.
    ///
    /// # Errors
    /// Where the hub does not come up; with its log.
    pub async fn enrolled_as(
        hub: HubOptions,
        agent: impl FnOnce(&Hub) -> anyhow::Result<AgentOptions>,
    ) -> anyhow::Result<Self> {
        let printer = VirtualPrinter::start(PrinterOptions::default())?;
        let address = printer.address().to_string();
        Shop::around(hub, agent, printer, &address).await
    }

    async fn build(hub: HubOptions, agent: AgentOptions, printer: PrinterOptions) -> anyhow::Result<Self> {
        let printer = VirtualPrinter::start(printer)?;
        let address = printer.address().to_string();
        Shop::around(hub, |_| Ok(agent), printer, &address).await
    }

    async fn around(
        hub: HubOptions,
        agent: impl FnOnce(&Hub) -> anyhow::Result<AgentOptions>,
        printer: VirtualPrinter,
        address: &str,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-shop-").tempdir()?;
        let hub = Hub::start(&folder.path().join("hub"), hub).await?;
        hub.add_store(Shop::STORE, "测试面馆")?;
        let options = AgentOptions { printers: vec![PrinterAt::only(address)], ..agent(&hub)? };
        let agent = Agent::enrol(&folder.path().join("agent"), &hub, Shop::STORE, options)?;
        Ok(Shop { hub, agent, printer, folder })
    }

    /// Of parts that were started elsewhere: across a bad network.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(hub: Hub, agent: Agent, printer: VirtualPrinter, folder: TempDir) -> Self {
        Shop { hub, agent, printer, folder }
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Pushes order `number`, which the hub must take.
    ///
    /// # Errors
    /// Where it does not answer ok.
    pub async fn push(&self, number: u64) -> anyhow::Result<PlacedOrder> {
        push(&self.hub, Shop::STORE, number).await
    }

    /// Waits until every ticket of these orders is printed, as far as the hub knows.
    ///
    /// # Errors
    /// Where they are not in time; with the agent's log.
    pub async fn until_printed(&self, orders: &[PlacedOrder]) -> anyhow::Result<()> {
        until_printed(&self.hub, orders).await.map_err(|error| error.context(self.agent.log_text()))
    }
}

/// Order `number` of a shop at the platform, placed now.
pub fn order(shop: &str, number: u64) -> PlacedOrder {
    PlacedOrder::generate(SEED, number, shop, now_s())
}

/// Pushes order `number` of a shop, which the hub must take.
///
/// # Errors
/// Where it does not answer ok.
pub async fn push(hub: &Hub, shop: &str, number: u64) -> anyhow::Result<PlacedOrder> {
    let order = order(shop, number);
    push_order(hub, &order).await?;
    Ok(order)
}

/// Pushes an order, which the hub must take.
///
/// # Errors
/// Where it does not answer ok.
pub async fn push_order(hub: &Hub, order: &PlacedOrder) -> anyhow::Result<()> {
    let reply = hub.client().post(PAID_PATH, &hub.meituan().paid(order, now_s())).await?;
    anyhow::ensure!(reply.body == OK_REPLY, "the hub answered {} {}", reply.status, reply.body);
    Ok(())
}

/// Waits until every ticket of these orders is printed, as far as the hub knows.
///
/// # Errors
/// Where they are not in time; with those that are not.
pub async fn until_printed(hub: &Hub, orders: &[PlacedOrder]) -> anyhow::Result<()> {
    let ledger = hub.ledger()?;
    wait_for("the orders to be printed", PATIENCE, || {
        let tickets = ledger.tickets().map_err(|error| error.to_string())?;
        let open = |order: &&PlacedOrder| {
            let mut own = tickets.iter().filter(|ticket| ticket.order == order.order_id).peekable();
            own.peek().is_none() || own.any(|ticket| ticket.state != PRINTED)
        };
        let open: Vec<&str> = orders.iter().filter(open).map(|order| order.order_id.as_str()).collect();
        let unprinted = || tickets.iter().filter(|ticket| ticket.state != PRINTED).collect::<Vec<_>>();
        if open.is_empty() { Ok(()) } else { Err(format!("{open:?}: {:#?}", unprinted())) }
    })
    .await
}

/// The 补打 numbers of an order's front slips at a printer in the order of printing; `None` is unmarked.
pub fn slips(printer: &VirtualPrinter, order: &PlacedOrder) -> Vec<Option<u32>> {
    let own = |receipt: &Receipt| receipt.qr().iter().any(|data| data == order.order_id.as_bytes());
    printer.receipts().iter().filter(|receipt| own(receipt)).map(Receipt::is_repeat).collect()
}

/// The time in Unix seconds.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}
