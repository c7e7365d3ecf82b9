//! Stores, enrolment codes, and agents.

use super::alarms::raise;
use super::certificates::Life;
use super::lane::Fault;
use super::orders::route_waiting;
use super::outbox::{Contact, hand_over};
use super::{Storage, StorageError, help};
use crate::clock;
use docket_protocol::enrol::{EnrolRefusal, LOOKUP_BYTES};
use docket_protocol::ids::{AgentId, Platform, Seq, StoreId, UnixMs};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

/// A store as it is listed.
#[derive(Debug, Clone)]
pub struct StoreRow {
    /// Its id.
    pub id: StoreId,
    /// Its name for people.
    pub name: String,
    /// Its shops on the platforms: `meituan/S0042`.
    pub shops: Vec<String>,
}

/// An agent as it is listed.
#[derive(Debug, Clone)]
pub struct AgentRow {
    /// Its id.
    pub id: AgentId,
    /// Its store.
    pub store: StoreId,
    /// The PC's name.
    pub host: String,
    /// When it was enrolled.
    pub enrolled_at: UnixMs,
    /// When it was revoked.
    pub revoked_at: Option<UnixMs>,
    /// Version of its program; empty before its first session.
    pub version: String,
    /// The last place in its outbox.
    pub assigned: Seq,
    /// When its last session began, and when it ended.
    pub connected_at: Option<UnixMs>,
    /// `None` while it goes on.
    pub disconnected_at: Option<UnixMs>,
    /// From when until when its certificate is good; an older hub has not written it.
    pub life: Option<Life>,
    /// Which CAs it has confirmed to trust, see [`crate::gateway::ca::bundle`].
    pub trusts: Option<Vec<u8>>,
}

/// A code as the hub keeps it: only its stretched form.
#[derive(Debug)]
pub struct NewCode {
    /// Finds it.
    pub lookup: [u8; LOOKUP_BYTES],
    /// Key of the tags.
    pub key: Vec<u8>,
    /// Whose agent it enrols.
    pub store: StoreId,
    /// When it ends.
    pub expires_at: UnixMs,
}

/// What a valid code gives.
#[derive(Debug)]
pub struct OpenCode {
    /// Key of the tags.
    pub key: Vec<u8>,
    /// Whose agent it enrols.
    pub store: StoreId,
    /// That store's name.
    pub store_name: String,
}

/// What is stored of a new agent.
#[derive(Debug)]
pub struct NewAgent {
    /// The code that is used up.
    pub lookup: [u8; LOOKUP_BYTES],
    /// Its id.
    pub id: AgentId,
    /// Its store.
    pub store: StoreId,
    /// SHA-256 of its certificate.
    pub fingerprint: Vec<u8>,
    /// From when until when that is good.
    pub life: Life,
    /// Which CAs it trusts.
    pub trusts: [u8; 32],
    /// The PC's name.
    pub host: String,
}

impl Storage {
    /// Adds a store, or more shops to one. Returns how many waiting orders were routed to it.
    ///
    /// # Errors
    /// Where a shop belongs to another store.
    pub async fn add_store(
        &self,
        id: StoreId,
        name: String,
        shops: Vec<(Platform, String)>,
    ) -> Result<usize, StorageError> {
        let routing = Arc::clone(&self.routing);
        self.writer
            .call(move |connection| {
                let now = clock::now();
                connection.execute(
                    "INSERT INTO stores (id, name, created_at) VALUES (?1, ?2, ?3)
                         ON CONFLICT DO UPDATE SET name = ?2",
                    params![id.as_str(), name, now.0],
                )?;
                let mut routed = 0;
                for (platform, shop) in &shops {
                    map_shop(connection, *platform, shop, &id)?;
                    routed += route_waiting(connection, &routing, *platform, shop, now)?;
                }
                Ok(routed)
            })
            .await
    }

