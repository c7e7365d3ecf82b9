//! The steps of an order's way at which a process is killed.

use super::platform::Platform;
use super::{BUFFER_BYTES, Chain};
use docket_tests::chain::Ledger;
use docket_tests::platform::orders::Chance;
use docket_tests::virtual_printer::{Fault, Paper, Status, VirtualPrinter};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a step is waited for; then the kill happens all the same, and counts as one that missed its step. An idle
/// agent takes up to 15 s to notice that the hub has been restarted, and that is not what this test waits for.
const STEP_MAX: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Bytes of a ticket after which it is in its middle. Even the shortest ticket has twice as many.
const MIDDLE_BYTES_MAX: usize = 400;
/// The longest random delay.
const RANDOM_MS_MAX: usize = 400;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// `docket-hub`.
    Hub,
    /// `docket-agent`.
    Agent,
}

/// When it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Hub: the last byte of a push was written to it; most likely it has not stored it yet.
    PushWritten,
    /// Hub: the order is in its database; most likely the reply is not out yet.
    OrderStored,
    /// Hub: the platform has the reply.
    Replied,
    /// Hub: it has stored the agent's acknowledgement.
    AcknowledgementStored,
    /// Hub: it has stored that a ticket was printed.
    OutcomeStored,
    /// Hub: at any moment.
    HubAtRandom,
    /// Agent: the order is in the hub's database, and so not in the spool yet.
    TicketMade,
    /// Agent: the ticket is in the spool's database; most likely no byte is out yet.
    TicketSpooled,
    /// Agent: the printer has the first bytes of a ticket.
    FirstByte,
    /// Agent: in mid-ticket; the operating system still delivers what it has taken.
    MidTicket,
    /// Agent: in mid-ticket, and the line goes with it, so that the rest never comes.
    LineTorn,
    /// Agent: the printer has all bytes and does not answer the fence, because the paper is out.
    FenceHeld,
    /// Agent: the printer has answered the fence; most likely the spool does not know yet.
    FenceAnswered,
    /// Agent: at any moment.
    AgentAtRandom,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 14] = [
        Step::PushWritten,
        Step::OrderStored,
        Step::Replied,
        Step::AcknowledgementStored,
        Step::OutcomeStored,
        Step::HubAtRandom,
        Step::TicketMade,
        Step::TicketSpooled,
        Step::FirstByte,
        Step::MidTicket,
        Step::LineTorn,
        Step::FenceHeld,
        Step::FenceAnswered,
        Step::AgentAtRandom,
    ];

    /// Who is killed at it.
    pub fn victim(self) -> Victim {
        match self {
            Step::PushWritten
            | Step::OrderStored
            | Step::Replied
            | Step::AcknowledgementStored
            | Step::OutcomeStored
            | Step::HubAtRandom => Victim::Hub,
            Step::TicketMade
            | Step::TicketSpooled
            | Step::FirstByte
            | Step::MidTicket
            | Step::LineTorn
            | Step::FenceHeld
            | Step::FenceAnswered
            | Step::AgentAtRandom => Victim::Agent,
        }
    }
}

/// Waits until the step is reached, by whichever order comes to it next; `false` where none does in time.
pub async fn reach(step: Step, chain: &Chain, platform: &Platform, chance: &mut Chance) -> bool {
    let hub =
        |sql: &'static str| move || Ledger::open(chain.hub.data()).and_then(|ledger| ledger.number(sql)).ok();
    let either = if chance.one_in(2) { &chain.front } else { &chain.kitchen };
    match step {
        Step::PushWritten => until_counted(platform.written()).await,
        Step::Replied => until_counted(platform.replied()).await,
        Step::OrderStored | Step::TicketMade => until_more(hub("SELECT count(*) FROM orders")).await,
        Step::AcknowledgementStored => {
            until_more(hub("SELECT count(*) FROM tickets WHERE spooled_at IS NOT NULL")).await
        }
        Step::OutcomeStored => until_more(hub("SELECT count(*) FROM tickets WHERE state = 5")).await,
        Step::TicketSpooled => until_more(|| tickets_in_spool(chain.agent.data())).await,
        Step::FirstByte => begun(either).await.is_some(),
        Step::MidTicket | Step::LineTorn => middle(&chain.front, chance).await,
        Step::FenceHeld => hold_fence(&chain.front).await,
        Step::FenceAnswered => {
            let answered = either.status().fences_answered;
            either.wait_until(STEP_MAX, |status| status.fences_answered > answered).await.is_ok()
        }
        Step::HubAtRandom | Step::AgentAtRandom => {
            tokio::time::sleep(Duration::from_millis(chance.below(RANDOM_MS_MAX) as u64)).await;
            true
        }
    }
}

async fn until_counted(mut count: watch::Receiver<u64>) -> bool {
    count.mark_unchanged();
    matches!(tokio::time::timeout(STEP_MAX, count.changed()).await, Ok(Ok(())))
}

/// Each look opens the database anew: a reader that stays would spare a killed process the recovery of its log.
async fn until_more(look: impl Fn() -> Option<i64>) -> bool {
    let deadline = Instant::now() + STEP_MAX;
    let mut before = None;
    while Instant::now() < deadline {
        match (before, look()) {
            (None, now) => before = now,
            (Some(before), Some(now)) if now > before => return true,
            (Some(_), _) => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    false
}

fn tickets_in_spool(data: &Path) -> Option<i64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let spool = Connection::open_with_flags(data.join("spool.db"), flags).ok()?;
    spool.query_row("SELECT count(*) FROM tickets", [], |row| row.get(0)).ok()
}

/// Waits for the next ticket's first line, and tells how things are then.
async fn begun(printer: &VirtualPrinter) -> Option<Status> {
    let lines = printer.status().lines_printed;
    let in_print = |status: &Status| status.lines_printed > lines && !status.paper_so_far.is_empty();
    printer.wait_until(STEP_MAX, in_print).await.ok()?;
    Some(printer.status())
}

/// Waits for the middle of the next ticket.
async fn middle(printer: &VirtualPrinter, chance: &mut Chance) -> bool {
    let Some(begun) = begun(printer).await else { return false };
    let bytes = begun.bytes_received + chance.below(MIDDLE_BYTES_MAX) as u64;
    if printer.wait_until(STEP_MAX, |status| status.bytes_received >= bytes).await.is_err() {
        return false;
    }
    is_unconfirmed(&begun, &printer.status())
}

/// Waits until the next ticket is nearly printed, takes the paper away, and waits until the printer has the rest.
async fn hold_fence(printer: &VirtualPrinter) -> bool {
    let Some(begun) = begun(printer).await else { return false };
    // What follows the sums fits the buffer.
    if printer.wait_until(STEP_MAX, |status| status.paper_so_far.contains("合计")).await.is_err() {
        return false;
    }
    printer.set(Fault::PaperOut);
    let has_all = |status: &Status| {
        let waits = 0 < status.bytes_waiting && status.bytes_waiting < BUFFER_BYTES;
        status.conditions.paper == Paper::Out && waits
    };
    printer.wait_until(STEP_MAX, has_all).await.is_ok() && is_unconfirmed(&begun, &printer.status())
}

/// Whether the ticket that had begun is still the one in print, without an answer to its fence.
fn is_unconfirmed(begun: &Status, now: &Status) -> bool {
    now.fences_answered == begun.fences_answered
}
