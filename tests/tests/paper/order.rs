//! What a customer writes, through hub and agent to the paper.

use anyhow::{Context, bail};
use docket_tests::chain::Shop;
use docket_tests::chain::shop::{order, push_order};
use docket_tests::platform::http::HttpClient;
use docket_tests::platform::orders::{PlacedDish, PlacedOrder};
use serde_json::Value;

/// A character that no font has: it is from the area that everybody may use as they like.
const NOBODYS: char = '\u{E123}';
/// About as many dishes as a push holds with long names.
const DISHES: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn an_emoji_is_drawn_and_what_no_font_has_is_a_box_that_people_hear_of() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let drawn = PlacedOrder { note: "少放辣😀".into(), ..order(Shop::STORE, 1) };
    push_order(&shop.hub, &drawn).await?;
    shop.until_printed(std::slice::from_ref(&drawn)).await?;
    let [receipt] = &shop.printer.receipts()[..] else { anyhow::bail!("one slip is expected") };
    assert_eq!(receipt.flags(), []);
    let text = receipt.text();
    // The note is twice as high, so it takes two bands, and ends where its columns do: 备注:少放辣😀 has 13.
    assert!(text.contains("[IMAGE 160x24]\n[IMAGE 160x24]\n"), "{text}");
    assert!(!text.contains("少放辣") && !text.contains('□'), "{text}");
    assert!(!shop.agent.log_text().contains("glyphs-missing"), "{}", shop.agent.log_text());

    let boxed = PlacedOrder { note: format!("少放辣{NOBODYS}"), ..order(Shop::STORE, 2) };
    push_order(&shop.hub, &boxed).await?;
    shop.until_printed(std::slice::from_ref(&boxed)).await?;
    let receipts = shop.printer.receipts();
    assert_eq!(receipts[1].flags(), []);
    assert!(receipts[1].text().contains("少放辣□"), "{}", receipts[1].text());
    let log = shop.agent.log_text();
    assert!(log.contains("glyphs-missing"), "{log}");
    assert!(!log.contains(NOBODYS), "what a customer wrote is not for the log: {log}");

    // Where a person looks it is said which, beside the ticket and with what to do: at headquarters,
    let overview = shop.hub.overview().await?;
    let boxes = |order: &PlacedOrder| {
        let orders = overview["orders"].as_array().into_iter().flatten();
        let found = orders.filter(|found| found["id"] == order.order_id.as_str());
        found
            .flat_map(|order| order["tickets"].as_array().into_iter().flatten())
            .map(|ticket| &ticket["boxes"])
            .collect::<Vec<_>>()
    };
    assert_eq!(boxes(&drawn), [""], "{overview:#}");
    assert_eq!(boxes(&boxed), [&NOBODYS.to_string()], "{overview:#}");
    let console = HttpClient::new(shop.hub.addresses().console);
    for (language, mark, remedy) in [("zh", "打成方框:", "自造字"), ("en", "boxes for ", "no font has them")]
    {
        let page = console.get(&format!("/?lang={language}")).await?.body;
        assert!(page.contains(&format!("{mark}<bdi>{NOBODYS}</bdi>")) && page.contains(remedy), "{page}");
    }
    // and in the store, where the preview shows the same.
    let status = shop.agent.status()?;
    let page = status["file"]["page"].as_str().with_context(|| format!("no page: {status:#}"))?;
    let page = HttpClient::new(page.parse()?);
    let tickets: Value = serde_json::from_str(&page.get("/api/tickets").await?.body)?;
    let [newest, before] = &tickets.as_array().context("tickets")?[..] else { bail!("{tickets:#}") };
    assert_eq!(newest["boxes"]["characters"], NOBODYS.to_string(), "{tickets:#}");
    let remedy = &newest["boxes"]["remedies"][0];
    assert!(
        remedy["zh"].to_string().contains("自造字") && remedy["en"].to_string().contains("no font"),
        "{remedy}"
    );
    assert_eq!(before["boxes"], Value::Null, "{tickets:#}");
    let preview = async |ticket: &Value| {
        let id = ticket["id"].as_str().unwrap_or_default();
        page.get(&format!("/api/tickets/preview?ticket={id}")).await.map(|reply| reply.body)
    };
    let shown = preview(newest).await?;
    assert!(shown.contains("少放辣□") && !shown.contains(NOBODYS), "{shown}");
    assert!(!preview(before).await?.contains('😀'), "the PC draws it, not the browser");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_beyond_all_measure_comes_out_and_can_be_looked_at() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let note = "不要香菜，".repeat(1_000);
    let mut placed = PlacedOrder { note, ..order(Shop::STORE, 1) };
    placed.dishes.truncate(1);
    placed.dishes[0].quantity = 10_000;
    placed.dishes[0].name = "超长菜名".repeat(12);
    placed.reductions = vec![("满减\u{202e}\r\n活动\u{1b}@".into(), 123_456)];
    push_order(&shop.hub, &placed).await?;
    shop.until_printed(std::slice::from_ref(&placed)).await?;
    let receipts = shop.printer.receipts();
    let [receipt] = &receipts[..] else { bail!("{} slips", receipts.len()) };
    assert_eq!(receipt.flags(), []);
    let text = receipt.text();
    let sum = i64::from(placed.dishes[0].quantity) * placed.dishes[0].price_fen;
    let sum = format!(" ×10000 {}.{:02}", sum / 100, sum % 100);
    for whole in [&sum[..], " -1234.56", "满减", "活动@", "已在线支付"] {
        assert!(text.contains(whole), "{whole} is not in {text}");
    }
    // The hub keeps 1,000 characters of a note, and what it leaves out is seen.
    let kept = "不要香菜，".repeat(200) + "…";
    assert!(text.replace('\n', "").contains(&kept), "a part of the note is not in {text}");

    let status = shop.agent.status()?;
    let page = status["file"]["page"].as_str().with_context(|| format!("no page: {status:#}"))?;
    let page = HttpClient::new(page.parse()?);
    let tickets: Value = serde_json::from_str(&page.get("/api/tickets").await?.body)?;
    let id = tickets[0]["id"].as_str().context("a ticket")?;
    let preview = page.get(&format!("/api/tickets/preview?ticket={id}")).await?;
    assert_eq!(preview.status, 200, "{}", preview.body);
    assert!(preview.body.matches("不要香菜").count() > 100, "{}", preview.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_dish_of_a_very_long_order_is_missing() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let mut placed = order(Shop::STORE, 1);
    let dish = placed.dishes.swap_remove(0);
    let named = |n: usize| PlacedDish {
        name: format!("D{n}.{}", "x".repeat(100)),
        spec: String::new(),
        choices: Vec::new(),
        ..dish.clone()
    };
    placed.dishes = (1..=DISHES).map(named).collect();
    push_order(&shop.hub, &placed).await?;
    shop.until_printed(std::slice::from_ref(&placed)).await?;
    let text = shop.printer.receipts()[0].text();
    for n in 1..=DISHES {
        assert!(text.contains(&format!("D{n}.")), "dish {n} is not in {text}");
    }
    assert!(text.contains("已在线支付") && !text.contains("未打完"), "{text}");
    assert!(!shop.agent.log_text().contains("ticket-cut-short"), "{}", shop.agent.log_text());
    Ok(())
}
