//! The bad networks that tests and benchmark have in common.

use super::{Bursts, Network, Rate, Way};
use std::time::Duration;

/// A network that is poor and stays so.
#[derive(Debug, Clone, Copy)]
pub struct Poor {
    /// In the keys of figures.
    pub key: &'static str,
    /// In tables.
    pub name: &'static str,
    /// What is wrong, up and down.
    pub way: Way,
}

/// All of them; the first is one on which nothing is wrong.
pub fn poor() -> Vec<Poor> {
    let poor = |key, name, way| Poor { key, name, way };
    let half_second = Duration::from_millis(500);
    let bursts = Bursts { begin: 0.1, lasts: Duration::from_millis(300) };
    let (delay, late_by) = (Duration::from_millis(20), Duration::from_millis(60));
    let narrow = Rate { bytes_per_s: 64_000 / 8, queue_bytes: 16_000 };
    vec![
        poor("fine", "正常 / nothing wrong", Way::default()),
        poor("loss_30", "双向丢包 30 % / 30 % lost each way", Way { loss: 0.3, ..Way::default() }),
        poor(
            "bursts",
            "时断时续,每次 300 ms / nothing for 300 ms, one packet in ten begins it",
            Way { bursts: Some(bursts), ..Way::default() },
        ),
        poor(
            "delay_500",
            "单程 500–600 ms / 500–600 ms each way",
            Way { delay: half_second, jitter: half_second / 5, ..Way::default() },
        ),
        poor(
            "reordered",
            "30 % 迟到 60 ms 被超车,20 % 重复 / 30 % overtaken, 20 % twice",
            Way { delay, jitter: delay, late: 0.3, late_by, duplicate: 0.2, ..Way::default() },
        ),
        poor("rate_64k", "64 kbit/s", Way { rate: Some(narrow), delay: 2 * delay, ..Way::default() }),
        // RFC 9000, 14: 1,200 bytes of UDP get through, or there is no QUIC.
        poor(
            "mtu_1228",
            "大于 1228 字节的包消失 / packets beyond 1,228 B vanish",
            Way { mtu_bytes: Some(1_200 + 8 + 20), ..Way::default() },
        ),
    ]
}

/// What a living connection has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The PC gets another address.
    PcAddress,
    /// The store's router gets another address.
    RouterAddress,
    /// The store's router forgets its ports.
    RouterPorts,
}

impl Change {
    /// Makes it.
    ///
    /// # Errors
    /// Where the system does not let it.
    pub fn make(self, network: &mut Network) -> anyhow::Result<()> {
        match self {
            Change::PcAddress => return network.renumber_pc(),
            Change::RouterAddress => network.renumber_router(),
            Change::RouterPorts => network.forget_ports(),
        }
        Ok(())
    }
}
