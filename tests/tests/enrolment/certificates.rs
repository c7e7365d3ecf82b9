//! Certificates renew themselves, and the hub gets another CA, without anybody in a store.

use docket_protocol::message::{Message, RENEWAL_LABEL, Refusal, Renewal};
use docket_tests::chain::shop::{push, until_printed};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, Shop, wait_for};
use docket_tests::raw_link::{Credentials, RawLink, hello};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SigningKey};

/// For how many days an ended certificate is known.
const GRACE_DAYS: i64 = 400;
const DAY_S: i64 = 86_400;

/// All certificates were made and end so many days from now, as far as the hub knows.
fn set_lives(hub: &Hub, made: i64, ends: i64) -> anyhow::Result<()> {
    let sql =
        "UPDATE agents SET certified_at = (unixepoch() + ?1) * 1000, expires_at = (unixepoch() + ?2) * 1000";
    hub.tamper()?.execute(sql, [made * DAY_S, ends * DAY_S])?;
    Ok(())
}

fn days_left(hub: &Hub) -> anyhow::Result<i64> {
    hub.ledger()?.number("SELECT (min(expires_at) / 1000 - unixepoch()) / 86400 FROM agents")
}

/// Waits until the agents' certificates are new ones.
async fn until_renewed(hub: &Hub) -> anyhow::Result<()> {
    wait_for("a renewed certificate in use", PATIENCE, || match days_left(hub) {
        Ok(364 | 365) => Ok(()),
        other => Err(format!("{other:?} days left")),
    })
    .await
}

fn identity(agent: &Agent) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::from_slice(&std::fs::read(agent.data().join("identity.json"))?)?)
}

