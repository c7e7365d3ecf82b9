//! HTTPS for those who have no proxy in front.

use crate::config::TlsConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Why there is no HTTPS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A PEM file cannot be read.
    #[error("http-tls: {path}: {cause}: 检查 [http.tls] / check [http.tls]")]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: rustls::pki_types::pem::Error,
    },
    /// Chain and key do not fit.
    #[error("http-tls: {0}: 检查 [http.tls] / check [http.tls]")]
    Pair(#[from] rustls::Error),
}

/// Reads certificate and key.
///
/// # Errors
/// Where they cannot be used.
pub fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, TlsError> {
    let pem = |path: &PathBuf, cause| TlsError::Pem { path: path.clone(), cause };
    let chain = CertificateDer::pem_file_iter(&config.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| pem(&config.certificate, cause))?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|cause| pem(&config.key, cause))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(tls)))
}
