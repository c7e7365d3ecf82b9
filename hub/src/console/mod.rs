//! The console: one live page, and the same data as JSON.
//!
//! * `/` is the page, in Chinese or English; `/events` keeps it up to date (`live`); `/api/overview` is for
//!   programs. All three show a [`snapshot`].
//! * Stale is never green, at each link of the chain: an agent that is quiet makes its store unknown
//!   ([`snapshot`]), a hub that cannot read its data says so with each beat (`frame`), and a page that does
//!   not hear from the hub greys out by itself (`assets/console.js`).
//! * It listens on the loopback and answers only to its names (`guard`).
//!
//! Everything here is read only and in memory; a crash loses nothing.

mod assets;
mod frame;
mod guard;
mod language;
mod late;
mod live;
mod page;
#[cfg(test)]
mod sample;
pub mod snapshot;
pub mod store;
#[cfg(test)]
mod tests;
pub(crate) mod when;
mod words;

use crate::fleet::Fleet;
use crate::storage::Storage;
use assets::Asset;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response, Sse};
use axum::routing::{MethodRouter, get};
use language::Language;
use live::{Live, VIEWERS_MAX};
use std::sync::Arc;
use tokio::sync::watch;

/// What the console shows from.
#[derive(Debug, Clone)]
pub struct Console {
    /// What is stored.
    pub storage: Storage,
    /// What is live.
    pub fleet: Arc<Fleet>,
}

/// The console's routes. Its live streams end when `stop` says so. To be called within the runtime.
pub fn routes(console: Console, stop: watch::Receiver<bool>) -> Router {
    let live = Live::start(console.clone(), stop);
    Router::new()
        .route("/", get(index))
        .route("/api/overview", get(overview))
        .with_state(console)
        .route("/events", get(events).with_state(live))
        .route(assets::STYLE.path(), asset(&assets::STYLE))
        .route(assets::SCRIPT.path(), asset(&assets::SCRIPT))
        .route(assets::ICON.path(), asset(&assets::ICON))
        .layer(middleware::from_fn(guard::guard))
}

fn asset(asset: &'static Asset) -> MethodRouter {
    get(move || std::future::ready(asset.serve()))
}

async fn index(State(console): State<Console>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let language = language_of(query.as_deref(), &headers);
    let (status, page) = match snapshot::take(&console.storage, &console.fleet).await {
        Ok(snapshot) => (StatusCode::OK, page::page(&snapshot, language)),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, page::unavailable(&error.to_string(), language)),
    };
    (status, [(header::VARY, "accept-language")], Html(page.into_string())).into_response()
}

async fn events(State(live): State<Arc<Live>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    match live.watch(language_of(query.as_deref(), &headers)) {
        // Proxies that collect answers before they pass them on would hold back every event.
        Some(stream) => ([("x-accel-buffering", "no")], Sse::new(stream)).into_response(),
        None => {
            let text = format!(
                "console-full: {VIEWERS_MAX} 个页面已在观看,请关掉不用的 / {VIEWERS_MAX} pages look already; close some\n"
            );
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], text).into_response()
        }
    }
}

async fn overview(State(console): State<Console>) -> Response {
    match snapshot::take(&console.storage, &console.fleet).await {
        Ok(snapshot) => {
            let body = serde_json::to_vec(&snapshot).unwrap_or_default();
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

fn language_of(query: Option<&str>, headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|accepted| accepted.to_str().ok());
    Language::of_request(query, accepted)
}
