//! The page's own files. Each is served at an address that holds a hash of its content, so that browsers may
//! keep it for good and yet never use an old one with a new page.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use ring::digest;
use std::sync::OnceLock;

/// Bytes of the hash in an address: enough to tell versions of one file apart.
const HASH_BYTES: usize = 6;
const KEEP: &str = "public, max-age=31536000, immutable";

/// The style sheet.
pub static STYLE: Asset =
    Asset::new("console", "css", "text/css; charset=utf-8", include_str!("assets/console.css"));
/// The script.
pub static SCRIPT: Asset =
    Asset::new("console", "js", "text/javascript; charset=utf-8", include_str!("assets/console.js"));
/// The icon.
pub static ICON: Asset = Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg"));

/// A file.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    extension: &'static str,
    media_type: &'static str,
    body: &'static str,
    path: OnceLock<String>,
}

impl Asset {
    const fn new(
        name: &'static str,
        extension: &'static str,
        media_type: &'static str,
        body: &'static str,
    ) -> Self {
        Asset { name, extension, media_type, body, path: OnceLock::new() }
    }

    /// Where it is served: `/assets/console-0123456789ab.css`.
    pub fn path(&self) -> &str {
        self.path.get_or_init(|| {
            let digest = digest::digest(&digest::SHA256, self.body.as_bytes());
            let hash: String =
                digest.as_ref().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
            format!("/assets/{}-{hash}.{}", self.name, self.extension)
        })
    }

    /// Its answer.
    pub fn serve(&self) -> Response {
        ([(header::CONTENT_TYPE, self.media_type), (header::CACHE_CONTROL, KEEP)], self.body).into_response()
    }
}

/// The version of script and style sheet: a page of another one loads itself anew.
pub fn build() -> &'static str {
    static BUILD: OnceLock<String> = OnceLock::new();
    BUILD.get_or_init(|| format!("{} {}", SCRIPT.path(), STYLE.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_content() {
        let path = STYLE.path();
        let hash = path.strip_prefix("/assets/console-").and_then(|rest| rest.strip_suffix(".css"));
        assert!(hash.is_some_and(|hash| hash.len() == 2 * HASH_BYTES), "{path}");
        assert_ne!(SCRIPT.path(), STYLE.path());
        assert_eq!(STYLE.serve().headers()[header::CACHE_CONTROL], KEEP);
    }
}
