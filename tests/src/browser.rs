//! A real browser: headless Chromium, driven through chromedriver's W3C WebDriver interface.
//!
//! It does what tests of a page need and no more. What it starts has a profile of its own in a temporary
//! folder and is ended when it is dropped, by its own ids. `DOCKET_CHROMEDRIVER` and `DOCKET_CHROMIUM` name
//! other programs than `/usr/bin/chromedriver` and the Chromium that it finds.
//!
//! Looks at a page go through a script in it, in one step: an element that the page replaces in between cannot
//! be looked at half.

use crate::chain::{PATIENCE, Process, wait_for};
use crate::platform::http::HttpClient;
use anyhow::Context;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program that drives the browser.
pub const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
/// How long the browser may take to end by itself.
const END_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    client: HttpClient,
    session: String,
    /// The browser's own process, where the driver tells it.
    process_id: Option<u64>,
    driver: Process,
    // Dropped last: the processes are gone by then.
    _folder: TempDir,
}

impl Browser {
    /// Whether there is a driver on this machine.
    pub fn is_here() -> bool {
        driver_path().exists()
    }

    /// Starts one that prefers Chinese.
    ///
    /// # Errors
    /// Where it does not come up; with the driver's log.
    pub async fn start() -> anyhow::Result<Self> {
        Browser::start_in("zh-CN,zh").await
    }

