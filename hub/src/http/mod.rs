//! Where platforms push: verify, store durably, answer, and only then work.
//!
//! Until a push is verified it may be anybody's, so what it may cost is bounded: [`serve`](self::serve()) bounds the
//! connections, `body` the bytes. `docs/hub.md` has the bounds in one table.

mod body;
mod peers;
mod serve;
#[cfg(test)]
mod tests;
mod tls;

use crate::clock;
use crate::config::{Callback, MeituanConfig};
use crate::fleet::Fleet;
use crate::platforms::meituan::{self, Method, Push, PushError};
use crate::storage::Storage;
use crate::storage::orders::Arrival;
use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use body::{Bodies, BodyError, Held};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{error, info, warn};

pub use body::PUSH_BYTES_MAX;
pub use serve::{Bounds, CONNECTIONS_MAX, serve};
pub use tls::{TlsError, acceptor};

/// How long a push may take to come in and to be stored: more than storage ever waits for a command line.
const PUSH_MAX: Duration = Duration::from_secs(20);
/// After how many seconds a platform may push again what could not be taken.
const RETRY_AFTER_S: &str = "2";

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
    bodies: Bodies,
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
    let bodies = Bodies::default();
    if let Some(config) = meituan {
        let secret: Arc<str> = config.secret()?.into();
        for callback in config.callbacks.list()? {
            let path = callback.path.clone();
            let platform = Platform {
                callback,
                secret: Arc::clone(&secret),
                storage: storage.clone(),
                fleet: Arc::clone(fleet),
                bodies: bodies.clone(),
            };
            router = router.route(&path, get(pushed_get).post(pushed_post).with_state(Arc::new(platform)));
        }
    }
    Ok(router.layer(from_fn(limit_time)))
}

/// Whatever holds a push up, a connection is kept for so long and no longer. What is stored all the same comes again
/// and is known.
async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PUSH_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

async fn pushed_get(State(platform): State<Arc<Platform>>, RawQuery(query): RawQuery) -> Response {
    pushed(&platform, Method::Get, query, Held::default()).await
}

async fn pushed_post(
    State(platform): State<Arc<Platform>>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Response {
    match platform.bodies.read(body).await {
        Ok(held) => pushed(&platform, Method::Post, query, held).await,
        Err(error) => unread(&platform, error),
    }
}

/// What `held` has of the common store it has until the answer is known: so long the body is in memory.
async fn pushed(platform: &Platform, method: Method, query: Option<String>, mut held: Held) -> Response {
    let received_at = clock::now();
    let callback = &platform.callback;
    let body = std::mem::take(&mut held.bytes);
    let push =
        meituan::receive(callback.kind, &callback.url, &platform.secret, method, query.as_deref(), &body);
    let raw = if body.is_empty() { query.unwrap_or_default().into_bytes() } else { body };
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
                    unavailable()
                }
            }
        }
        Err(refused) => refuse(platform, refused, raw).await,
    }
}

/// A body that is not held says nothing, not even whose it is.
fn unread(platform: &Platform, error: BodyError) -> Response {
    let fleet = &platform.fleet;
    let (counter, response) = match error {
        BodyError::Busy => (&fleet.unstored_pushes, unavailable()),
        BodyError::TooLarge => (&fleet.bad_pushes, StatusCode::PAYLOAD_TOO_LARGE.into_response()),
        BodyError::Late => (&fleet.bad_pushes, StatusCode::REQUEST_TIMEOUT.into_response()),
        BodyError::Broken => (&fleet.bad_pushes, StatusCode::BAD_REQUEST.into_response()),
    };
    counter.fetch_add(1, Ordering::Relaxed);
    fleet.touch();
    warn!(code = error.code(), event = platform.callback.kind.as_str(), %error, "a push was not read");
    response
}

/// The platform pushes it again.
fn unavailable() -> Response {
    let again = [(header::RETRY_AFTER, RETRY_AFTER_S)];
    (again, reply(StatusCode::SERVICE_UNAVAILABLE, meituan::UNAVAILABLE_REPLY.to_owned())).into_response()
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
