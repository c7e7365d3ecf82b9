//! Tickets: shown, drawn, printed again, settled.

use super::*;

#[tokio::test]
async fn tickets_are_shown_drawn_and_printed_again() {
    let desk = Desk::open(LOOPBACK, "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\n").await;
    let ticket = ticket(7, "front");
    desk.spool().receive(vec![(Seq(1), item(&ticket))]).await.unwrap();
    let listed: Value = serde_json::from_str(&desk.get("/api/tickets").await.body).unwrap();
    assert_eq!(listed[0]["id"], ticket.id.to_string());
    assert_eq!((&listed[0]["state"], &listed[0]["says"]["zh"]), (&json!("waiting"), &json!("待打")));
    let drawn = desk.get(&format!("/api/tickets/preview?ticket={}", ticket.id)).await;
    assert!(drawn.head.contains("image/svg+xml") && drawn.body.contains("No.7"), "{drawn:?}");
    assert!(!drawn.body.contains("补打"), "{drawn:?}");
    let again = desk.get(&format!("/api/tickets/preview?ticket={}&again=1", ticket.id)).await;
    assert!(again.body.contains("【补打"), "{again:?}");
    for bad in ["", "ticket=", "ticket=x", "ticket=00000000-0000-0000-0000-000000000000"] {
        assert_eq!(desk.get(&format!("/api/tickets/preview?{bad}")).await.code(), "unknown-ticket", "{bad}");
    }
    let again = json!({ "ticket": ticket.id.to_string() });
    assert_eq!(desk.post("/api/tickets/reprint", &again).await.code(), "not-printed-yet");
    assert_eq!(desk.post("/api/tickets/release", &again).await.code(), "not-held");
    assert_eq!(desk.post("/api/tickets/settle", &again).await.code(), "not-held");
    let elsewhere = json!({ "ticket": ticket.id.to_string(), "printer": "none" });
    assert_eq!(desk.post("/api/tickets/reprint", &elsewhere).await.code(), "unknown-printer");
}

/// Ticket `number` with this text, stored.
async fn stored(spool: &Spool, number: u32, text: &str) -> Ticket {
    let block = Block::Text { text: text.to_owned(), style: Style::NORMAL, align: Align::Left };
    let ticket = Ticket { document: Document { blocks: vec![block] }, ..ticket(number, "front") };
    spool.receive(vec![(Seq(u64::from(number)), item(&ticket))]).await.unwrap();
    ticket
}

#[tokio::test]
async fn a_preview_shows_what_this_pc_prints_and_not_what_the_browser_has() {
    let narrow = "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\npaper_mm = 58\n\
                  [printer.profile]\nchinese = false\nqr = false\n";
    let chinese = "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\n";
    for (printer, width, nobodys) in [(narrow, 384, ">NaCl??<"), (chinese, 576, ">NaCl<")] {
        let desk = Desk::open(LOOPBACK, printer).await;
        let drawn = async |number, text| {
            let ticket = stored(&desk.spool(), number, text).await;
            desk.get(&format!("/api/tickets/preview?ticket={}", ticket.id)).await.body
        };
        // Every PC's fonts have a smile and Chinese, so a line with what the unit lacks is drawn: a path, and no text.
        let smile = drawn(1, "少放辣\u{1F600}").await;
        assert!(smile.contains(&format!("width=\"{width}\"")), "{smile}");
        assert!(
            smile.contains(" d=\"M") && !smile.contains("<text") && !smile.contains('\u{1F600}'),
            "{smile}"
        );
        let salt = drawn(2, "少放盐").await;
        assert_eq!(salt.contains("<text"), printer == chinese, "{salt}");
        // What no font has is what the unit prints in its place.
        let boxed = drawn(3, "NaCl\u{E123}").await;
        assert!(boxed.contains(nobodys) && !boxed.contains('\u{E123}'), "{boxed}");
        assert_eq!(boxed.contains('□'), printer == chinese, "{boxed}");
    }
}

