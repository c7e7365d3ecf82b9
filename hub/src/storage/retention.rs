//! Old rows go, in small slices between other work. Deduplication lasts as long as the rows do, so the time is
//! far beyond anything a platform repeats.

use super::lane::Fault;
use super::{Storage, StorageError};
use crate::clock;
use docket_protocol::ids::UnixMs;
use rusqlite::{Connection, params};
use std::time::Duration;
use tracing::{info, warn};

/// Orders that go in one transaction.
const SLICE: i64 = 200;
/// Between two slices.
const BETWEEN_SLICES: Duration = Duration::from_millis(200);
/// How often is looked for old rows.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
const MS_PER_DAY: i64 = 86_400_000;

/// Removes what is older than `days`, again and again, until storage is closed.
pub async fn run(storage: Storage, days: u32) {
    loop {
        let before = UnixMs(clock::now().0 - i64::from(days) * MS_PER_DAY);
        match storage.remove_before(before).await {
            Ok(0) => tokio::time::sleep(LOOK_EVERY).await,
            Ok(orders) => {
                info!(orders, "old orders removed");
                tokio::time::sleep(BETWEEN_SLICES).await;
            }
            Err(StorageError::Closed) => return,
            Err(error) => {
                warn!(%error, "old orders were not removed");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

impl Storage {
    /// Removes a slice of the orders that came before a time, and of the raw pushes. An order with a ticket
    /// that has not come out stays. Returns how many rows of either went.
    ///
    /// # Errors
    /// Where nothing was removed.
    pub async fn remove_before(&self, before: UnixMs) -> Result<usize, StorageError> {
        self.writer.call(move |connection| remove(connection, before)).await
    }
}

fn remove(connection: &Connection, before: UnixMs) -> Result<usize, Fault> {
    let orders: Vec<i64> = connection
        .prepare_cached(
            "SELECT number FROM orders WHERE received_at < ?1 AND NOT EXISTS
                 (SELECT 1 FROM tickets WHERE order_number = number AND state < 5)
             ORDER BY orders.number LIMIT ?2",
        )?
        .query_map(params![before.0, SLICE], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for order in &orders {
        connection.prepare_cached("DELETE FROM tickets WHERE order_number = ?1")?.execute([order])?;
        connection.prepare_cached("DELETE FROM orders WHERE number = ?1")?.execute([order])?;
    }
    let pushes = connection
        .prepare_cached(
            "DELETE FROM pushes WHERE id IN
                 (SELECT id FROM pushes WHERE received_at < ?1 AND NOT EXISTS
                     (SELECT 1 FROM orders WHERE orders.platform = pushes.platform AND orders.id = pushes.order_id)
                  ORDER BY id LIMIT ?2)",
        )?
        .execute(params![before.0, SLICE])?;
    let unread = connection
        .prepare_cached(
            "DELETE FROM unread_uploads WHERE digest IN
                 (SELECT digest FROM unread_uploads WHERE received_at < ?1 LIMIT ?2)",
        )?
        .execute(params![before.0, SLICE])?;
    Ok(orders.len() + pushes + unread)
}
