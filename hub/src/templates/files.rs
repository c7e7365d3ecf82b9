//! The files of a folder of templates as they are read: each has bounds and its own words for what is wrong with it,
//! and none is waited for that is no file.

use docket_paper::Paper;
use docket_paper::logo::{self, LOGO_BYTES_MAX};
use docket_paper::template::{FILE_ENDING, Images, SOURCE_BYTES_MAX};
use docket_protocol::document::Image;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

/// Pictures that are read.
pub const IMAGES_MAX: usize = 16;
/// Files of a folder that are looked at; it is not meant for others.
const FILES_MAX: usize = 1_000;
/// Which of them would be seen depends on the file system.
const TOO_MANY: &str = "文件太多,请移走与小票无关的 / too many files: move away what no slip needs";
/// How pictures' names end.
pub(super) const IMAGE_ENDING: &str = ".png";
/// The code of a file that cannot be read.
pub(super) const UNREADABLE: &str = "template-file";
/// What is not opened at all: who opens a pipe waits for its other end.
const NO_FILE: &str = "不是普通文件 / it is no regular file";

/// When a file was changed last, and how long it is; nothing of what is no regular file.
type Stamp = Option<(SystemTime, u64)>;
/// Files by name.
pub(super) type Stamps = BTreeMap<String, Stamp>;

/// The files of a folder that templates are made of.
pub(super) fn stamps(folder: &Path) -> io::Result<Stamps> {
    let mut stamps = Stamps::new();
    for (count, entry) in fs::read_dir(folder)?.enumerate() {
        let entry = entry?;
        if count >= FILES_MAX {
            return Err(io::Error::other(TOO_MANY));
        }
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || !(name.ends_with(FILE_ENDING) || name.ends_with(IMAGE_ENDING)) {
            continue;
        }
        // Behind a link it is the file that counts.
        let metadata = match fs::metadata(entry.path()) {
            Ok(metadata) => metadata,
            // It has gone while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let stamp = || (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len());
        stamps.insert(name, metadata.is_file().then(stamp));
    }
    Ok(stamps)
}

/// The names that templates have for the pictures among them.
pub(super) fn image_names(stamps: &Stamps) -> BTreeSet<String> {
    stamps.keys().filter_map(|name| name.strip_suffix(IMAGE_ENDING)).map(str::to_owned).collect()
}

/// All pictures of a folder that can be used; a template that shows another is refused for it.
///
/// # Errors
/// Where the folder cannot be read.
pub fn read_images(folder: &Path) -> Result<Images, String> {
    let stamps =
        stamps(folder).map_err(|error| format!("templates-folder: {}: {error}", folder.display()))?;
    let read = |name: String| {
        let image = read_image(&folder.join(format!("{name}{IMAGE_ENDING}"))).ok()?;
        Some((name, image))
    };
    Ok(image_names(&stamps).into_iter().take(IMAGES_MAX).filter_map(read).collect())
}

/// A picture, for the widest paper; where it is printed it is made to fit.
pub(super) fn read_image(path: &Path) -> Result<Image, String> {
    let bytes = read_bytes(path, LOGO_BYTES_MAX).map_err(|error| unreadable(&error))?;
    logo::from_png(&bytes, Paper::Mm80).map_err(|error| {
        let (zh, en) = error.remedy();
        format!("{}: {error}: {zh} / {en}", error.code())
    })
}

/// The text of a template's file.
///
/// # Errors
/// Where it cannot be read or is no text.
pub fn read_text(path: &Path) -> Result<String, String> {
    let bytes = read_bytes(path, SOURCE_BYTES_MAX).map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
        format!(
            "template-encoding: 第 {line} 行:不是 UTF-8,请用 UTF-8 保存 / line {line}: save the file as UTF-8"
        )
    })
}

fn unreadable(error: &io::Error) -> String {
    format!("{UNREADABLE}: {error}: 请检查文件和权限 / check the file and its permissions")
}

/// A file of at most so many bytes, and one more to tell that it is larger.
pub(super) fn read_bytes(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file and nothing else: whatever stands there by now, nobody waits for its other end.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(NO_FILE));
    }
    Ok(file)
}

/// Writes a file whole or not at all, and its folder where there is none.
pub(super) fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}
