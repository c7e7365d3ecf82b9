//! Faults by the hundred, against a real hub and a real agent with as many printers as it takes.
//!
//! One order has a dish for each of [`STATIONS`] kitchen printers, and so becomes as many tickets, each of which meets
//! with a fault of its own while the others go on. The paper and the hub's record are the judges of each: it came
//! out whole, it is known by a fence, at most its first slip is without 补打, and both agree how often it was repeated.
//! Nothing here is mended by a person but what only a person can mend, and then all goes on by itself:
//!
//! | what goes wrong | who mends it | what happens then, without anybody |
//! |---|---|---|
//! | paper, cover, cutter, before or in a ticket | a person, at the printer | it goes on where it was, unmarked |
//! | heat, a printer that hangs for a while | time | it goes on where it was, unmarked |
//! | power, cable, a loose contact, before a ticket's first byte | a person, or time | printed, unmarked |
//! | the same in mid-ticket | a person, or time | printed again, 补打 1 |
//! | an answer that never comes, or comes as garbage | time | asked on, and then printed again, 补打 1 |
//! | the agent killed, at any step | the service manager | the printer is asked; in doubt printed again, marked |
//! | the same ticket lost three times | **a person**: `docket-agent release` | printed again, marked |
//!
//! The last one is in `kills` and `printer_faults`; no ticket of this module comes to it.
//!
//! * [`every_byte`]: the line is lost after each single byte of a ticket.
//! * [`journal`]: the agent is killed just before and just after each write of spool and journal.
//! * [`seeded`]: 310 runs of any fault at any moment, some with the agent killed. [`serial`]: the same over serial lines.
//! * [`swapped`]: two printers change places while the agent is down.
//! * [`cells`]: the faults and the moments. [`standing`]: where a ticket stands; [`heard`]: what its printer knows of it.

mod cells;
mod every_byte;
mod heard;
mod journal;
mod seeded;
mod serial;
mod standing;
mod swapped;

use anyhow::{Context, ensure};
use docket_tests::chain::shop::{PRINTED, now_s, push_order};
use docket_tests::chain::slips::{Slip, are_marked_rightly, on_paper};
use docket_tests::chain::{Agent, AgentOptions, Hub, HubOptions, PrinterAt, Shop, wait_for};
use docket_tests::lab::way::Way;
use docket_tests::platform::orders::{PlacedDish, PlacedOrder};
use docket_tests::virtual_printer::{PrinterOptions, VirtualPrinter};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Kitchen printers; with the one for front slips they are as many as an agent takes.
pub const STATIONS: usize = 31;
/// A note that gives a ticket the length of a usual one. Its last character is nowhere else.
const NOTE: &str = "少放辣多放香菜汤和面分开装餐具三份一次性手套两副到了请放在门口的架子上不要敲门孩子在睡觉\
                    如果缺货请换成别的面条或者打电话问我也可以直接退掉那一份其余的照做饮料都要常温的不加冰\
                    米饭换成馒头小菜多给一点葱花和蒜末另外装醋要多给两包谢谢老板生意兴隆到此为止";
const NOTE_END: char = '止';

/// A store whose kitchen has very many printers.
pub struct Kitchen {
    pub hub: Hub,
    pub agent: Agent,
    pub stations: Vec<Arc<VirtualPrinter>>,
    /// As the agent has them: the one for front slips, and then those of the stations.
    pub printers: Vec<PrinterAt>,
    _front: VirtualPrinter,
    _folder: TempDir,
}

/// What came of one ticket.
#[derive(Debug)]
pub struct Judged {
    pub repeats: u32,
    pub slips: usize,
    /// The last of them is on paper that was cut. A line that is lost between the fence and the cut leaves it to the
    /// next ticket.
    pub cut: bool,
}

/// Printers slow enough to be hit in the middle of a ticket, whose buffers hold less than one.
fn slow() -> PrinterOptions {
    PrinterOptions { speed_mm_per_s: 400, buffer_bytes: 512, ..PrinterOptions::default() }
}

