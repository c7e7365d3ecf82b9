//! End-to-end tests: real processes, real sockets, real files. See `docket_tests` for the parts.

mod bad_input;
#[cfg(target_os = "linux")]
mod bad_network;
mod broken_spool;
mod chaos;
mod console;
mod counter;
mod enrolment;
mod errors_page;
mod fallback;
mod fault_matrix;
mod full_disk;
mod kills;
mod lab;
mod main_job;
mod paper;
mod printer_faults;
mod queues;
mod remote_help;
mod settings;
mod store_page;
mod templates;
mod uploads;
mod wine;
