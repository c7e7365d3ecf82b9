//! Real devices: one suite of what can happen to a printer, over every way to one, and the small virtual machine that has
//! the USB bus for it.
//!
//! * [`suite`]: the cases. [`way`]: network, serial line, USB through the kernel's printer driver, USB past it.
//! * [`swapped`]: two USB printers whose files change hands.
//! * [`machine`]: `tests/lab/run.sh`, which runs a program inside.
//!
//! The suite runs a whole chain: hub, agent and platform are processes and sockets as ever, and only the printer is
//! reached another way. That is more than the printing task alone, and it shows what counts: what lies on the counter
//! and what headquarters believes. Inside the machine the same chain runs on the loopback there.

pub mod machine;
pub mod suite;
pub mod swapped;
pub mod way;
