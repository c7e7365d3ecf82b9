//! TLS towards agents: one configuration for both transports. An agent shows its certificate, whoever enrols has none
//! yet; which of the two it is says ALPN.
//!
//! TLS only proves that whoever shows a certificate has its key. Whose certificate it is, and until when, says the
//! database, by the fingerprint: a store that was closed for long comes back with one that has ended, and after a change
//! of the CA agents have certificates of either. Rejected: to have a chain checked before, which would find nothing that
//! the fingerprint does not.
//!
//! Sessions of TLS are not resumed: an agent would save a signature once in days, and each ticket would be memory or a
//! key to keep.

use super::GatewayError;
use super::ca::Authority;
use docket_protocol::enrol::{ENROL_ALPN, LINK_ALPN};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;

/// A connection that is idle sends something this often, so that NATs keep its mapping.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A connection without a sign of life for so long is gone.
const IDLE_MAX_MS: u32 = 45_000;
/// What the peer may send on the control stream ahead of our reading.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

fn failed(error: &dyn std::fmt::Display) -> GatewayError {
    GatewayError::Tls(error.to_string())
}

/// For both transports.
pub(super) fn server_config(authority: Arc<Authority>) -> Result<Arc<rustls::ServerConfig>, GatewayError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(HasKey(Arc::clone(&provider)));
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(authority);
    tls.alpn_protocols = vec![LINK_ALPN.to_vec(), ENROL_ALPN.to_vec()];
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    Ok(Arc::new(tls))
}

/// QUIC around it.
pub(super) fn quic_config(tls: Arc<rustls::ServerConfig>) -> Result<quinn::ServerConfig, GatewayError> {
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| failed(&error))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(1_u8.into())
        .max_concurrent_uni_streams(0_u8.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(STREAM_WINDOW_BYTES.into())
        .mtu_discovery_config(None)
        // It would keep 12 KiB for batches at each connection, and an agent is sent a packet now and then.
        .enable_segmentation_offload(false)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(quinn::VarInt::from_u32(IDLE_MAX_MS).into()));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Takes whoever has the key of the certificate that they show, and whoever shows none.
#[derive(Debug)]
struct HasKey(Arc<CryptoProvider>);

impl ClientCertVerifier for HasKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
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
