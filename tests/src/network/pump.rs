//! The thread that carries packets between the two devices, through router and shapers.

use super::conditions::Conditions;
use super::packet::Packet;
use super::router::Router;
use super::shaper::{Count, Shaper};
use anyhow::Context;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::Timespec;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a device gives at most: its MTU, and then some.
const PACKET_BYTES_MAX: usize = 64 * 1024;
/// Packets of one device that are taken before what is due goes out.
const TAKEN_AT_ONCE_MAX: usize = 64;
/// Looks at the time at least so often.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What may be changed while packets are carried.
#[derive(Debug)]
pub struct Line {
    /// What is wrong now.
    pub conditions: Conditions,
    /// The store's router.
    pub router: Router,
    up: Shaper,
    down: Shaper,
    is_over: bool,
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Pump {
    line: Arc<Mutex<Line>>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Pump {
    /// Carries packets between these devices.
    ///
    /// # Errors
    /// Without a thread or a file.
    pub fn start(store: File, headquarters: File, seed: u64) -> anyhow::Result<Self> {
        let line = Arc::new(Mutex::new(Line {
            conditions: Conditions::default(),
            router: Router::default(),
            up: Shaper::new(seed),
            down: Shaper::new(!seed),
            is_over: false,
        }));
        let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK)?);
        let ends = Ends { store, headquarters, line: Arc::clone(&line), wake: Arc::clone(&wake) };
        let thread = std::thread::Builder::new().name("network".into()).spawn(move || ends.carry())?;
        Ok(Pump { line, wake, thread: Some(thread) })
    }

    /// What may be changed.
    pub fn line(&self) -> MutexGuard<'_, Line> {
        locked(&self.line)
    }

    /// What has become of the packets so far, up and down.
    pub fn counts(&self) -> (Count, Count) {
        let line = self.line();
        (line.up.count(), line.down.count())
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.line().is_over = true;
        // It looks at least every WAIT_MAX, if this should fail.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Ends {
    store: File,
    headquarters: File,
    line: Arc<Mutex<Line>>,
    wake: Arc<OwnedFd>,
}

impl Ends {
    fn carry(self) {
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        loop {
            let wait = {
                let mut line = locked(&self.line);
                if line.is_over {
                    return;
                }
                self.take(&mut line, &mut buffer);
                self.give(&mut line)
            };
            if let Err(error) = self.wait(wait) {
                eprintln!("the network stands still: {error:#}");
                return;
            }
        }
    }

    fn take(&self, line: &mut Line, buffer: &mut [u8]) {
        let Line { conditions, router, up, down, .. } = line;
        for _ in 0..TAKEN_AT_ONCE_MAX {
            let Some(mut packet) = read(&self.store, buffer) else { break };
            if router.leaves(&mut packet) {
                up.take(Instant::now(), &conditions.up, &packet);
            }
        }
        for _ in 0..TAKEN_AT_ONCE_MAX {
            let Some(packet) = read(&self.headquarters, buffer) else { break };
            down.take(Instant::now(), &conditions.down, &packet);
        }
    }

    /// Says how long there is nothing to do.
    fn give(&self, line: &mut Line) -> Duration {
        let now = Instant::now();
        // A device that takes nothing, since its namespace is gone, loses it like any network.
        while let Some(bytes) = line.up.poll_arrived(now) {
            let _ = (&self.headquarters).write(&bytes);
        }
        while let Some(bytes) = line.down.poll_arrived(now) {
            // The router stands at the store's end of the line: what it has forgotten by now is lost.
            if let Some(mut packet) = Packet::parse(&bytes)
                && line.router.enters(&mut packet)
            {
                let _ = (&self.store).write(packet.bytes());
            }
        }
        let next = line.up.poll_timeout().into_iter().chain(line.down.poll_timeout()).min();
        next.map_or(WAIT_MAX, |next| next.saturating_duration_since(Instant::now()).min(WAIT_MAX))
    }

    fn wait(&self, wait: Duration) -> anyhow::Result<()> {
        let wait = Timespec::try_from(wait).context("a short wait")?;
        let mut ends = [
            PollFd::new(&self.store, PollFlags::IN),
            PollFd::new(&self.headquarters, PollFlags::IN),
            PollFd::new(&self.wake, PollFlags::IN),
        ];
        match poll(&mut ends, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// The next packet that a router would forward.
fn read(mut device: &File, buffer: &mut [u8]) -> Option<Packet> {
    loop {
        let bytes = device.read(buffer).ok()?;
        if let Some(packet) = Packet::parse(buffer.get(..bytes)?) {
            return Some(packet);
        }
    }
}

fn locked(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    // A test that has panicked has changed conditions at most.
    line.lock().unwrap_or_else(PoisonError::into_inner)
}
