//! A network drive that has stopped answering: a file system whose other end (FUSE, this process) never says
//! anything. Whoever looks into it waits. To mount it, tests need to be root.

use crate::chain::run_to_end;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A drive that hangs; unmounted when it is dropped.
#[derive(Debug)]
pub struct HungDrive {
    folder: PathBuf,
    /// The end from which answers would come.
    device: Option<File>,
}

impl HungDrive {
    /// Mounts one on a folder.
    ///
    /// # Errors
    /// Without the right to mount.
    pub fn mount(folder: &Path) -> anyhow::Result<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        let mut mount = Command::new("mount");
        // Without a helper program: its standard input is the device.
        mount.args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "docket-test"]);
        mount.arg(folder).stdin(device.try_clone()?);
        let output = mount.output()?;
        anyhow::ensure!(
            output.status.success(),
            "this test mounts a FUSE file system, which takes root (CAP_SYS_ADMIN): {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(HungDrive { folder: folder.to_owned(), device: Some(device) })
    }

    /// The connection breaks: whoever waits gets an error, and so does everybody from now on.
    pub fn break_off(&mut self) {
        self.device = None;
    }
}

impl Drop for HungDrive {
    fn drop(&mut self) {
        self.break_off();
        let unmounted = run_to_end(Command::new("umount").arg("--lazy").arg(&self.folder));
        if !unmounted.is_ok_and(|output| output.status.success()) {
            eprintln!("{} is still mounted", self.folder.display());
        }
    }
}
