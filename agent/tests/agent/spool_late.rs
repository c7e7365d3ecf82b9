//! Tickets that come late: what they bear, when they wait for a person, and by whose clock.

use crate::samples::{claim, finish, front, item, options, reports, ticket, within};
use docket_agent::spool::{Claim, ClaimPort, Ending, LateRule, Lateness, Spool};
use docket_protocol::ids::{Seq, UnixMs};
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Evidence, Outcome};
use docket_protocol::ticket::Ticket;
use std::path::Path;
use tempfile::tempdir;

const MINUTE_MS: i64 = 60_000;
/// Far from any clock that a PC may have: 2049.
const HUB_NOW: UnixMs = UnixMs(2_500_000_000_000);
const RULE: LateRule = LateRule { mark_after_ms: Some(30 * 60_000), hold_after_ms: Some(240 * 60_000) };

/// A spool that has just heard the hub.
fn open(folder: &Path, boot: &str) -> Spool {
    let mut options = options(boot);
    options.late = RULE;
    Spool::open(folder, options).unwrap()
}

fn made(number: u32, minutes_ago: i64) -> Ticket {
    Ticket { made_at: UnixMs(HUB_NOW.0 - minutes_ago * MINUTE_MS), ..ticket(number, "front") }
}

async fn receive(spool: &Spool, tickets: &[Ticket]) {
    let first = spool.cursors().received_up_to.0 + 1;
    let items = tickets.iter().zip(first..).map(|(ticket, seq)| (Seq(seq), item(ticket)));
    spool.receive(items.collect()).await.unwrap();
}

async fn print_all(port: &mut ClaimPort, count: usize) -> Vec<Claim> {
    let mut claims = Vec::new();
    port.want(1).unwrap();
    for _ in 0..count {
        let claim = claim(port).await;
        port.finish(finish(&claim, Ending::Printed(Evidence::Fence))).await.unwrap();
        claims.push(claim);
    }
    claims
}

#[tokio::test]
async fn what_is_late_is_marked_and_what_is_too_late_waits_for_a_person() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path(), "boot-1");
    spool.hub_time(HUB_NOW).unwrap();
    receive(&spool, &[made(1, 0), made(2, 29), made(3, 31), made(4, 239), made(5, 241)]).await;
    let mut port = spool.port(&front()).unwrap();
    let claims = print_all(&mut port, 4).await;
    let shown: Vec<(String, u32)> =
        claims.iter().map(|claim| (claim.ticket.title.clone(), claim.late_min)).collect();
    let expected = [("#1", 0), ("#2", 0), ("#3", 31), ("#4", 239)];
    assert_eq!(shown, expected.map(|(title, late)| (format!("美团外卖 {title}"), late)), "in their order");
    spool.flush().await.unwrap();
    let held = spool.held(9).await.unwrap();
    assert_eq!(
        held.iter().map(|held| (held.ticket, held.doubt)).collect::<Vec<_>>(),
        [(made(5, 0).id, Some(Doubt::Expired))]
    );
    let last = reports(&spool).await.into_iter().find_map(|report| match report {
        Report::Ticket(report) if report.ticket == held[0].ticket => Some(report.outcome),
        _ => None,
    });
    assert_eq!(last, Some(Outcome::Held(Doubt::Expired)));

    assert!(spool.release(held[0].ticket).await.unwrap());
    let [released] = &print_all(&mut port, 1).await[..] else { panic!() };
    assert_eq!(
        (released.late_min, released.repeat),
        (241, 0),
        "a person lets it go: it bears how late it is"
    );
    spool.flush().await.unwrap();
    let recent = spool.recent(9).await.unwrap();
    let late: Vec<Option<Lateness>> = recent.iter().rev().map(|ticket| ticket.late).collect();
    let at_hub = |minutes| Some(Lateness { minutes, at_hub_minutes: minutes });
    assert_eq!(late, [None, None, at_hub(31), at_hub(239), at_hub(241)]);
    assert!(late[2].unwrap().words().0.contains("在总部等了 31 分钟"));
}

#[tokio::test]
async fn the_time_that_a_ticket_names_goes_before_the_rule() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path(), "boot-1");
    spool.hub_time(HUB_NOW).unwrap();
    let at = |minutes: i64| Some(UnixMs(HUB_NOW.0 + minutes * MINUTE_MS));
    let sooner = Ticket { expires_at: at(-1), ..made(1, 5) };
    let later = Ticket { expires_at: at(60), ..made(2, 1_000) };
    receive(&spool, &[sooner.clone(), later.clone()]).await;
    let mut port = spool.port(&front()).unwrap();
    let [printed] = &print_all(&mut port, 1).await[..] else { panic!() };
    assert_eq!((printed.ticket.id, printed.late_min), (later.id, 1_000));
    assert_eq!(spool.held(9).await.unwrap()[0].ticket, sooner.id);
}

#[tokio::test]
async fn what_waited_for_the_printer_says_so() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path(), "boot-1");
    spool.hub_time(HUB_NOW).unwrap();
    receive(&spool, &[made(1, 1)]).await;
    // An hour later, as the hub says.
    spool.hub_time(UnixMs(HUB_NOW.0 + 60 * MINUTE_MS)).unwrap();
    let mut port = spool.port(&front()).unwrap();
    assert_eq!(print_all(&mut port, 1).await[0].late_min, 61);
    spool.flush().await.unwrap();
    let late = spool.recent(1).await.unwrap()[0].late.unwrap();
    assert_eq!(late, Lateness { minutes: 61, at_hub_minutes: 1 });
    assert!(late.words().1.contains("waited for the printer"), "{late:?}");
}

/// The PC's clock is decades off, and nobody has to set it for that.
#[tokio::test]
async fn another_life_in_the_same_boot_knows_the_hubs_time_without_a_link() {
    for (boot, expected) in [("boot-1", 45), ("boot-2", 45)] {
        let folder = tempdir().unwrap();
        let spool = open(folder.path(), "boot-1");
        spool.hub_time(HUB_NOW).unwrap();
        receive(&spool, &[made(1, 45)]).await;
        spool.close().await;
        let spool = open(folder.path(), boot);
        let mut port = spool.port(&front()).unwrap();
        port.want(1).unwrap();
        let claim = within("a claim", port.next()).await.unwrap();
        assert_eq!(claim.late_min, expected, "{boot}");
    }
}

#[tokio::test]
async fn what_was_made_here_is_never_late() {
    let folder = tempdir().unwrap();
    let spool = open(folder.path(), "boot-1");
    let here = Ticket { made_at: UnixMs(1), ..ticket(7, "front") };
    spool.print_here(here, front()).await.unwrap();
    spool.hub_time(HUB_NOW).unwrap();
    let mut port = spool.port(&front()).unwrap();
    assert_eq!(print_all(&mut port, 1).await[0].late_min, 0);
}
