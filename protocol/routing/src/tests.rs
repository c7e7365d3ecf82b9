//! The slips as they stand on paper, and where they go.

use super::{Routing, RoutingConfig};
use docket_protocol::document::{Align, Block, Document};
use docket_protocol::frame::{FRAME_BYTES_MAX, payload};
use docket_protocol::ids::{Fen, OrderKey, Platform, UnixMs};
use docket_protocol::order::{Adjustment, Cutlery, Dish, Fulfilment, Order, Recipient};
use docket_protocol::ticket::{Ticket, TicketKind};
use std::fmt::Write;

pub(super) const NOW: UnixMs = UnixMs(1_767_225_613_000);

pub(super) fn dish(code: &str, name: &str, quantity: u32, price: i64) -> Dish {
    Dish {
        code: code.into(),
        name: name.into(),
        spec: String::new(),
        choices: Vec::new(),
        quantity,
        price: Fen(price),
        box_fee: Fen(0),
        bag: 0,
    }
}

pub(super) fn order() -> Order {
    let noodles = Dish {
        spec: "大份".into(),
        choices: vec!["中辣".into(), "不要香菜".into()],
        box_fee: Fen(200),
        ..dish("F1001", "红烧牛肉面", 2, 2800)
    };
    Order {
        key: OrderKey { platform: Platform::Meituan, id: "27057681346841638".into() },
        shop: "S0042".into(),
        pickup_number: "17".into(),
        fulfilment: Fulfilment::Delivery,
        placed_at: UnixMs(1_767_225_600_000),
        wanted_at: None,
        dishes: vec![noodles, dish("F2001", "可乐 100%冰", 1, 500)],
        adjustments: vec![Adjustment { name: "满50减5元".into(), amount: Fen(-500) }],
        delivery_fee: Fen(300),
        original_total: Fen(6600),
        total: Fen(6100),
        paid_online: true,
        note: "少放辣 手机号 13812345678_1234".into(),
        cutlery: Some(Cutlery::Sets(2)),
        recipient: Recipient {
            name: "张(先生)".into(),
            phone: "13812345678_1234".into(),
            address: "测试小区 (3号楼 1101)".into(),
        },
        invoice_title: String::new(),
    }
}

pub(super) fn routing(toml: &str) -> Routing {
    Routing::new(toml::from_str::<RoutingConfig>(toml).unwrap()).unwrap()
}

fn kitchen_and_bar() -> Routing {
    routing(
        "stations = [{ name = 'kitchen', dishes = ['F1001'] }, { name = 'bar', dishes = ['可乐 100%冰', 'F2002'] }]",
    )
}

/// A document as text: size, `c` or `r` where it is not at the left, cells between bars.
fn dump(document: &Document) -> String {
    let mut out = String::new();
    let align = |align| match align {
        Align::Left => "",
        Align::Center => " c",
        Align::Right => " r",
    };
    for block in &document.blocks {
        let size = match block {
            Block::Text { style, .. } | Block::Row { style, .. } => {
                format!("{}x{}{}", style.width, style.height, if style.bold { "b" } else { "" })
            }
            _ => String::new(),
        };
        let line = match block {
            Block::Text { text, align: at, .. } => format!("{size}{} {text}", align(*at)),
            Block::Row { cells, .. } => {
                let cell = |c: &docket_protocol::document::Cell| match c.columns {
                    Some(columns) => format!("{}:{columns}{}", c.text, align(c.align)),
                    None => c.text.clone(),
                };
                format!("{size} {}", cells.iter().map(cell).collect::<Vec<_>>().join(" | "))
            }
            Block::Rule { title } => format!("---{title}"),
            Block::Feed { lines } => format!("feed {lines}"),
            Block::Qr { data, module_dots } => format!("qr {data} {module_dots}"),
            other => format!("{other:?}"),
        };
        writeln!(out, "{line}").unwrap();
    }
    out
}

#[track_caller]
fn check(document: &Document, expected: &str) {
    let expected: String = expected.trim().lines().map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(dump(document), expected);
}

fn stations(tickets: &[Ticket]) -> Vec<(TicketKind, &str)> {
    tickets.iter().map(|ticket| (ticket.kind, ticket.station.as_str())).collect()
}

