//! A chain's folder of templates, and what is kept of it.
//!
//! `front.jinja`, `kitchen.jinja` … override this program's; `NAME.png` is a picture that they may show. A file
//! that is in order is copied to the data folder before it is put in force, so that a restart with a bad file
//! goes on with the last good one. A file that is removed is no longer in force; a folder that is gone,
//! unreadable or without any file (a network drive, a mount point without its drive) changes nothing.
//!
//! An editor may write a file in several steps. A change counts once it has been the same for two looks.

use super::Own;
use super::files::{
    IMAGE_ENDING, IMAGES_MAX, Stamps, UNREADABLE, image_names, read_bytes, read_image, read_text, stamps,
    write_whole,
};
use super::guard::ENDED_ENDING;
use super::trial::{Candidate, Checker, UNTRIED};
use docket_paper::logo::LOGO_BYTES_MAX;
use docket_paper::template::{Bound, FILE_ENDING, Images, Template, TemplateKind};
use docket_protocol::document::Image;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

/// Where the last good copies are, in the data folder.
pub const KEPT_FOLDER: &str = "templates";
/// Of a folder in which there is nothing at all, as it is where a drive is to be mounted.
const EMPTY: &str = "空文件夹,网络盘没挂上?要改回自带小票,请放入任意一个文件 / it is empty: is its drive mounted? to go back to the \
                     slips of this program put any file into it";

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
                self.forget(&format!("{file}{ENDED_ENDING}"));
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
        let candidate = Candidate::new(kind, file, text, &self.images);
        let has_ended_a_hub = fs::read(self.kept.join(format!("{file}{ENDED_ENDING}")))
            .is_ok_and(|ended| ended == text.as_bytes());
        let result = if has_ended_a_hub {
            Err(candidate.beyond(Bound::Order))
        } else {
            self.checker.check(&candidate)
        };
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

/// The last good copies as others can read them.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Templates: text by name.
    pub templates: Vec<(String, String)>,
    /// Their pictures.
    pub images: Vec<(String, Image)>,
}

/// Reads them.
pub fn texts(kept: &Path) -> Texts {
    let Kept { own, images } = restore(kept);
    let read =
        |kind: &TemplateKind| Some((kind.as_str().to_owned(), read_text(&kept.join(kind.file())).ok()?));
    Texts { templates: own.keys().filter_map(read).collect(), images: images.into_iter().collect() }
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
