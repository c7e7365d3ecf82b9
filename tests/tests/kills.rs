//! Killed with SIGKILL at every step of an order's way: nothing that was accepted is lost, nothing comes out twice
//! without 补打, and nothing is called printed without evidence.
//!
//! A hub and an agent are killed [`KILLS`] times while Meituan keeps pushing. Each kill waits for one of the steps in
//! [`Step`], drawn from a shuffled deck, so that all of them come up about equally often. The two virtual printers
//! live on, as printers do, and what they have on paper is the judge. `front` is slow and has a small buffer, so
//! that kills land in mid-ticket; `kitchen` prints in no time.
//!
//! The seed (`DOCKET_SEED`) fixes orders, deck and delays, not how three processes interleave: a failure with a
//! seed is likely, not certain, to come again.
//!
//! A ticket that is interrupted three times waits for a person. That happens here as it does in a shop, and the
//! test does what a person would: `docket-agent release`.

mod paper;
mod platform;
mod steps;

use anyhow::Context;
use docket_tests::chain::shop::PRINTED;
use docket_tests::chain::{
    Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, Shop, TicketRow, wait_for,
};
use docket_tests::platform::orders::Chance;
use docket_tests::virtual_printer::{Fault, Paper as Roll, PrinterOptions, VirtualPrinter};
use paper::{Paper, judge};
use platform::Platform;
use std::collections::HashMap;
use std::time::Duration;
use steps::{Step, Victim};
use tempfile::TempDir;

const KILLS: usize = 200;
const SEED: u64 = 20_261_123;
pub const STORE: &str = "S0042";
const ROUTING: &str = "[[routing.stations]]\nname = \"kitchen\"\ndishes = [\"*\"]\n";
const HELD: i64 = 4;
/// Fast for a printer, and slow enough to be hit in mid-ticket: a line takes 4 ms.
const SPEED_MM_PER_S: u32 = 1_000;
/// Less than half a ticket.
const BUFFER_BYTES: usize = 512;
/// Much less than the 45 s after which a connection counts as dead by itself.
const LEARNS_MAX: Duration = Duration::from_secs(10);
/// What a killed process stays down for at most, in ms.
const DOWN_MS_MAX: usize = 60;

