//! 310 runs from a seed (`DOCKET_SEED`): any fault at any moment, each at a printer of its own, 31 at a time.
//!
//! In six of the ten rounds the agent is killed (SIGKILL) as well, where one of the tickets stands ([`super::standing`]): it
//! is in print, on paper, has been reported. That hits each of the 31 tickets wherever it is, beside its fault. In one
//! round the printers are silent or answer garbage; an answer that never comes takes half a minute to give up.

use super::cells::{Moment, Run, Trouble};
use super::standing::{Before, Found, Stand};
use super::{Kitchen, STATIONS, from_seed, slow};
use anyhow::{Context, ensure};
use docket_tests::chain::{Agent, Hub};
use docket_tests::platform::orders::{Chance, PlacedOrder};
use docket_tests::virtual_printer::{Fault, Status, VirtualPrinter};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SEED: u64 = 20_261_124;
const ROUNDS: usize = 10;
/// An answer that never comes is given up after 30 s.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a stand is waited for.
const STEP_MAX: Duration = Duration::from_secs(6);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// What the killed agent stays down for at most.
const DOWN_MS_MAX: usize = 60;

/// Where a ticket stands when the agent is killed, in turn.
const STANDS: [Stand; 3] = [Stand::InPrint, Stand::Fenced, Stand::Told];

#[tokio::test(flavor = "multi_thread")]
async fn any_fault_at_any_moment() -> anyhow::Result<()> {
    from_seed(SEED, Kitchen::open(&slow()).await?, rounds).await
}

async fn rounds(kitchen: &mut Kitchen, seed: u64) -> anyhow::Result<()> {
    let mut chance = Chance::new(seed);
    // So that each is known to answer fences.
    kitchen.finish(1, PATIENCE).await?;
    let mut played = Vec::new();
    let mut hits: HashMap<Stand, Vec<bool>> = HashMap::new();
    let mut quick = deck(&Trouble::QUICK, (ROUNDS - 1) * STATIONS, &mut chance).into_iter();
    for round in 0..ROUNDS {
        let hand: Vec<Run> = match round {
            0 => deck(&Trouble::SLOW, STATIONS, &mut chance),
            _ => quick.by_ref().take(STATIONS).collect(),
        };
        let stand = (1..=2 * STANDS.len()).contains(&round).then(|| STANDS[round % STANDS.len()]);
        let (order, came, was_there) = play(kitchen, round as u64 + 2, hand.clone(), stand, &mut chance)
            .await
            .with_context(|| format!("round {round}, {stand:?}"))?;
        if let Some(stand) = stand {
            hits.entry(stand).or_default().push(was_there);
        }
        played.push((order, hand, came, stand));
    }
    kitchen.finish(ROUNDS as u64 + 2, PATIENCE).await?;

    let mut reached: HashMap<(Trouble, Moment), (u32, u32)> = HashMap::new();
    let (mut runs, mut repeats) = (0, 0);
    for (order, hand, came, stand) in &played {
        for ((run, came), judged) in hand.iter().zip(came).zip(kitchen.judge(order)?) {
            let cell = || format!("#{} {:?} {:?}, killed {stand:?}", order.day_seq, run.trouble, run.moment);
            if run.trouble.keeps_the_line() && stand.is_none() {
                ensure!(judged.repeats == 0 && judged.cut, "{}: the printer went on by itself", cell());
            }
            ensure!(judged.repeats <= 1 + u32::from(stand.is_some()), "{}: 补打 {}", cell(), judged.repeats);
            let (times, drawn) = reached.entry((run.trouble, run.moment)).or_default();
            *times += u32::from(*came);
            *drawn += 1;
            runs += 1;
            repeats += judged.repeats;
        }
    }
    println!("{runs} runs, {repeats} repeats; killed, and was there: {hits:?}");
    let missed: Vec<_> = hits.iter().filter(|(_, hits)| !hits.contains(&true)).collect();
    ensure!(missed.is_empty(), "no kill landed at {missed:?}");
    let unreached: Vec<_> = reached.iter().filter(|(_, (times, _))| *times == 0).collect();
    ensure!(unreached.is_empty(), "never came to {unreached:?}");
    let held = kitchen.hub.ledger()?.number("SELECT count(*) FROM tickets WHERE state = 4")?;
    ensure!(held == 0 && runs >= 300, "{held} tickets wait for a person; {runs} runs");
    Ok(())
}

