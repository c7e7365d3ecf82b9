//! What stands on the paper, word by word.

use super::{CANCELLED_PATH, REMINDED_PATH, Restaurant, STORE, push, until_all_printed};
use docket_tests::chain::shop::{PAID_PATH, now_s, push_order};
use docket_tests::platform::meituan::Canceller;
use docket_tests::platform::orders::{PlacedDish, PlacedOrder};
use docket_tests::virtual_printer::Receipt;

/// 2026-11-18 19:06:40 in China.
const PLACED_AT_S: i64 = 1_795_000_000;
const ORDER_ID: &str = "27057681346841638";

// Each line as `size|text`: the size in widths and heights, nothing where it is 1×1.
#[rustfmt::skip]
const FRONT: &[&str] = &[
    "2x2|美团外卖 #9",
    "|测试面馆(人民路店)",
    "|外卖单",
    "2x2|预订 11-18 20:06",
    "|下单 11-18 19:06",
    "1x2|备注:少放辣,到了打 13812345678",
    "|餐具:2 份",
    "|--------------------- 菜品 ---------------------",
    "|红烧牛肉面(大份)                    ×2    56.00",
    "|  中辣 不要香菜",
    "|重庆小面                            ×1    12.99",
    "|可乐 100%冰                         ×3    15.00",
    "|  少冰",
    "|------------------------------------------------",
    "|餐盒费                                      6.00",
    "|配送费                                      3.00",
    "|合计                                       92.99",
    "|满50减5元                                  -5.00",
    "1x2|实付                                       87.99",
    "|已在线支付",
    "|------------------------------------------------",
    "1x2|张(先生)",
    "1x2|13812340000_1234",
    "1x2|测试小区 (3号楼 502)",
    "|[QR: 27057681346841638]",
    "|订单号 27057681346841638",
];
#[rustfmt::skip]
const KITCHEN: &[&str] = &[
    "2x2|美团外卖 #9",
    "|厨打单 kitchen",
    "2x2|预订 11-18 20:06",
    "|下单 11-18 19:06",
    "|------------------------------------------------",
    "1x2|红烧牛肉面(大份)                             ×2",
    "1x2|  中辣 不要香菜",
    "1x2|重庆小面                                     ×1",
    "|------------------------------------------------",
    "1x2|备注:少放辣,到了打 [号码]",
];
#[rustfmt::skip]
const BAR: &[&str] = &[
    "2x2|美团外卖 #9",
    "|厨打单 bar",
    "2x2|预订 11-18 20:06",
    "|下单 11-18 19:06",
    "|------------------------------------------------",
    "1x2|可乐 100%冰                                  ×3",
    "1x2|  少冰",
    "|------------------------------------------------",
    "1x2|备注:少放辣,到了打 [号码]",
];
#[rustfmt::skip]
const URGED_FRONT: &[&str] = &[
    "2x2|(催)美团外卖 #9",
    "|测试面馆(人民路店)",
    "|催菜单 front",
    "2x2|预订 11-18 20:06",
    "|下单 11-18 19:06",
    "|------------------------------------------------",
    "1x2|(催)红烧牛肉面(大份)                         ×2",
    "1x2|  中辣 不要香菜",
    "1x2|(催)重庆小面                                 ×1",
    "1x2|(催)可乐 100%冰                              ×3",
    "1x2|  少冰",
    "|------------------------------------------------",
    "1x2|顾客催单,请尽快出餐",
];
#[rustfmt::skip]
const URGED_KITCHEN: &[&str] = &[
    "2x2|(催)美团外卖 #9",
    "|测试面馆(人民路店)",
    "|催菜单 kitchen",
    "2x2|预订 11-18 20:06",
    "|下单 11-18 19:06",
    "|------------------------------------------------",
    "1x2|(催)红烧牛肉面(大份)                         ×2",
    "1x2|  中辣 不要香菜",
    "1x2|(催)重庆小面                                 ×1",
    "|------------------------------------------------",
    "1x2|顾客催单,请尽快出餐",
];
#[rustfmt::skip]
const URGED_BAR: &[&str] = &[
    "2x2|(催)美团外卖 #9",
    "|测试面馆(人民路店)",
    "|催菜单 bar",
    "2x2|预订 11-18 20:06",
    "|下单 11-18 19:06",
    "|------------------------------------------------",
    "1x2|(催)可乐 100%冰                              ×3",
    "1x2|  少冰",
    "|------------------------------------------------",
    "1x2|顾客催单,请尽快出餐",
];
#[rustfmt::skip]
const CANCELLED_FRONT: &[&str] = &[
    "2x2|(退)美团外卖 #9",
    "|测试面馆(人民路店)",
    "|退菜单 front",
    "2x2|预订 11-18 20:06",
    "|下单 11-18 19:06",
    "|------------------------------------------------",
    "1x2|(退)红烧牛肉面(大份)                         ×2",
    "1x2|  中辣 不要香菜",
    "1x2|(退)重庆小面                                 ×1",
    "1x2|(退)可乐 100%冰                              ×3",
    "1x2|  少冰",
    "|------------------------------------------------",
    "|原因:不想要了,电话 [号码]",
    "1x2|订单已取消,请停止制作",
];
#[rustfmt::skip]
const CANCELLED_KITCHEN: &[&str] = &[
    "2x2|(退)美团外卖 #9",
    "|测试面馆(人民路店)",
    "|退菜单 kitchen",
    "2x2|预订 11-18 20:06",
    "|下单 11-18 19:06",
    "|------------------------------------------------",
    "1x2|(退)红烧牛肉面(大份)                         ×2",
    "1x2|  中辣 不要香菜",
    "1x2|(退)重庆小面                                 ×1",
    "|------------------------------------------------",
    "|原因:不想要了,电话 [号码]",
    "1x2|订单已取消,请停止制作",
];
#[rustfmt::skip]
const CANCELLED_BAR: &[&str] = &[
    "2x2|(退)美团外卖 #9",
    "|测试面馆(人民路店)",
    "|退菜单 bar",
    "2x2|预订 11-18 20:06",
    "|下单 11-18 19:06",
    "|------------------------------------------------",
    "1x2|(退)可乐 100%冰                              ×3",
    "1x2|  少冰",
    "|------------------------------------------------",
    "|原因:不想要了,电话 [号码]",
    "1x2|订单已取消,请停止制作",
];

