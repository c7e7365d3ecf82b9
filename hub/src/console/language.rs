//! In which of its two languages the console answers: what the address asks for (`?lang=en`), else what the
//! browser prefers, else Chinese.

/// A language of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Chinese, the first language.
    Zh,
    /// English.
    En,
}

impl Language {
    /// Both, in the order in which they are offered.
    pub const ALL: [Language; 2] = [Language::Zh, Language::En];

    /// The language of a request.
    pub fn of_request(query: Option<&str>, accept_language: Option<&str>) -> Self {
        let asked = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("lang="));
        asked
            .and_then(Language::of_tag)
            .or_else(|| accept_language.and_then(preferred))
            .unwrap_or(Language::Zh)
    }

    /// Its place in [`Language::ALL`].
    pub fn index(self) -> usize {
        match self {
            Language::Zh => 0,
            Language::En => 1,
        }
    }

    /// The value of `?lang=`.
    pub fn code(self) -> &'static str {
        self.pick("zh", "en")
    }

    /// The language tag (BCP 47).
    pub fn tag(self) -> &'static str {
        self.pick("zh-CN", "en")
    }

    /// Its name in itself.
    pub fn name(self) -> &'static str {
        self.pick("中文", "English")
    }

    /// The one of the two that is in this language.
    pub fn pick<T>(self, zh: T, en: T) -> T {
        match self {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split('-').next().unwrap_or_default();
        match () {
            () if primary.eq_ignore_ascii_case("zh") => Some(Language::Zh),
            () if primary.eq_ignore_ascii_case("en") => Some(Language::En),
            () => None,
        }
    }
}

/// The best of an `Accept-Language` header (RFC 9110, 12.5.4); the first of equals.
fn preferred(header: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for entry in header.split(',') {
        let mut parts = entry.split(';');
        let Some(language) = parts.next().and_then(Language::of_tag) else { continue };
        let weight = parts.find_map(|part| part.trim().strip_prefix("q="));
        let weight: f32 = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        if weight > 0.0 && best.is_none_or(|(other, _)| weight > other) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_goes_before_the_browser_and_chinese_is_the_rest() {
        let of = |query, accept| Language::of_request(query, accept).code();
        assert_eq!(of(None, None), "zh");
        assert_eq!(of(None, Some("en-GB,en;q=0.9")), "en");
        assert_eq!(of(None, Some("en;q=0.5, zh-TW;q=0.8")), "zh");
        assert_eq!(of(None, Some("fr, de;q=0.7")), "zh");
        assert_eq!(of(None, Some("fr, en;q=0.1")), "en");
        assert_eq!(of(None, Some("en;q=0")), "zh");
        assert_eq!(of(None, Some(";;q=,")), "zh");
        assert_eq!(of(Some("lang=zh"), Some("en")), "zh");
        assert_eq!(of(Some("a=b&lang=en"), Some("zh")), "en");
        assert_eq!(of(Some("lang=xx"), Some("en")), "en");
    }
}
