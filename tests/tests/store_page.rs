//! The page on a store's PC in a real browser: a printer is found, added, tested, runs out of paper, gets paper, and
//! prints a ticket again; by mouse, by keyboard, and as axe sees it.
//!
//! `DOCKET_AXE` names axe-core's script (`installer/setup/axe.sh`). With `DOCKET_SCREENSHOTS=FOLDER` pictures of the
//! page are left there; `docs/store-page.png` is one of them.

mod changes;

mod browser {
    use anyhow::Context;
    use docket_tests::browser::Browser;
    use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, shop, wait_for};
    use docket_tests::platform::http::HttpClient;
    use docket_tests::platform::orders::PlacedOrder;
    use docket_tests::virtual_printer::{Fault, PrinterOptions, Receipt, VirtualPrinter};
    use serde_json::{Value, json};
    use std::net::{Ipv4Addr, SocketAddr};
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;

    const STORE: &str = "S0042";
    /// Pages on the store's PC that the agent keeps up to date.
    const VIEWERS_MAX: usize = 8;
    /// Within this, paper that is out is on the page with its remedy.
    const SEEN_MS_MAX: i64 = 1_000;
    /// A page that has lost the agent shows it within this; 6 s are the page's own.
    const STALE_MAX: Duration = Duration::from_secs(15);
    /// States of a ticket at the hub.
    const HELD: i64 = 4;
    const SETTLED: i64 = 6;
    const RAW_PORT: u16 = 9_100;
    const TAB: char = '\u{e004}';
    const ENTER: char = '\u{e007}';

    /// Notes when the page first shows a text, by the machine's clock.
    const WATCH: &str = "
        const text = arguments[0]; window.seenAt = 0;
        const look = () => { if (!window.seenAt && document.getElementById('banner').innerText.includes('缺纸')) window.seenAt = Date.now(); };
        new MutationObserver(look).observe(document.getElementById('banner'), { childList: true, subtree: true, characterData: true });
        look();";

    struct Store {
        page: Browser,
        printers: [VirtualPrinter; 2],
        agent: Agent,
        hub: Hub,
        address: SocketAddr,
        _folder: tempfile::TempDir,
    }

    impl Store {
        /// A hub, a browser, an agent that has no printer yet, and two printers in its network.
        async fn open(more: &str) -> anyhow::Result<Self> {
            let folder = tempfile::tempdir()?;
            let (network, printers) = printers()?;
            let hub = Hub::start(folder.path(), HubOptions::default()).await?;
            hub.add_store(STORE, "人民路店")?;
            let page = format!("search = [\"{network}\"]\n{more}");
            let options = AgentOptions { page, ..AgentOptions::default() };
            let mut agent = Agent::enrol(folder.path(), &hub, STORE, options)?;
            agent.start_linked(&hub).await?;
            let address = wait_for("the page's address", PATIENCE, || {
                let status = agent.status().unwrap_or_default();
                status["file"]["page"].as_str().map(str::to_owned).ok_or_else(|| agent.log_text())
            })
            .await?;
            let page = Browser::start().await?;
            page.resize(1024, 768).await?;
            page.goto(&format!("http://{address}/")).await?;
            Ok(Store { page, printers, agent, hub, address: address.parse()?, _folder: folder })
        }

        async fn banner(&self, text: &str) -> anyhow::Result<String> {
            self.page.wait_for("#banner", |banner| banner.contains(text), PATIENCE).await
        }

        async fn count(&self, css: &str) -> anyhow::Result<u64> {
            let count = self.page.eval(&format!("return document.querySelectorAll('{css}').length")).await?;
            count.as_u64().context("a count")
        }

        async fn press_button(&self, text: &str) -> anyhow::Result<()> {
            self.page
                .click(&format!("//button[contains(., '{text}')]"))
                .await
                .with_context(|| text.to_owned())
        }

        async fn press_button_of(&self, printer: &str, text: &str) -> anyhow::Result<()> {
            let button = format!(
                "//li[contains(@class, 'card')][.//h3[contains(., '{printer}')]]//button[.='{text}']"
            );
            wait_for_xpath(&self.page, &button).await?;
            self.page.click(&button).await
        }

        /// What axe finds that is serious or critical.
        async fn axe(&self, where_: &str) -> anyhow::Result<()> {
            let path =
                std::env::var_os("DOCKET_AXE").context("set DOCKET_AXE: installer/setup/axe.sh prints it")?;
            if self.page.eval("return typeof axe").await? == "undefined" {
                self.page.eval(&std::fs::read_to_string(path)?).await?;
            }
            let found = self.page.eval("return axe.run(document).then(r => r.violations)").await?;
            let bad: Vec<String> = found
                .as_array()
                .context("axe's findings")?
                .iter()
                .filter(|fault| fault["impact"] == "serious" || fault["impact"] == "critical")
                .map(|fault| format!("{}: {}", fault["id"], fault["nodes"]))
                .collect();
            anyhow::ensure!(bad.is_empty(), "{where_}: {bad:#?}");
            Ok(())
        }

        async fn picture(&self, name: &str) -> anyhow::Result<()> {
            if let Some(folder) = std::env::var_os("DOCKET_SCREENSHOTS") {
                // What is seen a moment later.
                let calm = "document.getElementById('notice').hidden = true; document.activeElement.blur()";
                self.page.eval(calm).await?;
                std::fs::write(PathBuf::from(folder).join(name), self.page.screenshot().await?)?;
            }
            Ok(())
        }
    }

    /// Two printers side by side in a network that nothing else uses: any address in 127/8 is this machine's.
    fn printers() -> anyhow::Result<(String, [VirtualPrinter; 2])> {
        let mut last = None;
        for attempt in 0..50_u32 {
            let place = (std::process::id() + attempt * 7_919) % 0x3f_0000;
            let base = u32::from(Ipv4Addr::new(127, 64, 0, 0)) + place * 4;
            let start = |host: u32| {
                let listen = SocketAddr::from((Ipv4Addr::from(base + host), RAW_PORT));
                VirtualPrinter::start(PrinterOptions { listen, ..PrinterOptions::default() })
            };
            match (start(1), start(2)) {
                (Ok(first), Ok(second)) => {
                    return Ok((format!("{}/30", Ipv4Addr::from(base)), [first, second]));
                }
                (first, second) => last = first.err().or(second.err()),
            }
        }
        Err(last.context("no printer was started")?.into())
    }

    fn now_ms() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or_default()
    }

    async fn until_printed(printer: &VirtualPrinter, text: &str) -> anyhow::Result<Receipt> {
        wait_for(&format!("{text} on paper"), PATIENCE, || {
            let receipts = printer.receipts();
            let found = receipts.iter().find(|receipt| receipt.text().contains(text)).cloned();
            found.ok_or_else(|| receipts.iter().map(Receipt::text).collect::<Vec<_>>())
        })
        .await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_adds_its_printers_and_lives_with_them() -> anyhow::Result<()> {
        let mut store = Store::open("").await?;
        let kitchen_address = store.printers[0].address().ip();
        store.banner("还没有打印机").await?;
        store.axe("without a printer").await?;
        // What comes meanwhile waits.
        let early = shop::push(&store.hub, STORE, 1).await?;

        // Three presses from "add" to a printing printer.
        store.press_button("添加打印机").await?;
        let card = format!("//li[contains(@class, 'found')][contains(., '{kitchen_address}')]");
        wait_for_xpath(&store.page, &card).await?;
        store.page.click(&format!("{card}//button[contains(., '打印编号')]")).await?;
        until_printed(&store.printers[0], "请在页面上选这个编号").await?;
        store.axe("printers found").await?;
        store.picture("store-page-adding.png").await?;
        store.page.click(&format!("{card}//button[contains(., '用这台')]")).await?;
        store.axe("the form").await?;
        store.press_button("添加并打测试页").await?;
        let test = until_printed(&store.printers[0], "测试页").await?;
        assert!(test.text().contains("前台"), "{}", test.text());
        wait_for("the order that came before any printer", PATIENCE, || {
            let slips = shop::slips(&store.printers[0], &early);
            if slips == [None] { Ok(()) } else { Err(slips) }
        })
        .await?;
        store.banner("一切正常").await?;

        // The second one with the keyboard alone.
        store.page.eval("document.querySelector('[data-id=add]').focus()").await?;
        store.page.press(&ENTER.to_string()).await?;
        let other = store.printers[1].address().ip();
        let card = format!("//li[contains(@class, 'found')][contains(., '{other}')]");
        wait_for_xpath(&store.page, &card).await?;
        until_focus(&store.page, &format!("use-{other}")).await?;
        store.page.press(&ENTER.to_string()).await?;
        until_focus(&store.page, "do-add").await?;
        store.page.press(&ENTER.to_string()).await?;
        let test = until_printed(&store.printers[1], "测试页").await?;
        assert!(test.text().contains("后厨"), "{}", test.text());
        store.banner("一切正常").await?;
        assert_eq!(store.count("#printers .card.green").await?, 2);

        store.page.eval(WATCH).await?;
        let out_at = now_ms();
        store.printers[0].set(Fault::PaperOut);
        let banner = store.banner("缺纸").await?;
        assert!(banner.contains("前台") && banner.contains("换上新纸卷"), "{banner}");
        let seen_ms =
            store.page.eval("return window.seenAt").await?.as_i64().context("when it was seen")? - out_at;
        println!("paper out was on the page after {seen_ms} ms");
        assert!(seen_ms <= SEEN_MS_MAX, "paper out was seen only after {seen_ms} ms");
        store.axe("paper out").await?;
        for number in 2..=6 {
            shop::push(&store.hub, STORE, number).await?;
        }
        store.page.wait_for("#printers", |text| text.contains("待打\n5"), PATIENCE).await?;
        // The worst stays first.
        store.printers[1].set(Fault::PaperNearEnd);
        let banner = store.banner("纸快用完").await?;
        assert!(banner.find("缺纸") < banner.find("纸快用完"), "{banner}");
        store.picture("store-page.png").await?;

        // In English it says the same, and nothing comes from elsewhere.
        store.press_button("English").await?;
        store.banner("paper is out").await?;
        store.axe("in English").await?;
        store.picture("store-page-en.png").await?;
        store.press_button("中文").await?;

        store.printers.iter().for_each(|printer| printer.set(Fault::PaperIn));
        store.banner("一切正常").await?;
        let all_out = |text: &str| !text.contains("待打") && !text.contains("正在打印");
        store.page.wait_for("#tickets", all_out, PATIENCE).await?;

        // Again, marked, after a question.
        store.page.click("//ul[@class='tickets']/li[1]//button").await?;
        let drawn = "const image = document.querySelector('.paper img'); return image && image.complete && image.naturalHeight > 100";
        until_true(&store.page, drawn).await?;
        store.axe("a ticket").await?;
        store.page.click("//button[starts-with(@data-id, 'reprint-')]").await?;
        store.picture("store-page-reprint.png").await?;
        store.press_button("确定补打").await?;
        wait_for("the marked repeat", PATIENCE, || {
            let repeats: Vec<Option<u32>> = store
                .printers
                .iter()
                .flat_map(|printer| printer.receipts())
                .map(|slip| slip.is_repeat())
                .collect();
            if repeats.contains(&Some(1)) { Ok(()) } else { Err(repeats) }
        })
        .await?;
        store.page.wait_for("#tickets", |text| text.contains("补打 1"), PATIENCE).await?;

        // What no font has is said beside its ticket, with what to do.
        let boxed = PlacedOrder { note: "少放辣\u{E123}".into(), ..shop::order(STORE, 7) };
        shop::push_order(&store.hub, &boxed).await?;
        let says = |text: &str| text.contains("打成方框:\u{E123}") && text.contains("自造字");
        store.page.wait_for("#tickets", says, PATIENCE).await?;
        store.axe("a ticket with boxes").await?;
        store.picture("store-page-boxes.png").await?;

        let errors = store.page.console_errors().await?;
        assert!(errors.is_empty(), "{errors:?}");
        let loaded = store.page.eval("return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))").await?;
        assert_eq!(loaded, Value::Array(Vec::new()), "the page loads from elsewhere");

        // Without the agent nothing is green.
        store.agent.process()?.kill();
        store.page.wait_for("#banner", |text| text.contains("断开"), STALE_MAX).await?;
        assert_eq!(store.count("html.stale").await?, 1);
        assert_eq!(store.count(".banner.well").await?, 0);
        store.axe("out of date").await?;
        store.agent.start()?;
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn staff_pause_rename_and_remove_printers_and_settle_what_is_held() -> anyhow::Result<()> {
        let store = Store::open("[printing]\non_unknown = \"hold\"").await?;
        let page = &store.page;
        let client = HttpClient::new(store.address);
        for (printer, name, station) in [(0, "前台", "front"), (1, "后厨", "kitchen")] {
            let address = store.printers[printer].address().ip();
            let wanted = json!({ "name": name, "address": address, "paper_mm": 80, "stations": [station] });
            let added = client.post_json("/api/printers/add", &wanted.to_string()).await?;
            assert_eq!(added.status, 200, "{}", added.body);
        }
        store.banner("一切正常").await?;

        // Paused: nothing comes out, and that is said. Resumed: it does.
        store.press_button_of("前台", "暂停").await?;
        store.banner("已暂停").await?;
        shop::push(&store.hub, STORE, 1).await?;
        page.wait_for("#tickets", |text| text.contains("待打"), PATIENCE).await?;
        assert_eq!(store.printers[0].receipt_count(), 0);
        store.press_button_of("前台", "继续").await?;
        page.wait_for("#tickets", |text| text.contains("打印机已确认"), PATIENCE).await?;

        // Another name: the form stays open while things happen, and the printer goes on under it.
        store.press_button_of("前台", "修改").await?;
        page.click("//form//input[@maxlength='32']").await?;
        page.eval("document.activeElement.value = ''").await?;
        page.press("收银台").await?;
        store.printers[1].set(Fault::PaperNearEnd);
        store.banner("纸快用完").await?;
        assert_eq!(page.eval("return document.activeElement.value").await?, "收银台");
        store.axe("changing a printer").await?;
        store.picture("store-page-change.png").await?;
        store.press_button("保存").await?;
        page.wait_for("#printers .name", |name| name == "收银台", PATIENCE).await?;
        store.printers[1].set(Fault::PaperIn);
        store.banner("一切正常").await?;

        // Two tickets break off in the middle. One came out, the other did not.
        for number in [2, 3] {
            store.printers[0].set(Fault::DropAfterBytes(200));
            let order = shop::push(&store.hub, STORE, number).await?;
            page.wait_for("#held", |text| text.contains(&format!("#{}", order.day_seq)), PATIENCE).await?;
            // Connected again, so that the next fault meets a ticket.
            page.wait_for("#printers .word", |word| word == "正常", PATIENCE).await?;
        }
        store.banner("等人处理").await?;
        store.axe("held tickets").await?;
        store.picture("store-page-held.png").await?;
        let before = store.printers[0].receipt_count();
        store.press_button("已出纸,不用打").await?;
        page.wait_for("#tickets", |text| text.contains("已处理"), PATIENCE).await?;
        // The list of those that wait is drawn by itself: a press before would be for the one that is settled.
        page.wait_for("#held", |text| text.matches("没出纸,重打").count() == 1, PATIENCE).await?;
        store.press_button("没出纸,重打").await?;
        wait_for("the released ticket on paper", PATIENCE, || {
            let last = store.printers[0].receipts().last().and_then(Receipt::is_repeat);
            let count = store.printers[0].receipt_count();
            if count > before && last == Some(1) {
                Ok(())
            } else {
                Err((count, last, store.agent.log_text()))
            }
        })
        .await?;
        store.banner("一切正常").await?;
        let ledger = store.hub.ledger()?;
        wait_for("the hub to know", PATIENCE, || {
            let states: Vec<i64> =
                ledger.tickets().map_err(|error| error.to_string())?.iter().map(|t| t.state).collect();
            if states.contains(&SETTLED) && !states.contains(&HELD) {
                Ok(())
            } else {
                Err(format!("{states:?}"))
            }
        })
        .await?;

        // Away with it: what is for its station comes out of the one that is left.
        store.press_button_of("收银台", "修改").await?;
        page.click("//li[contains(@class, 'open')]//button[.='删除']").await?;
        store.press_button("删除这台打印机").await?;
        page.wait_for("#printers", |text| !text.contains("收银台"), PATIENCE).await?;
        let order = shop::push(&store.hub, STORE, 4).await?;
        wait_for("the order on the other printer", PATIENCE, || {
            let slips = shop::slips(&store.printers[1], &order);
            if slips.is_empty() { Err(slips) } else { Ok(()) }
        })
        .await?;
        let errors = page.console_errors().await?;
        assert!(errors.is_empty(), "{errors:?}");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_printer_that_is_off_can_be_removed_and_a_page_too_many_says_so() -> anyhow::Result<()> {
        let mut store = Store::open("").await?;
        let client = HttpClient::new(store.address);
        let address = store.printers[0].address().ip();
        let wanted = json!({ "name": "前台", "address": address, "paper_mm": 80, "stations": ["front"] });
        let added = client.post_json("/api/printers/add", &wanted.to_string()).await?;
        assert_eq!(added.status, 200, "{}", added.body);

        // A person writes another one of that name into the file.
        store.agent.process()?.end()?;
        let file = store.agent.data().join("printers.toml");
        let other =
            format!("\n[[printer]]\nname = \"前台\"\naddress = \"{}\"\n", store.printers[1].address());
        std::fs::write(&file, std::fs::read_to_string(&file)? + &other)?;
        store.agent.start()?;
        store.agent.until_link("live").await?;
        let address =
            store.agent.status()?["file"]["page"].as_str().context("the page's address")?.to_owned();
        store.page.goto(&format!("http://{address}/")).await?;
        store.banner("打印机「前台」没有启用").await?;
        assert_eq!(store.count("#printers .card").await?, 2);
        store.axe("a printer that is off").await?;
        store.page.click("//li[contains(., '没有启用')]//button[.='修改']").await?;
        store.press_button("删除").await?;
        store.press_button("删除这台打印机").await?;
        store.banner("一切正常").await?;
        assert_eq!(store.count("#printers .card.green").await?, 1);

        // Others open as many pages as there may be: this one is the longest viewer.
        let mut viewers = Vec::new();
        for _ in 0..VIEWERS_MAX {
            let mut viewer = TcpStream::connect(&address).await?;
            viewer
                .write_all(format!("GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
                .await?;
            viewers.push(viewer);
        }
        store.banner("打开的页面太多").await?;
        assert_eq!(store.count("html.stale").await?, 1);
        store.axe("a page too many").await?;
        let mut errors = store.page.console_errors().await?;
        // The page from before, while the agent was away.
        errors.retain(|error| !error.contains("ERR_CONNECTION_REFUSED"));
        assert!(errors.is_empty(), "{errors:?}");
        Ok(())
    }

    async fn until_true(page: &Browser, script: &str) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let last = page.eval(script).await;
            if matches!(last, Ok(Value::Bool(true))) {
                return Ok(());
            }
            anyhow::ensure!(tokio::time::Instant::now() < deadline, "{script}: {last:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn wait_for_xpath(page: &Browser, xpath: &str) -> anyhow::Result<()> {
        let script = format!(
            "return document.evaluate({xpath:?}, document, null, XPathResult.BOOLEAN_TYPE, null).booleanValue"
        );
        until_true(page, &script).await
    }

    /// Goes from one control to the next until that of this id has the focus, and sees that the focus is visible.
    async fn until_focus(page: &Browser, id: &str) -> anyhow::Result<()> {
        for _ in 0..80 {
            let focus = page
                .eval("const e = document.activeElement; return [e.dataset.id || e.tagName, getComputedStyle(e).outlineStyle]")
                .await?;
            if focus[0] == id {
                anyhow::ensure!(focus[1] != "none", "the focus on {id} cannot be seen");
                return Ok(());
            }
            page.press(&TAB.to_string()).await?;
        }
        anyhow::bail!("the keyboard does not come to {id}")
    }
}
