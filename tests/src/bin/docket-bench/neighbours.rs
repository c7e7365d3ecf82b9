//! Whether a printer in trouble delays the others of its store.
//!
//! Three printers in order print orders one by one, first alone, then beside a fourth that gets a ticket of each order
//! and is slow, out of paper or silent. What is measured is from the push to the last byte at the last of the three.

use anyhow::ensure;
use docket_tests::chain::shop::{now_s, push_order};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, Shop};
use docket_tests::measure::Durations;
use docket_tests::platform::orders::{PlacedDish, PlacedOrder};
use docket_tests::virtual_printer::{Fault, PrinterOptions, VirtualPrinter};
use std::path::Path;
use std::time::Instant;

/// The stations that are measured besides the front, and the one in trouble.
const WELL: [&str; 2] = ["wok", "noodles"];
const ILL: &str = "bar";
/// Slower than any printer, so that its queue grows.
const SLOW_MM_PER_S: u32 = 20;
/// Orders before measuring.
const WARM_UP_ORDERS: u64 = 20;

/// How long the three took.
pub struct Neighbours {
    /// Without the fourth.
    pub alone: Durations,
    /// Beside it, for each trouble.
    pub beside: Vec<Durations>,
}

impl Neighbours {
    /// What a percentile is longer by than alone, at the worst of the troubles. Not below 0: that would be chance.
    pub fn delay_ms(&self, percent: f64) -> f64 {
        let alone = self.alone.percentile_ms(percent);
        self.beside.iter().map(|times| times.percentile_ms(percent) - alone).fold(0.0, f64::max)
    }
}

/// Measures with so many orders for each trouble.
///
/// # Errors
/// Where a process does not come up or an order does not come out.
pub async fn measure(folder: &Path, orders: u64) -> anyhow::Result<Neighbours> {
    let mut neighbours = Neighbours { alone: Durations::default(), beside: Vec::new() };
    let troubles: [(&str, Option<Fault>); 3] =
        [("slow", None), ("out of paper", Some(Fault::PaperOut)), ("silent", Some(Fault::Silent(true)))];
    for (name, fault) in troubles {
        // A store of its own for each: what waits for a printer in trouble is not to be in the next one's way.
        let store = Store::open(&folder.join(name.replace(' ', "-"))).await?;
        let mut number = 0;
        store.print(&mut number, WARM_UP_ORDERS, &WELL).await?;
        for time in store.print(&mut number, orders, &WELL).await? {
            neighbours.alone.add_ms(time);
        }
        if let Some(fault) = fault {
            store.ill.set(fault);
        }
        let mut beside = Durations::default();
        for time in store.print(&mut number, orders, &[WELL[0], WELL[1], ILL]).await? {
            beside.add_ms(time);
        }
        let waiting = orders.saturating_sub(store.ill.receipt_count());
        ensure!(waiting > 0, "the printer that is {name} kept up: nothing was measured");
        println!(
            "beside a printer that is {name}: p50 {:.2} ms, p99 {:.2} ms; {waiting} tickets wait there",
            beside.percentile_ms(50.0),
            beside.percentile_ms(99.0)
        );
        neighbours.beside.push(beside);
    }
    Ok(neighbours)
}

struct Store {
    hub: Hub,
    _agent: Agent,
    well: Vec<VirtualPrinter>,
    ill: VirtualPrinter,
}

impl Store {
    async fn open(folder: &Path) -> anyhow::Result<Self> {
        let ill = VirtualPrinter::start(PrinterOptions {
            speed_mm_per_s: SLOW_MM_PER_S,
            ..PrinterOptions::default()
        })?;
        let front = VirtualPrinter::start(PrinterOptions::default())?;
        let mut printers = vec![PrinterAt::only(front.address())];
        let mut well = vec![front];
        let mut routing = String::new();
        for station in WELL.into_iter().chain([ILL]) {
            routing += &format!("[[routing.stations]]\nname = \"{station}\"\ndishes = [\"{station}\"]\n");
            let address = if station == ILL {
                ill.address()
            } else {
                let printer = VirtualPrinter::start(PrinterOptions::default())?;
                let address = printer.address();
                well.push(printer);
                address
            };
            printers.push(PrinterAt {
                name: station.into(),
                address: address.to_string(),
                stations: vec![station.into()],
                default: false,
            });
        }
        let hub = Hub::start(&folder.join("hub"), HubOptions { routing, ..HubOptions::default() }).await?;
        hub.add_store(Shop::STORE, "测试面馆")?;
        let options = AgentOptions { printers, ..AgentOptions::default() };
        let mut agent = Agent::enrol(&folder.join("agent"), &hub, Shop::STORE, options)?;
        agent.start_linked(&hub).await?;
        Ok(Store { hub, _agent: agent, well, ill })
    }

    /// Prints orders one by one that have a dish for each of these stations; how long each took in milliseconds.
    async fn print(&self, number: &mut u64, orders: u64, stations: &[&str]) -> anyhow::Result<Vec<f64>> {
        let mut times = Vec::new();
        for _ in 0..orders {
            *number += 1;
            let dishes = stations.iter().map(|&station| PlacedDish {
                code: station.into(),
                name: station.into(),
                spec: String::new(),
                choices: Vec::new(),
                quantity: 1,
                price_fen: 1_000,
                box_price_fen: 0,
            });
            let order = PlacedOrder {
                dishes: dishes.collect(),
                ..PlacedOrder::generate(3, *number, Shop::STORE, now_s())
            };
            let before: Vec<u64> = self.well.iter().map(VirtualPrinter::receipt_count).collect();
            let at = Instant::now();
            push_order(&self.hub, &order).await?;
            let mut last = at;
            for (printer, before) in self.well.iter().zip(before) {
                let out = printer.wait_until(PATIENCE, |status| status.receipts > before).await;
                out.map_err(anyhow::Error::msg)?;
                for receipt in printer.receipts_from(before + 1) {
                    last = last.max(receipt.received_at());
                }
            }
            times.push(last.saturating_duration_since(at).as_secs_f64() * 1e3);
        }
        Ok(times)
    }
}
