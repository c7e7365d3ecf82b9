//! A chain's folder of templates, and what is kept of it.
//!
//! `front.jinja`, `kitchen.jinja` … override this program's; `NAME.png` is a picture that they may show. A file
//! that is in order is copied to the data folder before it is put in force, so that a restart with a bad file
//! goes on with the last good one. A file that is removed is no longer in force; a folder that is gone,
//! unreadable or without any file (a network drive, a mount point without its drive) changes nothing.
//!
//! An editor may write a file in several steps. A change counts once it has been the same for two looks.

use super::Own;
use super::trial::{Candidate, Checker, UNTRIED};
use docket_paper::Paper;
use docket_paper::logo::{self, LOGO_BYTES_MAX};
use docket_paper::template::{FILE_ENDING, Images, SOURCE_BYTES_MAX, Template, TemplateKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Where the last good copies are, in the data folder.
pub const KEPT_FOLDER: &str = "templates";
/// Pictures that are read.
pub const IMAGES_MAX: usize = 16;
/// Files of a folder that are looked at; it is not meant for others.
const FILES_MAX: usize = 1_000;
/// The code of a file that cannot be read.
const UNREADABLE: &str = "template-file";
/// What is not opened at all: who opens a pipe waits for its other end.
const NO_FILE: &str = "不是普通文件 / it is no regular file";
/// Of a folder in which there is nothing at all, as it is where a drive is to be mounted.
const EMPTY: &str = "空文件夹,网络盘没挂上?要改回自带小票,请放入任意一个文件 / it is empty: is its drive mounted? to go back to the \
                     slips of this program put any file into it";
/// Which of them would be seen depends on the file system.
const TOO_MANY: &str = "文件太多,请移走与小票无关的 / too many files: move away what no slip needs";
/// How pictures' names end.
const IMAGE_ENDING: &str = ".png";

/// Something that a person has to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file's name, or the folder.
    pub subject: String,
    /// Code, line, reason and remedy.
    pub detail: String,
}

impl Refusal {
    /// Whether it keeps what this folder says of a slip from being in force.
    pub fn is_about(&self, folder: &Path, kind: TemplateKind) -> bool {
        self.subject == kind.file() || Path::new(&self.subject) == folder
    }

    /// Whether the file could not even be read, or tried: that may pass without a change to it.
    fn may_pass(&self) -> bool {
        [UNREADABLE, UNTRIED].iter().any(|code| self.detail.starts_with(code))
    }
}

/// What a look at the folder has changed.
#[derive(Debug)]
pub struct Changed {
    /// What is to be in force now.
    pub own: Own,
    /// All that is refused now; empty where all is well.
    pub refused: Vec<Refusal>,
}

/// When a file was changed last, and how long it is; nothing of what is no regular file.
type Stamp = Option<(SystemTime, u64)>;
type Stamps = BTreeMap<String, Stamp>;

/// A chain's folder as it was seen last.
#[derive(Debug)]
pub struct Folder {
    folder: PathBuf,
    kept: PathBuf,
    checker: Arc<dyn Checker>,
    /// Whether copies are written: by the one hub that serves, and not by a command beside it.
    keeps: bool,
    /// As of the last look.
    seen: Option<Stamps>,
    /// What is in force was made of these.
    applied: Option<Stamps>,
    own: Own,
    images: Images,
    /// Texts that were tried with these pictures, and what came of it: nothing is tried twice.
    tried: BTreeMap<TemplateKind, (String, Result<(), String>)>,
    refused: Vec<Refusal>,
}

impl Folder {
    /// A folder, the folder of the last good copies, and who tries what changes.
    pub fn new(folder: PathBuf, kept: PathBuf, checker: Arc<dyn Checker>) -> Self {
        Folder {
            folder,
            kept,
            checker,
            keeps: true,
            seen: None,
            applied: None,
            own: Own::new(),
            images: Images::new(),
            tried: BTreeMap::new(),
            refused: Vec::new(),
        }
    }

    /// The same for who only reads.
    #[must_use]
    pub fn read_only(self) -> Self {
        Folder { keeps: false, ..self }
    }

