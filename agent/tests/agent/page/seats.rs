//! Viewers: how many there may be, and who makes room.

use super::*;

const EVERYTHING: [&str; 4] = ["event: state", "event: tickets", "event: search", "event: beat"];

/// A viewer that has seen everything once.
async fn viewer(address: SocketAddr, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/events HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    until_seen(&mut stream, &EVERYTHING).await;
    stream
}

#[tokio::test]
async fn events_begin_with_everything_and_the_longest_viewer_makes_room() {
    let desk = Desk::open(LOOPBACK, "").await;
    let mut viewers = Vec::new();
    for _ in 0..=page::VIEWERS_MAX {
        viewers.push(viewer(desk.address, "").await);
    }
    // It is told why, and when to come again; its stream has an end.
    until_seen(
        &mut viewers[0],
        &["event: left\ndata: {\"zh\":\"打开的页面太多", "retry: 30000", "\r\n0\r\n\r\n"],
    )
    .await;
    for viewer in &mut viewers[1..] {
        until_seen(viewer, &["event: beat"]).await;
    }
}

#[tokio::test]
async fn other_devices_take_no_seat_from_this_pc() {
    let Some(lan) = own_address() else {
        // A machine without any network has no other devices.
        return;
    };
    let desk = Desk::open("listen = \"0.0.0.0:0\"\nlan = true", "").await;
    let address = SocketAddr::new(lan, desk.address.port());
    let pin = json!({ "pin": page::pin::read_pin(&desk.config.data).unwrap().unwrap() }).to_string();
    let sign_in = format!(
        "POST /api/sign-in HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{pin}",
        pin.len()
    );
    let signed_in = exchange(address, &sign_in).await;
    let cookie = signed_in.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());

    let mut here = Vec::new();
    for _ in 0..page::VIEWERS_MAX {
        here.push(viewer(SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())), "").await);
    }
    let mut phones = Vec::new();
    for _ in 0..=page::LAN_VIEWERS_MAX {
        phones.push(viewer(address, &cookie).await);
    }
    until_seen(&mut phones[0], &["event: left"]).await;
    for stays in here.iter_mut().chain(&mut phones[1..]) {
        until_seen(stays, &["event: beat"]).await;
    }
}

async fn until_seen(stream: &mut TcpStream, wanted: &[&str]) {
    let mut seen = String::new();
    let reading = async {
        while !wanted.iter().all(|wanted| seen.contains(wanted)) {
            let mut buffer = [0; 4_096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the stream ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    within("the first events", reading).await;
}
