//! A printer at a serial port, or at a USB adapter for one.
//!
//! RTS/CTS and XON/XOFF are the driver's work. DTR/DSR no driver does: the line is looked at before each small piece,
//! and a piece follows only when the driver's own buffer is empty, since what is in there goes out whatever DSR says.
//! A printer drops the line while it has room for that piece yet.
//!
//! Bytes count as taken once they have left the driver, not as soon as it has them: a printer that holds up the line may
//! leave several tickets in there, and stopping forgets what is in there. What it forgets counts as taken, so that the
//! ticket in flight ends unknown, since some of it may have gone in that moment.
//!
//! A thread works with the port on every system alike. On Windows a blocked `ReadFile` would block `WriteFile` too, and
//! under Wine a read returns only after its whole limit; so what has come is asked for first and never waited for.

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
/// How often DSR is looked at, and whether the driver's bytes are gone: at 115,200 baud a ticket takes 100 ms.
const LINE_POLL_MS: u64 = 1;

/// Opens a port: 8 data bits, no parity, one stop bit, nobody else may use it.
pub(super) async fn open(path: String, baud: u32, flow: Flow) -> io::Result<Threaded> {
    Threaded::open("serial", move || Serial::open(&path, baud, flow)).await
}

/// What is needed of a port: with DSR, what no pseudo-terminal has.
trait Wires: Read + Write {
    /// Bytes that have come.
    fn come(&mut self) -> io::Result<usize>;
    /// Bytes that the driver has and that have not gone out; some drivers say more.
    fn waiting(&mut self) -> io::Result<usize>;
    /// Whether the printer holds DSR up.
    fn is_ready(&mut self) -> io::Result<bool>;
    /// Forgets what has not gone out, as far as that can be done.
    fn forget(&mut self);
}

impl Wires for Box<dyn SerialPort> {
    fn come(&mut self) -> io::Result<usize> {
        Ok(usize::try_from(self.bytes_to_read()?).unwrap_or(READ_BYTES))
    }

    fn waiting(&mut self) -> io::Result<usize> {
        Ok(usize::try_from(self.bytes_to_write()?).unwrap_or(usize::MAX))
    }

    fn is_ready(&mut self) -> io::Result<bool> {
        Ok(self.read_data_set_ready()?)
    }

    fn forget(&mut self) {
        // Where it fails the port is gone, and they are with it.
        let _ = self.clear(ClearBuffer::Output);
    }
}

struct Serial<W> {
    wires: W,
    flow: Flow,
    /// Bytes that the driver took and that were not seen to have gone out.
    held: usize,
}

impl Serial<Box<dyn SerialPort>> {
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
        Ok(Self { wires: port, flow, held: 0 })
    }
}

impl<W: Wires> Serial<W> {
    /// How much may be written now.
    fn room(&mut self) -> io::Result<usize> {
        if !matches!(self.flow, Flow::Dsr) {
            return Ok(WRITE_BYTES_MAX);
        }
        let may_go = self.held == 0 && self.wires.is_ready()?;
        Ok(if may_go { DSR_BYTES_MAX } else { 0 })
    }
}

