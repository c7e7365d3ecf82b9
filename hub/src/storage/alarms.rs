//! Alarms: what a person at headquarters has to look at until it is over.

use super::{Storage, StorageError};
use crate::clock;
use docket_protocol::ids::UnixMs;
use rusqlite::{Connection, params};

impl Storage {
    /// Makes `now` all the alarms of a code: (subject, detail). Others of it are over.
    ///
    /// # Errors
    /// Where nothing was stored.
    pub async fn set_alarms(
        &self,
        code: &'static str,
        now: Vec<(String, String)>,
    ) -> Result<(), StorageError> {
        self.writer
            .call(move |connection| {
                let standing: Vec<String> = connection
                    .prepare_cached("SELECT subject FROM alarms WHERE code = ?1")?
                    .query_map([code], |row| row.get(0))?
                    .collect::<Result<_, _>>()?;
                for subject in standing {
                    if !now.iter().any(|(still, _)| *still == subject) {
                        connection
                            .prepare_cached("DELETE FROM alarms WHERE code = ?1 AND subject = ?2")?
                            .execute(params![code, subject])?;
                    }
                }
                for (subject, detail) in &now {
                    raise(connection, code, subject, detail, clock::now())?;
                }
                Ok(())
            })
            .await
    }
}

/// Raises an alarm, or counts it again.
pub(super) fn raise(
    connection: &Connection,
    code: &str,
    subject: &str,
    detail: &str,
    now: UnixMs,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO alarms (code, subject, detail, since, last_at, times) VALUES (?1, ?2, ?3, ?4, ?4, 1)
             ON CONFLICT DO UPDATE SET detail = ?3, last_at = ?4, times = times + 1",
        )?
        .execute(params![code, subject, detail, now.0])?;
    Ok(())
}
