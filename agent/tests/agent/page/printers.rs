//! Printers: added, renamed, removed, and what is in the way.

use super::*;
use docket_paper::test_page::TestPage;

#[tokio::test]
async fn tickets_wait_without_a_printer_and_come_to_the_first_one() {
    let mut desk = Desk::open(LOOPBACK, "").await;
    let state: Value = serde_json::from_str(&desk.get("/api/state").await.body).unwrap();
    assert_eq!(state["troubles"][0]["code"], "no-printers");
    desk.spool().receive(vec![(Seq(1), item(&ticket(7, "kitchen")))]).await.unwrap();
    assert_eq!(desk.spool().counts().borrow().waiting, 1);

    assert_eq!(desk.post("/api/printers/add", &printer("前台", "192.0.2.1", &["front"])).await.status, 200);
    assert_eq!(Added::read(&desk.config.data).printers.len(), 1, "it is on the disk before the answer");
    desk.reopen().await;
    let counts = desk.spool().counts().borrow().clone();
    assert_eq!(counts.printers, [(PrinterName::new("前台"), 1)]);
}

#[tokio::test]
async fn a_printer_that_would_be_in_the_way_is_refused_with_words() {
    let fixed = "[[printer]]\nname = \"kitchen\"\naddress = \"192.0.2.9\"\nstations = [\"kitchen\"]\n";
    let mut desk = Desk::open(LOOPBACK, fixed).await;
    for (wanted, code) in [
        (printer("kitchen", "192.0.2.1", &[]), "name-taken"),
        (printer("后厨", "192.0.2.9:9100", &[]), "address-taken"),
        (printer("后厨", "192.0.2.1", &["kitchen"]), "station-taken"),
        (printer(" ", "192.0.2.1", &[]), "printer-form"),
        (printer("a\u{7}", "192.0.2.1", &[]), "printer-form"),
        (printer(&"长".repeat(33), "192.0.2.1", &[]), "printer-form"),
        (printer("后厨", "", &[]), "address-form"),
        (printer("后厨", "nothing like it/", &[]), "address-form"),
        (printer("后厨", "serial:/etc/hostname", &[]), "address-no-device"),
        (printer("后厨", "serial:/dev/null", &[]), "address-no-device"),
    ] {
        assert_eq!(desk.post("/api/printers/add", &wanted).await.code(), code, "{wanted}");
    }
    let change = json!({ "printer": "kitchen", "to": printer("后厨", "192.0.2.1", &[]) });
    assert_eq!(desk.post("/api/printers/change", &change).await.code(), "printer-fixed");
    assert_eq!(
        desk.post("/api/printers/remove", &json!({ "printer": "kitchen" })).await.code(),
        "printer-fixed"
    );
    assert_eq!(
        desk.post("/api/printers/remove", &json!({ "printer": "none" })).await.code(),
        "unknown-printer"
    );
    assert_eq!(
        desk.post("/api/printers/test", &json!({ "printer": "none" })).await.code(),
        "unknown-printer"
    );
    assert_eq!(Added::read(&desk.config.data), Added::default());

    assert_eq!(desk.post("/api/printers/add", &printer("吧台", "192.0.2.1", &["bar"])).await.status, 200);
    desk.reopen().await;
    let change = json!({ "printer": "吧台", "to": printer("前台", "192.0.2.1", &["front"]) });
    assert_eq!(desk.post("/api/printers/change", &change).await.status, 200);
    desk.reopen().await;
    let names: Vec<PrinterName> = desk.spool().printers().to_vec();
    assert_eq!(names, ["kitchen", "前台"].map(PrinterName::new));
    assert_eq!(
        desk.post("/api/printers/pause", &json!({ "printer": "前台", "paused": true })).await.status,
        200
    );
    assert_eq!(desk.post("/api/printers/remove", &json!({ "printer": "前台" })).await.status, 200);
    desk.reopen().await;
    assert_eq!(desk.spool().printers(), ["kitchen"].map(PrinterName::new));
}

#[tokio::test]
async fn a_test_page_waits_for_a_printer_that_was_just_added() {
    let mut desk = Desk::open(LOOPBACK, "").await;
    assert_eq!(desk.post("/api/printers/add", &printer("前台", "192.0.2.1", &["front"])).await.status, 200);
    let request = desk.posted("/api/printers/test", &json!({ "printer": "前台" }).to_string(), "");
    let mut stream = TcpStream::connect(desk.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    desk.reopen().await;
    assert_eq!(within("the test page", read_answer(&mut stream)).await.status, 200);
    let recent = desk.spool().recent(1).await.unwrap();
    assert_eq!((recent[0].title.as_str(), recent[0].printer.as_str()), ("测试页 前台", "前台"));
    let ticket = desk.spool().ticket(recent[0].id).await.unwrap().unwrap();
    let page = TestPage {
        printer: "前台".into(),
        address: "192.0.2.1".into(),
        paper_mm: 80,
        columns: 48,
        made_at: ticket.made_at,
        ..TestPage::default()
    };
    assert_eq!(ticket.document, page.document());
}

#[tokio::test]
async fn a_printers_file_that_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let data: &Path = &folder.path().join("data");
    std::fs::create_dir_all(data).unwrap();
    std::fs::write(data.join("printers.toml"), "[[printer]\n").unwrap();
    let desk =
        Desk::open_in(folder, LOOPBACK, "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\n").await;
    let state: Value = serde_json::from_str(&desk.get("/api/state").await.body).unwrap();
    assert_eq!(state["troubles"][0]["code"], "printers-file");
    assert_eq!(state["printers"][0]["name"], "front");
    assert!(desk.folder.path().exists());
}

