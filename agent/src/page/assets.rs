//! The page's own files. Each script and style sheet is served at an address that holds a hash of its content, so that
//! browsers may keep it for good and yet never use an old one with a new page.

use super::reply::{Reply, whole};
use hyper::header::{CACHE_CONTROL, HeaderValue};
use ring::digest;
use std::sync::OnceLock;

/// Bytes of the hash in an address: enough to tell versions of one file apart.
const HASH_BYTES: usize = 6;
const KEEP: &str = "public, max-age=31536000, immutable";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Where an asset's address stands in a page: `{{live.js}}`.
const OPEN: &str = "{{";
const CLOSE: &str = "}}";

struct Asset {
    name: &'static str,
    media_type: &'static str,
    body: &'static str,
}

macro_rules! assets {
    ($($name:literal: $media_type:expr),+ $(,)?) => {
        &[$(Asset { name: $name, media_type: $media_type, body: include_str!(concat!("assets/", $name)) }),+]
    };
}

static ASSETS: &[Asset] = assets![
    "page.css": CSS,
    "words.js": SCRIPT,
    "drawing.js": SCRIPT,
    "live.js": SCRIPT,
    "banner.js": SCRIPT,
    "form.js": SCRIPT,
    "printers.js": SCRIPT,
    "adding.js": SCRIPT,
    "tickets.js": SCRIPT,
    "door.js": SCRIPT,
    "icon.svg": "image/svg+xml",
];

/// The page.
pub fn page() -> Reply {
    static PAGE: OnceLock<String> = OnceLock::new();
    whole(HTML, PAGE.get_or_init(|| with_addresses(include_str!("assets/page.html"))).as_str())
}

/// What devices see that have not given the PIN.
pub fn door() -> Reply {
    static DOOR: OnceLock<String> = OnceLock::new();
    whole(HTML, DOOR.get_or_init(|| with_addresses(include_str!("assets/door.html"))).as_str())
}

/// The asset at this address.
pub fn asset(path: &str) -> Option<Reply> {
    let asset = ASSETS.iter().find(|asset| asset.path() == path)?;
    let mut reply = whole(asset.media_type, asset.body);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(KEEP));
    Some(reply)
}

/// The version of all files together: a page of another one loads itself anew.
pub fn build() -> &'static str {
    static BUILD: OnceLock<String> = OnceLock::new();
    BUILD.get_or_init(|| {
        let mut all = digest::Context::new(&digest::SHA256);
        all.update(include_bytes!("assets/page.html"));
        for asset in ASSETS {
            all.update(asset.body.as_bytes());
        }
        short(&all.finish())
    })
}

impl Asset {
    /// `/assets/0123456789ab/page.css`
    fn path(&self) -> String {
        format!("/assets/{}/{}", short(&digest::digest(&digest::SHA256, self.body.as_bytes())), self.name)
    }
}

fn short(digest: &digest::Digest) -> String {
    digest.as_ref().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn with_addresses(html: &str) -> String {
    let mut filled = html.to_owned();
    for asset in ASSETS {
        filled = filled.replace(&format!("{OPEN}{}{CLOSE}", asset.name), &asset.path());
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_name_assets_that_there_are() {
        for html in [include_str!("assets/page.html"), include_str!("assets/door.html")] {
            let filled = with_addresses(html);
            assert!(!filled.contains(OPEN), "{filled}");
            for address in filled.split('"').filter(|part| part.starts_with("/assets/")) {
                assert!(asset(address).is_some(), "{address}");
            }
        }
        assert!(asset("/assets/000000000000/page.css").is_none());
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        for html in [include_str!("assets/page.html"), include_str!("assets/door.html")] {
            for text in ["style=", "<style", "onclick", "http:", "https:", "<script>"] {
                assert!(!html.contains(text), "{text}");
            }
        }
        for asset in ASSETS.iter().filter(|asset| asset.media_type == SCRIPT) {
            for text in ["innerHTML", "eval(", "http:", "https:", "outerHTML", "insertAdjacentHTML"] {
                assert!(!asset.body.contains(text), "{text} in {}", asset.name);
            }
        }
    }
}
