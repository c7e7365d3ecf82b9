//! Bundles of diagnostics that agents have sent, as files of the data folder: `bundles/STORE/ID.txt.gz`, the newest
//! [`BUNDLES_MAX`] of a store. A part is appended to a file of another name, which takes its last name when it is whole
//! and on disk; so what breaks off goes on where the file ends, whichever process it was that began it.

use docket_protocol::help::{BUNDLE_BYTES_MAX, BundlePart, BundleTaken, HelpId, PART_BYTES_MAX};
use docket_protocol::ids::StoreId;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bundles that are kept of a store.
pub const BUNDLES_MAX: usize = 5;
const FOLDER: &str = "bundles";
const WHOLE: &str = "txt.gz";
const BEGUN: &str = "part";

/// The folder of them.
#[derive(Debug, Clone)]
pub struct Bundles {
    folder: PathBuf,
}

/// One that is whole.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Where it is.
    pub path: PathBuf,
    /// How large.
    pub bytes: u64,
    /// When it was whole.
    pub at: SystemTime,
}

impl Bundles {
    /// Those of a hub's data folder.
    pub fn of(data: &Path) -> Self {
        Bundles { folder: data.join(FOLDER) }
    }

    /// Takes a part of a bundle that a store's agent was asked for, and says how much is there. It blocks.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn take(&self, store: &StoreId, part: &BundlePart) -> io::Result<BundleTaken> {
        let (offset, total) = (u64::from(part.offset), u64::from(part.total));
        let end = offset + part.bytes.len() as u64;
        let is_sound = part.bytes.len() <= PART_BYTES_MAX && total <= BUNDLE_BYTES_MAX as u64 && end <= total;
        if !is_sound || part.bytes.is_empty() {
            return Ok(BundleTaken { help: part.help, up_to: None });
        }
        let taken = |up_to: u64| BundleTaken { help: part.help, up_to: u32::try_from(up_to).ok() };
        let folder = self.of_store(store);
        if file(&folder, part.help, WHOLE).exists() {
            return Ok(taken(total));
        }
        fs::create_dir_all(&folder)?;
        let path = file(&folder, part.help, BEGUN);
        let mut begun = File::options().create(true).append(true).open(&path)?;
        let there = begun.metadata()?.len();
        if there != offset {
            return Ok(taken(there.min(total)));
        }
        begun.write_all(&part.bytes)?;
        if end == total {
            begun.sync_all()?;
            drop(begun);
            fs::rename(&path, file(&folder, part.help, WHOLE))?;
            prune(&folder)?;
        }
        Ok(taken(end))
    }

    /// The whole ones of a store, the newest first.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn of_store_listed(&self, store: &StoreId) -> io::Result<Vec<Bundle>> {
        let mut bundles = files(&self.of_store(store))?;
        bundles.retain(|bundle| bundle.path.to_string_lossy().ends_with(WHOLE));
        Ok(bundles)
    }

    /// A store's id is what people have chosen, and may be no name of a folder.
    fn of_store(&self, store: &StoreId) -> PathBuf {
        let safe = store.as_str().bytes().map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02x}"),
        });
        self.folder.join(safe.collect::<String>())
    }
}

fn file(folder: &Path, help: HelpId, kind: &str) -> PathBuf {
    folder.join(format!("{help}.{kind}"))
}

/// The newest first.
fn files(folder: &Path) -> io::Result<Vec<Bundle>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push(Bundle { path: entry.path(), bytes: metadata.len(), at: metadata.modified()? });
    }
    files.sort_by_key(|file| std::cmp::Reverse(file.at));
    Ok(files)
}

/// Those that broke off and were never finished count, too.
fn prune(folder: &Path) -> io::Result<()> {
    files(folder)?.iter().skip(BUNDLES_MAX).try_for_each(|file| fs::remove_file(&file.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(help: u8, offset: u32, total: u32, bytes: &[u8]) -> BundlePart {
        BundlePart { help: HelpId::from_bytes([help; 16]), offset, total, bytes: bytes.to_vec() }
    }

    #[test]
    fn what_breaks_off_goes_on_and_only_the_newest_stay() {
        let data = tempfile::tempdir().unwrap();
        let (bundles, store) = (Bundles::of(data.path()), StoreId::new("../S/1"));
        let up_to = |part| Bundles::of(data.path()).take(&store, &part).unwrap().up_to;
        assert_eq!(up_to(part(1, 0, 6, b"abc")), Some(3));
        assert_eq!(up_to(part(1, 0, 6, b"abc")), Some(3), "told again, written once");
        assert!(bundles.of_store_listed(&store).unwrap().is_empty());
        assert_eq!(up_to(part(1, 3, 6, b"def")), Some(6));
        assert_eq!(up_to(part(1, 3, 6, b"def")), Some(6));
        let listed = bundles.of_store_listed(&store).unwrap();
        assert_eq!(fs::read(&listed[0].path).unwrap(), b"abcdef");
        assert!(listed[0].path.starts_with(data.path().join("bundles")), "{listed:?}");
        for help in 2..9 {
            assert_eq!(up_to(part(help, 0, 1, b"x")), Some(1));
        }
        assert_eq!(bundles.of_store_listed(&store).unwrap().len(), BUNDLES_MAX);
    }

    #[test]
    fn what_is_larger_than_it_may_be_is_not_taken() {
        let data = tempfile::tempdir().unwrap();
        let bundles = Bundles::of(data.path());
        let too_much = u32::try_from(BUNDLE_BYTES_MAX + 1).unwrap();
        let long = vec![0; PART_BYTES_MAX + 1];
        for part in
            [part(1, 0, too_much, b"a"), part(1, 5, 6, b"ab"), part(1, 0, 9_000, &long), part(1, 0, 6, b"")]
        {
            assert_eq!(bundles.take(&StoreId::new("S1"), &part).unwrap().up_to, None);
        }
        assert!(!data.path().join(FOLDER).exists());
    }
}
