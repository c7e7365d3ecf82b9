//! The world around Docket, made of real parts: printers that speak ESC/POS over sockets, platforms that push,
//! and a chain of real hub and agent processes. Tests, demo and benchmarks all use it.

pub mod browser;
pub mod chain;
pub mod chaos;
pub mod firewall;
pub mod hung_drive;
#[cfg(target_os = "linux")]
pub mod lab;
pub mod measure;
pub mod modelled_unit;
#[cfg(target_os = "linux")]
pub mod network;
pub mod platform;
pub mod raw_link;
pub mod small_disk;
pub mod virtual_printer;
