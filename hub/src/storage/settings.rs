//! What stores are set to: who has written what and why, what each store is to have, and what its agent made of it.
//!
//! One number counts all changes, so a store's revisions rise, and a number names one change everywhere. What a store is
//! to have is put together anew after each change: its own text over the chain's, the rules of `hub.toml` where neither
//! has any, and the templates in force. Only where that gives other bytes than before, the store gets it: a chain-wide
//! change that a store's own text hides does not reopen its printers. A store that nobody has set anything for gets
//! nothing.
//!
//! The change and the outboxes of all its stores are one transaction. An outbox holds at most one whole revision: what
//! an absent agent has not got of an older one shrinks to its place in the sequence.

use super::alarms::raise;
use super::lane::Fault;
use super::outbox::{agent_of, assign_settings};
use super::{Storage, StorageError};
use crate::clock;
use crate::templates::folder::Texts;
use docket_protocol::ids::{AgentId, StoreId, UnixMs};
use docket_protocol::message::SettingsOutcome;
use docket_routing::RoutingConfig;
use docket_settings::bundle::{Bundle, Contents, parts};
use docket_settings::document::Document;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;

/// Changes of one scope that are kept.
const EDITS_KEPT: i64 = 500;
/// The alarm of a store that goes on with older settings than it is to have.
pub const REFUSED: &str = "settings-refused";

/// Whose settings: the chain's, or one store's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All stores that say nothing else.
    Chain,
    /// One store.
    Store(StoreId),
}

impl Scope {
    fn as_str(&self) -> &str {
        match self {
            Scope::Chain => "",
            Scope::Store(store) => store.as_str(),
        }
    }
}

/// What every store has that says nothing else.
#[derive(Debug, Clone)]
pub struct Base {
    /// `[routing]` of `hub.toml`.
    pub routing: RoutingConfig,
    /// The templates in force.
    pub texts: Texts,
}

/// A change.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Of what.
    pub scope: Scope,
    /// The whole text from now on.
    pub text: String,
    /// By whom.
    pub who: String,
    /// Why.
    pub why: String,
}

/// A change as it is listed.
#[derive(Debug, Clone)]
pub struct EditRow {
    /// Its number.
    pub revision: u64,
    /// A store's id; empty for the chain.
    pub scope: String,
    /// Who made it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: UnixMs,
}

/// What came of a change.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// Its number; `None` where nothing has changed.
    pub revision: Option<u64>,
    /// Stores that get something new by it.
    pub stores: Vec<StoreId>,
}

/// A store's settings, as people look at them.
#[derive(Debug, Clone, Serialize)]
pub struct SettingsView {
    /// The store.
    pub store: String,
    /// What it is to have.
    pub wanted: u64,
    /// Since when.
    pub wanted_since: UnixMs,
    /// What it has, as far as its agent has said.
    pub applied: Option<u64>,
    /// Since when, by the hub's clock.
    pub applied_since: Option<UnixMs>,
    /// What its PC has otherwise than `applied` says; empty where nothing.
    pub otherwise: String,
    /// What its agent did not put in force, and has not been overcome.
    pub failed: Option<Failed>,
}

/// A revision that was not put in force.
#[derive(Debug, Clone, Serialize)]
pub struct Failed {
    /// Which.
    pub revision: u64,
    /// `refused` or `rolled-back`.
    pub how: String,
    /// Code, cause and remedy.
    pub cause: String,
    /// When it was heard.
    pub at: UnixMs,
}

impl SettingsView {
    /// Whether the store has what it is to have.
    pub fn is_in_force(&self) -> bool {
        self.applied == Some(self.wanted)
    }
}

impl Storage {
    /// Takes a change, if there is one, and gives each store what it is to have now.
    ///
    /// # Errors
    /// Where the store is not known, or what a store would get is not in order: nothing is changed then.
    pub async fn publish_settings(&self, edit: Option<Edit>, base: Base) -> Result<Published, StorageError> {
        self.writer.call(move |connection| publish(connection, edit.as_ref(), &base, clock::now())).await
    }