async fn refusal(hub: &Hub, credentials: &Credentials) -> anyhow::Result<Refusal> {
    let mut link = RawLink::connect(hub.addresses().link, credentials).await?;
    link.send(&Message::Hello(hello())).await?;
    match link.message().await? {
        Message::Refused(refusal) => Ok(refusal),
        other => anyhow::bail!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_over_the_live_link() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let mut orders = vec![shop.push(1).await?];
    shop.until_printed(&orders).await?;
    assert!((364..=365).contains(&days_left(&shop.hub)?), "{}", days_left(&shop.hub)?);
    let former = Credentials::of_agent(shop.agent.data())?;
    let (before, sessions) = (identity(&shop.agent)?, shop.hub.ledger()?.sessions()?);

    // A day before two thirds nothing happens, which the next second shows that is watched for the alarm below.
    set_lives(&shop.hub, -199, 101)?;
    orders.push(shop.push(2).await?);
    set_lives(&shop.hub, -201, 99)?;
    orders.push(shop.push(3).await?);
    until_renewed(&shop.hub).await?;
    orders.push(shop.push(4).await?);
    shop.until_printed(&orders).await?;

    let after = identity(&shop.agent)?;
    assert_ne!(after["key"], before["key"], "the key is fresh");
    assert_ne!(after["certificate"], before["certificate"]);
    assert!(after["next_key"].is_null(), "{after}");
    assert_eq!(shop.hub.ledger()?.sessions()?, sessions + 1, "one change to the new certificate");
    assert!(!shop.agent.log_text().contains("link lost"), "{}", shop.agent.log_text());
    assert_eq!(refusal(&shop.hub, &former).await?, Refusal::UnknownAgent, "the former one is retired");

    shop.agent.process()?.kill();
    shop.agent.start_linked(&shop.hub).await?;
    orders.push(shop.push(5).await?);
    shop.until_printed(&orders).await?;
    let list = shop.hub.must(&["agent", "list"])?;
    assert!(list.contains("证书 36"), "{list}");
    let overview = shop.hub.overview().await?;
    let days = overview["stores"][0]["link"]["certificate_days"].as_i64();
    assert!(days.is_some_and(|days| days >= 364), "{overview:#}");
    Ok(())
}

/// Certificates of before this had no end that the hub knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_older_hub_is_renewed_first() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.hub
        .tamper()?
        .execute("UPDATE agents SET certified_at = NULL, expires_at = NULL, trusts = NULL", [])?;
    shop.agent.start_linked(&shop.hub).await?;
    until_renewed(&shop.hub).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_closed_for_long_comes_back_by_itself() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    set_lives(&shop.hub, -400 - GRACE_DAYS, 1 - GRACE_DAYS)?;
    let ledger = shop.hub.ledger()?;
    wait_for("the alarm", PATIENCE, || match ledger.alarms() {
        Ok(alarms) if alarms.contains(&("certificate-unrenewed".into(), Shop::STORE.into())) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await?;
    let order = shop.push(1).await?;
    shop.agent.start_linked(&shop.hub).await?;
    until_renewed(&shop.hub).await?;
    shop.until_printed(&[order]).await?;
    wait_for("the end of the alarm", PATIENCE, || match ledger.alarms() {
        Ok(alarms) if alarms.iter().all(|(code, _)| code != "certificate-unrenewed") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await?;

    // Longer than that, and a person has to say so.
    shop.agent.process()?.end()?;
    set_lives(&shop.hub, -400 - GRACE_DAYS, -1 - GRACE_DAYS)?;
    shop.agent.start()?;
    shop.agent.until_link("certificate-ended").await
}

/// What is lost between the two ends: the answer, and the agent's memory of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_given_again_and_nobody_is_locked_out() -> anyhow::Result<()> {
    let shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    let address = shop.hub.addresses().link;
    let former = Credentials::of_agent(shop.agent.data())?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let renewal = |link: &RawLink| -> anyhow::Result<Message> {
        let public_key = key.der_bytes().to_vec();
        let proof = key.sign(&[RENEWAL_LABEL, &link.keying_material()?, &public_key].concat())?;
        Ok(Message::Renew(Renewal { public_key, proof }))
    };
    let pending = || shop.hub.ledger()?.number("SELECT count(next_certificate) FROM agents");

    // Nobody has asked for it yet; what comes after it is answered, so it was read.
    let (mut link, _) = RawLink::greeted(address, &former).await?;
    let early = renewal(&link)?;
    link.send(&early).await?;
    link.deliver_and_wait(1).await?;
    assert_eq!(pending()?, 0);

    set_lives(&shop.hub, -300, 60)?;
    assert_eq!(link.message().await?, Message::RenewalDue);
    // A proof that was made in another session, as somebody would have it who has recorded one.
    let (mut other, _) = RawLink::greeted(address, &former).await?;
    other.send(&early).await?;
    other.deliver_and_wait(2).await?;
    assert_eq!(pending()?, 0);

    let mut certificates = Vec::new();
    for _ in 0..3 {
        let (mut link, _) = RawLink::greeted(address, &former).await?;
        link.send(&renewal(&link)?).await?;
        loop {
            match link.message().await? {
                Message::Renewed { certificate } => break certificates.push(certificate),
                Message::RenewalDue => {}
                message => anyhow::bail!("{message:?}"),
            }
        }
    }
    assert!(
        certificates.iter().all(|certificate| *certificate == certificates[0]),
        "one key, one certificate"
    );
    let new = former.clone().renewed(certificates[0].clone(), key.serialize_der());
    drop(RawLink::greeted(address, &new).await?);
    assert_eq!(refusal(&shop.hub, &former).await?, Refusal::UnknownAgent);
    drop(RawLink::greeted(address, &new).await?);
    Ok(())
}

/// Killed at whatever moment of its renewals, an agent comes back and is renewed.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_or_hub_that_is_killed_while_it_renews_comes_back() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    for round in 0..6 {
        set_lives(&shop.hub, -300, 60)?;
        // A little further each time: the key is made, the hub has answered, the new one is used.
        let seen = ["", "\"next_key\":[", "the certificate is renewed"][round % 3];
        wait_for("the renewal to get so far", PATIENCE, || {
            let kept = std::fs::read_to_string(shop.agent.data().join("identity.json")).unwrap_or_default();
            let log = shop.agent.log_text();
            let is_over = days_left(&shop.hub).is_ok_and(|days| days > 300);
            if kept.contains(seen) || log.contains(seen) || is_over { Ok(()) } else { Err(log) }
        })
        .await?;
        if round < 3 {
            shop.agent.process()?.kill();
            shop.agent.start_linked(&shop.hub).await?;
        } else {
            shop.hub.process().kill();
            shop.hub.restart().await?;
        }
        until_renewed(&shop.hub).await?;
    }
    let order = shop.push(1).await?;
    shop.until_printed(&[order]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_gets_another_ca_without_touching_a_store() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let mut orders = vec![shop.push(1).await?];
    shop.hub.add_store("S0099", "别的面馆")?;
    let nowhere =
        || AgentOptions { printers: vec![PrinterAt::only("127.0.0.1:9")], ..AgentOptions::default() };
    let mut other = Agent::enrol(&shop.folder().join("other"), &shop.hub, "S0099", nowhere())?;
    let refused = |arguments: &[&str], code: &str| -> anyhow::Result<String> {
        let output = shop.hub.command(arguments)?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        anyhow::ensure!(output.status.code() == Some(1) && words.contains(code), "{words}");
        Ok(words)
    };
    refused(&["ca", "finish"], "ca-not-rotating: ")?;
    shop.hub.must(&["ca", "rotate"])?;
    refused(&["ca", "rotate"], "ca-rotating: ")?;

    let confirmed = |count: &'static str| {
        let hub = &shop.hub;
        wait_for("agents to trust the next CA", PATIENCE, move || {
            let status = hub.must(&["ca", "status"]).map_err(|error| format!("{error:#}"))?;
            if status.contains(count) { Ok(status) } else { Err(status) }
        })
    };
    let status = confirmed(" 1/2 ").await?;
    assert!(status.contains("S0099") && status.contains("never connected"), "{status}");
    let words = refused(&["ca", "finish"], "ca-unconfirmed: ")?;
    assert!(words.contains("S0099") && !words.contains(Shop::STORE), "{words}");

    // Whoever was enrolled meanwhile is told as well.
    let order = push(&shop.hub, Shop::STORE, 2).await?;
    orders.push(order);
    other.start_linked(&shop.hub).await?;
    confirmed(" 2/2 ").await?;
    let sessions = shop.hub.ledger()?.sessions()?;
    shop.hub.must(&["ca", "finish"])?;

    // The running hub shows itself with it, sessions stay, and the old one is trusted no more.
    let new = std::fs::read(shop.hub.data().join("ca/2/ca.der"))?;
    let alone = serde_json::json!([serde_json::to_value(&new)?, null]);
    wait_for("the old CA to be dropped", PATIENCE, || match identity(&shop.agent) {
        Ok(identity) if identity["ca"] == alone[0] && identity["next_ca"].is_null() => Ok(()),
        identity => Err(format!("{identity:?}")),
    })
    .await?;
    assert_eq!(shop.hub.ledger()?.sessions()?, sessions, "sessions stay");
    let link = shop.hub.addresses().link;
    let nobody = Credentials::nobody(shop.hub.data())?;
    assert!(RawLink::connect(link, &nobody).await.is_err(), "the old CA is still in use");
    RawLink::connect(link, &nobody.trusting(new)).await?;

    shop.hub.restart().await?;
    shop.agent.process()?.kill();
    shop.agent.start_linked(&shop.hub).await?;
    orders.push(shop.push(3).await?);
    until_printed(&shop.hub, &orders).await?;

    // The next one, and a store that is left behind: it sees no hub of its own, and a code brings it back.
    other.process()?.end()?;
    shop.hub.must(&["ca", "rotate"])?;
    let confirmed = wait_for("the store's agent to trust the third", PATIENCE, || {
        let status = shop.hub.must(&["ca", "status"]).map_err(|error| format!("{error:#}"))?;
        if status.contains(" 1/2 ") { Ok(()) } else { Err(status) }
    });
    confirmed.await?;
    shop.hub.must(&["ca", "finish", "--leave-behind"])?;
    wait_for("the second CA to be dropped", PATIENCE, || match identity(&shop.agent) {
        Ok(identity) if identity["next_ca"].is_null() => Ok(()),
        identity => Err(format!("{identity:?}")),
    })
    .await?;
    other.start()?;
    wait_for("the store that was left behind to see no hub of its own", PATIENCE, || {
        let log = other.log_text();
        if log.contains("hub-unproven") { Ok(()) } else { Err(log) }
    })
    .await?;
    other.process()?.end()?;
    let output = other.try_enrol(link, &shop.hub.enrol_code("S0099")?)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    other.start_linked(&shop.hub).await?;
    orders.push(shop.push(4).await?);
    until_printed(&shop.hub, &orders).await
}
