//! Alarms that are not raised by an order.

use super::orders::raise;
use super::{Storage, StorageError};
use crate::clock;
use rusqlite::params;

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
