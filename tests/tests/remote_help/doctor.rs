//! `docket-agent doctor`: with everything in order, without the agent, without the hub.

use docket_tests::chain::{Agent, AgentOptions, HubOptions, PATIENCE, Shop, wait_for};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Whatever hangs, it ends within this.
const DOCTOR_MAX: Duration = Duration::from_secs(15);

fn doctor(agent: &Agent) -> anyhow::Result<(Option<i32>, Value)> {
    let began = Instant::now();
    let output = agent.command(&["doctor", "--json"])?;
    anyhow::ensure!(began.elapsed() < DOCTOR_MAX, "it took {:?}", began.elapsed());
    Ok((output.status.code(), serde_json::from_slice(&output.stdout)?))
}

/// The worst verdict of an area.
fn verdict(said: &Value, area: &str) -> String {
    let findings = said["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let verdicts = findings.iter().filter(|finding| finding["area"] == area);
    let verdicts = verdicts.filter_map(|finding| finding["verdict"].as_str());
    verdicts
        .max_by_key(|verdict| ["ok", "warn", "bad"].iter().position(|known| known == verdict))
        .unwrap_or("-")
        .to_owned()
}

const AREAS: [&str; 6] = ["program", "network", "identity", "clock", "disk", "printer"];

fn verdicts(said: &Value) -> String {
    AREAS.map(|area| format!("{area} {}", verdict(said, area))).join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_is_wrong_and_what_to_do_whether_the_agent_runs_or_not() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled_as(HubOptions::default(), |hub| {
        let link = Some(format!("fallback = \"{}\"", hub.tcp()?));
        Ok(AgentOptions { link, ..AgentOptions::default() })
    })
    .await?;
    let (code, said) = doctor(&shop.agent)?;
    let all = "program bad, network ok, identity ok, clock -, disk ok, printer ok";
    assert_eq!((code, verdicts(&said).as_str()), (Some(2), all), "{said:#}");

    shop.agent.start_linked(&shop.hub).await?;
    let order = shop.push(1).await?;
    shop.until_printed(&[order]).await?;
    let all = "program ok, network ok, identity ok, clock ok, disk ok, printer ok";
    let said = wait_for("all to be well", PATIENCE, || match doctor(&shop.agent) {
        Ok((Some(0), said)) if verdicts(&said) == all => Ok(said),
        seen => Err(seen),
    })
    .await?;
    let text = said.to_string();
    for fact in ["UDP (QUIC)", "TCP (TLS)", "sound", "last printed", "valid for", "http://127.0.0.1:"] {
        assert!(text.contains(fact), "{fact}: {said:#}");
    }
    // The running agent has the printer's only connection, and keeps it.
    let order = shop.push(2).await?;
    shop.until_printed(&[order]).await?;

    shop.hub.process().end()?;
    let (code, said) = doctor(&shop.agent)?;
    assert_eq!((code, verdict(&said, "network").as_str()), (Some(2), "bad"), "{said:#}");
    let page = String::from_utf8(shop.agent.command(&["doctor"])?.stdout)?;
    assert!(page.contains("异常 bad") && page.contains("hub-unreachable: ") && page.contains('→'), "{page}");
    shop.agent.process()?.kill();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_never_enrolled_and_one_with_a_broken_spool_are_told_so() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let agent = Agent::unenrolled(folder.path(), AgentOptions::default())?;
    let (code, said) = doctor(&agent)?;
    assert_eq!((code, verdict(&said, "identity").as_str()), (Some(2), "bad"), "{said:#}");
    std::fs::create_dir_all(agent.data())?;
    std::fs::write(agent.data().join("spool.db"), [0x5a; 8_192])?;
    let (_, said) = doctor(&agent)?;
    assert_eq!(verdict(&said, "disk"), "bad", "{said:#}");
    Ok(())
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_answer_keeps_it_no_longer() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("drive");
    std::fs::create_dir_all(&data)?;
    let options = AgentOptions { data: Some(data.clone()), ..AgentOptions::default() };
    let agent = Agent::unenrolled(folder.path(), options)?;
    let _drive = docket_tests::hung_drive::HungDrive::mount(&data)?;
    let began = Instant::now();
    let output = agent.command(&["doctor"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("doctor-hangs: ") && began.elapsed() < DOCTOR_MAX, "{said} {:?}", began.elapsed());
    Ok(())
}
