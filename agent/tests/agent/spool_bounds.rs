//! The spool where it cannot store: what it still does, what it lets go, and what it says.

use crate::samples::{front, item, items, open, options, ticket, within};
use docket_agent::spool::{Claim, ClaimPort, Ending, Finish, Pending, Spool};
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::outcome::Evidence;
use tempfile::tempdir;

async fn claim(port: &mut ClaimPort) -> Claim {
    within("a claim", port.next()).await.expect("the spool is open")
}

async fn print(port: &ClaimPort, claim: &Claim) {
    let Claim { ticket, attempt, repeat, .. } = claim;
    let finish = Finish {
        ticket: ticket.id,
        attempt: *attempt,
        repeat: *repeat,
        ending: Ending::Printed(Evidence::Fence),
        began_at: UnixMs(1),
        ended_at: docket_agent::clock::now(),
    };
    port.finish(finish).await.unwrap();
}

/// Small, with `count` tickets for the front printer, and then as many for the kitchen as find room; with the delivery
/// that finds none.
async fn full(folder: &std::path::Path, count: u32) -> (Spool, Pending<Seq>) {
    let mut options = options("boot-1");
    options.bytes_max = 300 * 1_024;
    let spool = Spool::open(folder, options).unwrap();
    spool.receive(items(count)).await.unwrap();
    let mut counts = spool.counts();
    for number in count + 1.. {
        let mut receiving = spool.receive(vec![(Seq(u64::from(number)), item(&ticket(number, "kitchen")))]);
        tokio::select! {
            biased;
            stored = &mut receiving => drop(stored.unwrap()),
            full = counts.wait_for(|counts| counts.full) => {
                drop(full.unwrap());
                return (spool, receiving);
            }
        }
    }
    unreachable!("the spool has a bound");
}

#[tokio::test]
async fn what_is_stored_is_printed_while_a_delivery_waits_for_room() {
    const TICKETS: u32 = 20;
    let folder = tempdir().unwrap();
    let (spool, mut refused) = full(folder.path(), TICKETS).await;
    let mut port = spool.port(&front()).unwrap();
    port.want(10).unwrap();
    for number in 1..=TICKETS {
        let claim = claim(&mut port).await;
        assert_eq!(claim.ticket.id, ticket(number, "front").id);
        print(&port, &claim).await;
    }
    let mut counts = spool.counts();
    within("the outcomes", counts.wait_for(|counts| counts.printers[0].1 == 0)).await.unwrap();
    assert!(counts.borrow().full, "the delivery still waits");
    assert_eq!(spool.outbox_after(Seq(0), 99).await.unwrap().len() as u32, TICKETS);
    tokio::select! {
        biased;
        stored = &mut refused => panic!("{stored:?}"),
        () = std::future::ready(()) => {}
    }
}
