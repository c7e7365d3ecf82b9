//! The page as HTML: a shell that is sent once, and sections that are also sent anew whenever they change.
//!
//! A section depends on its snapshot only through what is in it, never through the time that has passed: ages
//! are written as moments ([`when::age`]) which the page's script counts up. So a section that has not
//! changed is the same text, and is not sent again. Elements that bear `data-key` are matched by the script,
//! so that what has not changed keeps selection and focus, and screen readers hear only what is new.
//!
//! The shell says that it is out of date (`stale`: all lights grey) until the script has heard from the hub.
//! Without the script, or without the hub, it therefore never shows a green light.
//!
//! All text goes through maud, which escapes it: names of stores, dishes and printers are other people's.

mod alarms;
mod orders;
mod stores;
mod summary;

use super::assets;
use super::language::Language;
use super::snapshot::{Light, Snapshot};
use super::words;
use maud::{DOCTYPE, Markup, html};

/// The sections in the order in which they stand on the page.
pub const SECTIONS: [Section; 5] =
    [Section::Summary, Section::Alarms, Section::Stores, Section::Orders, Section::Refused];

/// A part of the page that is sent by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// How many of everything.
    Summary,
    /// What people have to mend.
    Alarms,
    /// Stores, their links and printers.
    Stores,
    /// Orders and their tickets.
    Orders,
    /// Pushes that were not taken.
    Refused,
}

impl Section {
    /// Its element's id, and the name of the event that carries it.
    pub fn name(self) -> &'static str {
        match self {
            Section::Summary => "summary",
            Section::Alarms => "alarms",
            Section::Stores => "stores",
            Section::Orders => "orders",
            Section::Refused => "refused",
        }
    }

    /// What it holds, without its own element.
    pub fn render(self, snapshot: &Snapshot, language: Language) -> Markup {
        match self {
            Section::Summary => summary::counts(snapshot, language),
            Section::Alarms => alarms::alarms(snapshot, language),
            Section::Stores => stores::stores(snapshot, language),
            Section::Orders => orders::orders(snapshot, language),
            Section::Refused => summary::refused(snapshot, language),
        }
    }

    fn label(self, language: Language) -> &'static str {
        match self {
            Section::Summary => language.pick("概况", "Summary"),
            Section::Alarms => language.pick("告警", "Alarms"),
            Section::Stores => language.pick("门店", "Stores"),
            Section::Orders => language.pick("订单", "Orders"),
            Section::Refused => language.pick("被拒绝的推送", "Refused pushes"),
        }
    }
}

/// The whole page.
pub fn page(snapshot: &Snapshot, language: Language) -> Markup {
    html! {
        (DOCTYPE)
        html.stale lang=(language.tag()) {
            (head(language))
            body data-events={ "/events?lang=" (language.code()) } {
                (banner(language))
                (header(language))
                main {
                    @for section in SECTIONS {
                        section #(section.name()) data-keyed
                            aria-label=(section.label(language))
                            aria-live=[(section == Section::Alarms).then_some("polite")] {
                            (section.render(snapshot, language))
                        }
                    }
                }
                (footer(language))
            }
        }
    }
}

/// A page that says why there is none.
pub fn unavailable(cause: &str, language: Language) -> Markup {
    html! {
        (DOCTYPE)
        html.stale lang=(language.tag()) {
            (head(language))
            body {
                p.banner role="alert" {
                    strong { (language.pick("总部读不到数据,情况不明。", "The hub cannot read its data.")) }
                    " " (cause)
                }
            }
        }
    }
}

/// A light: a shape, a colour and a word. `data-unknown` is the word while the page is out of date.
fn light(light: Light, language: Language) -> Markup {
    let class = match light {
        Light::Red => "red",
        Light::Unknown => "unknown",
        Light::Yellow => "yellow",
        Light::Green => "green",
    };
    html! {
        span class={ "light " (class) } data-unknown=(words::light(Light::Unknown, language)) {
            span.word { (words::light(light, language)) }
        }
    }
}

fn head(language: Language) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            title { (language.pick("Docket 控制台", "Docket console")) }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            link rel="icon" type="image/svg+xml" href=(assets::ICON.path());
            link rel="stylesheet" href=(assets::STYLE.path());
            script src=(assets::SCRIPT.path()) defer {}
        }
    }
}

