//! Enrolment codes: each works once, and a refusal says why and leaves everything as it was.

use super::assert_refused;
use super::relay::{Relay, Tactic};
use docket_protocol::enrol::{Answer, EnrolRefusal, LOOKUP_BYTES, PUBLIC_KEY_BYTES, Request};
use docket_protocol::frame;
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PrinterAt, Shop};
use docket_tests::raw_link::{Credentials, ask_to_enrol};
use std::net::Ipv4Addr;
use std::path::Path;

/// Wrong codes that the hub takes from one address in a minute.
const TRIES_MAX: usize = 10;

fn identity(agent: &Agent) -> Option<Vec<u8>> {
    std::fs::read(agent.data().join("identity.json")).ok()
}

async fn hub_with_store(folder: &Path) -> anyhow::Result<Hub> {
    let hub = Hub::start(folder, HubOptions::default()).await?;
    hub.add_store(Shop::STORE, "测试面馆")?;
    Ok(hub)
}

fn pc(folder: &Path) -> anyhow::Result<Agent> {
    let nowhere = "127.0.0.1:9";
    let options = AgentOptions { printers: vec![PrinterAt::only(nowhere)], ..AgentOptions::default() };
    Agent::unenrolled(folder, options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once_and_a_refusal_leaves_the_identity() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = hub_with_store(folder.path()).await?;
    let (link, agent) = (hub.addresses().link, pc(folder.path())?);

    let code = hub.enrol_code(Shop::STORE)?;
    let typed = code.to_lowercase().replace('-', " ");
    let output = agent.try_enrol(link, &format!(" {typed}- "))?;
    assert!(output.status.success(), "{code} as {typed}: {}", String::from_utf8_lossy(&output.stderr));
    let first = identity(&agent).expect("an identity");

    let expired = hub.enrol_code(Shop::STORE)?;
    let changed = hub.tamper()?.execute("UPDATE enrol_codes SET expires_at = 1 WHERE used_at IS NULL", [])?;
    assert_eq!(changed, 1);
    let refusals = [
        (code.as_str(), "enrol-code-used"),
        (expired.as_str(), "enrol-code-expired"),
        ("2222-2222", "enrol-code-unknown"),
        ("ABCD-EFG", "enrol-code-form"),
        ("ABCD-EF0O", "enrol-code-form"),
        ("注册码", "enrol-code-form"),
        ("", "enrol-code-form"),
    ];
    for (code, refusal) in refusals {
        assert_refused(&agent.try_enrol(link, code)?, refusal);
        assert_eq!(identity(&agent).as_ref(), Some(&first), "{refusal} has changed the identity");
    }
    assert_eq!(hub.ledger()?.number("SELECT count(*) FROM agents")?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_try_codes_out() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = hub_with_store(folder.path()).await?;
    let (link, agent) = (hub.addresses().link, pc(folder.path())?);
    let credentials = Credentials::nobody(hub.data())?;
    let guess = |number: usize, from| {
        let lookup = [u8::try_from(number).unwrap_or(0); LOOKUP_BYTES];
        let request =
            Request { lookup, public_key: vec![4; PUBLIC_KEY_BYTES], tag: [0; 32], host: String::new() };
        let (credentials, request) = (credentials.clone(), frame::payload(&request));
        tokio::spawn(async move { ask_to_enrol(from, link, &credentials, &request).await })
    };

    // All at once: the bound counts what is begun, not what has failed.
    let guesses: Vec<_> = (0..3 * TRIES_MAX).map(|number| guess(number, Ipv4Addr::LOCALHOST)).collect();
    let mut unknown = 0;
    for guess in guesses {
        match guess.await?? {
            Answer::Refused(EnrolRefusal::UnknownCode) => unknown += 1,
            answer => assert_eq!(answer, Answer::Refused(EnrolRefusal::TooMany)),
        }
    }
    assert_eq!(unknown, TRIES_MAX);
    assert_refused(&agent.try_enrol(link, &hub.enrol_code(Shop::STORE)?)?, "enrol-too-many");
    assert_eq!(identity(&agent), None);

    let neighbour = guess(0, Ipv4Addr::new(127, 0, 0, 2)).await??;
    assert_eq!(neighbour, Answer::Refused(EnrolRefusal::UnknownCode), "others are not held up");
    let nonsense = ask_to_enrol(Ipv4Addr::new(127, 0, 0, 2), link, &credentials, b"\xff\xff\xff").await?;
    assert_eq!(nonsense, Answer::Refused(EnrolRefusal::Malformed));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_in_the_middle_gets_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = hub_with_store(folder.path()).await?;
    let (link, agent) = (hub.addresses().link, pc(folder.path())?);
    let code = hub.enrol_code(Shop::STORE)?;
    let used = "SELECT count(*) FROM enrol_codes WHERE used_at IS NOT NULL";

    // What the agent says is bound to its connection, and of no use on another.
    let relay = Relay::start(link, hub.data(), Tactic::Forward)?;
    assert_refused(&agent.try_enrol(relay.address(), &code)?, "enrol-code-unknown");
    assert_eq!(relay.answers(), [Some(Answer::Refused(EnrolRefusal::UnknownCode))]);

    // Nor can whoever does not know the code pass for the hub.
    let impostor = Relay::start(link, hub.data(), Tactic::Grant)?;
    assert_refused(&agent.try_enrol(impostor.address(), &code)?, "enrol-hub-unproven");
    let garbage = Relay::start(link, hub.data(), Tactic::Garbage)?;
    assert_refused(&agent.try_enrol(garbage.address(), &code)?, "enrol-answer");

    assert_eq!(identity(&agent), None);
    assert_eq!(hub.ledger()?.number(used)?, 0, "the code is still good");
    let output = agent.try_enrol(link, &code)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
