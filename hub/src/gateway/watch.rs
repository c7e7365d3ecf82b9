//! What the gateway looks at by itself: the command line works on the same database and the same files, and time passes.
//!
//! A revoked agent is cut off within a second, so whether anything was committed is asked ten times a second: SQLite has a
//! number for it (`data_version`), which costs no read of a table. A session that was being opened while its agent was
//! revoked is found as well: each opening counts as a change, and every session of a revoked agent is ended, not only the
//! first time.

use super::ca::{Authority, bundle};
use crate::clock;
use crate::fleet::Fleet;
use crate::storage::agents::AgentRow;
use crate::storage::{Storage, StorageError};
use docket_protocol::ids::AgentId;
use docket_protocol::message::Refusal;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

/// How often changes of the database are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Every so many looks, all agents and the CAs' files are looked at: once a second.
const LOOKS_PER_ROUND: u32 = 10;

/// Alarms of one code.
type Alarms = Vec<(String, String)>;

struct Watch {
    storage: Storage,
    fleet: Arc<Fleet>,
    authority: Arc<Authority>,
    seen: Option<(i64, u64)>,
    revoked: HashSet<AgentId>,
    /// As they were last stored.
    cloned: Option<Alarms>,
    unrenewed: Option<Alarms>,
}

/// Watches until storage is closed.
pub(super) async fn run(storage: Storage, fleet: Arc<Fleet>, authority: Arc<Authority>) {
    let revoked = HashSet::new();
    let mut watch = Watch { storage, fleet, authority, seen: None, revoked, cloned: None, unrenewed: None };
    let mut looks = 0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        looks = (looks + 1) % LOOKS_PER_ROUND;
        let mut looked = watch.look_for_revoked().await;
        if looked.is_ok() && looks == 0 {
            looked = watch.round().await;
        }
        match looked {
            Ok(()) => {}
            Err(StorageError::Closed) => return,
            Err(error) => warn!(%error, "the database could not be watched"),
        }
    }
}

impl Watch {
    async fn look_for_revoked(&mut self) -> Result<(), StorageError> {
        // Counted before it is read: what is opened in between is looked at the next time.
        let opened = self.fleet.opened_count();
        let now = (self.storage.version().await?, opened);
        if self.seen == Some(now) {
            return Ok(());
        }
        for agent in self.storage.revoked().await? {
            self.fleet.refuse(&agent, Refusal::Revoked);
            if self.revoked.insert(agent) {
                self.fleet.touch();
            }
        }
        self.seen = Some(now);
        Ok(())
    }

    async fn round(&mut self) -> Result<(), StorageError> {
        if let Err(error) = self.authority.look() {
            warn!(%error, "the CA could not be looked at");
        }
        let trusted = bundle(&self.authority.trusted());
        let now = clock::now();
        let agents = self.storage.agents().await?;
        let mut unrenewed = Vec::new();
        for agent in agents.iter().filter(|agent| agent.revoked_at.is_none()) {
            self.fleet.outbox_has(&agent.id, agent.assigned);
            if agent.life.is_none_or(|life| life.is_due(now)) {
                self.fleet.renewal_due(&agent.id);
            }
            if agent.trusts.as_deref() != Some(&trusted[..]) {
                self.fleet.trust(&agent.id);
            }
            if let Some(life) = agent.life.filter(|life| life.is_late(now)) {
                unrenewed.push((agent.store.to_string(), format!("{} {} d", agent.id, life.days_left(now))));
            }
        }
        let cloned = self.cloned(&agents);
        keep(&self.storage, &self.fleet, "agent-cloned", &mut self.cloned, cloned).await?;
        keep(&self.storage, &self.fleet, "certificate-unrenewed", &mut self.unrenewed, unrenewed).await
    }

    fn cloned(&self, agents: &[AgentRow]) -> Alarms {
        let alarm = |(id, contest): (AgentId, crate::fleet::Contest)| {
            let store = agents.iter().find(|agent| agent.id == id)?.store.to_string();
            let (kept, refused) = (contest.kept, contest.refused);
            let detail = format!("✓ {} {} · ✗ {} {}", kept.host, kept.address, refused.host, refused.address);
            Some((store, detail))
        };
        let mut cloned: Alarms = self.fleet.clones().into_iter().filter_map(alarm).collect();
        cloned.sort();
        cloned
    }
}

/// Stores the alarms of a code where they have changed.
async fn keep(
    storage: &Storage,
    fleet: &Fleet,
    code: &'static str,
    kept: &mut Option<Alarms>,
    now: Alarms,
) -> Result<(), StorageError> {
    if kept.as_ref() != Some(&now) {
        storage.set_alarms(code, now.clone()).await?;
        *kept = Some(now);
        fleet.touch();
    }
    Ok(())
}