    /// The same with the last good copies in force.
    #[must_use]
    pub fn restored(self) -> Self {
        let Kept { own, images } = restore(&self.kept);
        Folder { own, images, ..self }
    }

    /// The first look: what is there counts at once, and where it is not in order, what was restored stays.
    pub fn open(&mut self) -> Changed {
        match self.read() {
            Ok(stamps) => {
                self.seen = Some(stamps.clone());
                self.apply(stamps);
            }
            Err(error) => self.refused = vec![self.unreadable(&error)],
        }
        self.changed()
    }

    /// Looks again; `None` where nothing is different from before.
    pub fn look(&mut self) -> Option<Changed> {
        match self.read() {
            Ok(stamps) => {
                let is_still = self.seen.as_ref() == Some(&stamps);
                if is_still && self.applied.as_ref() != Some(&stamps) {
                    self.apply(stamps);
                    return Some(self.changed());
                }
                // Permissions are mended without a trace in what was looked at.
                if is_still && self.refused.iter().any(Refusal::may_pass) {
                    let refused = self.refused.clone();
                    self.apply(stamps);
                    return (self.refused != refused).then(|| self.changed());
                }
                self.seen = Some(stamps);
                None
            }
            Err(error) => {
                let refused = vec![self.unreadable(&error)];
                // Once it is back, all of it is read anew.
                (self.seen, self.applied) = (None, None);
                (self.refused != refused).then(|| {
                    self.refused = refused;
                    self.changed()
                })
            }
        }
    }

    fn changed(&self) -> Changed {
        Changed { own: self.own.clone(), refused: self.refused.clone() }
    }

    /// What people are told the folder is called.
    pub fn subject(&self) -> String {
        self.folder.display().to_string()
    }

    fn unreadable(&self, error: &io::Error) -> Refusal {
        let detail = format!(
            "templates-folder: {error}: 现用的小票不变;请检查文件夹、网络盘和权限 / nothing changes; check the folder, its \
             drive and permissions"
        );
        Refusal { subject: self.subject(), detail }
    }

    fn read(&self) -> io::Result<Stamps> {
        let stamps = stamps(&self.folder)?;
        if !self.own.is_empty() && stamps.is_empty() && fs::read_dir(&self.folder)?.next().is_none() {
            return Err(io::Error::other(EMPTY));
        }
        Ok(stamps)
    }

    /// Reads all of the folder and takes over what is in order.
    fn apply(&mut self, stamps: Stamps) {
        self.refused.clear();
        let images = self.images.clone();
        self.apply_images(&stamps);
        if self.images != images {
            self.tried.clear();
        }
        for kind in TemplateKind::ALL {
            self.apply_template(kind, &stamps);
        }
        let known: BTreeSet<String> = TemplateKind::ALL.into_iter().map(TemplateKind::file).collect();
        let strays = stamps.keys().filter(|name| name.ends_with(FILE_ENDING) && !known.contains(*name));
        for name in strays {
            let names = known.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            self.refused.push(Refusal {
                subject: name.clone(),
                detail: format!(
                    "template-unused: 没有叫这个名字的小票:请改名 / no slip has this name; use {names}"
                ),
            });
        }
        if self.refused.is_empty() {
            self.forget_images();
        }
        self.applied = Some(stamps);
    }

    fn apply_images(&mut self, stamps: &Stamps) {
        let mut names = image_names(stamps);
        while names.len() > IMAGES_MAX {
            let Some(name) = names.pop_last() else { break };
            let detail = format!(
                "template-pictures: 图片超过 {IMAGES_MAX} 张,这一张没有用:删掉用不着的 / more than {IMAGES_MAX} pictures, and \
                 this one is not used: remove those that are not needed"
            );
            self.refused.push(Refusal { subject: format!("{name}{IMAGE_ENDING}"), detail });
        }
        self.images.retain(|name, _| names.contains(name));
        for name in names {
            let file = format!("{name}{IMAGE_ENDING}");
            let read = read_image(&self.folder.join(&file));
            match read {
                Ok(image) => {
                    if self.images.get(&name) != Some(&image) {
                        self.keep_image(&file);
                        self.images.insert(name, image);
                    }
                }
                Err(detail) => self.refused.push(Refusal { subject: file, detail }),
            }
        }
    }

