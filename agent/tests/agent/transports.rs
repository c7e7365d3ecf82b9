//! Every way to a printer that needs no printer: the bytes, their number, the line that goes and comes back.

use crate::far_end::{FarEnd, Socket};
use crate::samples::within;
use docket_agent::printing::Address;
use docket_agent::printing::transport::{Happened, NotADevice, Port, SETTLE_MS_MAX};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// More than any line holds by itself.
const MUCH: usize = 12 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Lan,
    Serial,
    /// The file of the USB driver is read and written like any other terminal.
    UsbClass,
}

const WAYS: [Way; 3] = [Way::Lan, Way::Serial, Way::UsbClass];

/// Where a printer may be plugged in.
struct Place {
    _folder: TempDir,
    socket: Socket,
    listener: TcpListener,
    way: Way,
}

impl Place {
    async fn new(way: Way) -> Self {
        let folder = tempdir().unwrap();
        let socket = Socket::new(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { _folder: folder, socket, listener, way }
    }

    fn address(&self) -> Address {
        let path = self.socket.path().display();
        match self.way {
            Way::Lan => self.listener.local_addr().unwrap().into(),
            Way::Serial => format!("serial:{path}?baud=115200&flow=none").parse().unwrap(),
            // Text leads to the driver's own folder only.
            Way::UsbClass => Address::UsbClass { path: path.to_string() },
        }
    }

    /// A printer is plugged in and the port to it opened.
    async fn open(&self) -> (Port, Box<dyn FarEnd>) {
        if self.way == Way::Lan {
            let address = self.address();
            let (port, accepted) = tokio::join!(Port::open(&address), self.listener.accept());
            return (port.unwrap(), Box::new(accepted.unwrap().0));
        }
        let (end, _device) = self.socket.plug_in().split();
        let port = within("the port", Port::open(&self.address())).await.unwrap();
        (port, end)
    }
}

/// What a port has told.
#[derive(Debug, Default)]
struct Told {
    took: usize,
    received: Vec<u8>,
    is_lost: bool,
}

impl Told {
    fn add(&mut self, happened: Happened<'_>) {
        match happened {
            Happened::Took(bytes) => self.took += bytes,
            Happened::Received(bytes) => self.received.extend_from_slice(bytes),
            Happened::Told(conditions) => panic!("{conditions:?}: the printer itself can answer"),
            Happened::Lost(_) => self.is_lost = true,
        }
    }

