//! A queue of the Windows spooler, raw: for a printer that nothing else leads to.
//!
//! A whole ticket is one print job. It is taken when the spooler has it whole, which is all the evidence there will be of
//! it: *spooled*. A job that fails, also at its very end, is deleted; what the spooler had taken of it counts as
//! left, since it may have sent that on, but never as the whole ticket.
//!
//! # How the queue is
//! Every [`LOOK_EACH_MS`] the queue is asked how it is and how its jobs are (`queue_status`), so what keeps a ticket from
//! coming out is seen beside the printer, and the tickets that follow wait, or go to its backup, instead of piling up
//! behind it. That is a look at the queue, not at the ticket: a job that is gone was taken by the port or deleted by
//! somebody, and Windows does not say which. What is seen is up to [`LOOK_EACH_MS`] old when a ticket begins.
//!
//! Some drivers find out only with the next job that a fault is over. Where such a one leaves it standing in an empty queue,
//! tickets wait until something else is printed there, a test page of Windows. To send a ticket just to see would be to give it
//! to a queue that says that it cannot print, and to keep it from the backup.
//!
//! Some queues cannot be asked, for lack of rights or on a print server. They are printed on all the same. One that could be
//! asked and then cannot has gone: the spooler was stopped, or the queue deleted.
//!
//! Rejected: to be told of changes by the spooler (`FindFirstPrinterChangeNotification`): one more handle to wait for, and
//! not every print server tells.

use super::queue_status::{of_job, of_queue};
use super::threaded::{Device, Moved, Threaded};
use crate::printing::health::Conditions;
use std::io;
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};
use windows_sys::Win32::Graphics::Printing::{
    AbortPrinter, ClosePrinter, DOC_INFO_1W, EndDocPrinter, EndPagePrinter, EnumJobsW, EnumPrintersW,
    GetPrinterW, JOB_INFO_1W, OpenPrinterW, PRINTER_ENUM_CONNECTIONS, PRINTER_ENUM_LOCAL, PRINTER_HANDLE,
    PRINTER_INFO_2W, PRINTER_INFO_4W, StartDocPrinterW, StartPagePrinter, WritePrinter,
};

/// A ticket with pictures is far smaller.
const JOB_BYTES_MAX: usize = 16 << 20;
/// Room for the list of queues: a PC has a few dozen at most. One queue, or [`JOBS_MAX`] jobs, need less.
const LIST_BYTES_MAX: usize = 64 << 10;
/// How often a queue is asked how it is.
const LOOK_EACH_MS: u64 = 1_000;
/// Jobs that are looked at: the oldest hold up the others.
const JOBS_MAX: u32 = 16;
/// What the agent's jobs are called.
const JOB_NAME: &str = "Docket";

/// Opens a queue.
pub(super) async fn open(queue: String) -> io::Result<Threaded> {
    Threaded::open_for_whole_tickets("spooler", JOB_BYTES_MAX, move || Queue::open(&queue)).await
}

/// The names of the queues that this PC has.
pub fn queues() -> Vec<String> {
    let mut list = List::new();
    let (mut needed, mut count) = (0, 0);
    // SAFETY: `list` is as long as is said and aligned for the structures of level 4.
    let told = unsafe {
        EnumPrintersW(
            PRINTER_ENUM_LOCAL | PRINTER_ENUM_CONNECTIONS,
            null(),
            4,
            list.start(),
            List::LENGTH,
            &raw mut needed,
            &raw mut count,
        )
    };
    if told == 0 {
        let error = io::Error::last_os_error();
        tracing::warn!(%error, "the spooler's queues cannot be listed");
        return Vec::new();
    }
    let first = list.first::<PRINTER_INFO_4W>();
    (0..usize::try_from(count).unwrap_or(0))
        // SAFETY: Windows says that it has written so many structures, and names that end with a zero into the same list.
        .map(|place| unsafe { text_at((*first.add(place)).pPrinterName) })
        .filter(|name| !name.is_empty())
        .collect()
}

/// Room for what the spooler lists. It begins where a structure may begin.
struct List(Vec<u64>);

impl List {
    const LENGTH: u32 = LIST_BYTES_MAX as u32;

    fn new() -> Self {
        Self(vec![0; LIST_BYTES_MAX / size_of::<u64>()])
    }

    fn start(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }

    fn first<T>(&self) -> *const T {
        self.0.as_ptr().cast()
    }
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
    /// When it is asked next how it is; `None` where it cannot be asked.
    look_at: Option<Instant>,
    /// What it has said last.
    told: Option<Conditions>,
}

impl Queue {
    fn open(queue: &str) -> io::Result<Self> {
        let name = wide(queue);
        let mut handle = PRINTER_HANDLE::default();
        // SAFETY: `name` ends with a zero and outlives the call; without defaults, the queue's own are used.
        let opened = unsafe { OpenPrinterW(name.as_ptr(), &raw mut handle, null()) };
        done(opened)?;
        Ok(Self { handle, look_at: Some(Instant::now()), told: None })
    }

    /// Asks the queue how it is, if it is time to, and tells what is news.
    fn look(&mut self, moved: &mut Moved) -> io::Result<()> {
        if self.look_at.is_none_or(|at| Instant::now() < at) {
            return Ok(());
        }
        let (told, look_at) = match self.conditions() {
            Ok(told) => (told, Some(Instant::now() + Duration::from_millis(LOOK_EACH_MS))),
            Err(error) if self.told.is_none() => {
                tracing::warn!(%error, "this queue does not say how it is");
                (Conditions::NONE, None)
            }
            Err(error) => return Err(error),
        };
        self.look_at = look_at;
        if self.told != Some(told) {
            self.told = Some(told);
            moved.told = Some(told);
        }
        Ok(())
    }

    fn conditions(&self) -> io::Result<Conditions> {
        let mut list = List::new();
        let mut needed = 0;
        // SAFETY: the queue is open; `list` is as long as is said and aligned for the structure of level 2.
        done(unsafe { GetPrinterW(self.handle, 2, list.start(), List::LENGTH, &raw mut needed) })?;
        // SAFETY: Windows says that it has written one there.
        let queue = unsafe { &*list.first::<PRINTER_INFO_2W>() };
        let told = of_queue(queue.Status, queue.Attributes);
        Ok(if queue.cJobs > 0 { told.with_all(self.conditions_of_jobs()) } else { told })
    }

    /// Of jobs that cannot be listed nothing is known.
    fn conditions_of_jobs(&self) -> Conditions {
        let mut list = List::new();
        let (mut needed, mut count) = (0, 0);
        // SAFETY: the queue is open; `list` is as long as is said and aligned for the structures of level 1.
        let listed = unsafe {
            EnumJobsW(
                self.handle,
                0,
                JOBS_MAX,
                1,
                list.start(),
                List::LENGTH,
                &raw mut needed,
                &raw mut count,
            )
        };
        if listed == 0 {
            return Conditions::NONE;
        }
        let first = list.first::<JOB_INFO_1W>();
        (0..usize::try_from(count).unwrap_or(0)).fold(Conditions::NONE, |told, place| {
            // SAFETY: Windows says that it has written so many structures, and names that end with a zero into the same list.
            let (status, name) = unsafe {
                let job = &*first.add(place);
                (job.Status, text_at(job.pDocument))
            };
            told.with_all(of_job(status, name == JOB_NAME))
        })
    }

    fn print(&self, ticket: &[u8], moved: &mut Moved) -> io::Result<()> {
        let (mut name, mut kind) = (wide(JOB_NAME), wide("RAW"));
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
        if piece.is_empty() { self.look(moved) } else { self.print(piece, moved) }
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
