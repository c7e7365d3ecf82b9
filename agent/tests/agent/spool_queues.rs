//! The queues of a store: urgent tickets, backups, expiry, pauses, and what people ask for.

use crate::samples::{
    claim, copy, finish, front, item, items, journal, open, options, reports, ticket, within,
};
use docket_agent::spool::{
    Claim, ClaimPort, Ending, Reprint, Spool, SpoolError, SpoolOptions, TicketState, recent_in,
};
use docket_protocol::ids::{PrinterName, Seq, UnixMs};
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Evidence, Outcome, TicketReport};
use docket_protocol::ticket::Ticket;
use std::time::{Duration, Instant};
use tempfile::tempdir;

fn back() -> PrinterName {
    PrinterName::new("back")
}

/// `front` and `back` stand in for each other, after this time.
fn with_backups(after_ms: u64) -> SpoolOptions {
    let mut options = options("boot-1");
    options.backup_after_ms = after_ms;
    options.printers[0].backup = Some(back());
    options.printers[1].backup = Some(front());
    options
}

async fn receive(spool: &Spool, tickets: &[Ticket]) {
    let after = spool.cursors().received_up_to.0;
    let items = tickets.iter().zip(after + 1..).map(|(ticket, seq)| (Seq(seq), item(ticket)));
    spool.receive(items.collect()).await.unwrap();
}

async fn no_claim(spool: &Spool, port: &mut ClaimPort, why: &str) {
    spool.flush().await.unwrap();
    assert_eq!(port.try_next(), None, "{why}");
}

async fn end(port: &ClaimPort, claim: &Claim, ending: Ending) {
    port.finish(finish(claim, ending)).await.unwrap();
}

async fn print(port: &ClaimPort, claim: &Claim) {
    end(port, claim, Ending::Printed(Evidence::Fence)).await;
}

async fn told(spool: &Spool) -> Vec<TicketReport> {
    let told = reports(spool).await.into_iter().map(|report| match report {
        Report::Ticket(report) => report,
        other => panic!("{other:?}"),
    });
    told.collect()
}

fn urgent(number: u32, station: &str) -> Ticket {
    Ticket { urgent: true, ..ticket(number, station) }
}

fn expiring(number: u32, station: &str, in_ms: i64) -> Ticket {
    Ticket { expires_at: Some(UnixMs(docket_agent::clock::now().0 + in_ms)), ..ticket(number, station) }
}

#[tokio::test]
async fn urgent_tickets_come_first_and_each_kind_in_its_order() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let tickets = [ticket(1, "front"), urgent(2, "front"), ticket(3, "front"), urgent(4, "front")];
    receive(&spool, &tickets).await;
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    let first = claim(&mut port).await;
    assert_eq!(first.ticket.id, tickets[1].id);
    // In doubt it keeps its place among the urgent ones.
    end(&port, &first, Ending::Unknown(Doubt::ConnectionLost)).await;
    for expected in [1, 3, 0, 2] {
        let next = claim(&mut port).await;
        assert_eq!(next.ticket.id, tickets[expected].id);
        print(&port, &next).await;
    }
}

