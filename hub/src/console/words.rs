//! What codes mean, for people, in both languages. An unknown code is shown as it is: better a raw word than
//! none.

use super::language::Language;
use super::late::Late;
use super::snapshot::Light;
use super::store::WayView;
use docket_protocol::ids::Platform;

/// An alarm's meaning and remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// What has happened.
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// The meaning of an alarm's code; `None` for one of another version.
pub fn alarm(code: &str, language: Language) -> Option<Alarm> {
    let (zh, en) = match code {
        "shop-unmapped" => (
            (
                "平台店铺没有登记到门店,订单在等",
                "docket-hub store add --id … --name … --meituan-shop 店铺编码",
            ),
            (
                "an order came for a shop that belongs to no store; it waits",
                "docket-hub store add --id … --name … --meituan-shop SHOP",
            ),
        ),
        "dish-unmapped" => (
            ("菜品没有对应档口,已在默认打印机出单", "在配置的 [routing] 里给它指定档口"),
            ("a dish belongs to no station; it was printed at the default printer", "add it to [routing]"),
        ),
        "store-without-agent" => (
            ("门店还没有注册电脑,订单在等", "docket-hub enrol-code --store 门店编号,在门店电脑上注册"),
            (
                "no PC is enrolled for the store; its orders wait",
                "docket-hub enrol-code --store STORE, and enrol the store's PC",
            ),
        ),
        "agent-replaced" => (
            ("门店换了一台电脑", "若不是你们换的,立即停用:docket-hub agent revoke"),
            ("another PC has taken over the store", "if that was not you, docket-hub agent revoke at once"),
        ),
        "agent-cloned" => (
            (
                "两台电脑在用同一个身份(磁盘被复制),只有一台收单",
                "关掉多出的一台;两台都要用就给它新的注册码:docket-hub enrol-code",
            ),
            (
                "two PCs run with one identity (a copied disk); only one of them gets orders",
                "switch the one that is too much off, or enrol it for a store of its own: docket-hub enrol-code",
            ),
        ),
        "certificate-unrenewed" => (
            (
                "门店电脑的证书到期前没有自动更新",
                "让那台电脑连上一次;一直连着的话更新门店程序;实在不行重新注册:docket-hub enrol-code",
            ),
            (
                "a store's certificate was not renewed in time",
                "have its PC connect once; if it is connected, update its program, or enrol it again: \
                 docket-hub enrol-code",
            ),
        ),
        "spool-lost" => (
            ("门店电脑的小票库丢失,未完成的已重发(带补打)", "检查那台电脑的磁盘"),
            ("a store's PC lost its spool; open tickets were sent again, marked", "check that PC's disk"),
        ),
        "push-undecoded" => (
            ("平台的推送验签通过但无法识别,原文已保存", "在平台商家端处理该订单,并把此告警发给技术支持"),
            (
                "a genuine push cannot be read; it was kept as it came",
                "handle the order on the platform's own terminal, and send this alarm to support",
            ),
        ),
        "order-incomplete" => (
            ("平台推来的订单明细不全", "在平台商家端核对该订单"),
            (
                "the platform sent an order without all of its dishes",
                "look at it on the platform's own terminal",
            ),
        ),
        "item-unreadable" => (
            ("门店电脑读不懂总部发的小票:程序版本相差太远", "更新门店程序;在平台商家端处理该单"),
            (
                "the store's program cannot read a ticket: the versions are too far apart",
                "update the store's program; handle the order on the platform's own terminal",
            ),
        ),
        "settings-refused" => (
            (
                "门店没有启用总部的新设定,仍用上一个",
                "按原因改好后再 docket-hub settings set,或 docket-hub settings rollback",
            ),
            (
                "a store has not put its new settings in force and goes on with the last ones",
                "mend the cause and docket-hub settings set again, or docket-hub settings rollback",
            ),
        ),
        "settings-unsent" => (
            ("新的设定发不出去,门店仍用上一个", "按原因改小模板图片或改正设定"),
            (
                "new settings cannot be sent, stores keep the last ones",
                "mend the cause: smaller pictures, or the settings",
            ),
        ),
        "report-unreadable" => (
            ("总部读不懂门店的回报:程序版本相差太远", "更新总部程序"),
            ("the hub cannot read a store's report: the versions are too far apart", "update the hub"),
        ),
        "link-tcp-listen" => (
            (
                "总部的 TCP 端口打不开:网络不放行 UDP 的门店连不上",
                "放行或改 [link] tcp_listen(并告诉这些门店的 [link] fallback);不需要时写 \"off\"",
            ),
            (
                "the hub's TCP port cannot be had: stores whose network lets no UDP through cannot connect",
                "allow it, or set [link] tcp_listen (and those stores' [link] fallback); \"off\" if it is not needed",
            ),
        ),
        "ticket-cut-short" => (
            ("有小票超过 45 米,没有打完", "核对该订单,并检查该小票的模板"),
            (
                "a ticket was longer than 45 m and is not whole",
                "look at the order, and at the slip's template",
            ),
        ),
        "template-refused" => (
            (
                "小票模板有错,仍用上一个正确的版本",
                "按行号改好模板,保存后自动生效;先用 docket-hub template check 检查",
            ),
            (
                "a slip's template is wrong; the last good one stays in force",
                "mend the line that is named, it takes effect when saved; docket-hub template check tells before",
            ),
        ),
        "template-failed" => (
            (
                "小票模板用于某个订单时出错,该单已按默认样式打印",
                "用 docket-hub template check 检查并修改这个模板",
            ),
            (
                "a slip's template failed with an order, which was printed in the default look",
                "mend the template; docket-hub template check helps",
            ),
        ),
        _ => return None,
    };
    let (what, remedy) = language.pick(zh, en);
    Some(Alarm { what, remedy })
}

