//! One server a data folder.

use crate::HubError;
use std::fs::{File, TryLockError};
use std::path::Path;

/// Held by the serving hub; the operating system drops it with the process, however that ends.
const LOCK_FILE: &str = "serving.lock";

/// Takes the lock for as long as the file is open.
pub(crate) fn take(data: &Path) -> Result<File, HubError> {
    let failed = |cause| HubError::Folder { path: data.into(), cause };
    let file = File::create(data.join(LOCK_FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(HubError::InUse { path: data.into() }),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}
