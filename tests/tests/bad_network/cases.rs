//! What is wrong, and how it is played.

use super::clock::{self, Clock};
use super::{ORDERS, push_all, settle, settle_soon};
use anyhow::ensure;
use docket_tests::network::catalogue::{self, Change};
use docket_tests::network::{Branch, Conditions, Cut, Road, Way};
use docket_tests::platform::orders::PlacedOrder;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// Longer than hub and agent wait for a sign of life (45 s).
const SLEEP: Duration = Duration::from_secs(47);

/// A network, and what happens there.
pub struct Case {
    pub name: &'static str,
    pub trouble: Trouble,
    /// How the agent reaches the hub.
    pub road: Road,
    /// The agent's.
    pub environment: Vec<(OsString, OsString)>,
}

pub enum Trouble {
    /// This is wrong all the time.
    Poor(Way),
    /// This is wrong for so long.
    Away(Conditions, Duration),
    /// The PC's cable is out for so long.
    Unplugged(Duration),
    /// The agent stands still for so long, as on a PC that sleeps.
    Asleep(Duration),
    /// This happens while the network is quiet.
    Changes(Change),
    /// No UDP gets through from now on.
    NoUdp,
    /// The PC's clock jumps.
    Jumps(Clock),
}

pub fn cases() -> Vec<Case> {
    let case = |name, trouble| Case { name, trouble, road: Road::Quic, environment: Vec::new() };
    let cut = |cut| Way { cut, ..Way::default() };
    let (all, udp) = (cut(Cut::All), cut(Cut::Udp));
    let over = |road, case| Case { road, ..case };
    let away = |name, conditions, s| case(name, Trouble::Away(conditions, Duration::from_secs(s)));
    let clock = Clock::new();
    let environment = clock.environment();
    let mut cases: Vec<Case> =
        catalogue::poor().into_iter().map(|poor| case(poor.name, Trouble::Poor(poor.way))).collect();
    cases.extend([
        away("nothing goes through for 5 s", Conditions::both(all), 5),
        away("nothing goes through for 30 s", Conditions::both(all), 30),
        away("no UDP goes through for 20 s", Conditions::both(udp), 20),
        away("nothing goes up for 20 s", Conditions { up: all, ..Conditions::default() }, 20),
        away("nothing comes down for 20 s", Conditions { down: all, ..Conditions::default() }, 20),
        case("the cable is out for 15 s", Trouble::Unplugged(Duration::from_secs(15))),
        case("the PC sleeps", Trouble::Asleep(SLEEP)),
        case("the PC gets another address", Trouble::Changes(Change::PcAddress)),
        case("the router gets another address", Trouble::Changes(Change::RouterAddress)),
        case("the router forgets its ports", Trouble::Changes(Change::RouterPorts)),
        Case { name: "the PC's clock jumps", trouble: Trouble::Jumps(clock), road: Road::Quic, environment },
        over(Road::Both, case("UDP is blocked", Trouble::NoUdp)),
        over(Road::Tcp, away("nothing goes through TCP for 30 s", Conditions::both(all), 30)),
        over(
            Road::Tcp,
            away("nothing comes down TCP for 20 s", Conditions { down: all, ..Conditions::default() }, 20),
        ),
        over(Road::Tcp, case("the PC gets another address, over TCP", Trouble::Changes(Change::PcAddress))),
        over(
            Road::Tcp,
            case("the router forgets its ports, over TCP", Trouble::Changes(Change::RouterPorts)),
        ),
    ]);
    let by_tcp = ["loss_30", "delay_500", "rate_64k"];
    let poor = catalogue::poor().into_iter().filter(|poor| by_tcp.contains(&poor.key));
    cases.extend(poor.map(|poor| over(Road::Tcp, case(poor.name, Trouble::Poor(poor.way)))));
    cases
}

impl Trouble {
    /// Plays it; `orders` are printed already.
    pub async fn play(
        &self,
        name: &str,
        branch: &mut Branch,
        mut orders: Vec<PlacedOrder>,
    ) -> anyhow::Result<()> {
        match self {
            Trouble::Poor(way) => return poor(*way, branch, orders).await,
            Trouble::Jumps(clock) => return clock::jumps(clock, name, branch, orders).await,
            Trouble::Away(conditions, lasts) => {
                let before = branch.shop.printer.receipt_count();
                branch.network.set(*conditions);
                orders.extend(push_all(branch, 2..ORDERS).await?);
                // What is waited for is the time itself.
                tokio::time::sleep(*lasts).await;
                let is_open = conditions.down == Way::default();
                let printed = branch.shop.printer.receipt_count();
                ensure!(is_open || printed == before, "{printed} slips although nothing goes through");
                branch.network.mend();
            }
            Trouble::Unplugged(lasts) => {
                branch.network.plug_in(false)?;
                orders.extend(push_all(branch, 2..ORDERS).await?);
                tokio::time::sleep(*lasts).await;
                branch.network.plug_in(true)?;
            }
            Trouble::Asleep(lasts) => {
                branch.shop.agent.process()?.freeze()?;
                orders.extend(push_all(branch, 2..ORDERS).await?);
                tokio::time::sleep(*lasts).await;
                branch.shop.agent.process()?.thaw()?;
            }
            Trouble::NoUdp => {
                branch.network.block_udp();
                orders.extend(push_all(branch, 2..ORDERS).await?);
            }
            Trouble::Changes(change) => {
                change.make(&mut branch.network)?;
                orders.extend(push_all(branch, 2..ORDERS).await?);
            }
        }
        settle_soon(branch, name, Instant::now(), &orders).await
    }
}

/// The link holds, and a new one can be made.
async fn poor(way: Way, branch: &mut Branch, mut orders: Vec<PlacedOrder>) -> anyhow::Result<()> {
    branch.network.set(Conditions::both(way));
    orders.extend(push_all(branch, 2..ORDERS / 2).await?);
    branch.shop.until_printed(&orders).await?;
    branch.shop.agent.process()?.kill();
    orders.extend(push_all(branch, ORDERS / 2..ORDERS).await?);
    branch.start_agent().await?;
    settle(branch, &orders).await?;
    let (up, down) = branch.network.counts();
    let is_lossy = way.loss > 0.0 || way.bursts.is_some();
    ensure!(!is_lossy || up.lost + down.lost > 0, "nothing was lost: {up:?}, {down:?}");
    ensure!(way.duplicate == 0.0 || up.doubled + down.doubled > 0, "nothing came twice: {up:?}, {down:?}");
    Ok(())
}
