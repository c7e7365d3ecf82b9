//! Store cards, the worst first.

use super::{Language, light};
use crate::console::snapshot::Snapshot;
use crate::console::store::{ConditionView, LinkView, PrinterView, StoreView, WayView};
use crate::console::when::{Form, age};
use crate::console::words;
use crate::storage::settings::SettingsView;
use docket_protocol::ids::UnixMs;
use maud::{Markup, html};

/// Cards on the page. The worst come first, and the summary counts all.
pub const CARDS_MAX: usize = 200;

/// All cards.
pub fn stores(snapshot: &Snapshot, language: Language) -> Markup {
    let more = snapshot.stores.len().saturating_sub(CARDS_MAX);
    html! {
        h2 data-key="heading" {
            (language.pick("门店", "Stores"))
            small { (snapshot.stores.len()) }
        }
        @if snapshot.stores.is_empty() {
            p data-key="none" {
                (language.pick("还没有门店:", "No store yet: "))
                code { "docket-hub store add --id S0001 --name … --meituan-shop …" }
            }
        }
        div.cards data-key="cards" data-keyed {
            @for store in snapshot.stores.iter().take(CARDS_MAX) { (card(store, snapshot.at, language)) }
        }
        @if more > 0 {
            p.more data-key="more" {
                (language.pick("另有情况较好的门店未列出:", "Stores that are better off and not listed: ")) (more)
            }
        }
    }
}

fn card(store: &StoreView, at: UnixMs, language: Language) -> Markup {
    html! {
        article.store data-key=(store.id) {
            h3 { (light(store.light, language)) " " (store.name) " " small { (store.id) } }
            (link(&store.link, at, language))
            @for reason in &store.reasons {
                p.reason {
                    (language.pick(reason.zh, reason.en))
                    @if let Some(since) = reason.since { " · " (age(since, at, Form::Lasting)) }
                }
            }
            @if !store.printers.is_empty() {
                ul.printers {
                    @for each in &store.printers { (printer(each, at, language)) }
                }
            }
            @if let Some(set) = &store.settings { (settings(set, at, language)) }
            (waiting(store, at, language))
        }
    }
}

fn link(link: &LinkView, at: UnixMs, language: Language) -> Markup {
    html! {
        p.link {
            @match link {
                LinkView::NoAgent => (language.pick("未注册", "not enrolled")),
                LinkView::NeverSeen { .. } => (language.pick("未连接", "not connected")),
                LinkView::Down { since, .. } => {
                    (language.pick("断开 ", "disconnected ")) (age(*since, at, Form::Lasting))
                }
                LinkView::Up { since, version, way, certificate_days, .. } => {
                    (language.pick("在线 ", "online ")) (age(*since, at, Form::Lasting))
                    @if let Some(way) = way {
                        " · " span title=(counts(way, language)) { (words::way(way, language)) }
                    }
                    @if !version.is_empty() { " · v" (version) }
                    @if let Some(days) = certificate_days {
                        " · " (language.pick(format!("证书 {days} 天"), format!("certificate {days} d")))
                    }
                }
            }
        }
    }
}

/// What was counted of a link since the store's program began.
fn counts(way: &WayView, language: Language) -> String {
    let (reconnects, fallbacks) = (way.reconnects, way.fallbacks);
    let counted = language.pick(
        format!("程序启动以来重连 {reconnects} 次,改走 TCP {fallbacks} 次"),
        format!("since the program began: {reconnects} reconnects, {fallbacks} fallbacks to TCP"),
    );
    match way.lost_packets {
        Some(lost) => counted + &language.pick(format!(";丢包 {lost}"), format!("; {lost} packets lost")),
        None => counted,
    }
}

fn printer(printer: &PrinterView, at: UnixMs, language: Language) -> Markup {
    html! {
        li {
            (light(printer.light, language))
            " " strong { (printer.name) }
            span.heard {
                @if printer.waiting > 0 {
                    (language.pick("排队 ", "queue ")) (printer.waiting) " · "
                }
                @match printer.heard_at {
                    Some(heard_at) => { (language.pick("应答于 ", "heard ")) (age(heard_at, at, Form::Ago)) }
                    None => (language.pick("从未应答", "never heard")),
                }
            }
            @for each in &printer.conditions { (condition(each, at, language)) }
        }
    }
}

fn condition(condition: &ConditionView, at: UnixMs, language: Language) -> Markup {
    html! {
        p.condition {
            (language.pick(condition.zh, condition.en))
            " · " (age(condition.since, at, Form::Lasting))
        }
    }
}

