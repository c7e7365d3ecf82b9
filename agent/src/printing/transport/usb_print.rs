//! A USB printer at the device interface of Windows' own driver, `usbprint.sys`, past the spooler.
//!
//! Its printer needs no driver of its maker's and no queue. Reading and writing are overlapped calls: a read stays open
//! for answers while a write waits for a printer that takes nothing, and both can be cancelled.
//!
//! The driver does not say how much of a cancelled or failed write the printer has acknowledged, so all of it counts as
//! left.

use super::READ_BYTES;
use super::threaded::{Device, Moved, Threaded};
use super::unit::UsbIdentity;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};
use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    DIGCF_DEVICEINTERFACE, DIGCF_PRESENT, HDEVINFO, SP_DEVICE_INTERFACE_DATA,
    SP_DEVICE_INTERFACE_DETAIL_DATA_W, SetupDiDestroyDeviceInfoList, SetupDiEnumDeviceInterfaces,
    SetupDiGetClassDevsW, SetupDiGetDeviceInterfaceDetailW,
};
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_FUNCTION, ERROR_IO_INCOMPLETE, ERROR_IO_PENDING, ERROR_NOT_SUPPORTED, GENERIC_READ,
    GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_OVERLAPPED, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING, ReadFile, WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Threading::{CreateEventW, WaitForSingleObject};
use windows_sys::core::GUID;

/// The class of interfaces of `usbprint.sys`, from the Windows driver kit.
const USBPRINT: GUID = GUID::from_u128(0x28d78fad_5a12_11d1_ae5b_0000f803a8c2);
/// Bytes of one write.
const WRITE_BYTES_MAX: usize = 4_096;
/// How long a turn waits for a write: meanwhile answers wait.
const WRITE_TURN_MS: u32 = 20;
/// Pause after an empty answer: some printers have one in every packet they are asked for.
const EMPTY_PAUSE_MS: u64 = 20;
/// A path is about a hundred characters.
const PATH_CHARS_MAX: usize = 1_024;
/// USB printers of a PC; more are not looked at.
const PRINTERS_MAX: u32 = 64;

/// Opens the printer of these ids; of several, the one with this instance, or the first.
pub(super) async fn open(vendor: u16, product: u16, instance: Option<String>) -> io::Result<Threaded> {
    Threaded::open("usbprint", move || {
        let is_meant = |identity: &UsbIdentity| {
            let is_instance = |wanted: &String| {
                identity.serial.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(wanted))
            };
            identity.vendor == vendor
                && identity.product == product
                && instance.as_ref().is_none_or(is_instance)
        };
        let (path, _) = plugged_in()?
            .into_iter()
            .find(|(_, identity)| is_meant(identity))
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such USB printer is plugged in"))?;
        UsbPrint::open(&path)
    })
    .await
}

/// The printers that the driver has, each with the path of its interface. Of an identity only the ids are the printer's
/// own; its serial is what Windows tells it by.
///
/// # Errors
/// The system's own.
pub fn plugged_in() -> io::Result<Vec<(String, UsbIdentity)>> {
    // SAFETY: the class outlives the call; no enumerator and no window are given.
    let set =
        unsafe { SetupDiGetClassDevsW(&USBPRINT, null(), null_mut(), DIGCF_PRESENT | DIGCF_DEVICEINTERFACE) };
    // `HDEVINFO` is a number here; this one is INVALID_HANDLE_VALUE.
    if set == -1 {
        return Err(io::Error::last_os_error());
    }
    let set = DeviceSet(set);
    let paths = (0..PRINTERS_MAX).map_while(|place| set.path(place));
    Ok(paths.filter_map(|path| UsbIdentity::of_interface(&path).map(|identity| (path, identity))).collect())
}

struct DeviceSet(HDEVINFO);

