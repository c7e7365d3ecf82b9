//! Which store an order goes to, and what becomes of one that has none to go to yet.

use super::{ROUTING, Restaurant, STORE, STORE_NAME, enrol, noodles, pickups, until_all_printed};
use docket_tests::chain::shop::push_order;
use docket_tests::chain::{Hub, HubOptions, Ledger, PATIENCE, wait_for};
use docket_tests::platform::orders::PlacedDish;

const NO_AGENT: i64 = 0;

fn has_alarm(ledger: &Ledger, code: &str, subject: &str) -> anyhow::Result<bool> {
    Ok(ledger.alarms()?.contains(&(code.to_owned(), subject.to_owned())))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_an_unknown_shop_waits_for_its_store() -> anyhow::Result<()> {
    let restaurant = Restaurant::open().await?;
    let (hub, ledger) = (&restaurant.hub, restaurant.hub.ledger()?);
    for number in 1..=3 {
        push_order(hub, &noodles("别名店", number)).await?;
    }
    assert_eq!(ledger.tickets()?, []);
    assert_eq!(ledger.number("SELECT count(*) FROM orders WHERE store IS NULL")?, 3);
    assert!(has_alarm(&ledger, "shop-unmapped", "meituan/别名店")?, "{:?}", ledger.alarms()?);
    let overview = hub.overview().await?;
    let alarm = &overview["alarms"][0];
    assert_eq!(
        (alarm["code"].as_str(), alarm["times"].as_i64()),
        (Some("shop-unmapped"), Some(3)),
        "{alarm:#}"
    );

    let said =
        hub.must(&["store", "add", "--id", STORE, "--name", STORE_NAME, "--meituan-shop", "别名店"])?;
    assert!(said.contains("3 个等待中的订单"), "{said}");
    until_all_printed(hub, 6).await?;
    assert_eq!(pickups(&restaurant.front), [1, 2, 3]);
    assert_eq!(pickups(&restaurant.kitchen), [1, 2, 3]);
    assert_eq!(ledger.alarms()?, []);
    // From now on it is the store's, and the store's own shop still is.
    push_order(hub, &noodles("别名店", 4)).await?;
    push_order(hub, &noodles(STORE, 5)).await?;
    until_all_printed(hub, 10).await?;
    assert_eq!(pickups(&restaurant.front), [1, 2, 3, 4, 5]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dish_that_maps_nowhere_is_printed_at_the_default_printer() -> anyhow::Result<()> {
    let restaurant = Restaurant::open().await?;
    let mut order = noodles(STORE, 7);
    order.note = String::new();
    order.dishes[0].choices.clear();
    order.dishes[0].spec.clear();
    let strange = PlacedDish { code: "F7777".into(), name: "今日特供".into(), ..order.dishes[0].clone() };
    order.dishes.push(strange);
    push_order(&restaurant.hub, &order).await?;
    let tickets = until_all_printed(&restaurant.hub, 3).await?;
    let stations: Vec<&str> = tickets.iter().map(|ticket| ticket.station.as_str()).collect();
    assert_eq!(stations, ["front", "kitchen", ""]);
    let ledger = restaurant.hub.ledger()?;
    assert!(has_alarm(&ledger, "dish-unmapped", "今日特供 [F7777]")?, "{:?}", ledger.alarms()?);

    let front = restaurant.front.receipts();
    let [all, lost] = front.as_slice() else { panic!("{front:?}") };
    assert!(all.text().contains("红烧牛肉面") && all.text().contains("今日特供"), "{}", all.text());
    assert!(lost.text().contains("厨打单") && lost.text().contains("今日特供"), "{}", lost.text());
    assert!(!lost.text().contains("红烧牛肉面"), "{}", lost.text());
    let kitchen = restaurant.kitchen.receipts();
    let [slip] = kitchen.as_slice() else { panic!("{kitchen:?}") };
    assert!(slip.text().contains("红烧牛肉面") && !slip.text().contains("今日特供"), "{}", slip.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_an_agent_keeps_its_orders_until_it_has_one() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options = HubOptions { routing: ROUTING.into(), ..HubOptions::default() };
    let mut hub = Hub::start(&folder.path().join("hub"), options).await?;
    hub.add_store(STORE, STORE_NAME)?;
    for number in 1..=3 {
        push_order(&hub, &noodles(STORE, number)).await?;
    }
    let ledger = hub.ledger()?;
    let states: Vec<i64> = ledger.tickets()?.iter().map(|ticket| ticket.state).collect();
    assert_eq!(states, [NO_AGENT; 6]);
    assert!(has_alarm(&ledger, "store-without-agent", STORE)?, "{:?}", ledger.alarms()?);
    let overview = hub.overview().await?;
    let store = &overview["stores"][0];
    assert_eq!((&store["light"], &store["link"]["state"]), (&"red".into(), &"no-agent".into()), "{store:#}");
    drop(ledger);

    // However long it takes, and whatever happens to the hub meanwhile.
    hub.process().kill();
    hub.restart().await?;
    let (mut agent, front, kitchen) = enrol(&folder.path().join("agent"), &hub, STORE)?;
    agent.start_linked(&hub).await?;
    until_all_printed(&hub, 6).await?;
    assert_eq!((pickups(&front), pickups(&kitchen)), (vec![1, 2, 3], vec![1, 2, 3]));
    assert_eq!(hub.ledger()?.alarms()?, []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_the_agent_is_away_is_printed_in_order_on_its_return() -> anyhow::Result<()> {
    let mut restaurant = Restaurant::open().await?;
    push_order(&restaurant.hub, &noodles(STORE, 1)).await?;
    until_all_printed(&restaurant.hub, 2).await?;
    restaurant.agent.process()?.end()?;
    let ledger = restaurant.hub.ledger()?;
    wait_for("the end of the session", PATIENCE, || {
        match ledger.number("SELECT count(*) FROM agents WHERE disconnected_at IS NOT NULL") {
            Ok(1) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await?;
    let overview = restaurant.hub.overview().await?;
    assert_eq!(overview["stores"][0]["light"], "red", "{:#}", overview["stores"]);
    for number in 2..=40 {
        push_order(&restaurant.hub, &noodles(STORE, number)).await?;
    }
    restaurant.agent.start_linked(&restaurant.hub).await?;
    until_all_printed(&restaurant.hub, 80).await?;
    let expected: Vec<u32> = (1..=40).collect();
    assert_eq!(pickups(&restaurant.front), expected);
    assert_eq!(pickups(&restaurant.kitchen), expected);
    assert!(restaurant.front.receipts().iter().all(|receipt| receipt.is_repeat().is_none()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_do_not_mix() -> anyhow::Result<()> {
    const OTHER: &str = "S0043";
    let first = Restaurant::open().await?;
    first.hub.add_store(OTHER, "另一家")?;
    let (mut agent, front, kitchen) = enrol(&first.folder.path().join("other"), &first.hub, OTHER)?;
    agent.start_linked(&first.hub).await?;
    let (odd, even): (Vec<u32>, Vec<u32>) = (1..=20).partition(|number| number % 2 == 1);
    for number in 1..=20 {
        let shop = if number % 2 == 1 { STORE } else { OTHER };
        push_order(&first.hub, &noodles(shop, number)).await?;
    }
    until_all_printed(&first.hub, 40).await?;
    assert_eq!((pickups(&first.front), pickups(&first.kitchen)), (odd.clone(), odd));
    assert_eq!((pickups(&front), pickups(&kitchen)), (even.clone(), even));
    let names = |printer: &docket_tests::virtual_printer::VirtualPrinter, name: &str| {
        printer.receipts().iter().all(|receipt| receipt.text().contains(name))
    };
    assert!(names(&first.front, STORE_NAME) && names(&front, "另一家"));
    Ok(())
}
