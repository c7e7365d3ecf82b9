//! A queue of the Windows spooler, raw: for a printer that nothing else leads to.
//!
//! A whole ticket is one print job. It is taken when the spooler has it whole, and nothing more is ever heard of
//! it: evidence *spooled*. A job that fails, also at its very end, is deleted; what the spooler had taken of it counts as
//! left, since it may have sent that on, but never as the whole ticket.

use super::threaded::{Device, Moved, Threaded};
use std::io;
use std::ptr::{null, null_mut};
use windows_sys::Win32::Graphics::Printing::{
    AbortPrinter, ClosePrinter, DOC_INFO_1W, EndDocPrinter, EndPagePrinter, EnumPrintersW, OpenPrinterW,
    PRINTER_ENUM_CONNECTIONS, PRINTER_ENUM_LOCAL, PRINTER_HANDLE, PRINTER_INFO_4W, StartDocPrinterW,
    StartPagePrinter, WritePrinter,
};

/// A ticket with pictures is far smaller.
const JOB_BYTES_MAX: usize = 16 << 20;
/// Room for the list of queues: a PC has a few dozen at most.
const LIST_BYTES_MAX: usize = 64 << 10;

/// Opens a queue.
pub(super) async fn open(queue: String) -> io::Result<Threaded> {
    Threaded::open_for_whole_tickets("spooler", JOB_BYTES_MAX, move || Queue::open(&queue)).await
}

/// The names of the queues that this PC has.
pub fn queues() -> Vec<String> {
    // A list of structures, so it has to begin where one may begin.
    let mut list = vec![0_u64; LIST_BYTES_MAX / size_of::<u64>()];
    let (mut needed, mut count) = (0, 0);
    // SAFETY: `list` is as long as is said and aligned for the structures of level 4.
    let told = unsafe {
        EnumPrintersW(
            PRINTER_ENUM_LOCAL | PRINTER_ENUM_CONNECTIONS,
            null(),
            4,
            list.as_mut_ptr().cast(),
            u32::try_from(LIST_BYTES_MAX).unwrap_or(0),
            &raw mut needed,
            &raw mut count,
        )
    };
    if told == 0 {
        let error = io::Error::last_os_error();
        tracing::warn!(%error, "the spooler's queues cannot be listed");
        return Vec::new();
    }
    let first = list.as_ptr().cast::<PRINTER_INFO_4W>();
    (0..usize::try_from(count).unwrap_or(0))
        // SAFETY: Windows says that it has written so many structures, and names that end with a zero into the same list.
        .map(|place| unsafe { text_at((*first.add(place)).pPrinterName) })
        .filter(|name| !name.is_empty())
        .collect()
}

/// # Safety
/// `text` is null or leads to characters that end with a zero.
unsafe fn text_at(text: *const u16) -> String {
    if text.is_null() {
        return String::new();
    }
    let mut length = 0;
    // SAFETY: the caller's promise; nothing is read behind the zero.
    let chars = unsafe {
        while *text.add(length) != 0 {
            length += 1;
        }
        std::slice::from_raw_parts(text, length)
    };
    String::from_utf16_lossy(chars)
}

struct Queue {
    handle: PRINTER_HANDLE,
}

impl Queue {
    fn open(queue: &str) -> io::Result<Self> {
        let name = wide(queue);
        let mut handle = PRINTER_HANDLE::default();
        // SAFETY: `name` ends with a zero and outlives the call; without defaults, the queue's own are used.
        let opened = unsafe { OpenPrinterW(name.as_ptr(), &raw mut handle, null()) };
        done(opened)?;
        Ok(Self { handle })
    }

    fn print(&self, ticket: &[u8], moved: &mut Moved) -> io::Result<()> {
        let (mut name, mut kind) = (wide("Docket"), wide("RAW"));
        let job = DOC_INFO_1W {
            pDocName: name.as_mut_ptr(),
            pOutputFile: null_mut(),
            pDatatype: kind.as_mut_ptr(),
        };
        // SAFETY: the queue is open; the texts of `job` end with zeros and outlive the call.
        let number = unsafe { StartDocPrinterW(self.handle, 1, &raw const job) };
        done(i32::from(number != 0))?;
        let printed = self.write_page(ticket, moved);
        if printed.is_err() {
            // It had all the bytes and no end: a ticket that was taken whole would count as printed.
            moved.written = moved.written.min(ticket.len() - 1);
            // SAFETY: the queue is open, with a job begun on it.
            unsafe { AbortPrinter(self.handle) };
        }
        printed
    }

    fn write_page(&self, ticket: &[u8], moved: &mut Moved) -> io::Result<()> {
        // SAFETY: the queue is open, with a job begun on it.
        done(unsafe { StartPagePrinter(self.handle) })?;
        let mut at = 0;
        while at < ticket.len() {
            let rest = &ticket[at..];
            let mut written = 0;
            // SAFETY: the queue is open; `rest` is as long as is said and outlives the call.
            let result = unsafe {
                WritePrinter(
                    self.handle,
                    rest.as_ptr().cast(),
                    u32::try_from(rest.len()).unwrap_or(0),
                    &raw mut written,
                )
            };
            at += usize::try_from(written).unwrap_or(0).min(rest.len());
            moved.written = at;
            done(result)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        // SAFETY: the queue is open, with a page and a job begun on it.
        unsafe {
            done(EndPagePrinter(self.handle))?;
            done(EndDocPrinter(self.handle))
        }
    }
}

impl Device for Queue {
    fn turn(&mut self, piece: &[u8], moved: &mut Moved) -> io::Result<()> {
        if piece.is_empty() { Ok(()) } else { self.print(piece, moved) }
    }

    fn stop(&mut self, _: &mut Moved) {}
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is open, and nothing uses it any more.
        unsafe { ClosePrinter(self.handle) };
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn done(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
