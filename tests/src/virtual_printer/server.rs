//! The shell of a printer: one task that owns device and wire, and a handle to watch and to trouble it.
//!
//! The device is the same behind every wire: a TCP port, a serial line, a USB plug.

use super::device::Device;
use super::fault::Fault;
use super::options::PrinterOptions;
use super::receipt::Receipt;
#[cfg(target_os = "linux")]
use super::serial::{SerialOptions, SerialWire};
use super::status::Status;
use super::tcp::TcpWire;
#[cfg(target_os = "linux")]
use super::usb::{UsbOptions, UsbWire};
use super::wire::{Interests, Occurrence, READ_BYTES_MAX, Wire};
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Reads in a row before other tasks get their turn.
const READS_IN_A_ROW_MAX: usize = 16;

/// A printer that runs until it is dropped. It needs a tokio runtime with I/O and time.
#[derive(Debug)]
pub struct VirtualPrinter {
    shared: Arc<Shared>,
    plug: Plug,
    task: JoinHandle<()>,
}

/// Where a printer is plugged in, on the side of the printer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plug {
    /// It listens here.
    Tcp(SocketAddr),
    /// This link leads to the serial line while that is plugged in.
    Serial(PathBuf),
    /// The device with this serial number.
    Usb(String),
}

impl fmt::Display for Plug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plug::Tcp(address) => write!(f, "{address}"),
            Plug::Serial(link) => write!(f, "serial:{}", link.display()),
            Plug::Usb(serial) => write!(f, "usb:{serial}"),
        }
    }
}

#[derive(Debug)]
struct Shared {
    device: Mutex<Device>,
    /// Something changed that a user may wait for.
    changed: Notify,
    /// A fault was set, the task must look again.
    troubled: Notify,
}

impl VirtualPrinter {
    /// Starts a printer on the network that is switched on.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    ///
    /// # Panics
    /// When called outside a tokio runtime.
    pub fn start(options: PrinterOptions) -> io::Result<VirtualPrinter> {
        let wire = TcpWire::listen(options.listen)?;
        let plug = Plug::Tcp(wire.address());
        Ok(VirtualPrinter::run(&options, wire, plug))
    }

    /// Starts a printer on a serial line that is switched on and plugged in.
    ///
    /// # Errors
    /// When there is no pty, or its link cannot be made.
    ///
    /// # Panics
    /// When called outside a tokio runtime.
    #[cfg(target_os = "linux")]
    pub fn start_serial(options: &PrinterOptions, line: SerialOptions) -> io::Result<VirtualPrinter> {
        let plug = Plug::Serial(line.link.clone());
        Ok(VirtualPrinter::run(options, SerialWire::plug_in(line)?, plug))
    }

    /// Starts a printer on this machine's USB that is switched on and plugged in. That takes root and the kernel's
    /// `dummy_hcd` and `usb_f_printer`, see `super::usb`.
    ///
    /// # Errors
    /// When the kernel does not make it.
    ///
    /// # Panics
    /// When called outside a tokio runtime.
    #[cfg(target_os = "linux")]
    pub fn start_usb(options: &PrinterOptions, usb: UsbOptions) -> io::Result<VirtualPrinter> {
        let plug = Plug::Usb(usb.serial.clone());
        Ok(VirtualPrinter::run(options, UsbWire::make(usb)?, plug))
    }

    fn run<W: Wire>(options: &PrinterOptions, wire: W, plug: Plug) -> VirtualPrinter {
        let shared = Arc::new(Shared {
            device: Mutex::new(Device::new(options)),
            changed: Notify::new(),
            troubled: Notify::new(),
        });
        let server = Server {
            shared: Arc::clone(&shared),
            wire,
            outbound: Vec::new(),
            buffer: vec![0; READ_BYTES_MAX],
        };
        VirtualPrinter { shared, plug, task: tokio::spawn(server.run()) }
    }

    /// Where it is plugged in.
    pub fn plug(&self) -> &Plug {
        &self.plug
    }

    /// Where it listens.
    ///
    /// # Panics
    /// When it is not on the network.
    pub fn address(&self) -> SocketAddr {
        match self.plug {
            Plug::Tcp(address) => address,
            ref plug => panic!("a printer at {plug} has no network address"),
        }
    }

    /// Changes what is wrong, at once.
    pub fn set(&self, fault: Fault) {
        self.shared.device().set(fault, now());
        self.shared.troubled.notify_one();
        self.shared.changed.notify_waiters();
    }

    /// What state it is in.
    pub fn status(&self) -> Status {
        let mut device = self.shared.device();
        device.advance(now());
        device.status()
    }

    /// The finished receipts that are kept, the oldest first.
    pub fn receipts(&self) -> Vec<Receipt> {
        self.receipts_from(1)
    }

    /// The finished receipts that are kept with numbers from `first` on; numbers count from 1.
    pub fn receipts_from(&self, first: u64) -> Vec<Receipt> {
        self.shared.device().receipts_from(first)
    }