/// A hub, an agent, and two printers.
pub struct Chain {
    pub hub: Hub,
    pub agent: Agent,
    pub front: VirtualPrinter,
    pub kitchen: VirtualPrinter,
    _folder: TempDir,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step() -> anyhow::Result<()> {
    let seed = std::env::var("DOCKET_SEED").map_or(Ok(SEED), |text| text.parse()).context("DOCKET_SEED")?;
    let mut chain = open().await?;
    let result = kill_and_judge(&mut chain, seed).await;
    if result.is_err() {
        println!("the agent's log:\n{}\nthe hub's log:", chain.agent.log_text());
        println!("{}", chain.hub.process().log_text());
    }
    result.with_context(|| format!("again with DOCKET_SEED={seed}"))
}

async fn open() -> anyhow::Result<Chain> {
    let folder = tempfile::Builder::new().prefix("docket-kills-").tempdir()?;
    let slow = PrinterOptions {
        speed_mm_per_s: SPEED_MM_PER_S,
        buffer_bytes: BUFFER_BYTES,
        ..PrinterOptions::default()
    };
    let (front, kitchen) = (VirtualPrinter::start(slow)?, VirtualPrinter::start(PrinterOptions::default())?);
    let options = HubOptions { routing: ROUTING.into(), ..HubOptions::default() };
    let hub = Hub::start(&folder.path().join("hub"), options).await?;
    hub.add_store(STORE, "测试面馆")?;
    let printers = vec![
        PrinterAt::only(front.address()),
        PrinterAt {
            name: "kitchen".into(),
            address: kitchen.address().to_string(),
            stations: vec!["kitchen".into()],
            default: false,
        },
    ];
    let options = AgentOptions { printers, ..AgentOptions::default() };
    let mut agent = Agent::enrol(&folder.path().join("agent"), &hub, STORE, options)?;
    agent.start_linked(&hub).await?;
    Ok(Chain { hub, agent, front, kitchen, _folder: folder })
}

async fn kill_and_judge(chain: &mut Chain, seed: u64) -> anyhow::Result<()> {
    let mut chance = Chance::new(seed);
    let platform = Platform::start(&chain.hub, seed);
    let mut paper = Paper::default();
    let mut tally: HashMap<Step, (u32, u32)> = HashMap::new();
    let mut releases = 0;
    for step in deck(&mut chance) {
        let reached = steps::reach(step, chain, &platform, &mut chance).await;
        let (reached_times, drawn) = tally.entry(step).or_default();
        *reached_times += u32::from(reached);
        *drawn += 1;
        strike(step, chain, &mut chance).await?;
        if step.victim() == Victim::Hub {
            let accepted = platform.accepted();
            let tickets = chain.hub.ledger()?.tickets()?;
            paper.check_accepted(&accepted, &tickets)?;
            paper.check_printed(&tickets, [&chain.front, &chain.kitchen])?;
            releases += release_held(chain, &tickets)?;
        }
    }
    let mut unreached = Vec::new();
    for step in Step::ALL {
        let (reached, drawn) = tally.get(&step).copied().unwrap_or_default();
        println!("{:<28}{reached:>4} of {drawn}", format!("{step:?}"));
        if reached == 0 {
            unreached.push(step);
        }
    }
    anyhow::ensure!(unreached.is_empty(), "no kill landed at {unreached:?}");

    let orders = platform.finish().await?;
    releases += settle(chain, orders.len()).await?;
    let tickets = chain.hub.ledger()?.tickets()?;
    paper.check_accepted(&orders, &tickets)?;
    // A killed agent goes on where it was: it has not lost a ticket that it had acknowledged.
    let ledger = chain.hub.ledger()?;
    let alarms = ledger.alarms()?;
    anyhow::ensure!(alarms.is_empty(), "alarms: {alarms:?}");
    // The machine was never off, so the journal has the last word, also in what it does not say.
    let needless = ledger.number("SELECT count(*) FROM tickets WHERE doubt = 'power-lost'")?;
    anyhow::ensure!(needless == 0, "{needless} tickets were doubted as after a power cut");
    let summary = judge(&orders, &tickets, &chain.front, &chain.kitchen)?;
    println!("{summary}; {releases} times a person let held tickets go");
    chain.agent.process()?.end()?;
    chain.hub.process().end()?;
    Ok(())
}

/// Every step about equally often, in any order.
fn deck(chance: &mut Chance) -> Vec<Step> {
    let mut deck: Vec<Step> = Step::ALL.into_iter().cycle().take(KILLS).collect();
    for place in (1..deck.len()).rev() {
        deck.swap(place, chance.below(place + 1));
    }
    deck
}

/// Kills the step's victim, and starts it again.
async fn strike(step: Step, chain: &mut Chain, chance: &mut Chance) -> anyhow::Result<()> {
    let down = Duration::from_millis(chance.below(DOWN_MS_MAX) as u64);
    match step.victim() {
        Victim::Hub => {
            chain.hub.process().kill();
            tokio::time::sleep(down).await;
            chain.hub.restart().await?;
            // An agent learns at its next word that the hub is another, and an idle one has nothing to say for up to
            // 15 s. Here somebody is at its printer all the time.
            let near_end = chain.kitchen.status().conditions.paper == Roll::NearEnd;
            chain.kitchen.set(if near_end { Fault::PaperIn } else { Fault::PaperNearEnd });
        }
        Victim::Agent => {
            if step == Step::LineTorn {
                chain.front.set(Fault::DropAfterBytes(0));
            }
            let process = chain.agent.process()?;
            anyhow::ensure!(process.ended()?.is_none(), "the agent had ended by itself");
            process.kill();
            tokio::time::sleep(down).await;
            if step == Step::FenceHeld && chance.one_in(2) {
                chain.front.set(Fault::PaperIn);
            }
            chain.agent.start()?;
            chain.front.set(Fault::PaperIn);
        }
    }
    Ok(())
}

/// What a person does about tickets that wait for one.
fn release_held(chain: &Chain, tickets: &[TicketRow]) -> anyhow::Result<u32> {
    if tickets.iter().all(|ticket| ticket.state != HELD) {
        return Ok(0);
    }
    let output = chain.agent.command(&["release"])?;
    anyhow::ensure!(output.status.success(), "release: {}", String::from_utf8_lossy(&output.stderr));
    Ok(1)
}

/// Waits until everything is printed, as far as the hub knows, and the last slip is cut.
async fn settle(chain: &Chain, orders: usize) -> anyhow::Result<u32> {
    let mut releases = 0;
    let ledger = chain.hub.ledger()?;
    let mut released_at: Option<std::time::Instant> = None;
    wait_for("all tickets to be printed", PATIENCE * 2, || {
        let tickets = ledger.tickets().map_err(|error| error.to_string())?;
        if released_at.is_none_or(|at| at.elapsed() > Duration::from_secs(2)) {
            let released = release_held(chain, &tickets).map_err(|error| error.to_string())?;
            released_at = (released > 0).then(std::time::Instant::now);
            releases += released;
        }
        let open: Vec<_> = tickets.iter().filter(|ticket| ticket.state != PRINTED).collect();
        if open.is_empty() && tickets.len() >= orders { Ok(()) } else { Err(format!("{open:#?}")) }
    })
    .await?;
    for printer in [&chain.front, &chain.kitchen] {
        let idle = printer
            .wait_until(PATIENCE, |status| status.bytes_waiting == 0 && status.paper_so_far.is_empty());
        idle.await.map_err(anyhow::Error::msg)?;
    }
    Ok(releases)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_learns_at_its_next_word_that_the_hub_was_killed() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let order = shop.push(1).await?;
    shop.until_printed(&[order]).await?;
    let sessions = shop.hub.ledger()?.sessions()?;
    shop.hub.process().kill();
    shop.hub.restart().await?;
    // A word: how the printer is.
    shop.printer.set(Fault::PaperNearEnd);
    let ledger = shop.hub.ledger()?;
    wait_for("the next session", LEARNS_MAX, || match ledger.sessions() {
        Ok(now) if now > sessions => Ok(()),
        seen => Err(format!("{seen:?}\n{}", shop.agent.log_text())),
    })
    .await?;
    let order = shop.push(2).await?;
    shop.until_printed(&[order]).await
}
