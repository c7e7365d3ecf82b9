//! A ticket that is longer than a ticket may be: the paper ends with words that say so, and people are told where they
//! look, since dishes may be missing.

use anyhow::Context;
use docket_tests::chain::shop::Shop;
use docket_tests::chain::{AgentOptions, HubOptions, PATIENCE, wait_for};
use docket_tests::platform::http::HttpClient;
use serde_json::Value;

/// More paper than a ticket may take, but for the orders with which a template is checked.
const ENDLESS: &str = "#{{ pickup }}\n{% if store == '测试面馆' %}{% for n in range(700) %}\n[feed 20]\n{% endfor %}{% endif %}\n[cut]\n的最后一行\n";
const SHORT: &str = "#{{ pickup }}\n";

/// Waits until the hub has taken this text for the front slip: at its start it prints with what it had before.
async fn until_taken(shop: &Shop, text: &str) -> anyhow::Result<()> {
    let kept = shop.hub.data().join("templates/front.jinja");
    wait_for("the template to be taken", PATIENCE, || match std::fs::read_to_string(&kept) {
        Ok(taken) if taken == text => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_not_whole_is_marked_in_the_store_and_alarms_headquarters() -> anyhow::Result<()> {
    let routing = "[templates]\nfolder = \"slips\"\n".to_owned();
    let options = HubOptions { routing, ..HubOptions::default() };
    let mut shop = Shop::enrolled(options, AgentOptions::default()).await?;
    let slips = shop.folder().join("hub/slips");
    std::fs::create_dir(&slips)?;
    std::fs::write(slips.join("front.jinja"), ENDLESS)?;
    shop.hub.restart().await?;
    until_taken(&shop, ENDLESS).await?;
    shop.agent.start_linked(&shop.hub).await?;

    let order = shop.push(1).await?;
    shop.until_printed(std::slice::from_ref(&order)).await?;
    let text = shop.printer.receipts()[0].text();
    assert!(text.contains("未打完") && !text.contains("的最后一行"), "{text}");

    let overview = shop.hub.until_overview("an alarm", PATIENCE, |overview| {
        (!overview["alarms"].as_array()?.is_empty()).then(|| overview.clone())
    });
    let alarms = &overview.await?["alarms"];
    assert_eq!(alarms[0]["code"], "ticket-cut-short", "{alarms:#}");
    assert_eq!(alarms[0]["subject"], format!("meituan:{}", order.order_id), "{alarms:#}");
    assert_eq!(alarms[0]["detail"], format!("{} front front", Shop::STORE), "{alarms:#}");

    let status = shop.agent.status()?;
    let page = status["file"]["page"].as_str().with_context(|| format!("no page: {status:#}"))?;
    let tickets = HttpClient::new(page.parse()?).get("/api/tickets").await?;
    let tickets: Value = serde_json::from_str(&tickets.body)?;
    assert_eq!(tickets[0]["cut_short"], true, "{tickets:#}");
    let listed = shop.agent.command(&["tickets"])?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("太长,没打完 / too long, not whole"), "{listed}");

    // A whole one is none of this.
    std::fs::write(slips.join("front.jinja"), SHORT)?;
    shop.hub.restart().await?;
    until_taken(&shop, SHORT).await?;
    let whole = shop.push(2).await?;
    shop.until_printed(std::slice::from_ref(&whole)).await?;
    let tickets = HttpClient::new(page.parse()?).get("/api/tickets").await?;
    let tickets: Value = serde_json::from_str(&tickets.body)?;
    assert_eq!(
        (&tickets[0]["cut_short"], &tickets[1]["cut_short"]),
        (&false.into(), &true.into()),
        "{tickets:#}"
    );
    assert_eq!(shop.hub.overview().await?["alarms"].as_array().map(Vec::len), Some(1));
    Ok(())
}
