//! The TCP shell of a printer: one task that owns listener and connection, and a handle to watch and to
//! trouble it.
//!
//! Like most devices it serves one connection at a time; others wait in the backlog until that one is closed.
//! While it is switched off its port refuses connections but stays reserved, so that no other program takes
//! it.

use super::device::Device;
use super::fault::Fault;
use super::options::PrinterOptions;
use super::receipt::Receipt;
use super::status::Status;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Connections that wait while one is served.
const BACKLOG: u32 = 16;
/// Most bytes of one read, whatever the buffer has free.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Reads in a row before other tasks get their turn.
const READS_IN_A_ROW_MAX: usize = 16;

/// A printer that runs until it is dropped. It needs a tokio runtime with I/O and time.
#[derive(Debug)]
pub struct VirtualPrinter {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: JoinHandle<()>,
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
    /// Starts a printer that is switched on.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    ///
    /// # Panics
    /// When called outside a tokio runtime.
    pub fn start(options: PrinterOptions) -> io::Result<VirtualPrinter> {
        if options.listen.port() != 0 {
            // Sharing an address, as below, would also share it with another virtual printer: ask without
            // sharing.
            bind(options.listen, Sharing::No)?;
        }
        let reserved = bind(options.listen, Sharing::Yes)?;
        let address = reserved.local_addr()?;
        let listener = listen(address)?;
        let shared = Arc::new(Shared {
            device: Mutex::new(Device::new(&options)),
            changed: Notify::new(),
            troubled: Notify::new(),
        });
        let server = Server {
            shared: Arc::clone(&shared),
            address,
            _reserved: reserved,
            listener: Some(listener),
            connection: None,
            outbound: Vec::new(),
            buffer: vec![0; READ_BYTES_MAX],
        };
        Ok(VirtualPrinter { shared, address, task: tokio::spawn(server.run()) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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
                return Err(format!("after {within:?} the printer at {} is in: {status:#?}", self.address));
            }
        }
    }

    /// Stops it and waits until its port is free. Dropping it stops it without waiting.
    pub async fn stop(mut self) {
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

struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Bound and never listening: keeps the port while the printer refuses connections.
    _reserved: TcpSocket,
    listener: Option<TcpListener>,
    connection: Option<TcpStream>,
    /// Answers that the connection has not taken.
    outbound: Vec<u8>,
    buffer: Vec<u8>,
}

/// What the task found to do.
enum Event {
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    Readable,
    /// The connection takes answers again, or failed.
    Ready(io::Result<tokio::io::Ready>),
    Due,
    Troubled,
}

impl Server {
    async fn run(mut self) {
        loop {
            let (accepts, reads, timeout) = self.settle();
            let writes = !self.outbound.is_empty();
            let event = tokio::select! {
                accepted = accept(self.listener.as_ref().filter(|_| accepts)) => Event::Accepted(accepted),
                result = readable(self.connection.as_ref().filter(|_| reads)) => match result {
                    Ok(()) => Event::Readable,
                    Err(error) => Event::Ready(Err(error)),
                },
                result = ready(self.connection.as_ref(), writes, reads) => Event::Ready(result),
                () = due(timeout) => Event::Due,
                () = self.shared.troubled.notified() => Event::Troubled,
            };
            match event {
                Event::Accepted(Ok((stream, peer))) => self.accepted(stream, peer),
                Event::Accepted(Err(error)) => {
                    tracing::warn!(%error, address = %self.address, "virtual printer cannot accept");
                    // Out of file descriptors, most likely.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                Event::Readable => self.read(),
                Event::Ready(Ok(ready)) => {
                    if ready.is_error() || ready.is_write_closed() {
                        self.disconnected();
                    }
                }
                Event::Ready(Err(_)) => self.disconnected(),
                Event::Due => {
                    self.shared.device().advance(now());
                    self.shared.changed.notify_waiters();
                }
                Event::Troubled => {}
            }
        }
    }

    /// Brings sockets and device into agreement: whether to accept, whether to read, when to look again.
    fn settle(&mut self) -> (bool, bool, Option<Instant>) {
        let shared = Arc::clone(&self.shared);
        let mut device = shared.device();
        device.advance(now());
        if device.must_drop() {
            device.disconnect();
            self.connection = None;
            self.outbound.clear();
            shared.changed.notify_waiters();
        }
        match (device.listens(), &self.listener) {
            (false, Some(_)) => self.listener = None,
            (true, None) => match listen(self.address) {
                Ok(listener) => self.listener = Some(listener),
                Err(error) => {
                    tracing::error!(%error, address = %self.address, "virtual printer cannot listen again");
                }
            },
            _ => {}
        }
        device.take_replies(&mut self.outbound);
        let state = (device.accepts(), device.capacity() > 0, device.timeout());
        drop(device);
        self.write();
        state
    }

    fn accepted(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "no TCP_NODELAY");
        }
        tracing::debug!(%peer, address = %self.address, "virtual printer connected");
        self.connection = Some(stream);
        self.outbound.clear();
        self.shared.device().connect();
        self.shared.changed.notify_waiters();
    }

    fn disconnected(&mut self) {
        self.connection = None;
        self.outbound.clear();
        self.shared.device().disconnect();
        self.shared.changed.notify_waiters();
    }

    fn read(&mut self) {
        for _ in 0..READS_IN_A_ROW_MAX {
            let Some(connection) = &self.connection else { return };
            let mut device = self.shared.device();
            let capacity = device.capacity().min(self.buffer.len());
            if capacity == 0 {
                break;
            }
            match connection.try_read(&mut self.buffer[..capacity]) {
                Ok(0) => {
                    drop(device);
                    return self.disconnected();
                }
                Ok(length) => {
                    device.receive(&self.buffer[..length], now());
                    device.take_replies(&mut self.outbound);
                    drop(device);
                    self.write();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    drop(device);
                    return self.disconnected();
                }
            }
        }
        self.shared.changed.notify_waiters();
    }

    /// Writes what the connection takes; the rest waits for it to be ready.
    fn write(&mut self) {
        while let Some(connection) = self.connection.as_ref().filter(|_| !self.outbound.is_empty()) {
            match connection.try_write(&self.outbound) {
                Ok(length) => {
                    self.outbound.drain(..length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.disconnected(),
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Sharing {
    No,
    /// The reserved socket and the listener have the same address.
    Yes,
}

fn bind(address: SocketAddr, sharing: Sharing) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(sharing == Sharing::Yes)?;
    #[cfg(not(unix))]
    let _ = sharing;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address, Sharing::Yes)?.listen(BACKLOG)
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => pending().await,
    }
}

async fn readable(connection: Option<&TcpStream>) -> io::Result<()> {
    match connection {
        Some(connection) => connection.readable().await,
        None => pending().await,
    }
}

/// Waits until answers can be written again; while nothing is read, for the connection's failure alone.
async fn ready(connection: Option<&TcpStream>, writes: bool, reads: bool) -> io::Result<tokio::io::Ready> {
    match connection {
        Some(connection) if writes => connection.ready(Interest::WRITABLE).await,
        Some(connection) if !reads => connection.ready(Interest::ERROR).await,
        _ => pending().await,
    }
}

async fn due(timeout: Option<Instant>) {
    match timeout {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}
