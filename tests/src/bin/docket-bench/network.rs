//! From the push to the paper across bad networks, with real hub and agent: the table of docs/network.md.
//!
//! Groups, each at once, every condition on a network of its own: networks that are poor and stay so, changes that
//! a living connection has to survive, networks (or PCs) that are away for a while, and some of these over TCP. Latency is from the push to the
//! last byte at the printer; where the network is away when an order is pushed, from when it is back.

use anyhow::{Context, ensure};
use docket_tests::chain::shop::PRINTED;
use docket_tests::chain::{PATIENCE, wait_for};
use docket_tests::measure::Durations;
use docket_tests::network::catalogue::{self, Change};
use docket_tests::network::namespace::as_root;
use docket_tests::network::{Branch, Conditions, Cut, Road, Setting, Way, at_headquarters};
use docket_tests::platform::orders::{Chance, PlacedOrder};
use docket_tests::virtual_printer::PrinterOptions;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Barrier;
use std::time::{Duration, Instant};

const SEED: u64 = 11;
/// Between two pushes: twice a second is more than any store's rush.
const PUSH_EVERY: Duration = Duration::from_millis(500);
/// What the printer remembers.
const RECEIPTS_KEPT: usize = 8_192;
/// How long nothing is to be done before a change: between this and twice as much, so that it comes at any moment of a
/// quiet connection.
const QUIET: Duration = Duration::from_secs(5);
/// Orders that are pushed while the network is away, spread over that time, and at most one a second.
const AWAY_ORDERS: u32 = 10;
/// What is measured over TCP too.
const BY_TCP: [&str; 9] = [
    "fine",
    "loss_30",
    "delay_500",
    "rate_64k",
    "pc_address",
    "router_ports",
    "away_15_s",
    "away_30_s",
    "no_down_30_s",
];
/// What may still be under way when a network is back.
const BACK_MAX: Duration = Duration::from_secs(120);

/// What is wrong, and for how long.
enum Case {
    /// All the time.
    Poor(Way),
    /// Something changes, again and again.
    Changes(Change),
    /// This for so long, then nothing.
    Away(Conditions, Duration),
    /// The PC sleeps for so long.
    Asleep(Duration),
}

struct Row {
    key: String,
    name: String,
    case: Case,
    road: Road,
}

impl Row {
    fn new(key: &str, name: &str, case: Case) -> Self {
        Row { key: key.to_owned(), name: name.to_owned(), case, road: Road::Quic }
    }
}

/// The table, and its figures as one flat object. `long`: partitions of 5 and 30 minutes too.
///
/// # Errors
/// Without the right to make networks; where an order does not come out, or comes out twice.
pub fn measure(orders: u64, changes: u64, long: bool) -> anyhow::Result<Value> {
    let figures = as_root(std::env::args_os().skip(1), || {
        let mut figures = Map::new();
        println!("| 网络 / network | 单数 / orders | p50 ms | p99 ms | max ms | 会话 / sessions |");
        println!("|---|---|---|---|---|---|");
        for group in [poor(), changing(), away(long), over_tcp()] {
            measure_group(group, orders, changes, &mut figures)?;
        }
        Ok(Value::Object(figures))
    })?;
    // Otherwise it was printed by the program that was root.
    figures.map_or_else(|| std::process::exit(0), Ok)
}

fn poor() -> Vec<Row> {
    catalogue::poor().into_iter().map(|poor| Row::new(poor.key, poor.name, Case::Poor(poor.way))).collect()
}

fn changing() -> Vec<Row> {
    let row = |key, name, change| Row::new(key, name, Case::Changes(change));
    vec![
        row("pc_address", "电脑换地址 / the PC's address changes", Change::PcAddress),
        row("router_address", "路由器换公网地址 / the router's address changes", Change::RouterAddress),
        row(
            "router_ports",
            "路由器忘记端口 / the router forgets its ports (NAT rebinding)",
            Change::RouterPorts,
        ),
    ]
}

