//! Templates that would take any process along that fills them in: they end their trial, and nothing else. Those that
//! only a real order sets off take the hub along, once.

use super::{Chain, until_alarms};
use docket_tests::chain::{Hub, PATIENCE, wait_for};
use std::fs;

/// Templates, and what is said of each.
fn bombs() -> Vec<(&'static str, String, &'static str)> {
    let times = |count: usize, piece: &str| piece.repeat(count);
    let loops = |depth: usize, inner: &str| {
        let (open, close) = ("{% for a in [1,2,3,4,5,6,7,8,9,0] %}", "{% endfor %}");
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let long = "{% set x = ['x' * 100000] %}";
    vec![
        (
            "a list put behind itself a hundred times: 2^100 steps",
            format!(
                "x{{% set ns = namespace(x=[1]) %}}{}{{{{ ns.x|length }}}}",
                loops(2, "{% set ns.x = ns.x + ns.x %}")
            ),
            "试填超时",
        ),
        (
            "the same without a loop",
            format!("x{{% set x = [1] %}}{}{{{{ x[-1] }}}}", times(40, "{% set x = x + x %}")),
            "试填超时",
        ),
        (
            "gigabytes of text at once",
            format!("x{long}{}{{% set y = x|join('') %}}", times(14, "{% set x = x + x %}")),
            "内存用尽",
        ),
        (
            "a text put behind itself a hundred times",
            format!("x{{% set ns = namespace(x='x') %}}{}", loops(2, "{% set ns.x = ns.x ~ ns.x %}")),
            "计算量太大",
        ),
        (
            "lists within lists, 20000 deep, when they are dropped",
            format!(
                "x{{% set ns = namespace(x=[]) %}}{}",
                loops(4, "{% set ns.x = [ns.x] %}{% set ns.x = [ns.x] %}")
            ),
            "嵌套太深",
        ),
        (
            "lists within lists, 5000 deep, when they are made text of",
            format!(
                "x{{% set ns = namespace(x=[]) %}}{}{{% set y = ns.x ~ '' %}}",
                loops(3, &times(5, "{% set ns.x = [ns.x] %}"))
            ),
            "嵌套太深",
        ),
        (
            "only an order of as many stations as there may be shows it",
            "x{% set ns = namespace(x=[1]) %}{% for p in parts %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x[-1] }}"
                .into(),
            "试填超时",
        ),
        (
            "only an order as large as any that is taken shows it",
            "x{% set ns = namespace(x=[1]) %}{% for d in dishes %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x[-1] }}"
                .into(),
            "试填超时",
        ),
    ]
}

/// A command that fails as it should: by itself, and with a reason.
fn refuses(hub: &Hub, arguments: &[&str], says: &str) -> anyhow::Result<()> {
    let output = hub.command(arguments)?;
    let said = String::from_utf8([output.stdout, output.stderr].concat())?;
    let is_said = said.contains("template-bound: ") && said.contains(says);
    anyhow::ensure!(output.status.code() == Some(1) && is_said, "{arguments:?}: {}: {said}", output.status);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_ends_its_trial_and_neither_the_hub_nor_a_command() -> anyhow::Result<()> {
    let mut chain = Chain::open().await?;
    fs::create_dir(chain.slips())?;
    chain.save("我家 #{{ pickup }}\n")?;
    until_alarms(&chain.shop.hub, &[]).await?;
    let file = chain.slips().join("front.jinja").display().to_string();
    for (what, text, says) in bombs() {
        chain.save(&text)?;
        until_alarms(&chain.shop.hub, &[("template-refused", "front.jinja", says)])
            .await
            .map_err(|error| error.context(what))?;
        assert_eq!(chain.first_line().await?, "我家 #N", "{what}");
        refuses(&chain.shop.hub, &["template", "check", &file], says).map_err(|error| error.context(what))?;
    }
    // The last of them is still there.
    refuses(&chain.shop.hub, &["template", "check"], "试填超时")?;
    refuses(&chain.shop.hub, &["template", "preview", "front", "--file", &file], "试填超时")?;
    assert!(chain.shop.hub.must(&["template", "preview", "front"])?.contains("我家 #17"));
    assert!(chain.shop.hub.must(&["template", "list"])?.contains("试填超时"));
    assert!(chain.shop.hub.process().ended()?.is_none());
    Ok(())
}

/// A list that goes on being changed, and what is made of it.
fn growing(times: u32, inner: &str, then: &str) -> String {
    format!("{{% set ns = namespace(x=[1]) %}}{{% for a in range({times}) %}}{inner}{{% endfor %}}{then}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_that_no_sample_sets_off_kills_the_hub_once() -> anyhow::Result<()> {
    // No stack is as deep as that.
    takes_the_hub_along_once(&growing(20_000, "{% set ns.x = [ns.x] %}", "")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_that_no_sample_sets_off_hangs_the_hub_once() -> anyhow::Result<()> {
    // It takes minutes, and no memory to speak of.
    takes_the_hub_along_once(&growing(31, "{% set ns.x = ns.x + ns.x %}", "{{ ns.x[-1] }}")).await
}

/// No sample is of this store.
async fn takes_the_hub_along_once(bomb: &str) -> anyhow::Result<()> {
    let mut chain = Chain::open().await?;
    fs::create_dir(chain.slips())?;
    fs::write(chain.slips().join("label.jinja"), "[x] y")?;
    chain.save(&format!("我家 #{{{{ pickup }}}}\n{{% if store == '测试面馆' %}}{bomb}{{% endif %}}\n"))?;
    let label = ("template-refused", "label.jinja", "label.jinja:1");
    until_alarms(&chain.shop.hub, &[label]).await?;
    assert!(chain.shop.push(1).await.is_err(), "nobody answers");
    let process = chain.shop.hub.process();
    let ended = wait_for("the hub to end", PATIENCE, || match process.ended() {
        Ok(Some(status)) => Ok(status),
        other => Err(format!("{other:?}")),
    })
    .await?;
    assert!(ended.to_string().contains("SIGABRT"), "{ended}");

    chain.shop.hub.restart().await?;
    assert_eq!(chain.first_line().await?, "美团外卖 #N", "the same order, pushed again");
    let front = ("template-refused", "front.jinja", "真实订单");
    until_alarms(&chain.shop.hub, &[label, front]).await?;
    chain.shop.hub.restart().await?;
    until_alarms(&chain.shop.hub, &[label, front]).await?;
    chain.save("我家 #{{ pickup }}\n")?;
    until_alarms(&chain.shop.hub, &[label]).await?;
    assert_eq!(chain.first_line().await?, "我家 #N", "a mended one is in force again");
    Ok(())
}
