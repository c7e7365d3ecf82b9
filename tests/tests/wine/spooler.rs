//! The Windows spooler: under Wine its queues are those of CUPS, here of one that belongs to the test alone.
//!
//! Wine does not ask CUPS how a queue is: it says what stands in its own registry, and of that only the attributes. So the test
//! writes "use printer offline" there. What a status and a job say is tried beside the agent's code for it.

use super::{Store, given};
use docket_tests::chain::{PATIENCE, wait_for};
use docket_tests::virtual_printer::{PrinterOptions, VirtualPrinter};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tempfile::TempDir;

/// Where Debian has the parts of CUPS.
const CUPSD: &str = "/usr/sbin/cupsd";
const CUPS_HELPERS: &str = "/usr/lib/cups/daemon";
/// How CUPS reaches a printer: the job as it is, from standard input or a file. Debian's own program for this comes
/// with two dozen packages that nothing here needs.
const BACKEND: &str = "#!/bin/bash
(($#)) || exit 0
place=${DEVICE_URI#socket://}
exec cat -- \"${6:--}\" >\"/dev/tcp/${place%:*}/${place##*:}\"
";

/// Where Wine keeps the queue.
const QUEUE_KEY: &str = r"HKLM\System\CurrentControlSet\Control\Print\Printers\kitchen";
/// A bit of `PRINTER_INFO_2.Attributes`.
const WORK_OFFLINE: u32 = 0x400;

/// A CUPS with one raw queue, `kitchen`.
struct Cups {
    folder: TempDir,
    process: Child,
}

impl Cups {
    async fn start(printer: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        // Its programs run as another user.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
        for name in ["conf/ppd", "spool/tmp", "cache", "state", "bin/backend"] {
            fs::create_dir_all(root.join(name))?;
        }
        symlink(CUPS_HELPERS, root.join("bin/daemon"))?;
        let backend = root.join("bin/backend/socket");
        fs::write(&backend, BACKEND)?;
        fs::set_permissions(&backend, fs::Permissions::from_mode(0o755))?;
        let shown = root.display();
        fs::write(root.join("conf/cups-files.conf"), files(root))?;
        fs::write(
            root.join("conf/cupsd.conf"),
            format!(
                "Listen {shown}/socket\nLogLevel debug\nBrowsing Off\nDefaultAuthType None\n\
                 <Location />\nOrder allow,deny\nAllow all\n</Location>\n\
                 <Policy default>\n<Limit All>\nOrder allow,deny\nAllow all\n</Limit>\n</Policy>\n"
            ),
        )?;
        fs::write(
            root.join("conf/printers.conf"),
            format!(
                "<Printer kitchen>\nDeviceURI socket://{printer}\nState Idle\nAccepting Yes\nShared No\n\
                 JobSheets none none\nErrorPolicy retry-current-job\n</Printer>\n"
            ),
        )?;
        let process = Command::new(CUPSD)
            .arg("-f")
            .arg("-c")
            .arg(root.join("conf/cupsd.conf"))
            .arg("-s")
            .arg(root.join("conf/cups-files.conf"))
            .spawn()?;
        let cups = Self { folder, process };
        wait_for("CUPS", PATIENCE, || match UnixStream::connect(cups.socket()) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error}\n{}", cups.log())),
        })
        .await?;
        Ok(cups)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error_log")).unwrap_or_default()
    }
}

impl Drop for Cups {
    fn drop(&mut self) {
        // Where it has ended by itself there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn files(root: &Path) -> String {
    let places = [
        ("ServerRoot", "conf"),
        ("RequestRoot", "spool"),
        ("TempDir", "spool/tmp"),
        ("CacheDir", "cache"),
        ("StateDir", "state"),
        ("ServerBin", "bin"),
        ("ErrorLog", "error_log"),
        ("AccessLog", "access_log"),
        ("PageLog", "page_log"),
    ];
    let line = |(key, name): (&str, &str)| format!("{key} {}/{name}\n", root.display());
    places.map(line).concat() + "Sandboxing relaxed\n"
}

/// Says from now on that the queue has these attributes.
fn set_attributes(attributes: u32) -> anyhow::Result<()> {
    let said = Command::new("wine")
        .args(["reg", "add", QUEUE_KEY, "/v", "Attributes", "/t", "REG_DWORD", "/f", "/d"])
        .arg(attributes.to_string())
        .env("WINEPREFIX", given("DOCKET_WINE_PREFIX"))
        .env("WINEDEBUG", "-all")
        .output()?;
    anyhow::ensure!(said.status.success(), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_windows_agent_prints_through_the_spooler_and_waits_for_a_queue_that_is_stopped()
-> anyhow::Result<()> {
    let printer = VirtualPrinter::start(PrinterOptions::default())?;
    let cups = Cups::start(printer.address()).await?;
    let environment = vec![("CUPS_SERVER".into(), cups.socket().into())];
    let store = Store::start("spooler:kitchen", environment).await?;
    // Wine has read what CUPS has.
    store.until_connected(1).await?;
    set_attributes(WORK_OFFLINE)?;
    store.until_printer_is("queue").await?;
    let order = store.order().await?;
    wait_for("the ticket to wait", PATIENCE, || {
        let status = store.agent.status().map_err(|error| error.to_string())?;
        let waiting = &status["file"]["status"]["printers"][0]["waiting"];
        if waiting == 1 { Ok(()) } else { Err(status.to_string()) }
    })
    .await?;
    assert_eq!(printer.receipt_count(), 0, "{}", cups.log());
    let overview = store.hub.overview().await?.to_string();
    assert!(overview.contains("Windows 打印队列停住了"), "headquarters sees it: {overview}");

    set_attributes(0)?;
    let evidence = store.until_printed(&order, &printer).await.map_err(|error| error.context(cups.log()))?;
    assert_eq!(evidence.as_deref(), Some("spooled"));
    store.assert_well()
}
