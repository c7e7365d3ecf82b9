//! The console over real sockets, with a hub's storage and no agents.

use super::frame::PARTS;
use super::live::{BEAT, VIEWERS_MAX};
use super::{Console, assets, routes};
use crate::fleet::Fleet;
use crate::routing::{Routing, RoutingConfig};
use crate::storage::Storage;
use docket_protocol::ids::{Platform, StoreId};
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

struct Served {
    address: SocketAddr,
    console: Console,
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

async fn serve() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let routing = Arc::new(Routing::new(RoutingConfig::default()).unwrap());
    let storage = Storage::open(folder.path(), routing).unwrap();
    let console = Console { storage, fleet: Arc::new(Fleet::default()) };
    let (stop, stopping) = watch::channel(false);
    let router = routes(console.clone(), stopping.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = axum::serve(listener, router).with_graceful_shutdown(crate::http::stopped(stopping));
    Served { address, console, stop, server: tokio::spawn(serving.into_future()), _folder: folder }
}

impl Served {
    async fn add_store(&self, id: &str, name: &str) {
        let shops = vec![(Platform::Meituan, id.to_owned())];
        self.console.storage.add_store(StoreId::new(id), name.into(), shops).await.unwrap();
        self.console.fleet.touch();
    }

    async fn open(&self, path: &str, more: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer { stream, text: String::new() }
    }

    /// The whole answer.
    async fn get(&self, path: &str, more: &str) -> String {
        self.open(path, more).await.whole().await
    }
}

struct Answer {
    stream: TcpStream,
    text: String,
}

impl Answer {
    async fn until(&mut self, what: &str) -> &str {
        while !self.text.contains(what) {
            let mut bytes = vec![0; 65_536];
            let read = timeout(PATIENCE, self.stream.read(&mut bytes)).await;
            match read {
                Ok(Ok(count)) if count > 0 => self.text += &String::from_utf8_lossy(&bytes[..count]),
                other => panic!("{other:?} while waiting for {what}; so far: {}", self.text),
            }
        }
        &self.text
    }

    async fn whole(mut self) -> String {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        self.text + &String::from_utf8_lossy(&rest)
    }
}

const HOST: &str = "host: localhost\r\n";

#[tokio::test]
async fn the_page_and_its_files_are_served_with_their_headers() {
    let served = serve().await;
    served.add_store("S0042", "人民路店").await;
    let page = served.get("/", HOST).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("人民路店"), "{page}");
    for header in [
        "content-security-policy: default-src 'self'",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(page.contains(header), "{header} is not in {page}");
    }
    assert!(served.get("/", "host: localhost\r\naccept-language: en\r\n").await.contains("lang=\"en\""));
    for asset in [&assets::STYLE, &assets::SCRIPT, &assets::ICON] {
        assert!(page.contains(asset.path()));
        let file = served.get(asset.path(), HOST).await;
        assert!(file.starts_with("HTTP/1.1 200") && file.contains("immutable"), "{file}");
        assert!(file.contains("nosniff"), "{file}");
    }
    assert!(served.get("/assets/console-000000000000.js", HOST).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_name_that_was_rebound_is_refused_everywhere() {
    let served = serve().await;
    for path in ["/", "/api/overview", "/events", "/nowhere", assets::STYLE.path()] {
        let answer = served.get(path, "host: evil.example\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 421") && answer.contains("proxy_set_header"),
            "{path}: {answer}"
        );
    }
    assert!(served.get("/api/overview", "host: 127.0.0.1:8081\r\n").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_change_is_sent_to_who_looks_and_the_beat_goes_on() {
    let served = serve().await;
    let mut answer = served.open("/events?lang=en", HOST).await;
    let first = answer.until("event: beat").await;
    assert!(first.contains("text/event-stream"), "{first}");
    answer.until("event: refused").await;
    let first = answer.until("\"taken\":1").await;
    assert!(first.contains("event: stores") && first.contains("No store yet"), "{first}");
    answer.text.clear();
    served.add_store("S0007", "River <Bank>").await;
    let changed = answer.until("River &lt;Bank&gt;").await;
    assert!(!changed.contains("event: orders"), "the orders have not changed: {changed}");
    answer.text.clear();
    let started = tokio::time::Instant::now();
    answer.until("event: beat").await;
    answer.text.clear();
    answer.until("event: beat").await;
    assert!(started.elapsed() < 4 * BEAT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn who_does_not_read_holds_up_nobody() {
    let served = serve().await;
    let mut deaf = served.open("/events", HOST).await;
    deaf.until("event: refused").await;
    let mut answer = served.open("/events", HOST).await;
    // Frames of up to 2 MB: what a socket buffers is soon full.
    let long = "很长的店名".repeat(20_000);
    for number in 0..8 {
        let id = format!("S{number:04}");
        served.add_store(&id, &long).await;
        answer.text.clear();
        answer.until(&format!("data-key=\"{id}\"")).await;
    }
    assert!(answer.text.len() > long.len());
}

#[tokio::test]
async fn the_number_of_viewers_is_bounded_and_a_seat_becomes_free() {
    let served = serve().await;
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS_MAX {
        let mut viewer = served.open("/events", HOST).await;
        viewer.until("event: beat").await;
        viewers.push(viewer);
    }
    let refused = served.get("/events", HOST).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("console-full"), "{refused}");
    drop(viewers.pop());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut again = served.open("/events", HOST).await;
        if again.until("\r\n\r\n").await.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{}", again.text);
    }
}

#[tokio::test]
async fn streams_end_when_the_hub_stops() {
    let served = serve().await;
    let mut viewer = served.open("/events", HOST).await;
    viewer.until("event: beat").await;
    served.stop.send(true).unwrap();
    viewer.whole().await;
    timeout(PATIENCE, served.server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_rendered_while_nobody_looks() {
    let served = serve().await;
    let (_stop, stopping) = watch::channel(false);
    let live = super::live::Live::start(served.console.clone(), stopping);
    served.add_store("S0001", "一店").await;
    // Storage answers in order: had one been taken for nobody, it would be there when another was.
    for _ in 0..2 {
        super::snapshot::take(&served.console.storage, &served.console.fleet).await.unwrap();
    }
    assert_eq!(live.taken_at(), None);
    let mut stream = Box::pin(live.watch(super::language::Language::Zh).unwrap());
    for _ in 0..PARTS {
        timeout(PATIENCE, futures_util::StreamExt::next(&mut stream)).await.unwrap();
    }
    assert!(live.taken_at().is_some());
}
