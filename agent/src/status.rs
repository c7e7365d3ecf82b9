//! The state of things: put together for the hub, written to `status.json` for people on this PC, and shown on the
//! local page.
//!
//! The file is told apart from the truth by its age: whoever shows it shows that too.

use crate::clock;
use crate::identity::Identity;
use crate::link::LinkShown;
use crate::printing::PrinterConfig;
use crate::printing::profile::{FenceKind, NamedFact};
use crate::spool::{Counts, HeldTicket, Spool, Storing, Volume, set_aside_in};
use docket_protocol::ids::UnixMs;
use docket_protocol::message::{AgentStatus, LinkReport};
use docket_protocol::printer::{Condition, PrinterHealth, Since};
use docket_protocol::session::LinkState;
use docket_protocol::storage::StorageReport;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::warn;

/// Name of the file in the data folder.
pub const STATUS_FILE: &str = "status.json";
/// It is written and sent at least so often.
pub const STATUS_EVERY: Duration = Duration::from_secs(15);
/// Older than this, nobody is writing it.
pub const STATUS_AGE_MAX_MS: u64 = 45_000;
/// From further ahead than this, the PC's clock has been set back since.
const AHEAD_MS_MAX: u64 = 5_000;
/// Changes of counts alone are told at most so often; a change of health is told at once.
const COUNTS_EVERY: Duration = Duration::from_secs(1);
/// The file grows in steps of this: the block of every usual file system.
const BLOCK_BYTES: usize = 4_096;
/// How long people are told that a damaged spool was replaced: whoever has the next shift should hear of it.
const REPLACED_SHOWN_MS: u64 = 24 * 3_600_000;
/// Held tickets that are listed.
const HELD_MAX: usize = 20;

/// What `status.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusFile {
    /// When it was written.
    pub at: UnixMs,
    /// Version of the program.
    pub version: String,
    /// Who this is.
    pub agent: String,
    /// The store's id.
    pub store: String,
    /// The store's name.
    pub store_name: String,
    /// `live`, `connecting`, `waiting`, or the code of a refusal.
    pub link: String,
    /// Since when it is live, or has not been.
    pub link_since: UnixMs,
    /// How it is connected, while it is.
    #[serde(default)]
    pub way: Option<WayView>,
    /// Why the last attempt led nowhere, while it is not: code, cause and remedy, a line for each way.
    #[serde(default)]
    pub link_trouble: Option<String>,
    /// Where the local page is, once it listens.
    #[serde(default)]
    pub page: Option<SocketAddr>,
    /// Printers and counts.
    pub status: AgentStatus,
    /// What is wrong with the spool: the code of a [`Storing`].
    #[serde(default)]
    pub spool: Option<String>,
    /// The damaged spool that was set aside last, for some days.
    #[serde(default)]
    pub replaced: Option<ReplacedView>,
    /// What the spool and its disk have room for.
    #[serde(default)]
    pub storage: StorageReport,
    /// Tickets that wait for a person.
    pub held: Vec<HeldView>,
    /// What is known of each printer.
    #[serde(default)]
    pub profiles: Vec<ProfileView>,
    /// Memory that the program has, where the system tells (Linux).
    #[serde(default)]
    pub memory_kib: Option<u64>,
}

impl StatusFile {
    /// Whether it can be taken for how things are now: somebody is writing it, as far as the clock tells.
    pub fn is_fresh(&self, now: UnixMs) -> bool {
        now.since(self.at) <= STATUS_AGE_MAX_MS && self.at.since(now) <= AHEAD_MS_MAX
    }
}

/// How the hub is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayView {
    /// `quic`, or `tls` for TLS over TCP.
    pub transport: String,
    /// Through a proxy.
    pub proxied: bool,
    /// Round trip.
    pub rtt_ms: Option<u32>,
    /// Packets lost, where that is known.
    pub lost_packets: Option<u64>,
    /// Sessions after the first one since the program began.
    pub reconnects: u32,
    /// How often it went from QUIC to TCP since then.
    pub fallbacks: u32,
    /// Since when it is connected so.
    pub since: UnixMs,
}

