//! The demo: a hub, an agent, two virtual printers, and Meituan pushing orders, all on this machine.

use anyhow::Context;
use clap::Parser;
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, TicketRow, wait_for};
use docket_tests::measure::Durations;
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use docket_tests::virtual_printer::{Font, PrinterOptions, Receipt, VirtualPrinter};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const STORE: &str = "S0042";
const STORE_NAME: &str = "测试面馆(人民路店)";
const ROUTING: &str = "[[routing.stations]]\nname = \"kitchen\"\ndishes = [\"*\"]\n\
     [[routing.stations]]\nname = \"bar\"\ndishes = [\"F2001\", \"F2002\", \"F2003\"]\n";
/// Of the virtual printers when somebody watches, mm/s: a usual receipt printer's.
const WATCHED_SPEED_MM_PER_S: u32 = 200;
/// Between two orders when somebody watches.
const WATCHED_PAUSE: Duration = Duration::from_secs(3);
/// Between two orders with `--once`.
const ONCE_PAUSE: Duration = Duration::from_millis(50);
const TICKET_PRINTED: i64 = 5;
const ORDERS_MAX: u64 = 500;

/// Docket 演示 / demo: hub, agent, two virtual printers and a platform that pushes orders.
#[derive(Debug, Parser)]
struct Options {
    /// 打完就退出 / print the orders, check that each came out exactly once, and end
    #[arg(long)]
    once: bool,
    /// 订单数(配合 --once)/ how many orders with --once
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=ORDERS_MAX))]
    orders: u64,
    /// 最后一行输出 JSON / one JSON object on the last line
    #[arg(long)]
    json: bool,
    /// 小票图片的目录 / where the picture of the last ticket goes
    #[arg(long, default_value = "target/demo")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match demo(Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

struct Shop {
    hub: Hub,
    agent: Agent,
    front: VirtualPrinter,
    kitchen: VirtualPrinter,
}

async fn demo(options: Options) -> anyhow::Result<bool> {
    let folder = tempfile::Builder::new().prefix("docket-demo-").tempdir()?;
    let speed = if options.once { 0 } else { WATCHED_SPEED_MM_PER_S };
    let mut shop = open_shop(folder.path(), speed).await?;
    println!("总部控制台 / console:  http://{}/", shop.hub.addresses().console);
    println!("门店 / store:          {STORE} {STORE_NAME}");
    println!("打印机 / printers:     front {}, kitchen {}", shop.front.address(), shop.kitchen.address());
    let done = if options.once {
        once(&shop, &options).await
    } else {
        tokio::select! {
            watched = watch(&shop) => watched.map(|()| true),
            _ = tokio::signal::ctrl_c() => Ok(true),
        }
    };
    if !options.once {
        println!("\n正在停止 / stopping");
    }
    if done.is_err() {
        eprintln!("{}{}", shop.hub.process().log_text(), shop.agent.log_text());
    }
    // The agent first: what it has to report still finds the hub.
    shop.agent.process()?.end()?;
    shop.hub.process().end()?;
    done
}

async fn open_shop(folder: &Path, speed_mm_per_s: u32) -> anyhow::Result<Shop> {
    let printer = || VirtualPrinter::start(PrinterOptions { speed_mm_per_s, ..PrinterOptions::default() });
    let (front, kitchen) = (printer()?, printer()?);
    let hub = Hub::start(folder, HubOptions { routing: ROUTING.into(), ..HubOptions::default() }).await?;
    hub.add_store(STORE, STORE_NAME)?;
    let printers = vec![
        PrinterAt::only(front.address()),
        PrinterAt {
            name: "kitchen".into(),
            address: kitchen.address().to_string(),
            stations: vec!["kitchen".into(), "bar".into()],
            default: false,
        },
    ];
    let mut agent = Agent::enrol(folder, &hub, STORE, AgentOptions { printers, ..AgentOptions::default() })?;
    agent.start_linked(&hub).await?;
    Ok(Shop { hub, agent, front, kitchen })
}

