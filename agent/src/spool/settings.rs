//! Settings on their way: parts are kept as they come, in the transaction that moves the cursor, until somebody has
//! decided about the whole. Deciding and telling the hub are one transaction, too, so that a crash between leaves the
//! revision to be decided about again; whoever decides knows what was decided before (`crate::settings`).

use super::command::{Read, Write};
use super::work::Work;
use super::{Pending, Spool, SpoolError};
use docket_protocol::message::{Report, SettingsOutcome, SettingsPart};
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::watch;

/// More parts than any bundle has.
const PARTS_MAX: u16 = 64;

impl Spool {
    /// Changes when settings have come that are whole.
    pub fn settings_changed(&self) -> watch::Receiver<u64> {
        self.shared.settings()
    }

    /// The newest settings that are whole and that nobody has decided about: their revision and their bytes.
    pub fn newest_settings(&self) -> Pending<Option<(u64, Vec<u8>)>> {
        self.look_up(|answer| Read::Settings { answer })
    }

    /// Tells the hub what came of a revision, and forgets what came up to it.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn settle_settings(&self, revision: u64, outcome: SettingsOutcome) -> Result<(), SpoolError> {
        self.ask(|answer| Write::SettleSettings { revision, outcome, answer }).await
    }
}

impl Work<'_> {
    /// Keeps a part. One whose revision has been followed by a newer one by the time it was sent is only a place.
    pub(super) fn store_settings(&mut self, part: &SettingsPart) -> rusqlite::Result<()> {
        if part.part >= part.parts || part.parts > PARTS_MAX {
            return Ok(());
        }
        let revision = number(part.revision);
        self.prepare("INSERT OR REPLACE INTO settings_parts VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![revision, part.part, part.parts, part.bytes])?;
        let have: u16 = self
            .prepare("SELECT count(*) FROM settings_parts WHERE revision = ?1")?
            .query_row([revision], |row| row.get(0))?;
        if have == part.parts {
            // Several may come before anybody looks, and of those only the newest is worth its room.
            self.prepare("DELETE FROM settings_parts WHERE revision < ?1")?.execute([revision])?;
            self.known.settings += 1;
        }
        Ok(())
    }

    pub(super) fn settle_settings(
        &mut self,
        revision: u64,
        outcome: &SettingsOutcome,
    ) -> rusqlite::Result<()> {
        self.prepare("DELETE FROM settings_parts WHERE revision <= ?1")?.execute([number(revision)])?;
        self.report(&Report::Settings { revision, outcome: outcome.clone() }).map(drop)
    }
}

/// See [`Spool::newest_settings`].
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Option<(u64, Vec<u8>)>> {
    let revision: Option<i64> = connection
        .prepare_cached(
            "SELECT revision FROM settings_parts GROUP BY revision HAVING count(*) = max(parts)
             ORDER BY revision DESC LIMIT 1",
        )?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(revision) = revision else { return Ok(None) };
    let parts: Vec<Vec<u8>> = connection
        .prepare_cached("SELECT bytes FROM settings_parts WHERE revision = ?1 ORDER BY part")?
        .query_map([revision], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(Some((revision.unsigned_abs(), parts.concat())))
}

/// SQLite's integers are signed; nobody makes 2^63 changes.
fn number(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
