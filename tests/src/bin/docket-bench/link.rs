//! What thousands of agents are to one hub: memory for each that is idle, how soon all are back after it was killed, how
//! soon an order for each is with each.
//!
//! The agents are in processes of their own ([`super::crowd`]). Their identities are written into the hub's database
//! and signed with the hub's CA, since enrolling takes tenths of a second each on purpose.
//!
//! Memory is anonymous memory: what the agents have made it take, and not how much of its program is in memory by then.
//! The crowd comes all at once, as after a restart, so what that leaves behind counts too.

use super::crowd::{Counts, FORGET, Identities, LISTENING};
use super::{CONNECTIONS, PLACED_AT_S, bench_folder};
use anyhow::{Context, ensure};
use docket_tests::chain::{Hub, HubOptions, wait_for};
use docket_tests::measure::usage;
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Processes that hold the agents.
const PROCESSES: usize = 4;
/// What is waited for at most: beyond every bar, so that a figure comes out that misses one.
const PATIENCE: Duration = Duration::from_secs(180);
/// The hub has nothing to do for so long before its memory is read.
const SETTLE: Duration = Duration::from_secs(10);
/// How long the work of keeping idle agents is watched.
const WATCHED: Duration = Duration::from_secs(20);
const CERTIFIED_FOR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// All figures with `agents` agents.
///
/// # Errors
/// Where the hub or the agents do not come up, or an order is lost.
pub async fn measure(agents: usize) -> anyhow::Result<Value> {
    let mut scene = Scene::set(agents, true).await?;
    let tls = scene.idle().await?;
    let tls_back = scene.reconnect().await?;
    drop(scene);
    let mut scene = Scene::set(agents, false).await?;
    let quic = scene.idle().await?;
    let quic_back = scene.reconnect().await?;
    let broadcast_acked_s = scene.broadcast().await?;
    Ok(json!({
        "agents": agents,
        "hub_bytes_per_quic_agent": quic.bytes_each,
        "hub_bytes_per_tls_agent": tls.bytes_each,
        "hub_idle_quic_cpu_percent": quic.cpu_percent,
        "hub_idle_tls_cpu_percent": tls.cpu_percent,
        "reconnect_all_s": quic_back.took_s,
        "reconnect_dropped": quic_back.dropped,
        "reconnect_all_tls_s": tls_back.took_s,
        "reconnect_tls_dropped": tls_back.dropped,
        "broadcast_acked_s": broadcast_acked_s,
    }))
}

struct Idle {
    bytes_each: u64,
    cpu_percent: f64,
}

struct Back {
    took_s: f64,
    dropped: u64,
}

/// A hub with its agents.
struct Scene {
    crowds: Vec<Crowd>,
    hub: Hub,
    agents: usize,
    /// Anonymous memory of the hub when it had none of them.
    bytes_before: u64,
    _folder: TempDir,
}

impl Scene {
    async fn set(agents: usize, tcp: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-bench-").tempdir_in(bench_folder()?)?;
        let mut hub = Hub::start(folder.path(), HubOptions::default()).await?;
        let identities = folder.path().join("crowd.json");
        let made = enrol_all(&hub, agents)?;
        std::fs::write(&identities, serde_json::to_vec(&made)?)?;
        // The hub has looked at its agents since.
        tokio::time::sleep(SETTLE).await;
        let bytes_before = anonymous_bytes(hub.process().id())?;
        let at = Instant::now();
        let address = if tcp { hub.tcp()? } else { hub.addresses().link };
        let share = agents.div_ceil(PROCESSES);
        let crowds = (0..agents)
            .step_by(share)
            .map(|first| {
                Crowd::start(&identities, first, share.min(agents - first), tcp, &address.to_string())
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let scene = Scene { crowds, hub, agents, bytes_before, _folder: folder };
        scene.until_all("all agents to be live", |counts| counts.live).await?;
        let way = if tcp { "TLS" } else { "QUIC" };
        println!("{agents} agents over {way} live after {:.2} s", at.elapsed().as_secs_f64());
        Ok(scene)
    }

    fn counts(&self) -> Counts {
        self.crowds.iter().map(Crowd::counts).sum()
    }

    async fn until_all(&self, what: &str, count: impl Fn(&Counts) -> u64) -> anyhow::Result<Counts> {
        let all = self.agents as u64;
        wait_for(what, PATIENCE, || {
            let counts = self.counts();
            if count(&counts) >= all { Ok(counts) } else { Err(counts) }
        })
        .await
    }

    /// Of agents that have nothing to do.
    async fn idle(&mut self) -> anyhow::Result<Idle> {
        tokio::time::sleep(SETTLE).await;
        let hub = self.hub.process().id();
        let before = usage(hub)?;
        tokio::time::sleep(WATCHED).await;
        let after = usage(hub)?;
        let bytes = anonymous_bytes(hub)?.saturating_sub(self.bytes_before);
        let counts = self.counts();
        ensure!(counts.live == self.agents as u64, "not all have stayed: {counts:?}");
        let idle = Idle {
            bytes_each: bytes / self.agents as u64,
            cpu_percent: (after.cpu_s - before.cpu_s) / WATCHED.as_secs_f64() * 100.0,
        };
        println!("idle: {} bytes each, {:.1} % of a core", idle.bytes_each, idle.cpu_percent);
        Ok(idle)
    }

    /// Kills the hub, starts it again, and waits until all are back.
    async fn reconnect(&mut self) -> anyhow::Result<Back> {
        self.tell(FORGET)?;
        let dropped_before = self.counts().dropped;
        let at = Instant::now();
        self.hub.process().kill();
        self.hub.restart().await?;
        self.tell(LISTENING)?;
        let up_s = at.elapsed().as_secs_f64();
        let counts = self.until_all("all agents to be back", |counts| counts.live).await?;
        let back = Back {
            took_s: at.elapsed().as_secs_f64(),
            dropped: counts.dropped.saturating_sub(dropped_before),
        };
        println!(
            "killed, up after {up_s:.2} s, all back after {:.2} s, {} dropped",
            back.took_s, back.dropped
        );
        Ok(back)
    }

    /// An order for each from the platform: from the first push until the hub has stored that each has it.
    async fn broadcast(&mut self) -> anyhow::Result<f64> {
        let (client, meituan) = (Arc::new(self.hub.client()), self.hub.meituan());
        let bodies: Vec<String> = (0..self.agents)
            .map(|number| {
                let order = PlacedOrder::generate(2, number as u64, &store(number), PLACED_AT_S);
                meituan.paid(&order, PLACED_AT_S)
            })
            .collect();
        let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
        let ledger = self.hub.ledger()?;
        let at = Instant::now();
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (client, bodies, next) = (Arc::clone(&client), Arc::clone(&bodies), Arc::clone(&next));
            clients.spawn(async move {
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let reply = client.post("/cb/meituan/order/paid", body).await?;
                    ensure!(reply.body == OK_REPLY, "the hub answered {} {}", reply.status, reply.body);
                }
                Ok(())
            });
        }
        while let Some(done) = clients.join_next().await {
            done??;
        }
        let pushed_s = at.elapsed().as_secs_f64();
        let all = i64::try_from(self.agents)?;
        wait_for("all agents to have their order", PATIENCE, || {
            let acked = ledger.number("SELECT count(*) FROM agents WHERE acked > 0")?;
            if acked == all { Ok(()) } else { Err(anyhow::anyhow!("{acked} of {all}")) }
        })
        .await?;
        let acked_s = at.elapsed().as_secs_f64();
        println!("an order for each: pushed after {pushed_s:.2} s, acknowledged after {acked_s:.2} s");
        // The agents tell a moment later.
        self.until_all("the agents to say so", |counts| counts.stored).await?;
        Ok(acked_s)
    }

