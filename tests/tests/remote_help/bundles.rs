//! Bundles of diagnostics: they travel beside the orders, and no customer is in them.

use super::{ask, audited, newest_ticket, until_outcome};
use docket_protocol::help::BUNDLE_BYTES_MAX;
use docket_tests::chain::shop::slips;
use docket_tests::chain::{AgentOptions, HubOptions, PATIENCE, Shop, wait_for};
use docket_tests::firewall::UdpGate;
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Later than this, headquarters is alarmed of a ticket that has not reached its store.
const SPOOLED_MS_MAX: i64 = 10_000;

/// Lines that do not pack: with them a bundle is as large as it may be.
fn fill_log(data: &Path) -> anyhow::Result<()> {
    let folder = data.join("log");
    fs::create_dir_all(&folder)?;
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize],
        )
    };
    for name in ["agent.log", "agent.log.1"] {
        let text: String = (0..500 * 1_024).map(|at| if at % 100 == 0 { '\n' } else { noise() }).collect();
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// What the hub has of a bundle that is under way.
fn begun(shop: &Shop, id: &str) -> Option<u64> {
    let path = shop.hub.data().join("bundles").join(Shop::STORE).join(format!("{id}.part"));
    fs::metadata(path).ok().map(|metadata| metadata.len())
}

fn whole(shop: &Shop) -> anyhow::Result<Vec<PathBuf>> {
    let listed = shop.hub.must(&["agent", "bundle", "--store", Shop::STORE])?;
    Ok(listed.lines().filter_map(|line| Some(PathBuf::from(line.split_once('\t')?.0))).collect())
}

fn unpacked(bundle: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(bundle)?).read_to_string(&mut text)?;
    Ok(text)
}

async fn until_begun(shop: &Shop, id: &str) -> anyhow::Result<u64> {
    wait_for("the first part of a bundle", PATIENCE, || match begun(shop, id) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        seen => Err(format!("{seen:?} {:?}\n{}", audited(&shop.hub, id), shop.agent.log_text())),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_says_how_things_are_and_names_no_customer() -> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    shop.agent.start_linked(&shop.hub).await?;
    // At the lowest level, with whatever it says then.
    let level = ask(&shop.hub, &["log-level", "--level", "trace"])?;
    until_outcome(&shop, &level, "done").await?;
    let mut order = docket_tests::chain::shop::order(Shop::STORE, 1);
    order.phone = "13900001111_2222".into();
    order.name = "欧阳特别".into();
    order.address = "天山路特别小区 7 号楼".into();
    order.note = "特别备注不要香菜".into();
    docket_tests::chain::shop::push_order(&shop.hub, &order).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    let id = ask(&shop.hub, &["bundle"])?;
    until_outcome(&shop, &id, "done").await?;
    let bundles = whole(&shop)?;
    assert_eq!(bundles.len(), 1, "{bundles:?}");
    let text = unpacked(&bundles[0])?;
    for customer in ["13900001111", "欧阳特别", "特别小区", "特别备注", "1111_2222"] {
        assert!(!text.contains(customer), "{customer} is in the bundle: {text}");
    }
    let ticket = newest_ticket(&shop)?;
    for fact in [
        "==== doctor",
        "\"verdict\"",
        "==== status",
        "==== config",
        "==== tickets",
        "==== log",
        "headquarters asks",
        &ticket,
    ] {
        assert!(text.contains(fact), "{fact} is not in the bundle: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_print_while_the_largest_bundle_is_under_way() -> anyhow::Result<()> {
    for over_tcp in [false, true] {
        let mut gate = None;
        let mut shop = Shop::enrolled_as(HubOptions::default(), |hub| {
            let started = UdpGate::start(hub.addresses().link, !over_tcp)?;
            let link = Some(format!("fallback = \"{}\"", hub.tcp()?));
            let options = AgentOptions { hub: Some(started.address()), link, ..AgentOptions::default() };
            gate = Some(started);
            Ok(options)
        })
        .await?;
        fill_log(shop.agent.data())?;
        shop.agent.start_linked(&shop.hub).await?;
        let id = ask(&shop.hub, &["bundle"])?;
        let mut before = until_begun(&shop, &id).await?;
        for number in 0..5 {
            let order = shop.push(number).await?;
            shop.until_printed(std::slice::from_ref(&order)).await?;
            assert_eq!(slips(&shop.printer, &order), [None]);
            let now = begun(&shop, &id);
            assert!(
                now.is_some_and(|bytes| bytes >= before),
                "order {number}: the bundle has {before}, then {now:?}"
            );
            before = now.unwrap_or(before);
        }
        let times = shop.hub.ledger()?.tickets()?;
        let times: Vec<i64> =
            times.iter().filter_map(|row| Some(row.spooled_at? - row.received_at)).collect();
        println!("milliseconds until the store had each ticket: {times:?}");
        assert!(times.len() == 5 && times.iter().all(|&ms| ms < SPOOLED_MS_MAX), "{times:?}");
        until_outcome(&shop, &id, "done").await?;
        let bundles = whole(&shop)?;
        let bytes = usize::try_from(fs::metadata(&bundles[0])?.len())?;
        assert!((BUNDLE_BYTES_MAX * 3 / 4..=BUNDLE_BYTES_MAX).contains(&bytes), "{bytes}");
        assert!(unpacked(&bundles[0])?.contains("==== log"));
        let transport = &shop.agent.status()?["file"]["way"]["transport"];
        assert_eq!(transport, if over_tcp { "tls" } else { "quic" });
        drop(gate);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_goes_on_over_a_new_connection_and_an_agent_that_is_killed_does_not_begin_it_again()
-> anyhow::Result<()> {
    let mut shop = Shop::enrolled(HubOptions::default(), AgentOptions::default()).await?;
    fill_log(shop.agent.data())?;
    shop.agent.start_linked(&shop.hub).await?;
    let id = ask(&shop.hub, &["bundle"])?;
    until_begun(&shop, &id).await?;
    shop.hub.restart().await?;
    until_outcome(&shop, &id, "done").await?;
    let sent = whole(&shop)?;
    assert!(sent.len() == 1 && unpacked(&sent[0])?.contains("==== log"));

    let id = ask(&shop.hub, &["bundle"])?;
    until_begun(&shop, &id).await?;
    shop.agent.process()?.kill();
    shop.agent.start_linked(&shop.hub).await?;
    until_outcome(&shop, &id, "help-interrupted").await?;
    assert_eq!(whole(&shop)?, sent);
    Ok(())
}
