//! A store and headquarters with a bad network in between.

use super::namespace::{arguments_of_test, as_root};
use super::{HEADQUARTERS, Network};
use crate::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, Shop, wait_for};
use crate::virtual_printer::{PrinterOptions, VirtualPrinter};
use tokio::runtime::{Builder, Handle};

/// A hub at headquarters; an agent and its printer in the store.
#[derive(Debug)]
pub struct Branch {
    /// Hub, agent and printer. An agent that is started again goes through [`Branch::start_agent`], so that it is in the
    /// store.
    pub shop: Shop,
    /// What is in between.
    pub network: Network,
}

/// Runs a test at headquarters, with a store whose link is live. It gets root by itself, see [`super::namespace`].
///
/// # Errors
/// Without the right to make a network; where a process does not come up; and those of `test`, with the agent's log.
pub fn across(
    seed: u64,
    test: impl AsyncFnOnce(&mut Branch) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    as_root(arguments_of_test()?, || at_headquarters(seed, PrinterOptions::default(), test)).map(|_| ())
}

/// The same for a program that is root already, with this printer.
///
/// # Errors
/// See [`across`].
pub fn at_headquarters<T: Send>(
    seed: u64,
    printer: PrinterOptions,
    what: impl AsyncFnOnce(&mut Branch) -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let network = Network::open(seed)?;
    let headquarters = network.headquarters().clone();
    headquarters.run(|| {
        // All on this thread, since another one would be elsewhere.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut branch = Branch::open(network, printer).await?;
            let result = what(&mut branch).await;
            result.map_err(|error| {
                let counts = branch.network.counts();
                error.context(format!("{counts:?}\n{}", branch.shop.agent.log_text()))
            })
        })
    })
}

impl Branch {
    async fn open(network: Network, printer: PrinterOptions) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-branch-").tempdir()?;
        let options = HubOptions { link: Some((HEADQUARTERS, 0).into()), ..HubOptions::default() };
        let hub = Hub::start(&folder.path().join("hub"), options).await?;
        hub.add_store(Shop::STORE, "测试面馆")?;
        let runtime = Handle::current();
        let (printer, agent) = network.store().run(|| {
            let _in_runtime = runtime.enter();
            let printer = VirtualPrinter::start(printer)?;
            let printers = vec![PrinterAt::only(printer.address())];
            let options = AgentOptions { printers, ..AgentOptions::default() };
            let agent = Agent::enrol(&folder.path().join("agent"), &hub, Shop::STORE, options)?;
            Ok((printer, agent))
        })?;
        let mut branch = Branch { shop: Shop::of(hub, agent, printer, folder), network };
        branch.start_agent().await?;
        Ok(branch)
    }

    /// Starts the agent in the store, and waits for its link.
    ///
    /// # Errors
    /// Where that does not come up; with its log.
    pub async fn start_agent(&mut self) -> anyhow::Result<()> {
        let before = self.sessions()?;
        let Branch { shop, network } = self;
        network.store().run(|| shop.agent.start())?;
        wait_for("the agent's session", PATIENCE, || {
            let ledger = shop.hub.ledger().and_then(|ledger| ledger.sessions());
            if ledger.is_ok_and(|sessions| sessions > before) { Ok(()) } else { Err(shop.agent.log_text()) }
        })
        .await
    }

    /// Sessions that the agent has opened so far.
    ///
    /// # Errors
    /// Where they cannot be counted.
    pub fn sessions(&self) -> anyhow::Result<i64> {
        self.shop.hub.ledger()?.sessions()
    }
}
