//! A file of the data folder that is replaced as a whole: a crash or a power cut leaves the old one or the new one,
//! and when it has been replaced it stays so.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// Who may read it. On Windows the folder's permissions say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever may read the folder.
    All,
    /// This user only: it holds a secret.
    ThisUser,
}

/// Replaces it, or makes it; its folder is there.
///
/// # Errors
/// Where it cannot be written; the old one is there then.
pub(crate) fn replace(path: &Path, readers: Readers, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if readers == Readers::ThisUser {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    let mut file = options.open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(part, path)?;
    sync_folder(path)
}

/// Without it a power cut could bring the old one back. Windows writes renames through its own journal.
#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
