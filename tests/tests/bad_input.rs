//! What is wrong, hostile or half: it is refused with a reason, changes nothing, and stops nobody else.

mod bounds;
mod config;
mod frames;
mod https;
mod pushes;
mod requests;

use docket_tests::chain::Hub;

/// Rows of every table in which a push could leave something.
fn rows(hub: &Hub) -> anyhow::Result<Vec<(&'static str, i64)>> {
    let ledger = hub.ledger()?;
    ["pushes", "orders", "tickets", "outbox", "alarms", "shops", "stores"]
        .into_iter()
        .map(|table| Ok((table, ledger.number(&format!("SELECT count(*) FROM {table}"))?)))
        .collect()
}
