//! A USB printer past the kernel's driver: for a unit that has to be told from others of its kind by its serial number
//! or its socket, or with which that driver does not get on.
//!
//! While it is open the kernel's driver has let go of the printer (`/dev/usb/lpN` is gone, and CUPS does not see it);
//! it gets it back with the port's end. That is why this way is only taken when it is asked for by name.
//!
//! One transfer out is under way at a time, so that a failed one cannot be overtaken by the next; the bus tells to the
//! byte what the printer has acknowledged of it, also when it is cancelled.

use super::unit::{UsbIdentity, UsbPlugged};
use super::{Happened, SETTLE_MS_MAX, UsbUnit};
use nusb::descriptors::TransferType;
use nusb::transfer::{Buffer, Bulk, Completion, Direction, In, Out};
use nusb::{DeviceInfo, Endpoint, Interface, MaybeFuture};
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// USB's class of printers.
const CLASS_PRINTER: u8 = 7;
/// Where the kernel shows what is plugged in.
const USB_FOLDER: &str = "/sys/bus/usb/devices";
/// A transfer out: a ticket is one to three.
const OUT_BYTES_MAX: usize = 8_192;
/// Pause after an empty answer: some printers have one in every packet they are asked for.
const EMPTY_PAUSE_MS: u64 = 20;

/// An open printer.
pub struct Usb {
    out: Endpoint<Bulk, Out>,
    /// A printer without one can only be written to.
    back: Option<Endpoint<Bulk, In>>,
    unit: Option<String>,
    /// Bytes of the transfer under way.
    handed: usize,
    /// Told once what went before it is.
    failed: Option<io::Error>,
    received: Vec<u8>,
    ask_again_at: Option<Instant>,
    stopped: bool,
}

/// The USB printers that are plugged in. It blocks for some milliseconds.
///
/// # Errors
/// The system's own.
pub fn plugged_in() -> io::Result<Vec<UsbPlugged>> {
    Ok(printers()?
        .map(|device| UsbPlugged { identity: identity_of(&device), port: port_of(&device) })
        .collect())
}

enum Ended {
    Out(Completion),
    Back(Completion),
}

impl Usb {
    /// Takes a printer over from the kernel's driver.
    ///
    /// # Errors
    /// The system's own; `NotFound` where it is not plugged in.
    pub async fn open(unit: UsbUnit) -> io::Result<Self> {
        let opening = tokio::task::spawn_blocking(move || open_now(&unit));
        opening.await.map_err(|_| io::Error::other("the port was not opened"))?
    }

    pub(super) fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    pub(super) async fn next(&mut self, to_send: &[u8]) -> Happened<'_> {
        loop {
            if let Some(error) = self.failed.take() {
                return Happened::Lost(Some(error));
            }
            if self.handed == 0 && !to_send.is_empty() {
                let piece = &to_send[..to_send.len().min(OUT_BYTES_MAX)];
                self.handed = piece.len();
                self.out.submit(piece.to_vec().into());
            }
            self.ask();
            let pause = self.ask_again_at;
            tokio::select! {
                ended = self.ended() => match ended {
                    Ended::Out(completion) => match self.account(&completion) {
                        0 => {}
                        bytes => return Happened::Took(bytes),
                    },
                    Ended::Back(completion) => match completion.status {
                        Ok(()) if completion.actual_len == 0 => {
                            self.ask_again_at = Some(Instant::now() + Duration::from_millis(EMPTY_PAUSE_MS));
                        }
                        Ok(()) => {
                            self.received = completion.buffer.into_vec();
                            return Happened::Received(&self.received);
                        }
                        Err(error) => return Happened::Lost(Some(error.into())),
                    },
                },
                () = tokio::time::sleep_until(pause.unwrap_or_else(Instant::now)), if pause.is_some() => {
                    self.ask_again_at = None;
                }
            }
        }
    }

    pub(super) async fn settle(&mut self) -> Option<Happened<'_>> {
        if !self.stopped {
            self.stopped = true;
            self.out.cancel_all();
        }
        if self.handed == 0 || self.out.pending() == 0 {
            return None;
        }
        let limit = Duration::from_millis(SETTLE_MS_MAX);
        let took = match tokio::time::timeout(limit, self.out.next_complete()).await {
            Ok(completion) => self.account(&completion),
            Err(_) => std::mem::take(&mut self.handed),
        };
        (took > 0).then_some(Happened::Took(took))
    }

    /// What the printer has acknowledged of the transfer out, which has ended.
    fn account(&mut self, completion: &Completion) -> usize {
        self.handed = 0;
        if let Err(error) = completion.status {
            self.failed = Some(error.into());
        }
        completion.actual_len
    }

    /// Keeps a question for answers open.
    fn ask(&mut self) {
        if let Some(back) = &mut self.back
            && back.pending() == 0
            && self.ask_again_at.is_none()
        {
            back.submit(Buffer::new(back.max_packet_size()));
        }
    }

    async fn ended(&mut self) -> Ended {
        poll_fn(|context| {
            if self.out.pending() > 0
                && let Poll::Ready(completion) = self.out.poll_next_complete(context)
            {
                return Poll::Ready(Ended::Out(completion));
            }
            if let Some(back) = &mut self.back
                && back.pending() > 0
                && let Poll::Ready(completion) = back.poll_next_complete(context)
            {
                return Poll::Ready(Ended::Back(completion));
            }
            Poll::Pending
        })
        .await
    }
}