/// Every fault at every moment about equally often, in any order.
pub fn deck(troubles: &[Trouble], runs: usize, chance: &mut Chance) -> Vec<Run> {
    let cells = troubles.iter().flat_map(|&trouble| Moment::ALL.map(|moment| (trouble, moment)));
    let mut deck: Vec<Run> = Vec::new();
    for (trouble, moment) in cells.cycle().take(runs) {
        deck.push(Run { trouble, moment, chance: Chance::new(chance.bits()) });
    }
    for place in (1..deck.len()).rev() {
        deck.swap(place, chance.below(place + 1));
    }
    deck
}

/// One order, with a fault at each of its printers; which of the moments came; and whether the agent was killed where it was
/// meant to be.
pub async fn play(
    kitchen: &mut Kitchen,
    number: u64,
    mut hand: Vec<Run>,
    stand: Option<Stand>,
    chance: &mut Chance,
) -> anyhow::Result<(PlacedOrder, Vec<bool>, bool)> {
    let before: Vec<Status> = kitchen.stations.iter().map(|printer| printer.status()).collect();
    let before_order = Before::order(kitchen.agent.data(), &kitchen.stations)?;
    for (run, printer) in hand.iter_mut().zip(&kitchen.stations) {
        run.prepare(printer);
    }
    let order = kitchen.push(number).await?;
    let Kitchen { hub, agent, stations, .. } = &mut *kitchen;
    let faults = async {
        let mut runs = JoinSet::new();
        for (place, ((run, printer), before)) in (0..).zip(hand.into_iter().zip(stations.iter()).zip(before))
        {
            let printer = Arc::clone(printer);
            runs.spawn(async move { (place, run.happen(&printer, &before).await) });
        }
        let mut came: Vec<(usize, bool)> = runs.join_all().await;
        came.sort_unstable();
        came.into_iter().map(|(_, came)| came).collect::<Vec<bool>>()
    };
    let kill = async {
        let Some(stand) = stand else { return Ok(false) };
        let was_there = hold(hub, agent, stations, &before_order, &order, stand).await?;
        agent.process()?.kill();
        tokio::time::sleep(Duration::from_millis(chance.below(DOWN_MS_MAX) as u64)).await;
        agent.start()?;
        anyhow::Ok(was_there)
    };
    let (came, killed) = tokio::join!(faults, kill);
    let was_there = killed?;
    kitchen.until_printed(&order, PATIENCE).await?;
    for printer in &kitchen.stations {
        // A contact that is still to be lost is not lost in a later run.
        printer.set(Fault::DropAfterBytes(u64::MAX));
    }
    Ok((order, came, was_there))
}

/// Lets the agent go on until one of the order's tickets stands there, or for [`STEP_MAX`]; whether one does. It stands still
/// then.
async fn hold(
    hub: &Hub,
    agent: &mut Agent,
    printers: &[Arc<VirtualPrinter>],
    before: &Before,
    order: &PlacedOrder,
    stand: Stand,
) -> anyhow::Result<bool> {
    let deadline = Instant::now() + STEP_MAX;
    let ledger = hub.ledger()?;
    loop {
        agent.process()?.freeze()?;
        let found = before.find(agent.data(), printers, &ledger, order)?;
        let is_there = found.iter().map(Found::stand).any(|found| found == stand);
        if is_there || Instant::now() >= deadline {
            return Ok(is_there);
        }
        agent.process()?.thaw()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