/// What staff have added, as the agent reads it.
fn added(desk: &Desk) -> Vec<(String, Option<String>)> {
    let printers = Added::read(&desk.config.data).printers.into_iter();
    printers.map(|printer| (printer.name, printer.backup)).collect()
}

async fn troubles(desk: &Desk) -> String {
    let state: Value = serde_json::from_str(&desk.get("/api/state").await.body).unwrap();
    state["troubles"].to_string()
}

#[tokio::test]
async fn what_refers_to_a_printer_goes_with_it_to_another_name() {
    let mut desk = Desk::open(LOOPBACK, "").await;
    let with = |name: &str, backup: &str| {
        let mut wanted = printer(name, &format!("192.0.2.{}", name.len()), &[]);
        wanted["backup"] = json!(backup);
        wanted
    };
    for wanted in [with("a", ""), with("bb", "a")] {
        assert_eq!(desk.post("/api/printers/add", &wanted).await.status, 200);
        desk.reopen().await;
    }
    for (wanted, code) in [(with("ccc", "nobody"), "backup-unknown"), (with("ccc", "ccc"), "backup-own")] {
        assert_eq!(desk.post("/api/printers/add", &wanted).await.code(), code, "{wanted}");
    }
    let change = |printer: &str, to: Value| json!({ "printer": printer, "to": to });
    assert_eq!(desk.post("/api/printers/change", &change("a", with("dddd", "a"))).await.code(), "backup-own");

    let pause = json!({ "printer": "a", "paused": true });
    assert_eq!(desk.post("/api/printers/pause", &pause).await.status, 200);
    assert_eq!(desk.post("/api/printers/change", &change("a", with("dddd", ""))).await.status, 200);
    assert_eq!(added(&desk), [("dddd".into(), None), ("bb".into(), Some("dddd".into()))]);
    desk.reopen().await;
    let is_paused = |desk: &Desk, name: &str| {
        desk.spool().counts().borrow().paused_since(&PrinterName::new(name)).is_some()
    };
    assert!(is_paused(&desk, "dddd"), "the printer goes on waiting under its new name");

    // Removed, it is missed as a backup, and its name is free: neither the old nor the new one waits.
    assert_eq!(desk.post("/api/printers/remove", &json!({ "printer": "dddd" })).await.status, 200);
    desk.reopen().await;
    assert!(troubles(&desk).await.contains("「bb」的备用打印机「dddd」"), "{}", troubles(&desk).await);
    for wanted in [with("a", ""), with("dddd", "")] {
        assert_eq!(desk.post("/api/printers/add", &wanted).await.status, 200);
        desk.reopen().await;
    }
    assert!(!is_paused(&desk, "a") && !is_paused(&desk, "dddd"));
    assert!(!troubles(&desk).await.contains("备用"), "{}", troubles(&desk).await);
}

