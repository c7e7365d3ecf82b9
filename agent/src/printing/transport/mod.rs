//! Every way to a printer, behind one interface.

mod address;

pub use address::{
    ADDRESS_BYTES_MAX, Address, AddressError, BAUD_DEFAULT, BAUD_RANGE, Flow, LAN_PORT, UsbUnit,
};