    async fn settle(&mut self, port: &mut Port) {
        while let Some(happened) = port.settle().await {
            self.add(happened);
        }
    }
}

fn bytes(count: usize) -> Vec<u8> {
    // No period that a buffer's size could hide.
    (0..count).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn every_byte_arrives_in_order_while_answers_come_back() {
    for way in WAYS {
        let place = Place::new(way).await;
        let (mut port, mut far) = place.open().await;
        let sent = bytes(40_000);
        let printer = tokio::spawn(async move {
            let (mut seen, mut answers) = (Vec::new(), 0_u8);
            let mut buffer = [0; 700];
            while seen.len() < 40_000 {
                let count = far.read(&mut buffer).await.unwrap();
                seen.extend_from_slice(&buffer[..count]);
                if seen.len() / 4_000 > usize::from(answers) {
                    far.write_all(&[answers]).await.unwrap();
                    answers += 1;
                }
            }
            (seen, answers, far)
        });
        let mut told = Told::default();
        within("all to be taken", async {
            while told.took < sent.len() && !told.is_lost {
                told.add(port.next(&sent[told.took..]).await);
            }
        })
        .await;
        let (seen, answers, _far) = within("the printer", printer).await.unwrap();
        within("all answers", async {
            while told.received.len() < usize::from(answers) && !told.is_lost {
                told.add(port.next(&[]).await);
            }
        })
        .await;
        assert!(!told.is_lost && seen == sent, "{way:?}: {} bytes, {told:?}", seen.len());
        assert_eq!(told.received, (0..answers).collect::<Vec<_>>(), "{way:?}");
    }
}

#[tokio::test]
async fn a_wait_may_be_cancelled_at_any_time() {
    for way in WAYS {
        let place = Place::new(way).await;
        let (mut port, mut far) = place.open().await;
        let sent = bytes(20_000);
        let mut told = Told::default();
        let mut seen = Vec::new();
        let mut buffer = [0; 300];
        within("all bytes", async {
            while seen.len() < sent.len() {
                tokio::select! {
                    happened = port.next(&sent[told.took..]) => told.add(happened),
                    count = far.read(&mut buffer) => seen.extend_from_slice(&buffer[..count.unwrap()]),
                    () = tokio::task::yield_now() => {}
                }
            }
            while told.took < sent.len() && !told.is_lost {
                told.add(port.next(&sent[told.took..]).await);
            }
        })
        .await;
        assert!(seen == sent && told.took == sent.len(), "{way:?}: {} bytes, {told:?}", seen.len());
    }
}

#[tokio::test]
async fn a_line_that_goes_is_lost_and_comes_back() {
    for way in WAYS {
        let place = Place::new(way).await;
        let (mut port, far) = place.open().await;
        drop(far);
        let mut told = Told::default();
        within("the loss", async {
            while !told.is_lost {
                told.add(port.next(&[]).await);
            }
            told.settle(&mut port).await;
        })
        .await;
        assert_eq!(told.took, 0, "{way:?}");
        drop(port);
        let (mut port, mut far) = place.open().await;
        far.write_all(b"back").await.unwrap();
        let mut told = Told::default();
        within("an answer", async {
            while told.received.len() < 4 && !told.is_lost {
                told.add(port.next(&[]).await);
            }
        })
        .await;
        assert_eq!(told.received, b"back", "{way:?}: {told:?}");
    }
}

#[tokio::test]
async fn a_printer_that_reads_nothing_gets_no_byte_that_is_not_told() {
    for way in WAYS {
        let place = Place::new(way).await;
        let (mut port, mut far) = place.open().await;
        let sent = bytes(MUCH);
        let mut told = Told::default();
        // The line is full once nothing has moved for as long as a port may take to say so.
        while let Ok(happened) =
            tokio::time::timeout(Duration::from_millis(300), port.next(&sent[told.took..])).await
        {
            told.add(happened);
            assert!(!told.is_lost && told.took < MUCH, "{way:?}: {told:?}");
        }
        let before = Instant::now();
        told.settle(&mut port).await;
        assert!(before.elapsed() < Duration::from_millis(SETTLE_MS_MAX), "{way:?}");
        drop(port);
        let mut seen = Vec::new();
        let mut buffer = vec![0; 65_536];
        // The end of a closed line: nothing for a connection, an error for a terminal.
        while let Ok(count @ 1..) = within("the rest", far.read(&mut buffer)).await {
            seen.extend_from_slice(&buffer[..count]);
        }
        assert!(seen.len() <= told.took, "{way:?}: {} bytes came of {}", seen.len(), told.took);
        assert!(sent.starts_with(&seen), "{way:?}");
    }
}

#[tokio::test]
async fn a_serial_printer_stops_the_line_with_xoff_and_starts_it_with_xon() {
    let place = Place::new(Way::Serial).await;
    let address = place.address().to_string().replace("flow=none", "flow=xon").parse().unwrap();
    let (mut far, device) = place.socket.plug_in().split();
    let mut port = within("the port", Port::open(&address)).await.unwrap();
    let sent = bytes(1_000_000);
    let (mut told, mut seen) = (Told::default(), Vec::new());
    let mut buffer = [0; 4_096];
    // What comes behind it says that it is in force.
    far.write_all(&[0x13, b'!']).await.unwrap();
    within("the printer's word", async {
        while told.received.is_empty() && !told.is_lost {
            told.add(port.next(&sent[told.took..]).await);
        }
    })
    .await;
    assert!(told.took < sent.len() && !told.is_lost, "stopped: {told:?}");
    // There is room again once the printer has read what had left, and yet the line takes nothing.
    within("what had left", async {
        while seen.len() < told.took {
            let count = far.read(&mut buffer).await.unwrap();
            seen.extend_from_slice(&buffer[..count]);
        }
    })
    .await;
    assert!(!has_room(&device), "{} bytes came", seen.len());
    far.write_all(&[0x11]).await.unwrap();
    within("the rest", async {
        while seen.len() < sent.len() {
            tokio::select! {
                happened = port.next(&sent[told.took..]) => told.add(happened),
                count = far.read(&mut buffer) => seen.extend_from_slice(&buffer[..count.unwrap()]),
            }
        }
    })
    .await;
    assert!(seen == sent, "{} bytes", seen.len());
    assert_eq!(told.received, b"!", "the line's own bytes are no answers");
    assert!(has_room(&device), "nothing stops it");
}

/// Whether the line takes a byte now.
fn has_room(device: &File) -> bool {
    let mut asked = [PollFd::new(device, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec::default())).unwrap();
    asked[0].revents().contains(PollFlags::OUT)
}

#[tokio::test]
async fn bytes_that_are_not_taken_when_the_line_goes_did_not_leave() {
    let place = Place::new(Way::Serial).await;
    let (mut port, far) = place.open().await;
    drop(far);
    let sent = bytes(10_000);
    let mut told = Told::default();
    within("the loss", async {
        while !told.is_lost {
            told.add(port.next(&sent[told.took..]).await);
        }
        told.settle(&mut port).await;
    })
    .await;
    assert_eq!(told.took, 0, "nobody was there to take anything: {told:?}");
}

#[tokio::test]
async fn what_is_not_there_cannot_be_opened() {
    let folder = tempdir().unwrap();
    let nothing = folder.path().join("none").display().to_string();
    for address in [
        format!("serial:{nothing}").parse().unwrap(),
        Address::UsbClass { path: nothing },
        "usb:serial=no such printer".parse().unwrap(),
    ] {
        let error = within("an answer", Port::open(&address)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{address}: {error}");
    }
    let error = Port::open(&"spooler:Kitchen".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn what_is_no_port_is_neither_opened_nor_made() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "kept").unwrap();
    symlink(at("file"), at("link")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut pipe = rustix::fs::open(at("pipe"), OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    let serial = |path: &Path| format!("serial:{}", path.display()).parse().unwrap();
    let usb = |path: &Path| Address::UsbClass { path: path.display().to_string() };
    let no_port = ["file", "link", "pipe", "."].map(at);
    let devices_without_a_line = ["/dev/null", "/dev/tty", "/dev/ptmx"].map(Path::new);
    let no_serial_port = no_port.iter().map(|path| &**path).chain(devices_without_a_line).map(serial);
    for address in no_serial_port.chain(no_port.iter().map(|path| usb(path))) {
        let error = within("an answer", Port::open(&address)).await.unwrap_err();
        let refused = NotADevice::of(&error).unwrap_or_else(|| panic!("{address}: {error}"));
        assert!(error.to_string().contains("不是"), "{error}");
        assert!(!refused.remedy().0.is_empty());
    }
    assert_eq!(std::fs::read_to_string(at("file")).unwrap(), "kept");
    // Nobody has ever had its other end.
    assert!(!was_written_to(&mut pipe));
    let error = Port::open(&serial(&at("none"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!at("none").exists());
}

/// A pipe whose writer has come, gone or not, hangs up or can be read.
fn was_written_to(pipe: &mut OwnedFd) -> bool {
    let mut asked = [PollFd::new(pipe, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec::default())).unwrap();
    !asked[0].revents().is_empty()
}

#[tokio::test]
async fn a_serial_port_has_one_owner() {
    let place = Place::new(Way::Serial).await;
    let (port, _far) = place.open().await;
    let error = within("an answer", Port::open(&place.address())).await.unwrap_err();
    assert!(error.to_string().len() > 3, "{error}");
    drop(port);
    let again = within("the port again", async {
        loop {
            match Port::open(&place.address()).await {
                Ok(port) => return port,
                // The thread of the first one is on its way out.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    drop(again.await);
}
