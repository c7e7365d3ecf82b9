//! The agent is killed (SIGKILL) just before and just after every write that a ticket goes through, in the spool and in
//! the print journal.
//!
//! A kill that is only meant for a step proves nothing. So the agent is stopped again and again at random moments
//! (SIGSTOP), and looked at from outside ([`super::standing`]): where one of its tickets stands where a kill is wanted it is
//! killed there, else it goes on. How often each stand was really hit is counted, and too seldom is a failure. Where a
//! ticket stood decides what must come of it:
//!
//! | the last write was | and then |
//! |---|---|
//! | in the spool: stored and claimed; in the journal: withdrawn; in the spool: handed back | printed, unmarked |
//! | in the journal: begun | printed again, 补打 1, whether or not the printer had heard of it |
//! | in the journal: on paper; in the spool: printed, to be told | nothing: it is on paper |
//! | in the spool: may have come out, to be told | printed again, 补打 1 |
//!
//! In half of the rounds the next agent is killed as well, before or after it has settled what it found.
//!
//! A ticket is withdrawn only where the line is lost between the printer's last answer and the ticket's first byte. So
//! printers are unplugged while the agent stands still and has their answers before it, unread.

use super::standing::{Before, Found, Stand};
use super::{Kitchen, from_seed};
use anyhow::{Context, ensure};
use docket_tests::chain::{Ledger, PATIENCE};
use docket_tests::platform::orders::{Chance, PlacedOrder};
use docket_tests::virtual_printer::{Fault, PrinterOptions, VirtualPrinter};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SEED: u64 = 20_261_125;
/// Each write, where a ticket stands before it and where after it.
const WRITES: [(&str, Stand, Stand); 8] = [
    ("spool: stored and claimed", Stand::Made, Stand::Claimed),
    ("journal: begun", Stand::Claimed, Stand::Begun),
    ("journal: on paper", Stand::Answered, Stand::Fenced),
    ("spool: printed", Stand::Fenced, Stand::Printed),
    ("hub: told", Stand::Printed, Stand::Told),
    ("journal: withdrawn", Stand::Severed, Stand::Withdrawn),
    ("spool: handed back", Stand::Withdrawn, Stand::HandedBack),
    ("spool: may have come out", Stand::Torn, Stand::Doubted),
];
/// Kills at each stand with which the test is content.
const KILLS_MIN: u32 = 3;
/// Kills at most; then the test fails.
const KILLS_MAX: u64 = 90;
/// How long a stand is waited for; then the kill happens all the same, and counts for where it was.
const STAND_MAX: Duration = Duration::from_secs(4);
/// How long the agent goes on between two looks, at most. What lies between two system calls lasts some tens of µs.
const LOOK_US_MAX: usize = 400;
/// Where the next agent is to be killed before it has settled what it found, that is at one of so many looks.
const LOOKS_OF_A_START: usize = 12;
/// Bytes after which a line is lost: less than a ticket has.
const TORN_BYTES_MAX: usize = 500;
/// A ticket that comes sooner after the last answers has no preflight.
const NOT_FRESH: Duration = Duration::from_millis(150);