#[tokio::test]
async fn a_preview_is_of_the_paper_that_it_comes_out_of() {
    let printers = "[[printer]]\nname = \"宽\"\naddress = \"192.0.2.9\"\ndefault = true\nbackup = \"窄\"\n\
                    [[printer]]\nname = \"窄\"\naddress = \"192.0.2.10\"\npaper_mm = 58\n";
    let desk = Desk::open(LOOPBACK, printers).await;
    let ticket = stored(&desk.spool(), 7, "少放盐").await;
    let width = async |more: &str| {
        let drawn = desk.get(&format!("/api/tickets/preview?ticket={}{more}", ticket.id)).await;
        let (_, rest) = drawn.body.split_once(" width=\"").unwrap_or_else(|| panic!("{drawn:?}"));
        rest.split('"').next().unwrap().to_owned()
    };
    assert_eq!(width("").await, "576");
    assert_eq!(width("&again=1").await, "576");
    assert_eq!(width("&again=1&printer=%E7%AA%84").await, "384", "elsewhere");
    assert_eq!(width("&printer=%E7%AA%84").await, "576", "it is not printed there");
    for odd in ["%", "%zz", "%E7%A", "%E7", "nobody"] {
        assert_eq!(width(&format!("&again=1&printer={odd}")).await, "576", "{odd}");
    }

    // Its backup has it: narrow paper, and 【备用】 on it.
    desk.shown.spool.send_replace(None).unwrap().close().await;
    let options = SpoolOptions {
        backup_after_ms: 0,
        ..SpoolOptions::new(desk.config.printer_routes(), Some("boot".into()))
    };
    let spool = Spool::open(&desk.config.data, options).unwrap();
    desk.shown.spool.send_replace(Some(spool.clone()));
    let mut port = spool.port(&PrinterName::new("窄")).unwrap();
    port.want(1).unwrap();
    let claim = within("the backup's claim", port.next()).await.unwrap();
    assert_eq!(claim.backup_for, Some(PrinterName::new("宽")));
    assert_eq!(width("").await, "384");
    assert_eq!(width("&again=1").await, "576");
}

#[tokio::test]
async fn boxes_are_listed_with_the_font_that_is_wanted() {
    let desk = Desk::open(LOOPBACK, "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\n").await;
    let spool = desk.spool();
    let mut port = spool.port(&PrinterName::new("front")).unwrap();
    port.want(1).unwrap();
    let print = async |port: &mut ClaimPort, ending, boxes: Option<&str>| {
        let boxes = boxes.map(|characters| Boxes::of(&characters.chars().collect()));
        let claim = claim(port).await;
        port.finish(Finish { boxes, ..finish(&claim, ending) }).await.unwrap();
        spool.flush().await.unwrap();
        let listed: Value = serde_json::from_str(&desk.get("/api/tickets").await.body).unwrap();
        listed[0]["boxes"].clone()
    };
    let printed = Ending::Printed(Evidence::Fence);
    let ticket = stored(&spool, 7, "\u{1F95F}\u{20BB7}").await;
    let boxes = print(&mut port, printed, Some("\u{1F95F}\u{20BB7}")).await;
    assert_eq!(boxes["characters"], "\u{1F95F}\u{20BB7}");
    let remedies = boxes["remedies"].as_array().unwrap();
    assert!(remedies[0]["zh"].as_str().unwrap().contains("fonts-hanazono"), "{remedies:?}");
    assert!(remedies[1]["en"].as_str().unwrap().contains("seguiemj.ttf"), "{remedies:?}");
    let told = reports(&spool).await;
    assert!(
        matches!(&told[..], [Report::Ticket(told)] if told.boxes == Some(Boxes::of(&['\u{1F95F}', '\u{20BB7}'].into()))),
        "{told:?}"
    );

    // After a crash nobody knows: what was known stays. With the font there is nothing to be said any more.
    let again = PrinterName::new("front");
    spool.reprint(ticket.id, Some(again.clone())).await.unwrap();
    let boxes = print(&mut port, printed, None).await;
    assert_eq!(boxes["characters"], "\u{1F95F}\u{20BB7}");
    spool.reprint(ticket.id, Some(again)).await.unwrap();
    assert_eq!(print(&mut port, printed, Some("")).await, Value::Null);
}

