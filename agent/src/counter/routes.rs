//! The table of what can be asked, and who may ask.
//!
//! Only programs on this PC, by an address of the loopback as `Host` says it, and with the token: the local page's guard
//! stands before it, and what a browser marks as another site's is refused whatever it knows. The token is looked at
//! before the body is read.

use super::problem::Problem;
use super::token::is_token;
use super::{Api, events, handlers};
use crate::page::guard;
use crate::page::reply::{Reply, whole};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use ring::digest;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::timeout;
use tracing::error;

/// The largest body: an order of 300 dishes, or a ticket with a large picture.
pub const BODY_BYTES_MAX: usize = 128 * 1_024;
/// How long a body may take to come.
const BODY_MAX: Duration = Duration::from_secs(10);
/// Characters of an Idempotency-Key. It is a path's segment as it is.
const KEY_CHARS_MAX: usize = 64;
/// Where all of it is.
pub(crate) const BASE: &str = "/api/v1/";
const KEY: &str = "idempotency-key";

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    OpenApi,
    Orders,
    SubmitOrder,
    Order,
    CancelOrder,
    SubmitTickets,
    Ticket,
    CancelTicket,
    Reprint,
    Events,
}

const ROUTES: [(Method, &str, Action); 10] = [
    (Method::GET, "openapi.json", Action::OpenApi),
    (Method::GET, "orders", Action::Orders),
    (Method::POST, "orders", Action::SubmitOrder),
    (Method::GET, "orders/{id}", Action::Order),
    (Method::POST, "orders/{id}/cancel", Action::CancelOrder),
    (Method::POST, "tickets", Action::SubmitTickets),
    (Method::GET, "tickets/{id}", Action::Ticket),
    (Method::POST, "tickets/{id}/cancel", Action::CancelTicket),
    (Method::POST, "tickets/{id}/reprint", Action::Reprint),
    (Method::GET, "events", Action::Events),
];

/// What can be asked for, as (method, path).
pub fn routes() -> impl Iterator<Item = (String, String)> {
    ROUTES.into_iter().map(|(method, path, _)| (method.to_string(), format!("{BASE}{path}")))
}

/// A request that changes something, whole.
pub(super) struct Posted {
    pub(super) key: String,
    pub(super) digest: [u8; crate::spool::counter::DIGEST_BYTES],
    pub(super) body: Vec<u8>,
}

impl Api {
    /// Answers a request to an address below [`BASE`].
    pub(crate) async fn answer(&self, peer: IpAddr, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let mut reply = match self.done(peer, &head, body).await {
            Ok(reply) => reply,
            Err(problem) => problem.reply(),
        };
        guard::seal(&mut reply);
        reply
    }

    async fn done(&self, peer: IpAddr, head: &Parts, body: Incoming) -> Result<Reply, Problem> {
        if !peer.is_loopback() {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "loopback-only",
                ("这个接口只给本机的程序用", "this is for programs on this PC only"),
                ("请在收银电脑上调用 http://127.0.0.1", "call it on the cashier PC, at http://127.0.0.1"),
            ));
        }
        if let Some(refused) = guard::refused(&head.method, &head.uri, &head.headers, false) {
            let remedy = (
                "从本机的程序直接调用 http://127.0.0.1,不带 Origin,正文用 application/json",
                "call http://127.0.0.1 from a program on this PC, without Origin, with bodies of application/json",
            );
            return Err(Problem::new(refused.status, refused.code, (refused.zh, refused.en), remedy));
        }
        let path = head.uri.path().strip_prefix(BASE).unwrap_or_default();
        let (action, id) = find(&head.method, path)?;
        if action == Action::OpenApi {
            // It says nothing of this store.
            return Ok(whole("application/json", include_str!("openapi.json")));
        }
        self.admit(head)?;
        let query = head.uri.query().unwrap_or_default();
        match action {
            Action::OpenApi => Err(Problem::not_found()),
            Action::Orders => handlers::orders(self, query).await,
            Action::Order => handlers::order(self, id).await,
            Action::Ticket => handlers::ticket(self, id).await,
            Action::Events => events::stream(self, head, query),
            Action::SubmitOrder => handlers::submit_order(self, posted(head, body).await?).await,
            Action::CancelOrder => handlers::cancel_order(self, id, posted(head, body).await?).await,
            Action::SubmitTickets => handlers::submit_tickets(self, posted(head, body).await?).await,
            Action::CancelTicket => handlers::cancel_ticket(self, id, posted(head, body).await?).await,
            Action::Reprint => handlers::reprint(self, id, posted(head, body).await?).await,
        }
    }

    fn admit(&self, head: &Parts) -> Result<(), Problem> {
        let shown = head.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let shown = shown.and_then(|value| {
            let (scheme, token) = value.split_at_checked("Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
        });
        let remedy = (
            "先运行 docket-agent api token 查看口令,请求头写 Authorization: Bearer 口令",
            "run `docket-agent api token` and send it as `Authorization: Bearer TOKEN`",
        );
        let refused = |code, cause: (&str, &str)| Problem::new(StatusCode::UNAUTHORIZED, code, cause, remedy);
        let Some(shown) = shown else {
            return Err(refused("token-missing", ("请求没有带口令", "the request bears no token")));
        };
        match is_token(&self.data, shown) {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(refused("token-wrong", ("口令不对,或已经换过", "this is not the token (any more)")))
            }
            Err(cause) => {
                error!(code = "api-token", %cause, "the local order API's token cannot be read");
                Err(Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "token-file",
                    ("读不到口令文件", "the token's file cannot be read"),
                    (
                        "检查数据目录的权限,然后重启程序",
                        "check who may read the data folder, then restart the agent",
                    ),
                ))
            }
        }
    }
}

