//! An agent whose database fails for a while: what it cannot read is told late, and told.

mod forbidden;
mod replaced;

use docket_tests::chain::{PATIENCE, Shop, wait_for};
use rusqlite::Connection;
use std::time::Duration;

/// Reports are kept as they come, and none can be read.
const UNREADABLE: &str = "
    BEGIN;
    ALTER TABLE outbox RENAME TO kept;
    CREATE VIEW outbox AS SELECT seq, abs(-9223372036854775807 - (seq > 0)) AS payload FROM kept;
    CREATE TRIGGER keep INSTEAD OF INSERT ON outbox BEGIN INSERT INTO kept VALUES (new.seq, new.payload); END;
    CREATE TRIGGER drop_it INSTEAD OF DELETE ON outbox BEGIN DELETE FROM kept WHERE seq = old.seq; END;
    COMMIT;";
const READABLE: &str = "BEGIN; DROP VIEW outbox; ALTER TABLE kept RENAME TO outbox; COMMIT;";

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_cannot_be_read_are_told_in_a_later_session() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let mut orders = vec![shop.push(1).await?];
    shop.until_printed(&orders).await?;
    let database = Connection::open(shop.agent.data().join("spool.db"))?;
    database.busy_timeout(Duration::from_secs(10))?;
    database.execute_batch(UNREADABLE)?;
    orders.push(shop.push(2).await?);
    wait_for("the session to end for it", PATIENCE, || {
        let log = shop.agent.log_text();
        if log.contains("outbox-unread") { Ok(()) } else { Err(log) }
    })
    .await?;
    assert_eq!(shop.printer.receipt_count(), 2, "it is printed all the same");
    database.execute_batch(READABLE)?;
    shop.until_printed(&orders).await
}
