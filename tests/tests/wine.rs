//! The agent for Windows, run under Wine: enrol, receive over QUIC, and print by each way to a printer that Wine has.
//!
//! `./check` builds the program and prepares Wine, and says where both are.

mod spooler;

use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, wait_for};
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::serial::SerialOptions;
use docket_tests::virtual_printer::{Fault, PrinterOptions, VirtualPrinter};
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

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
    _turn: File,
}

/// One store at a time has Wine: each program that starts there brings all queues up to date with the CUPS that it knows,
/// and so deletes those of another test.
fn take_turn() -> anyhow::Result<File> {
    let turn = File::create(given("DOCKET_WINE_PREFIX").join("docket-tests.lock"))?;
    turn.lock()?;
    Ok(turn)
}

impl Store {
    /// Its agent is linked; its printer is at this address.
    async fn start(address: &str, environment: Vec<(OsString, OsString)>) -> anyhow::Result<Self> {
        let (program, prefix) = (given("DOCKET_WINDOWS_AGENT"), given("DOCKET_WINE_PREFIX"));
        let turn = take_turn()?;
        let folder = tempfile::tempdir()?;
        let hub = Hub::start(folder.path(), HubOptions::default()).await?;
        hub.add_store(STORE, "测试面馆")?;
        let wine = [("WINEPREFIX".into(), prefix.into()), ("WINEDEBUG".into(), "-all".into())];
        let options = AgentOptions {
            launcher: Some(vec!["wine".into(), program]),
            environment: wine.into_iter().chain(environment).collect(),
            printers: vec![PrinterAt::only(address)],
            ..AgentOptions::default()
        };
        let mut agent = Agent::enrol(folder.path(), &hub, STORE, options)?;
        agent.start_linked(&hub).await?;
        Ok(Self { hub, agent, _folder: folder, _turn: turn })
    }

    /// A customer orders, and the ticket comes out of the printer, whole and once; with what evidence.
    async fn print(&self, printer: &VirtualPrinter) -> anyhow::Result<Option<String>> {
        let order = self.order().await?;
        self.until_printed(&order, printer).await
    }

    async fn order(&self) -> anyhow::Result<PlacedOrder> {
        let order = PlacedOrder::generate(3, 1, STORE, AT_S);
        let push = self.hub.meituan().paid(&order, AT_S);
        let reply = self.hub.client().post("/cb/meituan/order/paid", &push).await?;
        assert_eq!(reply.body, OK_REPLY);
        Ok(order)
    }

    async fn until_printed(
        &self,
        order: &PlacedOrder,
        printer: &VirtualPrinter,
    ) -> anyhow::Result<Option<String>> {
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

    /// What the agent says of its printer: its first condition, or `well`.
    async fn until_printer_is(&self, wanted: &str) -> anyhow::Result<()> {
        wait_for(&format!("the printer to be {wanted}"), PATIENCE, || {
            let status = self.agent.status().map_err(|error| error.to_string())?;
            let printer = &status["file"]["status"]["printers"][0];
            let well = || (!printer["heard_at"].is_null()).then_some("well");
            match printer["conditions"][0]["condition"].as_str().or_else(well) {
                Some(shown) if shown.eq_ignore_ascii_case(wanted) => Ok(()),
                _ => Err(format!("{status}\n{}", self.agent.log_text())),
            }
        })
        .await
    }

    /// So many times its lives together have reached the printer, or the queue before it.
    async fn until_connected(&self, times: usize) -> anyhow::Result<()> {
        wait_for("the printer to be reached", PATIENCE, || {
            let log = self.agent.log_text();
            if log.matches("printer connected").count() >= times { Ok(()) } else { Err(log) }
        })
        .await
    }

    fn assert_well(&self) -> anyhow::Result<()> {
        let status = self.agent.command(&["status"])?;
        let shown = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(
            status.status.success() && shown.contains("已连接总部"),
            "{shown}\n{}",
            self.agent.log_text()
        );
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
async fn the_windows_agent_prints_on_a_serial_port_that_may_be_unplugged() -> anyhow::Result<()> {
    let line = SerialOptions::at(given("DOCKET_WINE_PREFIX").join("dosdevices/com7"));
    let printer = VirtualPrinter::start_serial(&PrinterOptions::default(), line)?;
    let store = Store::start("serial:COM7?baud=115200&flow=none", Vec::new()).await?;
    store.until_printer_is("well").await?;
    printer.set(Fault::Unplugged(true));
    store.until_printer_is("unreachable").await?;
    printer.set(Fault::Unplugged(false));
    store.until_printer_is("well").await?;
    assert_eq!(store.print(&printer).await?.as_deref(), Some("fence"));
    store.assert_well()
}

/// On Windows something always runs. Wine ends with the last program, and with it what it takes for a boot.
struct OtherProgram(Child);

impl OtherProgram {
    fn start() -> anyhow::Result<Self> {
        let wine = Command::new("wine")
            .args(["cmd", "/k"])
            .env("WINEPREFIX", given("DOCKET_WINE_PREFIX"))
            .env("WINEDEBUG", "-all")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(wine))
    }
}

impl Drop for OtherProgram {
    fn drop(&mut self) {
        // Where it has ended by itself there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A serial line outlives the agent, so the printer's answer to the fence comes when it has paper again. In another boot
/// the ticket would be repeated without a question.
#[tokio::test(flavor = "multi_thread")]
async fn the_windows_agent_killed_in_mid_ticket_asks_the_printer_and_repeats_nothing() -> anyhow::Result<()> {
    let _other = OtherProgram::start()?;
    let line = SerialOptions::at(given("DOCKET_WINE_PREFIX").join("dosdevices/com8"));
    let printer = VirtualPrinter::start_serial(&PrinterOptions::default(), line)?;
    let mut store = Store::start("serial:COM8?baud=115200&flow=none", Vec::new()).await?;
    store.until_printer_is("well").await?;
    printer.set(Fault::PaperOutAfterLines(3));
    let order = store.order().await?;
    store.until_printer_is("paperout").await?;

    store.agent.process()?.kill();
    store.agent.start()?;
    store.until_connected(2).await?;
    assert!(printer.receipts().is_empty(), "nothing is whole yet");
    printer.set(Fault::PaperIn);
    assert_eq!(store.until_printed(&order, &printer).await?.as_deref(), Some("fence"));
    store.assert_well()
}
