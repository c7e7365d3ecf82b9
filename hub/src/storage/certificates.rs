//! Certificates of agents: whose one is, until when, and its renewal.
//!
//! A renewed certificate stands beside the former one until an agent has used it; then it takes its place, and the former
//! one is nobody's. So whatever is lost between the two ends, the agent has one that is known:
//!
//! | a crash or a lost connection | the agent has | the hub knows |
//! |---|---|---|
//! | before the hub has stored the new one | the former, and a key | the former |
//! | after, and before the agent has stored it | the former, and a key | both; asked with the same key it gives the same one again |
//! | after that | the new one | both, until the new one was used |
//!
//! A certificate that has ended is still known for [`GRACE_DAYS`]: a store that was closed comes back by itself, and is
//! renewed first.

use super::lane::Fault;
use super::{Storage, StorageError};
use crate::clock;
use docket_protocol::ids::{AgentId, UnixMs};
use rusqlite::{Connection, OptionalExtension, params};

/// How long an agent is known after its certificate has ended: a store may be closed for a year.
pub const GRACE_DAYS: i64 = 400;
const DAY_MS: i64 = 86_400_000;

/// From when until when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it was made.
    pub from: UnixMs,
    /// When it ends.
    pub until: UnixMs,
}

impl Life {
    pub(super) fn read(from: Option<i64>, until: Option<i64>) -> Option<Self> {
        Some(Life { from: UnixMs(from?), until: UnixMs(until?) })
    }

    /// Whether two thirds of it are over.
    pub fn is_due(self, now: UnixMs) -> bool {
        now.0 >= self.until.0 - (self.until.0 - self.from.0) / 3
    }

    /// Whether a renewal should have been by now, and a person should look: half of what was left then is over.
    pub fn is_late(self, now: UnixMs) -> bool {
        now.0 >= self.until.0 - (self.until.0 - self.from.0) / 6
    }

    /// Days until it ends; negative after it.
    pub fn days_left(self, now: UnixMs) -> i64 {
        (self.until.0 - now.0).div_euclid(DAY_MS)
    }
}

/// An agent that has shown its certificate. It may be revoked.
#[derive(Debug)]
pub struct Admitted {
    /// Who it is.
    pub agent: AgentId,
    /// The PC that it ran on first with this certificate, as far as is known.
    pub machine: Option<Vec<u8>>,
    /// The certificate ended more than [`GRACE_DAYS`] ago.
    pub ended_long_ago: bool,
}

/// A certificate for a key that an agent has made.
#[derive(Debug)]
pub struct NewCertificate {
    /// The key, as the agent has sent it.
    pub public_key: Vec<u8>,
    /// DER.
    pub certificate: Vec<u8>,
    /// SHA-256 of it.
    pub fingerprint: Vec<u8>,
    /// From when until when it is good.
    pub life: Life,
}

impl Storage {
    /// The agent of a certificate. One that was renewed takes the former one's place here.
    ///
    /// # Errors
    /// Where it cannot be read, or the change not stored.
    pub async fn admit(&self, fingerprint: Vec<u8>, now: UnixMs) -> Result<Option<Admitted>, StorageError> {
        let print = fingerprint.clone();
        let found = self.reader.call(move |connection| find(connection, &print, now)).await?;
        match found {
            Some((admitted, true)) => {
                self.writer.call(move |connection| promote(connection, &fingerprint)).await?;
                Ok(Some(admitted))
            }
            Some((admitted, false)) => Ok(Some(admitted)),
            None => Ok(None),
        }
    }

    /// Keeps a renewed certificate, and says which one the agent is to get: for the same key always the same. `None` where
    /// no renewal is due.
    ///
    /// # Errors
    /// Where nothing was stored; [`StorageError::Superseded`] where the session is no longer the agent's.
    pub async fn renew(
        &self,
        agent: AgentId,
        epoch: u64,
        new: NewCertificate,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        self.writer.call(move |connection| renew(connection, &agent, epoch, &new, clock::now())).await
    }