#[test]
fn the_front_slip() {
    let routed = kitchen_and_bar().tickets(&order(), "测试面馆(人民路店)", NOW, 0);
    check(
        &routed.tickets[0].document,
        "2x2b c 美团外卖 #17
        1x1b c 测试面馆(人民路店)
        1x1 c 外卖单
        1x1 下单 01-01 08:00
        1x2b 备注:少放辣 手机号 13812345678_1234
        1x1b 餐具:2 份
        ---菜品
        1x1b 红烧牛肉面(大份) | ×2:5 r | 56.00:9 r
        1x1   中辣 不要香菜
        1x1b 可乐 100%冰 | ×1:5 r | 5.00:9 r
        ---
        1x1 餐盒费 | 2.00:9 r
        1x1 配送费 | 3.00:9 r
        1x1 合计 | 66.00:9 r
        1x1 满50减5元 | -5.00:9 r
        1x2b 实付 | 61.00:9 r
        1x1b r 已在线支付
        ---
        1x2 张(先生)
        1x2 13812345678_1234
        1x2 测试小区 (3号楼 1101)
        qr 27057681346841638 6
        1x1 c 订单号 27057681346841638",
    );
}

#[test]
fn the_kitchen_slips() {
    let routed = kitchen_and_bar().tickets(&order(), "测试面馆", NOW, 0);
    assert_eq!(
        stations(&routed.tickets),
        [(TicketKind::Front, "front"), (TicketKind::Kitchen, "kitchen"), (TicketKind::Kitchen, "bar")]
    );
    assert!(routed.unmapped.is_empty());
    check(
        &routed.tickets[1].document,
        "2x2b c 美团外卖 #17
        1x1 c 厨打单 kitchen
        1x1 下单 01-01 08:00
        ---
        1x2b 红烧牛肉面(大份) | ×2:5 r
        1x2   中辣 不要香菜
        ---
        1x2b 备注:少放辣 手机号 [号码]",
    );
    check(
        &routed.tickets[2].document,
        "2x2b c 美团外卖 #17
        1x1 c 厨打单 bar
        1x1 下单 01-01 08:00
        ---
        1x2b 可乐 100%冰 | ×1:5 r
        ---
        1x2b 备注:少放辣 手机号 [号码]",
    );
}

#[test]
fn a_preorder_for_self_pickup_paid_in_cash() {
    let mut order = order();
    order.wanted_at = Some(UnixMs(1_767_240_000_000));
    order.fulfilment = Fulfilment::SelfPickup;
    order.paid_online = false;
    order.invoice_title = "某某公司".into();
    order.cutlery = Some(Cutlery::None);
    order.note.clear();
    order.recipient = Recipient::default();
    order.dishes[1].bag = 1;
    order.dishes[1].spec = "100%冰".into();
    order.adjustments.push(Adjustment { name: "赠可乐1份".into(), amount: Fen(0) });
    let routed = kitchen_and_bar().tickets(&order, "", NOW, 0);
    check(
        &routed.tickets[0].document,
        "2x2b c 美团外卖 #17
        1x1 c 外卖单
        2x2b c 预订 01-01 12:00
        2x2b c 到店自取
        1x1 下单 01-01 08:00
        1x1b 餐具:不需要
        ---1号口袋
        1x1b 红烧牛肉面(大份) | ×2:5 r | 56.00:9 r
        1x1   中辣 不要香菜
        ---2号口袋
        1x1b 可乐 100%冰 | ×1:5 r | 5.00:9 r
        ---
        1x1 餐盒费 | 2.00:9 r
        1x1 配送费 | 3.00:9 r
        1x1 合计 | 66.00:9 r
        1x1 满50减5元 | -5.00:9 r
        1x1 赠可乐1份
        1x2b 应收 | 61.00:9 r
        1x1b r 货到付款
        1x1 发票:某某公司
        ---
        qr 27057681346841638 6
        1x1 c 订单号 27057681346841638",
    );
    assert!(dump(&routed.tickets[1].document).contains("2x2b c 预订 01-01 12:00"), "the kitchen too");
}