    /// A scope's text, now or as it was after the change with that number; `None` where there was none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn settings_text(&self, scope: Scope, at: Option<u64>) -> Result<Option<String>, StorageError> {
        self.reader.call(move |connection| Ok(text_of(connection, scope.as_str(), at)?)).await
    }

    /// Changes that have to do with a scope, the newest first: the chain's are each store's.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn settings_history(&self, scope: Scope) -> Result<Vec<EditRow>, StorageError> {
        self.reader.call(move |connection| {
            let mut select = connection.prepare_cached(
                "SELECT revision, scope, who, why, at FROM settings_edits WHERE scope IN ('', ?1) ORDER BY revision DESC",
            )?;
            let rows = select.query_map([scope.as_str()], |row| {
                Ok(EditRow {
                    revision: from_sql(row.get(0)?),
                    scope: row.get(1)?,
                    who: row.get(2)?,
                    why: row.get(3)?,
                    at: UnixMs(row.get(4)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// What all stores are to have and have.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn settings(&self) -> Result<Vec<SettingsView>, StorageError> {
        self.reader.call(|connection| Ok(views(connection)?)).await
    }
}

fn publish(
    connection: &Connection,
    edit: Option<&Edit>,
    base: &Base,
    now: UnixMs,
) -> Result<Published, Fault> {
    let revision = next_revision(connection)?;
    if let Some(edit) = edit {
        check(connection, edit)?;
        note(connection, revision, edit.scope.as_str(), Some(&edit.text), (&edit.who, &edit.why), now)?;
    }
    let chain = text_of(connection, "", None)?;
    let mut stores = Vec::new();
    for store in all_stores(connection)? {
        let own = text_of(connection, store.as_str(), None)?;
        if own.is_none() && chain.is_none() {
            continue;
        }
        let bundle = compose(own.as_deref(), chain.as_deref(), base)?;
        let is_meant =
            edit.is_some_and(|edit| edit.scope == Scope::Chain || edit.scope.as_str() == store.as_str());
        if want(connection, &store, (revision, is_meant), &bundle, now)? {
            stores.push(store);
        }
    }
    let has_changed = edit.is_some() || !stores.is_empty();
    if edit.is_none() && has_changed {
        let why = "[routing] 或小票模板有变 / of hub.toml, or templates, have changed";
        note(connection, revision, "", None, ("docket-hub", why), now)?;
    }
    Ok(Published { revision: has_changed.then_some(from_sql(revision)), stores })
}

fn check(connection: &Connection, edit: &Edit) -> Result<(), Fault> {
    Document::read(&edit.text).map_err(|error| refused(error.to_string()))?;
    let Scope::Store(store) = &edit.scope else { return Ok(()) };
    let is_known =
        connection.prepare_cached("SELECT 1 FROM stores WHERE id = ?1")?.exists([store.as_str()])?;
    if is_known {
        Ok(())
    } else {
        Err(refused(format!("store-unknown: there is no store {store}; add it with `docket-hub store add`")))
    }
}

fn compose(own: Option<&str>, chain: Option<&str>, base: &Base) -> Result<Vec<u8>, Fault> {
    let read = |text: Option<&str>| {
        text.map_or(Ok(Document::default()), Document::read).map_err(|error| refused(error.to_string()))
    };
    let of_hub = Document { routing: Some(base.routing.clone()), ..Document::default() };
    let document = read(own)?.over(read(chain)?).over(of_hub).write();
    let Texts { templates, images } = base.texts.clone();
    let contents = Contents { document, templates, images };
    Bundle::V1(contents).write().map_err(|error| refused(error.to_string()))
}

/// A store is to have this; whether that is new. Whoever sets anew what has failed wants it to be tried again.
fn want(
    connection: &Connection,
    store: &StoreId,
    (revision, is_meant): (i64, bool),
    bundle: &[u8],
    now: UnixMs,
) -> rusqlite::Result<bool> {
    let is_new = connection
        .prepare_cached(
            "INSERT INTO settings_wanted (store, revision, since, bundle) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET revision = ?2, since = ?3, bundle = ?4
             WHERE bundle <> ?4 OR (?5 AND failed IS revision)",
        )?
        .execute(params![store.as_str(), revision, now.0, bundle, is_meant])?
        > 0;
    if is_new && let Some(agent) = agent_of(connection, store)? {
        give(connection, store, &agent)?;
    }
    Ok(is_new)
}

/// Puts what a store is to have into an agent's outbox: so many items.
pub(super) fn give(connection: &Connection, store: &StoreId, agent: &AgentId) -> rusqlite::Result<usize> {
    let wanted: Option<(i64, Vec<u8>)> = connection
        .prepare_cached("SELECT revision, bundle FROM settings_wanted WHERE store = ?1")?
        .query_row([store.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match wanted {
        Some((revision, bundle)) => assign_settings(connection, agent, parts(from_sql(revision), &bundle)),
        None => Ok(0),
    }
}

/// What came of a revision in the agent's store.
pub(super) fn record(
    connection: &Connection,
    agent: &AgentId,
    revision: u64,
    outcome: &SettingsOutcome,
    now: UnixMs,
) -> rusqlite::Result<()> {
    let store: Option<String> = connection
        .prepare_cached("SELECT store FROM agents WHERE id = ?1")?
        .query_row([agent.as_str()], |row| row.get(0))
        .optional()?;
    let Some(store) = store else { return Ok(()) };
    match outcome {
        SettingsOutcome::Applied { otherwise } => {
            connection
                .prepare_cached(
                    "UPDATE settings_wanted SET
                        applied_at = CASE WHEN applied IS ?2 THEN applied_at ELSE ?3 END,
                        applied = ?2, otherwise = ?4, failed = CASE WHEN failed > ?2 THEN failed END
                     WHERE store = ?1",
                )?
                .execute(params![store, to_sql(revision), now.0, otherwise])?;
            connection
                .prepare_cached(
                    "DELETE FROM alarms WHERE code = ?1 AND subject = ?2
                        AND EXISTS (SELECT 1 FROM settings_wanted WHERE store = ?2 AND failed IS NULL)",
                )?
                .execute(params![REFUSED, store])?;
            Ok(())
        }
        SettingsOutcome::Refused { cause } => failed(connection, &store, revision, ("refused", cause), now),
        SettingsOutcome::RolledBack { cause } => {
            failed(connection, &store, revision, ("rolled-back", cause), now)
        }
        SettingsOutcome::Outdated { newest } => outdated(connection, agent, &store, *newest, now),
    }
}

fn failed(
    connection: &Connection,
    store: &str,
    revision: u64,
    (how, cause): (&str, &str),
    now: UnixMs,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE settings_wanted SET failed = ?2, failed_at = ?3, failure = ?4, cause = ?5 WHERE store = ?1",
        )?
        .execute(params![store, to_sql(revision), now.0, how, cause])?;
    raise(connection, REFUSED, store, &format!("{revision}: {cause}"), now)
}

/// The agent has had a newer one than we want it to have: our database is an older copy. It gets what is wanted under a
/// number that is newer still.
fn outdated(
    connection: &Connection,
    agent: &AgentId,
    store: &str,
    newest: u64,
    now: UnixMs,
) -> rusqlite::Result<()> {
    let wants_older: bool = connection
        .prepare_cached("SELECT 1 FROM settings_wanted WHERE store = ?1 AND revision <= ?2")?
        .exists(params![store, to_sql(newest)])?;
    if !wants_older {
        return Ok(());
    }
    let revision = next_revision(connection)?.max(to_sql(newest.saturating_add(1)));
    connection
        .prepare_cached("UPDATE settings_wanted SET revision = ?2, since = ?3 WHERE store = ?1")?
        .execute(params![store, revision, now.0])?;
    give(connection, &StoreId::new(store), agent).map(drop)
}

fn next_revision(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "SELECT 1 + max(coalesce((SELECT max(revision) FROM settings_edits), 0),
                            coalesce((SELECT max(revision) FROM settings_wanted), 0))",
        )?
        .query_row([], |row| row.get(0))
}

fn note(
    connection: &Connection,
    revision: i64,
    scope: &str,
    text: Option<&str>,
    (who, why): (&str, &str),
    now: UnixMs,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO settings_edits VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![revision, scope, text, who, why, now.0])?;
    // The newest text stays however many of the hub's own changes come after it.
    connection
        .prepare_cached(
            "DELETE FROM settings_edits WHERE scope = ?1 AND revision <= (
                SELECT revision FROM settings_edits WHERE scope = ?1 ORDER BY revision DESC LIMIT 1 OFFSET ?2)
             AND revision < (
                SELECT max(revision) FROM settings_edits WHERE scope = ?1 AND text IS NOT NULL)",
        )?
        .execute(params![scope, EDITS_KEPT])?;
    Ok(())
}

fn text_of(connection: &Connection, scope: &str, at: Option<u64>) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT text FROM settings_edits WHERE scope = ?1 AND text IS NOT NULL AND revision <= ?2
             ORDER BY revision DESC LIMIT 1",
        )?
        .query_row(params![scope, at.map_or(i64::MAX, to_sql)], |row| row.get(0))
        .optional()
}

