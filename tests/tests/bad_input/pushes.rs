//! Pushes that are not the platform's, or cannot be read.

use super::rows;
use anyhow::Context;
use docket_tests::chain::shop::{PAID_PATH, now_s, order, slips};
use docket_tests::chain::{Hub, HubOptions, Shop};
use docket_tests::platform::http::Reply;
use docket_tests::platform::meituan::{Canceller, MeituanClient, OK_REPLY};
use docket_tests::virtual_printer::Receipt;
use serde_json::Value;

const VECTOR: &str = include_str!("../../src/platform/testdata/meituan_v1_inbound_paid_order.json");
const NEGATIVE: &str =
    include_str!("../../../hub/src/platforms/meituan/testdata/meituan_v1_inbound_negative.json");
const CANCELLED_PATH: &str = "/cb/meituan/order/cancelled";
const SIGNATURE_ERROR: u64 = 703;

async fn hub_with_store(folder: &std::path::Path) -> anyhow::Result<Hub> {
    let hub = Hub::start(folder, HubOptions::default()).await?;
    hub.add_store(Shop::STORE, "测试面馆")?;
    Ok(hub)
}

fn error_of(reply: &Reply) -> anyhow::Result<u64> {
    let body: Value = serde_json::from_str(&reply.body).with_context(|| reply.body.clone())?;
    anyhow::ensure!(body["data"] == "ng", "{}", reply.body);
    body["error"]["code"].as_u64().context("an error without a number")
}