#[test]
fn reminders_and_cancellations_follow_the_order() {
    let routing = kitchen_and_bar();
    let urge = routing.urge_tickets(&order(), "测试面馆", NOW, 1).tickets;
    assert_eq!(
        stations(&urge),
        [(TicketKind::Urge, "front"), (TicketKind::Urge, "kitchen"), (TicketKind::Urge, "bar")]
    );
    assert_eq!(urge[0].title, "(催)美团外卖 #17");
    assert!(urge.iter().all(|ticket| ticket.urgent), "it goes before what waits");
    check(
        &urge[1].document,
        "2x2b c (催)美团外卖 #17
        1x1b c 测试面馆
        1x1 c 催菜单 kitchen
        1x1 下单 01-01 08:00
        ---
        1x2b (催)红烧牛肉面(大份) | ×2:5 r
        1x2   中辣 不要香菜
        ---
        1x2b c 顾客催单,请尽快出餐",
    );
    let again = routing.urge_tickets(&order(), "测试面馆", NOW, 2).tickets;
    assert_ne!(urge[0].id, again[0].id, "another reminder is another slip");
    assert_eq!(urge, routing.urge_tickets(&order(), "测试面馆", NOW, 1).tickets);

    let cancel = routing.cancel_tickets(&order(), "测试面馆", NOW, 0, "顾客取消 电话13812345678").tickets;
    assert_eq!(cancel.len(), 3);
    check(
        &cancel[0].document,
        "2x2b c (退)美团外卖 #17
        1x1b c 测试面馆
        1x1 c 退菜单 front
        1x1 下单 01-01 08:00
        ---
        1x2b (退)红烧牛肉面(大份) | ×2:5 r
        1x2   中辣 不要香菜
        1x2b (退)可乐 100%冰 | ×1:5 r
        ---
        1x1b 原因:顾客取消 电话[号码]
        1x2b c 订单已取消,请停止制作",
    );
}

#[test]
fn dishes_that_map_nowhere_are_printed_and_named() {
    let routing = routing("stations = [{ name = 'kitchen', dishes = ['F1001'] }]");
    let mut order = order();
    order.dishes.push(dish("", "新菜", 1, 100));
    let routed = routing.tickets(&order, "店", NOW, 0);
    assert_eq!(
        stations(&routed.tickets),
        [(TicketKind::Front, "front"), (TicketKind::Kitchen, "kitchen"), (TicketKind::Kitchen, "")]
    );
    assert_eq!(routed.unmapped, ["可乐 100%冰 [F2001]", "新菜"]);
    let text = dump(&routed.tickets[2].document);
    assert!(text.contains("可乐") && text.contains("新菜") && !text.contains("牛肉面"), "{text}");
    assert_eq!(routing.cancel_tickets(&order, "店", NOW, 0, "").tickets.len(), 3, "they follow there too");
}

#[test]
fn the_rest_can_be_a_stations() {
    let routing = routing(
        "front_station = 'desk'
         stations = [{ name = 'kitchen', dishes = ['*'] }, { name = 'bar', dishes = ['F2001'] }]",
    );
    let routed = routing.tickets(&order(), "店", NOW, 0);
    assert_eq!(
        stations(&routed.tickets),
        [(TicketKind::Front, "desk"), (TicketKind::Kitchen, "kitchen"), (TicketKind::Kitchen, "bar")]
    );
    assert!(routed.unmapped.is_empty());
}

#[test]
fn the_code_goes_before_the_name() {
    let routing = routing(
        "stations = [{ name = 'a', dishes = ['可乐 100%冰'] }, { name = 'b', dishes = ['F2001', 'F1001'] }]",
    );
    let routed = routing.tickets(&order(), "店", NOW, 0);
    assert_eq!(stations(&routed.tickets)[1..], [(TicketKind::Kitchen, "b")]);
}

#[test]
fn without_stations_an_order_is_its_front_slip() {
    let routing = routing("");
    let routed = routing.tickets(&order(), "店", NOW, 0);
    assert_eq!(stations(&routed.tickets), [(TicketKind::Front, "front")]);
    assert!(routed.unmapped.is_empty());
    assert_eq!(routing.urge_tickets(&order(), "店", NOW, 1).tickets.len(), 1);
    let mut bare = order();
    bare.dishes.clear();
    let routed = kitchen_and_bar().tickets(&bare, "店", NOW, 0);
    assert_eq!(routed.tickets.len(), 1);
    assert!(dump(&routed.tickets[0].document).contains("菜品明细未收到"));
}

