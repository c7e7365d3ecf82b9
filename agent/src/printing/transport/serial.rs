//! A printer at a serial port, or at a USB adapter for one.
//!
//! RTS/CTS and XON/XOFF are the driver's work. DTR/DSR no driver does: the line is looked at before each small piece,
//! and a piece follows only when the driver's own buffer is empty, since what is in there goes out whatever DSR says.
//! A printer drops the line while it has room for that piece yet.
//!
//! A thread works with the port on every system alike. On Windows a blocked `ReadFile` would
//! block `WriteFile` too, and under Wine a read returns only after its whole limit; so what has come is asked for first
//! and never waited for.

use super::threaded::{Device, Moved, Threaded};
use super::{Flow, READ_BYTES};
use serialport::{ClearBuffer, FlowControl, SerialPort};
use std::io::{self, Read, Write};
use std::time::Duration;

/// How long one write may wait for room: meanwhile nothing is read.
const WRITE_MS_MAX: u64 = 20;
/// Bytes of one write. At 9,600 baud they take 67 ms, so Windows ends most writes half done: that is counted.
const WRITE_BYTES_MAX: usize = 64;
/// Bytes of one write with DSR: less than the smallest reserve with which a printer drops the line.
const DSR_BYTES_MAX: usize = 16;
/// How often DSR is looked at.
const DSR_POLL_MS: u64 = 1;

/// Opens a port: 8 data bits, no parity, one stop bit, nobody else may use it.
pub(super) async fn open(path: String, baud: u32, flow: Flow) -> io::Result<Threaded> {
    Threaded::open("serial", move || Serial::open(&path, baud, flow)).await
}

struct Serial {
    port: Box<dyn SerialPort>,
    flow: Flow,
}

impl Serial {
    fn open(path: &str, baud: u32, flow: Flow) -> io::Result<Self> {
        let control = match flow {
            Flow::Rts => FlowControl::Hardware,
            Flow::Xon => FlowControl::Software,
            Flow::Dsr | Flow::None => FlowControl::None,
        };
        let builder = serialport::new(path, baud)
            .flow_control(control)
            .dtr_on_open(true)
            .timeout(Duration::from_millis(WRITE_MS_MAX));
        let mut port = open_port(&builder)?;
        if !matches!(flow, Flow::Rts) {
            // A printer with a full cable may wait for it. Where there is no such line, nothing does.
            let _ = port.write_request_to_send(true);
        }
        if matches!(flow, Flow::Dsr) {
            port.read_data_set_ready().map_err(|_| {
                io::Error::new(io::ErrorKind::Unsupported, "this port has no DSR: write flow=rts or flow=xon")
            })?;
        }
        port.clear(ClearBuffer::Input)?;
        Ok(Self { port, flow })
    }

    /// How much may be written now.
    fn room(&mut self) -> io::Result<usize> {
        if !matches!(self.flow, Flow::Dsr) {
            return Ok(WRITE_BYTES_MAX);
        }
        if self.port.bytes_to_write()? == 0 && self.port.read_data_set_ready()? {
            return Ok(DSR_BYTES_MAX);
        }
        std::thread::sleep(Duration::from_millis(DSR_POLL_MS));
        Ok(0)
    }
}

impl Device for Serial {
    fn turn(&mut self, piece: &[u8], moved: &mut Moved) -> io::Result<()> {
        // Also shows that the port is still there.
        let waiting = usize::try_from(self.port.bytes_to_read()?).unwrap_or(READ_BYTES).min(READ_BYTES);
        if waiting > 0 {
            moved.read.resize(waiting, 0);
            let read = later(self.port.read(&mut moved.read));
            moved.read.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        if !piece.is_empty() {
            let room = self.room()?.min(piece.len());
            if room > 0 {
                moved.written = later(self.port.write(&piece[..room]))?;
            }
        }
        Ok(())
    }

    fn stop(&mut self, _: &mut Moved) {
        // What the driver still holds was taken, so its ticket will be told unknown and come again with its mark;
        // and closing would wait for a printer that does not take it.
        let _ = self.port.clear(ClearBuffer::Output);
    }
}

/// No error that only means "not yet".
fn later(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(0)
        }
        other => other,
    }
}

#[cfg(unix)]
fn open_port(builder: &serialport::SerialPortBuilder) -> io::Result<Box<dyn SerialPort>> {
    use std::os::fd::{AsRawFd, BorrowedFd};
    let port = builder.clone().open_native()?;
    // SAFETY: `port` is open and outlives this borrow of its descriptor, which it has no safe way to lend.
    let descriptor = unsafe { BorrowedFd::borrow_raw(port.as_raw_fd()) };
    // The crate waits for room for one byte; a blocking write would then wait for room for all of them, without limit.
    let flags = rustix::fs::fcntl_getfl(descriptor)?;
    rustix::fs::fcntl_setfl(descriptor, flags | rustix::fs::OFlags::NONBLOCK)?;
    Ok(Box::new(port))
}

#[cfg(not(unix))]
fn open_port(builder: &serialport::SerialPortBuilder) -> io::Result<Box<dyn SerialPort>> {
    Ok(builder.clone().open()?)
}
