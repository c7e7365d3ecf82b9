//! Meituan: pushes orders at random small gaps and repeats each push until the hub has said that it is stored.

use docket_tests::chain::Hub;
use docket_tests::chain::Ledger;
use docket_tests::chain::shop::{PAID_PATH, now_s};
use docket_tests::platform::meituan::{CONTENT_TYPE, MeituanClient, OK_REPLY};
use docket_tests::platform::orders::{Chance, PlacedOrder};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Tickets that are open at most when another order is pushed: what is interrupted is not to drown in what waits.
const OPEN_TICKETS_MAX: u64 = 16;
/// Between two orders.
const GAP_MS_MAX: usize = 80;
/// Before a push is repeated.
const REPEAT_MS: u64 = 15;
/// A hub that is killed answers never.
const REPLY_MAX: Duration = Duration::from_secs(5);
/// One in so many pushes is repeated although it was answered: an answer can be lost on its way.
const NEEDLESS_REPEAT_IN: usize = 5;

/// The platform.
pub struct Platform {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    http: SocketAddr,
    hub_data: PathBuf,
    meituan: MeituanClient,
    written: watch::Sender<u64>,
    replied: watch::Sender<u64>,
    accepted: Mutex<Vec<PlacedOrder>>,
    stopping: AtomicBool,
}

impl Platform {
    /// Begins to push.
    pub fn start(hub: &Hub, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            http: hub.addresses().http,
            hub_data: hub.data().to_owned(),
            meituan: hub.meituan(),
            written: watch::Sender::new(0),
            replied: watch::Sender::new(0),
            accepted: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let task = tokio::spawn(run(Arc::clone(&shared), Chance::new(seed ^ 1), seed));
        Platform { shared, task }
    }

    /// Counts the pushes whose last byte was written.
    pub fn written(&self) -> watch::Receiver<u64> {
        self.shared.written.subscribe()
    }

    /// Counts the orders that were acknowledged.
    pub fn replied(&self) -> watch::Receiver<u64> {
        self.shared.replied.subscribe()
    }

    /// The orders that were acknowledged.
    pub fn accepted(&self) -> Vec<PlacedOrder> {
        self.shared.lock().clone()
    }

    /// Pushes the last order until it is acknowledged, and no more. All orders that were ever pushed.
    pub async fn finish(self) -> anyhow::Result<Vec<PlacedOrder>> {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.task.await?;
        Ok(self.shared.lock().clone())
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<PlacedOrder>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the hub said that it is stored.
    async fn push(&self, order: &PlacedOrder) -> anyhow::Result<bool> {
        let body = self.meituan.paid(order, now_s());
        let request = format!(
            "POST {PAID_PATH} HTTP/1.1\r\nHost: {}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.http,
            body.len()
        );
        let mut stream = TcpStream::connect(self.http).await?;
        stream.write_all(request.as_bytes()).await?;
        self.written.send_modify(|count| *count += 1);
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await?;
        Ok(reply.ends_with(OK_REPLY.as_bytes()))
    }

    fn has_room(&self) -> bool {
        let counts = Ledger::open(&self.hub_data).and_then(|ledger| ledger.counts());
        counts.is_ok_and(|(all, printed)| all - printed < OPEN_TICKETS_MAX)
    }
}

async fn run(shared: Arc<Shared>, mut chance: Chance, seed: u64) {
    for number in 1.. {
        let order = order(seed, number);
        let mut repeats = usize::from(chance.one_in(NEEDLESS_REPEAT_IN));
        loop {
            let stored = tokio::time::timeout(REPLY_MAX, shared.push(&order)).await;
            if let Ok(Ok(true)) = stored {
                if repeats == 0 {
                    break;
                }
                repeats -= 1;
            }
            tokio::time::sleep(Duration::from_millis(REPEAT_MS)).await;
        }
        shared.lock().push(order);
        shared.replied.send_modify(|count| *count += 1);
        loop {
            if shared.stopping.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(chance.below(GAP_MS_MAX) as u64)).await;
            if shared.has_room() {
                break;
            }
        }
    }
}

/// An order that can be told on both of its slips, and of which can be seen whether they are whole: `note` is the last
/// line of the kitchen's.
fn order(seed: u64, number: u64) -> PlacedOrder {
    let order = PlacedOrder::generate(seed, number, super::STORE, now_s());
    PlacedOrder { note: last_line_of_kitchen(number), wanted_at_s: 0, self_pickup: false, ..order }
}

/// The note of an order.
pub fn last_line_of_kitchen(number: u64) -> String {
    format!("第{number}单到此为止")
}
