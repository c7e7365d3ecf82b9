//! The agent through its public interface.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too, which clippy cannot know")]

mod job;
mod job_simulation;
mod modelled_unit;
mod printer_task;
mod requests;
mod samples;
mod spool;
mod spool_model;
mod spool_queues;
mod spool_recovery;