fn dish(code: &str, name: &str, spec: &str, choices: &[&str], quantity: u32, price_fen: i64) -> PlacedDish {
    PlacedDish {
        code: code.into(),
        name: name.into(),
        spec: spec.into(),
        choices: choices.iter().map(|&choice| choice.to_owned()).collect(),
        quantity,
        price_fen,
        box_price_fen: 100,
    }
}

/// Something of everything.
fn order() -> PlacedOrder {
    PlacedOrder {
        order_id: ORDER_ID.into(),
        shop: STORE.into(),
        shop_name: "平台上的店名".into(),
        day_seq: 9,
        placed_at_s: PLACED_AT_S,
        wanted_at_s: PLACED_AT_S + 3_600,
        self_pickup: false,
        dishes: vec![
            dish("F1001", "红烧牛肉面", "大份", &["中辣", "不要香菜"], 2, 2_800),
            dish("F9003", "重庆小面", "", &[], 1, 1_299),
            dish("F2001", "可乐 100%冰", "", &["少冰"], 3, 500),
        ],
        reductions: vec![("满50减5元".into(), 500)],
        delivery_fen: 300,
        note: "少放辣,到了打 13812345678".into(),
        diners: 2,
        name: "张(先生)".into(),
        phone: "13812340000_1234".into(),
        address: "测试小区 (3号楼 502)@#测试省测试市".into(),
    }
}

