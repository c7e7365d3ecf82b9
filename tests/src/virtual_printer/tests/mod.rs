//! The printer as a whole: the language on the device, the device under a clock of its own, and over real sockets and
//! a real serial line.

mod language;
mod mechanism;
mod network;
mod quirks;
#[cfg(target_os = "linux")]
mod serial;

use super::device::Device;
use super::{PrinterOptions, Receipt};
use encoding_rs::GB18030;
use std::time::Instant;

/// Initialize, Chinese characters on.
const START: &[u8] = b"\x1b@\x1c&";
/// Cut, with paper fed to the cutter.
const CUT: &[u8] = b"\x1dV\x42\x00";

/// Text as a driver sends it.
fn gb(text: &str) -> Vec<u8> {
    GB18030.encode(text).0.into_owned()
}

/// Bytes one after another.
fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A ticket of so many lines.
fn ticket(lines: &[&str]) -> Vec<u8> {
    let mut bytes = START.to_vec();
    for line in lines {
        bytes.extend(gb(line));
        bytes.push(b'\n');
    }
    bytes.extend(CUT);
    bytes
}

fn device(options: &PrinterOptions) -> Device {
    let mut device = Device::new(options);
    device.connect();
    device
}

/// Gives as many bytes as it takes; the rest.
fn give<'a>(device: &mut Device, mut bytes: &'a [u8], now: Instant) -> &'a [u8] {
    loop {
        let length = bytes.len().min(device.capacity());
        if length == 0 {
            return bytes;
        }
        device.receive(&bytes[..length], now);
        bytes = &bytes[length..];
    }
}

fn replies(device: &mut Device) -> Vec<u8> {
    let mut replies = Vec::new();
    device.take_replies(&mut replies);
    replies
}

fn texts(receipt: &Receipt) -> Vec<String> {
    receipt.lines().into_iter().map(|line| line.text).collect()
}