    /// Starts one that prefers these languages, e.g. `en-GB,en`.
    ///
    /// # Errors
    /// Where it does not come up; with the driver's log.
    pub async fn start_in(languages: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("docket-browser-").tempdir()?;
        let mut command = Command::new(driver_path());
        // A home of its own: crash reports and caches stay in the folder.
        command.arg("--port=0").env("HOME", folder.path());
        let mut driver = Process::start(command, &folder.path().join("chromedriver.log"))
            .context("install chromium-driver (Debian), or set DOCKET_CHROMEDRIVER")?;
        let port = wait_for("chromedriver to listen", PATIENCE, || {
            let log = driver.log_text();
            match driver.ended() {
                Ok(None) => port_in(&log).ok_or(log),
                ended => Err(format!("{ended:?}: {log}")),
            }
        })
        .await?;
        let mut arguments: Vec<String> = ARGUMENTS.map(String::from).into();
        arguments.push(format!("--user-data-dir={}", folder.path().join("profile").display()));
        let mut options = json!({ "args": arguments, "prefs": { "intl.accept_languages": languages } });
        if let Some(binary) = std::env::var_os("DOCKET_CHROMIUM") {
            options["binary"] = binary.to_string_lossy().into();
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let client = HttpClient::new(SocketAddr::from(([127, 0, 0, 1], port)));
        let session = call(&client, "/session", &wanted).await.with_context(|| driver.log_text())?;
        let id = session["sessionId"].as_str().context("a session without an id")?.to_owned();
        let process_id = session["capabilities"]["goog:processID"].as_u64();
        Ok(Browser { client, session: id, process_id, driver, _folder: folder })
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn goto(&self, url: &str) -> anyhow::Result<()> {
        self.post("url", &json!({ "url": url })).await.map(drop)
    }

    /// Runs the body of a function in the page and gives what it returns.
    ///
    /// # Errors
    /// Where it throws.
    pub async fn eval(&self, body: &str) -> anyhow::Result<Value> {
        self.post("execute/sync", &json!({ "script": body, "args": [] })).await
    }

    /// The text of the first element that matches, as it is shown.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn text(&self, css: &str) -> anyhow::Result<String> {
        let script = "const found = document.querySelector(arguments[0]); return found && found.innerText";
        let text = self.post("execute/sync", &json!({ "script": script, "args": [css] })).await?;
        text.as_str().map(str::to_owned).with_context(|| format!("there is no `{css}`"))
    }

    /// Clicks the first element that an XPath names, as a person does: it has to be visible, and nothing over it.
    ///
    /// # Errors
    /// Where there is none, or it cannot be clicked.
    pub async fn click(&self, xpath: &str) -> anyhow::Result<()> {
        let found = self.post("element", &json!({ "using": "xpath", "value": xpath })).await?;
        let id = found.as_object().and_then(|found| found.values().next()?.as_str()).context("no element")?;
        self.post(&format!("element/{id}/click"), &json!({})).await.map(drop)
    }

    /// Presses and releases keys one after the other, whatever has the focus. `\u{e004}` is Tab, `\u{e007}` Enter.
    ///
    /// # Errors
    /// Where the browser refuses.
    pub async fn press(&self, keys: &str) -> anyhow::Result<()> {
        let stroke = |key: char| {
            let key = key.to_string();
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(stroke).collect();
        let board = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] });
        self.post("actions", &board).await.map(drop)
    }

    /// Waits until the text of the first element that matches is as wanted, and gives it.
    ///
    /// # Errors
    /// After `patience`: with the text that was last seen.
    pub async fn wait_for(
        &self,
        css: &str,
        wanted: impl Fn(&str) -> bool,
        patience: Duration,
    ) -> anyhow::Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let seen = self.text(css).await;
            match seen {
                Ok(text) if wanted(&text) => return Ok(text),
                seen if Instant::now() >= deadline => {
                    anyhow::bail!("waited {patience:?} for the text of `{css}`; the last: {seen:?}")
                }
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// What is visible, as PNG.
    ///
    /// # Errors
    /// Where the browser gives none.
    pub async fn screenshot(&self) -> anyhow::Result<Vec<u8>> {
        let path = format!("/session/{}/screenshot", self.session);
        let reply = self.client.get(&path).await?;
        from_base64(value_of(reply.status, &reply.body)?.as_str().context("a screenshot that is no text")?)
    }

    /// The whole page as PNG, however long it is.
    ///
    /// # Errors
    /// Where the browser gives none.
    pub async fn screenshot_of_all(&self) -> anyhow::Result<Vec<u8>> {
        let shot = self.cdp("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await?;
        from_base64(shot["data"].as_str().context("a screenshot that is no text")?)
    }

    /// What the page said as errors since it was last asked: failed loads, policy violations, exceptions.
    ///
    /// # Errors
    /// Where the driver does not tell.
    pub async fn console_errors(&self) -> anyhow::Result<Vec<String>> {
        let entries = self.post("se/log", &json!({ "type": "browser" })).await?;
        let entries = entries.as_array().context("a log that is no list")?;
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        Ok(severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Shows the page at this size: `(390, 844)` is a phone.
    ///
    /// # Errors
    /// Where the browser refuses.
    pub async fn resize(&self, width: u32, height: u32) -> anyhow::Result<()> {
        let phone = width < 600;
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": if phone { 2 } else { 1 }, "mobile": phone,
        });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await.map(drop)
    }

    /// Whether the page is told that its reader prefers dark colours.
    ///
    /// # Errors
    /// Where the browser refuses.
    pub async fn prefer_dark(&self, dark: bool) -> anyhow::Result<()> {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", features).await.map(drop)
    }

    /// A command of the Chrome DevTools protocol.
    ///
    /// # Errors
    /// Where the browser refuses.
    pub async fn cdp(&self, command: &str, parameters: Value) -> anyhow::Result<Value> {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }

    async fn post(&self, command: &str, body: &Value) -> anyhow::Result<Value> {
        call(&self.client, &format!("/session/{}/{command}", self.session), body).await
    }

    /// Asks the browser to end, which takes its children with it.
    fn quit(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&self.client.address(), END_MAX)?;
        stream.set_read_timeout(Some(END_MAX))?;
        let (session, host) = (&self.session, self.client.address());
        write!(stream, "DELETE /session/{session} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        // The answer comes when it is gone.
        stream.read(&mut [0; 64]).map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if self.quit().is_err()
            && let Some(id) = self.process_id
        {
            // Its whole group, which the driver has made for it.
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{id}")]).status();
        }
        self.driver.kill();
    }
}

fn driver_path() -> PathBuf {
    std::env::var_os("DOCKET_CHROMEDRIVER").map_or_else(|| CHROMEDRIVER.into(), PathBuf::from)
}

/// `ChromeDriver was started successfully on port 40123.`
fn port_in(log: &str) -> Option<u16> {
    let rest = log.split_once("started successfully on port ")?.1;
    rest.split_once('.')?.0.parse().ok()
}

async fn call(client: &HttpClient, path: &str, body: &Value) -> anyhow::Result<Value> {
    let reply = client.post_json(path, &body.to_string()).await?;
    value_of(reply.status, &reply.body)
}

fn value_of(status: u16, body: &str) -> anyhow::Result<Value> {
    let mut answer: Value = serde_json::from_str(body).with_context(|| format!("{status}: {body}"))?;
    let value = answer["value"].take();
    anyhow::ensure!(status == 200, "webdriver: {}: {}", value["error"], value["message"]);
    Ok(value)
}

/// RFC 4648, section 4.
fn from_base64(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => anyhow::bail!("{other:#x} is not base64"),
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_the_rfc_writes_it() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE=", "fooba")]
        {
            assert_eq!(from_base64(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(from_base64("+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
        assert!(from_base64("Zm9v!").is_err());
    }

    #[test]
    fn the_drivers_port_is_in_its_log() {
        assert_eq!(port_in("…\nChromeDriver was started successfully on port 40123.\n"), Some(40_123));
        assert_eq!(port_in("Starting ChromeDriver 156.0 on port 0\n"), None);
    }
}