/// Whether the store has what headquarters has set, since when, and why not.
fn settings(settings: &SettingsView, at: UnixMs, language: Language) -> Markup {
    let wanted = settings.wanted;
    html! {
        p.foot {
            @match (settings.applied, settings.applied_since) {
                (Some(applied), Some(since)) if applied == wanted => {
                    (language.pick("设定 ", "settings ")) (applied) (language.pick(" 已生效 ", " in force "))
                    (age(since, at, Form::Lasting))
                }
                (applied, _) => {
                    (language.pick("设定 ", "settings ")) (wanted) (language.pick(" 未生效 ", " not in force "))
                    (age(settings.wanted_since, at, Form::Lasting))
                    @if let Some(applied) = applied { (language.pick(",现用 ", ", in force: ")) (applied) }
                }
            }
            @if !settings.otherwise.is_empty() {
                " · " (language.pick("本机另有:", "otherwise on its PC: ")) (settings.otherwise)
            }
        }
        @if let Some(failed) = &settings.failed {
            p.condition { (failed.revision) " " (failed.cause) " · " (age(failed.at, at, Form::Ago)) }
        }
    }
}

/// What waits, and how old all of this is.
fn waiting(store: &StoreView, at: UnixMs, language: Language) -> Markup {
    html! {
        p.foot {
            @if store.open_tickets > 0 {
                b { (store.open_tickets) } (language.pick(" 张未打出", " open"))
                @if let Some(oldest) = store.oldest_open_at {
                    (language.pick(",最早 ", ", the oldest ")) (age(oldest, at, Form::Lasting))
                }
                " · "
            }
            @if store.held > 0 {
                b { (store.held) } (language.pick(" 张等人处理", " held")) " · "
            }
            @match store.status_at {
                Some(status_at) => { (language.pick("状态 ", "status ")) (age(status_at, at, Form::Ago)) }
                None => (language.pick("没有状态", "no status")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::snapshot::Light;

    #[test]
    fn a_card_says_what_is_wrong_what_to_do_and_since_when() {
        let store = sample::without_paper("S0042", "人民路店");
        let text = card(&store, sample::AT, Language::Zh).into_string();
        let since = format!("data-at=\"{}\"", sample::AT.0 - 61_000);
        for wanted in
            ["缺纸:换上新纸卷", &since, "<b>3</b> 张未打出", "在线 ", "v0.1.0", "class=\"light red\""]
        {
            assert!(text.contains(wanted), "{wanted} is not in {text}");
        }
    }

    #[test]
    fn a_card_says_how_its_store_is_connected() {
        let mut store = sample::store("S0042", "人民路店");
        let way = |transport, proxied, rtt_ms, lost_packets| WayView {
            transport,
            proxied,
            rtt_ms,
            lost_packets,
            reconnects: 7,
            fallbacks: 2,
            counted_since: sample::AT,
        };
        for (way, zh, en) in [
            (
                way("quic", false, Some(12), Some(5)),
                ["QUIC 12 ms", "丢包 5"],
                ["QUIC 12 ms", "5 packets lost"],
            ),
            (
                way("tls", false, Some(40), None),
                ["TCP(备用)40 ms", "重连 7 次,改走 TCP 2 次"],
                ["TCP (fallback) 40 ms", "7 reconnects, 2 fallbacks"],
            ),
            (
                way("tls", true, None, None),
                ["TCP(备用,经代理)", "改走"],
                ["TCP (fallback, by proxy)", "fallbacks"],
            ),
        ] {
            let LinkView::Up { way: shown, .. } = &mut store.link else { panic!("it is up") };
            *shown = Some(way);
            for (language, wanted) in [(Language::Zh, zh), (Language::En, en)] {
                let text = card(&store, sample::AT, language).into_string();
                assert!(wanted.iter().all(|wanted| text.contains(wanted)), "{wanted:?}: {text}");
            }
        }
    }

    #[test]
    fn what_is_not_known_shows_no_green() {
        let mut store = sample::store("S0042", "人民路店");
        store.light = Light::Unknown;
        store.printers[0].light = Light::Unknown;
        store.link = LinkView::Down { agent: "a1".into(), since: sample::AT };
        let text = card(&store, sample::AT, Language::En).into_string();
        assert!(!text.contains("green") && !text.contains(">OK<"), "{text}");
        assert!(text.contains("disconnected"), "{text}");
    }

    #[test]
    fn a_thousand_stores_are_bounded_and_counted() {
        let mut snapshot = sample::snapshot();
        snapshot.stores = (0..CARDS_MAX + 3).map(|n| sample::store(&format!("S{n:04}"), "店")).collect();
        let text = stores(&snapshot, Language::Zh).into_string();
        assert_eq!(text.matches("<article").count(), CARDS_MAX);
        assert!(text.contains("未列出:3"), "{text}");
    }
}