impl std::fmt::Debug for Usb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Usb").field("unit", &self.unit).field("handed", &self.handed).finish_non_exhaustive()
    }
}

fn printers() -> io::Result<impl Iterator<Item = DeviceInfo>> {
    // A PC without any USB has not even the folder, which to the crate is an error.
    let devices = Path::new(USB_FOLDER).exists().then(|| nusb::list_devices().wait()).transpose()?;
    let is_printer = |device: &DeviceInfo| device.interfaces().any(|place| place.class() == CLASS_PRINTER);
    Ok(devices.into_iter().flatten().filter(is_printer))
}

fn identity_of(device: &DeviceInfo) -> UsbIdentity {
    UsbIdentity {
        vendor: device.vendor_id(),
        product: device.product_id(),
        serial: device.serial_number().map(str::to_owned),
        maker: device.manufacturer_string().map(str::to_owned),
        model: device.product_string().map(str::to_owned),
    }
}

/// The kernel's name for the socket is that of the device's folder.
fn port_of(device: &DeviceInfo) -> String {
    device.sysfs_path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn is_meant(device: &DeviceInfo, unit: &UsbUnit) -> bool {
    match unit {
        UsbUnit::Model { vendor, product } => {
            device.vendor_id() == *vendor && device.product_id() == *product
        }
        UsbUnit::Serial(serial) => device.serial_number().is_some_and(|own| own.trim() == serial),
        UsbUnit::Port(port) => port_of(device) == *port,
    }
}

fn open_now(unit: &UsbUnit) -> io::Result<Usb> {
    let info = printers()?
        .find(|device| is_meant(device, unit))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such USB printer is plugged in"))?;
    let device = info.open().wait()?;
    let place = Place::find(&device.active_configuration().map_err(io::Error::other)?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "it has no line out for print data"))?;
    let interface = device.detach_and_claim_interface(place.interface).wait()?;
    if place.alternate != interface.get_alt_setting() {
        interface.set_alt_setting(place.alternate).wait()?;
    }
    place.open(&interface, identity_of(&info).unit())
}

/// Where in a device the printer is.
struct Place {
    interface: u8,
    alternate: u8,
    protocol: u8,
    out: u8,
    back: Option<u8>,
}

impl Place {
    /// With an answer line where there is one; of those, the plain one rather than IEEE 1284.4 packets.
    fn find(configuration: &nusb::descriptors::ConfigurationDescriptor<'_>) -> Option<Self> {
        configuration
            .interface_alt_settings()
            .filter(|setting| setting.class() == CLASS_PRINTER)
            .filter_map(|setting| {
                let line = |direction| {
                    let is_it = |endpoint: &nusb::descriptors::EndpointDescriptor<'_>| {
                        endpoint.direction() == direction && endpoint.transfer_type() == TransferType::Bulk
                    };
                    setting.endpoints().find(is_it).map(|endpoint| endpoint.address())
                };
                Some(Self {
                    interface: setting.interface_number(),
                    alternate: setting.alternate_setting(),
                    protocol: setting.protocol(),
                    out: line(Direction::Out)?,
                    back: line(Direction::In),
                })
            })
            .min_by_key(|place| match place.protocol {
                2 => 0,
                1 => 1,
                _ => 2,
            })
    }

    fn open(&self, interface: &Interface, unit: Option<String>) -> io::Result<Usb> {
        Ok(Usb {
            out: interface.endpoint(self.out)?,
            back: self.back.map(|back| interface.endpoint(back)).transpose()?,
            unit,
            handed: 0,
            failed: None,
            received: Vec::new(),
            ask_again_at: None,
            stopped: false,
        })
    }
}
