//! TLS towards the hub: pinned to its CA on the link, and not yet on enrolment.

use crate::identity::Identity;
use docket_protocol::enrol::{ENROL_ALPN, LINK_ALPN};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// A connection that is idle asks for a sign of life this often: NATs keep its mapping, a router that has forgotten it
/// makes a new one, and a broken path is noticed. It is 2.7 MB a day, and two packets each for the hub.
pub const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// A connection without a sign of life for so long is gone.
const IDLE_MAX_MS: u32 = 45_000;
/// What the hub may send ahead of our reading. It bounds the memory of a busy agent.
const WINDOW_BYTES: u32 = 256 * 1024;
/// 2026-11-01T00:00:00Z: certificates are judged as of then, whatever the PC's clock says. With an empty battery it starts
/// in the year of its making, others are years ahead, and the store has to print all the same. A hub's certificates begin
/// before this, and what answers one that leaked is another CA.
const JUDGED_AT_S: u64 = 1_793_491_200;

/// Why there is no TLS.
#[derive(Debug, Error)]
#[error("link-tls: {0}; enrol again with a new code (请用新的注册码重新注册)")]
pub struct TlsError(String);

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        TlsError(error.to_string())
    }
}

/// The same TLS for both ways to the hub.
#[derive(Debug, Clone)]
pub struct TlsConfigs {
    /// Within QUIC.
    pub quic: quinn::ClientConfig,
    /// Over TCP.
    pub tcp: Arc<ClientConfig>,
}

/// For the link: the hub must have a certificate of a CA that is trusted, and gets ours.
///
/// # Errors
/// Where the identity's key and certificates are not usable.
pub fn link_config(identity: &Identity) -> Result<TlsConfigs, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    for ca in identity.cas() {
        roots.add(ca)?;
    }
    let (chain, key) = identity.credentials();
    let mut tls = ClientConfig::builder_with_details(provider, Arc::new(NoClock))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    tls.alpn_protocols = vec![LINK_ALPN.to_vec()];
    both(tls)
}

/// For enrolment: any certificate is taken, since the exchange over it proves who the hub is.
///
/// # Errors
/// None in practice.
pub fn enrol_config() -> Result<TlsConfigs, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Unverified(Arc::clone(&provider)));
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    both(tls)
}

fn both(mut tls: ClientConfig) -> Result<TlsConfigs, TlsError> {
    // The hub gives out no tickets, so there is nothing to remember of a session.
    tls.resumption = Resumption::disabled();
    let tcp = Arc::new(tls);
    Ok(TlsConfigs { quic: quic(Arc::clone(&tcp))?, tcp })
}

fn quic(tls: Arc<ClientConfig>) -> Result<quinn::ClientConfig, TlsError> {
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| TlsError(error.to_string()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(0_u8.into())
        .max_concurrent_uni_streams(0_u8.into())
        .stream_receive_window(WINDOW_BYTES.into())
        .receive_window(WINDOW_BYTES.into())
        .send_window(u64::from(WINDOW_BYTES))
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(None)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(quinn::VarInt::from_u32(IDLE_MAX_MS).into()));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(JUDGED_AT_S)))
    }
}

/// Takes any certificate, but not any signature: the handshake itself stays sound, so that its keying
/// material belongs to the two ends of this connection.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