#[tokio::test]
async fn a_backup_takes_what_was_not_begun_and_says_for_whom() {
    let folder = tempdir().unwrap();
    let spool = Spool::open(folder.path(), with_backups(0)).unwrap();
    let [mut front_port, mut back_port] = [front(), back()].map(|name| spool.port(&name).unwrap());
    let (front_port, back_port) = (&mut front_port, &mut back_port);
    front_port.want(1).unwrap();
    let kitchen = [ticket(1, "kitchen"), urgent(2, "kitchen"), ticket(3, "kitchen")];
    receive(&spool, &kitchen).await;
    let taken = claim(front_port).await;
    assert_eq!((taken.ticket.id, &taken.backup_for), (kitchen[1].id, &Some(back())));
    receive(&spool, &[ticket(4, "front")]).await;
    assert_eq!(spool.counts().borrow().printers, [(front(), 2), (back(), 2)]);
    // Its printer is back: what the backup has not taken is its own again.
    back_port.want(1).unwrap();
    let home = claim(back_port).await;
    assert_eq!((home.ticket.id, &home.backup_for), (kitchen[0].id, &None));
    print(front_port, &taken).await;
    print(back_port, &home).await;
    let last = claim(back_port).await;
    assert_eq!((last.ticket.id, &last.backup_for), (kitchen[2].id, &None));
    print(back_port, &last).await;
    let mine = claim(front_port).await;
    assert_eq!((mine.ticket.id, &mine.backup_for), (ticket(4, "front").id, &None));
    print(front_port, &mine).await;
    spool.flush().await.unwrap();
    let places: Vec<_> = told(&spool).await.into_iter().map(|told| (told.printer, told.meant_for)).collect();
    let expected = [(front(), Some(back())), (back(), None), (back(), None), (front(), None)];
    assert_eq!(places, expected);
    let recent = spool.recent(9).await.unwrap();
    let taken = recent.iter().find(|recent| recent.id == kitchen[1].id).unwrap();
    assert_eq!((&taken.printer, &taken.taken_by), (&back(), &Some(front())));
}