    /// How many receipts ended since the start.
    pub fn receipt_count(&self) -> u64 {
        self.shared.device().receipt_count()
    }

    /// How many bytes were received since the start.
    pub fn bytes_received(&self) -> u64 {
        self.shared.device().bytes_received()
    }

    /// What was received after the first `before` bytes, across connections; `None` where that is longer ago than is
    /// remembered.
    pub fn heard_after(&self, before: u64) -> Option<Vec<u8>> {
        self.shared.device().heard_after(before)
    }

    /// What is printed of the receipt that has not ended.
    pub fn paper_so_far(&self) -> String {
        self.shared.device().paper_so_far()
    }

    /// Waits until the condition holds. It is looked at after each change, so it should be cheap.
    ///
    /// # Errors
    /// When it does not hold after `within`: the last state, as text.
    pub async fn wait_until(
        &self,
        within: Duration,
        condition: impl Fn(&Status) -> bool,
    ) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // Registered before looking: a change between the look and the wait is not missed.
            changed.as_mut().enable();
            let status = self.status();
            if condition(&status) {
                return Ok(());
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                let status = self.status();
                if condition(&status) {
                    return Ok(());
                }
                return Err(format!("after {within:?} the printer at {} is in: {status:#?}", self.plug));
            }
        }
    }

    /// Stops it and waits until its port is free. Dropping it stops it without waiting.
    pub async fn stop(mut self) {
        self.unplug_for_good().await;
    }

    /// Stops it, and keeps what was printed.
    pub async fn unplug_for_good(&mut self) {
        self.task.abort();
        // An aborted task ends with an error that says so.
        let _ = (&mut self.task).await;
    }
}

impl Drop for VirtualPrinter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn device(&self) -> MutexGuard<'_, Device> {
        // The device keeps its invariants between statements; a panic elsewhere does not spoil it.
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By tokio's clock, so that a test that pauses it pauses the printer.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

struct Server<W> {
    shared: Arc<Shared>,
    wire: W,
    /// Answers that the connection has not taken.
    outbound: Vec<u8>,
    buffer: Vec<u8>,
}

impl<W: Wire> Server<W> {
    async fn run(mut self) {
        loop {
            let (interests, timeout) = self.settle();
            let occurrence = tokio::select! {
                occurrence = self.wire.occurs(interests) => occurrence,
                () = due(timeout) => {
                    self.shared.device().advance(now());
                    self.shared.changed.notify_waiters();
                    continue;
                }
                () = self.shared.troubled.notified() => continue,
            };
            match occurrence {
                Occurrence::Opened => {
                    self.outbound.clear();
                    self.shared.device().connect();
                    self.shared.changed.notify_waiters();
                }
                Occurrence::Readable => self.read(),
                Occurrence::Lost => self.lost(),
                Occurrence::Writable | Occurrence::Nothing => {}
            }
        }
    }

    /// Brings wire and device into agreement: what is of interest, and when to look again.
    fn settle(&mut self) -> (Interests, Option<Instant>) {
        let shared = Arc::clone(&self.shared);
        let mut device = shared.device();
        device.advance(now());
        let before = (device.is_connected(), device.connections());
        self.wire.follow(&mut device, &mut self.outbound);
        if (device.is_connected(), device.connections()) != before {
            self.outbound.clear();
            shared.changed.notify_waiters();
        }
        device.take_replies(&mut self.outbound);
        drop(device);
        self.write();
        let device = shared.device();
        let interests = Interests {
            opening: device.accepts(),
            reading: self.wire.room(&device, now()) > 0,
            writing: !self.outbound.is_empty(),
        };
        (interests, device.timeout())
    }

    fn lost(&mut self) {
        self.outbound.clear();
        self.wire.lose(&mut self.shared.device());
        self.shared.changed.notify_waiters();
    }

    fn read(&mut self) {
        for _ in 0..READS_IN_A_ROW_MAX {
            let mut device = self.shared.device();
            let room = self.wire.room(&device, now()).min(self.buffer.len());
            if room == 0 {
                break;
            }
            match self.wire.try_read(&mut self.buffer[..room]) {
                Ok(0) => {
                    drop(device);
                    return self.lost();
                }
                Ok(length) => {
                    self.wire.deliver(&mut device, &mut self.buffer[..length], now());
                    device.take_replies(&mut self.outbound);
                    drop(device);
                    self.write();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    drop(device);
                    return self.lost();
                }
            }
        }
        self.shared.changed.notify_waiters();
    }

    /// Writes what the connection takes; the rest waits for it to be ready.
    fn write(&mut self) {
        while !self.outbound.is_empty() {
            match self.wire.try_write(&self.outbound) {
                Ok(length) => {
                    self.outbound.drain(..length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.lost(),
            }
        }
    }
}

async fn due(timeout: Option<Instant>) {
    match timeout {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}
