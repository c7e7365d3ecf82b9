//! A store and headquarters with a bad network in between.

use super::{HEADQUARTERS, Network};
use crate::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, Shop, wait_for};
use crate::virtual_printer::{PrinterOptions, VirtualPrinter};
use std::time::{Duration, Instant};
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

/// How a branch is set up.
#[derive(Debug, Default)]
pub struct Setting {
    /// Its printer.
    pub printer: PrinterOptions,
    /// Its agent; printers and `[link]` are set here.
    pub agent: AgentOptions,
    /// How the agent reaches the hub.
    pub road: Road,
}

/// How an agent reaches the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Road {
    /// QUIC alone.
    #[default]
    Quic,
    /// QUIC, and TLS over TCP where that does not get through.
    Both,
    /// The same, and UDP is blocked from the beginning.
    Tcp,
}

/// How long nothing has been sent where all is quiet.
const QUIET: Duration = Duration::from_millis(300);

/// Runs `what` on a thread at headquarters, with a store whose link is live. It takes
/// root, see [`super::namespace::as_root`].
///
/// # Errors
/// Without the right to make a network; where a process does not come up; and those of `what`, with the agent's log.
pub fn at_headquarters<T: Send>(
    seed: u64,
    setting: Setting,
    what: impl AsyncFnOnce(&mut Branch) -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let network = Network::open(seed)?;
    let headquarters = network.headquarters().clone();
    headquarters.run(|| {
        // All on this thread, since another one would be elsewhere.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut branch = Branch::open(network, setting).await?;
            let result = what(&mut branch).await;
            result.map_err(|error| {
                let counts = branch.network.counts();
                error.context(format!("{counts:?}\n{}", branch.shop.agent.log_text()))
            })
        })
    })
}

impl Branch {
    async fn open(network: Network, setting: Setting) -> anyhow::Result<Self> {
        let Setting { printer, agent, road } = setting;
        let folder = tempfile::Builder::new().prefix("docket-branch-").tempdir()?;
        let options = HubOptions {
            link: Some((HEADQUARTERS, 0).into()),
            tcp_listen: Some(format!("tcp_listen = \"{HEADQUARTERS}:0\"")),
            ..HubOptions::default()
        };
        let hub = Hub::start(&folder.path().join("hub"), options).await?;
        hub.add_store(Shop::STORE, "测试面馆")?;
        let link = match road {
            Road::Quic => None,
            Road::Both | Road::Tcp => Some(format!("fallback = \"{}\"", hub.tcp()?)),
        };
        if road == Road::Tcp {
            network.block_udp();
        }
        let runtime = Handle::current();
        let (printer, agent) = network.store().run(|| {
            let _in_runtime = runtime.enter();
            let printer = VirtualPrinter::start(printer)?;
            let printers = vec![PrinterAt::only(printer.address())];
            let options = AgentOptions { printers, link, ..agent };
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

    /// Waits until the agent and the hub have nothing more to say to each other.
    ///
    /// # Errors
    /// Where they go on.
    pub async fn until_quiet(&self) -> anyhow::Result<()> {
        let (mut last, mut since) = (self.network.counts(), Instant::now());
        wait_for("a quiet network", PATIENCE, || {
            let now = self.network.counts();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if since.elapsed() >= QUIET { Ok(()) } else { Err(now) }
        })
        .await
    }
}