#[tokio::test]
async fn a_backup_takes_over_by_itself_once_the_time_is_up() {
    const AFTER_MS: u64 = 120;
    let folder = tempdir().unwrap();
    let began = Instant::now();
    let spool = Spool::open(folder.path(), with_backups(AFTER_MS)).unwrap();
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    receive(&spool, &[ticket(1, "kitchen")]).await;
    assert_eq!(claim(&mut port).await.backup_for, Some(back()));
    assert!(began.elapsed() >= Duration::from_millis(AFTER_MS), "after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_backup_does_not_hurry_and_a_pause_is_no_fault() {
    let folder = tempdir().unwrap();
    let spool = Spool::open(folder.path(), with_backups(3_600_000)).unwrap();
    let mut port = spool.port(&front()).unwrap();
    port.want(9).unwrap();
    receive(&spool, &[ticket(1, "kitchen")]).await;
    no_claim(&spool, &mut port, "an hour has not passed").await;
    spool.close().await;

    let spool = Spool::open(folder.path(), with_backups(0)).unwrap();
    spool.set_paused(back(), true).await.unwrap();
    let mut port = spool.port(&front()).unwrap();
    port.want(9).unwrap();
    no_claim(&spool, &mut port, "a person has it wait").await;
    spool.set_paused(front(), true).await.unwrap();
    spool.set_paused(back(), false).await.unwrap();
    no_claim(&spool, &mut port, "the backup itself is paused").await;
    spool.set_paused(front(), false).await.unwrap();
    assert_eq!(claim(&mut port).await.backup_for, Some(back()));
}

#[tokio::test]
async fn two_printers_that_are_both_out_do_not_play_ball() {
    let folder = tempdir().unwrap();
    let spool = Spool::open(folder.path(), with_backups(0)).unwrap();
    let mut ports = [front(), back()].map(|name| spool.port(&name).unwrap());
    receive(&spool, &[ticket(1, "kitchen"), ticket(2, "front")]).await;
    for round in 0..20 {
        let port = &mut ports[round % 2];
        port.want(2).unwrap();
        let mut claims = [claim(port).await, claim(port).await];
        claims.sort_by_key(|claim| claim.backup_for.is_some());
        let other = if round % 2 == 0 { back() } else { front() };
        assert_eq!([&claims[0].backup_for, &claims[1].backup_for], [&None, &Some(other)], "round {round}");
        assert!(claims.iter().all(|claim| (claim.attempt, claim.repeat) == (1, 0)));
        port.want(0).unwrap();
        port.hand_back(claims.iter().map(|claim| claim.ticket.id).collect()).await.unwrap();
    }
    assert_eq!(spool.counts().borrow().waiting, 2);
}

#[tokio::test]
async fn doubt_reaches_the_backup_only_marked_and_a_crash_asks_the_journal_of_who_had_it() {
    let folder = tempdir().unwrap();
    let spool = Spool::open(folder.path(), with_backups(0)).unwrap();
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    receive(&spool, &[ticket(1, "kitchen")]).await;
    let taken = claim(&mut port).await;
    let mut journal = journal(folder.path(), &front());
    journal.began(taken.ticket.id, taken.attempt, UnixMs(10)).unwrap();
    let folder = copy(folder.path());

    let spool = Spool::open(folder.path(), with_backups(0)).unwrap();
    let mut port = spool.port(&front()).unwrap();
    // The backup had it, so the backup is asked, and does not know.
    let home = spool.port(&back()).unwrap();
    assert_eq!(home.in_question(taken.ticket.id, taken.attempt).await.unwrap(), None);
    assert_eq!(port.in_question(taken.ticket.id, taken.attempt).await.unwrap(), Some(0));
    end(&port, &taken, Ending::Unknown(Doubt::AgentEnded)).await;
    spool.flush().await.unwrap();
    let unknown = told(&spool).await.pop().unwrap();
    assert_eq!(unknown.outcome, Outcome::Unknown(Doubt::AgentEnded));
    assert_eq!((unknown.printer, unknown.meant_for), (front(), Some(back())));
    port.want(1).unwrap();
    let again = claim(&mut port).await;
    assert_eq!((again.attempt, again.repeat, again.backup_for.clone()), (2, 1, Some(back())));
    // Not begun this time: its own printer gets it as if the backup had never had it, still marked.
    let folder = copy(folder.path());
    let spool = Spool::open(folder.path(), with_backups(0)).unwrap();
    let mut port = spool.port(&back()).unwrap();
    port.want(1).unwrap();
    let home = claim(&mut port).await;
    assert_eq!((home.attempt, home.repeat, home.backup_for), (2, 1, None));
}

#[tokio::test]
async fn what_was_not_begun_in_time_waits_for_a_person_unmarked() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut counts = spool.counts();
    let tickets = [expiring(1, "front", 60), ticket(2, "front"), expiring(3, "front", 3_600_000)];
    receive(&spool, &tickets).await;
    // Nobody does anything: its printer is out.
    within("the expiry", counts.wait_for(|counts| counts.held == 1)).await.unwrap();
    assert_eq!(counts.borrow().waiting, 2);
    let held = spool.held(9).await.unwrap();
    assert_eq!((held[0].ticket, held[0].doubt, held[0].attempts), (tickets[0].id, Some(Doubt::Expired), 0));
    let told = told(&spool).await;
    assert_eq!((told[0].outcome, told[0].attempt, told[0].repeat), (Outcome::Held(Doubt::Expired), 1, 0));
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    let next = claim(&mut port).await;
    assert_eq!(next.ticket.id, tickets[1].id);
    assert!(spool.release(tickets[0].id).await.unwrap());
    port.hand_back(vec![next.ticket.id]).await.unwrap();
    // A person wants it: it does not expire again, and nothing of it was ever printed.
    let released = claim(&mut port).await;
    assert_eq!((released.ticket.id, released.attempt, released.repeat), (tickets[0].id, 1, 0));
}

#[tokio::test]
async fn a_ticket_expires_by_the_hubs_clock_whatever_the_pcs_says() {
    const HOURS_MS: i64 = 3_600_000;
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    let hub_after = |hours: i64| UnixMs(docket_agent::clock::now().0 + hours * HOURS_MS);
    // The PC is eight hours ahead: for it, a ticket of two hours has long expired.
    spool.hub_time(hub_after(-8)).unwrap();
    receive(&spool, &[expiring(1, "front", -6 * HOURS_MS)]).await;
    port.want(1).unwrap();
    let fresh = claim(&mut port).await;
    port.want(0).unwrap();
    port.hand_back(vec![fresh.ticket.id]).await.unwrap();
    spool.close().await;
    // Without a link it goes by the difference that was seen last.
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    assert_eq!(claim(&mut port).await.ticket.id, fresh.ticket.id);
    // And one that is behind does not keep what is of no more use.
    spool.hub_time(hub_after(8)).unwrap();
    receive(&spool, &[expiring(2, "front", 6 * HOURS_MS)]).await;
    let mut counts = spool.counts();
    within("the expiry", counts.wait_for(|counts| counts.held == 1)).await.unwrap();
}