impl From<&LinkReport> for WayView {
    fn from(report: &LinkReport) -> Self {
        WayView {
            transport: report.transport.as_str().to_owned(),
            proxied: report.proxied,
            rtt_ms: report.rtt_us.map(|us| us.div_ceil(1_000)),
            lost_packets: report.lost_packets,
            reconnects: report.reconnects,
            fallbacks: report.fallbacks,
            since: report.connected_at,
        }
    }
}

/// What is known of a printer's unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProfileView {
    /// The printer's name.
    pub printer: String,
    /// Its model, where that is known.
    pub model: Option<String>,
    /// The fence that its tickets are sent with: `gs-h`, `gs-r` or `none`.
    pub fence: String,
    /// Everything.
    pub facts: Vec<FactView>,
}

/// Something that is known of a unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FactView {
    /// `gs-h`
    pub name: String,
    /// `yes`
    pub value: String,
    /// How it is known, in zh-CN.
    pub source_zh: String,
    /// How it is known: `pinned`, `probed`, `documented`, `unverified`.
    pub source: String,
}

impl ProfileView {
    fn new(printer: &PrinterConfig, kept: &[(String, String)]) -> Self {
        let stands_there = |(name, _): &&(String, String)| name == printer.name.as_str();
        let probed = kept.iter().find(stands_there).map_or("", |(_, facts)| facts);
        let profile = printer.profile.profile(printer.address.usb_ids(), probed);
        let fact = |fact: NamedFact| {
            let (source_zh, source) = fact.source.words();
            FactView {
                name: fact.name.to_owned(),
                value: fact.value,
                source_zh: source_zh.to_owned(),
                source: source.to_owned(),
            }
        };
        ProfileView {
            printer: printer.name.to_string(),
            model: profile.model.map(|model| model.name.to_owned()),
            fence: match profile.fence() {
                Some(FenceKind::Process) => "gs-h",
                Some(FenceKind::Transmit) => "gs-r",
                None => "none",
            }
            .to_owned(),
            facts: profile.facts().into_iter().map(fact).collect(),
        }
    }
}

/// A ticket that waits for a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeldView {
    /// Its id.
    pub ticket: String,
    /// `美团外卖 #17`.
    pub title: String,
    /// Its printer.
    pub printer: String,
    /// How often it was begun.
    pub attempts: u16,
    /// Since when it waits.
    pub since: UnixMs,
    /// Why: the name of a `Doubt`.
    #[serde(default)]
    pub doubt: Option<String>,
}

impl StatusFile {
    /// What is wrong with the spool, if anything is.
    pub fn storing(&self) -> Option<Storing> {
        self.spool.as_deref().and_then(Storing::from_code)
    }
}

/// A damaged spool that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedView {
    /// The file that it is now, in the data folder.
    pub kept_as: String,
    /// When.
    pub at: UnixMs,
}

impl ReplacedView {
    /// What has happened and what to do, for people: (zh-CN, en).
    pub const REMEDY: (&str, &str) = (
        "小票数据库损坏过,已自动换新:核对最近的订单是否都出了票,并检查电脑的磁盘",
        "the database of tickets was damaged and replaced: see whether the latest orders have come out, and check the PC's disk",
    );
    /// Its code.
    pub const CODE: &str = "spool-replaced";

    /// The one that was set aside last, as long as it is news.
    fn newest(data: &Path, now: UnixMs) -> Option<Self> {
        let path = set_aside_in(data).ok()?.pop()?;
        let made =
            std::fs::metadata(&path).ok()?.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        let at = UnixMs(i64::try_from(made.as_millis()).ok()?);
        let kept_as = path.file_name()?.to_str()?.to_owned();
        (now.since(at) <= REPLACED_SHOWN_MS).then_some(ReplacedView { kept_as, at })
    }
}

