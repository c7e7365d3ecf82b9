//! A disk that can be filled: a small file system in memory. To mount it, tests need to be root.

use crate::chain::run_to_end;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const DISK_MIB: u32 = 16;
const BLOCK_BYTES: usize = 4_096;

/// A small file system in memory; unmounted when it is dropped.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts one.
    ///
    /// # Errors
    /// Without the right to mount.
    pub fn mount() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-disk-").tempdir()?;
        let size = format!("size={DISK_MIB}m,mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "docket-test"]).arg(folder.path());
        let output = run_to_end(&mut mount)?;
        anyhow::ensure!(
            output.status.success(),
            "these tests mount a small tmpfs, which takes root (CAP_SYS_ADMIN): {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(SmallDisk(folder))
    }

    /// Lets nothing on it be written, or lets it again.
    ///
    /// # Errors
    /// While a file is open for writing.
    pub fn set_read_only(&self, read_only: bool) -> anyhow::Result<()> {
        let access = if read_only { "remount,ro" } else { "remount,rw" };
        let output = run_to_end(Command::new("mount").args(["-o", access]).arg(self.0.path()))?;
        anyhow::ensure!(output.status.success(), "{access}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Takes all the room there is.
    ///
    /// # Errors
    /// Where that does not end with a full disk.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::create(self.filler())?;
        for block in [vec![0; 256 * BLOCK_BYTES], vec![0; BLOCK_BYTES]] {
            let full = loop {
                if let Err(error) = file.write_all(&block) {
                    break error;
                }
            };
            anyhow::ensure!(full.kind() == ErrorKind::StorageFull, "filling the disk: {full}");
        }
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    /// Where it was not taken.
    pub fn free(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: after a panic the processes on it end only now.
        let unmounted = run_to_end(Command::new("umount").arg("--lazy").arg(self.0.path()));
        if !unmounted.is_ok_and(|output| output.status.success()) {
            eprintln!("{} is still mounted", self.0.path().display());
        }
    }
}