fn banner(language: Language) -> Markup {
    html! {
        p #banner .banner role="alert"
            data-lost=(language.pick(
                "与总部的连接已断,页面内容已过时,灯号一律按不明显示。最后更新:",
                "The connection to the hub is lost. What is below is out of date; no light counts. Last update: "))
            data-full=(language.pick(
                "总部没有接受这次连接(也许打开的页面太多,请关掉不用的)。灯号一律按不明显示。最后更新:",
                "The hub takes no stream from this page; perhaps too many pages are open. No light counts. Last update: "))
            data-trouble=(language.pick(
                "总部读不到自己的数据,页面内容已过时。",
                "The hub cannot read its own data; what is below is out of date. "))
            data-never=(language.pick("无", "never")) {
            (language.pick("正在连接总部…… 灯号暂按不明显示。", "Connecting to the hub… No light counts yet."))
            noscript {
                " " (language.pick(
                    "此页需要 JavaScript 才能实时更新;下面是打开页面那一刻的情况。",
                    "This page needs JavaScript to stay up to date; below is how it was when it was opened."))
            }
        }
    }
}

fn header(language: Language) -> Markup {
    html! {
        header {
            h1 { "Docket" span { (language.pick("控制台", "console")) } }
            p.clock { (language.pick("总部时间 ", "Hub time ")) time #clock { "--:--:--" } }
            nav aria-label=(language.pick("语言", "Language")) {
                @for other in Language::ALL {
                    a href={ "/?lang=" (other.code()) } lang=(other.tag()) hreflang=(other.tag())
                        aria-current=[(other == language).then_some("true")] { (other.name()) }
                }
            }
        }
    }
}

fn footer(language: Language) -> Markup {
    html! {
        footer {
            p {
                (language.pick(
                    "时间均为北京时间(UTC+8)。打印机的时间以门店电脑的时钟为准。",
                    "All times are China's (UTC+8). Printers' times are by the clock of the store's PC."))
                " Docket " (env!("CARGO_PKG_VERSION")) " · "
                a href="/api/overview" { "JSON" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_page_shows_stores_orders_and_alarms_in_both_languages() {
        let snapshot = sample::snapshot();
        let zh = page(&snapshot, Language::Zh).into_string();
        for text in [
            "人民路店",
            "S0042",
            "缺纸:换上新纸卷",
            "外卖单",
            "围栏确认",
            "¥61.50",
            "13:59:55",
            "1.2 s",
            "凉茶",
        ] {
            assert!(zh.contains(text), "{text} is not in {zh}");
        }
        let en = page(&snapshot, Language::En).into_string();
        for text in ["lang=\"en\"", "paper is out", "Order slip", "fence", "Attention", "add it to [routing]"]
        {
            assert!(en.contains(text), "{text} is not in {en}");
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        let page = page(&sample::snapshot(), Language::Zh).into_string();
        for text in ["style=", "<style", "onclick", "http:", "https:", "<script>"] {
            assert!(!page.contains(text), "{text}");
        }
        assert!(page.contains("<script src=\"/assets/"), "{page}");
    }

    #[test]
    fn a_page_is_out_of_date_until_its_script_has_heard_from_the_hub() {
        let page = page(&sample::snapshot(), Language::Zh).into_string();
        assert!(page.contains("<html class=\"stale\""), "{page}");
    }

    #[test]
    fn names_cannot_become_markup() {
        let hostile = "<img src=x onerror=alert(1)>\"'&";
        let mut snapshot = sample::snapshot();
        snapshot.stores[0].name = hostile.into();
        snapshot.stores[0].printers[0].name = hostile.into();
        snapshot.stores[1].id = hostile.into();
        snapshot.alarms[0].subject = hostile.into();
        snapshot.alarms[0].detail = hostile.into();
        snapshot.alarms[0].code = hostile.into();
        let order = &mut snapshot.orders[0].order;
        (order.pickup, order.store, order.platform) = (hostile.into(), Some(hostile.into()), hostile.into());
        let ticket = &mut order.tickets[0];
        (ticket.station, ticket.kind, ticket.printer) =
            (hostile.into(), hostile.into(), Some(hostile.into()));
        ticket.evidence = Some(hostile.into());
        for language in Language::ALL {
            let page = page(&snapshot, language).into_string();
            assert!(!page.contains("<img"), "{page}");
            assert!(!page.contains("x onerror=alert(1)>\"'"), "{page}");
            assert!(page.contains("&lt;img"), "{page}");
        }
        assert!(!unavailable(hostile, Language::Zh).into_string().contains("<img"));
    }

    #[test]
    fn a_section_is_the_same_text_as_long_as_nothing_has_changed() {
        let (now, mut later) = (sample::snapshot(), sample::snapshot());
        later.at.0 += 1_500;
        for section in SECTIONS {
            let text = |snapshot| section.render(snapshot, Language::Zh).into_string();
            assert_eq!(text(&now), text(&later), "{section:?}");
        }
    }
}