impl From<HeldTicket> for HeldView {
    fn from(held: HeldTicket) -> Self {
        HeldView {
            ticket: held.ticket.to_string(),
            title: held.title,
            printer: held.printer.to_string(),
            attempts: held.attempts,
            since: held.since,
            doubt: held.doubt.map(|doubt| doubt.as_str().to_owned()),
        }
    }
}

/// Where the state comes from and goes to.
#[derive(Debug)]
pub struct Reporter {
    /// Who this is.
    pub identity: Identity,
    /// The data folder.
    pub data: PathBuf,
    /// Counts and held tickets.
    pub spool: Spool,
    /// The printers as they are configured.
    pub configs: Vec<PrinterConfig>,
    /// Each printer's health.
    pub printers: Vec<watch::Receiver<PrinterHealth>>,
    /// The link's state.
    pub link: watch::Receiver<LinkShown>,
    /// Where the local page listens.
    pub page: watch::Receiver<Option<SocketAddr>>,
    /// To the link.
    pub publish: watch::Sender<AgentStatus>,
    /// To the link as well.
    pub publish_storage: watch::Sender<StorageReport>,
    /// To the local page.
    pub show: watch::Sender<Option<Arc<StatusFile>>>,
}

impl Reporter {
    /// Tells every change until `stop` becomes true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let changed = Arc::new(Notify::new());
        // They end with this: the health of a printer that goes on outlives it.
        let mut heard = JoinSet::new();
        for printer in &self.printers {
            heard.spawn(notify(printer.clone(), Arc::clone(&changed)));
        }
        let mut counts = self.spool.counts();
        let (mut link_shown, mut link_since) = (self.link.borrow_and_update().clone(), clock::now());
        let mut told: Option<AgentStatus> = None;
        loop {
            let (status, storing) = {
                let counts = counts.borrow_and_update();
                (self.compose(&counts), counts.storing)
            };
            let at_once = told.as_ref().is_none_or(|told| differs_in_health(told, &status));
            told = Some(status.clone());
            self.publish.send_replace(status.clone());
            self.write(status, storing, &link_shown, link_since).await;
            // Counts change with every ticket, and nobody reads faster than this. A change of health ends any pause.
            let pause = if at_once { Duration::ZERO } else { COUNTS_EVERY };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopping| *stopping) => return,
                () = changed.notified() => {}
                () = async {
                    tokio::time::sleep(pause).await;
                    tokio::select! {
                        Ok(()) = counts.changed() => {}
                        Ok(()) = self.link.changed() => {}
                        Ok(()) = self.page.changed() => {}
                        () = tokio::time::sleep(STATUS_EVERY) => {}
                    }
                } => {}
            }
            let link = self.link.borrow_and_update().clone();
            // One that is tried again and again has been lost since it was lost.
            if link.state != link_shown.state && (is_live(link.state) || is_live(link_shown.state)) {
                link_since = clock::now();
            }
            link_shown = link;
        }
    }

    fn compose(&self, counts: &Counts) -> AgentStatus {
        let printers = self.printers.iter().map(|printer| {
            let mut health = printer.borrow().clone();
            // That a person has it wait is the queue's business, and as much a reason why nothing comes out.
            if let Some(since) = counts.paused_since(&health.printer) {
                health.conditions.push(Since { condition: Condition::Paused, since });
            }
            health
        });
        let printers = printers.collect();
        AgentStatus {
            printers,
            waiting: counts.waiting,
            held: counts.held,
            spool_full: counts.storing.fails(),
        }
    }

    /// What there is room for. What cannot be read is not known.
    async fn storage(&self, storing: Storing) -> StorageReport {
        let kept = self.spool.kept().await.unwrap_or_default();
        let volume = Volume::of(&self.data).ok();
        let disk_fills_up = storing == Storing::Well && volume.is_some_and(Volume::is_filling);
        StorageReport {
            storing: if disk_fills_up { Storing::DiskFilling } else { storing },
            used_bytes: kept.used_bytes,
            bound_bytes: kept.bound_bytes,
            free_bytes: volume.map(|volume| volume.free_bytes),
            disk_bytes: volume.map(|volume| volume.bytes),
            unsent: kept.unsent,
            oldest_unsent: kept.oldest_unsent,
        }
    }

    async fn write(&mut self, status: AgentStatus, storing: Storing, link: &LinkShown, link_since: UnixMs) {
        let held =
            if status.held == 0 { Vec::new() } else { self.spool.held(HELD_MAX).await.unwrap_or_default() };
        let storage = self.storage(storing).await;
        let storing = storage.storing;
        self.publish_storage.send_if_modified(|told| {
            let changed = *told != storage;
            told.clone_from(&storage);
            changed
        });
        let kept = self.spool.profiles().await.unwrap_or_default();
        let file = StatusFile {
            at: clock::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            agent: self.identity.agent.to_string(),
            store: self.identity.store.to_string(),
            store_name: self.identity.store_name.clone(),
            link: link_word(link.state).to_owned(),
            link_since,
            way: link.report.as_ref().map(WayView::from),
            link_trouble: link.trouble.clone(),
            page: *self.page.borrow_and_update(),
            status,
            spool: (storing != Storing::Well).then(|| storing.code().to_owned()),
            replaced: ReplacedView::newest(&self.data, clock::now()),
            storage,
            held: held.into_iter().map(HeldView::from).collect(),
            profiles: self.configs.iter().map(|printer| ProfileView::new(printer, &kept)).collect(),
            memory_kib: memory_kib(),
        };
        let file = Arc::new(file);
        // Before the disk, which may be slow: who looks at the page sees it at once.
        self.show.send_replace(Some(Arc::clone(&file)));
        if let Err(error) = write_file(&self.data, &file) {
            warn!(code = "status-file", %error, "the status was not written");
        }
    }
}

