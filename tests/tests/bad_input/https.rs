//! The platforms' port with a certificate of its own.

use docket_tests::chain::shop::{PAID_PATH, now_s, order};
use docket_tests::chain::{Hub, HubOptions, PATIENCE, Shop};
use docket_tests::platform::http::post;
use docket_tests::platform::meituan::{CONTENT_TYPE, OK_REPLY};
use rustls::pki_types::{CertificateDer, ServerName};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const NAME: &str = "hub.example.com";

async fn post_https(hub: &Hub, trusted: &CertificateDer<'static>, body: &str) -> anyhow::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(hub.addresses().http).await?;
    let mut stream =
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME)?, stream).await?;
    let request = format!(
        "POST {PAID_PATH} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\nContent-Type: {CONTENT_TYPE}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // The server may close without TLS's farewell.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await?;
    Ok(String::from_utf8(answer)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_port_serves_https() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let own = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
    std::fs::write(folder.path().join("chain.pem"), own.cert.pem())?;
    std::fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem())?;
    let http = "tls = { certificate = \"chain.pem\", key = \"key.pem\" }".to_owned();
    let mut hub = Hub::start(folder.path(), HubOptions { http, ..HubOptions::default() }).await?;
    hub.add_store(Shop::STORE, "测试面馆")?;
    let body = hub.meituan().paid(&order(Shop::STORE, 1), now_s());

    // Neither plain HTTP nor somebody who never finishes the handshake disturbs it.
    let idle = TcpStream::connect(hub.addresses().http).await?;
    assert!(post(hub.addresses().http, PAID_PATH, &body).await.is_err(), "plain HTTP was answered");
    let answer = post_https(&hub, own.cert.der(), &body).await?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(OK_REPLY), "{answer}");
    assert_eq!(hub.ledger()?.number("SELECT count(*) FROM orders")?, 1);
    drop(idle);

    let other = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
    assert!(post_https(&hub, other.cert.der(), &body).await.is_err(), "it has another certificate");
    hub.process().end()?;
    Ok(())
}
