//! The local page over real sockets: who is let in, what is refused, and what survives.

use crate::samples::{claim, finish, item, reports, ticket, within};
use docket_agent::config::Config;
use docket_agent::page::{self, Page, Shown};
use docket_agent::printers::Added;
use docket_agent::spool::{ClaimPort, Ending, Finish, OnUnknown, Spool, SpoolOptions, TicketState};
use docket_protocol::boxes::Boxes;
use docket_protocol::document::{Align, Block, Document, Style};
use docket_protocol::ids::{PrinterName, Seq, UnixMs};
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Evidence, Outcome};
use docket_protocol::ticket::Ticket;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A page without a link and printers' tasks: the spool is the real one.
struct Desk {
    folder: TempDir,
    config: Config,
    shown: Shown,
    page: Page,
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Desk {
    async fn open(page: &str, printers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Desk::open_in(folder, page, printers).await
    }

    async fn open_in(folder: TempDir, page: &str, printers: &str) -> Self {
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, format!("data = \"data\"\n[page]\n{page}\n{printers}")).unwrap();
        let config = Config::read(&path).unwrap();
        std::fs::create_dir_all(&config.data).unwrap();
        let (stop, stopped) = watch::channel(false);
        let (mut shown, page) = page::start(&config, stopped);
        let spool =
            Spool::open(&config.data, SpoolOptions::new(config.printer_routes(), Some("boot".into())))
                .unwrap();
        shown.spool.send_replace(Some(spool));
        let address =
            within("the page to listen", shown.address.wait_for(Option::is_some)).await.unwrap().unwrap();
        Desk { folder, config, shown, page, address, _stop: stop }
    }

    fn spool(&self) -> Spool {
        self.shown.spool.borrow().clone().unwrap()
    }

    /// Does what the agent does when the printers have changed.
    async fn reopen(&mut self) {
        self.config.added = self.page.printers.borrow_and_update().clone();
        let old = self.shown.spool.send_replace(None).unwrap();
        old.close().await;
        let options = SpoolOptions::new(self.config.printer_routes(), Some("boot".into()));
        let spool = Spool::open(&self.config.data, options).unwrap();
        self.shown.spool.send_replace(Some(spool));
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&self.posted(path, &body.to_string(), "")).await
    }

    fn posted(&self, path: &str, body: &str, headers: &str) -> String {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        )
    }

    /// One request, one answer, over a connection from the loopback.
    async fn send(&self, request: &str) -> Answer {
        exchange(self.address, request).await
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn code(&self) -> String {
        let fault: Value = serde_json::from_str(&self.body).unwrap_or_default();
        fault["code"].as_str().unwrap_or_default().to_owned()
    }
}

async fn exchange(address: SocketAddr, request: &str) -> Answer {
    let answered = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    };
    within("an answer", answered).await
}

