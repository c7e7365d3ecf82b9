//! A printer whose answers are garbage: a bad cable, a cheap converter, or something at that address that is no printer.
//!
//! The bytes to the printer pass, its answers do not: in their stead the agent gets random bytes without end, always or
//! from the first byte of a ticket on. One byte in four looks like an answer to GS r, and so to a fence.

use super::{HELD, assert_printed_once, slips_of, until_state};
use anyhow::ensure;
use docket_tests::chain::shop::PRINTED;
use docket_tests::chain::slips::are_marked_rightly;
use docket_tests::chain::{Agent, AgentOptions, HubOptions, PATIENCE, PrinterAt, Shop, wait_for};
use docket_tests::platform::orders::{Chance, PlacedOrder};
use docket_tests::virtual_printer::Fault;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SEED: u64 = 4;
/// Between two pieces of garbage.
const EVERY: Duration = Duration::from_millis(5);
const PIECE_BYTES_MAX: usize = 24;
/// Pieces that the agent has to live through.
const PIECES: u64 = 1_500;
/// `FS &`: a ticket's content begins.
const KANJI_ON: &[u8] = b"\x1c&";

/// Stands between an agent and its printer.
struct Garbler {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// From the beginning of each connection.
    always: AtomicBool,
    /// From the first ticket of each connection on.
    in_tickets: AtomicBool,
    pieces: AtomicU64,
    /// Tickets that met with garbage.
    tickets: AtomicU64,
}

impl Garbler {
    async fn start(printer: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let state = Arc::new(State::default());
        let garbler = Garbler { address: listener.local_addr()?, state: Arc::clone(&state) };
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((agent, _)) = listener.accept().await else { return };
                let Ok(printer) = TcpStream::connect(printer).await else { continue };
                // An error is the end of a connection.
                let _ = pass(agent, printer, &state, Chance::new(SEED + number)).await;
            }
        });
        Ok(garbler)
    }
}

async fn pass(
    mut agent: TcpStream,
    mut printer: TcpStream,
    state: &State,
    mut chance: Chance,
) -> anyhow::Result<()> {
    let (mut up, mut down) = ([0; 4_096], [0; 4_096]);
    let mut in_ticket = false;
    loop {
        let garbles = state.always.load(Ordering::Relaxed) || in_ticket;
        tokio::select! {
            read = agent.read(&mut up) => {
                let bytes = &up[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if state.in_tickets.load(Ordering::Relaxed) && bytes.windows(2).any(|two| two == KANJI_ON) {
                    in_ticket = true;
                    state.tickets.fetch_add(1, Ordering::Relaxed);
                }
                printer.write_all(bytes).await?;
            }
            read = printer.read(&mut down) => match read? {
                0 => return Ok(()),
                bytes if !garbles => agent.write_all(&down[..bytes]).await?,
                _ => {}
            },
            () = tokio::time::sleep(EVERY), if garbles => {
                let bytes = chance.between(1, PIECE_BYTES_MAX);
                let piece: Vec<u8> = (0..bytes).map(|_| chance.bits() as u8).collect();
                agent.write_all(&piece).await?;
                state.pieces.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A store whose printer is behind a garbler.
async fn behind(garbler: impl FnOnce(&State)) -> anyhow::Result<(Shop, Garbler)> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    let stands_between = Garbler::start(shop.printer.address()).await?;
    garbler(&stands_between.state);
    let printers = vec![PrinterAt::only(stands_between.address)];
    let options = AgentOptions { printers, ..AgentOptions::default() };
    shop.agent = Agent::enrol(&shop.folder().join("behind"), &shop.hub, Shop::STORE, options)?;
    shop.agent.start_linked(&shop.hub).await?;
    Ok((shop, stands_between))
}

/// Waits until so much garbage has come, and the agent is still there.
async fn live_through(shop: &mut Shop, garbler: &Garbler, pieces: u64) -> anyhow::Result<()> {
    wait_for("garbage enough", PATIENCE, || {
        let come = garbler.state.pieces.load(Ordering::Relaxed);
        match shop.agent.process().map(|process| process.ended()) {
            Ok(Ok(None)) if come >= pieces => Ok(()),
            ended => Err(format!("{come} pieces, {ended:?}, {}", shop.agent.log_text())),
        }
    })
    .await?;
    Ok(())
}

fn believes_nothing(shop: &Shop, orders: &[PlacedOrder]) -> anyhow::Result<()> {
    for order in orders {
        let ticket = super::record(shop, order)?;
        ensure!(ticket.evidence.as_deref() != Some("fence"), "garbage was taken for a fence: {ticket:?}");
    }
    Ok(())
}

/// The line is mended: what waits comes out, and what waits for a person does once it is let go.
async fn comes_out(shop: &Shop, garbler: &Garbler, orders: &[PlacedOrder]) -> anyhow::Result<()> {
    garbler.state.always.store(false, Ordering::Relaxed);
    garbler.state.in_tickets.store(false, Ordering::Relaxed);
    // The connection that garbage came over goes.
    shop.printer.set(Fault::DropAfterBytes(0));
    for order in orders {
        let ledger = shop.hub.ledger()?;
        wait_for("the ticket to be printed", PATIENCE, || {
            let tickets = ledger.tickets().map_err(|error| error.to_string())?;
            let own = tickets.iter().find(|ticket| ticket.order == order.order_id);
            if own.is_some_and(|ticket| ticket.state == HELD) {
                shop.agent.command(&["release"]).map_err(|error| error.to_string())?;
            }
            if own.is_some_and(|ticket| ticket.state == PRINTED) { Ok(()) } else { Err(format!("{own:?}")) }
        })
        .await?;
        let slips = slips_of(shop, order);
        ensure!(!slips.is_empty() && are_marked_rightly(&slips), "{slips:#?}");
    }
    let last = shop.push(1_000).await?;
    until_state(shop, &last, PRINTED).await?;
    assert_printed_once(shop, &last)
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_no_evidence() -> anyhow::Result<()> {
    let (mut shop, garbler) = behind(|state| state.always.store(true, Ordering::Relaxed)).await?;
    let mut orders = Vec::new();
    for number in 1..=3 {
        orders.push(shop.push(number).await?);
    }
    live_through(&mut shop, &garbler, PIECES).await?;
    believes_nothing(&shop, &orders)?;
    comes_out(&shop, &garbler, &orders).await
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_behind_a_ticket_is_no_evidence() -> anyhow::Result<()> {
    let (mut shop, garbler) = behind(|_| ()).await?;
    // The line was in order once, and the printer has shown what it answers.
    let before = shop.push(1).await?;
    until_state(&shop, &before, PRINTED).await?;
    assert_printed_once(&shop, &before)?;
    garbler.state.in_tickets.store(true, Ordering::Relaxed);
    let orders = [shop.push(2).await?, shop.push(3).await?];
    live_through(&mut shop, &garbler, PIECES).await?;
    believes_nothing(&shop, &orders)?;
    ensure!(garbler.state.tickets.load(Ordering::Relaxed) > 0, "no ticket met with garbage");
    comes_out(&shop, &garbler, &orders).await
}