/// A killed agent, and where its tickets stood.
struct Kill {
    order: PlacedOrder,
    found: Vec<Found>,
    /// The next agent was killed, too.
    twice: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_and_after_each_write() -> anyhow::Result<()> {
    from_seed(SEED, Kitchen::open(&PrinterOptions::default()).await?, kill_and_judge).await
}

async fn kill_and_judge(kitchen: &mut Kitchen, seed: u64) -> anyhow::Result<()> {
    let mut chance = Chance::new(seed);
    // So that each printer is known to answer fences.
    kitchen.finish(1, PATIENCE).await?;
    let mut kills: Vec<Kill> = Vec::new();
    let mut tally = Tally::default();
    while let Some(wanted) = tally.rarest() {
        ensure!((kills.len() as u64) < KILLS_MAX, "hit too seldom:\n{}", tally.table());
        let kill = strike(kitchen, kills.len() as u64 + 2, wanted, &mut tally, &mut chance)
            .await
            .with_context(|| format!("kill {}, at {wanted:?}", kills.len()))?;
        kills.push(kill);
    }
    kitchen.finish(kills.len() as u64 + 2, PATIENCE).await?;
    println!("{} kills\n{}", kills.len(), tally.table());
    for Kill { order, found, twice } in &kills {
        for (found, judged) in found.iter().zip(kitchen.judge(order)?) {
            let expected = repeats(found.stand(), *twice);
            let told = || format!("#{}, twice: {twice}: {found:?}: {judged:?}", order.day_seq);
            ensure!(expected.contains(&judged.repeats), "not 补打 {expected:?}: {}", told());
        }
    }
    Ok(())
}

/// How often a ticket is repeated, by where it stood at the first kill.
fn repeats(stand: Stand, twice: bool) -> RangeInclusive<u32> {
    let (least, most) = match stand {
        Stand::Fenced | Stand::Printed | Stand::Told => return 0..=0,
        Stand::Made | Stand::Claimed | Stand::Queued | Stand::Withdrawn | Stand::HandedBack => (0, 0),
        Stand::Begun | Stand::InPrint | Stand::Answered | Stand::Severed | Stand::Torn | Stand::Doubted => {
            (1, 1)
        }
        Stand::Again => (1, 2),
    };
    // Its next attempt may have begun by then.
    least..=most + u32::from(twice)
}

/// Places an order and kills the agent where one of the order's tickets stands at `wanted`; starts it again, and waits until
/// everything is printed.
async fn strike(
    kitchen: &mut Kitchen,
    number: u64,
    wanted: Stand,
    tally: &mut Tally,
    chance: &mut Chance,
) -> anyhow::Result<Kill> {
    tokio::time::sleep(NOT_FRESH).await;
    let ledger = kitchen.hub.ledger()?;
    kitchen.agent.process()?.freeze()?;
    let before = Before::order(kitchen.agent.data(), &kitchen.stations)?;
    if let Stand::Torn | Stand::Doubted = wanted {
        for printer in &kitchen.stations {
            printer.set(Fault::DropAfterBytes(chance.below(TORN_BYTES_MAX) as u64));
        }
    }
    let order = kitchen.push(number).await?;
    let mut found = hold(kitchen, &before, &ledger, &order, wanted, chance).await?;
    kitchen.agent.process()?.kill();

    for printer in &kitchen.stations {
        let has_read_all = printer.wait_until(PATIENCE, |status| !status.connected);
        has_read_all.await.map_err(anyhow::Error::msg)?;
        printer.set(Fault::DropAfterBytes(u64::MAX));
        printer.set(Fault::Unplugged(false));
    }
    before.settle(&kitchen.stations, &mut found)?;
    tally.count(&found);
    let twice = chance.one_in(2);
    if twice {
        strike_again(kitchen, &before, &ledger, &order, &found, tally, chance)?;
    }
    kitchen.agent.start()?;
    kitchen.until_printed(&order, PATIENCE).await?;
    Ok(Kill { order, found, twice })
}

/// Lets the agent go on, a little at a time, until one of the order's tickets stands at `wanted`, or it is too late for
/// that. It stands still then.
async fn hold(
    kitchen: &mut Kitchen,
    before: &Before,
    ledger: &Ledger,
    order: &PlacedOrder,
    wanted: Stand,
    chance: &mut Chance,
) -> anyhow::Result<Vec<Found>> {
    let deadline = Instant::now() + STAND_MAX;
    let mut is_unplugged = false;
    loop {
        let found = before.find(kitchen.agent.data(), &kitchen.stations, ledger, order)?;
        let stands = |stand| found.iter().any(|found| found.stand() == stand);
        let is_over = found.iter().all(|found| found.stand() == Stand::Told) || Instant::now() >= deadline;
        if stands(wanted) || is_over {
            return Ok(found);
        }
        if let Stand::Severed | Stand::Withdrawn | Stand::HandedBack = wanted {
            if is_unplugged && found.iter().all(Found::is_past_loss) {
                return Ok(found);
            }
            if !is_unplugged && found.iter().any(Found::is_about_to_begin) {
                unplug(&kitchen.stations).await?;
                is_unplugged = true;
            }
        }
        let process = kitchen.agent.process()?;
        process.thaw()?;
        go_on(chance);
        process.freeze()?;
    }
}

/// Unplugs the printers, and waits until their lines are lost.
async fn unplug(printers: &[Arc<VirtualPrinter>]) -> anyhow::Result<()> {
    for printer in printers {
        printer.set(Fault::Unplugged(true));
    }
    for printer in printers {
        let is_lost = printer.wait_until(PATIENCE, |status| !status.connected);
        is_lost.await.map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

/// Starts the next agent, and kills it before or after it has settled what the last one left.
fn strike_again(
    kitchen: &mut Kitchen,
    before: &Before,
    ledger: &Ledger,
    order: &PlacedOrder,
    left: &[Found],
    tally: &mut Tally,
    chance: &mut Chance,
) -> anyhow::Result<()> {
    kitchen.agent.start()?;
    let deadline = Instant::now() + STAND_MAX;
    let waits = tally.settled < tally.unsettled;
    let has_settled = loop {
        go_on(chance);
        kitchen.agent.process()?.freeze()?;
        let now = before.find(kitchen.agent.data(), &kitchen.stations, ledger, order)?;
        let has_settled =
            left.iter().zip(&now).any(|(left, now)| left.is_unsettled() && !now.is_same_row(left));
        if has_settled || !waits && chance.one_in(LOOKS_OF_A_START) || Instant::now() >= deadline {
            break has_settled;
        }
        kitchen.agent.process()?.thaw()?;
    };
    kitchen.agent.process()?.kill();
    if left.iter().any(Found::is_unsettled) {
        *if has_settled { &mut tally.settled } else { &mut tally.unsettled } += 1;
    }
    Ok(())
}

/// Lets the agent go on for a moment. Tokio's clock is too coarse for that.
fn go_on(chance: &mut Chance) {
    std::thread::sleep(Duration::from_micros(chance.below(LOOK_US_MAX) as u64));
}

/// How often each stand was hit.
#[derive(Default)]
struct Tally {
    /// By stand: how often it was wanted, kills, tickets.
    stands: HashMap<Stand, (u32, u32, u32)>,
    /// Second kills before what the first had left was settled, and after that.
    unsettled: u32,
    settled: u32,
}

impl Tally {
    /// The stand that is to be hit next; `None` when each was hit often enough.
    fn rarest(&mut self) -> Option<Stand> {
        let wanted = WRITES.iter().flat_map(|&(_, before, after)| [before, after]);
        let rare = wanted.filter(|stand| self.of(*stand).1 < KILLS_MIN);
        let recovery_is_rare = self.settled.min(self.unsettled) < KILLS_MIN;
        // There is always something to settle then.
        let for_recovery = recovery_is_rare.then_some(Stand::Claimed);
        let rarest = rare.min_by_key(|stand| self.of(*stand).0).or(for_recovery)?;
        self.stands.entry(rarest).or_default().0 += 1;
        Some(rarest)
    }

    fn of(&self, stand: Stand) -> (u32, u32, u32) {
        self.stands.get(&stand).copied().unwrap_or_default()
    }

    fn count(&mut self, found: &[Found]) {
        let mut tickets: HashMap<Stand, u32> = HashMap::new();
        for one in found {
            *tickets.entry(one.stand()).or_default() += 1;
        }
        for (stand, tickets) in tickets {
            let (_, kills, all) = self.stands.entry(stand).or_default();
            *kills += 1;
            *all += tickets;
        }
    }

    fn table(&self) -> String {
        let side = |stand| {
            let (wanted, kills, tickets) = self.of(stand);
            format!("{kills:>3} kills of {wanted:>2} wanted, {tickets:>4} tickets")
        };
        let mut table = String::new();
        for (write, before, after) in WRITES {
            table += &format!("{write:<28} before: {}  after: {}\n", side(before), side(after));
        }
        table += &format!("recovery: {} kills before, {} after\n", self.unsettled, self.settled);
        let others = self
            .stands
            .iter()
            .filter(|(stand, _)| !WRITES.iter().any(|(_, before, after)| [before, after].contains(stand)));
        table + &format!("besides: {:?}", others.collect::<Vec<_>>())
    }
}
