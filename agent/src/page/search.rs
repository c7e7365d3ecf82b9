//! Finding printers: one search at a time, whose findings go to everyone who looks.

use super::App;
use super::reply::Refused;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Debug)]
pub struct Search {
    found: watch::Sender<Findings>,
    _ranges: Vec<String>,
}

/// What a search has found so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Findings {
    running: bool,
    printers: Vec<()>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    address: String,
    number: u32,
}

impl Search {
    pub fn new(ranges: Vec<String>) -> Self {
        Search { found: watch::Sender::new(Findings::default()), _ranges: ranges }
    }
    pub fn watch(&self) -> watch::Receiver<Findings> {
        self.found.subscribe()
    }
}

pub fn start(_app: &Arc<App>) {}
pub async fn number(_app: &App, number: Number) -> Result<(), Refused> {
    let _ = (number.address, number.number);
    Ok(())
}
