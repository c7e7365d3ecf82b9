//! End-to-end tests: real processes, real sockets, real files. See `docket_tests` for the parts.

mod bad_input;
mod console;
mod enrolment;
mod full_disk;
mod kills;
mod main_job;
mod paper;
mod printer_faults;
mod templates;
mod wine;
