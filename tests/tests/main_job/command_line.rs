//! What people see on the command line: `status`, `check-config`, and refusals.

use super::Restaurant;
use anyhow::Context;
use docket_tests::chain::shop::now_s;
use docket_tests::chain::{Agent, AgentOptions, HubOptions, PATIENCE, PrinterAt, Shop, wait_for};
use docket_tests::virtual_printer::Fault;
use std::net::SocketAddr;
use std::process::Output;

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Waits until `docket-agent status` ends with `code` and says all of `words`.
async fn until_status(agent: &Agent, code: i32, words: &[&str]) -> anyhow::Result<()> {
    wait_for(&format!("status {code} with {words:?}"), PATIENCE, || {
        let (ended, text) = said(&agent.command(&["status"]).map_err(|error| error.to_string())?);
        if ended == Some(code) && words.iter().all(|word| text.contains(word)) {
            Ok(())
        } else {
            Err(format!("{ended:?}: {text}"))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_how_it_is_and_since_when() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    let (code, text) = said(&shop.agent.command(&["status"])?);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("not-running: ") && text.contains("docket-agent run"), "{text}");

    shop.agent.start_linked(&shop.hub).await?;
    until_status(
        &shop.agent,
        0,
        &["S0042 测试面馆", "已连接总部 / connected", "待打 waiting  0", "front  正常 ok"],
    )
    .await?;
    shop.printer.set(Fault::PaperOut);
    until_status(&shop.agent, 1, &["front  异常 !!", "缺纸:换上新纸卷", "paper is out: put in a new roll"])
        .await?;
    let order = shop.push(1).await?;
    until_status(&shop.agent, 1, &["待打 waiting  1", "缺纸"]).await?;
    shop.printer.set(Fault::PaperIn);
    shop.until_printed(std::slice::from_ref(&order)).await?;
    until_status(&shop.agent, 0, &["待打 waiting  0"]).await?;

    shop.hub.process().end()?;
    until_status(&shop.agent, 1, &["front  正常 ok", "retrying"]).await?;
    shop.hub.restart().await?;
    until_status(&shop.agent, 0, &["已连接总部 / connected"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_status_is_shown_as_old() -> anyhow::Result<()> {
    const AGE_MS: i64 = 60_000;
    let mut shop = Shop::open().await?;
    until_status(&shop.agent, 0, &["connected"]).await?;
    shop.agent.process()?.kill();
    // A minute passes.
    let file = shop.agent.data().join("status.json");
    let mut status: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let at = status["at"].as_i64().context("a time")?;
    assert!((now_s() * 1_000 - at).abs() < AGE_MS, "{status:#}");
    status["at"] = (at - AGE_MS).into();
    std::fs::write(&file, status.to_string())?;
    let (code, text) = said(&shop.agent.command(&["status"])?);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT RUNNING") && text.contains("1 min"), "{text}");
    let shown = shop.agent.status()?;
    assert_eq!(shown["fresh"], false, "{shown:#}");
    assert!(shown["age_ms"].as_i64().is_some_and(|age| age >= AGE_MS), "{shown:#}");

    // Or the clock is set back: what is from after now is from before that.
    status["at"] = (at + AGE_MS).into();
    std::fs::write(&file, status.to_string())?;
    let (code, text) = said(&shop.agent.command(&["status"])?);
    assert!(code == Some(1) && text.contains("clock was set back"), "{code:?} {text}");
    assert_eq!(shop.agent.status()?["fresh"], false);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_shows_the_configuration_in_force_and_refuses_what_it_does_not_know() -> anyhow::Result<()>
{
    let restaurant = Restaurant::open().await?;
    let (code, text) = said(&restaurant.agent.command(&["check-config"])?);
    assert_eq!(code, Some(0), "{text}");
    for word in ["配置有效 / configuration in order", "\"paper_mm\": 80", "已注册 / enrolled: s0042-"]
    {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    let front = restaurant.front.address();
    let address: SocketAddr = ([127, 0, 0, 1], 9).into();
    let folder = restaurant.folder.path();
    let refused = |name: &str, printers: Vec<PrinterAt>, extra: &str| -> anyhow::Result<String> {
        let options = AgentOptions { printers, extra: extra.into(), ..AgentOptions::default() };
        let agent = Agent::unenrolled(&folder.join(name), options)?;
        for command in [&["check-config"][..], &["run"], &["status"]] {
            let (code, text) = said(&agent.command(command)?);
            anyhow::ensure!(code == Some(1), "{command:?} with {name} ends with {code:?}: {text}");
        }
        Ok(said(&agent.command(&["check-config"])?).1)
    };
    let printer = PrinterAt::only(address);
    let text = refused("unknown-key", vec![printer.clone()], "colour = \"red\"")?;
    assert!(text.contains("config-syntax: ") && text.contains("line 2") && text.contains("colour"), "{text}");
    let many = (0..33).map(|number| PrinterAt {
        name: format!("p{number}"),
        stations: vec![],
        default: number == 0,
        ..printer.clone()
    });
    let text = refused("too-many", many.collect(), "")?;
    assert!(text.contains("config-value: printer: ") && text.contains("give up to 32"), "{text}");
    let other = PrinterAt { name: "other".into(), ..PrinterAt::only(front) };
    let text = refused("station-twice", vec![printer, other], "")?;
    assert!(text.contains("config-value: printer other: 档口 front 已由另一台"), "{text}");
    assert!(text.contains("station front is printed by another"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_shows_no_secret_and_refuses_what_it_does_not_know() -> anyhow::Result<()> {
    let restaurant = Restaurant::open().await?;
    let hub = &restaurant.hub;
    let (code, text) = said(&hub.command(&["check-config"])?);
    assert_eq!(code, Some(0), "{text}");
    for word in [
        "配置有效 / configuration in order",
        "\"secret\": \"(redacted)\"",
        "/cb/meituan/order/paid",
        "kitchen",
    ] {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    assert!(!text.contains(&hub.meituan().secret), "the secret is shown: {text}");

    let config = restaurant.folder.path().join("hub").join("hub.toml");
    let good = std::fs::read_to_string(&config)?;
    let refused = |line: usize, wrong: &str| -> anyhow::Result<String> {
        let mut lines: Vec<&str> = good.lines().collect();
        lines.insert(line - 1, wrong);
        std::fs::write(&config, lines.join("\n"))?;
        let (code, text) = said(&hub.command(&["check-config"])?);
        anyhow::ensure!(code == Some(1), "{wrong}: {code:?} {text}");
        anyhow::ensure!(!text.contains(&hub.meituan().secret), "the secret is shown: {text}");
        Ok(text)
    };
    let text = refused(2, "colour = \"red\"")?;
    assert!(text.contains("config-syntax: ") && text.contains("line 2") && text.contains("colour"), "{text}");
    let text = refused(1, "retention_days = 1")?;
    assert!(text.contains("config-value: retention_days: at least 7"), "{text}");
    let secret = good.lines().position(|line| line.starts_with("secret")).context("a secret")?;
    let text = refused(secret + 1, "secret_flie = \"x\"")?;
    assert!(text.contains("secret_flie") && text.contains(&format!("line {}", secret + 1)), "{text}");
    // A slip of the pen in the very line of the secret: people copy what they see on a screen into tickets.
    for (right, wrong) in [("secret = ", "secrett = "), ("secret = \"", "secret = ")] {
        std::fs::write(&config, good.replacen(right, wrong, 1))?;
        for command in ["check-config", "serve"] {
            let (code, text) = said(&hub.command(&[command])?);
            assert_eq!(code, Some(1), "{wrong}: {text}");
            assert!(text.contains(&format!("line {}", secret + 1)), "{wrong}: {text}");
            assert!(!text.contains(&hub.meituan().secret), "the secret is shown: {text}");
        }
    }
    std::fs::write(&config, good)?;

    let missing = restaurant.folder.path().join("nowhere.toml");
    let program = docket_tests::chain::program("docket-hub")?;
    let mut command = std::process::Command::new(program);
    let output = docket_tests::chain::run_to_end(command.arg("--config").arg(&missing).arg("check-config"))?;
    let (code, text) = said(&output);
    assert!(
        code == Some(1) && text.contains("config-file: ") && text.contains("nowhere.toml"),
        "{code:?} {text}"
    );
    Ok(())
}
