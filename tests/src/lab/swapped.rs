//! Two USB printers whose files change hands, as they do with cables that are pulled and at every start of a PC.
//!
//! One printer is the kitchen's and one is in front; each is written as a file of the kernel's driver. The kernel gives
//! `/dev/usb/lp0` to whichever it meets first, so what is plugged in first here decides. Every slip has to come out where
//! it belongs, or nowhere. This takes the virtual machine: it is the kernel's own folders that the agent reads.

use crate::chain::shop::{self, PRINTED, now_s, push_order};
use crate::chain::slips::on_paper;
use crate::chain::{Agent, AgentOptions, Hub, HubOptions, PATIENCE, PrinterAt, Shop, wait_for};
use crate::platform::orders::{PlacedDish, PlacedOrder};
use crate::virtual_printer::{Fault, PrinterOptions, UsbOptions, VirtualPrinter};
use anyhow::{Context, ensure};
use std::path::Path;
use std::time::Instant;

const ROUTING: &str = "[[routing.stations]]\nname = \"kitchen\"\ndishes = [\"D01\"]\n";
const FILES: [&str; 2] = ["/dev/usb/lp0", "/dev/usb/lp1"];

/// Runs all of it; says on standard output how long each part took.
///
/// # Errors
/// What came out at the wrong printer, or not at all; with the agent's log.
pub async fn run() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(
        &folder.path().join("hub"),
        HubOptions { routing: ROUTING.into(), ..HubOptions::default() },
    )
    .await?;
    hub.add_store(Shop::STORE, "测试面馆")?;
    let kitchen = printer("KITCHEN", 0)?;
    until_there(FILES[0], true).await?;
    let front = printer("FRONT", 1)?;
    until_there(FILES[1], true).await?;
    let printers = vec![at("kitchen", "kitchen", FILES[0]), at("front", "front", FILES[1])];
    let options = AgentOptions { printers, ..AgentOptions::default() };
    let agent = Agent::enrol(&folder.path().join("agent"), &hub, Shop::STORE, options)?;
    let mut counter = Counter { hub, agent, kitchen, front, orders: 0 };
    counter.agent.start_linked(&counter.hub).await?;
    let result = counter.all().await;
    result.with_context(|| format!("the agent's log:\n{}", counter.agent.log_text()))
}

struct Counter {
    hub: Hub,
    agent: Agent,
    kitchen: VirtualPrinter,
    front: VirtualPrinter,
    orders: u64,
}

impl Counter {
    async fn all(&mut self) -> anyhow::Result<()> {
        let mut since = Instant::now();
        let mut took = |what: &str| {
            println!("{what:<74}{:>8.1?}", since.elapsed());
            since = Instant::now();
        };
        self.each_has_its_own_slip().await?;
        took("each printer at its file");

        self.plug_in_front_first().await?;
        self.each_has_its_own_slip().await?;
        self.nothing_is_offered_as_new()?;
        took("files changed hands while the agent runs");

        self.agent.process()?.kill();
        self.agent.start_linked(&self.hub).await?;
        self.each_has_its_own_slip().await?;
        took("and the agent starts so");

        self.the_kitchen_gets_another_printer().await?;
        took("a new printer, first at another's file, then in its own place");

        self.a_printer_written_by_its_number_is_nobody_elses().await?;
        took("a printer that is written by a serial number and was never met");
        Ok(())
    }

    async fn each_has_its_own_slip(&mut self) -> anyhow::Result<()> {
        let order = self.push().await?;
        self.until_printed(&order, &["kitchen", "front"]).await?;
        self.ensure_each_its_own(&order)
    }

    /// One slip at each printer, unmarked, and only the one in front bears the order's QR code.
    fn ensure_each_its_own(&self, order: &PlacedOrder) -> anyhow::Result<()> {
        let slips = [&self.kitchen, &self.front].map(|printer| slips_of(printer, order));
        ensure!(slips == [vec![None], vec![None]], "order {}: {slips:?}", order.day_seq);
        let in_front = [&self.kitchen, &self.front].map(|printer| shop::slips(printer, order).len());
        ensure!(in_front == [0, 1], "order {}: front slips {in_front:?}", order.day_seq);
        Ok(())
    }

    async fn plug_in_front_first(&self) -> anyhow::Result<()> {
        for printer in [&self.kitchen, &self.front] {
            printer.set(Fault::Unplugged(true));
        }
        for file in FILES {
            until_there(file, false).await?;
        }
        for (printer, file) in [&self.front, &self.kitchen].into_iter().zip(FILES) {
            printer.set(Fault::Unplugged(false));
            until_there(file, true).await?;
        }
        Ok(())
    }

    fn nothing_is_offered_as_new(&self) -> anyhow::Result<()> {
        let found = self.agent.command(&["printers"])?;
        let found = String::from_utf8_lossy(&found.stdout);
        ensure!(found.contains(FILES[0]), "what is configured is not shown: {found}");
        ensure!(!found.contains("serial="), "{found}");
        Ok(())
    }