#[test]
fn a_station_that_is_the_front_as_well_follows_once() {
    let routing = routing("stations = [{ name = 'front', dishes = ['*'] }]");
    assert_eq!(routing.tickets(&order(), "店", NOW, 0).tickets.len(), 2, "an order's two slips differ");
    let urge = routing.urge_tickets(&order(), "店", NOW, 1).tickets;
    assert_eq!(stations(&urge), [(TicketKind::Urge, "front")]);
}

#[test]
fn routing_twice_makes_nothing_twice() {
    let (routing, order) = (kitchen_and_bar(), order());
    let first = routing.tickets(&order, "店", NOW, 0);
    assert_eq!(first, routing.tickets(&order, "店", NOW, 0));
    let mut all = first.tickets;
    all.extend(routing.urge_tickets(&order, "店", NOW, 1).tickets);
    all.extend(routing.cancel_tickets(&order, "店", NOW, 0, "").tickets);
    let mut ids: Vec<_> = all.iter().map(|ticket| ticket.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 9, "all of them differ");
}

#[test]
fn personal_data_is_on_the_front_slip_only() {
    let (routing, order) = (kitchen_and_bar(), order());
    let mut all = routing.tickets(&order, "店", NOW, 0).tickets;
    all.extend(routing.urge_tickets(&order, "店", NOW, 1).tickets);
    all.extend(routing.cancel_tickets(&order, "店", NOW, 0, "13812345678").tickets);
    for ticket in all {
        assert_eq!(ticket.title.trim_start_matches(['(', '催', '退', ')']), "美团外卖 #17");
        let text = dump(&ticket.document);
        let personal = ["13812345678", "张(先生)", "1101"].iter().any(|secret| text.contains(secret));
        assert_eq!(personal, ticket.kind == TicketKind::Front, "{text}");
    }
}

#[test]
fn the_largest_order_fits_a_frame() {
    // As much as fits a push: text that is not escaped, 300 dishes, the longest names.
    let mut order = order();
    let name = "面".repeat(125);
    order.dishes = (0..300).map(|n| dish(&format!("F{n}"), &name, 10_000, 1_000_000_000)).collect();
    order.note = "辣".repeat(1_000);
    for ticket in
        routing("stations = [{ name = 'kitchen', dishes = ['*'] }]").tickets(&order, "店", NOW, 0).tickets
    {
        let bytes = payload(&ticket).len();
        assert!(bytes < FRAME_BYTES_MAX * 3 / 4, "{bytes} bytes");
    }
}

#[test]
fn an_order_of_the_counter_names_its_table() {
    let mut order = order();
    order.key = OrderKey { platform: Platform::Counter, id: "s0042-1a2b3c4d/till-17".into() };
    order.fulfilment = Fulfilment::DineIn { table: "A12".into() };
    order.paid_online = false;
    let routed = kitchen_and_bar().tickets(&order, "测试面馆", NOW, 0);
    let front = dump(&routed.tickets[0].document);
    assert!(front.starts_with("2x2b c 柜台 #17\n2x2b c A12\n1x1b c 测试面馆\n1x1 c 堂食单\n"), "{front}");
    assert!(front.contains("1x2b 应收") && front.contains("1x1b r 未付款"), "{front}");
    let kitchen = dump(&routed.tickets[1].document);
    assert!(kitchen.starts_with("2x2b c 柜台 #17\n2x2b c A12\n1x1 c 厨打单 kitchen\n"), "{kitchen}");
    let cancel = kitchen_and_bar().cancel_tickets(&order, "测试面馆", NOW, 0, "").tickets;
    assert!(dump(&cancel[1].document).starts_with("2x2b c (退)柜台 #17\n2x2b c A12\n"));
    order.fulfilment = Fulfilment::SelfPickup;
    order.paid_online = true;
    let front = dump(&kitchen_and_bar().tickets(&order, "测试面馆", NOW, 0).tickets[0].document);
    assert!(front.contains("1x1 c 柜台单") && front.contains("1x1b r 已付款"), "{front}");
}
