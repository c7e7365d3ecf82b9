//! Benchmarks. Whatever else one prints, its last line is one flat JSON object with units in its keys.

mod chaos;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
mod link;
mod neighbours;
#[cfg(target_os = "linux")]
mod network;
mod printing;
mod queued;

use anyhow::Context;
use clap::{Parser, Subcommand};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, program, wait_for};
use docket_tests::measure::{Durations, Usage, usage};
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::{PrinterOptions, VirtualPrinter};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const STORE: &str = "S0042";
/// Pushes are signed ahead, so that the client's work is not measured.
const PLACED_AT_S: i64 = 1_795_000_000;
/// Connections of the pipelined client; a platform pushes from many machines.
const CONNECTIONS: u64 = 64;
/// What the printer needs to remember to tell which order came out how often.
const RECEIPTS_KEPT: usize = 8_192;

#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// A chain of fifty stores through thirty simulated days of faults, from each seed.
    Chaos {
        /// How many seeds.
        #[arg(long, default_value_t = 200)]
        seeds: u64,
        /// The first one; with `--seeds 1`, that one alone, with its last events if it fails.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Size and weight of an idle agent with a live link.
    AgentFootprint {
        /// How long it is watched.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// From the HTTP push to the last byte at a printer of unlimited speed, both ends durable.
    OrderPath {
        /// Orders one by one.
        #[arg(long, default_value_t = 500)]
        one_by_one: u64,
        /// Orders pipelined.
        #[arg(long, default_value_t = 20_000)]
        pipelined: u64,
    },
    /// What tickets cost on their way to the paper, what an agent weighs while very many wait, and whether a printer in
    /// trouble delays the others.
    Printing {
        /// Tickets that are laid out and encoded.
        #[arg(long, default_value_t = 20_000)]
        tickets: usize,
        /// Tickets that wait.
        #[arg(long, default_value_t = 100_000)]
        queued: u64,
        /// Orders beside each kind of printer in trouble.
        #[arg(long, default_value_t = 200)]
        beside: u64,
    },
    /// From the push to the paper across bad networks. Takes root, or a user namespace.
    #[cfg(target_os = "linux")]
    Network {
        /// Orders on each poor network.
        #[arg(long, default_value_t = 100)]
        orders: u64,
        /// Changes of each kind.
        #[arg(long, default_value_t = 10)]
        changes: u64,
        /// Partitions of 5 and 30 minutes too.
        #[arg(long)]
        long: bool,
    },
    /// Thousands of agents at one hub: memory for each, all back after a kill, an order for each.
    #[cfg(target_os = "linux")]
    Link {
        /// How many.
        #[arg(long, default_value_t = 5_000)]
        agents: usize,
    },
    /// A process of such agents, which `link` starts.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Crowd {
        #[arg(long)]
        identities: std::path::PathBuf,
        #[arg(long)]
        first: usize,
        #[arg(long)]
        agents: usize,
        #[arg(long)]
        tcp: bool,
        #[arg(long)]
        hub: std::net::SocketAddr,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let figures = match Options::parse().benchmark {
        Benchmark::Chaos { seeds, from } => chaos::measure(from, seeds)?,
        Benchmark::AgentFootprint { seconds } => agent_footprint(Duration::from_secs(seconds)).await?,
        Benchmark::OrderPath { one_by_one, pipelined } => order_path(one_by_one, pipelined).await?,
        Benchmark::Printing { tickets, queued, beside } => printing_path(tickets, queued, beside).await?,
        #[cfg(target_os = "linux")]
        Benchmark::Network { orders, changes, long } => {
            tokio::task::block_in_place(|| network::measure(orders, changes, long))?
        }
        #[cfg(target_os = "linux")]
        Benchmark::Link { agents } => link::measure(agents).await?,
        #[cfg(target_os = "linux")]
        Benchmark::Crowd { identities, first, agents, tcp, hub } => {
            return crowd::hold(&identities, first, agents, tcp, hub).await;
        }
    };
    println!("{figures}");
    Ok(())
}

struct Bench {
    _folder: tempfile::TempDir,
    printer: VirtualPrinter,
    hub: Hub,
    agent: Agent,
}

impl Bench {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-bench-").tempdir_in(bench_folder()?)?;
        let printer = VirtualPrinter::start(PrinterOptions {
            receipts_kept: RECEIPTS_KEPT,
            ..PrinterOptions::default()
        })?;
        let hub = Hub::start(folder.path(), HubOptions::default()).await?;
        hub.add_store(STORE, "测试面馆")?;
        let printers = vec![PrinterAt::only(printer.address())];
        let options = AgentOptions { printers, ..AgentOptions::default() };
        let mut agent = Agent::enrol(folder.path(), &hub, STORE, options)?;
        agent.start_linked(&hub).await?;
        Ok(Bench { _folder: folder, printer, hub, agent })
    }

    fn usages(&mut self) -> anyhow::Result<(Usage, Usage)> {
        Ok((usage(self.hub.process().id())?, usage(self.agent.process()?.id())?))
    }
}

