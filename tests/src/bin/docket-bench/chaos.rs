//! The simulated month of a chain, over many seeds.

use docket_tests::chaos::{DAYS, Plan, STORES, Violation, replay, run_all};
use serde_json::json;
use std::num::NonZero;
use std::time::Instant;

/// No more seeds are run beyond so many failures: the first ones say enough.
const FAILURES_MAX: usize = 50;
/// Of so many failing seeds the last events are shown.
const REPLAYED: usize = 3;

/// Runs `seeds` seeds from `from`, on all processors.
///
/// # Errors
/// Where a seed is not the same twice.
pub fn measure(from: u64, seeds: u64) -> anyhow::Result<serde_json::Value> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (plan, at) = (Plan::default(), Instant::now());
    println!("{STORES} stores, {DAYS} days, seeds {from}..{}, {threads} threads", from + seeds);
    let outcome = run_all(from..from + seeds, &plan, threads, FAILURES_MAX);
    let took_s = at.elapsed().as_secs_f64();
    for (what, times) in outcome.tally.all() {
        println!("{times:>12} {what}");
    }
    for (seed, failure) in outcome.failures.iter().take(REPLAYED) {
        let (events, again) = replay(*seed, &plan);
        println!("{events}seed {seed}: {}", failure.text);
        println!("alone: ./bench chaos --from {seed} --seeds 1");
        anyhow::ensure!(
            again.as_ref().err() == Some(failure),
            "seed {seed} is not the same twice: {again:?}"
        );
    }
    let tally = &outcome.tally;
    Ok(json!({
        "seeds": outcome.seeds,
        "lost": outcome.count(Violation::Lost),
        "repeats": outcome.count(Violation::Repeat),
        "false_done": outcome.count(Violation::FalseDone),
        "broken": outcome.count(Violation::Broken),
        "orders": tally.get("accepted"),
        "counter_orders": tally.get("sold"),
        "slips": tally.get("slip"),
        "marked_repeats": tally.get("marked slip"),
        "unknown": tally.get("told: unknown"),
        "took_s": took_s,
    }))
}