/// What is asked for, and of which order or ticket.
fn find<'p>(method: &Method, path: &'p str) -> Result<(Action, &'p str), Problem> {
    let mut is_known = false;
    for (allowed, template, action) in &ROUTES {
        if let Some(id) = fits(template, path) {
            if method == allowed {
                return Ok((*action, id));
            }
            is_known = true;
        }
    }
    if !is_known {
        return Err(Problem::not_found());
    }
    Err(Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        ("这个地址不接受这种请求", "this address does not take this method"),
        ("见 /api/v1/openapi.json", "see /api/v1/openapi.json"),
    ))
}

/// Whether the path is of this template; with what stands in the place of `{id}`.
fn fits<'p>(template: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, after)) = template.split_once("{id}") else {
        return (template == path).then_some("");
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// Reads what is to be done once.
async fn posted(head: &Parts, body: Incoming) -> Result<Posted, Problem> {
    let key = key(head)?;
    let body = match timeout(BODY_MAX, collect(body)).await {
        Ok(body) => body?,
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body-late",
                ("请求没有发完", "the request was not sent to its end"),
                ("用同一个 Idempotency-Key 再发", "send it again under the same Idempotency-Key"),
            ));
        }
    };
    let mut digest = digest::Context::new(&digest::SHA256);
    // No part of a head can hold a line feed.
    digest.update(format!("{} {}\n", head.method, head.uri).as_bytes());
    digest.update(&body);
    let digest = digest.finish().as_ref().try_into().expect("SHA-256 has as many bytes as the spool keeps");
    Ok(Posted { key, digest, body })
}

/// The key, bare or in quotation marks as a structured header (RFC 8941) has it.
fn key(head: &Parts) -> Result<String, Problem> {
    let refused = |code, cause: (&str, &str)| {
        let remedy = (
            "每个新请求带一个新的 Idempotency-Key(例如 UUID 或本机单号),重发时不变;1 到 64 个字母、数字和 . _ : -",
            "send a new Idempotency-Key (a UUID, a number of yours) with each new request and the same one with its repeats: \
             1 to 64 letters, digits and . _ : -",
        );
        Problem::new(StatusCode::BAD_REQUEST, code, cause, remedy)
    };
    let Some(shown) = head.headers.get(KEY) else {
        return Err(refused(
            "key-missing",
            ("请求没有带 Idempotency-Key", "the request bears no Idempotency-Key"),
        ));
    };
    let shown = shown.to_str().unwrap_or_default().trim();
    let key = shown.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(shown);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    let is_dots = key.chars().all(|c| c == '.');
    if key.is_empty() || key.len() > KEY_CHARS_MAX || is_dots || !key.chars().all(fits) {
        return Err(refused("key-form", ("Idempotency-Key 的写法不对", "this cannot be an Idempotency-Key")));
    }
    Ok(key.to_owned())
}

async fn collect(mut body: Incoming) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let again = ("用同一个 Idempotency-Key 再发", "send it again under the same Idempotency-Key");
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| {
            let cause = ("请求中断", "the request broke off");
            Problem::new(StatusCode::BAD_REQUEST, "body-broken", cause, again)
        })?;
        let data: Bytes = frame.into_data().unwrap_or_default();
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            let cause = (
                format!("请求太大,最多 {BODY_BYTES_MAX} 字节"),
                format!("the request has more than {BODY_BYTES_MAX} bytes"),
            );
            let remedy = ("拆成几个请求,或缩小图片", "make several of it, or the picture smaller");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-large", cause, remedy));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found() {
        let found = |method: Method, path| find(&method, path).ok();
        assert_eq!(found(Method::POST, "orders"), Some((Action::SubmitOrder, "")));
        assert_eq!(found(Method::GET, "orders/till-1.17"), Some((Action::Order, "till-1.17")));
        assert_eq!(found(Method::POST, "orders/a/cancel"), Some((Action::CancelOrder, "a")));
        for path in ["orders/", "orders/a/b", "orders/a/cancel/", "orders/a/b/cancel", "", "x"] {
            assert_eq!(found(Method::GET, path), None, "{path}");
        }
        assert_eq!(found(Method::GET, "tickets"), None);
    }
}