/// A form's pairs with another value for one of them.
fn with(form: &str, name: &str, value: &str) -> String {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((known, _)) if known == name => format!("{name}={value}"),
        _ => pair.to_owned(),
    };
    form.split('&').map(pair).collect::<Vec<_>>().join("&")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_by_the_platform_leaves_no_trace() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = hub_with_store(folder.path()).await?;
    let (vector, negative): (Value, Value) = (serde_json::from_str(VECTOR)?, serde_json::from_str(NEGATIVE)?);
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let genuine = text(&vector, "wire_body");
    let stranger = MeituanClient::new("https://hub.example.com/cb/meituan/order", "10001", "another secret");
    let cancelled_url =
        with(&hub.meituan().cancelled("27057681346841638", Canceller::Customer, "", now_s()), "x", "");
    let forged = [
        ("the vector's tampered sig", with(&genuine, "sig", &text(&negative, "tampered_sig"))),
        ("the vector's sig for http", with(&genuine, "sig", &text(&negative, "http_scheme_sig"))),
        ("another total", with(&genuine, "total", "0.01")),
        ("another field", format!("{genuine}&extra=1")),
        ("no sig", with(&genuine, "sig", "").replace("&sig=", "")),
        ("a blank sig", with(&genuine, "sig", "")),
        ("a short sig", with(&genuine, "sig", "c394820677911ed6")),
        ("another secret", stranger.paid(&order(Shop::STORE, 1), now_s())),
        ("a cancellation's signature", cancelled_url),
    ];
    let before = rows(&hub)?;
    for (what, body) in &forged {
        let reply = hub.client().post(PAID_PATH, body).await?;
        assert_eq!(error_of(&reply)?, SIGNATURE_ERROR, "{what}: {} {}", reply.status, reply.body);
        assert_eq!(rows(&hub)?, before, "{what} has left something");
    }
    let overview = hub.overview().await?;
    assert_eq!(overview["refused"]["bad_signatures"], forged.len(), "{overview:#}");

    // The same vector as it is: taken.
    let reply = hub.client().post(PAID_PATH, &genuine).await?;
    assert_eq!((reply.status, reply.body.as_str()), (200, OK_REPLY));
    assert_eq!(hub.ledger()?.number("SELECT count(*) FROM orders")?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_push_that_cannot_be_read_is_kept_and_alarms() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = hub_with_store(folder.path()).await?;
    let client = hub.meituan();
    let fields = |detail: &str| {
        vec![
            ("app_id", "10001".to_owned()),
            ("timestamp", now_s().to_string()),
            ("order_id", "27057681346841638".to_owned()),
            ("app_poi_code", Shop::STORE.to_owned()),
            ("total", "61.0".to_owned()),
            ("ctime", now_s().to_string()),
            ("detail", detail.to_owned()),
        ]
    };
    let body = client.wire(&client.paid_url, fields("[{\"food_name\": 7"));
    for _ in 0..2 {
        let reply = hub.client().post(PAID_PATH, &body).await?;
        assert_eq!(error_of(&reply)?, 701, "{} {}", reply.status, reply.body);
        assert_eq!(hub.ledger()?.number("SELECT count(*) FROM pushes")?, 1, "kept once");
    }
    assert_eq!(hub.ledger()?.alarms()?, [("push-undecoded".to_owned(), "paid".to_owned())]);
    let kept = hub.ledger()?.number("SELECT length(raw) FROM pushes")?;
    assert_eq!(usize::try_from(kept)?, body.len(), "as it came");
    let overview = hub.overview().await?;
    assert_eq!(overview["refused"]["bad_pushes"], 2, "{overview:#}");
    assert_eq!(overview["alarms"][0]["code"], "push-undecoded", "{overview:#}");
    let detail = overview["alarms"][0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("meituan-field-json") && detail.contains("detail"), "{detail}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_comes_by_get() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let order = shop.push(1).await?;
    let query = shop.hub.meituan().cancelled(&order.order_id, Canceller::Customer, "不想要了", now_s());
    for _ in 0..2 {
        let reply = shop.hub.client().get(&format!("{CANCELLED_PATH}?{query}")).await?;
        assert_eq!((reply.status, reply.body.as_str()), (200, OK_REPLY));
    }
    shop.until_printed(std::slice::from_ref(&order)).await?;
    let ledger = shop.hub.ledger()?;
    assert_eq!(ledger.number("SELECT cancelled FROM orders")?, 1);
    assert_eq!(ledger.number("SELECT count(*) FROM tickets WHERE kind = 'cancel'")?, 1);
    let last = shop.printer.receipts().last().map(Receipt::text).unwrap_or_default();
    assert!(last.contains("不想要了"), "{last}");

    // Forged by GET: refused like any other.
    let forged = with(&query, "sig", "00000000000000000000000000000000");
    let reply = shop.hub.client().get(&format!("{CANCELLED_PATH}?{forged}")).await?;
    assert_eq!(error_of(&reply)?, SIGNATURE_ERROR);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_dish_can_command_the_printer() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    // What is asked of a new printer once comes with its first ticket.
    let first = shop.push(3).await?;
    shop.until_printed(std::slice::from_ref(&first)).await?;
    let mut hostile = order(Shop::STORE, 1);
    // Cut, drawer kick, initialise, a status query, an image's header, and the codes of C1.
    let commands = "牛\u{1d}V\u{0}肉\u{1b}p\u{0}\u{32}\u{32}面\u{1b}@\u{10}\u{4}\u{1}\u{1d}v0\u{0}\u{9b}\u{7f}\r\n\u{c}完";
    for dish in &mut hostile.dishes {
        dish.name = commands.to_owned();
        dish.choices = vec![commands.to_owned()];
        dish.spec = commands.to_owned();
    }
    hostile.note = commands.to_owned();
    hostile.name = commands.to_owned();
    hostile.address = commands.to_owned();
    let body = shop.hub.meituan().paid(&hostile, now_s());
    assert_eq!(shop.hub.client().post(PAID_PATH, &body).await?.body, OK_REPLY);
    shop.until_printed(std::slice::from_ref(&hostile)).await?;
    let receipts = shop.printer.receipts();
    assert_eq!(receipts.len(), 2, "a dish has cut the paper");
    assert_eq!(slips(&shop.printer, &hostile), [None]);
    assert_eq!(receipts[1].flags(), [], "bytes that are not ours");
    assert_eq!(receipts[1].drawer_kicks(), [], "a dish has opened the drawer");
    let text = receipts[1].text();
    assert!(text.contains("牛V肉p22面@v0"), "the rest of the name stays: {text}");

    // Only what an ordinary slip holds: the same commands, the same number of times.
    let ordinary = shop.push(2).await?;
    shop.until_printed(std::slice::from_ref(&ordinary)).await?;
    let kinds = |receipt: &Receipt| {
        let mut seen: Vec<[u8; 2]> = receipt
            .raw()
            .windows(2)
            .filter(|two| matches!(two[0], 0x1b | 0x1d | 0x10 | 0x1c))
            .map(|two| [two[0], two[1]])
            .collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    };
    let ordinary = kinds(&shop.printer.receipts()[2]);
    let foreign: Vec<_> = kinds(&receipts[1]).into_iter().filter(|kind| !ordinary.contains(kind)).collect();
    assert!(foreign.is_empty(), "commands that an ordinary slip does not hold: {foreign:02x?}");
    Ok(())
}
