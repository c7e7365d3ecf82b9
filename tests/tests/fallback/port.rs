//! The hub's TCP port, and whoever else comes to it.

use super::{print_once, shop, straight, until_way};
use docket_protocol::enrol::{ENROL_ALPN, ENROL_BYTES_MAX, EnrolRefusal, LINK_ALPN};
use docket_protocol::message::{Message, Refusal};
use docket_tests::chain::{Hub, HubOptions, PATIENCE};
use docket_tests::platform::orders::Chance;
use docket_tests::raw_link::{Credentials, RawLink};
use std::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Connections that say nothing, while others work.
const SILENT: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_is_closed_at_once_and_nobody_else_notices() -> anyhow::Result<()> {
    let (mut shop, _gate) = shop(false, straight).await?;
    let tcp = shop.hub.tcp()?;
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(TcpStream::connect(tcp).await?);
    }
    let mut chance = Chance::new(3);
    let noise: Vec<u8> = (0..4_000).map(|_| u8::try_from(chance.below(256)).unwrap_or(0)).collect();
    let long_record = [&[22, 3, 1, 0xff, 0xff][..], &[1; 2_000]].concat();
    for (what, bytes) in [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n".to_vec()),
        ("noise", noise),
        ("zeros", vec![0; 2_000]),
        ("a record that is too long", long_record),
        ("a frame without TLS", vec![2, 0, 0, 0, 1, 4, 1]),
    ] {
        let mut peer = TcpStream::connect(tcp).await?;
        peer.write_all(&bytes).await?;
        let mut rest = Vec::new();
        let closed = timeout(PATIENCE, peer.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{what} is not closed");
        assert!(rest.len() < 100, "{what} is answered: {rest:?}");
    }
    shop.agent.start_linked(&shop.hub).await?;
    until_way(&shop, "TCP", |way| way["transport"] == "tls").await?;
    print_once(&shop, 0..2).await?;
    assert_eq!(shop.hub.process().ended()?, None);
    // And those that say nothing do not stay.
    for mut peer in silent {
        let mut rest = [0; 16];
        let closed = timeout(PATIENCE, peer.read(&mut rest)).await;
        assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_certificate_is_told_and_what_is_no_frame_is_closed() -> anyhow::Result<()> {
    let (shop, _gate) = shop(false, straight).await?;
    let tcp = shop.hub.tcp()?;
    let nobody = Credentials::nobody(shop.hub.data())?;
    let mut link = RawLink::connect_tcp(tcp, &nobody, LINK_ALPN).await?;
    assert_eq!(link.message().await?, Message::Refused(Refusal::UnknownAgent));
    link.closed().await?;
    assert!(RawLink::connect_tcp(tcp, &nobody, b"http/1.1").await.is_err(), "another protocol");

    let agent = Credentials::of_agent(shop.agent.data())?;
    for bytes in [vec![0xff; 4], vec![0; 4], vec![7; 5_000]] {
        let mut link = RawLink::connect_tcp(tcp, &agent, LINK_ALPN).await?;
        link.greet().await?;
        link.send_bytes(&bytes).await?;
        link.closed().await?;
    }
    // Half a frame, and the end.
    let mut link = RawLink::connect_tcp(tcp, &agent, LINK_ALPN).await?;
    link.send_bytes(&[9, 0, 0, 0, 1]).await?;
    link.finish().await?;
    link.closed().await?;

    let mut enrolling = RawLink::connect_tcp(tcp, &nobody, ENROL_ALPN).await?;
    enrolling.send_bytes(&vec![1; 2 * ENROL_BYTES_MAX]).await?;
    enrolling.closed().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_over_tcp_is_refused_with_its_reason() -> anyhow::Result<()> {
    let (shop, gate) = shop(false, straight).await?;
    let refused = shop.agent.try_enrol(gate.address(), "ABCD-EFGH")?;
    let said = String::from_utf8(refused.stderr)?;
    assert!(said.contains(EnrolRefusal::UnknownCode.code()), "{said}");
    Ok(())
}

/// An address of the loopback that nothing else here uses: whatever the test may do, the hub cannot have its port 443.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_cannot_have_the_usual_port_goes_on_and_says_so() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // Without the rights for it, the hub has them no more than this.
    let _taken = TcpListener::bind("127.77.3.1:443");
    let options = HubOptions {
        link: Some("127.77.3.1:0".parse()?),
        tcp_listen: Some(String::new()),
        ..HubOptions::default()
    };
    let mut hub = Hub::start(folder.path(), options).await?;
    assert_eq!(hub.addresses().link_tcp, None);
    let overview = hub.overview().await?;
    assert_eq!(overview["alarms"][0]["code"], "link-tcp-listen", "{:#}", overview["alarms"]);
    assert_eq!(overview["alarms"][0]["subject"], "127.77.3.1:443");
    let log = hub.process().log_text();
    assert!(log.contains("link-tcp-listen") && log.contains("127.77.3.1:443"), "{log}");
    Ok(())
}
