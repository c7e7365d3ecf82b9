//! The console in a real browser: what happens in a store is seen without a reload, and stale is never green.

mod browser {
    use docket_tests::browser::Browser;
    use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt};
    use docket_tests::platform::meituan::OK_REPLY;
    use docket_tests::platform::orders::PlacedOrder;
    use docket_tests::virtual_printer::{Fault, PrinterOptions, VirtualPrinter};

    const STORE: &str = "S0042";
    const AT_S: i64 = 1_795_000_000;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_page_follows_what_happens_in_a_store() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let printer = VirtualPrinter::start(PrinterOptions::default())?;
        let mut hub = Hub::start(folder.path(), HubOptions::default()).await?;
        hub.add_store(STORE, "测试面馆")?;
        let printers = vec![PrinterAt::only(printer.address())];
        let options = AgentOptions { printers, ..AgentOptions::default() };
        let mut agent = Agent::enrol(folder.path(), &hub, STORE, options)?;
        agent.start_linked(&hub).await?;

        let page = Browser::start().await?;
        page.goto(&format!("http://{}/", hub.addresses().console)).await?;
        page.wait_for("#stores", |text| text.contains("测试面馆"), PATIENCE).await?;

        let order = PlacedOrder::generate(4, 1, STORE, AT_S);
        let reply = hub.client().post("/cb/meituan/order/paid", &hub.meituan().paid(&order, AT_S)).await?;
        assert_eq!(reply.body, OK_REPLY);
        page.wait_for("#orders", |text| text.contains("围栏确认"), PATIENCE).await?;
        let shown = page.text("body").await?;
        assert!(!shown.contains(&order.phone) && !shown.contains(&order.address), "personal data: {shown}");

        printer.set(Fault::PaperOut);
        page.wait_for("#stores", |text| text.contains("缺纸"), PATIENCE).await?;
        printer.set(Fault::PaperIn);
        page.wait_for("#stores", |text| !text.contains("缺纸"), PATIENCE).await?;
        assert_eq!(page.console_errors().await?.len(), 0, "{:?}", page.console_errors().await?);

        assert_eq!(page.eval("return document.querySelectorAll('html.stale').length").await?, 0);
        hub.process().kill();
        page.wait_for("#banner", |text| !text.trim().is_empty(), PATIENCE).await?;
        assert_eq!(page.eval("return document.querySelectorAll('html.stale').length").await?, 1);
        Ok(())
    }
}
