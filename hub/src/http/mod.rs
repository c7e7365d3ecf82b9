//! Where platforms push: verify, store durably, answer, and only then work.

mod serve;
mod tls;

use crate::clock;
use crate::config::{Callback, MeituanConfig};
use crate::fleet::Fleet;
use crate::platforms::meituan::{self, Method, Push, PushError};
use crate::storage::Storage;
use crate::storage::orders::Arrival;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{error, info, warn};

pub use serve::serve;
pub use tls::{TlsError, acceptor};

/// The largest push that is read. The largest real one seen has about 20 KiB.
pub const PUSH_BYTES_MAX: usize = 1024 * 1024;

/// How long a push may take to come in and to be stored: more than storage ever waits for a command line.
const PUSH_MAX: Duration = Duration::from_secs(20);

/// Why there is no HTTP server.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The port cannot be had.
    #[error(
        "http-listen: TCP {address}: {cause}: 换一个 `listen`,或结束占用它的程序 / choose another `listen` or end what uses it"
    )]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Takes a TCP port.
///
/// # Errors
/// Where it is not to be had.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, HttpError> {
    TcpListener::bind(address).await.map_err(|cause| HttpError::Listen { address, cause })
}

/// Waits until the hub is told to stop.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that whoever could say so is gone, which says so.
    let _ = stop.wait_for(|stopping| *stopping).await;
}

struct Platform {
    callback: Callback,
    secret: Arc<str>,
    storage: Storage,
    fleet: Arc<Fleet>,
}

/// The routes of all registered callback URLs.
///
/// # Errors
/// Where the configuration is not in order.
pub fn platform_routes(
    meituan: Option<&MeituanConfig>,
    storage: &Storage,
    fleet: &Arc<Fleet>,
) -> Result<Router, crate::config::ConfigError> {
    let mut router = Router::new();
    if let Some(config) = meituan {
        let secret: Arc<str> = config.secret()?.into();
        for callback in config.callbacks.list()? {
            let path = callback.path.clone();
            let platform = Platform {
                callback,
                secret: Arc::clone(&secret),
                storage: storage.clone(),
                fleet: Arc::clone(fleet),
            };
            router = router.route(&path, get(pushed_get).post(pushed_post).with_state(Arc::new(platform)));
        }
    }
    Ok(router.layer(DefaultBodyLimit::max(PUSH_BYTES_MAX)).layer(from_fn(limit_time)))
}

/// Whoever announces a body and does not send it keeps a connection for so long and no longer. What is stored all
/// the same comes again and is known.
async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PUSH_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

async fn pushed_get(State(platform): State<Arc<Platform>>, RawQuery(query): RawQuery) -> Response {
    pushed(&platform, Method::Get, query, Bytes::new()).await
}

async fn pushed_post(
    State(platform): State<Arc<Platform>>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    pushed(&platform, Method::Post, query, body).await
}

async fn pushed(platform: &Platform, method: Method, query: Option<String>, body: Bytes) -> Response {
    let received_at = clock::now();
    let callback = &platform.callback;
    let push =
        meituan::receive(callback.kind, &callback.url, &platform.secret, method, query.as_deref(), &body);
    let raw = if body.is_empty() { query.unwrap_or_default().into_bytes() } else { body.to_vec() };
    match push {
        Ok(Push::Probe) => reply(StatusCode::OK, meituan::OK_REPLY.to_owned()),
        Ok(Push::Event { event, version }) => {
            let fleet = Arc::clone(&platform.fleet);
            let stored =
                platform.storage.accept(Arrival { event, version, raw, received_at }, move |assigned| {
                    for item in assigned {
                        fleet.offer(&item.agent, item.seq, &item.payload);
                    }
                    fleet.touch();
                });
            match stored.await {
                Ok(accepted) => {
                    if accepted.repeated {
                        info!(event = callback.kind.as_str(), "a push came again");
                    }
                    reply(StatusCode::OK, meituan::OK_REPLY.to_owned())
                }
                Err(error) => {
                    platform.fleet.unstored_pushes.fetch_add(1, Ordering::Relaxed);
                    platform.fleet.touch();
                    error!(code = "push-not-stored", event = callback.kind.as_str(), %error, "the platform pushes again");
                    reply(StatusCode::SERVICE_UNAVAILABLE, meituan::UNAVAILABLE_REPLY.to_owned())
                }
            }
        }
        Err(refused) => refuse(platform, refused, raw).await,
    }
}

/// Never answered with the ok reply. What is not the platform's is counted and forgotten.
async fn refuse(platform: &Platform, refused: PushError, raw: Vec<u8>) -> Response {
    let event = platform.callback.kind.as_str();
    let counter = match &refused {
        PushError::Signature(_) => &platform.fleet.bad_signatures,
        PushError::Form(_) | PushError::Decode(_) => &platform.fleet.bad_pushes,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    platform.fleet.touch();
    warn!(code = refused.code(), event, remedy = refused.remedy().1, "a push was refused");
    if refused.is_genuine() {
        let cause = format!("{}: {}", refused.code(), refused.cause());
        if let Err(error) = platform.storage.keep_undecoded(platform.callback.kind, cause, raw).await {
            error!(code = "push-not-stored", event, %error, "a genuine push that cannot be read was not kept");
        }
    }
    // HTTP 200 as the platform's own interfaces answer errors; the body says what it is.
    reply(StatusCode::OK, refused.reply())
}

fn reply(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json;charset=UTF-8")], body).into_response()
}