async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Answer { status, head: head.to_owned(), body: body[..length].to_owned() };
            }
        }
        let mut buffer = [0; 4_096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => panic!("no whole answer: {:?}", String::from_utf8_lossy(&bytes)),
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

const LOOPBACK: &str = "listen = \"127.0.0.1:0\"";

fn printer(name: &str, address: &str, stations: &[&str]) -> Value {
    json!({ "name": name, "address": address, "paper_mm": 80, "stations": stations })
}

#[tokio::test]
async fn the_page_and_its_files_are_served_sealed() {
    let desk = Desk::open(LOOPBACK, "").await;
    let page = desk.get("/").await;
    assert_eq!(page.status, 200);
    for header in
        ["content-security-policy: default-src 'self'", "x-frame-options: DENY", "nosniff", "no-store"]
    {
        assert!(page.head.contains(header), "{header} is not in {}", page.head);
    }
    let assets: Vec<&str> = page.body.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(assets.len() >= 8, "{assets:?}");
    for asset in assets {
        let served = desk.get(asset).await;
        assert!(served.status == 200 && served.head.contains("immutable"), "{asset}: {}", served.head);
    }
    assert_eq!(desk.get("/assets/../agent.toml").await.status, 404);
    assert_eq!(desk.get("/data/page.json").await.status, 404);
}

#[tokio::test]
async fn what_another_site_could_send_is_refused_before_anything_is_done() {
    let desk = Desk::open(LOOPBACK, "").await;
    let body = printer("前台", "192.0.2.1", &["front"]).to_string();
    let with = |headers: &str| desk.posted("/api/printers/add", &body, headers);
    for (request, status) in [
        (with("").replace(&format!("Host: {}", desk.address), "Host: evil.example"), 421),
        (with("").replace(&format!("Host: {}", desk.address), "Host: 192.168.1.5"), 421),
        (with("Origin: http://evil.example\r\n"), 403),
        (with("Origin: null\r\n"), 403),
        (with("Sec-Fetch-Site: cross-site\r\n"), 403),
        (with("").replace("application/json", "text/plain"), 415),
        (with("").replace("POST", "PUT"), 405),
        (with("").replace("POST", "GET"), 404),
    ] {
        assert_eq!(desk.send(&request).await.status, status, "{request}");
    }
    assert_eq!(desk.page.printers.borrow().printers, []);
    assert_eq!(desk.send(&with(&format!("Origin: http://{}\r\n", desk.address))).await.status, 200);
    assert_eq!(desk.page.printers.borrow().printers.len(), 1);
}

#[tokio::test]
async fn heads_and_bodies_are_bounded() {
    let desk = Desk::open(LOOPBACK, "").await;
    let large = "x".repeat(20_000);
    assert_eq!(desk.post("/api/printers/test", &json!({ "printer": large })).await.code(), "body-large");
    let chunked = format!(
        "POST /api/printers/test HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        desk.address
    );
    let chunks = format!("4e20\r\n{large}\r\n0\r\n\r\n");
    assert_eq!(desk.send(&(chunked + &chunks)).await.code(), "body-large");
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\nX: {large}\r\n\r\n", desk.address);
    assert_eq!(desk.send(&head).await.status, 431);
    let many: String = (0..100).map(|number| format!("X{number}: 1\r\n")).collect();
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\n{many}\r\n", desk.address);
    assert_eq!(desk.send(&head).await.status, 431);
    for body in ["", "{", "[]", "{\"printer\": 1}", "{\"printer\": \"a\", \"more\": 1}"] {
        assert_eq!(
            desk.send(&desk.posted("/api/printers/test", body, "")).await.code(),
            "body-form",
            "{body}"
        );
    }
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait_and_are_served_when_one_is_free() {
    let desk = Desk::open(LOOPBACK, "").await;
    let mut open = Vec::new();
    for _ in 0..page::CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(desk.address).await.unwrap();
        stream.write_all(b"GET /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(within("an answer", read_answer(&mut stream)).await.status, 200);
        open.push(stream);
    }
    let mut late = TcpStream::connect(desk.address).await.unwrap();
    late.write_all(b"GET /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), late.peek(&mut byte)).await;
    assert!(early.is_err(), "it was answered although all places are taken");
    drop(open.pop());
    assert_eq!(within("the late answer", read_answer(&mut late)).await.status, 200);
}

#[tokio::test]
async fn other_devices_need_the_pin_and_guessing_is_slow() {
    let Some(lan) = own_address() else {
        // A machine without any network has no other devices.
        return;
    };
    let desk = Desk::open("listen = \"0.0.0.0:0\"\nlan = true", "").await;
    let address = SocketAddr::new(lan, desk.address.port());
    let ask = |method: &str, path: &str, more: &str, body: &str| {
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n{body}"
        )
    };
    assert!(exchange(address, &ask("GET", "/", "", "")).await.body.contains("id=\"pin\""));
    assert_eq!(exchange(address, &ask("GET", "/api/pin", "", "")).await.code(), "pin-needed");
    for path in ["/api/state", "/api/events", "/api/tickets", "/nothing"] {
        assert_eq!(exchange(address, &ask("GET", path, "", "")).await.code(), "pin-needed", "{path}");
    }
    let add = printer("前台", "192.0.2.1", &[]).to_string();
    assert_eq!(exchange(address, &ask("POST", "/api/printers/add", "", &add)).await.code(), "pin-needed");

    let pin = page::pin::read_pin(&desk.config.data).unwrap().unwrap();
    let sign_in = |pin: &str| ask("POST", "/api/sign-in", "", &json!({ "pin": pin }).to_string());
    let signed_in = exchange(address, &sign_in(&pin)).await;
    let cookie = signed_in.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    assert_eq!(exchange(address, &ask("GET", "/api/state", &cookie, "")).await.status, 200);
    assert_eq!(
        exchange(address, &ask("GET", "/api/pin", &cookie, "")).await.status,
        404,
        "only this PC is told"
    );
    let told: Value = serde_json::from_str(&desk.get("/api/pin").await.body).unwrap();
    assert_eq!(told["pin"], pin);

    for _ in 0..page::pin::GUESSES_FREE {
        assert_eq!(exchange(address, &sign_in("x")).await.code(), "pin-wrong");
    }
    let paused = exchange(address, &sign_in(&pin)).await;
    assert!(paused.code() == "pin-pause" && paused.head.contains("retry-after: "), "{paused:?}");
    assert_eq!(
        exchange(address, &ask("GET", "/api/state", &cookie, "")).await.status,
        200,
        "who is in stays in"
    );
    assert_eq!(desk.get("/api/state").await.status, 200, "this PC needs no PIN");
}

/// An address of this machine that is not the loopback's. Nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

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
}

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
async fn a_port_that_is_taken_keeps_nobody_from_printing_and_is_tried_again() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, format!("data = \"data\"\n[page]\nlisten = \"{address}\"\n")).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let (mut shown, _page) = page::start(&Config::read(&path).unwrap(), stopped);
    assert_eq!(*shown.address.borrow(), None);
    // The first try is made by now, in vain.
    tokio::task::yield_now().await;
    drop(taken);
    within("the page to listen", shown.address.wait_for(Option::is_some)).await.unwrap();
    let asked = format!("GET /api/state HTTP/1.1\r\nHost: {address}\r\n\r\n");
    assert_eq!(exchange(address, &asked).await.status, 200);
}

