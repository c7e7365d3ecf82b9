//! What a printer is connected by: the seam between the device and an operating system.
//!
//! A wire moves bytes and makes the operating system show what the device is: a port that listens or refuses, a
//! serial line that is there or not, a USB device on its bus. What the device makes of the bytes is not its business.

use super::device::Device;
use std::future::Future;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::time::Instant;
#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;

/// Most bytes of one read, whatever the buffer has free.
pub(super) const READ_BYTES_MAX: usize = 64 * 1024;

/// What a wire found to do.
#[derive(Debug)]
pub(super) enum Occurrence {
    /// Somebody can be talked to from now on.
    Opened,
    /// Bytes may have come.
    Readable,
    /// Answers may be taken again.
    Writable,
    /// Nobody is there any more.
    Lost,
    /// Look again.
    Nothing,
}

/// What is of interest at the moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interests {
    /// A new client.
    pub opening: bool,
    /// Bytes.
    pub reading: bool,
    /// Room for answers.
    pub writing: bool,
}

/// One kind of connection. `try_read` and `try_write` behave as those of a tokio socket.
pub(super) trait Wire: Send + 'static {
    /// Brings what the operating system shows into agreement with the device, and tells the device what became of
    /// its connection. What the wire itself has to say is put before the answers that wait.
    fn follow(&mut self, device: &mut Device, outbound: &mut Vec<u8>);

    /// How many bytes it may hand over now.
    fn room(&self, device: &Device, now: Instant) -> usize {
        let _ = now;
        device.capacity()
    }

    /// Hands over bytes that were read; at most [`Wire::room`].
    fn deliver(&mut self, device: &mut Device, bytes: &mut [u8], now: Instant) {
        device.receive(bytes, now);
    }

    /// Waits for one of the things of interest. Can be given up at any moment.
    fn occurs(&mut self, interests: Interests) -> impl Future<Output = Occurrence> + Send;

    /// Reads what has come.
    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes what is taken.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// The connection has failed, or its other end is gone.
    fn lose(&mut self, device: &mut Device);
}

/// A file of the operating system's that tokio watches.
#[cfg(target_os = "linux")]
pub(super) fn watch(file: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and stays so; nothing here closes or replaces it while tokio has it.
    Ok(unsafe { AsyncFd::register(file)? })
}