    /// An agent has confirmed which CAs it trusts.
    ///
    /// # Errors
    /// Where it was not stored.
    pub async fn trusting(&self, agent: AgentId, epoch: u64, bundle: [u8; 32]) -> Result<(), StorageError> {
        self.writer
            .call(move |connection| {
                connection
                    .prepare_cached("UPDATE agents SET trusts = ?1 WHERE id = ?2 AND epoch = ?3")?
                    .execute(params![bundle, agent.as_str(), i64::try_from(epoch).unwrap_or(i64::MAX)])?;
                Ok(())
            })
            .await
    }

    /// The first PC that an agent was seen on with its certificate is its own.
    ///
    /// # Errors
    /// Where it was not stored.
    pub async fn seen_on(&self, agent: AgentId, machine: [u8; 32]) -> Result<(), StorageError> {
        self.writer
            .call(move |connection| {
                connection
                    .prepare_cached("UPDATE agents SET machine = ?1 WHERE id = ?2 AND machine IS NULL")?
                    .execute(params![machine, agent.as_str()])?;
                Ok(())
            })
            .await
    }

    /// All agents that are revoked.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn revoked(&self) -> Result<Vec<AgentId>, StorageError> {
        self.reader
            .call(|connection| {
                let mut select =
                    connection.prepare_cached("SELECT id FROM agents WHERE revoked_at IS NOT NULL")?;
                let rows = select.query_map([], |row| Ok(AgentId::new(row.get::<_, String>(0)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Another number after each commit, whichever process it is of.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn version(&self) -> Result<i64, StorageError> {
        self.reader
            .call(|connection| Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?))
            .await
    }
}

fn find(connection: &Connection, fingerprint: &[u8], now: UnixMs) -> Result<Option<(Admitted, bool)>, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT id, expires_at, machine, 0 FROM agents WHERE fingerprint = ?1
             UNION ALL
             SELECT id, next_expires_at, NULL, 1 FROM agents WHERE next_fingerprint = ?1",
        )?
        .query_row([fingerprint], |row| {
            let until: Option<i64> = row.get(1)?;
            let admitted = Admitted {
                agent: AgentId::new(row.get::<_, String>(0)?),
                machine: row.get(2)?,
                ended_long_ago: until.is_some_and(|until| now.0 > until + GRACE_DAYS * DAY_MS),
            };
            Ok((admitted, row.get(3)?))
        })
        .optional()?;
    Ok(found)
}

fn promote(connection: &Connection, fingerprint: &[u8]) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "UPDATE agents SET fingerprint = next_fingerprint, certified_at = next_certified_at,
                    expires_at = next_expires_at, next_fingerprint = NULL, next_public_key = NULL,
                    next_certificate = NULL, next_certified_at = NULL, next_expires_at = NULL, machine = NULL
             WHERE next_fingerprint = ?1",
        )?
        .execute([fingerprint])?;
    Ok(())
}

fn renew(
    connection: &Connection,
    agent: &AgentId,
    epoch: u64,
    new: &NewCertificate,
    now: UnixMs,
) -> Result<Option<Vec<u8>>, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT certified_at, expires_at, next_public_key, next_certificate FROM agents
             WHERE id = ?1 AND epoch = ?2 AND revoked_at IS NULL",
        )?
        .query_row(params![agent.as_str(), i64::try_from(epoch).unwrap_or(i64::MAX)], |row| {
            let pending: (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(2)?, row.get(3)?);
            Ok((Life::read(row.get(0)?, row.get(1)?), pending))
        })
        .optional()?;
    let Some((life, (public_key, certificate))) = found else {
        return Err(StorageError::Superseded.into());
    };
    if public_key.is_some_and(|public_key| public_key == new.public_key) {
        return Ok(certificate);
    }
    if life.is_some_and(|life| !life.is_due(now)) {
        return Ok(None);
    }
    connection
        .prepare_cached(
            "UPDATE agents SET next_fingerprint = ?1, next_public_key = ?2, next_certificate = ?3,
                    next_certified_at = ?4, next_expires_at = ?5 WHERE id = ?6",
        )?
        .execute(params![
            new.fingerprint,
            new.public_key,
            new.certificate,
            new.life.from.0,
            new.life.until.0,
            agent.as_str()
        ])?;
    Ok(Some(new.certificate.clone()))
}
