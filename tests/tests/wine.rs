//! The agent for Windows, run under Wine: enrol, receive over QUIC, and print by each way to a printer that Wine has.
//!
//! `./check` builds the program and prepares Wine, and says where both are.

mod spooler;

use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, wait_for};
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::serial::SerialOptions;
use docket_tests::virtual_printer::{PrinterOptions, VirtualPrinter};
use std::ffi::OsString;
use std::path::PathBuf;

const STORE: &str = "S0042";
const AT_S: i64 = 1_795_000_000;

fn given(variable: &str) -> PathBuf {
    let Some(path) = std::env::var_os(variable) else {
        panic!("{variable} is not set: run ./check, or ./check --quick to leave Windows out");
    };
    path.into()
}

/// A hub, and a store with an agent for Windows.
struct Store {
    hub: Hub,
    agent: Agent,
    _folder: tempfile::TempDir,
}

impl Store {
    /// Its agent is linked; its printer is at this address.
    async fn start(address: &str, environment: Vec<(OsString, OsString)>) -> anyhow::Result<Self> {
        let (program, prefix) = (given("DOCKET_WINDOWS_AGENT"), given("DOCKET_WINE_PREFIX"));
        let folder = tempfile::tempdir()?;
        let hub = Hub::start(folder.path(), HubOptions::default()).await?;
        hub.add_store(STORE, "测试面馆")?;
        let wine = [("WINEPREFIX".into(), prefix.into()), ("WINEDEBUG".into(), "-all".into())];
        let options = AgentOptions {
            launcher: Some(vec!["wine".into(), program]),
            environment: wine.into_iter().chain(environment).collect(),
            extra: format!("[[printer]]\nname = \"front\"\naddress = {address:?}\nstations = [\"front\"]\n"),
            ..AgentOptions::default()
        };
        let mut agent = Agent::enrol(folder.path(), &hub, STORE, options)?;
        agent.start_linked(&hub).await?;
        Ok(Self { hub, agent, _folder: folder })
    }

    /// A customer orders, and the ticket comes out of the printer, whole and once; with what evidence.
    async fn print(&self, printer: &VirtualPrinter) -> anyhow::Result<Option<String>> {
        let order = PlacedOrder::generate(3, 1, STORE, AT_S);
        let push = self.hub.meituan().paid(&order, AT_S);
        let reply = self.hub.client().post("/cb/meituan/order/paid", &push).await?;
        assert_eq!(reply.body, OK_REPLY);
        let ticket = wait_for("the ticket to be printed", PATIENCE, || {
            let tickets = self.hub.ledger().and_then(|ledger| ledger.tickets()).unwrap_or_default();
            match tickets.as_slice() {
                [ticket] if ticket.state == 5 => Ok(ticket.clone()),
                others => Err(format!("{others:?}\n{}", self.agent.log_text())),
            }
        })
        .await?;
        let receipts = wait_for("the receipt", PATIENCE, || match printer.receipts() {
            receipts if receipts.is_empty() => Err(printer.paper_so_far()),
            receipts => Ok(receipts),
        })
        .await?;
        let shown: Vec<String> = receipts.iter().map(|receipt| receipt.text()).collect();
        assert_eq!(receipts.len(), 1, "{shown:?}");
        assert_eq!(receipts[0].qr(), [order.order_id.as_bytes()]);
        assert_eq!(receipts[0].is_repeat(), None);
        assert!(receipts[0].was_cut());
        Ok(ticket.evidence)
    }

    fn assert_well(&self) -> anyhow::Result<()> {
        let status = self.agent.command(&["status"])?;
        let shown = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(status.status.success() && shown.contains("已连接总部"), "{shown}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_windows_agent_enrols_receives_and_prints_with_a_fence() -> anyhow::Result<()> {
    let printer = VirtualPrinter::start(PrinterOptions::default())?;
    let store = Store::start(&printer.address().to_string(), Vec::new()).await?;
    assert_eq!(store.print(&printer).await?.as_deref(), Some("fence"));
    store.assert_well()
}

/// Wine finds a serial port by a link among the drives of its prefix.
#[tokio::test(flavor = "multi_thread")]
async fn the_windows_agent_prints_on_a_serial_port_with_a_fence() -> anyhow::Result<()> {
    let line = SerialOptions::at(given("DOCKET_WINE_PREFIX").join("dosdevices/com7"));
    let printer = VirtualPrinter::start_serial(&PrinterOptions::default(), line)?;
    let store = Store::start("serial:COM7?baud=115200&flow=none", Vec::new()).await?;
    assert_eq!(store.print(&printer).await?.as_deref(), Some("fence"));
    store.assert_well()
}
