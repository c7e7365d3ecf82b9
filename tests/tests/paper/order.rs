//! What a customer writes, through hub and agent to the paper.

use docket_tests::chain::Shop;
use docket_tests::chain::shop::{order, push_order};
use docket_tests::platform::orders::PlacedOrder;

/// A character that no font has: it is from the area that everybody may use as they like.
const NOBODYS: char = '\u{E123}';

#[tokio::test(flavor = "multi_thread")]
async fn an_emoji_is_drawn_and_what_no_font_has_is_a_box_and_in_the_log() -> anyhow::Result<()> {
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
    Ok(())
}
