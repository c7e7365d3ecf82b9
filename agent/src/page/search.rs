//! Finding printers: one search at a time, whose findings go to everyone who looks.
//!
//! Each finding has a number, for as long as the search is shown. A printer that is told to print its number prints it
//! at once and past the spool: it is no printer of the store yet, and such a slip is no promise to anybody. Printers
//! that the store has are neither asked nor told: their own task talks to them.

use super::printers::address;
use super::reply::Refused;
use super::words::Words;
use super::{App, slip};
use crate::config::SearchPlaces;
use crate::discovery::{self, Found, Known};
use crate::printing::transport::{Happened, Port};
use crate::printing::{Address, Paper};
use docket_paper::escpos::{self, Dialect};
use docket_paper::font::Fonts;
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::info;

/// Printers that are shown: more than any store has of everything that listens.
const FOUND_MAX: usize = 64;
/// Findings on their way.
const WAITING_MAX: usize = 16;
/// How long a search may take.
const SEARCH_MAX: Duration = Duration::from_secs(60);
/// How long a number may take to be sent.
const NUMBER_MAX: Duration = Duration::from_secs(10);
/// How long the connection stays after it: a printer that is still reading would lose what it has not.
const LINGER: Duration = Duration::from_millis(500);

/// The search, and where it searches.
#[derive(Debug)]
pub struct Search {
    found: watch::Sender<Findings>,
    places: Option<SearchPlaces>,
}

/// What a search has found so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Findings {
    running: bool,
    printers: Vec<Finding>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Finding {
    number: usize,
    address: Address,
    /// What people know it by.
    label: String,
    /// What tells it from others of its kind.
    detail: String,
    /// Whether it is one, as far as can be known without printing.
    about: Words,
}

impl Finding {
    fn new(number: usize, found: Found) -> Self {
        let mut about = match (&found.address, found.answered) {
            (Address::Lan { .. }, true) => {
                Words::from(("网络打印机,有应答", "answers as a receipt printer does"))
            }
            (Address::Lan { .. }, false) => Words::from((
                "网络设备,没有应答,不一定是小票打印机",
                "listens, but does not answer: perhaps no receipt printer",
            )),
            (Address::Serial { .. }, _) => {
                Words::from(("串口,不一定接着打印机", "a serial port; perhaps no printer is on it"))
            }
            (Address::UsbClass { .. } | Address::Usb(_) | Address::UsbPrint { .. }, _) => {
                Words::from(("USB 打印机", "a USB printer"))
            }
            (Address::Spooler { .. }, _) => Words::from((
                "Windows 打印队列,看不到缺纸等状态",
                "a queue of Windows: nothing is known of its paper and cover",
            )),
        };
        for condition in found.conditions {
            let (zh, en) = condition.remedy();
            about.zh = format!("{} · {zh}", about.zh);
            about.en = format!("{}; {en}", about.en);
        }
        Finding { number, address: found.address, label: found.label, detail: found.detail, about }
    }
}

/// Which printer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    address: String,
}

impl Search {
    /// Nothing is searched yet. Without places, in the PC's own networks.
    pub fn new(places: Option<SearchPlaces>) -> Self {
        Search { found: watch::Sender::new(Findings::default()), places }
    }

    /// Changes with each finding.
    pub fn watch(&self) -> watch::Receiver<Findings> {
        self.found.subscribe()
    }
}

/// Starts a search, unless one is running.
pub fn start(app: &Arc<App>) {
    let started = app.search.found.send_if_modified(|found| {
        let idle = !found.running;
        if idle {
            *found = Findings { running: true, printers: Vec::new() };
        }
        idle
    });
    if started {
        let app = Arc::clone(app);
        tokio::spawn(async move {
            let mut stop = app.stop.clone();
            tokio::select! {
                _ = timeout(SEARCH_MAX, run(&app)) => {}
                _ = stop.wait_for(|stopping| *stopping) => {}
            }
            app.search.found.send_modify(|found| found.running = false);
        });
    }
}

async fn run(app: &App) {
    let units = match app.spool() {
        // Where that cannot be told, a printer that was plugged elsewhere is offered as another one.
        Ok(spool) => spool.units().await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let known = Known::all(app.printers().list, &units);
    let mut options = discovery::Options { known, ..discovery::Options::default() };
    if let Some(places) = &app.search.places {
        options.lan = discovery::Lan::Only(places.addresses());
    }
    let (tell, mut told) = mpsc::channel(WAITING_MAX);
    // It ends, and so the search does, once there is more than can be shown.
    let collecting = async move {
        while let Some(printer) = told.recv().await {
            let mut number = 0;
            app.search.found.send_modify(|found| {
                number = found.printers.len() + 1;
                found.printers.push(Finding::new(number, printer));
            });
            if number >= FOUND_MAX {
                return;
            }
        }
    };
    tokio::join!(discovery::search(options, tell), collecting);
    let found = app.search.found.borrow().printers.len();
    info!(found, "searched for printers");
}

/// Prints the number of what was found on it.
pub async fn number(app: &App, which: Which) -> Result<(), Refused> {
    let address = address(&which.address)?;
    let number = {
        let found = app.search.found.borrow();
        found.printers.iter().find(|printer| printer.address == address).map(|printer| printer.number)
    };
    let number = number.ok_or_else(|| {
        Refused::new(
            StatusCode::NOT_FOUND,
            "not-found-there",
            "这台打印机不在查找结果里,请再找一次",
            "this printer was not found: search again",
        )
    })?;
    if let Some(printer) =
        app.printers().list.iter().find(|printer| printer.entry.address.is_same_place(&address))
    {
        let name = &printer.entry.name;
        return Err(Refused::new(
            StatusCode::CONFLICT,
            "address-taken",
            format!("这台打印机已经添加过,叫「{name}」:请打测试页"),
            format!("this printer was added already, as {name}: print a test page"),
        ));
    }
    // The narrower paper fits both.
    let paper = Paper::Mm58;
    let mut lines = lay_out(&slip::number(number, &address), paper, &Marks::default());
    lines.push(Line::Cut);
    let mut bytes = escpos::init().to_vec();
    bytes.extend(escpos::encode(&lines, paper, &Dialect::default(), &mut Fonts::installed()).bytes);
    let sent = timeout(NUMBER_MAX, send(&address, &bytes)).await;
    sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|cause| {
        Refused::new(
            StatusCode::BAD_GATEWAY,
            "number-not-sent",
            format!("编号没有送到打印机:{cause}。检查电源和连线,再试一次"),
            format!("the number did not reach the printer: {cause}; check power and cable and try again"),
        )
    })
}

async fn send(address: &Address, bytes: &[u8]) -> io::Result<()> {
    let mut port = Port::open(address).await?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match port.next(rest).await {
            Happened::Took(taken) => rest = &rest[taken..],
            Happened::Received(_) | Happened::Told(_) => {}
            Happened::Lost(error) => {
                return Err(error.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into()));
            }
        }
    }
    let lingering = sleep(LINGER);
    tokio::pin!(lingering);
    loop {
        tokio::select! {
            () = &mut lingering => break,
            happened = port.next(&[]) => if matches!(happened, Happened::Lost(_)) { return Ok(()) },
        }
    }
    while port.settle().await.is_some() {}
    Ok(())
}
