//! A peer of the hub's link port that keeps no rule: it sends what bytes it is given, with an agent's identity
//! or without one.
//!
//! It trusts the CA that an agent has pinned, and speaks QUIC and TLS properly: what is tried with it is what
//! comes after.

use crate::chain::PATIENCE;
use anyhow::{Context, bail};
use docket_protocol::enrol::{
    Answer, ENROL_ALPN, ENROL_BYTES_MAX, EXPORTER_LABEL, HUB_SERVER_NAME, LINK_ALPN,
};
use docket_protocol::frame::{self, Decoder};
use docket_protocol::ids::Seq;
use docket_protocol::message::{Hello, Message, PROTOCOL_VERSION, Welcome};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const READ_BYTES: usize = 16 * 1024;

/// Whom a peer trusts, and who it is.
#[derive(Debug, Clone)]
pub struct Credentials {
    ca: Vec<u8>,
    /// Certificate and key.
    own: Option<(Vec<u8>, Vec<u8>)>,
}

/// An agent's `identity.json`.
#[derive(Deserialize)]
struct IdentityFile {
    key: Vec<u8>,
    certificate: Vec<u8>,
    ca: Vec<u8>,
}

impl Credentials {
    /// Those of an enrolled agent, from its data folder.
    ///
    /// # Errors
    /// Where it is not enrolled.
    pub fn of_agent(data: &Path) -> anyhow::Result<Self> {
        let file: IdentityFile = serde_json::from_slice(&std::fs::read(data.join("identity.json"))?)?;
        Ok(Credentials { ca: file.ca, own: Some((file.certificate, file.key)) })
    }

    /// The same one with another certificate and key (PKCS #8).
    #[must_use]
    pub fn renewed(self, certificate: Vec<u8>, key: Vec<u8>) -> Self {
        Credentials { own: Some((certificate, key)), ..self }
    }

    /// The same one, who trusts this CA.
    #[must_use]
    pub fn trusting(self, ca: Vec<u8>) -> Self {
        Credentials { ca, ..self }
    }

    /// Nobody, who trusts the hub with this data folder.
    ///
    /// # Errors
    /// Where the hub has no CA yet.
    pub fn nobody(hub_data: &Path) -> anyhow::Result<Self> {
        Ok(Credentials { ca: std::fs::read(hub_data.join("ca/ca.der"))?, own: None })
    }

    /// This certificate and key towards the hub that `other` trusts.
    #[must_use]
    pub fn towards_hub_of(self, other: &Credentials) -> Self {
        Credentials { ca: other.ca.clone(), own: self.own }
    }

    /// This certificate, and another one's key.
    #[must_use]
    pub fn with_key_of(self, other: &Credentials) -> Self {
        let own = self.own.zip(other.own.clone()).map(|((certificate, _), (_, key))| (certificate, key));
        Credentials { ca: self.ca, own }
    }

    fn quic(&self, alpn: &[u8]) -> anyhow::Result<quinn::ClientConfig> {
        Ok(quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(self.tls(alpn)?)?)))
    }

    fn tls(&self, alpn: &[u8]) -> anyhow::Result<ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(self.ca.clone()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots);
        let mut tls = match &self.own {
            Some((certificate, key)) => builder.with_client_auth_cert(
                vec![CertificateDer::from(certificate.clone())],
                PrivatePkcs8KeyDer::from(key.clone()).into(),
            )?,
            None => builder.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![alpn.to_vec()];
        Ok(tls)
    }
}

/// A connection with its one stream.
#[derive(Debug)]
pub struct RawLink {
    carrier: Carrier,
    decoder: Decoder,
}

#[derive(Debug)]
enum Carrier {
    Quic {
        // Kept for as long as the connection is used.
        _endpoint: quinn::Endpoint,
        connection: quinn::Connection,
        send: quinn::SendStream,
        receive: quinn::RecvStream,
    },
    Tls(Box<TlsStream<TcpStream>>),
}

impl RawLink {
    /// Connects as an agent does, and says nothing yet.
    ///
    /// # Errors
    /// Where there is no handshake.
    pub async fn connect(hub: SocketAddr, credentials: &Credentials) -> anyhow::Result<Self> {
        let (endpoint, connection) = connect(Ipv4Addr::LOCALHOST, hub, credentials.quic(LINK_ALPN)?).await?;
        let (send, receive) = connection.open_bi().await?;
        let carrier = Carrier::Quic { _endpoint: endpoint, connection, send, receive };
        Ok(RawLink { carrier, decoder: Decoder::default() })
    }

    /// [`RawLink::connect`] over TCP, speaking `alpn`.
    ///
    /// # Errors
    /// Where there is no handshake.
    pub async fn connect_tcp(
        hub: SocketAddr,
        credentials: &Credentials,
        alpn: &[u8],
    ) -> anyhow::Result<Self> {
        let connector = TlsConnector::from(Arc::new(credentials.tls(alpn)?));
        let tcp = TcpStream::connect(hub).await?;
        let connecting = connector.connect(ServerName::try_from(HUB_SERVER_NAME)?, tcp);
        let carrier = Carrier::Tls(Box::new(timeout(PATIENCE, connecting).await??));
        Ok(RawLink { carrier, decoder: Decoder::default() })
    }

    /// Connects and greets as a new agent would.
    ///
    /// # Errors
    /// Where the hub does not welcome it.
    pub async fn greeted(hub: SocketAddr, credentials: &Credentials) -> anyhow::Result<(Self, Welcome)> {
        let mut link = RawLink::connect(hub, credentials).await?;
        let welcome = link.greet().await?;
        Ok((link, welcome))
    }

