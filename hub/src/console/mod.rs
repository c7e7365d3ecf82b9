//! The console's data as JSON.

pub mod snapshot;

use crate::fleet::Fleet;
use crate::storage::Storage;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// What the console shows from.
#[derive(Debug, Clone)]
pub struct Console {
    /// What is stored.
    pub storage: Storage,
    /// What is live.
    pub fleet: Arc<Fleet>,
}

/// The console's routes.
pub fn routes(console: Console) -> Router {
    Router::new().route("/api/overview", get(overview)).with_state(console)
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
