//! The printer's end of a line: of a network connection or of a pseudo-terminal, which to the agent is a serial port, or
//! a file of the USB driver.

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe::{Receiver, Sender};

/// What a printer reads from and writes to.
pub trait FarEnd: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> FarEnd for T {}

/// A socket for a printer, in which one may be plugged in: a path that leads to a pseudo-terminal.
pub struct Socket {
    path: PathBuf,
}

impl Socket {
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("tty") }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Plugs a printer in; dropping it unplugs it.
    pub fn plug_in(&self) -> Plugged {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_bytes();
        let path = PathBuf::from(std::ffi::OsString::from_vec(name));
        // It stays open, so that the other end can be read before the agent comes and after it has gone.
        let device = File::options().read(true).write(true).open(&path).unwrap();
        let mut attributes = tcgetattr(&device).unwrap();
        attributes.make_raw();
        tcsetattr(&device, OptionalActions::Now, &attributes).unwrap();
        rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
        let _ = std::fs::remove_file(&self.path);
        symlink(path, &self.path).unwrap();
        let again = master.try_clone().unwrap();
        Plugged { end: tokio::io::join(receiver(master), sender(again)), device }
    }
}

// tokio's pipes are readiness on any descriptor.
fn receiver(master: OwnedFd) -> Receiver {
    Receiver::from_file_unchecked(master.into()).unwrap()
}

fn sender(master: OwnedFd) -> Sender {
    Sender::from_file_unchecked(master.into()).unwrap()
}

/// A printer that is plugged in.
pub struct Plugged {
    end: tokio::io::Join<Receiver, Sender>,
    device: File,
}

impl Plugged {
    /// The printer's end, to be read once somebody has opened the other one; and what keeps that open until then.
    pub fn split(self) -> (Box<dyn FarEnd>, File) {
        (Box::new(self.end), self.device)
    }
}
