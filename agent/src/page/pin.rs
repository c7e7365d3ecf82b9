//! The PIN for devices in the store's network, and what they hold once they have given it.
//!
//! Whoever sits at this PC needs none. The PIN is six digits, made at first use and kept with a key in
//! `page.json`, for this user only; the page shows it at its foot on this PC, and `docket-agent status` does. A device that gives it gets a cookie: the time
//! at which it ends, signed with the key. Nothing is kept of it here, so it outlives a restart, and no number of
//! devices fills anything. Deleting the file makes a new PIN and ends all of them.
//!
//! Six digits are not many: after [`GUESSES_FREE`] wrong ones, each further one costs a pause that doubles up to
//! [`PAUSE_MAX`]. All devices share it, since an address in a LAN is free to take. So half of all PINs take years;
//! what a nuisance in the network can do is to keep others from signing in, not from printing, and not this PC.

use crate::kept_file::{self, Readers};
use docket_protocol::ids::UnixMs;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Name of the file in the data folder.
const FILE: &str = "page.json";
/// Digits of the PIN.
const DIGITS: usize = 6;
/// Wrong guesses before the first pause.
pub const GUESSES_FREE: u32 = 5;
const PAUSE_MIN: Duration = Duration::from_secs(10);
/// The longest pause between two guesses.
pub const PAUSE_MAX: Duration = Duration::from_secs(600);
/// How long a device stays signed in.
const SIGNED_IN_MS: u64 = 30 * 86_400_000;
const COOKIE: &str = "docket_page";
const KEY_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
struct Kept {
    pin: String,
    key: [u8; KEY_BYTES],
}

/// Knows who may come in.
pub struct Door {
    kept: Kept,
    key: hmac::Key,
    guesses: Guesses,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("guesses", &self.guesses).finish_non_exhaustive()
    }
}

/// What came of a guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guess {
    /// It is the PIN: the value of `Set-Cookie`.
    Right(String),
    /// It is not.
    Wrong,
    /// Nobody has looked: try again after this.
    TooSoon(Duration),
}

impl Door {
    /// Reads the PIN, and makes one where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn open(data: &Path) -> io::Result<Self> {
        let kept = match read(data)? {
            Some(kept) => kept,
            None => make(data)?,
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &kept.key);
        Ok(Door { kept, key, guesses: Guesses::default() })
    }

    /// The PIN.
    pub fn pin(&self) -> &str {
        &self.kept.pin
    }

    /// Looks at a guess.
    pub fn guess(&mut self, pin: &str, now: Instant, at: UnixMs) -> Guess {
        if let Err(wait) = self.guesses.may_guess(now) {
            return Guess::TooSoon(wait);
        }
        // By way of its tag, so that the time it takes tells nothing.
        let tag = hmac::sign(&self.key, self.kept.pin.as_bytes());
        if hmac::verify(&self.key, pin.trim().as_bytes(), tag.as_ref()).is_err() {
            self.guesses.was_wrong(now);
            return Guess::Wrong;
        }
        self.guesses = Guesses::default();
        let ends = at.0.unsigned_abs() + SIGNED_IN_MS;
        let tag = hex(hmac::sign(&self.key, &cookie_text(ends)).as_ref());
        let seconds = SIGNED_IN_MS / 1_000;
        Guess::Right(format!("{COOKIE}={ends}.{tag}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"))
    }

    /// Whether the `Cookie` header of a request is of a device that has given the PIN.
    pub fn knows(&self, cookies: &str, at: UnixMs) -> bool {
        let own = cookies.split(';').filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
        own.filter_map(|value| value.split_once('.')).any(|(ends, tag)| {
            let (Ok(ends), Some(tag)) = (ends.parse::<u64>(), unhex(tag)) else { return false };
            hmac::verify(&self.key, &cookie_text(ends), &tag).is_ok() && at.0.unsigned_abs() < ends
        })
    }
}

/// The PIN, where one was made.
///
/// # Errors
/// Where the file cannot be read.
pub fn read_pin(data: &Path) -> io::Result<Option<String>> {
    Ok(read(data)?.map(|kept| kept.pin))
}