fn memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

async fn notify(mut printer: watch::Receiver<PrinterHealth>, changed: Arc<Notify>) {
    while printer.changed().await.is_ok() {
        printer.mark_unchanged();
        changed.notify_one();
    }
}

fn differs_in_health(told: &AgentStatus, now: &AgentStatus) -> bool {
    let conditions = |status: &AgentStatus| -> Vec<Vec<Condition>> {
        let of = |printer: &PrinterHealth| printer.conditions.iter().map(|since| since.condition).collect();
        status.printers.iter().map(of).collect()
    };
    told.spool_full != now.spool_full || told.held != now.held || conditions(told) != conditions(now)
}

fn is_live(link: LinkState) -> bool {
    matches!(link, LinkState::Live { .. })
}

/// The link in one word.
pub fn link_word(link: LinkState) -> &'static str {
    match link {
        LinkState::Live { .. } => "live",
        LinkState::Connecting => "connecting",
        LinkState::Waiting => "waiting",
        LinkState::Refused(refusal) => refusal.code(),
    }
}

/// Whoever reads the file reads it whole. Only on a full disk, where there is no room for a second one, it is
/// written over in its place: people have to see just then what is wrong.
fn write_file(data: &Path, file: &StatusFile) -> std::io::Result<()> {
    let (path, part) = (data.join(STATUS_FILE), data.join("status.part"));
    let mut bytes = serde_json::to_vec(file)?;
    // Whole blocks, so that the next state has room in the place of this one.
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), b' ');
    match std::fs::write(&part, &bytes).and_then(|()| std::fs::rename(&part, &path)) {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            let _ = std::fs::remove_file(&part);
            write_over(&path, bytes)
        }
        written => written,
    }
}

fn write_over(path: &Path, mut bytes: Vec<u8>) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    let room = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if bytes.len() > room {
        return Err(std::io::ErrorKind::StorageFull.into());
    }
    bytes.resize(room, b' ');
    file.write_all(&bytes)
}

/// Reads what a running agent has written; `None` where none ever ran here.
///
/// # Errors
/// Where the file cannot be read.
pub fn read_file(data: &Path) -> std::io::Result<Option<StatusFile>> {
    match std::fs::read(data.join(STATUS_FILE)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
