//! How long a unit is waited for, and how often it is asked.

/// How old the answers may be with which a ticket begins.
pub const PREFLIGHT_FRESH_MS: u64 = 100;
/// How long a unit that never answered a query is asked, on each connection, before it gets a ticket; and how long
/// one that used to answer may take before it counts as silent.
pub const PREFLIGHT_MS_MAX: u64 = 3_000;
/// How often a unit is asked while something is open or wrong.
pub const POLL_MS: u64 = 1_000;
/// The same for a unit whose answers come only with the next ones.
pub const POLL_LATE_MS: u64 = 200;
/// How often it is asked where nothing is open and nothing is wrong; automatic status comes at once anyway.
pub const IDLE_POLL_MS: u64 = 10_000;
/// How long a begun ticket waits in silence where no fault is known.
pub const SILENT_MS_MAX: u64 = 30_000;
/// Silence after which a line without a begun ticket is made anew: it may be dead.
pub const SILENT_IDLE_MS_MAX: u64 = 10_000;
/// Silence of a begun ticket after which it is shown: a unit may be too busy to answer.
pub const SILENT_SHOWN_MS: u64 = 10_000;
/// How long a unit without fault may take to finish what an earlier connection sent.
pub const SETTLE_MS_MAX: u64 = 15_000;
/// How long a unit without a fence is watched after it has taken a ticket, at least.
pub const NO_FENCE_WAIT_MS: u64 = 2_000;
/// How long the bytes of a ticket rest with a unit that never answers, at least.
pub const SENT_WAIT_MS: u64 = 3_000;
/// What a line takes on the slowest units: 3.75 mm at 50 mm/s.
pub const LINE_MS_MAX: u64 = 75;
/// How long after "on paper" the cut may take.
pub const CUT_WAIT_MS_MAX: u64 = 5_000;
/// Feeding to the cutter and cutting takes the fastest units 200 ms and more; without a cutter, four lines are fed.
pub const CUT_MS_MIN: u64 = 40;
/// Tickets in a row whose GS r came too soon, before the unit is taken to answer it at once.
pub const AT_ONCE_TICKETS: u8 = 3;