/// Plays from a seed, `DOCKET_SEED` where that is set. A failure names it and shows the agent's log.
async fn from_seed(
    seed: u64,
    mut kitchen: Kitchen,
    play: impl AsyncFnOnce(&mut Kitchen, u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let seed = std::env::var("DOCKET_SEED").map_or(Ok(seed), |text| text.parse()).context("DOCKET_SEED")?;
    let result = play(&mut kitchen, seed).await;
    if result.is_err() {
        println!("the agent's log:\n{}", kitchen.agent.log_text());
    }
    result.with_context(|| format!("again with DOCKET_SEED={seed}"))
}

impl Kitchen {
    /// With printers of one kind on the network, and a live link.
    pub async fn open(printer: &PrinterOptions) -> anyhow::Result<Self> {
        Kitchen::with_ways(printer, &[Way::Tcp; STATIONS]).await
    }

    /// With a printer of one kind at the end of each of these ways, and a live link.
    pub async fn with_ways(printer: &PrinterOptions, ways: &[Way]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-faults-").tempdir()?;
        let front = VirtualPrinter::start(PrinterOptions::default())?;
        let mut printers = vec![PrinterAt::only(front.address())];
        let mut stations = Vec::new();
        let mut routing = String::new();
        for (place, way) in ways.iter().enumerate() {
            let (printer, address) = way.printer(&station(place), printer.clone(), folder.path())?;
            printers.push(PrinterAt {
                name: station(place),
                address,
                stations: vec![station(place)],
                default: false,
            });
            writeln!(
                routing,
                "[[routing.stations]]\nname = {:?}\ndishes = [{:?}]",
                station(place),
                dish(place)
            )?;
            stations.push(Arc::new(printer));
        }
        let hub =
            Hub::start(&folder.path().join("hub"), HubOptions { routing, ..HubOptions::default() }).await?;
        hub.add_store(Shop::STORE, "测试面馆")?;
        let options = AgentOptions { printers: printers.clone(), ..AgentOptions::default() };
        let mut agent = Agent::enrol(&folder.path().join("agent"), &hub, Shop::STORE, options)?;
        agent.start_linked(&hub).await?;
        Ok(Kitchen { hub, agent, stations, printers, _front: front, _folder: folder })
    }

    /// Places an order with a dish for each station.
    pub async fn push(&self, number: u64) -> anyhow::Result<PlacedOrder> {
        let dishes = (0..self.stations.len()).map(|place| PlacedDish {
            code: dish(place),
            name: format!("第{place}号菜"),
            spec: "大份".into(),
            choices: ["中辣", "不要香菜", "多葱", "少油", "加醋"].map(String::from).into(),
            quantity: 1,
            price_fen: 1_000,
            box_price_fen: 0,
        });
        let order = PlacedOrder {
            dishes: dishes.collect(),
            note: NOTE.into(),
            wanted_at_s: 0,
            self_pickup: false,
            ..PlacedOrder::generate(1, number, Shop::STORE, now_s())
        };
        push_order(&self.hub, &order).await?;
        Ok(order)
    }

    /// Waits until all of an order's tickets are printed, as far as the hub knows, and no printer has anything to do.
    pub async fn until_printed(&self, order: &PlacedOrder, patience: Duration) -> anyhow::Result<()> {
        let ledger = self.hub.ledger()?;
        let printed = format!(
            "SELECT count(*) FROM tickets JOIN orders ON orders.number = tickets.order_number
             WHERE orders.id = '{}' AND state = {PRINTED}",
            order.order_id
        );
        wait_for("every ticket to be printed", patience, || match ledger.number(&printed) {
            Ok(count) if count == self.stations.len() as i64 + 1 => Ok(()),
            Ok(_) => Err(self.open_tickets(order)),
            Err(error) => Err(error.to_string()),
        })
        .await?;
        for printer in &self.stations {
            let is_idle = printer.wait_until(patience, |status| status.bytes_waiting == 0);
            is_idle.await.map_err(anyhow::Error::msg)?;
        }
        Ok(())
    }

    fn open_tickets(&self, order: &PlacedOrder) -> String {
        let tickets = self.hub.ledger().and_then(|ledger| ledger.tickets()).unwrap_or_default();
        let open = tickets.iter().filter(|ticket| ticket.order == order.order_id && ticket.state != PRINTED);
        format!("{:?}", open.map(|ticket| (&ticket.station, ticket.state)).collect::<Vec<_>>())
    }

    /// Prints an order that nothing happens to, so that every slip before it is on a receipt that has ended.
    pub async fn finish(&self, number: u64, patience: Duration) -> anyhow::Result<()> {
        let order = self.push(number).await?;
        self.until_printed(&order, patience).await?;
        for printer in &self.stations {
            let is_cut = printer.wait_until(patience, |status| status.paper_so_far.is_empty());
            is_cut.await.map_err(anyhow::Error::msg)?;
        }
        self.judge(&order).map(drop)
    }

    /// Judges an order's tickets, each with what came of it, by station. After [`Kitchen::finish`].
    pub fn judge(&self, order: &PlacedOrder) -> anyhow::Result<Vec<Judged>> {
        let tickets = self.hub.ledger()?.tickets()?;
        let mut judged = Vec::new();
        for (place, printer) in self.stations.iter().enumerate() {
            let name = station(place);
            let mut slips = on_paper(printer);
            slips.retain(|slip| slip.pickup == Some(order.day_seq));
            let own: Vec<_> = tickets
                .iter()
                .filter(|ticket| ticket.order == order.order_id && ticket.station == name)
                .collect();
            let [ticket] = own.as_slice() else { anyhow::bail!("{name}: not one ticket: {own:?}") };
            let told = || format!("{name}: {ticket:?}\n{slips:#?}");
            let last = slips.last().with_context(|| format!("nothing on paper: {}", told()))?;
            ensure!(is_whole(last), "the last slip is not whole: {}", told());
            ensure!(are_marked_rightly(&slips), "补打 does not rise: {}", told());
            let repeats = last.repeat.unwrap_or(0);
            ensure!(ticket.repeats == i64::from(repeats), "paper and record differ: {}", told());
            ensure!(ticket.evidence.as_deref() == Some("fence"), "not by a fence: {}", told());
            judged.push(Judged { repeats, slips: slips.len(), cut: last.cut });
        }
        Ok(judged)
    }
}

fn is_whole(slip: &Slip) -> bool {
    slip.last_line.ends_with(NOTE_END)
}

/// The name of a station and of its printer.
pub fn station(place: usize) -> String {
    format!("k{place:02}")
}

fn dish(place: usize) -> String {
    format!("D{place:02}")
}