#[tokio::test]
async fn what_a_printer_has_in_hand_expires_when_it_comes_back_unbegun() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    // One that nobody has in hand expires with it, and shows that the time has come.
    let tickets = [expiring(1, "front", 1_000), expiring(2, "kitchen", 1_001)];
    receive(&spool, &tickets).await;
    let taken = claim(&mut port).await;
    let mut counts = spool.counts();
    within("the other's expiry", counts.wait_for(|counts| counts.held > 0)).await.unwrap();
    spool.flush().await.unwrap();
    assert_eq!(spool.counts().borrow().held, 1, "what is in hand may be on paper");
    assert_eq!(spool.held(9).await.unwrap()[0].ticket, tickets[1].id);
    port.hand_back(vec![taken.ticket.id]).await.unwrap();
    within("the expiry", counts.wait_for(|counts| counts.held == 2)).await.unwrap();
    assert_eq!(port.try_next(), None);
}

#[tokio::test]
async fn many_expire_at_once() {
    const TICKETS: u32 = 1_000;
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let tickets: Vec<Ticket> = (1..=TICKETS).map(|number| expiring(number, "front", -1)).collect();
    let mut port = spool.port(&front()).unwrap();
    port.want(9).unwrap();
    receive(&spool, &tickets).await;
    let mut counts = spool.counts();
    within("the expiry", counts.wait_for(|counts| counts.held == TICKETS)).await.unwrap();
    assert_eq!(port.try_next(), None);
    assert_eq!(told(&spool).await.len(), TICKETS as usize);
}

#[tokio::test]
async fn a_paused_printer_begins_nothing_after_a_restart_either() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(9).unwrap();
    spool.set_paused(front(), true).await.unwrap();
    let since = spool.counts().borrow().paused_since(&front()).unwrap();
    receive(&spool, &[ticket(1, "front"), urgent(2, "front")]).await;
    no_claim(&spool, &mut port, "paused").await;
    spool.set_paused(front(), true).await.unwrap();
    let spool = open(copy(folder.path()).path());
    assert_eq!(spool.counts().borrow().paused, [(front(), since)], "it is paused since the first time");
    let mut port = spool.port(&front()).unwrap();
    port.want(9).unwrap();
    no_claim(&spool, &mut port, "paused, in the next life, too").await;
    spool.set_paused(front(), false).await.unwrap();
    assert_eq!(claim(&mut port).await.ticket.id, urgent(2, "front").id);
    assert!(spool.counts().borrow().paused.is_empty());
    let nowhere = PrinterName::new("nowhere");
    let refused = spool.set_paused(nowhere.clone(), true).await;
    assert!(matches!(refused, Err(SpoolError::UnknownPrinter { printer }) if printer == nowhere));
}

#[tokio::test]
async fn a_reprint_is_marked_and_told_as_a_further_attempt() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    receive(&spool, &[ticket(1, "front")]).await;
    let id = ticket(1, "front").id;
    assert_eq!(spool.reprint(ticket(9, "front").id, None).await.unwrap(), Reprint::Unknown);
    let first = claim(&mut port).await;
    assert_eq!(spool.reprint(id, None).await.unwrap(), Reprint::Waiting);
    print(&port, &first).await;
    for n in 1..=5 {
        assert_eq!(spool.reprint(id, None).await.unwrap(), Reprint::Queued);
        let again = claim(&mut port).await;
        assert_eq!((again.ticket.id, again.attempt, again.repeat), (id, n + 1, n));
        print(&port, &again).await;
    }
    // On the other printer, where it stays: another life and its mapping do not move it.
    assert_eq!(spool.reprint(id, Some(back())).await.unwrap(), Reprint::Queued);
    let spool = open(copy(folder.path()).path());
    let mut port = spool.port(&back()).unwrap();
    port.want(1).unwrap();
    let moved = claim(&mut port).await;
    assert_eq!((moved.ticket.id, moved.attempt, moved.repeat, moved.backup_for.clone()), (id, 7, 6, None));
    print(&port, &moved).await;
    let told: Vec<_> =
        told(&spool).await.into_iter().map(|told| (told.printer, told.attempt, told.repeat)).collect();
    let mut expected: Vec<_> = (0..6).map(|n| (front(), n + 1, n)).collect();
    expected.push((back(), 7, 6));
    assert_eq!(told, expected);
    assert!(matches!(
        spool.reprint(id, Some(PrinterName::new("nowhere"))).await,
        Err(SpoolError::UnknownPrinter { .. })
    ));
}

