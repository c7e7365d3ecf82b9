//! The agent through its public interface.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too, which clippy cannot know")]

mod broken_storage;
mod clones;
mod connect;
mod counter;
mod discovery;
mod far_end;
mod job;
mod job_simulation;
mod page;
mod printer_task;
mod requests;
mod samples;
mod serial_printer;
mod spool;
mod spool_bounds;
mod spool_model;
mod spool_queues;
mod spool_recovery;
mod status;
mod transports;
