//! The thread that empties the UDP socket.
//!
//! After a restart thousands of agents shake hands at once, each a millisecond of work for the runtime's few threads. A
//! socket that waits its turn among them overflows within that time, and agents whose first packet is lost come again
//! a second later, then two, then four. So the endpoint has a thread of its own, which only sorts packets to their
//! connections; these run on the hub's runtime, where they are accepted.

use std::io;
use std::sync::mpsc;
use std::thread;
use tokio::runtime::{Builder, Handle};

/// Begins the thread. What is spawned on the handle runs there, for as long as the process does.
pub(super) fn thread() -> io::Result<Handle> {
    let (ready, handle) = mpsc::channel();
    thread::Builder::new().name("udp".into()).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let _ = ready.send(Ok(runtime.handle().clone()));
        runtime.block_on(std::future::pending::<()>());
    })?;
    handle.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}