#[tokio::test]
async fn a_held_ticket_is_settled_by_a_person_and_the_hub_is_told() {
    let desk = Desk::open(LOOPBACK, "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\n").await;
    desk.shown.spool.send_replace(None).unwrap().close().await;
    let mut options = SpoolOptions::new(desk.config.printer_routes(), Some("boot".into()));
    options.on_unknown = OnUnknown::Hold;
    let spool = Spool::open(&desk.config.data, options).unwrap();
    desk.shown.spool.send_replace(Some(spool.clone()));
    let mut port = spool.port(&PrinterName::new("front")).unwrap();
    port.want(1).unwrap();
    for number in [7, 8] {
        spool.receive(vec![(Seq(u64::from(number)), item(&ticket(number, "front")))]).await.unwrap();
        let claim = claim(&mut port).await;
        port.finish(finish(&claim, Ending::Unknown(Doubt::ConnectionLost))).await.unwrap();
        spool.flush().await.unwrap();
    }
    assert_eq!(spool.counts().borrow().held, 2);

    let (one, other) = (ticket(7, "front").id.to_string(), ticket(8, "front").id.to_string());
    port.want(0).unwrap();
    assert_eq!(desk.post("/api/tickets/settle", &json!({ "ticket": one })).await.status, 200);
    assert_eq!(desk.post("/api/tickets/settle", &json!({ "ticket": one })).await.code(), "not-held");
    assert_eq!(desk.post("/api/tickets/release", &json!({ "ticket": one })).await.code(), "not-held");
    assert_eq!(desk.post("/api/tickets/release", &json!({ "ticket": other })).await.status, 200);
    assert_eq!((spool.counts().borrow().held, spool.counts().borrow().waiting), (0, 1));
    let settled = reports(&spool).await.into_iter().any(|report| {
        matches!(report, Report::Ticket(report) if report.outcome == Outcome::Settled && report.ticket == ticket(7, "front").id)
    });
    assert!(settled, "{:?}", reports(&spool).await);
    let listed: Value = serde_json::from_str(&desk.get("/api/tickets").await.body).unwrap();
    assert_eq!((&listed[1]["state"], &listed[0]["state"]), (&json!("settled"), &json!("waiting")));

    // Settled is not for ever: who was wrong has it printed, marked.
    assert_eq!(desk.post("/api/tickets/reprint", &json!({ "ticket": one })).await.status, 200);
    let recent = spool.recent(2).await.unwrap();
    assert_eq!((recent[1].repeat, recent[1].state), (1, TicketState::Waiting));
}

#[tokio::test]
async fn a_press_that_cannot_be_stored_is_answered_in_time_and_done_once() {
    let desk = Desk::open(LOOPBACK, "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\n").await;
    let mut counts = desk.spool().counts();
    // Whoever holds the database's lock is to the spool what a full disk is: its commits fail.
    let other = rusqlite::Connection::open(desk.config.data.join("spool.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let test = json!({ "printer": "front" });
    assert_eq!(desk.post("/api/printers/test", &test).await.code(), "spool-delayed");
    within("a full spool", counts.wait_for(|counts| counts.storing.fails())).await.unwrap();
    let pause = json!({ "printer": "front", "paused": true });
    let ticket = json!({ "ticket": ticket(7, "front").id.to_string() });
    for (path, body) in [
        ("/api/printers/test", &test),
        ("/api/printers/pause", &pause),
        ("/api/tickets/reprint", &ticket),
        ("/api/tickets/release", &ticket),
        ("/api/tickets/settle", &ticket),
    ] {
        let answer = desk.post(path, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (507, "spool-failed"), "{path}");
    }
    drop(other);
    within("room", counts.wait_for(|counts| !counts.storing.fails())).await.unwrap();
    assert_eq!(
        desk.spool().recent(9).await.unwrap().len(),
        1,
        "the first press was stored, and no other one"
    );
    assert_eq!(desk.post("/api/printers/pause", &pause).await.status, 200);
}

#[tokio::test]
async fn what_expired_is_offered_as_it_will_come_out() {
    let desk = Desk::open(LOOPBACK, "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\n").await;
    let spool = desk.spool();
    let late = Ticket { expires_at: Some(UnixMs(1)), ..ticket(7, "front") };
    spool.receive(vec![(Seq(1), item(&late)), (Seq(2), item(&ticket(8, "front")))]).await.unwrap();
    within("the late one to be held", spool.counts().wait_for(|counts| counts.held == 1)).await.unwrap();
    let mut port = spool.port(&PrinterName::new("front")).unwrap();
    port.want(1).unwrap();
    let print = async |port: &mut ClaimPort| {
        let claim = claim(port).await;
        port.finish(finish(&claim, Ending::Printed(Evidence::Fence))).await.unwrap();
        spool.flush().await.unwrap();
        (claim.ticket.id, claim.repeat)
    };
    print(&mut port).await;
    let late = late.id.to_string();
    let next = async || {
        let listed: Value = serde_json::from_str(&desk.get("/api/tickets").await.body).unwrap();
        (listed[0]["next_repeat"].clone(), listed[1]["next_repeat"].clone())
    };
    assert_eq!(next().await, (json!(1), json!(0)));
    assert_eq!(desk.post("/api/tickets/settle", &json!({ "ticket": late })).await.status, 200);
    assert_eq!(next().await, (json!(1), json!(0)));
    let again = desk.get(&format!("/api/tickets/preview?ticket={late}&again=1")).await;
    assert!(again.body.contains("No.7") && !again.body.contains("补打"), "{again:?}");
    // So it comes out, and then it has been printed.
    assert_eq!(desk.post("/api/tickets/reprint", &json!({ "ticket": late })).await.status, 200);
    assert_eq!(print(&mut port).await, (ticket(7, "front").id, 0));
    assert_eq!(next().await, (json!(1), json!(1)));
}
