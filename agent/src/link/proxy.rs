//! The way out of a store whose firewall lets nothing through but an HTTP proxy: `CONNECT` (RFC 9110, 9.3.6), and TLS
//! to the hub inside of it. The proxy sees the hub's name and bytes that it cannot read; it is trusted with nothing.
//!
//! User and password are sent as Basic (RFC 7617). They are shown nowhere: not in logs, not in the status, not by
//! `check-config`, and not in what is said of a line that cannot be read.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest answer of a proxy, its headers included.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// What is read of an answer at once.
const READ_BYTES: usize = 512;

/// An HTTP proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `host:port`.
    address: String,
    /// `user:password`, as the proxy gets it.
    user: Option<Vec<u8>>,
}

/// Why a proxy gives no way to the hub.
#[derive(Debug, Error)]
pub enum TunnelError {
    /// It says no.
    #[error("it answers {status}")]
    Refused {
        /// Its HTTP status.
        status: u16,
    },
    /// What it says is no answer to `CONNECT`.
    #[error("what answers there is no HTTP proxy")]
    NotHttp,
    /// The connection to it broke.
    #[error("{0}")]
    Broken(#[from] std::io::Error),
}

impl Proxy {
    /// Reads `http://[user:password@]host:port`.
    ///
    /// # Errors
    /// What is wrong with it, in zh-CN and en; never with a part of it.
    pub fn parse(url: &str) -> Result<Self, (&'static str, &'static str)> {
        const FORM: (&str, &str) =
            ("要写成 http://[用户:密码@]主机:端口", "write http://[user:password@]host:port");
        let rest = url.strip_prefix("http://").ok_or(FORM)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // A password may have an @ in it that was not written as %40.
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        if !is_host_and_port(address) {
            return Err(FORM);
        }
        let user = match user {
            Some(user) if user.contains(':') => Some(percent_decoded(user).ok_or(FORM)?),
            Some(_) => return Err(FORM),
            None => None,
        };
        Ok(Proxy { address: address.to_owned(), user })
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks the proxy at the other end of `stream` for a way to `target` (`host:port`).
    ///
    /// # Errors
    /// See [`TunnelError`].
    pub async fn open<S>(&self, stream: &mut S, target: &str) -> Result<(), TunnelError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(user) = &self.user {
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(&base64(user));
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        let mut buffer = [0; READ_BYTES];
        loop {
            let bytes = stream.read(&mut buffer).await?;
            if bytes == 0 {
                return Err(TunnelError::Broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
            answer.extend_from_slice(&buffer[..bytes]);
            match head_end(&answer) {
                // The hub speaks second: what comes behind the head already is not its.
                Some(end) => return judged(&answer[..end], &answer[end..]),
                None if answer.len() > ANSWER_BYTES_MAX => return Err(TunnelError::NotHttp),
                None => {}
            }
        }
    }
}

fn head_end(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn judged(head: &[u8], behind: &[u8]) -> Result<(), TunnelError> {
    let status = status(head).ok_or(TunnelError::NotHttp)?;
    match status {
        200..=299 if behind.is_empty() => Ok(()),
        200..=299 => Err(TunnelError::NotHttp),
        status => Err(TunnelError::Refused { status }),
    }
}

/// `HTTP/1.1 407 …`
fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', digits @ ..] = rest else { return None };
    let digits = digits.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|status| *status >= 100)
}

/// Whether this is `host:port`, with an IPv6 address in brackets.
pub fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let is_v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_one = match is_v6 {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let of_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
            !host.is_empty() && host.chars().all(of_name)
        }
    };
    host_is_one && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: u8| (byte as char).to_digit(16);
            let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
            decoded.push(u8::try_from(value).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

/// RFC 4648, 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(DIGITS[(bits >> (18 - 6 * place) & 0x3f) as usize] as char);
            } else {
                text.push('=');
            }
        }
    }
    text
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.user.is_some() { "(redacted)@" } else { "" };
        write!(f, "http://{user}{}", self.address)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Proxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Proxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = String::deserialize(deserializer)?;
        Proxy::parse(&url).map_err(|(zh, en)| serde::de::Error::custom(format!("{zh} / {en}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[test]
    fn a_proxy_is_read_and_its_password_shown_nowhere() {
        let proxy = Proxy::parse("http://shop:p%40ss:word@proxy.lan:3128/").unwrap();
        assert_eq!(proxy.address(), "proxy.lan:3128");
        assert_eq!(proxy.user.as_deref(), Some(b"shop:p@ss:word".as_slice()));
        for shown in [proxy.to_string(), format!("{proxy:?}"), serde_json::to_string(&proxy).unwrap()] {
            assert!(shown.contains("proxy.lan:3128") && !shown.contains("ss:word"), "{shown}");
        }
        assert_eq!(Proxy::parse("http://[::1]:8080").unwrap().to_string(), "http://[::1]:8080");
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_a_part_of_it() {
        for url in [
            "",
            "proxy.lan:3128",
            "https://u:secret@proxy.lan:3128",
            "http://proxy.lan",
            "http://u:secret@proxy.lan",
            "http://secret@proxy.lan:1",
            "http://u:secret%4@proxy.lan:1",
            "http://u:secret@proxy lan:1",
            "http://u:secret@proxy.lan:0",
            "http://u:secret@proxy.lan:1/path",
        ] {
            let text = serde_json::to_string(url).unwrap();
            let error = serde_json::from_str::<Proxy>(&text).unwrap_err().to_string();
            assert!(error.contains("host:port") && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    /// What the proxy was asked, and what came of its answer.
    async fn asked(proxy: &str, answer: &[u8]) -> (String, Result<(), TunnelError>) {
        let (mut near, mut far) = duplex(64 * 1024);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let opened = Proxy::parse(proxy).unwrap().open(&mut near, "hub.example.com:443").await;
        drop(near);
        let mut request = String::new();
        far.read_to_string(&mut request).await.unwrap();
        (request, opened)
    }

    #[tokio::test]
    async fn it_asks_for_the_hub_and_takes_any_success() {
        let (request, opened) = asked("http://a:b@h:1", b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n").await;
        opened.unwrap();
        assert_eq!(
            request,
            "CONNECT hub.example.com:443 HTTP/1.1\r\nHost: hub.example.com:443\r\n\
             Proxy-Authorization: Basic YTpi\r\n\r\n"
        );
        let (request, opened) = asked("http://h:1", b"HTTP/1.0 204 \r\n\r\n").await;
        opened.unwrap();
        assert!(!request.contains("Authorization"), "{request}");
    }

    #[tokio::test]
    async fn what_says_no_or_is_no_proxy_is_told_apart() {
        let (_, opened) = asked("http://h:1", b"HTTP/1.1 407 No\r\n\r\n<html>").await;
        assert!(matches!(opened, Err(TunnelError::Refused { status: 407 })), "{opened:?}");
        let endless = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 2 * ANSWER_BYTES_MAX]].concat();
        for answer in [
            &b"SSH-2.0-x\r\n\r\n"[..],
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 20\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nspoken out of turn",
            &endless,
        ] {
            let (_, opened) = asked("http://h:1", answer).await;
            assert!(matches!(opened, Err(TunnelError::NotHttp)), "{opened:?}");
        }
        let (_, opened) = asked("http://h:1", b"HTTP/1.1 200 OK\r\n").await;
        assert!(matches!(opened, Err(TunnelError::Broken(_))), "{opened:?}");
    }
}