/// A receipt in the form of [`FRONT`].
fn shown(receipt: &Receipt) -> Vec<String> {
    let line = |line: docket_tests::virtual_printer::Line| {
        let size = if (line.width, line.height) == (1, 1) {
            String::new()
        } else {
            format!("{}x{}", line.width, line.height)
        };
        format!("{size}|{}", line.text)
    };
    receipt.lines().into_iter().map(line).collect()
}

fn assert_shown(receipt: &Receipt, expected: &[&str]) {
    assert_eq!(shown(receipt), expected, "{}", receipt.text());
    assert!(receipt.was_cut() && receipt.flags().is_empty(), "{:?}", receipt.flags());
    assert_eq!(receipt.is_repeat(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_its_reminder_and_its_cancellation() -> anyhow::Result<()> {
    let restaurant = Restaurant::open().await?;
    let (hub, meituan) = (&restaurant.hub, restaurant.hub.meituan());
    push_order(hub, &order()).await?;
    let tickets = until_all_printed(hub, 3).await?;
    let kinds: Vec<_> =
        tickets.iter().map(|ticket| (ticket.kind.as_str(), ticket.station.as_str())).collect();
    assert_eq!(kinds, [("front", "front"), ("kitchen", "kitchen"), ("kitchen", "bar")]);
    for ticket in &tickets {
        assert_eq!((ticket.evidence.as_deref(), ticket.repeats), (Some("fence"), 0), "{ticket:?}");
    }
    let (front, kitchen) = (restaurant.front.receipts(), restaurant.kitchen.receipts());
    let [slip] = front.as_slice() else { panic!("{front:?}") };
    assert_shown(slip, FRONT);
    assert_eq!(slip.qr(), [ORDER_ID.as_bytes()]);
    let [noodles, drinks] = kitchen.as_slice() else { panic!("{kitchen:?}") };
    assert_shown(noodles, KITCHEN);
    assert_shown(drinks, BAR);

    // The platform repeats itself, which prints nothing; a second reminder does.
    push(hub, PAID_PATH, &meituan.paid(&order(), now_s()), 3).await?;
    push(hub, REMINDED_PATH, &meituan.reminded(ORDER_ID, 1, PLACED_AT_S + 600), 2).await?;
    until_all_printed(hub, 6).await?;
    let (front, kitchen) = (restaurant.front.receipts_from(2), restaurant.kitchen.receipts_from(3));
    let [slip] = front.as_slice() else { panic!("{front:?}") };
    assert_shown(slip, URGED_FRONT);
    let [noodles, drinks] = kitchen.as_slice() else { panic!("{kitchen:?}") };
    assert_shown(noodles, URGED_KITCHEN);
    assert_shown(drinks, URGED_BAR);
    push(hub, REMINDED_PATH, &meituan.reminded(ORDER_ID, 2, PLACED_AT_S + 900), 1).await?;
    until_all_printed(hub, 9).await?;

    let cancelled = meituan.cancelled(ORDER_ID, Canceller::Customer, "不想要了,电话 13812345678", now_s());
    push(hub, CANCELLED_PATH, &cancelled, 2).await?;
    until_all_printed(hub, 12).await?;
    let (front, kitchen) = (restaurant.front.receipts_from(4), restaurant.kitchen.receipts_from(7));
    let [slip] = front.as_slice() else { panic!("{front:?}") };
    assert_shown(slip, CANCELLED_FRONT);
    let [noodles, drinks] = kitchen.as_slice() else { panic!("{kitchen:?}") };
    assert_shown(noodles, CANCELLED_KITCHEN);
    assert_shown(drinks, CANCELLED_BAR);

    // What is cancelled is not asked for any more.
    push(hub, REMINDED_PATH, &meituan.reminded(ORDER_ID, 3, PLACED_AT_S + 950), 1).await?;
    let after = super::noodles(STORE, 77);
    push_order(hub, &after).await?;
    until_all_printed(hub, 14).await?;
    assert_eq!(super::pickups(&restaurant.front), [9, 9, 9, 9, 77]);
    assert_eq!(hub.ledger()?.alarms()?, []);
    Ok(())
}
