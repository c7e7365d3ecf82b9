//! A chain's own slips, from a file that is saved to the paper.

mod bombs;
mod hung_drive;

use docket_tests::chain::shop::Shop;
use docket_tests::chain::{AgentOptions, Hub, HubOptions, PATIENCE};
use docket_tests::virtual_printer::Receipt;
use std::fs;
use std::path::PathBuf;

struct Chain {
    shop: Shop,
    pushed: u64,
}

impl Chain {
    async fn open() -> anyhow::Result<Self> {
        let options =
            HubOptions { routing: "[templates]\nfolder = \"slips\"\n".into(), ..HubOptions::default() };
        let mut shop = Shop::enrolled(options, AgentOptions::default()).await?;
        shop.agent.start_linked(&shop.hub).await?;
        Ok(Chain { shop, pushed: 0 })
    }

    fn slips(&self) -> PathBuf {
        self.shop.folder().join("hub/slips")
    }

    fn save(&self, text: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.slips().join("front.jinja"), text)?)
    }

    /// The first line of the next order's slip.
    async fn first_line(&mut self) -> anyhow::Result<String> {
        self.pushed += 1;
        let order = self.shop.push(self.pushed).await?;
        self.shop.until_printed(std::slice::from_ref(&order)).await?;
        let receipts: Vec<Receipt> = self.shop.printer.receipts();
        anyhow::ensure!(receipts.len() as u64 == self.pushed, "{} receipts", receipts.len());
        let line = receipts.last().and_then(|receipt| receipt.lines().into_iter().next());
        let text = line.map(|line| line.text).unwrap_or_default();
        Ok(text.replace(&format!("#{}", order.day_seq), "#N"))
    }
}

