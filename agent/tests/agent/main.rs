//! The agent through its public interface.

mod job_simulation;
mod modelled_unit;
mod printer_task;
mod samples;
mod spool;
mod spool_recovery;
