//! The local page over real sockets: who is let in, what is refused, and what survives.

mod door;
mod printers;
mod seats;
mod tickets;

use crate::samples::{claim, finish, item, reports, ticket, within};
use docket_agent::config::Config;
use docket_agent::counter::Counter;
use docket_agent::page::{self, Page, Shown};
use docket_agent::printers::Added;
use docket_agent::spool::{
    ClaimPort, Ending, Finish, OnUnknown, SPOOL_BYTES_MAX, Spool, SpoolOptions, TicketState,
};
use docket_protocol::boxes::Boxes;
use docket_protocol::document::{Align, Block, Document, Style};
use docket_protocol::ids::{AgentId, PrinterName, Seq, StoreId, UnixMs};
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Evidence, Outcome};
use docket_protocol::ticket::Ticket;
use docket_settings::bundle::Settings;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A page without a link and printers' tasks: the spool is the real one.
pub struct Desk {
    folder: TempDir,
    pub config: Config,
    shown: Shown,
    page: Page,
    pub address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Desk {
    pub async fn open(page: &str, printers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Desk::open_in(folder, page, printers).await
    }

    async fn open_in(folder: TempDir, page: &str, printers: &str) -> Self {
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, format!("data = \"data\"\n[page]\n{page}\n{printers}")).unwrap();
        let config = Config::read(&path).unwrap();
        std::fs::create_dir_all(&config.data).unwrap();
        let (stop, stopped) = watch::channel(false);
        let (mut shown, page) = page::start(&config, counter(&config), stopped);
        let spool =
            Spool::open(&config.data, SpoolOptions::new(config.printer_routes(), Some("boot".into())))
                .unwrap();
        shown.spool.send_replace(Some(spool));
        let address =
            within("the page to listen", shown.address.wait_for(Option::is_some)).await.unwrap().unwrap();
        Desk { folder, config, shown, page, address, _stop: stop }
    }

    pub fn spool(&self) -> Spool {
        self.shown.spool.borrow().clone().unwrap()
    }

    /// Does what the agent does when the printers have changed.
    pub async fn reopen(&mut self) {
        self.reopen_within(SPOOL_BYTES_MAX).await;
    }

    /// The same with less room.
    pub async fn reopen_within(&mut self, bytes_max: u64) {
        self.config.added = self.page.printers.borrow_and_update().clone();
        let old = self.shown.spool.send_replace(None).unwrap();
        old.close().await;
        let options = SpoolOptions {
            bytes_max,
            ..SpoolOptions::new(self.config.printer_routes(), Some("boot".into()))
        };
        let spool = Spool::open(&self.config.data, options).unwrap();
        self.shown.spool.send_replace(Some(spool));
    }

    /// Headquarters has set one printer, 后厨.
    async fn set_from_headquarters(&mut self, address: &str) {
        let text = format!("[[printer]]\nname = '后厨'\naddress = '{address}'\n");
        let document = docket_settings::document::Document::read(&text).unwrap();
        self.config.settings = Arc::new(Settings { document, ..Settings::default() });
        self.shown.set.send_replace(self.config.from_hq().to_vec());
        self.reopen().await;
    }

    /// Who has set the first printer, to which address, and how many are off.
    async fn seen(&self) -> (String, String, usize) {
        let state: Value = serde_json::from_str(&self.get("/api/state").await.body).unwrap();
        let word = |key: &str| state["printers"][0][key].as_str().unwrap_or_default().to_owned();
        (word("from"), word("address"), state["off"].as_array().map_or(0, Vec::len))
    }

    pub async fn get(&self, path: &str) -> Answer {
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
    pub async fn send(&self, request: &str) -> Answer {
        exchange(self.address, request).await
    }
}

/// The counter of a store whose rules do not change.
fn counter(config: &Config) -> Counter {
    let (_, rules) = watch::channel(Arc::new(config.rules().unwrap()));
    Counter {
        agent: AgentId::new("s0042-1a2b3c4d"),
        store: StoreId::new("S0042"),
        store_name: "人民路店".into(),
        rules,
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn code(&self) -> String {
        let fault: Value = serde_json::from_str(&self.body).unwrap_or_default();
        fault["code"].as_str().unwrap_or_default().to_owned()
    }
}

pub async fn exchange(address: SocketAddr, request: &str) -> Answer {
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

pub const LOOPBACK: &str = "listen = \"127.0.0.1:0\"";

fn printer(name: &str, address: &str, stations: &[&str]) -> Value {
    json!({ "name": name, "address": address, "paper_mm": 80, "stations": stations })
}

/// An address of this machine that is not the loopback's. Nothing is sent.
pub fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}
