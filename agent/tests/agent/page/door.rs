//! Who may come in, and what the door costs.

use super::*;

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

#[tokio::test]
async fn a_port_that_is_taken_keeps_nobody_from_printing_and_is_tried_again() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, format!("data = \"data\"\n[page]\nlisten = \"{address}\"\n")).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let config = Config::read(&path).unwrap();
    let (mut shown, _page) = page::start(&config, counter(&config), stopped);
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
