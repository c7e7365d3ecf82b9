//! Changes that are heard, and heard again from where they were left.

use super::*;
use docket_agent::counter::STREAMS_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A program that listens.
struct Listener {
    stream: TcpStream,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: u64,
    name: String,
    data: Value,
}

impl Listener {
    async fn open(till: &Till, query: &str, headers: &str) -> Self {
        let path = format!("/api/v1/events{query}");
        let headers = format!("{}{headers}", till.bearer());
        let mut stream = TcpStream::connect(till.desk.address).await.unwrap();
        let request = request("GET", till.desk.address, &path, &headers, "");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut listener = Listener { stream, text: String::new() };
        assert_eq!(listener.next().await.name, "start");
        listener
    }

    async fn next(&mut self) -> Event {
        within("an event", async {
            loop {
                if let Some(event) = self.take() {
                    return event;
                }
                let mut bytes = [0; 4_096];
                let read = self.stream.read(&mut bytes).await.unwrap();
                assert!(read > 0, "the stream has ended: {}", self.text);
                self.text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
        })
        .await
    }

    /// The next whole event; chunks' lengths and comments are passed over.
    fn take(&mut self) -> Option<Event> {
        let end = self.text.find("\ndata: ")?;
        let end = end + 1 + self.text[end + 1..].find("\n\n")?;
        let text: String = self.text.drain(..end + 2).collect();
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        Some(Event {
            id: line("id: ").parse().unwrap(),
            name: line("event: "),
            data: serde_json::from_str(&line("data: ")).unwrap(),
        })
    }

    /// Until a ticket of this station is in this state.
    async fn until(&mut self, station: &str, state: &str) -> Event {
        loop {
            let event = self.next().await;
            if event.data["station"] == station && event.data["state"] == state {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn each_change_is_heard_and_a_listener_goes_on_where_it_was() {
    let mut till = Till::open().await;
    till.order("before").await;
    let mut listener = Listener::open(&till, "", "").await;
    till.order("k1").await;
    let first = listener.next().await;
    assert_eq!((first.name.as_str(), &first.data["submission"]), ("ticket", &json!("k1")));
    listener.until("", "waiting").await;
    let mut back = till.port("back");
    back.want(1).unwrap();
    let begun = claim(&mut back).await;
    back.want(0).unwrap();
    let printing = listener.until("kitchen", "printing").await;
    back.finish(finish(&begun, Ending::Printed(Evidence::Fence))).await.unwrap();
    let printed = listener.until("kitchen", "printed").await;
    assert_eq!((&printed.data["evidence"], &printed.data["submission"]), (&json!("fence"), &json!("before")));
    assert!(first.id < printing.id && printing.id < printed.id);
    drop(listener);

    // What happens while nobody listens, across a spool that is closed and opened.
    print(&mut back).await;
    till.desk.spool().flush().await.unwrap();
    till.desk.reopen().await;
    let mut again = Listener::open(&till, "", &format!("Last-Event-ID: {}\r\n", printed.id)).await;
    let missed = again.until("kitchen", "printed").await;
    assert!(missed.id > printed.id && missed.data["submission"] == "k1", "{missed:?}");
    // And on, while the spool is changed under it.
    till.desk.reopen().await;
    till.order("k2").await;
    assert_eq!(again.until("front", "waiting").await.data["submission"], "k2");

    let mut all = Listener::open(&till, "?after=0", "").await;
    let mut seen = Vec::new();
    for _ in 0..9 {
        seen.push(all.next().await.id);
    }
    assert!(seen.is_sorted(), "{seen:?}");
    // An id of another data folder: everything, rather than nothing.
    let mut other = Listener::open(&till, "", "Last-Event-ID: 99999\r\n").await;
    assert_eq!(other.next().await.data["submission"], "before");
}

#[tokio::test]
async fn listeners_have_seats_and_leave_them() {
    let till = Till::open().await;
    let mut listeners = Vec::new();
    for _ in 0..STREAMS_MAX {
        listeners.push(Listener::open(&till, "", "").await);
    }
    let refused = till.get("/api/v1/events").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "too-many-streams"));
    listeners.pop();
    // The seat is free when the end of the connection was seen.
    let seated = async {
        loop {
            let mut stream = TcpStream::connect(till.desk.address).await.unwrap();
            let request = request("GET", till.desk.address, "/api/v1/events", &till.bearer(), "");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut bytes = [0; 512];
            let read = stream.read(&mut bytes).await.unwrap();
            if bytes[..read].starts_with(b"HTTP/1.1 200") {
                return;
            }
        }
    };
    within("a free seat", seated).await;
    let headers = format!("{}Last-Event-ID: x\r\n", till.bearer());
    let request = request("GET", till.desk.address, "/api/v1/events", &headers, "");
    assert_eq!(till.desk.send(&request).await.code(), "event-id");
}