    fn tell(&mut self, what: &str) -> anyhow::Result<()> {
        self.crowds.iter_mut().try_for_each(|crowd| Ok(writeln!(crowd.commands, "{what}")?))
    }
}

/// A process of agents; killed when dropped.
struct Crowd {
    child: Child,
    commands: ChildStdin,
    counts: Arc<Mutex<Counts>>,
}

impl Crowd {
    fn start(
        identities: &Path,
        first: usize,
        agents: usize,
        tcp: bool,
        address: &str,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("crowd").arg("--identities").arg(identities);
        command.args(["--first", &first.to_string(), "--agents", &agents.to_string(), "--hub", address]);
        if tcp {
            command.arg("--tcp");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let commands = child.stdin.take().context("a pipe was asked for")?;
        let lines = BufReader::new(child.stdout.take().context("a pipe was asked for")?).lines();
        let counts = Arc::<Mutex<Counts>>::default();
        std::thread::spawn({
            let counts = Arc::clone(&counts);
            move || {
                for line in lines.map_while(Result::ok) {
                    if let Ok(new) = serde_json::from_str(&line) {
                        *counts.lock().unwrap_or_else(PoisonError::into_inner) = new;
                    }
                }
            }
        });
        Ok(Crowd { child, commands, counts })
    }

    fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn store(number: usize) -> String {
    format!("S{number:05}")
}

/// A store, its shop at the platform, and an agent for each.
fn enrol_all(hub: &Hub, agents: usize) -> anyhow::Result<Identities> {
    let folder = hub.data().join("ca");
    let ca = std::fs::read(folder.join("ca.der"))?;
    let ca_key = KeyPair::from_pem(&std::fs::read_to_string(folder.join("ca.key.pem"))?)?;
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = named("Docket hub CA");
    let issuer = Issuer::new(issuer, ca_key);
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    // The hub is to find nothing to renew and no CA to tell of.
    let trusts = sha256(sha256(&ca).as_ref());
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let until_ms = now_ms + i64::try_from(CERTIFIED_FOR.as_millis())?;
    let mut certificates = Vec::with_capacity(agents);
    let mut database = hub.tamper()?;
    let transaction = database.transaction()?;
    for number in 0..agents {
        let (agent, store) = (format!("{}-1", store(number)), store(number));
        let mut params = CertificateParams::new(vec![agent.clone()])?;
        params.distinguished_name = named(&agent);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &issuer)?.der().to_vec();
        transaction.execute("INSERT INTO stores (id, name, created_at) VALUES (?1, ?1, 0)", [&store])?;
        transaction
            .execute("INSERT INTO shops (platform, shop, store) VALUES ('meituan', ?1, ?1)", [&store])?;
        transaction.execute(
            "INSERT INTO agents (id, store, fingerprint, host, enrolled_at, certified_at, expires_at, trusts)
             VALUES (?1, ?2, ?3, '', ?4, ?4, ?5, ?6)",
            rusqlite::params![agent, store, sha256(&certificate).as_ref(), now_ms, until_ms, trusts.as_ref()],
        )?;
        certificates.push(certificate);
    }
    transaction.commit()?;
    Ok(Identities { ca, key: key.serialize_der(), certificates })
}

fn sha256(bytes: &[u8]) -> ring::digest::Digest {
    ring::digest::digest(&ring::digest::SHA256, bytes)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// What of a process is in memory and in no file.
fn anonymous_bytes(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}
