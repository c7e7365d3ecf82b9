//! The same faults at printers on serial lines (ptys), and the agent killed in mid-ticket.
//!
//! A serial line differs from a network in what it hides. It stays when the printer is switched off: what is sent goes
//! nowhere, and only silence shows it, after half a minute. It stays, too, when the agent is killed: the printer gets what
//! the operating system had taken, goes on, and answers whoever has the line open next. So a ticket may turn out to be on
//! paper, and is not repeated.

use super::cells::{Moment, Run, Trouble};
use super::seeded::{deck, play};
use super::standing::Stand;
use super::{Kitchen, from_seed, slow};
use anyhow::{Context, ensure};
use docket_tests::lab::way::Way;
use docket_tests::platform::orders::Chance;
use std::time::Duration;

const SEED: u64 = 20_261_126;
/// A thread of the agent each.
const PRINTERS: usize = 8;
/// An answer that never comes is given up after 30 s.
const PATIENCE: Duration = Duration::from_secs(120);
const QUICK: [Trouble; 6] = [
    Trouble::Unplugged,
    Trouble::LooseContact,
    Trouble::PaperOut,
    Trouble::CoverOpen,
    Trouble::CutterJam,
    Trouble::Hangs,
];

#[tokio::test(flavor = "multi_thread")]
async fn any_fault_over_serial_lines() -> anyhow::Result<()> {
    from_seed(SEED, Kitchen::with_ways(&slow(), &[Way::Serial; PRINTERS]).await?, rounds).await
}

async fn rounds(kitchen: &mut Kitchen, seed: u64) -> anyhow::Result<()> {
    let mut chance = Chance::new(seed);
    kitchen.finish(1, PATIENCE).await?;
    let all = |trouble, chance: &mut Chance| -> Vec<Run> {
        let run = |_| Run { trouble, moment: Moment::Middle, chance: Chance::new(chance.bits()) };
        (0..PRINTERS).map(run).collect()
    };
    let quick = deck(&QUICK, 3 * PRINTERS, &mut chance);
    let mut hands: Vec<(Vec<Run>, Option<Stand>)> = vec![
        (all(Trouble::SwitchedOff, &mut chance), None),
        (all(Trouble::Unplugged, &mut chance), None),
        // On lines that stay.
        (all(Trouble::PaperOut, &mut chance), Some(Stand::InPrint)),
    ];
    let stands = [None, Some(Stand::InPrint), Some(Stand::Fenced)];
    hands.extend(quick.chunks(PRINTERS).map(<[Run]>::to_vec).zip(stands));

    let mut played = Vec::new();
    for (number, (hand, stand)) in (2..).zip(hands) {
        let (order, came, was_there) = play(kitchen, number, hand.clone(), stand, &mut chance)
            .await
            .with_context(|| format!("order {number}, {stand:?}"))?;
        ensure!(stand.is_none() || was_there, "order {number}: no ticket stood at {stand:?}");
        played.push((order, hand, came, stand));
    }
    kitchen.finish(played.len() as u64 + 2, PATIENCE).await?;

    let (mut runs, mut repeats, mut torn, mut answered) = (0, 0, 0, 0);
    for (order, hand, came, stand) in &played {
        for ((run, came), judged) in hand.iter().zip(came).zip(kitchen.judge(order)?) {
            let told = || {
                format!("#{} {:?} {:?}, killed {stand:?}: {judged:?}", order.day_seq, run.trouble, run.moment)
            };
            let at_most = u32::from(!run.trouble.keeps_the_line()) + u32::from(stand.is_some());
            ensure!(judged.repeats <= at_most, "{}", told());
            let is_lost = matches!(run.trouble, Trouble::SwitchedOff | Trouble::Unplugged);
            if *came && is_lost && run.moment == Moment::Middle {
                ensure!(judged.repeats > 0, "a part of it is lost: {}", told());
                torn += 1;
            }
            answered += u32::from(*stand == Some(Stand::InPrint) && judged.repeats == 0);
            runs += 1;
            repeats += judged.repeats;
        }
    }
    println!(
        "{runs} runs, {repeats} repeats, {torn} torn tickets; {answered} were answered to the next agent"
    );
    ensure!(torn >= PRINTERS, "only {torn} tickets were torn");
    ensure!(answered > 0, "no answer found the next agent");
    let held = kitchen.hub.ledger()?.number("SELECT count(*) FROM tickets WHERE state = 4")?;
    ensure!(held == 0, "{held} tickets wait for a person");
    Ok(())
}