#[tokio::test]
async fn without_a_spool_it_says_that_it_is_being_set_up() {
    let desk = Desk::open(LOOPBACK, "").await;
    desk.shown.spool.send_replace(None);
    assert_eq!(desk.get("/api/tickets").await.code(), "busy");
    assert_eq!(
        desk.get("/api/state").await.status,
        200,
        "what is known of the printers is shown all the same"
    );
}

const EVERYTHING: [&str; 4] = ["event: state", "event: tickets", "event: search", "event: beat"];

/// A viewer that has seen everything once.
async fn viewer(address: SocketAddr, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/events HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    until_seen(&mut stream, &EVERYTHING).await;
    stream
}

#[tokio::test]
async fn events_begin_with_everything_and_the_longest_viewer_makes_room() {
    let desk = Desk::open(LOOPBACK, "").await;
    let mut viewers = Vec::new();
    for _ in 0..=page::VIEWERS_MAX {
        viewers.push(viewer(desk.address, "").await);
    }
    // It is told why, and when to come again; its stream has an end.
    until_seen(
        &mut viewers[0],
        &["event: left\ndata: {\"zh\":\"打开的页面太多", "retry: 30000", "\r\n0\r\n\r\n"],
    )
    .await;
    for viewer in &mut viewers[1..] {
        until_seen(viewer, &["event: beat"]).await;
    }
}

#[tokio::test]
async fn other_devices_take_no_seat_from_this_pc() {
    let Some(lan) = own_address() else {
        // A machine without any network has no other devices.
        return;
    };
    let desk = Desk::open("listen = \"0.0.0.0:0\"\nlan = true", "").await;
    let address = SocketAddr::new(lan, desk.address.port());
    let pin = json!({ "pin": page::pin::read_pin(&desk.config.data).unwrap().unwrap() }).to_string();
    let sign_in = format!(
        "POST /api/sign-in HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{pin}",
        pin.len()
    );
    let signed_in = exchange(address, &sign_in).await;
    let cookie = signed_in.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());

    let mut here = Vec::new();
    for _ in 0..page::VIEWERS_MAX {
        here.push(viewer(SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())), "").await);
    }
    let mut phones = Vec::new();
    for _ in 0..=page::LAN_VIEWERS_MAX {
        phones.push(viewer(address, &cookie).await);
    }
    until_seen(&mut phones[0], &["event: left"]).await;
    for stays in here.iter_mut().chain(&mut phones[1..]) {
        until_seen(stays, &["event: beat"]).await;
    }
}

async fn until_seen(stream: &mut TcpStream, wanted: &[&str]) {
    let mut seen = String::new();
    let reading = async {
        while !wanted.iter().all(|wanted| seen.contains(wanted)) {
            let mut buffer = [0; 4_096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the stream ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    within("the first events", reading).await;
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
