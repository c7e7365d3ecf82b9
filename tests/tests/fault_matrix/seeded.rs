//! 310 runs from a seed (`DOCKET_SEED`): any fault at any moment, each at a printer of its own, 31 at a time.
//!
//! In six of the ten rounds the agent is killed (SIGKILL) as well, at a step of its journal: a ticket has begun, is on
//! paper, has been reported. That hits each of the 31 tickets wherever it is, beside its fault. In one round the printers
//! are silent or answer garbage; an answer that never comes takes half a minute to give up.

use super::cells::{Moment, Run, Trouble};
use super::{Kitchen, STATIONS, station};
use anyhow::{Context, ensure};
use docket_tests::chain::Ledger;
use docket_tests::chain::shop::PRINTED;
use docket_tests::platform::orders::{Chance, PlacedOrder};
use docket_tests::virtual_printer::{Fault, PrinterOptions, Status};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SEED: u64 = 20_261_124;
const ROUNDS: usize = 10;
/// Slow enough to be hit in the middle.
const SPEED_MM_PER_S: u32 = 400;
/// Less than a ticket.
const BUFFER_BYTES: usize = 512;
/// An answer that never comes is given up after 30 s.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a step of the journal is waited for.
const STEP_MAX: Duration = Duration::from_secs(6);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// What the killed agent stays down for at most.
const DOWN_MS_MAX: usize = 60;

/// A record of the print journal: see `docket_agent::printing::journal`.
const RECORD_BYTES: usize = 64;
const PHASE_AT: usize = 4;
const SERIAL_AT: std::ops::Range<usize> = 24..32;
const BEGAN: u8 = 1;
const FENCED: u8 = 2;

/// Where the agent is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The journal says that a ticket has begun.
    Began,
    /// The journal says that it is on paper; most likely the spool does not know yet.
    Fenced,
    /// Headquarters knows that a ticket is printed.
    Told,
}

const STEPS: [Step; 3] = [Step::Began, Step::Fenced, Step::Told];

#[tokio::test(flavor = "multi_thread")]
async fn any_fault_at_any_moment() -> anyhow::Result<()> {
    let seed = std::env::var("DOCKET_SEED").map_or(Ok(SEED), |text| text.parse()).context("DOCKET_SEED")?;
    let printer = PrinterOptions {
        speed_mm_per_s: SPEED_MM_PER_S,
        buffer_bytes: BUFFER_BYTES,
        ..PrinterOptions::default()
    };
    let mut kitchen = Kitchen::open(&printer).await?;
    let result = rounds(&mut kitchen, seed).await;
    if result.is_err() {
        println!("the agent's log:\n{}", kitchen.agent.log_text());
    }
    result.with_context(|| format!("again with DOCKET_SEED={seed}"))
}

async fn rounds(kitchen: &mut Kitchen, seed: u64) -> anyhow::Result<()> {
    let mut chance = Chance::new(seed);
    // So that each is known to answer fences.
    kitchen.finish(1, PATIENCE).await?;
    let mut played = Vec::new();
    let mut quick = deck(&Trouble::QUICK, (ROUNDS - 1) * STATIONS, &mut chance).into_iter();
    for round in 0..ROUNDS {
        let hand: Vec<Run> = match round {
            0 => deck(&Trouble::SLOW, STATIONS, &mut chance),
            _ => quick.by_ref().take(STATIONS).collect(),
        };
        let step = (1..=2 * STEPS.len()).contains(&round).then(|| STEPS[round % STEPS.len()]);
        let (order, came) = play(kitchen, round as u64 + 2, hand.clone(), step, &mut chance)
            .await
            .with_context(|| format!("round {round}, {step:?}"))?;
        played.push((order, hand, came, step));
    }
    kitchen.finish(ROUNDS as u64 + 2, PATIENCE).await?;

    let mut reached: HashMap<(Trouble, Moment), (u32, u32)> = HashMap::new();
    let (mut runs, mut repeats) = (0, 0);
    for (order, hand, came, step) in &played {
        for ((run, came), judged) in hand.iter().zip(came).zip(kitchen.judge(order)?) {
            let cell = || format!("#{} {:?} {:?}, killed {step:?}", order.day_seq, run.trouble, run.moment);
            if run.trouble.keeps_the_line() && step.is_none() {
                ensure!(judged.repeats == 0 && judged.cut, "{}: the printer went on by itself", cell());
            }
            ensure!(judged.repeats <= 1 + u32::from(step.is_some()), "{}: 补打 {}", cell(), judged.repeats);
            let (times, drawn) = reached.entry((run.trouble, run.moment)).or_default();
            *times += u32::from(*came);
            *drawn += 1;
            runs += 1;
            repeats += judged.repeats;
        }
    }
    let kills = played.iter().filter(|(_, _, _, step)| step.is_some()).count();
    println!("{runs} runs, {kills} kills, {repeats} repeats");
    let unreached: Vec<_> = reached.iter().filter(|(_, (times, _))| *times == 0).collect();
    ensure!(unreached.is_empty(), "never came to {unreached:?}");
    let held = kitchen.hub.ledger()?.number("SELECT count(*) FROM tickets WHERE state = 4")?;
    ensure!(held == 0 && runs >= 300, "{held} tickets wait for a person; {runs} runs");
    Ok(())
}