    /// All stores by id.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn stores(&self) -> Result<Vec<StoreRow>, StorageError> {
        self.reader
            .call(
                |connection| {
                    let mut select = connection.prepare_cached(
                        "SELECT stores.id, stores.name, group_concat(shops.platform || '/' || shops.shop, ' ')
                         FROM stores LEFT JOIN shops ON shops.store = stores.id GROUP BY stores.id ORDER BY stores.id",
                    )?;
                    let rows = select.query_map([], |row| {
                        let shops: Option<String> = row.get(2)?;
                        let shops = shops.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
                        Ok(StoreRow { id: StoreId::new(row.get::<_, String>(0)?), name: row.get(1)?, shops })
                    })?;
                    Ok(rows.collect::<Result<_, _>>()?)
                },
            )
            .await
    }

    /// Keeps an enrolment code.
    ///
    /// # Errors
    /// Where there is no such store.
    pub async fn add_code(&self, code: NewCode) -> Result<(), StorageError> {
        self.writer
            .call(move |connection| {
                let known: bool = connection.query_row(
                    "SELECT EXISTS (SELECT 1 FROM stores WHERE id = ?1)",
                    [code.store.as_str()],
                    |row| row.get(0),
                )?;
                if !known {
                    return Err(refused(format!(
                        "store-unknown: there is no store {}; add it with `docket-hub store add`",
                        code.store
                    )));
                }
                connection.execute(
                    "INSERT INTO enrol_codes (lookup, key, store, created_at, expires_at)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![code.lookup, code.key, code.store.as_str(), clock::now().0, code.expires_at.0],
                )?;
                Ok(())
            })
            .await
    }

    /// What a code gives, if it is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn code(
        &self,
        lookup: [u8; LOOKUP_BYTES],
    ) -> Result<Result<OpenCode, EnrolRefusal>, StorageError> {
        self.reader.call(move |connection| find_code(connection, lookup)).await
    }

    /// Enrols an agent and uses its code up. The store's former agent is revoked: it is one PC a store, and
    /// its open tickets go to the new one.
    ///
    /// # Errors
    /// Where nothing was stored.
    pub async fn enrol(&self, agent: NewAgent) -> Result<Result<(), EnrolRefusal>, StorageError> {
        self.writer.call(move |connection| enrol(connection, &agent, clock::now())).await
    }

    /// All agents, the newest first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn agents(&self) -> Result<Vec<AgentRow>, StorageError> {
        self.reader
            .call(|connection| {
                let mut select = connection.prepare_cached(
                    "SELECT id, store, host, enrolled_at, revoked_at, version, assigned,
                            connected_at, disconnected_at, certified_at, expires_at, trusts
                         FROM agents ORDER BY enrolled_at DESC, id",
                )?;
                let rows = select.query_map([], |row| {
                    Ok(AgentRow {
                        id: AgentId::new(row.get::<_, String>(0)?),
                        store: StoreId::new(row.get::<_, String>(1)?),
                        host: row.get(2)?,
                        enrolled_at: UnixMs(row.get(3)?),
                        revoked_at: row.get::<_, Option<i64>>(4)?.map(UnixMs),
                        version: row.get(5)?,
                        assigned: Seq(row.get::<_, i64>(6)?.unsigned_abs()),
                        connected_at: row.get::<_, Option<i64>>(7)?.map(UnixMs),
                        disconnected_at: row.get::<_, Option<i64>>(8)?.map(UnixMs),
                        life: Life::read(row.get(9)?, row.get(10)?),
                        trusts: row.get(11)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Revokes an agent: its next word is refused, and what is open in its store waits for a new one.
    ///
    /// # Errors
    /// Where there is no such agent.
    pub async fn revoke(&self, agent: AgentId) -> Result<(), StorageError> {
        self.writer
            .call(move |connection| {
                let revoked = connection.execute(
                    "UPDATE agents SET revoked_at = coalesce(revoked_at, ?1) WHERE id = ?2",
                    params![clock::now().0, agent.as_str()],
                )?;
                if revoked == 0 {
                    return Err(refused(format!(
                        "agent-unknown: there is no agent {agent}; `docket-hub agent list` shows them"
                    )));
                }
                Ok(())
            })
            .await
    }

    /// The hub starts: no session of a former run is open any more.
    ///
    /// # Errors
    /// Where it could not be stored.
    pub async fn end_all_sessions(&self) -> Result<(), StorageError> {
        self.writer
            .call(|connection| {
                connection.execute(
                    "UPDATE agents SET disconnected_at = ?1
                         WHERE connected_at IS NOT NULL AND disconnected_at IS NULL",
                    [clock::now().0],
                )?;
                Ok(())
            })
            .await
    }
}

fn refused(words: String) -> Fault {
    StorageError::Refused(words).into()
}

fn map_shop(connection: &Connection, platform: Platform, shop: &str, store: &StoreId) -> Result<(), Fault> {
    connection.execute(
        "INSERT INTO shops (platform, shop, store) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![platform.as_str(), shop, store.as_str()],
    )?;
    let owner: String = connection.query_row(
        "SELECT store FROM shops WHERE platform = ?1 AND shop = ?2",
        [platform.as_str(), shop],
        |row| row.get(0),
    )?;
    if owner != store.as_str() {
        return Err(refused(format!("shop-taken: {}/{shop} belongs to store {owner}", platform.as_str())));
    }
    Ok(())
}

fn find_code(
    connection: &Connection,
    lookup: [u8; LOOKUP_BYTES],
) -> Result<Result<OpenCode, EnrolRefusal>, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT key, store, stores.name, expires_at, used_at
             FROM enrol_codes JOIN stores ON stores.id = enrol_codes.store WHERE lookup = ?1",
        )?
        .query_row([lookup], |row| {
            let open = OpenCode {
                key: row.get(0)?,
                store: StoreId::new(row.get::<_, String>(1)?),
                store_name: row.get(2)?,
            };
            Ok((open, UnixMs(row.get(3)?), row.get::<_, Option<i64>>(4)?))
        })
        .optional()?;
    Ok(match found {
        None => Err(EnrolRefusal::UnknownCode),
        Some((_, _, Some(_))) => Err(EnrolRefusal::UsedCode),
        Some((_, expires_at, None)) if expires_at <= clock::now() => Err(EnrolRefusal::ExpiredCode),
        Some((open, _, None)) => Ok(open),
    })
}

fn enrol(connection: &Connection, agent: &NewAgent, now: UnixMs) -> Result<Result<(), EnrolRefusal>, Fault> {
    let used = connection.execute(
        "UPDATE enrol_codes SET used_at = ?1 WHERE lookup = ?2 AND used_at IS NULL AND expires_at > ?1",
        params![now.0, agent.lookup],
    )?;
    if used == 0 {
        return Ok(Err(EnrolRefusal::UsedCode));
    }
    let formers: Vec<(String, Contact)> = connection
        .prepare_cached(
            "SELECT id, connected_at, disconnected_at FROM agents WHERE store = ?1 ORDER BY enrolled_at",
        )?
        .query_map([agent.store.as_str()], |row| Ok((row.get(0)?, Contact::read(row.get(1)?, row.get(2)?))))?
        .collect::<Result<_, _>>()?;
    for (former, _) in &formers {
        help::lose(connection, &AgentId::new(former), now)?;
    }
    connection.execute(
        "DELETE FROM outbox WHERE agent IN (SELECT id FROM agents WHERE store = ?1)",
        [agent.store.as_str()],
    )?;
    connection.execute(
        "UPDATE agents SET revoked_at = ?1 WHERE store = ?2 AND revoked_at IS NULL",
        params![now.0, agent.store.as_str()],
    )?;
    connection.execute(
        "INSERT INTO agents (id, store, fingerprint, host, enrolled_at, certified_at, expires_at, trusts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            agent.id.as_str(),
            agent.store.as_str(),
            agent.fingerprint,
            agent.host,
            now.0,
            agent.life.from.0,
            agent.life.until.0,
            agent.trusts
        ],
    )?;
    // Any of them may have printed what is open, not only the last.
    let contact = formers.iter().map(|(_, contact)| *contact).max().unwrap_or(Contact::Never);
    hand_over(connection, &agent.store, &agent.id, contact)?;
    connection.execute(
        "DELETE FROM alarms WHERE code = 'store-without-agent' AND subject = ?1",
        [agent.store.as_str()],
    )?;
    if let Some((former, _)) = formers.last() {
        raise(connection, "agent-replaced", agent.store.as_str(), &format!("{former} → {}", agent.id), now)?;
    }
    Ok(Ok(()))
}
