//! End-to-end tests: real processes, real sockets, real files. See `docket_tests` for the parts.

mod enrolment;
mod wine;