#[tokio::test]
async fn what_waits_can_be_sent_elsewhere_without_a_mark_and_stays_there() {
    let folder = tempdir().unwrap();
    let spool = Spool::open(folder.path(), with_backups(0)).unwrap();
    receive(&spool, &[ticket(1, "kitchen"), ticket(2, "kitchen")]).await;
    let id = ticket(1, "kitchen").id;
    assert_eq!(spool.reprint(id, Some(back())).await.unwrap(), Reprint::Waiting, "it is there already");
    assert_eq!(spool.reprint(id, Some(front())).await.unwrap(), Reprint::Moved);
    assert_eq!(spool.counts().borrow().printers, [(front(), 1), (back(), 1)]);
    let mut back_port = spool.port(&back()).unwrap();
    back_port.want(9).unwrap();
    assert_eq!(claim(&mut back_port).await.ticket.id, ticket(2, "kitchen").id);
    no_claim(&spool, &mut back_port, "a person sent it to the other one, which is out").await;
    let mut front_port = spool.port(&front()).unwrap();
    front_port.want(9).unwrap();
    let moved = claim(&mut front_port).await;
    assert_eq!((moved.ticket.id, moved.attempt, moved.repeat, moved.backup_for), (id, 1, 0, None));
}

#[tokio::test]
async fn a_test_page_comes_out_of_the_printer_that_it_tests() {
    let folder = tempdir().unwrap();
    let spool = Spool::open(folder.path(), with_backups(0)).unwrap();
    let mut front_port = spool.port(&front()).unwrap();
    front_port.want(9).unwrap();
    let page = ticket(7, "front");
    spool.print_here(page.clone(), back()).await.unwrap();
    spool.print_here(page.clone(), back()).await.unwrap();
    no_claim(&spool, &mut front_port, "it is no test of the backup").await;
    assert_eq!(spool.counts().borrow().printers, [(front(), 0), (back(), 1)]);
    let mut back_port = spool.port(&back()).unwrap();
    back_port.want(9).unwrap();
    assert_eq!(claim(&mut back_port).await.ticket, page);
    assert_eq!(spool.cursors().received_up_to, Seq(0), "the hub's sequence does not know it");
    let nowhere = spool.print_here(page, PrinterName::new("nowhere")).await;
    assert!(matches!(nowhere, Err(SpoolError::UnknownPrinter { .. })));
}

#[tokio::test]
async fn people_see_the_newest_tickets_with_or_without_an_agent() {
    let folder = tempdir().unwrap();
    assert!(matches!(recent_in(folder.path(), 9), Err(SpoolError::NoSpool { .. })));
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(1).unwrap();
    receive(&spool, &[ticket(1, "front"), ticket(2, "front"), urgent(3, "kitchen")]).await;
    let first = claim(&mut port).await;
    print(&port, &first).await;
    claim(&mut port).await;
    spool.flush().await.unwrap();
    let recent = spool.recent(9).await.unwrap();
    assert_eq!(recent_in(folder.path(), 9).unwrap(), recent, "beside a running agent");
    let states: Vec<_> = recent.iter().map(|recent| (recent.title.as_str(), recent.state)).collect();
    let expected = [
        ("美团外卖 #3", TicketState::Waiting),
        ("美团外卖 #2", TicketState::Printing),
        ("美团外卖 #1", TicketState::Printed),
    ];
    assert_eq!(states, expected);
    assert_eq!((recent[0].urgent, &recent[0].printer), (true, &back()));
    assert_eq!((recent[2].evidence, recent[2].began_at), (Some(Evidence::Fence), Some(UnixMs(10))));
    assert_eq!(recent[2].kind, Some(ticket(1, "front").kind));
    assert_eq!(spool.recent(1).await.unwrap(), recent[..1]);
    assert_eq!(spool.ticket(first.ticket.id).await.unwrap(), Some(first.ticket));
    assert_eq!(spool.ticket(ticket(9, "front").id).await.unwrap(), None);
    spool.close().await;
    assert_eq!(recent_in(folder.path(), 9).unwrap().len(), 3, "after it");
}