#[tokio::test]
async fn a_printer_that_is_off_is_listed_and_can_be_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data: &Path = &folder.path().join("data");
    std::fs::create_dir_all(data).unwrap();
    let one =
        |name: &str, address: &str| format!("[[printer]]\nname = \"{name}\"\naddress = \"{address}\"\n");
    let file = ["kitchen", "bar", "bar"].map(|name| one(name, "192.0.2.1")).concat();
    std::fs::write(data.join("printers.toml"), file).unwrap();
    let mut desk = Desk::open_in(folder, LOOPBACK, &one("kitchen", "192.0.2.9")).await;
    let off = async |desk: &Desk| {
        let state: Value = serde_json::from_str(&desk.get("/api/state").await.body).unwrap();
        let all = state["off"].as_array().unwrap().iter();
        all.map(|off| off["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(off(&desk).await, ["kitchen", "bar"]);
    assert!(troubles(&desk).await.contains("打印机「kitchen」没有启用"), "{}", troubles(&desk).await);
    let remove = |name: &str| json!({ "printer": name, "off": true });
    assert_eq!(desk.post("/api/printers/remove", &remove("bar")).await.status, 200);
    assert_eq!(desk.post("/api/printers/remove", &remove("bar")).await.code(), "unknown-printer");
    assert_eq!(
        desk.post("/api/printers/remove", &json!({ "printer": "kitchen" })).await.code(),
        "printer-fixed"
    );
    let change = |to: Value| json!({ "printer": "kitchen", "off": true, "to": to });
    let taken = printer("kitchen", "192.0.2.2", &[]);
    assert_eq!(desk.post("/api/printers/change", &change(taken)).await.code(), "name-taken");
    assert_eq!(
        desk.post("/api/printers/change", &change(printer("凉菜", "192.0.2.2", &[]))).await.status,
        200
    );
    desk.reopen().await;
    assert_eq!(desk.spool().printers(), ["kitchen", "凉菜", "bar"].map(PrinterName::new));
    assert_eq!((off(&desk).await, troubles(&desk).await), (Vec::new(), "[]".to_owned()));
}

#[tokio::test]
async fn a_printer_that_is_added_while_another_goes_stays() {
    let desk = Desk::open(LOOPBACK, "").await;
    assert_eq!(desk.post("/api/printers/add", &printer("a", "192.0.2.1", &[])).await.status, 200);
    let remove = desk.posted("/api/printers/remove", &json!({ "printer": "a" }).to_string(), "");
    let add = desk.posted("/api/printers/add", &printer("b", "192.0.2.2", &[]).to_string(), "");
    let mut streams =
        [TcpStream::connect(desk.address).await.unwrap(), TcpStream::connect(desk.address).await.unwrap()];
    for (stream, request) in streams.iter_mut().zip([remove, add]) {
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    for stream in &mut streams {
        assert_eq!(within("an answer", read_answer(stream)).await.status, 200);
    }
    assert_eq!(added(&desk), [("b".into(), None)]);
}

#[tokio::test]
async fn one_serial_port_is_one_printer() {
    let desk = Desk::open(LOOPBACK, "").await;
    assert_eq!(desk.post("/api/printers/add", &printer("a", "serial:COM3", &[])).await.status, 200);
    let again = printer("b", "serial:COM3?baud=19200", &[]);
    assert_eq!(desk.post("/api/printers/add", &again).await.code(), "address-taken");
}

#[tokio::test]
async fn a_test_page_that_finds_no_room_is_not_printed_some_time_later() {
    let fixed = "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\n";
    let desk = Desk::open(LOOPBACK, fixed).await;
    desk.spool().close().await;
    let mut options = SpoolOptions::new(desk.config.printer_routes(), Some("boot".into()));
    options.bytes_max = 300 * 1_024;
    let spool = Spool::open(&desk.config.data, options).unwrap();
    desk.shown.spool.send_replace(Some(spool.clone()));
    let counts = spool.counts();
    let mut number = 0;
    while !counts.borrow().storing.fails() {
        number += 1;
        let mut failing = spool.counts();
        tokio::select! {
            biased;
            stored = spool.receive(vec![(Seq(u64::from(number)), item(&ticket(number, "front")))]) => drop(stored.unwrap()),
            failing = failing.wait_for(|counts| counts.storing.fails()) => drop(failing.unwrap()),
        }
    }
    let answer = desk.post("/api/printers/test", &json!({ "printer": "front" })).await;
    assert_eq!((answer.status, answer.code().as_str()), (507, "spool-at-bound"));
    let pause = desk.post("/api/printers/pause", &json!({ "printer": "front", "paused": true })).await;
    assert_eq!(pause.status, 200, "what needs no room is done");
}

#[tokio::test]
async fn a_printer_of_headquarters_is_changed_here_until_headquarters_changes_it() {
    let mut desk = Desk::open(LOOPBACK, "").await;
    desk.set_from_headquarters("192.0.2.1").await;
    let rename = json!({ "printer": "后厨", "to": printer("吧台", "192.0.2.9", &[]) });
    assert_eq!(desk.post("/api/printers/change", &rename).await.code(), "printer-of-headquarters");
    let unwanted = json!({ "printer": "后厨" });
    assert_eq!(desk.post("/api/printers/remove", &unwanted).await.code(), "printer-of-headquarters");
    assert_eq!(desk.seen().await, ("headquarters".into(), "192.0.2.1".into(), 0));

    for address in ["192.0.2.8", "192.0.2.9"] {
        let change = json!({ "printer": "后厨", "to": printer("后厨", address, &[]) });
        assert_eq!(desk.post("/api/printers/change", &change).await.status, 200);
        desk.reopen().await;
        assert_eq!(desk.seen().await, ("staff-instead".into(), address.into(), 0));
    }
    // The same again from headquarters is no change of that printer.
    desk.set_from_headquarters("192.0.2.1").await;
    assert_eq!(desk.seen().await, ("staff-instead".into(), "192.0.2.9".into(), 0));
    desk.set_from_headquarters("192.0.2.2").await;
    assert_eq!(desk.seen().await, ("headquarters".into(), "192.0.2.2".into(), 1));
    // Changed here anew, and taken back.
    let change = json!({ "printer": "后厨", "to": printer("后厨", "192.0.2.7", &[]) });
    assert_eq!(desk.post("/api/printers/change", &change).await.status, 200);
    desk.reopen().await;
    assert_eq!(desk.seen().await, ("staff-instead".into(), "192.0.2.7".into(), 0));
    assert_eq!(desk.post("/api/printers/remove", &unwanted).await.status, 200);
    desk.reopen().await;
    assert_eq!(desk.seen().await, ("headquarters".into(), "192.0.2.2".into(), 0));
}