fn all_stores(connection: &Connection) -> rusqlite::Result<Vec<StoreId>> {
    connection
        .prepare_cached("SELECT id FROM stores ORDER BY id")?
        .query_map([], |row| Ok(StoreId::new(row.get::<_, String>(0)?)))?
        .collect()
}

/// What all stores are to have and have.
pub(super) fn views(connection: &Connection) -> rusqlite::Result<Vec<SettingsView>> {
    connection
        .prepare_cached(
            "SELECT store, revision, since, applied, applied_at, otherwise, failed, failure, cause, failed_at
             FROM settings_wanted ORDER BY store",
        )?
        .query_map([], view)?
        .collect()
}

fn view(row: &Row<'_>) -> rusqlite::Result<SettingsView> {
    let failed = match row.get::<_, Option<i64>>(6)? {
        Some(revision) => Some(Failed {
            revision: from_sql(revision),
            how: row.get(7)?,
            cause: row.get(8)?,
            at: UnixMs(row.get(9)?),
        }),
        None => None,
    };
    Ok(SettingsView {
        store: row.get(0)?,
        wanted: from_sql(row.get(1)?),
        wanted_since: UnixMs(row.get(2)?),
        applied: row.get::<_, Option<i64>>(3)?.map(from_sql),
        applied_since: row.get::<_, Option<i64>>(4)?.map(UnixMs),
        otherwise: row.get(5)?,
        failed,
    })
}

fn refused(words: String) -> Fault {
    StorageError::Refused(words).into()
}

/// SQLite's integers are signed; nobody makes 2^63 changes.
fn to_sql(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

fn from_sql(revision: i64) -> u64 {
    revision.unsigned_abs()
}