    /// The one in front has the kitchen's file, the new one has the other. So far nobody can know whose it is to be.
    async fn the_kitchen_gets_another_printer(&mut self) -> anyhow::Result<()> {
        self.kitchen.unplug_for_good().await;
        until_there(FILES[1], false).await?;
        self.kitchen = printer("KITCHEN2", 0)?;
        until_there(FILES[1], true).await?;
        let order = self.push().await?;
        self.until_printed(&order, &["front"]).await?;
        self.until_said("which belongs to the printer front").await?;
        ensure!(self.kitchen.receipt_count() == 0, "{:?}", on_paper(&self.kitchen));

        self.front.set(Fault::Unplugged(true));
        until_there(FILES[0], false).await?;
        self.kitchen.set(Fault::Unplugged(true));
        until_there(FILES[1], false).await?;
        for (printer, file) in [&self.kitchen, &self.front].into_iter().zip(FILES) {
            printer.set(Fault::Unplugged(false));
            until_there(file, true).await?;
        }
        self.until_printed(&order, &["kitchen"]).await?;
        self.ensure_each_its_own(&order)
    }

    async fn a_printer_written_by_its_number_is_nobody_elses(&mut self) -> anyhow::Result<()> {
        self.agent.process()?.end()?;
        self.kitchen.unplug_for_good().await;
        self.front.unplug_for_good().await;
        for file in FILES {
            until_there(file, false).await?;
        }
        self.front = printer("FRONT2", 0)?;
        until_there(FILES[0], true).await?;
        // Under these names nothing is remembered.
        self.agent.configure(vec![
            at("new kitchen", "kitchen", FILES[0]),
            at("new front", "front", "usb:serial=FRONT2"),
        ])?;
        self.agent.start_linked(&self.hub).await?;
        let order = self.push().await?;
        self.until_printed(&order, &["front"]).await?;
        ensure!(slips_of(&self.front, &order) == [None], "{:?}", on_paper(&self.front));

        self.kitchen = printer("KITCHEN3", 1)?;
        until_there(FILES[0], true).await?;
        self.until_printed(&order, &["kitchen"]).await?;
        self.ensure_each_its_own(&order)
    }

    async fn push(&mut self) -> anyhow::Result<PlacedOrder> {
        self.orders += 1;
        let dish = PlacedDish {
            code: "D01".into(),
            name: "一号菜".into(),
            spec: String::new(),
            choices: Vec::new(),
            quantity: 1,
            price_fen: 1_000,
            box_price_fen: 0,
        };
        let order = PlacedOrder {
            dishes: vec![dish],
            wanted_at_s: 0,
            self_pickup: false,
            ..PlacedOrder::generate(1, self.orders, Shop::STORE, now_s())
        };
        push_order(&self.hub, &order).await?;
        Ok(order)
    }

    /// As far as the hub knows.
    async fn until_printed(&self, order: &PlacedOrder, stations: &[&str]) -> anyhow::Result<()> {
        let ledger = self.hub.ledger()?;
        wait_for(&format!("{stations:?} to have printed"), PATIENCE, || {
            let tickets = ledger.tickets().map_err(|error| error.to_string())?;
            let is_printed = |station: &&str| {
                tickets.iter().any(|ticket| {
                    ticket.order == order.order_id && ticket.station == *station && ticket.state == PRINTED
                })
            };
            if stations.iter().all(is_printed) { Ok(()) } else { Err(format!("{tickets:#?}")) }
        })
        .await
    }

    async fn until_said(&self, words: &str) -> anyhow::Result<()> {
        wait_for(words, PATIENCE, || {
            let log = self.agent.log_text();
            if log.contains(words) { Ok(()) } else { Err(log) }
        })
        .await
    }
}

fn printer(serial: &str, number: u32) -> anyhow::Result<VirtualPrinter> {
    let usb = UsbOptions { number, ..UsbOptions::new(serial) };
    VirtualPrinter::start_usb(&PrinterOptions::default(), usb).with_context(|| format!("printer {serial}"))
}

fn at(name: &str, station: &str, place: &str) -> PrinterAt {
    let address = if place.starts_with('/') { format!("usb:{place}") } else { place.to_owned() };
    PrinterAt { name: name.into(), address, stations: vec![station.into()], default: station == "front" }
}

/// The 补打 numbers of all slips of an order at a printer.
fn slips_of(printer: &VirtualPrinter, order: &PlacedOrder) -> Vec<Option<u32>> {
    let own = on_paper(printer).into_iter().filter(|slip| slip.pickup == Some(order.day_seq));
    own.map(|slip| slip.repeat).collect()
}

async fn until_there(file: &str, is_there: bool) -> anyhow::Result<()> {
    let state = if is_there { "come" } else { "go" };
    wait_for(&format!("{file} to {state}"), PATIENCE, || {
        if Path::new(file).exists() == is_there { Ok(()) } else { Err(files()) }
    })
    .await
}

fn files() -> Vec<String> {
    let entries = std::fs::read_dir("/dev/usb").into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}