/// Waits until the console's alarms are these: (code, a part of the subject, a part of the detail).
async fn until_alarms(hub: &Hub, expected: &[(&str, &str, &str)]) -> anyhow::Result<()> {
    let what = format!("the alarms {expected:?}");
    hub.until_overview(&what, PATIENCE, |overview| {
        let alarms = overview["alarms"].as_array()?;
        let all = expected.iter().all(|(code, subject, detail)| {
            alarms.iter().any(|alarm| {
                alarm["code"] == *code
                    && alarm["subject"].as_str().is_some_and(|text| text.contains(subject))
                    && alarm["detail"].as_str().is_some_and(|text| text.contains(detail))
            })
        });
        (all && alarms.len() == expected.len()).then_some(())
    })
    .await
    .map_err(|error| error.context(format!("waited for {what}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_is_changed_broken_and_mended() -> anyhow::Result<()> {
    let mut chain = Chain::open().await?;
    // The folder is not there yet: that is said, and nothing stays unprinted.
    until_alarms(&chain.shop.hub, &[("template-refused", "slips", "templates-folder")]).await?;
    assert_eq!(chain.first_line().await?, "美团外卖 #N");

    fs::create_dir(chain.slips())?;
    until_alarms(&chain.shop.hub, &[]).await?;
    // As long as a bad template stands there, it is known that the good one before was seen, and not just missed.
    chain.save("[bigg] x")?;
    until_alarms(&chain.shop.hub, &[("template-refused", "front.jinja", "front.jinja:1")]).await?;
    chain.save("[big center] 我家 #{{ pickup }}\n[rule]\n{{ total }}\n")?;
    until_alarms(&chain.shop.hub, &[]).await?;
    assert_eq!(chain.first_line().await?, "我家 #N");

    chain.save("我家 #{{ pickup }}\n{{ totl }}\n")?;
    until_alarms(&chain.shop.hub, &[("template-refused", "front.jinja", "front.jinja:2")]).await?;
    assert_eq!(chain.first_line().await?, "我家 #N");
    let checked = chain.shop.hub.command(&["template", "check"])?;
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(!checked.status.success() && said.contains("front.jinja:2") && said.contains("totl"), "{said}");
    let shown = chain.shop.hub.command(&["template", "preview", "front"])?;
    let (slip, said) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(shown.status.success() && slip.contains("我家 #17"), "what is in force: {slip}");
    assert!(said.contains("front.jinja:2") && said.contains("the last good one"), "and why: {said}");
    let listed = chain.shop.hub.must(&["template", "list"])?;
    assert!(listed.contains("the last good one") && listed.contains("front.jinja:2"), "{listed}");
    let file = chain.slips().join("front.jinja").display().to_string();
    let shown = chain.shop.hub.command(&["template", "preview", "front", "--file", &file])?;
    assert!(!shown.status.success() && shown.stdout.is_empty(), "who asks for a file is not shown another");

    chain.shop.hub.restart().await?;
    until_alarms(&chain.shop.hub, &[("template-refused", "front.jinja", "front.jinja:2")]).await?;
    assert_eq!(chain.first_line().await?, "我家 #N", "the last good one, after a restart, too");

    // Good for the samples, and not for a real order: the slip is this program's.
    chain.save("我家 #{{ pickup }}\n{% if store == '测试面馆' %}{{ note.x.y }}{% endif %}\n")?;
    until_alarms(&chain.shop.hub, &[]).await?;
    assert_eq!(chain.first_line().await?, "美团外卖 #N");
    until_alarms(&chain.shop.hub, &[("template-failed", "front.jinja", "front.jinja:2")]).await?;

    chain.save("您好 #{{ pickup }}\n")?;
    until_alarms(&chain.shop.hub, &[]).await?;
    assert_eq!(chain.first_line().await?, "您好 #N");
    assert!(chain.shop.hub.must(&["template", "check"])?.contains("front.jinja"));
    assert!(chain.shop.hub.must(&["template", "preview", "front"])?.contains("您好 #17"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_in_order_and_previews_as_a_picture() -> anyhow::Result<()> {
    let chain = Chain::open().await?;
    let folder = chain.slips().display().to_string();
    let hub = &chain.shop.hub;
    let exported = hub.must(&["template", "export", &folder])?;
    assert_eq!(exported.lines().filter(|line| line.starts_with('+')).count(), 10, "{exported}");
    chain.save("mine")?;
    let again = hub.must(&["template", "export", &folder])?;
    assert!(again.lines().all(|line| line.starts_with('=')), "{again}");
    assert_eq!(fs::read_to_string(chain.slips().join("front.jinja"))?, "mine", "what is there stays");
    assert_eq!(hub.must(&["template", "check", &folder])?.lines().count(), 10);
    let listed = hub.must(&["template", "list"])?;
    assert_eq!(listed.lines().filter(|line| line.contains("slips")).count(), 10);
    assert_eq!(listed.lines().filter(|line| line.contains("nothing prints it yet")).count(), 3, "{listed}");
    for width in ["58", "80"] {
        let picture = chain.shop.folder().join(format!("{width}.png"));
        hub.must(&[
            "template",
            "preview",
            "kitchen",
            "--paper",
            width,
            "--png",
            &picture.display().to_string(),
        ])?;
        assert!(fs::read(&picture)?.starts_with(b"\x89PNG"));
    }
    let unknown = hub.command(&["template", "preview", "kitchn"])?;
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("kitchen=厨打单"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_the_pictures_that_the_hub_finds_and_says_which_are_bad() -> anyhow::Result<()> {
    let chain = Chain::open().await?;
    let (hub, folder) = (&chain.shop.hub, chain.slips());
    fs::create_dir(&folder)?;
    chain.save("a")?;
    let logo = folder.join("logo.png").display().to_string();
    hub.must(&["template", "preview", "front", "--png", &logo])?;
    for head in ["[image logo]", "[IMAGE logo]", "[ image logo]"] {
        chain.save(&format!("{head}\n#{{{{ pickup }}}}\n"))?;
        hub.must(&["template", "check"])?;
        hub.must(&["template", "check", &folder.join("front.jinja").display().to_string()])?;
        assert!(hub.must(&["template", "preview", "front"])?.contains("#17"), "{head}");
    }
    fs::write(folder.join("bad.png"), "no picture")?;
    let checked = hub.command(&["template", "check"])?;
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(!checked.status.success() && said.contains("✗ bad.png"), "{said}");
    assert!(said.lines().any(|line| line.starts_with('✓') && line.contains("front.jinja")), "{said}");
    assert!(hub.must(&["template", "preview", "front"])?.contains("#17"), "the bad one is not shown");
    Ok(())
}