/// A light in a word.
pub fn light(light: Light, language: Language) -> &'static str {
    match light {
        Light::Red => language.pick("故障", "Down"),
        Light::Unknown => language.pick("不明", "Unknown"),
        Light::Yellow => language.pick("注意", "Attention"),
        Light::Green => language.pick("正常", "OK"),
    }
}

/// How a store is connected: `QUIC 12 ms`, `TCP(备用)40 ms`.
pub fn way(way: &WayView, language: Language) -> String {
    let transport = match (way.transport, way.proxied) {
        ("quic", _) => "QUIC ",
        (_, false) => language.pick("TCP(备用)", "TCP (fallback) "),
        (_, true) => language.pick("TCP(备用,经代理)", "TCP (fallback, by proxy) "),
    };
    match way.rtt_ms {
        Some(ms) => format!("{transport}{ms} ms"),
        None => transport.trim_end().to_owned(),
    }
}

/// A platform by its name.
pub fn platform(name: &str, language: Language) -> &str {
    match Platform::from_name(name) {
        Some(Platform::Meituan) => language.pick(Platform::Meituan.title(), "Meituan"),
        Some(Platform::Counter) => language.pick(Platform::Counter.title(), "Counter"),
        None => name,
    }
}

/// A ticket's kind, as staff call it.
pub fn kind(name: &str, language: Language) -> &str {
    match name {
        "front" => language.pick("外卖单", "Order slip"),
        "kitchen" => language.pick("厨打单", "Kitchen slip"),
        "urge" => language.pick("催菜单", "Reminder"),
        "cancel" => language.pick("退菜单", "Cancellation"),
        "added" => language.pick("加菜单", "Added dishes"),
        "bill" => language.pick("结账单", "Bill"),
        "label" => language.pick("标签", "Label"),
        "booking" => language.pick("预订单", "Booking"),
        "test" => language.pick("测试页", "Test page"),
        other => other,
    }
}

/// A ticket's state.
pub fn state(name: &str, language: Language) -> &str {
    match name {
        "no-agent" => language.pick("等门店注册电脑", "waits for a PC"),
        "queued" => language.pick("发往门店", "on its way"),
        "spooled" => language.pick("已到门店,待打印", "in the store"),
        "unknown" => language.pick("是否打出不明,将补打", "unknown, prints again"),
        "held" => language.pick("等人处理", "waits for a person"),
        "printed" => language.pick("已打印", "printed"),
        "settled" => language.pick("门店已处理,不再打印", "settled in the store"),
        other => other,
    }
}

/// How it is known that a ticket came out, and whether paper itself was the witness.
pub fn evidence(name: &str, language: Language) -> (&str, bool) {
    match name {
        "fence" => (language.pick("围栏确认", "fence"), true),
        "status" => (language.pick("状态确认", "status"), true),
        "sent" => (language.pick("仅送出,无回执", "sent only"), false),
        "spooled" => (language.pick("仅系统队列", "spooler only"), false),
        other => (other, false),
    }
}

/// Why a ticket was in doubt.
pub fn doubt(name: &str, language: Language) -> &str {
    match name {
        "connection-lost" => language.pick("连接中断", "connection lost"),
        "agent-ended" => language.pick("程序中断", "program ended"),
        "power-lost" => language.pick("断电", "power lost"),
        "printer-silent" => language.pick("打印机不应答", "printer silent"),
        "expired" => language.pick("过期未打", "expired, not begun"),
        other => other,
    }
}

/// Why a person should look.
pub fn late(late: Late, language: Language) -> &'static str {
    match late {
        Late::Unrouted => language.pick("店铺未登记", "shop unknown"),
        Late::Held => language.pick("等人处理", "needs a person"),
        Late::NotSpooled => language.pick("迟:未到门店", "late: not in the store"),
        Late::NotPrinted => language.pick("迟:未打印", "late: not printed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alarm_that_storage_raises_has_words_in_both_languages() {
        let sources = [
            include_str!("../storage/orders.rs"),
            include_str!("../storage/outbox.rs"),
            include_str!("../storage/reports.rs"),
            include_str!("../storage/agents.rs"),
            include_str!("../storage/settings.rs"),
        ];
        let mut codes = Vec::new();
        for call in sources.iter().flat_map(|source| source.split("raise(").skip(1)) {
            let first = call.split(',').nth(1).unwrap_or_default().trim();
            if let Some(code) = first.strip_prefix('"').and_then(|code| code.strip_suffix('"')) {
                codes.push(code);
            }
        }
        assert!(codes.len() >= 9, "{codes:?}");
        for code in codes {
            assert!(
                alarm(code, Language::Zh).is_some() && alarm(code, Language::En).is_some(),
                "{code}: words here, please"
            );
        }
        assert_eq!(alarm("of-another-version", Language::Zh), None);
    }
}