/// Pushes an order every few seconds and shows what comes out, until Ctrl-C.
async fn watch(shop: &Shop) -> anyhow::Result<()> {
    println!(
        "每 {} 秒来一单,Ctrl-C 结束 / an order every few seconds, Ctrl-C ends\n",
        WATCHED_PAUSE.as_secs()
    );
    let client = shop.hub.client();
    let mut shown = [0, 0];
    for number in 1.. {
        let order = PlacedOrder::generate(1, number, STORE, now_s());
        let reply = client.post("/cb/meituan/order/paid", &shop.hub.meituan().paid(&order, now_s())).await?;
        anyhow::ensure!(reply.body == OK_REPLY, "the hub answered {} {}", reply.status, reply.body);
        tokio::time::sleep(WATCHED_PAUSE).await;
        for (shown, printer) in shown.iter_mut().zip([&shop.front, &shop.kitchen]) {
            for receipt in printer.receipts_from(*shown) {
                println!("{}\n", receipt.text());
                *shown = receipt.number() + 1;
            }
        }
    }
    Ok(())
}

/// Pushes the orders, waits until they are printed, and judges.
async fn once(shop: &Shop, options: &Options) -> anyhow::Result<bool> {
    let client = shop.hub.client();
    let meituan = shop.hub.meituan();
    let mut pushed = HashMap::new();
    let mut replies = Durations::default();
    for number in 1..=options.orders {
        let order = PlacedOrder::generate(1, number, STORE, now_s());
        let body = meituan.paid(&order, now_s());
        let at = Instant::now();
        let reply = client.post("/cb/meituan/order/paid", &body).await?;
        anyhow::ensure!(reply.body == OK_REPLY, "the hub answered {} {}", reply.status, reply.body);
        replies.add_ms(at.elapsed().as_secs_f64() * 1e3);
        pushed.insert(order.order_id, at);
        tokio::time::sleep(ONCE_PAUSE).await;
    }
    let ledger = shop.hub.ledger()?;
    let tickets = wait_for("all tickets to be printed", PATIENCE, || match ledger.tickets() {
        Ok(tickets) if tickets.iter().all(|ticket| ticket.state == TICKET_PRINTED) => Ok(tickets),
        Ok(tickets) => Err(format!("{:?}", tickets.iter().find(|ticket| ticket.state != TICKET_PRINTED))),
        Err(error) => Err(error.to_string()),
    })
    .await?;
    let verdict = judge(shop, &pushed, &tickets);
    let steps = steps(replies, &tickets, &pushed, &shop.front.receipts());
    print_table(&steps);
    let picture = picture(&options.out, &shop.front.receipts())?;
    println!("\n最后一张小票 / last ticket:  {}", picture.display());
    println!(
        "订单 orders {}  打印 printed {}  围栏确认 fenced {}  丢失 lost {}  重复 repeats {}",
        verdict.orders, verdict.printed, verdict.fenced, verdict.lost, verdict.repeats
    );
    if options.json {
        println!("{}", to_json(&verdict, &steps, &picture));
    }
    Ok(verdict.printed == verdict.orders
        && verdict.fenced == verdict.orders
        && verdict.lost == 0
        && verdict.repeats == 0)
}

/// Counts of orders, seen on paper and in the hub's record.
struct Verdict {
    orders: usize,
    printed: usize,
    fenced: usize,
    lost: usize,
    repeats: usize,
}