fn away(long: bool) -> Vec<Row> {
    let nothing = |cut| Way { cut, ..Way::default() };
    let all = Conditions::both(nothing(Cut::All));
    let (up, down) = (
        Conditions { up: nothing(Cut::All), ..Conditions::default() },
        Conditions { down: nothing(Cut::All), ..Conditions::default() },
    );
    let row = |key, name, conditions, s| Row::new(key, name, Case::Away(conditions, Duration::from_secs(s)));
    let mut rows = vec![
        row("away_5_s", "断网 5 s / nothing for 5 s", all, 5),
        row("away_15_s", "断网 15 s / nothing for 15 s", all, 15),
        row("away_30_s", "断网 30 s / nothing for 30 s", all, 30),
        row("away_90_s", "断网 90 s / nothing for 90 s", all, 90),
        row("no_udp_60_s", "UDP 全丢 60 s / no UDP for 60 s", Conditions::both(nothing(Cut::Udp)), 60),
        row("no_up_30_s", "上行不通 30 s / nothing goes up for 30 s", up, 30),
        row("no_down_30_s", "下行不通 30 s / nothing comes down for 30 s", down, 30),
        Row::new(
            "asleep_70_s",
            "电脑停 70 s / the PC stands still for 70 s",
            Case::Asleep(Duration::from_secs(70)),
        ),
    ];
    if long {
        rows.push(row("away_5_min", "断网 5 min / nothing for 5 min", all, 300));
        rows.push(row("away_30_min", "断网 30 min / nothing for 30 min", all, 1_800));
    }
    rows
}

/// The same behind a firewall that lets no UDP through.
fn over_tcp() -> Vec<Row> {
    let rows = [poor(), changing(), away(false)].into_iter().flatten();
    let over_tcp = |row: Row| Row {
        key: format!("tcp_{}", row.key),
        name: format!("TCP:{}", row.name),
        road: Road::Tcp,
        case: row.case,
    };
    rows.filter(|row| BY_TCP.contains(&row.key.as_str())).map(over_tcp).collect()
}