impl<W: Wires + 'static> Device for Serial<W> {
    fn turn(&mut self, piece: &[u8], moved: &mut Moved) -> io::Result<()> {
        // Also shows that the port is still there.
        let waiting = self.wires.come()?.min(READ_BYTES);
        if waiting > 0 {
            moved.read.resize(waiting, 0);
            let read = later(self.wires.read(&mut moved.read));
            moved.read.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        if self.held > 0 {
            let waiting = self.wires.waiting()?.min(self.held);
            moved.written = self.held - waiting;
            self.held = waiting;
        }
        let rest = piece.get(moved.written + self.held..).unwrap_or_default();
        let room = if rest.is_empty() { 0 } else { self.room()?.min(rest.len()) };
        let taken = if room > 0 { later(self.wires.write(&rest[..room]))? } else { 0 };
        self.held += taken;
        if taken == 0 && moved.written == 0 && !piece.is_empty() {
            std::thread::sleep(Duration::from_millis(LINE_POLL_MS));
        }
        Ok(())
    }

    fn stop(&mut self, moved: &mut Moved) {
        moved.written = std::mem::take(&mut self.held);
        // Closing would wait for a printer that does not take it.
        self.wires.forget();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A line whose far end holds DSR up or down, with a driver's buffer that is emptied by hand.
    #[derive(Default)]
    struct Line {
        is_ready: bool,
        in_driver: usize,
        gone: Vec<u8>,
        come: Vec<u8>,
    }

    impl Read for Line {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.come.len());
            buffer[..count].copy_from_slice(&self.come[..count]);
            self.come.drain(..count);
            Ok(count)
        }
    }

    impl Write for Line {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.in_driver += bytes.len();
            self.gone.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Wires for Line {
        fn come(&mut self) -> io::Result<usize> {
            Ok(self.come.len())
        }

        fn waiting(&mut self) -> io::Result<usize> {
            Ok(self.in_driver)
        }

        fn is_ready(&mut self) -> io::Result<bool> {
            Ok(self.is_ready)
        }

        fn forget(&mut self) {
            self.in_driver = 0;
        }
    }

    fn turn(serial: &mut Serial<Line>, piece: &[u8]) -> (usize, Vec<u8>) {
        let mut moved = Moved::default();
        serial.turn(piece, &mut moved).unwrap();
        (moved.written, moved.read)
    }

    #[test]
    fn with_dsr_small_pieces_go_while_the_line_is_up_and_the_driver_empty() {
        let mut serial = Serial { wires: Line::default(), flow: Flow::Dsr, held: 0 };
        let ticket: Vec<u8> = (0..100).collect();
        turn(&mut serial, &ticket);
        assert!(serial.wires.gone.is_empty(), "the printer is busy");
        serial.wires.is_ready = true;
        assert_eq!(turn(&mut serial, &ticket).0, 0, "it is on its way");
        assert_eq!(turn(&mut serial, &ticket).0, 0, "the driver still has the first piece");
        assert_eq!(serial.wires.gone, ticket[..DSR_BYTES_MAX]);
        serial.wires.in_driver = 0;
        serial.wires.is_ready = false;
        serial.wires.come = vec![0x12];
        let went = turn(&mut serial, &ticket);
        assert_eq!(went, (DSR_BYTES_MAX, vec![0x12]), "it answers while it is busy");
        serial.wires.is_ready = true;
        turn(&mut serial, &ticket[DSR_BYTES_MAX..]);
        assert_eq!(serial.wires.gone, ticket[..2 * DSR_BYTES_MAX]);
    }

    #[test]
    fn without_dsr_its_state_does_not_matter() {
        for flow in [Flow::Rts, Flow::Xon, Flow::None] {
            let mut serial = Serial { wires: Line { in_driver: 1, ..Line::default() }, flow, held: 0 };
            turn(&mut serial, &[0; 100]);
            turn(&mut serial, &[0; 100]);
            assert_eq!(serial.wires.gone.len(), 100, "{flow}");
        }
    }

    #[test]
    fn what_the_driver_holds_has_not_left_and_what_stopping_forgets_may_have() {
        let mut serial = Serial { wires: Line::default(), flow: Flow::Rts, held: 0 };
        let ticket: Vec<u8> = (0..100).collect();
        for _ in 0..10 {
            assert_eq!(turn(&mut serial, &ticket).0, 0, "the printer holds up the line");
        }
        assert_eq!(serial.wires.gone, ticket, "the driver has it, once");
        serial.wires.in_driver = 60;
        assert_eq!(turn(&mut serial, &ticket).0, 40);
        serial.wires.in_driver = 90;
        assert_eq!(turn(&mut serial, &ticket[40..]).0, 0, "a driver that says too much");
        serial.wires.in_driver = 50;
        assert_eq!(turn(&mut serial, &ticket[40..]).0, 10);
        let mut moved = Moved::default();
        serial.stop(&mut moved);
        assert_eq!((moved.written, serial.wires.in_driver), (50, 0));
    }
}