    /// Greets as a new agent would.
    ///
    /// # Errors
    /// Where the hub does not welcome it.
    pub async fn greet(&mut self) -> anyhow::Result<Welcome> {
        self.send(&Message::Hello(hello())).await?;
        match self.message().await? {
            Message::Welcome(welcome) => Ok(welcome),
            other => bail!("no welcome: {other:?}"),
        }
    }

    /// Sends a proper frame.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn send(&mut self, message: &Message) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes)?;
        self.send_bytes(&bytes).await
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match &mut self.carrier {
            Carrier::Quic { send, .. } => send.write_all(bytes).await?,
            Carrier::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
            }
        }
        Ok(())
    }

    /// Delivers a report that nobody can read at this place, and waits for the acknowledgement: by then the hub has read
    /// everything that was sent before. Says what else came.
    ///
    /// # Errors
    /// Where it is not acknowledged.
    pub async fn deliver_and_wait(&mut self, place: u64) -> anyhow::Result<Vec<Message>> {
        self.send(&Message::Deliver { seq: Seq(place), payload: vec![0xff] }).await?;
        let mut others = Vec::new();
        loop {
            match self.message().await? {
                Message::Ack { up_to } if up_to >= Seq(place) => return Ok(others),
                Message::Refused(refusal) => bail!("refused: {refusal:?}"),
                other => others.push(other),
            }
        }
    }

    /// Keying material of the TLS session, for the proof of a renewal.
    ///
    /// # Errors
    /// Where there is none.
    pub fn keying_material(&self) -> anyhow::Result<[u8; 32]> {
        let mut exported = [0; 32];
        match &self.carrier {
            Carrier::Quic { connection, .. } => connection
                .export_keying_material(&mut exported, EXPORTER_LABEL, b"")
                .map_err(|_| anyhow::anyhow!("no keying material"))?,
            Carrier::Tls(stream) => {
                exported = stream.get_ref().1.export_keying_material(exported, EXPORTER_LABEL, Some(b""))?;
            }
        }
        Ok(exported)
    }

    /// Sends nothing more.
    ///
    /// # Errors
    /// Where the stream is closed already.
    pub async fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.carrier {
            Carrier::Quic { send, .. } => Ok(send.finish()?),
            Carrier::Tls(stream) => Ok(stream.shutdown().await?),
        }
    }

    /// The next message of the hub.
    ///
    /// # Errors
    /// Where none comes in time, or the connection is gone.
    pub async fn message(&mut self) -> anyhow::Result<Message> {
        let mut buffer = vec![0; READ_BYTES];
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(message);
            }
            let read = async {
                match &mut self.carrier {
                    Carrier::Quic { receive, .. } => Ok(receive.read(&mut buffer).await?.unwrap_or(0)),
                    Carrier::Tls(stream) => anyhow::Ok(stream.read(&mut buffer).await?),
                }
            };
            let read = tokio::time::timeout_at(deadline, read).await;
            match read.context("no message of the hub in time")?? {
                0 => bail!("the hub has finished its stream"),
                bytes => self.decoder.push(&buffer[..bytes]),
            }
        }
    }

    /// Waits until the hub closes the connection, and says with what: the code's name, and nothing over TCP.
    ///
    /// # Errors
    /// Where it does not in time, or the connection ends otherwise.
    pub async fn closed(&mut self) -> anyhow::Result<String> {
        let connection = match &mut self.carrier {
            Carrier::Quic { connection, .. } => connection,
            Carrier::Tls(stream) => {
                let mut rest = Vec::new();
                let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
                // With or without an end of TLS.
                let _ = read.context("the hub does not close")?;
                return Ok(String::new());
            }
        };
        let why = timeout(PATIENCE, connection.closed()).await.context("the hub does not close")?;
        match why {
            quinn::ConnectionError::ApplicationClosed(close) => {
                Ok(String::from_utf8_lossy(&close.reason).into_owned())
            }
            other => bail!("the connection ended otherwise: {other}"),
        }
    }
}

/// What a new agent says first.
pub fn hello() -> Hello {
    Hello {
        protocol_min: PROTOCOL_VERSION,
        protocol_max: PROTOCOL_VERSION,
        spool: [7; 16],
        received_up_to: Seq(0),
        assigned_up_to: Seq(0),
        agent_version: "raw".into(),
        platform: "test".into(),
    }
}

/// Sends `request` to the hub's enrolment from a loopback address, whatever it is.
///
/// # Errors
/// Where there is no answer.
pub async fn ask_to_enrol(
    from: Ipv4Addr,
    hub: SocketAddr,
    credentials: &Credentials,
    request: &[u8],
) -> anyhow::Result<Answer> {
    let (_endpoint, connection) = connect(from, hub, credentials.quic(ENROL_ALPN)?).await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(request).await?;
    send.finish()?;
    let answer = timeout(PATIENCE, receive.read_to_end(ENROL_BYTES_MAX)).await.context("no answer")??;
    frame::read_payload(&answer).context("an answer that cannot be read")
}

async fn connect(
    from: Ipv4Addr,
    hub: SocketAddr,
    mut config: quinn::ClientConfig,
) -> anyhow::Result<(quinn::Endpoint, quinn::Connection)> {
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_secs(5)));
    config.transport_config(Arc::new(transport));
    let endpoint = quinn::Endpoint::client((from, 0).into())?;
    let connection = timeout(PATIENCE, endpoint.connect_with(config, hub, HUB_SERVER_NAME)?).await??;
    Ok((endpoint, connection))
}
