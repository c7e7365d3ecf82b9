//! How many of everything, and the pushes that were refused.

use super::Language;
use super::light;
use crate::console::snapshot::{Light, Snapshot};
use maud::{Markup, html};

/// Counts of stores by light, of open tickets, late orders and alarms.
pub fn counts(snapshot: &Snapshot, language: Language) -> Markup {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let stores = |light: Light| number(snapshot.stores.iter().filter(|store| store.light == light).count());
    let open: i64 = snapshot.stores.iter().map(|store| store.open_tickets).sum();
    let late = snapshot.orders.iter().filter(|line| line.late.is_some()).count();
    let late = number(late);
    let alarms = number(snapshot.alarms.len());
    let wrong = stores(Light::Red) + stores(Light::Unknown);
    let title = match (wrong, late) {
        (0, 0) => language.pick("Docket 控制台", "Docket console").to_owned(),
        _ => language.pick(
            format!("{wrong} 店异常 · {late} 单要看 · Docket"),
            format!(
                "{wrong} {} down · {late} {} to look at · Docket",
                plural(wrong, "store", "stores"),
                plural(late, "order", "orders")
            ),
        ),
    };
    html! {
        ul.counts data-key="counts" data-title=(title) {
            @for each in [Light::Red, Light::Unknown, Light::Yellow, Light::Green] {
                li class=[(stores(each) == 0).then_some("none")] {
                    (light(each, language))
                    b { (stores(each)) }
                    (language.pick("店", plural(stores(each), "store", "stores")))
                }
            }
            (count(late, language.pick("单要看", plural(late, "order to look at", "orders to look at")), true))
            (count(open, language.pick("张小票未打出", plural(open, "ticket open", "tickets open")), false))
            (count(alarms, language.pick("条告警", plural(alarms, "alarm", "alarms")), true))
        }
    }
}

fn plural(number: i64, one: &'static str, more: &'static str) -> &'static str {
    if number == 1 { one } else { more }
}

fn count(number: i64, word: &str, urgent: bool) -> Markup {
    let class = match (number, urgent) {
        (0, _) => "none",
        (_, true) => "urgent",
        (_, false) => "",
    };
    html! { li class=(class) { b { (number) } (word) } }
}

/// Pushes that were not taken; nothing where there were none.
pub fn refused(snapshot: &Snapshot, language: Language) -> Markup {
    let refused = &snapshot.refused;
    let rows = [
        (
            refused.unstored,
            language.pick("存不下,平台会重推", "could not be stored; the platform pushes again"),
            language.pick("检查总部的磁盘", "check the hub's disk"),
        ),
        (
            refused.bad_signatures,
            language.pick("验签失败", "wrong signature"),
            language.pick(
                "核对 secret 和回调地址是否与平台后台登记的完全一致;若一致,则可能有人在伪造推送",
                "compare secret and callback URLs with the platform's console; if they agree, somebody may be forging",
            ),
        ),
        (
            refused.bad_pushes,
            language.pick("内容无法识别", "cannot be read"),
            language.pick("看告警和总部日志", "see the alarms and the hub's log"),
        ),
    ];
    html! {
        @if rows.iter().any(|(count, ..)| *count > 0) {
            h2 data-key="heading" {
                (language.pick("被拒绝的推送", "Refused pushes"))
                small { (language.pick("总部启动以来", "since the hub started")) }
            }
            ul.refused data-key="rows" {
                @for (count, what, remedy) in rows {
                    @if count > 0 {
                        li { b { (count) } " " (what) span.remedy { (remedy) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn refused_pushes_come_with_what_to_do() {
        let mut snapshot = sample::snapshot();
        let text = refused(&snapshot, Language::Zh).into_string();
        assert!(text.contains("<b>2</b> 验签失败") && text.contains("核对 secret"), "{text}");
        assert!(!text.contains("无法识别"), "{text}");
        snapshot.refused.bad_signatures = 0;
        assert_eq!(refused(&snapshot, Language::Zh).into_string(), "");
    }

    #[test]
    fn the_title_says_what_is_wrong() {
        let mut snapshot = sample::snapshot();
        let title = |snapshot: &_| counts(snapshot, Language::Zh).into_string();
        assert!(title(&snapshot).contains("data-title=\"1 店异常 · 1 单要看 · Docket\""));
        snapshot.stores.remove(0);
        snapshot.orders.remove(1);
        assert!(title(&snapshot).contains("data-title=\"Docket 控制台\""));
    }
}
