//! Alarms: what has happened and what to do, in words.

use super::Language;
use crate::console::snapshot::{ALARMS_MAX, Snapshot};
use crate::console::when::{Form, age};
use crate::console::words;
use crate::storage::views::AlarmView;
use docket_protocol::ids::UnixMs;
use maud::{Markup, html};

/// All alarms, the newest first.
pub fn alarms(snapshot: &Snapshot, language: Language) -> Markup {
    html! {
        h2 data-key="heading" {
            (language.pick("告警", "Alarms"))
            small {
                @if snapshot.alarms.is_empty() { (language.pick("没有", "none")) }
                @else if snapshot.alarms.len() >= ALARMS_MAX {
                    (language.pick("最近 ", "the newest ")) (ALARMS_MAX)
                }
                @else { (snapshot.alarms.len()) }
            }
        }
        ul.alarms data-key="list" data-keyed {
            @for alarm in &snapshot.alarms { (row(alarm, snapshot.at, language)) }
        }
    }
}

fn row(alarm: &AlarmView, at: UnixMs, language: Language) -> Markup {
    let known = words::alarm(&alarm.code, language);
    html! {
        li data-key={ (alarm.code) "\t" (alarm.subject) } {
            p.what {
                @if let Some(known) = known { (known.what) " " }
                code { (alarm.code) }
            }
            p.subject {
                strong { (alarm.subject) }
                @if !alarm.detail.is_empty() { " · " (alarm.detail) }
            }
            @if let Some(known) = known { p.remedy { (known.remedy) } }
            p.since {
                (age(alarm.since, at, Form::Lasting))
                @if alarm.times > 1 {
                    " · " (alarm.times) (language.pick(" 次", " times"))
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
    fn an_alarm_of_another_version_is_shown_as_it_is() {
        let mut snapshot = sample::snapshot();
        snapshot.alarms[0].code = "moon-full".into();
        let text = alarms(&snapshot, Language::Zh).into_string();
        assert!(text.contains("<code>moon-full</code>") && text.contains("凉茶"), "{text}");
        assert!(text.contains("4 次") && text.contains("data-at="), "{text}");
    }
}