impl DeviceSet {
    /// The path of the interface at a place; `None` after the last.
    fn path(&self, place: u32) -> Option<String> {
        /// As Windows wants it: a header, and room for the path behind it.
        #[repr(C)]
        struct Detail {
            header: SP_DEVICE_INTERFACE_DETAIL_DATA_W,
            more: [u16; PATH_CHARS_MAX],
        }
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(0);
        let mut interface = SP_DEVICE_INTERFACE_DATA {
            cbSize: size(size_of::<SP_DEVICE_INTERFACE_DATA>()),
            ..Default::default()
        };
        // SAFETY: the set is open, the class outlives the call, and `interface` says its own size.
        let found =
            unsafe { SetupDiEnumDeviceInterfaces(self.0, null(), &USBPRINT, place, &raw mut interface) };
        if found == 0 {
            return None;
        }
        let mut detail = Detail {
            header: SP_DEVICE_INTERFACE_DETAIL_DATA_W {
                cbSize: size(size_of::<SP_DEVICE_INTERFACE_DETAIL_DATA_W>()),
                DevicePath: [0],
            },
            more: [0; PATH_CHARS_MAX],
        };
        // SAFETY: the set is open and `interface` is of it; `detail` has room for as many bytes as are said.
        let told = unsafe {
            SetupDiGetDeviceInterfaceDetailW(
                self.0,
                &raw const interface,
                (&raw mut detail).cast(),
                size(size_of::<Detail>()),
                null_mut(),
                null_mut(),
            )
        };
        if told == 0 {
            return None;
        }
        // SAFETY: `DevicePath` lies inside `detail`, with `PATH_CHARS_MAX` characters behind it, all of them written
        // by Windows or zero.
        let chars = unsafe {
            let path = (&raw const detail)
                .byte_add(std::mem::offset_of!(SP_DEVICE_INTERFACE_DETAIL_DATA_W, DevicePath));
            std::slice::from_raw_parts(path.cast::<u16>(), PATH_CHARS_MAX)
        };
        let end = chars.iter().position(|&char| char == 0)?;
        Some(String::from_utf16_lossy(&chars[..end]))
    }
}

impl Drop for DeviceSet {
    fn drop(&mut self) {
        // SAFETY: the set is open, and nothing uses it any more.
        unsafe { SetupDiDestroyDeviceInfoList(self.0) };
    }
}

struct UsbPrint {
    read: Transfer,
    write: Transfer,
    /// Some printers have no way back, which shows with the first read.
    reads: bool,
    read_again_at: Option<Instant>,
    // Closed last: cancelled transfers have to be waited for.
    device: OwnedHandle,
}