#[tokio::test]
async fn a_ticket_that_comes_again_is_told_again() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(3).unwrap();
    receive(&spool, &[ticket(1, "front"), ticket(2, "front"), ticket(3, "front")]).await;
    let printed = claim(&mut port).await;
    let doubted = claim(&mut port).await;
    claim(&mut port).await;
    port.want(0).unwrap();
    print(&port, &printed).await;
    end(&port, &doubted, Ending::Unknown(Doubt::PrinterSilent)).await;
    let before = told(&spool).await;
    assert_eq!(before.len(), 2);
    spool.acknowledged(Seq(2)).unwrap();
    // The hub is an older copy and sends them again.
    receive(&spool, &[ticket(2, "front"), ticket(3, "front"), ticket(1, "front")]).await;
    spool.flush().await.unwrap();
    assert_eq!(told(&spool).await, [before[1].clone(), before[0].clone()]);
    assert_eq!(spool.counts().borrow().waiting, 2, "nothing is printed for it");
}

#[tokio::test]
async fn a_hub_that_forgot_reports_is_told_them_again() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    let mut port = spool.port(&front()).unwrap();
    port.want(9).unwrap();
    spool.receive(items(4)).await.unwrap();
    for _ in 0..4 {
        let next = claim(&mut port).await;
        print(&port, &next).await;
    }
    spool.flush().await.unwrap();
    let before = told(&spool).await;
    spool.acknowledged(Seq(3)).unwrap();
    // It came back from a copy that has the first one only; the fourth is still on its way.
    assert_eq!(spool.renumber_after(Seq(1)).await.unwrap(), Seq(4));
    let again = told(&spool).await;
    assert_eq!(again, [before[3].clone(), before[1].clone(), before[2].clone()]);
    let places: Vec<u64> =
        spool.outbox_after(Seq(0), 9).await.unwrap().iter().map(|(place, _)| place.0).collect();
    assert_eq!(places, [2, 3, 4]);
    // And once more, from a copy that has nothing; all were acknowledged, and another life is asked.
    spool.acknowledged(Seq(4)).unwrap();
    spool.close().await;
    let spool = open(folder.path());
    assert_eq!(spool.renumber_after(Seq(4)).await.unwrap(), Seq(4));
    assert_eq!(told(&spool).await, [], "nothing is missing");
    assert_eq!(spool.renumber_after(Seq(0)).await.unwrap(), Seq(4));
    assert_eq!(told(&spool).await, [before[0].clone(), again[0].clone(), again[1].clone(), again[2].clone()]);
}

#[tokio::test]
async fn a_printer_that_left_the_configuration_leaves_its_tickets_to_others() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path());
    receive(&spool, &[ticket(1, "kitchen")]).await;
    spool.print_here(ticket(2, "front"), back()).await.unwrap();
    spool.close().await;
    let mut options = options("boot-1");
    options.printers.truncate(1);
    let spool = Spool::open(folder.path(), options).unwrap();
    let mut port = spool.port(&front()).unwrap();
    port.want(2).unwrap();
    let taken = [claim(&mut port).await, claim(&mut port).await];
    assert_eq!(taken.map(|claim| claim.ticket.id), [ticket(1, "kitchen").id, ticket(2, "front").id]);
}