fn read(data: &Path) -> io::Result<Option<Kept>> {
    match fs::read(data.join(FILE)) {
        // A damaged one counts as none: a new PIN is made, and nobody is let in by it.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn make(data: &Path) -> io::Result<Kept> {
    let random = SystemRandom::new();
    let fill = |bytes: &mut [u8]| random.fill(bytes).map_err(|_| io::Error::other("no random bytes"));
    let mut kept = Kept { pin: String::new(), key: [0; KEY_BYTES] };
    fill(&mut kept.key)?;
    while kept.pin.len() < DIGITS {
        let mut byte = [0];
        fill(&mut byte)?;
        // From 250 on some digits would come more often.
        if byte[0] < 250 {
            kept.pin.push(char::from(b'0' + byte[0] % 10));
        }
    }
    kept_file::replace(&data.join(FILE), Readers::ThisUser, &serde_json::to_vec(&kept)?)?;
    Ok(kept)
}

fn cookie_text(ends: u64) -> Vec<u8> {
    // A PIN is digits only, so no tag of a PIN is one of a cookie.
    format!("signed in until {ends}").into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Wrong guesses, and when the next may be made.
#[derive(Debug, Default)]
struct Guesses {
    wrong: u32,
    next_at: Option<Instant>,
}

impl Guesses {
    fn may_guess(&self, now: Instant) -> Result<(), Duration> {
        let wait = self.next_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    fn was_wrong(&mut self, now: Instant) {
        self.wrong = self.wrong.saturating_add(1);
        if let Some(more) = self.wrong.checked_sub(GUESSES_FREE) {
            let pause = PAUSE_MIN.saturating_mul(1 << more.min(10)).min(PAUSE_MAX);
            self.next_at = Some(now + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMs = UnixMs(1_795_000_000_000);

    #[test]
    fn who_gives_the_pin_is_known_for_a_month_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_pin(folder.path()).unwrap(), None);
        let mut door = Door::open(folder.path()).unwrap();
        let pin = read_pin(folder.path()).unwrap().unwrap();
        assert!(pin.len() == DIGITS && pin.bytes().all(|byte| byte.is_ascii_digit()), "{pin}");
        let Guess::Right(cookie) = door.guess(&pin, Instant::now(), AT) else { panic!("{pin} is refused") };
        let cookie = format!("other=1; {}", cookie.split_once(';').unwrap().0);
        assert!(door.knows(&cookie, AT));
        let door = Door::open(folder.path()).unwrap();
        let later = |ms: u64| UnixMs(AT.0 + i64::try_from(ms).unwrap());
        assert!(door.knows(&cookie, later(SIGNED_IN_MS - 1)));
        assert!(!door.knows(&cookie, later(SIGNED_IN_MS)));

        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(!Door::open(folder.path()).unwrap().knows(&cookie, AT));
    }

    #[test]
    fn a_cookie_cannot_be_made_up_or_made_to_last() {
        let folder = tempfile::tempdir().unwrap();
        let mut door = Door::open(folder.path()).unwrap();
        let pin = read_pin(folder.path()).unwrap().unwrap();
        let Guess::Right(cookie) = door.guess(&pin, Instant::now(), AT) else { panic!("{pin} is refused") };
        let (ends, tag) =
            cookie.split_once(';').unwrap().0.split_once('=').unwrap().1.split_once('.').unwrap();
        let longer = format!("{COOKIE}={}.{tag}", ends.parse::<u64>().unwrap() + 1);
        let pin_tag = hex(hmac::sign(&door.key, pin.as_bytes()).as_ref());
        for cookie in [
            "",
            COOKIE,
            "docket_page=",
            "docket_page=.",
            "docket_page=99999999999999.",
            "docket_page=99999999999999.zz",
            "docket_page=99999999999999.é",
            &format!("{COOKIE}x={ends}.{tag}"),
            &format!("{COOKIE}={pin}.{pin_tag}"),
            &longer,
        ] {
            assert!(!door.knows(cookie, AT), "{cookie}");
        }
    }

    #[test]
    fn guessing_takes_ever_longer() {
        let folder = tempfile::tempdir().unwrap();
        let mut door = Door::open(folder.path()).unwrap();
        let pin = read_pin(folder.path()).unwrap().unwrap();
        let mut now = Instant::now();
        for _ in 0..GUESSES_FREE {
            assert_eq!(door.guess("x", now, AT), Guess::Wrong);
        }
        assert_eq!(door.guess(&pin, now, AT), Guess::TooSoon(PAUSE_MIN), "the right one has to wait too");
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let Guess::TooSoon(wait) = door.guess("x", now, AT) else { panic!("no pause") };
            pauses.push(wait.as_secs());
            now += wait;
            assert_eq!(door.guess("x", now, AT), Guess::Wrong);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600]);
        now += PAUSE_MAX;
        assert!(matches!(door.guess(&pin, now, AT), Guess::Right(_)));
        assert_eq!(door.guess("x", now, AT), Guess::Wrong, "and then all guesses are free again");
    }
}
