//! Network namespaces and the devices in them: the edge towards the kernel.
//!
//! A namespace is entered by a thread, and a process that the thread starts is in it too. So [`Namespace::run`] needs no
//! program of its own and no privilege after the fork: it runs a closure on a thread that has moved there and ends with
//! it, and what the closure has started or opened stays there.
//!
//! It takes root. Without it a program starts itself again in a user namespace of its own, in which it is root
//! ([`as_root`]); a thread cannot do so, since a user namespace is of a whole process.

use crate::chain::run_to_end;
use anyhow::{Context, bail, ensure};
use rustix::io::Errno;
use rustix::ioctl::{Setter, ioctl};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

/// Set in a program that has started itself again.
const STARTED_AGAIN: &str = "DOCKET_ROOT_OF_NAMESPACE";
/// The only device of a namespace, besides the loopback.
pub const DEVICE: &str = "wan";
/// `TUNSETIFF`: `_IOW('T', 202, int)`, in linux/if_tun.h.
const TUNSETIFF: u32 = 0x4004_54ca;
/// Packets of IP, without a header of the device's own.
const IFF_TUN: u16 = 0x0001;
const IFF_NO_PI: u16 = 0x1000;

/// `struct ifreq`, as far as `TUNSETIFF` uses it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// A network namespace of our own; it goes when nobody is in it and this is dropped.
#[derive(Debug, Clone)]
pub struct Namespace(Arc<OwnedFd>);

impl Namespace {
    /// An empty one, with a loopback.
    ///
    /// # Errors
    /// Without the right to make one.
    pub fn make() -> anyhow::Result<Self> {
        let made = on_thread(|| {
            // SAFETY: file descriptors are not unshared.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            // That of the calling thread, unlike `/proc/self`.
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        let namespace =
            Namespace(Arc::new(made.context("making a network namespace, which takes root")?.into()));
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Runs `what` in it.
    ///
    /// # Errors
    /// Where it cannot be entered, and those of `what`.
    pub fn run<T: Send>(&self, what: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        on_thread(|| {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
                .context("entering a network namespace")?;
            what()
        })
    }

    /// Runs `ip` in it.
    ///
    /// # Errors
    /// Where that fails.
    pub fn ip(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.run(|| run_to_end(Command::new("ip").args(arguments)))?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip {}: {told}", arguments.join(" "));
        Ok(())
    }

    /// Gives it a device: what is sent through it is read from the file, and what is written to the file arrives.
    ///
    /// # Errors
    /// Where the kernel or `/dev/net/tun` do not allow it.
    pub fn device(&self) -> anyhow::Result<File> {
        self.run(|| {
            let path = "/dev/net/tun";
            let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
            let mut options = File::options();
            let file = options.read(true).write(true).custom_flags(nonblocking).open(path);
            let file = file.with_context(|| {
                format!("{path}: tests of bad networks need it to be there and writable for this user")
            })?;
            let mut name = [0; 16];
            name[..DEVICE.len()].copy_from_slice(DEVICE.as_bytes());
            let request = InterfaceRequest { name, flags: IFF_TUN | IFF_NO_PI, rest: [0; 22] };
            // SAFETY: this request reads a `struct ifreq`, which it is given.
            unsafe { ioctl(&file, Setter::<TUNSETIFF, InterfaceRequest>::new(request)) }
                .context("making a TUN device")?;
            Ok(file)
        })
    }
}

/// Whether this program may make network namespaces.
///
/// # Errors
/// Where that cannot be told.
pub fn is_root() -> anyhow::Result<bool> {
    on_thread(|| {
        // SAFETY: file descriptors are not unshared.
        match unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
            Ok(()) => Ok(true),
            Err(Errno::PERM) => Ok(false),
            Err(error) => Err(error).context("making a network namespace"),
        }
    })
}

/// Runs `what` where this program is root. If it is not, it starts itself with `arguments` as root of a user namespace
/// of its own, where it is to come here again; `None` then, once that has ended well.
///
/// # Errors
/// Where there can be no such namespace, the other one fails, and those of `what`.
pub fn as_root<T, S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    what: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    if is_root()? {
        return what().map(Some);
    }
    ensure!(std::env::var_os(STARTED_AGAIN).is_none(), "root of a user namespace, and no network in it");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--"]).arg(std::env::current_exe()?);
    command.args(arguments).env(STARTED_AGAIN, "1").stdin(Stdio::null());
    let ended = command.status().context("running unshare (of util-linux)")?;
    if !ended.success() {
        bail!(
            "{ended}. Tests of bad networks need root, or user namespaces for everybody \
             (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, \
             user.max_user_namespaces) and /dev/net/tun writable; see what is above"
        );
    }
    Ok(None)
}

/// The arguments with which the program of tests runs the test of the calling thread alone.
///
/// # Errors
/// Where the thread is not that of a test.
pub fn arguments_of_test() -> anyhow::Result<Vec<OsString>> {
    let thread = thread::current();
    let name = thread.name().filter(|name| *name != "main");
    // With one thread for all tests, it is the main one, and has no test's name.
    let name = match name {
        Some(name) => name.to_owned(),
        None => return Ok(std::env::args_os().skip(1).collect()),
    };
    Ok(vec!["--exact".into(), name.into(), "--nocapture".into()])
}

/// The thread is gone afterwards: what it has unshared or entered concerns nobody else.
fn on_thread<T: Send>(what: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("namespace".into()).spawn_scoped(scope, what)?;
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
