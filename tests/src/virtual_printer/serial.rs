//! A printer on a serial line: the master's side of a pty, whose other side a driver opens.
//!
//! A link leads to the pty, since a new one has another number: unplugged, the link is gone; plugged in again, it leads
//! to a new pty, as `/dev/serial/by-id` does. A line knows of no clients: what is sent reaches the printer whoever
//! has the line open, and what the printer says while nobody has, reaches nobody. Switching the printer off does not
//! take the line away; bytes go nowhere.
//!
//! A pty has no wires but the two for data. So the hardware handshake is the printer not reading, whatever the driver
//! has set; XON and XOFF are sent, and obeyed by the kernel if the driver has asked it to.
//!
//! A master is told when the last driver closes the other side, but not when one opens it again, so then it looks. Where
//! another driver has opened it before what the former wrote is read, that it was closed stays said: then the line is
//! watched anew, or it would count as readable for ever.

use super::device::Device;
use super::wire::{Interests, Occurrence, READ_BYTES_MAX, Wire, watch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{InputModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::ffi::OsStr;
use std::future::pending;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How often a line that nobody has open is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A byte on the line with its start and stop bit.
const BITS_A_BYTE: u32 = 10;
/// Bytes that a line hands over together, as a serial port's own buffer does.
const BURST_BYTES_MAX: u32 = 16;
/// What a printer sends when its buffer is nearly full, and when there is room again.
const XOFF: u8 = 0x13;
const XON: u8 = 0x11;

/// How a printer with a full buffer stops the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handshake {
    /// By a wire of its own.
    #[default]
    Hardware,
    /// By a byte on the line. A driver that does not know it overruns the buffer, and what is too much is lost.
    XonXoff,
}

/// A serial line.
#[derive(Debug, Clone)]
pub struct SerialOptions {
    /// The link that leads to the line; a driver opens this.
    pub link: PathBuf,
    /// The line's speed. With a speed bytes take their time, and a driver that has set another speed is not
    /// understood. `None` is as fast as it can be, and understands every speed.
    pub baud: Option<u32>,
    /// How the printer stops the sender.
    pub handshake: Handshake,
}

impl SerialOptions {
    /// As fast as it can be.
    pub fn at(link: impl Into<PathBuf>) -> Self {
        SerialOptions { link: link.into(), baud: None, handshake: Handshake::default() }
    }
}

/// A pty and who is at its other side.
#[derive(Debug)]
enum Line {
    Unplugged,
    /// Nobody has it open.
    Vacant(OwnedFd),
    Open(AsyncFd<OwnedFd>),
}

/// The printer's end of a line.
#[derive(Debug)]
pub(super) struct SerialWire {
    options: SerialOptions,
    line: Line,
    /// A driver has closed the line since it is watched.
    was_closed: bool,
    /// XOFF was sent last.
    stopped: bool,
    /// XOFF or XON, to be sent.
    signal: Option<u8>,
    /// When the last byte that was read had come.
    read_up_to: Option<Instant>,
    is_powered: bool,
}

impl SerialWire {
    /// Makes a pty and its link.
    pub fn plug_in(options: SerialOptions) -> io::Result<Self> {
        let line = Line::Vacant(make_pty(&options.link)?);
        Ok(SerialWire {
            options,
            line,
            was_closed: false,
            stopped: false,
            signal: None,
            read_up_to: None,
            is_powered: true,
        })
    }

    fn unplug(&mut self) {
        self.line = Line::Unplugged;
        // Another may have taken the name since; then it is not there, or no concern of this one.
        let _ = std::fs::remove_file(&self.options.link);
    }

    fn byte_time(&self) -> Option<Duration> {
        let baud = self.options.baud.filter(|&baud| baud > 0)?;
        Some(Duration::from_secs(1) * BITS_A_BYTE / baud)
    }

    /// How the driver has set the line.
    fn settings(&self) -> Option<Termios> {
        match &self.line {
            Line::Unplugged => None,
            Line::Vacant(master) => tcgetattr(master).ok(),
            Line::Open(master) => tcgetattr(master.get_ref()).ok(),
        }
    }

    /// Whether the driver's speed is another than the printer's.
    fn is_garbled(&self) -> bool {
        match (self.options.baud, self.settings()) {
            (Some(baud), Some(settings)) => settings.output_speed() != baud,
            _ => false,
        }
    }

    /// Asks the sender to stop, or to go on.
    fn hand_shake(&mut self, device: &Device) {
        if self.options.handshake != Handshake::XonXoff {
            return;
        }
        let (waiting, size) = device.filling();
        if !self.stopped && waiting * 4 >= size * 3 {
            self.stopped = true;
            self.signal = Some(XOFF);
        } else if self.stopped && waiting * 4 <= size {
            self.stopped = false;
            self.signal = Some(XON);
        }
    }

    /// The last driver has closed its side.
    fn vacate(&mut self) {
        self.line = match std::mem::replace(&mut self.line, Line::Unplugged) {
            // What it has been told does not count for the next.
            Line::Open(master) => Line::Vacant(master.into_inner()),
            line => line,
        };
        self.was_closed = false;
        self.stopped = false;
        self.signal = None;
    }
}

impl Drop for SerialWire {
    fn drop(&mut self) {
        if !matches!(self.line, Line::Unplugged) {
            self.unplug();
        }
    }
}

impl Wire for SerialWire {
    fn follow(&mut self, device: &mut Device, outbound: &mut Vec<u8>) {
        self.is_powered = device.is_powered();
        let dropped = device.is_drop_due();
        if dropped || !device.is_plugged() {
            self.unplug();
        }
        if device.is_plugged() && matches!(self.line, Line::Unplugged) {
            match make_pty(&self.options.link) {
                Ok(master) => self.line = Line::Vacant(master),
                Err(error) => tracing::error!(%error, "virtual printer cannot be plugged in again"),
            }
        }
        let is_there = self.is_powered && !matches!(self.line, Line::Unplugged);
        if device.is_connected() && (dropped || !is_there) {
            device.disconnect();
        }
        if !device.is_connected() && is_there {
            device.connect();
        }
        self.hand_shake(device);
        if let Some(signal) = self.signal.take() {
            outbound.insert(0, signal);
        }
    }

    fn room(&self, device: &Device, now: Instant) -> usize {
        let room = match self.options.handshake {
            // What goes nowhere needs no room.
            _ if !self.is_powered => READ_BYTES_MAX,
            Handshake::Hardware => device.capacity(),
            Handshake::XonXoff => {
                let obeys =
                    self.settings().is_some_and(|settings| settings.input_modes.contains(InputModes::IXON));
                match (obeys, self.stopped) {
                    (true, true) => 0,
                    // A line hands over byte by byte, and XOFF is sent in time: what is read at once has to fit.
                    (true, false) => device.filling().1 / 4,
                    (false, _) => READ_BYTES_MAX,
                }
            }
        };
        let Some(byte_time) = self.byte_time() else { return room };
        let bytes = match self.read_up_to {
            Some(at) => now.saturating_duration_since(at).as_nanos() / byte_time.as_nanos().max(1),
            None => u128::from(BURST_BYTES_MAX),
        };
        room.min(usize::try_from(bytes.min(u128::from(BURST_BYTES_MAX))).unwrap_or(0))
    }

    fn deliver(&mut self, device: &mut Device, bytes: &mut [u8], now: Instant) {
        if let Some(byte_time) = self.byte_time() {
            let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            // The line was idle for longer than its own buffer remembers.
            let idle = now.checked_sub(byte_time * BURST_BYTES_MAX);
            self.read_up_to = self.read_up_to.max(idle).map(|at| at + byte_time * count);
        }
        if !self.is_powered {
            return;
        }
        if self.is_garbled() {
            garble(bytes);
        }
        let taken = bytes.len().min(device.capacity());
        if taken < bytes.len() {
            tracing::debug!(lost = bytes.len() - taken, "virtual printer overrun");
        }
        device.receive(&bytes[..taken], now);
        self.hand_shake(device);
    }

    async fn occurs(&mut self, interests: Interests) -> Occurrence {
        let next_byte = self.read_up_to.zip(self.byte_time()).map(|(at, byte_time)| at + byte_time);
        match &mut self.line {
            Line::Unplugged => pending().await,
            Line::Vacant(master) => {
                while !is_open(master) {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                let Line::Vacant(master) = std::mem::replace(&mut self.line, Line::Unplugged) else {
                    return Occurrence::Nothing;
                };
                match watch(master) {
                    Ok(master) => self.line = Line::Open(master),
                    Err(error) => tracing::error!(%error, "virtual printer cannot watch its line"),
                }
                Occurrence::Nothing
            }
            Line::Open(master) => {
                let waits_for_bytes = !interests.reading && next_byte.is_some();
                tokio::select! {
                    ready = master.readable(), if interests.reading => match ready {
                        Ok(guard) => {
                            self.was_closed |= guard.ready().is_read_closed();
                            Occurrence::Readable
                        }
                        Err(_) => Occurrence::Lost,
                    },
                    ready = master.writable(), if interests.writing => match ready {
                        Ok(_) => Occurrence::Writable,
                        Err(_) => Occurrence::Lost,
                    },
                    () = at(next_byte), if waits_for_bytes => Occurrence::Nothing,
                    () = pending() => Occurrence::Nothing,
                }
            }
        }
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Line::Open(master) = &self.line else { return Err(io::ErrorKind::WouldBlock.into()) };
        let read = master.try_io(Interest::READABLE, |master| Ok(rustix::io::read(master, &mut *buffer)?));
        if self.was_closed && read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.vacate();
        }
        read
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nobody listens: it goes nowhere.
        let Line::Open(master) = &self.line else { return Ok(bytes.len()) };
        let garbled: Vec<u8>;
        let bytes = if self.is_garbled() {
            garbled = bytes.iter().map(|&byte| garbled_byte(byte)).collect();
            &garbled
        } else {
            bytes
        };
        master.try_io(Interest::WRITABLE, |master| Ok(rustix::io::write(master, bytes)?))
    }

    /// Only the driver is gone. The line stays, and so does the printer's connection with it.
    fn lose(&mut self, device: &mut Device) {
        let _ = device;
        self.vacate();
    }
}

/// A new pty with the link to it.
fn make_pty(link: &Path) -> io::Result<OwnedFd> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    // Until a driver sets it, a new terminal would send the printer its own answers back. This sets the other side.
    let mut settings = tcgetattr(&master)?;
    settings.make_raw();
    tcsetattr(&master, OptionalActions::Now, &settings)?;
    let name = ptsname(&master, Vec::new())?;
    // Renamed into place: a driver finds the old line or the new one, or nothing, but no half.
    let fresh = link.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    std::os::unix::fs::symlink(OsStr::from_bytes(name.to_bytes()), &fresh)?;
    std::fs::rename(&fresh, link)?;
    Ok(master)
}

/// Whether somebody has the other side open, as far as the system tells.
fn is_open(master: &OwnedFd) -> bool {
    let mut looked = [PollFd::from_borrowed_fd(master.as_fd(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut looked, Some(&now)).is_ok() && !looked[0].revents().contains(PollFlags::HUP)
}

async fn at(time: Option<Instant>) {
    match time {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// What a line of another speed makes of bytes: others.
fn garble(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = garbled_byte(*byte);
    }
}

fn garbled_byte(byte: u8) -> u8 {
    byte.reverse_bits() ^ 0xA5
}
