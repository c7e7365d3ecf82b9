//! Who may talk to the console, and what browsers may do with what it says.
//!
//! The console listens on the loopback and has no sign-in yet. A browser on the same machine can still be led
//! to it by a hostile page: by a name that is rebound to 127.0.0.1 after the page was loaded, or by requests
//! across sites. So:
//!
//! * `Host` must be `localhost` or a loopback address, with any port; anything else gets 421. A proxy in front
//!   has to send `Host: localhost` (nginx does so by itself with `proxy_pass http://localhost:8081`). A header
//!   such as `X-Forwarded-Host` proves nothing, since whoever is at the loopback can send it; it is not read.
//! * What a browser marks as made by another site (`Sec-Fetch-Site`) is refused, except following a link.
//! * Pages load nothing from elsewhere, run nothing that is inline, and cannot be framed.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HOST_REFUSED: &str = "\
misdirected-host: 控制台只接受发往 localhost 或 127.0.0.1 的请求。使用代理时,请让代理发送 Host: localhost \
(nginx: proxy_set_header Host localhost;),并由代理负责登录认证。
misdirected-host: the console answers to localhost and loopback addresses only. A proxy in front has to send \
Host: localhost (nginx: proxy_set_header Host localhost;) and has to ask for a sign-in.
";

const SITE_REFUSED: &str = "\
cross-site: 其他网站不能读取控制台。请直接打开控制台页面。
cross-site: other sites may not read the console. Open its page itself.
";

/// Refuses what is not meant for the console, and adds the headers that every answer bears.
pub async fn guard(request: Request, next: Next) -> Response {
    let mut response = match refused(request.headers(), request.uri()) {
        Some((status, text)) => (status, text).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
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
    // What is not said to last is read anew each time: a page of the past would look like one of now.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refused(headers: &HeaderMap, uri: &Uri) -> Option<(StatusCode, &'static str)> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let told = [host, uri.host()];
    if told.iter().all(Option::is_none) || !told.into_iter().flatten().all(is_loopback) {
        return Some((StatusCode::MISDIRECTED_REQUEST, HOST_REFUSED));
    }
    let fetch = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let elsewhere = fetch("sec-fetch-site") == Some(b"cross-site");
    if elsewhere && fetch("sec-fetch-mode") != Some(b"navigate") {
        return Some((StatusCode::FORBIDDEN, SITE_REFUSED));
    }
    None
}

/// Whether `host`, with or without a port, names this machine whatever a name server says.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, port)) => (address, port.strip_prefix(':').or(Some("-"))),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let port_in_order = port.is_none_or(|port| port.parse::<u16>().is_ok());
    let address = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    port_in_order && (address || name.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in
            ["localhost", "LOCALHOST:8081", "127.0.0.1", "127.0.0.1:1", "127.8.8.8", "[::1]", "[::1]:80"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io:8081",
            "10.0.0.1",
            "0.0.0.0",
            "[::2]",
            "[::1]x",
            "[::1",
            "::1",
            "localhost:",
            "localhost:99999",
            "localhost:80:80",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_request_needs_a_host_and_may_not_come_from_another_site() {
        let status = |pairs: &[(&'static str, &'static str)], uri: &str| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            refused(&headers, &uri.parse().unwrap()).map(|(status, _)| status.as_u16())
        };
        assert_eq!(status(&[("host", "localhost:8081")], "/"), None);
        assert_eq!(status(&[], "/"), Some(421));
        assert_eq!(status(&[("host", "evil.example")], "/"), Some(421));
        assert_eq!(status(&[("host", "localhost")], "http://evil.example/"), Some(421));
        assert_eq!(status(&[("host", "evil.example"), ("x-forwarded-host", "localhost")], "/"), Some(421));
        let site = |site, mode| [("host", "localhost"), ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        assert_eq!(status(&site("cross-site", "no-cors"), "/events"), Some(403));
        assert_eq!(status(&site("cross-site", "navigate"), "/"), None);
        assert_eq!(status(&site("same-origin", "cors"), "/events"), None);
    }
}
