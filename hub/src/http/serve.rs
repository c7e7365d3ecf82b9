//! The accept loop of both HTTP ports: what a client may cost before it has said anything useful.
//!
//! `axum::serve` waits for ever for a request's header and takes any number of connections, so the connections are
//! served here, with bounds on their number, on each address's share of it, on a header's time and size, and on how
//! long a connection lasts. A connection that is idle between two requests is closed after the same time as one whose
//! header does not come: clients open a new one.
//!
//! A connection that is old, or has had its share of requests, is renewed: the next answer says `Connection: close`, so
//! no request is lost by it. Whoever does not hear that, since it takes no answers, is cut off some time after.

use super::peers::{PeerPlace, Peers};
use axum::Router;
use axum::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

/// Connections at once on a port; more wait in the system's backlog.
pub const CONNECTIONS_MAX: usize = 4_096;
/// How long a client may take for its handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long a client may take for the header of a request, and be idle before it.
const HEADER_MAX: Duration = Duration::from_secs(15);
/// The largest header of a request, and what is read of a body at once. Older pushes come in a query, and none longer than
/// this can be read anyway. hyper looks at it after it has read, so twice as much can be held for a moment.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Requests on a connection, after which it is renewed.
const CONNECTION_REQUESTS_MAX: u32 = 1_000;
/// The age of a connection from which it is renewed.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// How long after that it is cut off: a header, a push and its answer have had their time twice over.
const CONNECTION_GRACE: Duration = Duration::from_secs(2 * 60);
/// How long requests under way may take to end when the hub stops.
const STOP_MAX: Duration = Duration::from_secs(5);
/// The pause after an error of `accept`, which is mostly "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often it is told that an address has all its connections.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What a port grants.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections of one address.
    pub of_address_max: usize,
    /// The age from which a connection is renewed.
    pub age_max: Duration,
    /// The age at which it is cut off, whatever it does; never, where answers have no end.
    pub life_max: Option<Duration>,
}

impl Bounds {
    /// The platforms' port.
    pub fn platforms(of_address_max: usize) -> Self {
        let life_max = Some(CONNECTION_AGE_MAX + CONNECTION_GRACE);
        Bounds { of_address_max, age_max: CONNECTION_AGE_MAX, life_max }
    }

    /// The console's port: pages look for hours, and all of them may come from one proxy.
    pub fn console() -> Self {
        Bounds { of_address_max: CONNECTIONS_MAX, age_max: CONNECTION_AGE_MAX, life_max: None }
    }
}

/// Serves `router` until `stop` says so; HTTPS where there is an acceptor.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    bounds: Bounds,
    stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let peers = Peers::new(bounds.of_address_max);
    let mut told: Option<Instant> = None;
    let open = GracefulShutdown::new();
    let stopped = super::stopped(stop.clone());
    tokio::pin!(stopped);
    loop {
        let (stream, address, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stopped => break,
        };
        let Some(peer) = peers.admit(address.ip()) else {
            if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                told = Some(Instant::now());
                warn!(
                    code = "http-address-full", address = %address.ip(), connections = bounds.of_address_max,
                    "further connections of this address are closed; raise [http] connections_of_address_max where it is a proxy"
                );
            }
            continue;
        };
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let (tls, router, watcher) = (tls.clone(), router.clone(), open.watcher());
        tokio::spawn(async move {
            let _places: (OwnedSemaphorePermit, PeerPlace) = (place, peer);
            let Some(acceptor) = tls else { return converse(stream, router, bounds, watcher).await };
            match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => converse(stream, router, bounds, watcher).await,
                Ok(Err(error)) => debug!(%error, "no TLS handshake"),
                Err(_) => debug!("TLS handshake took too long"),
            }
        });
    }
    drop(listener);
    let _ = timeout(STOP_MAX, open.shutdown()).await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, place),
            Err(error) => {
                debug!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn converse<S>(stream: S, router: Router, bounds: Bounds, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (since, requests) = (Instant::now(), AtomicU32::new(0));
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request| {
        let taken = requests.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = router.call(request);
        async move {
            let mut answer = answer.await?;
            if taken >= CONNECTION_REQUESTS_MAX || since.elapsed() >= bounds.age_max {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let ended = async {
        if let Err(error) = watcher.watch(connection).await {
            debug!(%error, "a connection ended");
        }
    };
    match bounds.life_max {
        Some(life_max) => {
            timeout(life_max, ended).await.unwrap_or_else(|_| debug!("a connection was cut off"))
        }
        None => ended.await,
    }
}
