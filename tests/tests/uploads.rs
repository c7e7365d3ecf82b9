//! What counters have done reaches the hub once, whatever is repeated, and is nobody else's.

mod sent;
mod taken;