impl UsbPrint {
    fn open(path: &str) -> io::Result<Self> {
        let wide: Vec<u16> = path.encode_utf16().chain([0]).collect();
        // SAFETY: `wide` ends with a zero and outlives the call; no security attributes and no template are given.
        let handle = unsafe {
            CreateFileW(
                wide.as_ptr(),
                GENERIC_READ | GENERIC_WRITE,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                null(),
                OPEN_EXISTING,
                FILE_FLAG_OVERLAPPED,
                null_mut(),
            )
        };
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was just opened, is valid, and nobody else has it.
        let device = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Self {
            read: Transfer::new(READ_BYTES)?,
            write: Transfer::new(WRITE_BYTES_MAX)?,
            reads: true,
            read_again_at: None,
            device,
        })
    }

    fn read(&mut self, moved: &mut Moved) -> io::Result<()> {
        let is_pause = self.read_again_at.is_some_and(|at| Instant::now() < at);
        if !self.reads || is_pause {
            return Ok(());
        }
        if !self.read.is_under_way
            && let Err(error) = self.read.start_reading(&self.device)
        {
            let code = error.raw_os_error().and_then(|code| u32::try_from(code).ok());
            if matches!(code, Some(ERROR_INVALID_FUNCTION | ERROR_NOT_SUPPORTED)) {
                self.reads = false;
                return Ok(());
            }
            return Err(error);
        }
        match self.read.ended(&self.device)? {
            Some(0) => self.read_again_at = Some(Instant::now() + Duration::from_millis(EMPTY_PAUSE_MS)),
            Some(bytes) => moved.read.extend_from_slice(&self.read.buffer[..bytes]),
            None => {}
        }
        Ok(())
    }

    fn write(&mut self, piece: &[u8], moved: &mut Moved) -> io::Result<()> {
        if !self.write.is_under_way {
            self.write.start_writing(&self.device, &piece[..piece.len().min(WRITE_BYTES_MAX)])?;
        }
        self.write.wait(WRITE_TURN_MS);
        match self.write.ended(&self.device) {
            Ok(Some(bytes)) => moved.written = bytes,
            Ok(None) => {}
            Err(error) => {
                moved.written = self.write.length;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Device for UsbPrint {
    fn turn(&mut self, piece: &[u8], moved: &mut Moved) -> io::Result<()> {
        self.read(moved)?;
        if piece.is_empty() { Ok(()) } else { self.write(piece, moved) }
    }

    fn stop(&mut self, moved: &mut Moved) {
        if self.write.is_under_way {
            self.write.cancel(&self.device);
            moved.written = self.write.length;
        }
        let bytes = self.read.cancel(&self.device);
        moved.read.extend_from_slice(&self.read.buffer[..bytes]);
    }
}

impl Drop for UsbPrint {
    fn drop(&mut self) {
        self.write.cancel(&self.device);
        self.read.cancel(&self.device);
    }
}

/// One overlapped call: while it is under way, Windows uses `overlapped` and `buffer`, which therefore stay where they
/// are until it has ended.
struct Transfer {
    overlapped: Box<OVERLAPPED>,
    event: OwnedHandle,
    buffer: Box<[u8]>,
    length: usize,
    is_under_way: bool,
}

impl Transfer {
    fn new(bytes: usize) -> io::Result<Self> {
        // SAFETY: no attributes and no name are given.
        let event = unsafe { CreateEventW(null(), 1, 0, null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the event was just made, is valid, and nobody else has it.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        let overlapped = Box::new(OVERLAPPED { hEvent: event.as_raw_handle(), ..Default::default() });
        let buffer = vec![0; bytes].into_boxed_slice();
        Ok(Self { overlapped, event, buffer, length: 0, is_under_way: false })
    }

    fn start_reading(&mut self, device: &OwnedHandle) -> io::Result<()> {
        self.length = self.buffer.len();
        // SAFETY: device and event are open; buffer and overlapped stay in place until `ended` or `cancel` has seen the
        // end of the call.
        let started = unsafe {
            ReadFile(
                device.as_raw_handle(),
                self.buffer.as_mut_ptr(),
                u32::try_from(self.length).unwrap_or(0),
                null_mut(),
                &raw mut *self.overlapped,
            )
        };
        self.started(started != 0)
    }

    fn start_writing(&mut self, device: &OwnedHandle, bytes: &[u8]) -> io::Result<()> {
        self.length = bytes.len();
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        // SAFETY: as for reading; the buffer is Windows' own copy of the bytes.
        let started = unsafe {
            WriteFile(
                device.as_raw_handle(),
                self.buffer.as_ptr(),
                u32::try_from(self.length).unwrap_or(0),
                null_mut(),
                &raw mut *self.overlapped,
            )
        };
        self.started(started != 0)
    }

    /// Where it ended at once, its result is fetched like any other.
    fn started(&mut self, ended_at_once: bool) -> io::Result<()> {
        if !ended_at_once {
            let error = io::Error::last_os_error();
            if !is_code(&error, ERROR_IO_PENDING) {
                return Err(error);
            }
        }
        self.is_under_way = true;
        Ok(())
    }

    fn wait(&self, ms: u32) {
        // SAFETY: the event is open. Whatever the result, the next look shows how it stands.
        unsafe { WaitForSingleObject(self.event.as_raw_handle(), ms) };
    }

    /// How many bytes were moved, once it has ended.
    fn ended(&mut self, device: &OwnedHandle) -> io::Result<Option<usize>> {
        match self.result(device.as_raw_handle(), false) {
            Err(error) if is_code(&error, ERROR_IO_INCOMPLETE) => Ok(None),
            other => {
                self.is_under_way = false;
                other.map(Some)
            }
        }
    }

    /// Ends it; how many bytes were moved.
    fn cancel(&mut self, device: &OwnedHandle) -> usize {
        if !self.is_under_way {
            return 0;
        }
        // SAFETY: the device is open and the call is under way on it. Where it ends by itself meanwhile, that is well.
        unsafe { CancelIoEx(device.as_raw_handle(), &raw const *self.overlapped) };
        let result = self.result(device.as_raw_handle(), true);
        self.is_under_way = false;
        result.unwrap_or(0)
    }

    fn result(&self, device: HANDLE, wait: bool) -> io::Result<usize> {
        let mut bytes = 0;
        // SAFETY: the device is open and `overlapped` is that of a call begun on it.
        let ended = unsafe {
            GetOverlappedResult(device, &raw const *self.overlapped, &raw mut bytes, i32::from(wait))
        };
        if ended == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(usize::try_from(bytes).unwrap_or(0).min(self.buffer.len()))
    }
}

fn is_code(error: &io::Error, code: u32) -> bool {
    error.raw_os_error().and_then(|own| u32::try_from(own).ok()) == Some(code)
}
