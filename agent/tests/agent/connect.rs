//! Connecting to a hub of which not every address leads anywhere.

use crate::samples::within;
use docket_agent::config::SocketChoice;
use docket_agent::link::connect::{ADDRESS_MS_MAX, ConnectError, connect_to_any};
use docket_agent::link::reach::REACH_MS_MAX;
use docket_agent::link::tls::enrol_config;
use docket_protocol::enrol::{ENROL_ALPN, HUB_SERVER_NAME};
use quinn::crypto::rustls::QuicServerConfig;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Takes every connection, as a hub does before it knows whose it is.
fn hub() -> (quinn::Endpoint, SocketAddr) {
    let own = rcgen::generate_simple_self_signed(vec![HUB_SERVER_NAME.to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.into()], key.into())
        .unwrap();
    tls.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = endpoint.local_addr().unwrap();
    (endpoint, address)
}

async fn connected_to(addresses: &[SocketAddr]) -> Result<SocketAddr, ConnectError> {
    let config = enrol_config().unwrap();
    let end = Instant::now() + Duration::from_millis(REACH_MS_MAX);
    let connecting = connect_to_any(addresses, &config.quic, SocketChoice::Auto, end.into());
    let connected = within("an end", connecting).await?;
    Ok(connected.connection.remote_address())
}

#[tokio::test]
async fn an_address_that_leads_nowhere_or_has_no_socket_costs_its_share_of_the_time() {
    let (endpoint, hub) = hub();
    let serving = tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let _ = incoming.await;
        }
    });
    // It takes what comes, and answers nothing.
    let nowhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nowhere = (nowhere.local_addr().unwrap(), nowhere);
    let no_port: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let began = Instant::now();
    assert_eq!(connected_to(&[no_port, nowhere.0, hub]).await.unwrap(), hub);
    assert!(began.elapsed() < 2 * Duration::from_millis(ADDRESS_MS_MAX), "{:?}", began.elapsed());
    assert_eq!(connected_to(&[hub, nowhere.0]).await.unwrap(), hub);
    let error = connected_to(&[no_port]).await.unwrap_err();
    assert!(error.to_string().starts_with("hub-unreachable"), "{error}");
    serving.abort();
}
