//! From requests to what is done. A handler reads what it is given, calls one function, and answers.

use super::pin::Guess;
use super::reply::{Refused, Reply, json, whole};
use super::server::Answers;
use super::{App, assets, guard, live, preview, printers, search, tickets};
use crate::clock;
use crate::counter::BASE;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use hyper::{Method, Request, StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The largest body that is read: a printer with all its stations.
pub const BODY_BYTES_MAX: usize = 16 * 1_024;
/// How long a body may take to come.
const BODY_MAX: Duration = Duration::from_secs(10);

impl Answers for App {
    async fn answer(self: Arc<Self>, peer: IpAddr, request: Request<Incoming>) -> Reply {
        if request.uri().path().starts_with(BASE) {
            return self.api.answer(peer, request).await;
        }
        let (head, body) = request.into_parts();
        let answered = match guard::refused(&head.method, &head.uri, &head.headers, self.lan) {
            Some(refused) => Err(refused),
            None if self.admits(peer, &head.headers) => {
                self.inside(peer, &head.method, &head.uri, body).await
            }
            None => self.outside(&head.method, &head.uri, body).await,
        };
        let mut reply = answered.unwrap_or_else(Refused::reply);
        guard::seal(&mut reply);
        reply
    }
}

impl App {
    /// This PC, and devices that have given the PIN.
    fn admits(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        if peer.is_loopback() {
            return true;
        }
        let Some(door) = &self.door else { return false };
        let door = door.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        cookies.any(|cookies| door.knows(cookies, clock::now()))
    }

    /// For whoever has not given the PIN.
    async fn outside(&self, method: &Method, uri: &Uri, body: Incoming) -> Result<Reply, Refused> {
        match (method, uri.path()) {
            (&Method::GET, "/") => Ok(assets::door()),
            (&Method::GET, path) if path.starts_with("/assets/") => assets::asset(path).ok_or_else(not_found),
            (&Method::POST, "/api/sign-in") => self.sign_in(body).await,
            _ => Err(Refused::new(
                StatusCode::UNAUTHORIZED,
                "pin-needed",
                "请先输入本页的 PIN",
                "give the page's PIN first",
            )),
        }
    }

    /// What people at this PC tell others, where the page is for other devices too.
    fn pin(&self) -> PinView {
        let door = self.door.as_ref().map(|door| door.lock().unwrap_or_else(PoisonError::into_inner));
        PinView { pin: door.map(|door| door.pin().to_owned()) }
    }

    async fn sign_in(&self, body: Incoming) -> Result<Reply, Refused> {
        let SignIn { pin } = read(body).await?;
        let Some(door) = &self.door else { return Err(not_found()) };
        let guess = {
            let mut door = door.lock().unwrap_or_else(PoisonError::into_inner);
            door.guess(&pin, Instant::now(), clock::now())
        };
        match guess {
            Guess::Right(cookie) => {
                let mut reply = done();
                let cookie = HeaderValue::try_from(cookie).map_err(|_| Refused::busy())?;
                reply.headers_mut().insert(SET_COOKIE, cookie);
                Ok(reply)
            }
            Guess::Wrong => Err(Refused::new(
                StatusCode::FORBIDDEN,
                "pin-wrong",
                "PIN 不对:收银电脑上的本页最下面有",
                "this is not the PIN: it is at the foot of this page on the cashier PC",
            )),
            Guess::TooSoon(wait) => {
                let seconds = wait.as_secs() + 1;
                Err(Refused {
                    retry_s: Some(seconds),
                    ..Refused::new(
                        StatusCode::TOO_MANY_REQUESTS,
                        "pin-pause",
                        format!("输错太多次,请 {seconds} 秒后再试"),
                        format!("too many wrong ones: try again in {seconds} s"),
                    )
                })
            }
        }
    }

    async fn inside(
        self: &Arc<Self>,
        peer: IpAddr,
        method: &Method,
        uri: &Uri,
        body: Incoming,
    ) -> Result<Reply, Refused> {
        match (method, uri.path()) {
            (&Method::GET, "/") => Ok(assets::page()),
            (&Method::GET, path) if path.starts_with("/assets/") => assets::asset(path).ok_or_else(not_found),
            (&Method::GET, "/api/state") => Ok(whole("application/json", live::state_text(self))),
            (&Method::GET, "/api/events") => Ok(live::watch(self, peer)),
            (&Method::GET, "/api/tickets") => Ok(json(&tickets::recent(&self.spool()?).await?)),
            (&Method::GET, "/api/tickets/preview") => {
                preview::preview(self, uri.query().unwrap_or_default()).await
            }
            (&Method::POST, "/api/tickets/reprint") => {
                tickets::reprint(self, read(body).await?).await.map(|()| done())
            }
            (&Method::POST, "/api/tickets/release") => {
                tickets::release(self, read(body).await?).await.map(|()| done())
            }
            (&Method::POST, "/api/tickets/settle") => {
                tickets::settle(self, read(body).await?).await.map(|()| done())
            }
            (&Method::POST, "/api/printers/add") => printers::add(self, read(body).await?).map(|()| done()),
            (&Method::POST, "/api/printers/change") => {
                printers::change(self, read(body).await?).await.map(|()| done())
            }
            (&Method::POST, "/api/printers/remove") => {
                printers::remove(self, &read(body).await?).map(|()| done())
            }
            (&Method::POST, "/api/printers/pause") => {
                printers::pause(self, read(body).await?).await.map(|()| done())
            }
            (&Method::POST, "/api/printers/test") => {
                printers::test(self, read(body).await?).await.map(|()| done())
            }
            (&Method::GET, "/api/pin") if peer.is_loopback() => Ok(json(&self.pin())),
            (&Method::POST, "/api/search") => {
                search::start(self);
                Ok(done())
            }
            (&Method::POST, "/api/search/number") => {
                search::number(self, read(body).await?).await.map(|()| done())
            }
            // From this PC there is nothing to sign in to.
            (&Method::POST, "/api/sign-in") => Ok(done()),
            _ => Err(not_found()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    pin: String,
}

#[derive(Serialize)]
struct PinView {
    pin: Option<String>,
}

fn done() -> Reply {
    whole("application/json", "{}")
}

fn not_found() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "not-found", "没有这个地址", "there is nothing here")
}

/// Reads a body within its bounds.
async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, Refused> {
    let bytes = match timeout(BODY_MAX, collect(body)).await {
        Ok(bytes) => bytes?,
        Err(_) => {
            return Err(Refused::new(
                StatusCode::REQUEST_TIMEOUT,
                "body-late",
                "请求没有发完",
                "the request was not sent to its end",
            ));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        Refused::new(
            StatusCode::BAD_REQUEST,
            "body-form",
            format!("请求内容不对:{error}"),
            format!("the request is not in order: {error}"),
        )
    })
}

async fn collect(mut body: Incoming) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    let broken = || Refused::new(StatusCode::BAD_REQUEST, "body-broken", "请求中断", "the request broke off");
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| broken())?;
        let data: Bytes = frame.into_data().unwrap_or_default();
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(Refused::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-large",
                "请求太大",
                "the request is too large",
            ));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
