//! Fuzzing for a bounded time: mutated inputs against frames and both sessions, guided by what they set off.
//!
//! An input is bytes, read as frames or as a program of a session's inputs ([`program`]), in any order and with any
//! numbers: a peer and a shell that keep no rule. What must hold is checked after each step by an observer that knows only
//! what was said and told ([`agent`], [`hub`], [`frames`]). An input that sets off something new (an event in a state with
//! effects that were not seen together before) joins the pool that further ones are made of.
//!
//! `tests/corpus` keeps inputs, one in a file, as hexadecimal text: what once failed, and what a long run has found. They
//! are played first. `DOCKET_FUZZ_RUNS=1000000 cargo nextest run -p docket-protocol fuzz` runs longer, and with
//! `DOCKET_FUZZ_KEEP=1` what is new is kept.

mod agent;
mod frames;
mod hub;
mod program;

use docket_tests::chaos::Chance;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Inputs that are made of each pool in `./check`.
const RUNS: u64 = 20_000;
/// An input's bytes: some hundred steps.
const INPUT_BYTES_MAX: usize = 600;
const POOL_MAX: usize = 2_000;
/// Tries to make a failing input smaller.
const SHRINKS_MAX: usize = 2_000;

/// Runs an input and gives back what it set off; panics where something does not hold.
type Target = fn(&[u8]) -> BTreeSet<u64>;

struct Fuzz {
    name: &'static str,
    target: Target,
    pool: Vec<Vec<u8>>,
    seen: BTreeSet<u64>,
}

impl Fuzz {
    /// With what is kept.
    fn new(name: &'static str, target: Target) -> Self {
        let mut fuzz = Fuzz { name, target, pool: vec![vec![0]], seen: BTreeSet::new() };
        let files = std::fs::read_dir(fuzz.folder()).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
        files.sort();
        fuzz.pool.extend(files.iter().map(|file| from_hex(&std::fs::read_to_string(file).unwrap())));
        fuzz
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(self.name)
    }

    /// Whether it set off something new; or why it failed.
    fn play(&mut self, input: &[u8]) -> Result<bool, String> {
        let target = self.target;
        let set_off = catch_unwind(AssertUnwindSafe(|| target(input))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        })?;
        let before = self.seen.len();
        self.seen.extend(set_off);
        Ok(self.seen.len() > before)
    }

    /// Plays what is kept, then what is made of it. The first input that fails is made small.
    fn run(&mut self, runs: u64) -> Result<(), (Vec<u8>, String)> {
        let mut chance = Chance::new(runs);
        let keep = std::env::var_os("DOCKET_FUZZ_KEEP").is_some();
        for input in self.pool.clone() {
            if self.play(&input).is_err() {
                return Err(self.smaller(input));
            }
        }
        for _ in 0..runs {
            let input = self.mutated(&mut chance);
            match self.play(&input) {
                Ok(true) if self.pool.len() < POOL_MAX => {
                    if keep {
                        std::fs::create_dir_all(self.folder()).unwrap();
                        let name = format!("{:04}.hex", self.pool.len());
                        std::fs::write(self.folder().join(name), to_hex(&input) + "\n").unwrap();
                    }
                    self.pool.push(input);
                }
                Ok(_) => {}
                Err(_) => return Err(self.smaller(input)),
            }
        }
        Ok(())
    }

    fn mutated(&self, chance: &mut Chance) -> Vec<u8> {
        let pick = |chance: &mut Chance| {
            self.pool[usize::try_from(chance.below(self.pool.len() as u64)).unwrap()].clone()
        };
        let mut input = pick(chance);
        for _ in 0..=chance.below(6) {
            let at = usize::try_from(chance.below(input.len() as u64 + 1)).unwrap();
            let byte = chance.roll().to_le_bytes()[0];
            match chance.below(7) {
                0 => input.insert(at, byte),
                1 if at < input.len() => drop(input.remove(at)),
                2 if at < input.len() => input[at] = byte,
                3 if at < input.len() => input[at] ^= 1 << chance.below(8),
                4 => input.extend((0..=chance.below(12)).map(|_| chance.roll().to_le_bytes()[0])),
                5 => input.extend(pick(chance)),
                _ => {
                    // A piece of another one in the middle.
                    let other = pick(chance);
                    let from = usize::try_from(chance.below(other.len() as u64 + 1)).unwrap();
                    let to = (from + usize::try_from(chance.below(40)).unwrap()).min(other.len());
                    input.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn smaller(&mut self, mut input: Vec<u8>) -> (Vec<u8>, String) {
        let mut why = self.play(&input).err().unwrap_or_default();
        let mut tries = 0;
        let mut piece = input.len().div_ceil(2);
        while piece > 0 {
            let mut at = 0;
            while at < input.len() && tries < SHRINKS_MAX {
                tries += 1;
                let mut less = input.clone();
                less.drain(at..(at + piece).min(input.len()));
                match self.play(&less) {
                    Err(still) => (input, why) = (less, still),
                    Ok(_) => at += piece,
                }
            }
            piece /= 2;
        }
        (input, why)
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.trim().bytes().collect();
    digits
        .chunks_exact(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

fn fuzz(name: &'static str, target: Target, sets_off_min: usize) {
    let wanted = std::env::var("DOCKET_FUZZ_RUNS").ok().map(|runs| runs.parse().unwrap());
    let mut fuzz = Fuzz::new(name, target);
    if let Err((input, why)) = fuzz.run(wanted.unwrap_or(RUNS)) {
        panic!("{why}\nkeep this as tests/corpus/{name}/<what it shows>.hex: {}", to_hex(&input));
    }
    println!("{name}: {} different things set off, {} inputs in the pool", fuzz.seen.len(), fuzz.pool.len());
    assert!(fuzz.seen.len() >= sets_off_min, "only {} things set off", fuzz.seen.len());
}

#[test]
fn frames_of_any_bytes() {
    fuzz("frames", frames::run, 40);
}

#[test]
fn an_agents_session_with_a_hub_and_a_shell_that_keep_no_rule() {
    fuzz("agent", agent::run, 150);
}

#[test]
fn a_hubs_session_with_an_agent_and_a_shell_that_keep_no_rule() {
    fuzz("hub", hub::run, 100);
}

/// The checks can fail: an observer that is not told of what was stored takes the acknowledgement for a lie.
#[test]
fn a_lie_is_found() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = [
        Fuzz::new("agent", agent::run_uninformed).run(RUNS),
        Fuzz::new("hub", hub::run_uninformed).run(RUNS),
    ];
    std::panic::set_hook(hook);
    for result in found {
        let (input, why) = result.unwrap_err();
        assert!(why.contains("is not stored"), "{why}");
        assert!(input.len() < 120, "not made small: {} bytes", input.len());
    }
}
