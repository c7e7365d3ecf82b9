//! Measuring: percentiles of durations, and what a process has used.

use anyhow::Context;

/// Ticks of a second in `/proc/PID/stat`; 100 on every Linux that Docket runs on (`getconf CLK_TCK`).
const TICKS_PER_S: f64 = 100.0;

/// Durations of one kind.
#[derive(Debug, Clone, Default)]
pub struct Durations(Vec<f64>);

impl Durations {
    /// Adds one, in milliseconds.
    pub fn add_ms(&mut self, ms: f64) {
        self.0.push(ms);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The nearest-rank percentile in milliseconds; 0 where there is none.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
    }

    /// The longest in milliseconds.
    pub fn max_ms(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time in seconds.
    pub cpu_s: f64,
    /// Memory now, in bytes.
    pub rss_bytes: u64,
    /// Memory at its peak, in bytes.
    pub peak_rss_bytes: u64,
}

/// Reads it from `/proc`.
///
/// # Errors
/// Where the process is gone.
pub fn usage(process: u32) -> anyhow::Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold spaces.
    let after_name = stat.rsplit_once(')').context("/proc/PID/stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks =
        |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib = |key: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    Ok(Usage {
        cpu_s: (ticks(11) + ticks(12)) / TICKS_PER_S,
        rss_bytes: kib("VmRSS:") * 1024,
        peak_rss_bytes: kib("VmHWM:") * 1024,
    })
}
