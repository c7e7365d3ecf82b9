//! Finding printers: one search at a time, whose findings go to everyone who looks.
