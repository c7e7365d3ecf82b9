//! The ways to the hub: its name, QUIC over UDP, TLS over TCP. Each is tried as far as the handshake, in which both sides
//! prove who they are; nothing is said after it.

use super::{Finding, LOOK_MAX, Verdict};
use crate::config::Config;
use crate::identity::Identity;
use crate::link::reach::Roads;
use crate::link::tls;
use docket_protocol::message::Transport;
use std::time::Duration;
use tokio::time::timeout;

const AREA: &str = "network";
/// How long a name may take.
const NAME_MAX: Duration = Duration::from_secs(5);

pub(super) async fn findings(config: &Config, identity: &Identity) -> Vec<Finding> {
    let hub = config.hub(identity);
    let tls = match tls::link_config(identity) {
        Ok(tls) => tls,
        Err(error) => {
            return vec![
                Finding::ok(AREA, hub, error.to_string())
                    .but(Verdict::Bad, ("用新的注册码重新注册", "enrol again with a new code")),
            ];
        }
    };
    let roads = Roads::to(hub, &config.link, tls);
    let proxy = config.link.proxy.as_ref().map(|proxy| proxy.address().to_owned());
    let (name, quic, tcp) =
        tokio::join!(name(hub), way(&roads, Transport::Quic), way(&roads, Transport::Tls));
    let is_reached = [&quic, &tcp].iter().any(|way| matches!(way, Some(Ok(_))));
    let mut findings = vec![name];
    findings.extend(quic.map(|way| finding("UDP (QUIC)", way, is_reached)));
    match tcp {
        Some(way) => {
            let by = proxy.map_or_else(String::new, |proxy| format!(", 代理 proxy {proxy}"));
            findings.push(finding(&format!("TCP (TLS){by}"), way, is_reached));
        }
        None => findings.push(
            Finding::ok(AREA, "TCP (TLS)", "没有设 / not set")
                .but(Verdict::Ok, ("UDP 不通时没有备用的路", "there is no other way where UDP is blocked")),
        ),
    }
    findings
}

async fn name(hub: &str) -> Finding {
    let remedy = ("检查总部地址和本机 DNS", "check the address and the PC's DNS");
    match timeout(NAME_MAX, tokio::net::lookup_host(hub)).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<String> = addresses.map(|address| address.ip().to_string()).collect();
            Finding::ok(AREA, hub, addresses.join(", "))
        }
        // A proxy may know it.
        Ok(Err(error)) => Finding::ok(AREA, hub, format!("hub-name: {error}")).but(Verdict::Warn, remedy),
        Err(_) => Finding::ok(AREA, hub, "hub-name: no answer").but(Verdict::Warn, remedy),
    }
}

/// The round trip, or why there is none; `None` where there is no such way.
async fn way(roads: &Roads, transport: Transport) -> Option<Result<Duration, String>> {
    if transport == Transport::Tls && roads.tcp.is_none() {
        return None;
    }
    Some(match timeout(LOOK_MAX, roads.attempt(transport)).await {
        Ok(Ok(stream)) => {
            let (rtt, _) = stream.quality();
            stream.end("doctor").await;
            Ok(rtt)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("hub-unreachable: no answer".to_owned()),
    })
}

/// One way that does not lead there is bad only where the other does not either.
fn finding(subject: &str, way: Result<Duration, String>, is_reached: bool) -> Finding {
    match way {
        Ok(rtt) => {
            Finding::ok(AREA, subject, format!("通,证书互认 / through, both proven, {} ms", rtt.as_millis()))
        }
        Err(error) => {
            let verdict = if is_reached { Verdict::Warn } else { Verdict::Bad };
            Finding::ok(AREA, subject, error).but(
                verdict,
                ("按左边的提示处理网络、防火墙或代理", "see to network, firewall or proxy as it says"),
            )
        }
    }
}
