//! A printer's task at a serial port, with a printer that the test plays itself.

use crate::far_end::Socket;
use crate::printer_task::{CLEAN, Stage, Unit, contains, states};
use crate::samples::{copy, items, within};
use docket_agent::printing::Address;
use docket_protocol::outcome::{Doubt, Evidence, Outcome};
use docket_protocol::printer::Condition;
use tempfile::{TempDir, tempdir};

fn stage() -> Stage<Socket> {
    stage_in(tempdir().unwrap())
}

fn stage_in(folder: TempDir) -> Stage<Socket> {
    let socket = Socket::new(folder.path());
    let path = socket.path().display();
    let address: Address = format!("serial:{path}?baud=115200&flow=xon").parse().unwrap();
    Stage::at(socket, address, folder)
}

impl Stage<Socket> {
    /// A printer is plugged in and answers.
    async fn unit(&self) -> Unit {
        let (end, _device) = self.place.plug_in().split();
        let mut unit = Unit::new(end);
        unit.answer(CLEAN).await;
        unit
    }
}

#[tokio::test]
async fn a_ticket_is_printed_with_its_fences() {
    let mut stage = stage();
    let mut unit = stage.unit().await;
    stage.health("heard", |health| health.heard_at.is_some() && health.prints()).await;
    stage.spool.receive(items(2)).await.unwrap();
    for text in ["No.1", "No.2"] {
        let (body, fences) = unit.ticket_or_answer().await;
        assert!(contains(&body, text));
        unit.say(&fences.concat()).await;
    }
    assert_eq!(stage.outcomes(2).await, [(Outcome::Printed(Evidence::Fence), 0); 2]);
}

#[tokio::test]
async fn unplugged_in_mid_ticket_it_comes_again_marked_when_it_is_back() {
    let mut stage = stage();
    let mut unit = stage.unit().await;
    stage.spool.receive(items(2)).await.unwrap();
    let (body, _) = unit.ticket_or_answer().await;
    assert!(contains(&body, "No.1"));
    drop(unit);
    let is_gone = |condition| condition == Condition::Unreachable;
    stage.health("unplugged", |health| health.conditions.iter().any(|since| is_gone(since.condition))).await;
    let mut unit = stage.unit().await;
    for (mark, text) in [(true, "No.1"), (false, "No.2")] {
        let (body, fences) = unit.ticket_or_answer().await;
        assert!(contains(&body, text));
        assert_eq!(contains(&body, "【补打 1】"), mark);
        unit.say(&fences.concat()).await;
    }
    let printed = Outcome::Printed(Evidence::Fence);
    let unknown = Outcome::Unknown(Doubt::ConnectionLost);
    assert_eq!(stage.outcomes(3).await, [(unknown, 0), (printed, 1), (printed, 0)]);
}

#[tokio::test]
async fn unplugged_before_a_ticket_it_comes_once_and_unmarked() {
    let stage = stage();
    let unit = stage.unit().await;
    drop(unit);
    stage.spool.receive(items(1)).await.unwrap();
    let mut unit = stage.unit().await;
    let (body, fences) = unit.ticket_or_answer().await;
    assert!(contains(&body, "No.1") && !contains(&body, "补打"));
    unit.say(&fences.concat()).await;
    assert_eq!(stage.outcomes(1).await, [(Outcome::Printed(Evidence::Fence), 0)]);
}

#[tokio::test]
async fn killed_in_mid_ticket_it_asks_a_printer_that_can_be_reached_only_after_a_while() {
    let stage = stage();
    let mut unit = stage.unit().await;
    stage.spool.receive(items(1)).await.unwrap();
    let (_, fences) = unit.ticket_or_answer().await;
    std::fs::remove_file(stage.place.path()).unwrap();
    let folder = copy(stage.folder.path());
    stage.task.abort();

    let mut stage = stage_in(folder);
    let is_unreachable = |condition| condition == Condition::Unreachable;
    stage
        .health("not reached", |health| health.conditions.iter().any(|since| is_unreachable(since.condition)))
        .await;
    let mut unit = stage.unit().await;
    unit.say(&fences.concat()).await;
    assert_eq!(stage.outcomes(1).await, [(Outcome::Printed(Evidence::Fence), 0)]);
}

#[tokio::test]
async fn the_agent_stops_while_nobody_reads() {
    let stage = stage();
    let mut unit = stage.unit().await;
    stage.spool.receive(items(1)).await.unwrap();
    // It begins, and then the printer neither reads nor answers any more.
    unit.begin().await;
    stage.stop.send(true).unwrap();
    within("the end", stage.task).await.unwrap();
    stage.spool.close().await;
    assert_eq!(states(&stage.folder), [1], "claimed: the next life asks the journal");
    drop(unit);
}