fn measure_group(
    rows: Vec<Row>,
    orders: u64,
    changes: u64,
    figures: &mut Map<String, Value>,
) -> anyhow::Result<()> {
    // Those that are measured are not to wait for the processor while others start.
    let ready = Barrier::new(rows.len());
    let measured = std::thread::scope(|scope| {
        let threads: Vec<_> = (SEED..)
            .zip(&rows)
            .map(|(seed, row)| {
                let ready = &ready;
                scope.spawn(move || {
                    measure_row(seed, row, orders, changes, ready).with_context(|| row.name.clone())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    for (row, measured) in rows.iter().zip(measured) {
        let Measured { latency, sessions } = measured?;
        let [p50, p99, max] = [latency.percentile_ms(50.0), latency.percentile_ms(99.0), latency.max_ms()];
        println!("| {} | {} | {p50:.0} | {p99:.0} | {max:.0} | {sessions} |", row.name, latency.len());
        for (figure, value) in [
            ("p50_ms", json!(p50)),
            ("p99_ms", json!(p99)),
            ("max_ms", json!(max)),
            ("orders", json!(latency.len())),
            ("sessions", json!(sessions)),
        ] {
            figures.insert(format!("{}_{figure}", row.key), value);
        }
    }
    Ok(())
}

struct Measured {
    latency: Durations,
    /// Opened while measuring.
    sessions: i64,
}

fn measure_row(seed: u64, row: &Row, orders: u64, changes: u64, ready: &Barrier) -> anyhow::Result<Measured> {
    let printer = PrinterOptions { receipts_kept: RECEIPTS_KEPT, ..PrinterOptions::default() };
    let setting = Setting { printer, road: row.road, ..Setting::default() };
    let mut was_ready = false;
    let measured = at_headquarters(seed, setting, async |branch| {
        let mut run = Run { branch, pushed: Vec::new(), next: 0 };
        // The first order makes all do everything once.
        run.push().await?;
        run.until_printed(PATIENCE).await?;
        run.pushed.clear();
        let before = run.branch.sessions()?;
        ready.wait();
        was_ready = true;
        match &row.case {
            Case::Poor(way) => run.poor(*way, orders).await?,
            Case::Changes(change) => run.changes(*change, changes, seed).await?,
            Case::Away(conditions, lasts) => run.away(*conditions, *lasts).await?,
            Case::Asleep(lasts) => run.asleep(*lasts).await?,
        }
        run.until_printed(BACK_MAX).await?;
        Ok(Measured { latency: run.latency()?, sessions: run.branch.sessions()? - before })
    });
    if !was_ready {
        // The others are not to wait for ever.
        ready.wait();
    }
    measured
}

struct Run<'a> {
    branch: &'a mut Branch,
    /// Orders, and from when on they are waited for.
    pushed: Vec<(PlacedOrder, Instant)>,
    /// Number of the next order.
    next: u64,
}

impl Run<'_> {
    async fn push(&mut self) -> anyhow::Result<()> {
        let at = Instant::now();
        let order = self.branch.shop.push(self.next).await?;
        self.next += 1;
        self.pushed.push((order, at));
        Ok(())
    }

    async fn poor(&mut self, way: Way, orders: u64) -> anyhow::Result<()> {
        self.branch.network.set(Conditions::both(way));
        let mut clock = tokio::time::interval(PUSH_EVERY);
        for _ in 0..orders {
            clock.tick().await;
            self.push().await?;
        }
        Ok(())
    }

    async fn changes(&mut self, change: Change, changes: u64, seed: u64) -> anyhow::Result<()> {
        let mut chance = Chance::new(seed);
        for _ in 0..changes {
            let more_ms = chance.below(usize::try_from(QUIET.as_millis()).unwrap_or(1));
            tokio::time::sleep(QUIET + Duration::from_millis(more_ms as u64)).await;
            change.make(&mut self.branch.network)?;
            self.push().await?;
            self.until_printed(BACK_MAX).await?;
        }
        Ok(())
    }

    async fn away(&mut self, conditions: Conditions, lasts: Duration) -> anyhow::Result<()> {
        self.branch.network.set(conditions);
        self.push_over(lasts).await?;
        self.branch.network.mend();
        self.back();
        Ok(())
    }

    async fn asleep(&mut self, lasts: Duration) -> anyhow::Result<()> {
        self.branch.shop.agent.process()?.freeze()?;
        self.push_over(lasts).await?;
        self.branch.shop.agent.process()?.thaw()?;
        self.back();
        Ok(())
    }

    /// Pushes now and then for so long.
    async fn push_over(&mut self, lasts: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + lasts;
        let every = (lasts / AWAY_ORDERS).max(Duration::from_secs(1));
        let mut clock = tokio::time::interval(every);
        clock.tick().await;
        while Instant::now() + every < end {
            self.push().await?;
            clock.tick().await;
        }
        tokio::time::sleep_until(end.into()).await;
        Ok(())
    }

    /// What was pushed until now is waited for from now on.
    fn back(&mut self) {
        let now = Instant::now();
        self.pushed.iter_mut().for_each(|(_, since)| *since = now);
    }

    async fn until_printed(&self, patience: Duration) -> anyhow::Result<()> {
        let orders: Vec<&str> = self.pushed.iter().map(|(order, _)| order.order_id.as_str()).collect();
        let ledger = self.branch.shop.hub.ledger()?;
        wait_for("the orders to be printed", patience, || {
            let tickets = ledger.tickets().map_err(|error| error.to_string())?;
            let is_printed = |order: &&&str| {
                tickets.iter().any(|ticket| ticket.order == **order && ticket.state == PRINTED)
            };
            let printed = orders.iter().filter(is_printed).count();
            if printed == orders.len() { Ok(()) } else { Err(format!("{printed} of {}", orders.len())) }
        })
        .await
    }

    fn latency(&self) -> anyhow::Result<Durations> {
        let mut copies: HashMap<Vec<u8>, Vec<Instant>> = HashMap::new();
        for receipt in self.branch.shop.printer.receipts() {
            ensure!(receipt.is_repeat().is_none(), "a slip with a mark");
            let order = receipt.qr().into_iter().next().context("a receipt without the order's QR code")?;
            copies.entry(order).or_default().push(receipt.received_at());
        }
        let mut latency = Durations::default();
        for (order, since) in &self.pushed {
            let came = copies.get(order.order_id.as_bytes()).map_or(&[][..], Vec::as_slice);
            let [came] = came else {
                anyhow::bail!("order #{} is on paper {} times", order.day_seq, came.len())
            };
            latency.add_ms(came.saturating_duration_since(*since).as_secs_f64() * 1e3);
        }
        Ok(latency)
    }
}
