//! The search in the network.
//!
//! The query is `DLE EOT 1` to `4`: every ESC/POS printer that answers anything answers it at once, even without
//! paper; it prints nothing. An office printer that listens on the same port may keep a job of twelve bytes open for
//! a moment; the connection is closed after [`ANSWER_MS_MAX`], and with it the job.

use super::Found;
use crate::printing::health::Signs;
use crate::printing::status::{Query, Reader};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Addresses that are tried at once: a shop's router keeps a table of a few hundred.
pub const AT_ONCE_MAX: usize = 64;
/// How long a connection may take: an address where nobody is costs this.
pub const CONNECT_MS_MAX: u64 = 500;
/// How long the first answer may take; the others follow at once.
pub const ANSWER_MS_MAX: u64 = 1_000;
/// An answer is one byte.
const READ_BYTES: usize = 64;

/// Tries each place, telling where something listens.
pub(super) async fn sweep(places: Vec<SocketAddr>, found: mpsc::Sender<Found>) {
    let mut trying = JoinSet::new();
    for place in places {
        if trying.len() >= AT_ONCE_MAX {
            trying.join_next().await;
        }
        if found.is_closed() {
            return;
        }
        let found = found.clone();
        trying.spawn(async move {
            if let Some(printer) = look_at(place).await {
                // Nobody wants to know any more: the search ends with the next one.
                let _ = found.send(printer).await;
            }
        });
    }
    while trying.join_next().await.is_some() {}
}

async fn look_at(place: SocketAddr) -> Option<Found> {
    let limit = Duration::from_millis(CONNECT_MS_MAX);
    let stream = tokio::time::timeout(limit, TcpStream::connect(place)).await.ok()?.ok()?;
    let (mut reader, mut signs, mut answers) = (Reader::default(), Signs::default(), 0);
    Query::ALL.into_iter().for_each(|query| reader.asked(query));
    let asking = ask(stream, |byte| {
        if let Some(answer) = reader.take(byte) {
            signs.take(answer);
            answers += 1;
        }
        answers < Query::ALL.len()
    });
    // Whatever ended it: what has come by then is the answer.
    let _ = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), asking).await;
    // Something else that talks has a byte in it by chance that looks like an answer.
    let answered = answers > 0 && reader.garbage() == 0;
    Some(Found {
        address: place.into(),
        label: place.ip().to_string(),
        answered,
        conditions: if answered { signs.conditions().iter().collect() } else { Vec::new() },
        detail: String::new(),
    })
}

/// Sends the query and hands on what comes, until `goes_on` says no.
async fn ask(mut stream: TcpStream, mut goes_on: impl FnMut(u8) -> bool) -> io::Result<()> {
    let query: Vec<u8> = Query::ALL.into_iter().flat_map(Query::bytes).collect();
    stream.set_nodelay(true)?;
    stream.write_all(&query).await?;
    let mut buffer = [0; READ_BYTES];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 || !buffer[..count].iter().all(|&byte| goes_on(byte)) {
            return Ok(());
        }
    }
}