/// On the disk of the checkout: a temporary folder may be in memory, where fsync costs nothing.
fn bench_folder() -> anyhow::Result<std::path::PathBuf> {
    let folder = std::env::current_dir()?.join("target").join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

async fn agent_footprint(watched: Duration) -> anyhow::Result<serde_json::Value> {
    let binary_bytes = std::fs::metadata(program("docket-agent")?)?.len();
    let mut bench = Bench::start().await?;
    // The first order makes it do everything once.
    push(&bench.hub, 1).await?;
    wait_for("the first ticket", PATIENCE, || match bench.printer.receipt_count() {
        0 => Err(0),
        count => Ok(count),
    })
    .await?;
    let (_, before) = bench.usages()?;
    println!("watching an idle agent for {} s", watched.as_secs());
    tokio::time::sleep(watched).await;
    let (_, after) = bench.usages()?;
    Ok(json!({
        "binary_bytes": binary_bytes,
        "idle_rss_bytes": after.rss_bytes,
        "peak_rss_bytes": after.peak_rss_bytes,
        "idle_cpu_percent": (after.cpu_s - before.cpu_s) / watched.as_secs_f64() * 100.0,
        "watched_s": watched.as_secs(),
    }))
}

async fn push(hub: &Hub, number: u64) -> anyhow::Result<()> {
    let order = PlacedOrder::generate(2, number, STORE, PLACED_AT_S);
    let reply = hub.client().post("/cb/meituan/order/paid", &hub.meituan().paid(&order, PLACED_AT_S)).await?;
    anyhow::ensure!(reply.body == OK_REPLY, "the hub answered {} {}", reply.status, reply.body);
    Ok(())
}

async fn printing_path(tickets: usize, queued: u64, beside: u64) -> anyhow::Result<serde_json::Value> {
    let layout = printing::layout_encode(tickets)?;
    let folder = tempfile::Builder::new().prefix("docket-bench-").tempdir_in(bench_folder()?)?;
    let neighbours = neighbours::measure(folder.path(), beside).await?;
    println!("{queued} tickets wait for a printer without paper");
    let weight = queued::weigh(folder.path(), queued).await?;
    Ok(json!({
        "layout_encode_p50_us": layout.percentile_ms(50.0) * 1e3,
        "layout_encode_p99_us": layout.percentile_ms(99.0) * 1e3,
        "tickets": layout.len(),
        "other_printers_delay_ms": neighbours.delay_ms(50.0),
        "other_printers_delay_p99_ms": neighbours.delay_ms(99.0),
        "printers_alone_p50_ms": neighbours.alone.percentile_ms(50.0),
        "printers_alone_p99_ms": neighbours.alone.percentile_ms(99.0),
        "queued": queued,
        "queued_100k_rss_bytes": weight.rss_bytes,
        "queued_100k_peak_rss_bytes": weight.peak_rss_bytes,
    }))
}

async fn order_path(one_by_one: u64, pipelined: u64) -> anyhow::Result<serde_json::Value> {
    let mut bench = Bench::start().await?;
    let mut seen = Seen::default();
    let latency = run_one_by_one(&bench, one_by_one, &mut seen).await?;
    println!(
        "one by one: {} orders, p50 {:.2} ms, p99 {:.2} ms",
        latency.len(),
        latency.percentile_ms(50.0),
        latency.percentile_ms(99.0)
    );
    let (hub_before, agent_before) = bench.usages()?;
    let took = run_pipelined(&bench, one_by_one, pipelined, &mut seen).await?;
    let (hub, agent) = bench.usages()?;
    let rate = pipelined as f64 / took.as_secs_f64();
    let cpu_s = hub.cpu_s - hub_before.cpu_s + agent.cpu_s - agent_before.cpu_s;
    println!("pipelined: {pipelined} orders in {:.2} s", took.as_secs_f64());
    let orders = one_by_one + pipelined;
    let (tickets, printed) =
        wait_for("the hub's record", PATIENCE, || match bench.hub.ledger()?.counts()? {
            (all, printed) if all == printed => Ok((all, printed)),
            counts => Err(anyhow::anyhow!("{counts:?}")),
        })
        .await?;
    anyhow::ensure!(
        tickets == orders && printed == orders,
        "{tickets} tickets, {printed} printed of {orders}"
    );
    Ok(json!({
        "one_by_one_p50_ms": latency.percentile_ms(50.0),
        "one_by_one_p99_ms": latency.percentile_ms(99.0),
        "pipelined_orders_per_s": rate,
        "cpu_s_per_1k_orders": cpu_s / pipelined as f64 * 1e3,
        "hub_cpu_s_per_1k_orders": (hub.cpu_s - hub_before.cpu_s) / pipelined as f64 * 1e3,
        "agent_cpu_s_per_1k_orders": (agent.cpu_s - agent_before.cpu_s) / pipelined as f64 * 1e3,
        "agent_peak_rss_bytes": agent.peak_rss_bytes,
        "hub_peak_rss_bytes": hub.peak_rss_bytes,
        "orders": orders,
        "lost": orders - seen.copies.len() as u64,
        "repeats": seen.repeats(),
    }))
}

async fn run_one_by_one(bench: &Bench, orders: u64, seen: &mut Seen) -> anyhow::Result<Durations> {
    let (client, meituan) = (bench.hub.client(), bench.hub.meituan());
    let mut latency = Durations::default();
    for number in 1..=orders {
        let body = meituan.paid(&PlacedOrder::generate(2, number, STORE, PLACED_AT_S), PLACED_AT_S);
        let before = bench.printer.receipt_count();
        let at = Instant::now();
        let reply = client.post("/cb/meituan/order/paid", &body).await?;
        anyhow::ensure!(reply.body == OK_REPLY, "the hub answered {} {}", reply.status, reply.body);
        bench
            .printer
            .wait_until(PATIENCE, |status| status.receipts > before)
            .await
            .map_err(anyhow::Error::msg)?;
        for receipt in bench.printer.receipts_from(seen.next) {
            let arrived = receipt.received_at().saturating_duration_since(at);
            latency.add_ms(arrived.as_secs_f64() * 1e3);
            seen.add(&receipt)?;
        }
    }
    Ok(latency)
}

async fn run_pipelined(bench: &Bench, first: u64, orders: u64, seen: &mut Seen) -> anyhow::Result<Duration> {
    let (client, meituan) = (Arc::new(bench.hub.client()), bench.hub.meituan());
    let body = |number| meituan.paid(&PlacedOrder::generate(2, number, STORE, PLACED_AT_S), PLACED_AT_S);
    let bodies: Arc<Vec<String>> = Arc::new((first + 1..=first + orders).map(body).collect());
    let next = Arc::new(AtomicU64::new(0));
    let at = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, bodies, next) = (Arc::clone(&client), Arc::clone(&bodies), Arc::clone(&next));
        clients.spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                let reply = client.post("/cb/meituan/order/paid", body).await?;
                anyhow::ensure!(reply.body == OK_REPLY, "the hub answered {} {}", reply.status, reply.body);
            }
            Ok(())
        });
    }
    let until = first + orders;
    let mut last = at;
    while seen.next < until {
        let have = seen.next;
        // In steps well below what the printer keeps.
        let step = (have + RECEIPTS_KEPT as u64 / 4).min(until);
        bench
            .printer
            .wait_until(PATIENCE, |status| status.receipts >= step)
            .await
            .map_err(anyhow::Error::msg)?;
        for receipt in bench.printer.receipts_from(have) {
            last = last.max(receipt.received_at());
            seen.add(&receipt)?;
        }
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    Ok(last.saturating_duration_since(at))
}

/// How often each order was seen on paper, unmarked and marked.
#[derive(Debug, Default)]
struct Seen {
    copies: HashMap<Vec<u8>, u64>,
    /// Number of the next receipt.
    next: u64,
    marked: u64,
}

impl Seen {
    fn add(&mut self, receipt: &docket_tests::virtual_printer::Receipt) -> anyhow::Result<()> {
        let order = receipt.qr().into_iter().next().context("a receipt without the order's QR code")?;
        *self.copies.entry(order).or_default() += 1;
        self.marked += u64::from(receipt.is_repeat().is_some());
        self.next = receipt.number() + 1;
        Ok(())
    }

    fn repeats(&self) -> u64 {
        self.marked.max(self.copies.values().map(|copies| copies - 1).sum())
    }
}
