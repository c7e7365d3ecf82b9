//! The simulated month of a whole chain: see [`docket_tests::chaos`].
//!
//! `DOCKET_SEED=17` runs that one alone (test `one_seed`), `DOCKET_SEED=1000..2000` a range of others.

use docket_tests::chaos::{Plan, Sabotage, Tally, Violation, replay, run, run_all};
use std::ops::Range;

/// No seed is run beyond so many failures: the first ones say enough.
const FAILURES_MAX: usize = 3;
/// A broken rule is found within so many seeds.
const SEEDS_TO_FIND_MAX: u64 = 3;

fn hold(seeds: Range<u64>) -> Tally {
    let plan = Plan::default();
    let outcome = run_all(seeds, &plan, 1, FAILURES_MAX);
    for (seed, failure) in &outcome.failures {
        let (events, again) = replay(*seed, &plan);
        eprintln!("\n{events}seed {seed}: {failure:?}");
        eprintln!("alone: DOCKET_SEED={seed} cargo nextest run -p docket-tests chaos::one_seed\n");
        assert_eq!(again.as_ref().err(), Some(failure), "seed {seed} is not the same twice");
    }
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    outcome.tally
}

/// A simulation that is kinder than it says proves nothing.
fn expect_faults(tally: &Tally) {
    for what in [
        "accepted",
        "accepted untold",
        "agent disk full",
        "agent full",
        "asleep",
        "better way",
        "clock jump",
        "commit untold",
        "connection",
        "copy",
        "cover open",
        "cut",
        "cutter jammed",
        "decided by a person",
        "duplicated",
        "exchanged",
        "expired",
        "fenced",
        "gap",
        "gone with its spool",
        "hub disk full",
        "hub full",
        "hub restart",
        "hub-unavailable",
        "hung",
        "killed",
        "line lost",
        "lost",
        "marked slip",
        "no-greeting",
        "offline",
        "overtaken",
        "paper out",
        "partition",
        "PC lost power",
        "printer asked",
        "printer off",
        "pushed again",
        "renumber",
        "session",
        "settled by a person",
        "silence",
        "skip",
        "slip",
        "sold",
        "spool lost",
        "spool restored",
        "stale hello",
        "stalled",
        "status",
        "superseded",
        "switch",
        "told: held",
        "told: unknown",
        "too hot",
        "uploaded again",
    ] {
        assert!(tally.get(what) > 0, "no {what} in {tally:?}");
    }
}

#[test]
fn seeds_0_to_49() {
    expect_faults(&hold(0..50));
}

#[test]
fn seeds_50_to_99() {
    expect_faults(&hold(50..100));
}

#[test]
fn seeds_100_to_149() {
    expect_faults(&hold(100..150));
}

#[test]
fn seeds_150_to_199() {
    expect_faults(&hold(150..200));
}

#[test]
fn one_seed() {
    let wanted = std::env::var("DOCKET_SEED").unwrap_or_else(|_| "200".to_owned());
    let seeds = match wanted.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => wanted.parse().unwrap()..wanted.parse::<u64>().unwrap() + 1,
    };
    println!("{:?}", hold(seeds));
}

#[test]
fn a_seed_is_the_same_bit_by_bit_each_time() {
    let plan = Plan { days: 10, ..Plan::default() };
    let first = run(7, &plan).unwrap();
    let (_, second) = replay(7, &plan);
    assert_eq!(second, Ok(first.clone()));
    assert_ne!(run(8, &plan).unwrap().digest, first.digest);
}

fn finds(sabotage: Sabotage, expected: &[Violation]) {
    let plan = Plan { sabotage, ..Plan::default() };
    let outcome = run_all(0..SEEDS_TO_FIND_MAX, &plan, 1, 1);
    let (_, failure) = outcome.failures.first().expect("a broken rule is found");
    assert!(expected.contains(&failure.violation), "{failure:?}");
}

#[test]
fn an_acknowledgement_before_the_commit_is_found() {
    finds(Sabotage::AcknowledgesEarly, &[Violation::Broken]);
}

#[test]
fn a_repeat_without_a_mark_is_found() {
    finds(Sabotage::ForgetsMarks, &[Violation::Repeat]);
}

#[test]
fn doubt_that_is_taken_for_paper_is_found() {
    finds(Sabotage::TakesDoubtForPaper, &[Violation::FalseDone]);
}
