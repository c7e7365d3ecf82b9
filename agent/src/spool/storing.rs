//! What an error of the database comes to, for people.

use super::damage::is_damage;
use docket_protocol::storage::Storing;
use rusqlite::ErrorCode;

/// What keeps a write from being stored.
pub(super) fn storing_of(error: &rusqlite::Error, at_bound: bool) -> Storing {
    if is_damage(error) {
        return Storing::Damaged;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) if at_bound => Storing::AtBound,
        Some(ErrorCode::DiskFull) => Storing::DiskFull,
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Storing::Forbidden,
        _ => Storing::Failing,
    }
}