    fn apply_template(&mut self, kind: TemplateKind, stamps: &Stamps) {
        let file = kind.file();
        if !stamps.contains_key(&file) {
            self.own.remove(&kind);
            self.forget(&file);
            return;
        }
        let read = read_text(&self.folder.join(&file)).and_then(|text| {
            self.try_out(kind, &file, &text)?;
            match Template::read(kind, &file, &text, &self.images) {
                Ok(template) => Ok((text, template)),
                Err(error) => Err(error.to_string()),
            }
        });
        match read {
            Ok((text, template)) => {
                self.keep(&file, text.as_bytes());
                self.own.insert(kind, Arc::new(template));
            }
            Err(detail) => self.refused.push(Refusal { subject: file, detail }),
        }
    }

    fn try_out(&mut self, kind: TemplateKind, file: &str, text: &str) -> Result<(), String> {
        if let Some((tried, result)) = self.tried.get(&kind)
            && tried == text
        {
            return result.clone();
        }
        let result = self.checker.check(&Candidate::new(kind, file, text, &self.images));
        match &result {
            Err(detail) if detail.starts_with(UNTRIED) => self.tried.remove(&kind),
            _ => self.tried.insert(kind, (text.to_owned(), result.clone())),
        };
        result
    }

    fn keep_image(&mut self, file: &str) {
        if let Ok(bytes) = read_bytes(&self.folder.join(file), LOGO_BYTES_MAX) {
            self.keep(file, &bytes);
        }
    }

    /// Copies a file to the data folder, whole or not at all.
    fn keep(&mut self, file: &str, bytes: &[u8]) {
        let path = self.kept.join(file);
        if !self.keeps {
            return;
        }
        if fs::read(&path).is_ok_and(|kept| kept == bytes) {
            return;
        }
        if let Err(error) = write_whole(&self.kept, &path, bytes) {
            self.refused.push(Refusal {
                subject: file.to_owned(),
                detail: format!(
                    "template-not-kept: {error}: 模板已生效,但重启后可能失效,请检查磁盘 / in force, but a restart may lose it; \
                     check the disk of {}",
                    self.kept.display()
                ),
            });
        }
    }

    /// Removes copies of pictures that are gone; where a template is refused, its last good one may show them.
    fn forget_images(&mut self) {
        let Ok(kept) = stamps(&self.kept) else { return };
        for name in image_names(&kept) {
            if !self.images.contains_key(&name) {
                self.forget(&format!("{name}{IMAGE_ENDING}"));
            }
        }
    }

    fn forget(&mut self, file: &str) {
        if !self.keeps {
            return;
        }
        match fs::remove_file(self.kept.join(file)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let detail = format!(
                    "template-not-kept: {error}: 请检查磁盘和权限 / check disk and permissions of {}",
                    self.kept.display()
                );
                self.refused.push(Refusal { subject: file.to_owned(), detail });
            }
        }
    }
}

/// What is kept of a folder.
#[derive(Debug, Default)]
pub struct Kept {
    /// The last good templates.
    pub own: Own,
    images: Images,
}

/// Reads the last good copies, each of which was tried before it was kept. What is wrong with one is not worth an
/// alarm: the hub that serves looks at the chain's folder next.
pub fn restore(kept: &Path) -> Kept {
    let mut restored = Kept::default();
    let Ok(stamps) = stamps(kept) else { return restored };
    for name in image_names(&stamps) {
        if let Ok(image) = read_image(&kept.join(format!("{name}{IMAGE_ENDING}"))) {
            restored.images.insert(name, image);
        }
    }
    for kind in TemplateKind::ALL {
        if let Ok(text) = read_text(&kept.join(kind.file()))
            && let Ok(template) = Template::read(kind, kind.file(), &text, &restored.images)
        {
            restored.own.insert(kind, Arc::new(template));
        }
    }
    restored
}

/// The files of a folder that templates are made of.
fn stamps(folder: &Path) -> io::Result<Stamps> {
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

fn image_names(stamps: &Stamps) -> BTreeSet<String> {
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
fn read_image(path: &Path) -> Result<docket_protocol::document::Image, String> {
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
fn read_bytes(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
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

fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}
