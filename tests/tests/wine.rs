//! The agent for Windows, run under Wine: enrol, receive over QUIC, print one ticket with a fence.
//!
//! `./check` builds the program and prepares Wine, and says where both are.

use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, wait_for};
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::{PrinterOptions, VirtualPrinter};
use std::path::PathBuf;

const STORE: &str = "S0042";
const AT_S: i64 = 1_795_000_000;

fn given(variable: &str) -> PathBuf {
    let Some(path) = std::env::var_os(variable) else {
        panic!("{variable} is not set: run ./check, or ./check --quick to leave Windows out");
    };
    path.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_windows_agent_enrols_receives_and_prints_with_a_fence() -> anyhow::Result<()> {
    let (program, prefix) = (given("DOCKET_WINDOWS_AGENT"), given("DOCKET_WINE_PREFIX"));
    let folder = tempfile::tempdir()?;
    let printer = VirtualPrinter::start(PrinterOptions::default())?;
    let hub = Hub::start(folder.path(), HubOptions::default()).await?;
    hub.add_store(STORE, "测试面馆")?;
    let options = AgentOptions {
        printers: vec![PrinterAt::only(printer.address())],
        launcher: Some(vec!["wine".into(), program]),
        environment: vec![("WINEPREFIX".into(), prefix.into()), ("WINEDEBUG".into(), "-all".into())],
        ..AgentOptions::default()
    };
    let mut agent = Agent::enrol(folder.path(), &hub, STORE, options)?;
    agent.start_linked(&hub).await?;

    let order = PlacedOrder::generate(3, 1, STORE, AT_S);
    let reply = hub.client().post("/cb/meituan/order/paid", &hub.meituan().paid(&order, AT_S)).await?;
    assert_eq!(reply.body, OK_REPLY);
    let ticket = wait_for("the ticket to be printed", PATIENCE, || {
        let tickets = hub.ledger().and_then(|ledger| ledger.tickets()).unwrap_or_default();
        match tickets.as_slice() {
            [ticket] if ticket.state == 5 => Ok(ticket.clone()),
            others => Err(format!("{others:?}\n{}", agent.log_text())),
        }
    })
    .await?;
    assert_eq!(ticket.evidence.as_deref(), Some("fence"));
    let receipts = printer.receipts();
    assert_eq!(receipts.len(), 1, "{:?}", receipts.iter().map(|receipt| receipt.text()).collect::<Vec<_>>());
    assert_eq!(receipts[0].qr(), [order.order_id.as_bytes()]);
    assert_eq!(receipts[0].is_repeat(), None);
    assert!(receipts[0].was_cut());

    let status = agent.command(&["status"])?;
    let shown = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.status.success() && shown.contains("已连接总部"), "{shown}");
    Ok(())
}
