//! Somebody between agent and hub, with a certificate of their own.

use anyhow::Context;
use docket_protocol::enrol::{Answer, ENROL_ALPN, ENROL_BYTES_MAX, Grant};
use docket_protocol::frame;
use docket_protocol::ids::{AgentId, StoreId};
use docket_tests::raw_link::{Credentials, ask_to_enrol};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What they do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tactic {
    /// Ask the hub the same, and pass its answer on.
    Forward,
    /// Grant it themselves.
    Grant,
    /// Answer what is no answer.
    Garbage,
}

/// The relay; it ends when it is dropped.
pub(super) struct Relay {
    endpoint: quinn::Endpoint,
    answers: Arc<Mutex<Vec<Option<Answer>>>>,
}

impl Relay {
    pub(super) fn start(hub: SocketAddr, hub_data: &Path, tactic: Tactic) -> anyhow::Result<Self> {
        let own = rcgen::generate_simple_self_signed(vec!["docket-hub".to_owned()])?;
        let certificate = own.cert.der().clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.clone()],
                PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()).into(),
            )?;
        tls.alpn_protocols = vec![ENROL_ALPN.to_vec()];
        let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
        let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into())?;
        let answers = Arc::new(Mutex::new(Vec::new()));
        let credentials = Credentials::nobody(hub_data)?;
        let task =
            serve(endpoint.clone(), hub, credentials, tactic, certificate.to_vec(), Arc::clone(&answers));
        tokio::spawn(task);
        Ok(Relay { endpoint, answers })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().expect("a bound endpoint has an address")
    }

    /// What the hub has answered, `None` where it was not asked.
    pub(super) fn answers(&self) -> Vec<Option<Answer>> {
        self.answers.lock().expect("no panic while it is held").clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.endpoint.close(0_u32.into(), b"");
    }
}

async fn serve(
    endpoint: quinn::Endpoint,
    hub: SocketAddr,
    credentials: Credentials,
    tactic: Tactic,
    certificate: Vec<u8>,
    answers: Arc<Mutex<Vec<Option<Answer>>>>,
) -> anyhow::Result<()> {
    while let Some(incoming) = endpoint.accept().await {
        let connection = incoming.await?;
        let (mut send, mut receive) = connection.accept_bi().await?;
        let request = receive.read_to_end(ENROL_BYTES_MAX).await?;
        let (bytes, answer) = match tactic {
            Tactic::Forward => {
                let answer = ask_to_enrol(Ipv4Addr::LOCALHOST, hub, &credentials, &request).await?;
                (frame::payload(&answer), Some(answer))
            }
            Tactic::Grant => (frame::payload(&Answer::Granted(grant(&certificate))), None),
            Tactic::Garbage => (vec![0xff; 100], None),
        };
        answers.lock().ok().context("no panic while it is held")?.push(answer);
        send.write_all(&bytes).await?;
        send.finish()?;
        connection.closed().await;
    }
    Ok(())
}

fn grant(certificate: &[u8]) -> Grant {
    Grant {
        agent: AgentId::new("s0042-00000000"),
        store: StoreId::new("S0042"),
        store_name: "测试面馆".to_owned(),
        certificate: certificate.to_vec(),
        ca: certificate.to_vec(),
        tag: [0; 32],
    }
}
