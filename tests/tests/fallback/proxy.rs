//! A store whose only way out is an HTTP proxy.

use super::{print_once, shop, until_way};
use docket_tests::chain::{PATIENCE, wait_for};
use docket_tests::firewall::ConnectProxy;

/// `shop:p@ss`
const BASIC: &str = "Basic c2hvcDpwQHNz";

#[tokio::test(flavor = "multi_thread")]
async fn a_store_behind_a_proxy_enrols_and_prints_through_it() -> anyhow::Result<()> {
    let proxy = ConnectProxy::start(Some(BASIC)).await?;
    let address = proxy.address();
    let mut target = None;
    let (mut shop, _gate) = shop(false, |hub| {
        target = Some(hub.tcp()?);
        Ok(format!("fallback = \"{}\"\nproxy = \"http://shop:p%40ss@{address}\"", hub.tcp()?))
    })
    .await?;
    assert_eq!(proxy.tunnels(), 1, "enrolment went another way");
    let target = target.map(|target| target.to_string()).unwrap_or_default();
    assert!(proxy.last_request().starts_with(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n")));
    shop.agent.start_linked(&shop.hub).await?;
    print_once(&shop, 0..3).await?;
    until_way(&shop, "TCP by proxy", |way| way["transport"] == "tls" && way["proxied"] == true).await?;
    // The password is shown nowhere.
    let shown = shop.agent.command(&["check-config"])?;
    let status = shop.agent.command(&["status", "--json"])?;
    let said = [shown.stdout, shown.stderr, status.stdout, shop.agent.log_text().into_bytes()].concat();
    let said = String::from_utf8(said)?;
    assert!(said.contains(&address.to_string()), "{said}");
    assert!(!said.contains("p@ss") && !said.contains("p%40ss") && !said.contains(&BASIC[6..]), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_or_is_not_there_is_named_without_its_password() -> anyhow::Result<()> {
    let proxy = ConnectProxy::start(None).await?;
    let (mut shop, _gate) = shop(false, |hub| {
        Ok(format!("fallback = \"{}\"\nproxy = \"http://{}\"", hub.tcp()?, proxy.address()))
    })
    .await?;
    let tcp = shop.hub.tcp()?;
    drop(proxy);
    let strict = ConnectProxy::start(Some(BASIC)).await?;
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    // The last one speaks HTTP, and is no proxy.
    let cases = [
        (strict.address(), tcp, format!("proxy-refused: {}: 407 for {tcp}", strict.address())),
        (gone, tcp, format!("proxy-unreachable: {gone}")),
        (shop.hub.addresses().http, tcp, format!("proxy-refused: {}", shop.hub.addresses().http)),
    ];
    for (address, hub, expected) in cases {
        // No port of UDP, so that QUIC fails at once.
        shop.agent.configure_link(format!(
            "hub = \"127.0.0.1:0\"\nfallback = \"{hub}\"\nproxy = \"http://shop:secret@{address}\""
        ))?;
        shop.agent.start()?;
        wait_for("the proxy to be named", PATIENCE, || {
            let status = shop.agent.status().map_err(|error| error.to_string())?;
            match status["file"]["link_trouble"].as_str() {
                Some(trouble) if trouble.contains(&expected) => Ok(()),
                _ => Err(format!("{expected}: {status}\n{}", shop.agent.log_text())),
            }
        })
        .await?;
        let words = String::from_utf8(shop.agent.command(&["status"])?.stdout)?;
        assert!(words.contains(&expected), "{words}");
        assert!(!words.contains("secret") && !shop.agent.log_text().contains("secret"), "{words}");
        shop.agent.process()?.end()?;
    }
    assert!(strict.refused() > 0);

    // A line that cannot be read is not shown either.
    shop.agent.configure_link("proxy = \"http://shop:secret@nowhere\"".to_owned())?;
    let refused = shop.agent.command(&["check-config"])?;
    let said = String::from_utf8(refused.stderr)?;
    assert!(
        said.contains("config-syntax") && said.contains("host:port") && !said.contains("secret"),
        "{said}"
    );
    shop.agent.configure_link("proxy = \"http://shop:secret@nowhere".to_owned())?;
    let said = String::from_utf8(shop.agent.command(&["check-config"])?.stderr)?;
    assert!(said.contains("config-syntax") && !said.contains("secret"), "{said}");
    Ok(())
}