/// Every fault at every moment about equally often, in any order.
fn deck(troubles: &[Trouble], runs: usize, chance: &mut Chance) -> Vec<Run> {
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

/// One order, with a fault at each of its printers; and which of the moments came.
async fn play(
    kitchen: &mut Kitchen,
    number: u64,
    mut hand: Vec<Run>,
    step: Option<Step>,
    chance: &mut Chance,
) -> anyhow::Result<(PlacedOrder, Vec<bool>)> {
    let before: Vec<Status> = kitchen.stations.iter().map(|printer| printer.status()).collect();
    let watched = chance.below(STATIONS);
    let journal = Journal::of(kitchen.agent.data(), &station(watched));
    let serial = journal.newest().map_or(0, |(serial, _)| serial);
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
        let Some(step) = step else { return Ok(()) };
        let ledger = hub.ledger()?;
        reach(step, &journal, serial, &ledger, &order).await;
        let process = agent.process()?;
        ensure!(process.ended()?.is_none(), "the agent had ended by itself");
        process.kill();
        tokio::time::sleep(Duration::from_millis(chance.below(DOWN_MS_MAX) as u64)).await;
        agent.start()
    };
    let (came, killed) = tokio::join!(faults, kill);
    killed?;
    kitchen.until_printed(&order, PATIENCE).await?;
    for printer in &kitchen.stations {
        // A contact that is still to be lost is not lost in a later run.
        printer.set(Fault::DropAfterBytes(u64::MAX));
    }
    Ok((order, came))
}

/// Waits until the agent is at the step, or for [`STEP_MAX`]: then it is killed all the same.
async fn reach(step: Step, journal: &Journal, serial: u64, ledger: &Ledger, order: &PlacedOrder) {
    let deadline = Instant::now() + STEP_MAX;
    let is_there = || match step {
        Step::Began => journal.newest().is_some_and(|(now, phase)| now > serial && phase == BEGAN),
        Step::Fenced => journal.newest().is_some_and(|(now, phase)| now > serial && phase == FENCED),
        Step::Told => {
            let printed = format!(
                "SELECT count(*) FROM tickets JOIN orders ON orders.number = tickets.order_number
                 WHERE orders.id = '{}' AND state = {PRINTED} AND station <> 'front'",
                order.order_id
            );
            ledger.number(&printed).is_ok_and(|count| count > 0)
        }
    };
    while !is_there() && Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A printer's journal, read while the agent writes it.
struct Journal(PathBuf);

impl Journal {
    fn of(data: &Path, printer: &str) -> Self {
        Journal(data.join("journal").join(format!("p-{printer}.bin")))
    }

    /// Serial number and phase of the newest record.
    fn newest(&self) -> Option<(u64, u8)> {
        let bytes = std::fs::read(&self.0).ok()?;
        let records = bytes.as_chunks::<RECORD_BYTES>().0.iter().filter(|record| record[PHASE_AT] != 0);
        records
            .map(|record| {
                let mut serial = [0; 8];
                serial.copy_from_slice(&record[SERIAL_AT]);
                (u64::from_le_bytes(serial), record[PHASE_AT])
            })
            .max()
    }
}