fn judge(shop: &Shop, pushed: &HashMap<String, Instant>, tickets: &[TicketRow]) -> Verdict {
    let mut front: HashMap<String, usize> = HashMap::new();
    for receipt in shop.front.receipts() {
        if let Some(order) = order_of(&receipt) {
            *front.entry(order).or_default() += 1;
        }
    }
    let receipts = shop.front.receipt_count() + shop.kitchen.receipt_count();
    let surplus = usize::try_from(receipts).unwrap_or_default().saturating_sub(tickets.len());
    let marked = [&shop.front, &shop.kitchen]
        .iter()
        .flat_map(|printer| printer.receipts())
        .filter(|receipt| receipt.is_repeat().is_some())
        .count();
    let fenced = |order: &String| {
        let mut of_order = tickets.iter().filter(|ticket| ticket.order == *order).peekable();
        of_order.peek().is_some() && of_order.all(|ticket| ticket.evidence.as_deref() == Some("fence"))
    };
    Verdict {
        orders: pushed.len(),
        printed: pushed.keys().filter(|order| front.get(*order) == Some(&1)).count(),
        fenced: pushed.keys().filter(|order| fenced(order)).count(),
        lost: pushed.keys().filter(|order| !front.contains_key(*order)).count(),
        repeats: surplus.max(marked),
    }
}

/// The front slip's QR code says which order it is.
fn order_of(receipt: &Receipt) -> Option<String> {
    receipt.qr().into_iter().next().and_then(|data| String::from_utf8(data).ok())
}

fn steps(
    replies: Durations,
    tickets: &[TicketRow],
    pushed: &HashMap<String, Instant>,
    receipts: &[Receipt],
) -> Vec<(&'static str, &'static str, Durations)> {
    let (mut sent, mut spooled, mut printed) =
        (Durations::default(), Durations::default(), Durations::default());
    for ticket in tickets {
        let step = |durations: &mut Durations, from: Option<i64>, to: Option<i64>| {
            if let (Some(from), Some(to)) = (from, to) {
                durations.add_ms((to - from) as f64);
            }
        };
        step(&mut sent, Some(ticket.received_at), ticket.sent_at);
        step(&mut spooled, ticket.sent_at, ticket.spooled_at);
        step(&mut printed, ticket.spooled_at, ticket.printed_at);
    }
    let mut paper = Durations::default();
    for receipt in receipts {
        if let Some(at) = order_of(receipt).and_then(|order| pushed.get(&order)) {
            paper.add_ms(receipt.received_at().saturating_duration_since(*at).as_secs_f64() * 1e3);
        }
    }
    vec![
        ("reply", "推送 → 应答      push → reply", replies),
        ("sent", "收到 → 发出      received → sent", sent),
        ("spooled", "发出 → 门店存好  sent → spooled", spooled),
        ("printed", "存好 → 确认出纸  spooled → printed", printed),
        ("paper", "推送 → 打印机    push → last byte at the printer", paper),
    ]
}

fn print_table(steps: &[(&str, &str, Durations)]) {
    println!("\n{:>10} {:>10} {:>10}   (ms)", "p50", "p99", "max");
    for (_, title, durations) in steps {
        let (p50, p99) = (durations.percentile_ms(50.0), durations.percentile_ms(99.0));
        println!("{p50:>10.2} {p99:>10.2} {:>10.2}   {title}", durations.max_ms());
    }
}

fn to_json(verdict: &Verdict, steps: &[(&str, &str, Durations)], picture: &Path) -> serde_json::Value {
    let mut json = serde_json::json!({
        "orders": verdict.orders, "printed": verdict.printed, "fenced": verdict.fenced,
        "lost": verdict.lost, "repeats": verdict.repeats, "picture": picture,
    });
    for (key, _, durations) in steps {
        json[format!("{key}_p50_ms")] = durations.percentile_ms(50.0).into();
        json[format!("{key}_p99_ms")] = durations.percentile_ms(99.0).into();
        json[format!("{key}_max_ms")] = durations.max_ms().into();
    }
    json
}

fn picture(folder: &Path, receipts: &[Receipt]) -> anyhow::Result<PathBuf> {
    let last = receipts.last().context("no ticket came out")?;
    std::fs::create_dir_all(folder)?;
    let path = folder.join("last-ticket.png");
    std::fs::write(&path, last.png(&Font::find()?))?;
    Ok(path)
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}
