//! placeholder
pub mod platform;
pub mod virtual_printer;
