//! What travels to a store: the document in force for it, and the chain's templates with their pictures.
//!
//! A bundle is whole: nothing in it depends on what was sent before. It is cut into parts that fit a frame with room to
//! spare; each part is an item of the link of its own, so each is stored before it is acknowledged, and a bundle is
//! there when its last part is. Pictures travel as dots: a store's program reads no PNG.
//!
//! Rejected: compression (one more crate in every store, and there would still be bundles that do not fit a frame).

use crate::document::{Document, DocumentError};
use docket_paper::template::{Images, Template, TemplateKind};
use docket_protocol::document::Image;
use docket_protocol::frame::{payload, read_payload};
use docket_protocol::message::SettingsPart;
use docket_routing::templates::Own;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;

/// Bytes of a part: half a frame.
pub const PART_BYTES_MAX: usize = 128 * 1024;
/// Bytes of a bundle. Ten templates and a dozen logos are well below.
pub const BUNDLE_BYTES_MAX: usize = 1024 * 1024;

/// A bundle as it lies on the wire. Append only: a new kind of content is a new variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bundle {
    /// The first kind.
    V1(Contents),
}

/// What is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// A [`Document`] as TOML: a program that does not know all of its words says so.
    pub document: String,
    /// Text by the template's name.
    pub templates: Vec<(String, String)>,
    /// Pictures by the name that templates have for them.
    pub images: Vec<(String, Image)>,
}

/// A bundle that was read and is in order.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What the store is set to.
    pub document: Document,
    /// How its slips look.
    pub templates: Own,
}

/// Why a bundle cannot be worked with.
#[derive(Debug, Error)]
pub enum BundleError {
    /// It was made by a newer hub, or is not one.
    #[error("settings-unreadable: 总部的设定比本程序新,请更新本程序 / of a newer hub: update this program")]
    Unreadable,
    /// More than [`BUNDLE_BYTES_MAX`].
    #[error(
        "settings-too-large: {bytes} 字节,最多 / bytes, at most {BUNDLE_BYTES_MAX}: 把模板里的图片改小 / make the templates' \
         pictures smaller"
    )]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// Its document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// One of its templates: code, file, line, cause and remedy.
    #[error("settings-template: {0}")]
    Template(String),
}

impl Bundle {
    /// Its bytes.
    ///
    /// # Errors
    /// [`BundleError::TooLarge`].
    pub fn write(&self) -> Result<Vec<u8>, BundleError> {
        let bytes = payload(self);
        match bytes.len() {
            0..=BUNDLE_BYTES_MAX => Ok(bytes),
            bytes => Err(BundleError::TooLarge { bytes }),
        }
    }
}

impl Settings {
    /// Reads and checks all of a bundle.
    ///
    /// # Errors
    /// Where anything in it is not in order.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        let Some(Bundle::V1(contents)) = read_payload(bytes) else { return Err(BundleError::Unreadable) };
        let document = Document::read(&contents.document)?;
        let images: Images = contents.images.into_iter().collect();
        let mut templates = Own::new();
        for (name, text) in &contents.templates {
            let kind = TemplateKind::from_name(name).ok_or(BundleError::Unreadable)?;
            let template = Template::read(kind, kind.file(), text, &images)
                .map_err(|error| BundleError::Template(error.to_string()))?;
            templates.insert(kind, Arc::new(template));
        }
        Ok(Settings { document, templates })
    }
}

/// Cuts a bundle's bytes into parts.
pub fn parts(revision: u64, bytes: &[u8]) -> Vec<SettingsPart> {
    let pieces: Vec<&[u8]> = bytes.chunks(PART_BYTES_MAX).collect();
    let parts = u16::try_from(pieces.len()).expect("a bundle has few parts");
    let part = |(part, bytes): (u16, &&[u8])| SettingsPart { revision, part, parts, bytes: bytes.to_vec() };
    (0..).zip(&pieces).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> Contents {
        Contents {
            document: "[[printer]]\nname = 'a'\naddress = '192.0.2.1'\n".into(),
            templates: vec![("front".into(), "我家 #{{ pickup }}\n[image logo]\n".into())],
            images: vec![("logo".into(), Image { width_dots: 8, rows: vec![0xFF; 300_000] })],
        }
    }

    #[test]
    fn a_bundle_is_cut_and_joined() {
        let bytes = Bundle::V1(contents()).write().unwrap();
        let parts = parts(7, &bytes);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| (part.revision, part.parts) == (7, 3)));
        let joined: Vec<u8> = parts.into_iter().flat_map(|part| part.bytes).collect();
        assert_eq!(joined, bytes);
    }

    #[test]
    fn what_is_not_in_order_is_refused_as_a_whole() {
        let with = |change: fn(&mut Contents)| {
            let mut contents = contents();
            contents.images[0].1.rows.truncate(8);
            change(&mut contents);
            Settings::read(&Bundle::V1(contents).write().unwrap())
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert_eq!(with(|_| ()), Ok(()));
        let refused = |change, code: &str| {
            let said = with(change).unwrap_err();
            assert!(said.starts_with(code), "{said}");
        };
        refused(|contents| contents.document.push_str("what = 1\n"), "settings-syntax");
        refused(|contents| contents.templates[0].1.push_str("{{ total\n"), "settings-template");
        refused(|contents| contents.images.clear(), "settings-template");
        refused(|contents| contents.templates[0].0 = "napkin".into(), "settings-unreadable");
        assert!(matches!(Settings::read(b"\x07"), Err(BundleError::Unreadable)));
        let huge = Contents { document: "#".repeat(BUNDLE_BYTES_MAX), ..contents() };
        assert!(matches!(Bundle::V1(huge).write(), Err(BundleError::TooLarge { .. })));
    }
}
