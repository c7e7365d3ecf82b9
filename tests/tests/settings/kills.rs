//! The agent is killed at many moments while settings arrive. The moment is the subject, so it is a time drawn from a
//! seed, and not a condition.

use super::{bare_shop, must_set, printer, until_applied};
use docket_tests::chain::Agent;
use std::time::Duration;

/// Kills in one run.
const KILLS: u64 = 8;
/// From the command to the last moment of a kill: settings are in force and proven after some two seconds.
const MOMENT_MS_MAX: u64 = 2_500;
/// Drawn once; another one is another run.
const SEED: u64 = 0x5e77_1295;

/// Knuth's constants (MMIX).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// The revision and the names of the printers that the agent's files have in force.
fn in_force(agent: &Agent) -> anyhow::Result<(u64, Vec<String>)> {
    let output = agent.command(&["check-config"])?;
    let said = String::from_utf8(output.stdout)?;
    anyhow::ensure!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    let revision = said.split("settings of headquarters: ").nth(1).and_then(|rest| rest.lines().next());
    let names = said.lines().filter(|line| line.contains("mm") && line.contains("headquarters"));
    let name = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    Ok((revision.unwrap_or("0").parse()?, names.map(name).collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_the_old_or_the_new_ones_whenever_the_agent_is_killed() -> anyhow::Result<()> {
    let mut shop = bare_shop().await?;
    shop.agent.start_linked(&shop.hub).await?;
    let address = shop.printer.address().to_string();
    // Each revision has two printers of its own, so that half of one would show.
    let both = |round: u64| {
        let other = printer(&format!("b{round}"), "192.0.2.1");
        printer(&format!("a{round}"), &address) + "default = true\n" + &other
    };
    let names = |round: u64| vec![format!("a{round}"), format!("b{round}")];
    let mut old = must_set(&shop, &both(0), "")?;
    until_applied(&shop.hub, &shop.agent, old).await?;
    let mut state = SEED;
    for round in 1..=KILLS {
        let moment = next(&mut state) % MOMENT_MS_MAX;
        let new = must_set(&shop, &both(round), "")?;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        shop.agent.process()?.kill();
        let (revision, seen) = in_force(&shop.agent)?;
        let whole = [(old, names(round - 1)), (new, names(round))];
        assert!(whole.contains(&(revision, seen.clone())), "{round}, {moment} ms: {revision} {seen:?}");
        shop.agent.start()?;
        until_applied(&shop.hub, &shop.agent, new).await?;
        assert_eq!(in_force(&shop.agent)?, (new, names(round)), "{round}, {moment} ms");
        old = new;
    }
    let order = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&order)).await
}
