use super::super::conditions::{Bursts, Rate};
use super::*;

/// A datagram of UDP with its number.
fn datagram(number: u16) -> Packet {
    let mut bytes = vec![0; 100];
    bytes[0] = 0x45;
    bytes[9] = 17;
    bytes[98..].copy_from_slice(&number.to_be_bytes());
    Packet::parse(&bytes).expect("a packet")
}

/// What arrives of `packets`, of which one sets out every millisecond: number, and how long it took.
fn arrivals(seed: u64, way: &Way, packets: u16) -> Vec<(u16, Duration)> {
    let mut shaper = Shaper::new(seed);
    let start = Instant::now();
    let set_out = |number: u16| start + Duration::from_millis(number.into());
    let mut arrived = Vec::new();
    let mut arrive = |shaper: &mut Shaper, until: Instant| {
        while let Some(due) = shaper.poll_timeout().filter(|due| *due <= until) {
            let bytes = shaper.poll_arrived(due).expect("it is due");
            let number = u16::from_be_bytes([bytes[98], bytes[99]]);
            arrived.push((number, due - set_out(number)));
        }
    };
    for number in 0..packets {
        arrive(&mut shaper, set_out(number));
        shaper.take(set_out(number), way, &datagram(number));
    }
    arrive(&mut shaper, start + Duration::from_secs(3_600));
    let count = shaper.count();
    assert_eq!(count.taken - count.lost + count.doubled, arrived.len() as u64, "{count:?}");
    arrived
}

fn numbers(arrivals: &[(u16, Duration)]) -> Vec<u16> {
    arrivals.iter().map(|(number, _)| *number).collect()
}

#[test]
fn nothing_wrong_is_nothing_changed() {
    let arrived = arrivals(1, &Way::default(), 1_000);
    assert_eq!(numbers(&arrived), (0..1_000).collect::<Vec<_>>());
    assert!(arrived.iter().all(|(_, took)| took.is_zero()));
}

#[test]
fn the_same_seed_is_the_same_fate() {
    let way = Way {
        loss: 0.3,
        jitter: Duration::from_millis(50),
        late: 0.1,
        late_by: Duration::from_millis(20),
        ..Way::default()
    };
    assert_eq!(arrivals(7, &way, 1_000), arrivals(7, &way, 1_000));
    assert_ne!(arrivals(7, &way, 1_000), arrivals(8, &way, 1_000));
}

#[test]
fn loss_is_the_share_that_was_asked_for() {
    let arrived = arrivals(1, &Way { loss: 0.3, ..Way::default() }, 10_000).len();
    assert!((6_800..7_200).contains(&arrived), "{arrived} of 10,000");
}

#[test]
fn bursts_lose_all_for_a_while() {
    let bursts = Bursts { begin: 0.01, lasts: Duration::from_millis(20) };
    let arrived = numbers(&arrivals(1, &Way { bursts: Some(bursts), ..Way::default() }, 10_000));
    let gaps =
        arrived.windows(2).map(|pair| pair[1] - pair[0] - 1).filter(|gap| *gap > 0).collect::<Vec<_>>();
    // One may begin as the last has ended.
    assert!(gaps.iter().all(|gap| gap % 20 == 0) && (60..140).contains(&gaps.len()), "{gaps:?}");
}

#[test]
fn jitter_keeps_the_order_and_late_ones_do_not() {
    let delay = Duration::from_millis(100);
    let jitter = Way { delay, jitter: delay, ..Way::default() };
    let arrived = arrivals(1, &jitter, 1_000);
    assert!(numbers(&arrived).is_sorted());
    assert!(arrived.iter().all(|(_, took)| (delay..2 * delay).contains(took)), "{arrived:?}");
    let late = Way { delay, late: 0.1, late_by: Duration::from_millis(5), ..Way::default() };
    let arrived = arrivals(1, &late, 1_000);
    assert_eq!(arrived.len(), 1_000);
    let overtaken = numbers(&arrived).windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((60..140).contains(&overtaken), "{overtaken} of 1,000");
}

#[test]
fn duplicates_come_twice() {
    let arrived = arrivals(1, &Way { duplicate: 0.2, ..Way::default() }, 1_000).len();
    assert!((1_150..1_250).contains(&arrived), "{arrived} of 1,000");
}

#[test]
fn a_narrow_line_lets_through_its_rate_and_keeps_its_queue() {
    // 100 packets of 100 bytes a second, of which 1,000 come.
    let rate = Rate { bytes_per_s: 10_000, queue_bytes: 2_000 };
    let arrived = arrivals(1, &Way { rate: Some(rate), ..Way::default() }, 1_000);
    assert!((118..=124).contains(&arrived.len()), "{} of 1,000", arrived.len());
    let longest = arrived.iter().map(|(_, took)| *took).max().unwrap_or_default();
    assert!(longest <= Duration::from_millis(210), "{longest:?}");
}

#[test]
fn cuts_and_black_holes_are_of_what_they_say() {
    for (cut, expected) in [(Cut::Nothing, 9), (Cut::Udp, 0), (Cut::Tcp, 9), (Cut::All, 0)] {
        assert_eq!(arrivals(1, &Way { cut, ..Way::default() }, 9).len(), expected, "{cut:?}");
    }
    for (mtu_bytes, expected) in [(100, 9), (99, 0)] {
        let way = Way { mtu_bytes: Some(mtu_bytes), ..Way::default() };
        assert_eq!(arrivals(1, &way, 9).len(), expected, "{mtu_bytes} bytes");
    }
}
