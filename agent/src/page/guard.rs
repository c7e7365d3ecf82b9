//! Who may talk to the page, and what browsers may do with what it says.
//!
//! Any web page that a browser on this PC opens can send requests here: by a name that is rebound to this address
//! after it was loaded, by a form, or by a script across sites. So:
//!
//! * `Host` must be an IP address or `localhost`: a name is what can be rebound, an address cannot. Without
//!   `lan = true` it must be the loopback's. Anything else gets 421.
//! * What changes something is a POST of `application/json`. A form cannot send that, and a script of another site
//!   only after asking, which is never granted. A browser says where the script is from in `Origin`: it must be
//!   this very page.
//! * What a browser marks as made by another site (`Sec-Fetch-Site`) is refused, except following a link here.
//! * The page loads nothing from elsewhere, runs nothing that is inline, and cannot be framed.

use super::reply::{Refused, Reply};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use std::net::IpAddr;

const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is not meant for this page.
pub fn refused(method: &Method, uri: &Uri, headers: &HeaderMap, lan: bool) -> Option<Refused> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let told = [host, uri.authority().map(|authority| authority.as_str())];
    let fits = |host: &str| match named_ip(host) {
        Some(Named::Local) => true,
        Some(Named::Other) => lan,
        None => false,
    };
    if told.iter().all(Option::is_none) || !told.into_iter().flatten().all(fits) {
        return Some(Refused::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected-host",
            "请用 http://127.0.0.1 打开本页;其他电脑请用本机 IP 地址,并在 agent.toml 的 [page] 中写 lan = true",
            "open this page as http://127.0.0.1, or from other devices by this PC's IP address, with `lan = true` in \
             [page] of agent.toml",
        ));
    }
    let text = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let site = text("sec-fetch-site");
    let follows_a_link = method == Method::GET && text("sec-fetch-mode") == Some(b"navigate");
    let elsewhere = matches!(site, Some(b"cross-site" | b"same-site")) && !follows_a_link;
    let own = host.map(|host| format!("http://{host}"));
    let foreign = text("origin").is_some_and(|origin| own.as_deref().map(str::as_bytes) != Some(origin));
    if elsewhere || foreign {
        return Some(Refused::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "其他网站不能操作本页",
            "other sites may not use this page",
        ));
    }
    match *method {
        Method::GET | Method::HEAD => None,
        Method::POST if is_json(headers) => None,
        Method::POST => Some(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "请求应为 application/json",
            "send application/json",
        )),
        _ => Some(Refused::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "只接受 GET 和 POST",
            "GET and POST only",
        )),
    }
}

/// The headers that every answer bears.
pub fn seal(reply: &mut Reply) {
    let headers = reply.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is not said to last is read anew each time: a state of the past would look like one of now.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

#[derive(Debug, PartialEq, Eq)]
enum Named {
    Local,
    Other,
}

/// What `host`, with or without a port, names whatever a name server says; `None` is a name.
fn named_ip(host: &str) -> Option<Named> {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, port)) => (address, Some(port.strip_prefix(':')?)),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return None;
    }
    if name.eq_ignore_ascii_case("localhost") {
        return Some(Named::Local);
    }
    let address = name.parse::<IpAddr>().ok()?;
    Some(if address.is_loopback() { Named::Local } else { Named::Other })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_rebound_is_no_host() {
        for host in ["localhost", "LOCALHOST:9180", "127.0.0.1", "127.8.8.8:1", "[::1]", "[::1]:80"] {
            assert_eq!(named_ip(host), Some(Named::Local), "{host}");
        }
        for host in ["192.168.1.5", "10.0.0.1:9180", "0.0.0.0", "[fe80::1]:80"] {
            assert_eq!(named_ip(host), Some(Named::Other), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io:9180",
            "[::1]x",
            "[::1",
            "::1",
            "localhost:",
            "localhost:99999",
            "localhost:80:80",
            "127.1",
            "0x7f.1",
        ] {
            assert_eq!(named_ip(host), None, "{host}");
        }
    }

    fn status(method: Method, uri: &str, lan: bool, pairs: &[(&'static str, &'static str)]) -> u16 {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        refused(&method, &uri.parse().unwrap(), &headers, lan).map_or(0, |refused| refused.status.as_u16())
    }

    #[test]
    fn the_host_is_this_pc() {
        let get = |uri, lan, host: &'static str| status(Method::GET, uri, lan, &[("host", host)]);
        assert_eq!(get("/", false, "127.0.0.1:9180"), 0);
        assert_eq!(get("/", false, "192.168.1.5:9180"), 421);
        assert_eq!(get("/", true, "192.168.1.5:9180"), 0);
        assert_eq!(get("/", true, "evil.example"), 421);
        assert_eq!(get("http://evil.example/", true, "127.0.0.1"), 421);
        assert_eq!(status(Method::GET, "/", true, &[]), 421);
    }

    #[test]
    fn another_site_changes_nothing_and_reads_nothing() {
        let json = ("content-type", "application/json; charset=utf-8");
        let host = ("host", "127.0.0.1:9180");
        let post = |more: &[(&'static str, &'static str)]| {
            status(Method::POST, "/api/x", false, &[&[host], more].concat())
        };
        assert_eq!(post(&[json]), 0);
        assert_eq!(post(&[json, ("origin", "http://127.0.0.1:9180")]), 0);
        for origin in ["http://127.0.0.1:8080", "https://127.0.0.1:9180", "http://evil.example", "null", ""] {
            assert_eq!(post(&[json, ("origin", origin)]), 403, "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(post(&[json, ("sec-fetch-site", site)]), 403);
            assert_eq!(post(&[json, ("sec-fetch-site", site), ("sec-fetch-mode", "navigate")]), 403);
        }
        assert_eq!(post(&[]), 415);
        assert_eq!(post(&[("content-type", "application/x-www-form-urlencoded")]), 415);
        assert_eq!(post(&[("content-type", "text/plain")]), 415);
        assert_eq!(status(Method::PUT, "/", false, &[host, json]), 405);
        assert_eq!(status(Method::OPTIONS, "/", false, &[host]), 405);

        let get = |more: &[(&'static str, &'static str)]| {
            status(Method::GET, "/", false, &[&[host], more].concat())
        };
        assert_eq!(get(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]), 403);
        assert_eq!(get(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), 0);
        assert_eq!(get(&[("sec-fetch-site", "same-origin")]), 0);
    }
}
