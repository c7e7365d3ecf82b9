//! What a ticket costs before its first byte leaves.

use docket_paper::Paper;
use docket_paper::escpos::{Dialect, encode};
use docket_paper::font::Fonts;
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use docket_protocol::document::{Align, Block, Cell, Document, Style};
use docket_tests::measure::Durations;
use std::hint::black_box;
use std::time::Instant;

/// Lines of the ticket that is measured, its QR code one of them.
const LINES: usize = 25;
/// Tickets before measuring: the first makes the table of characters.
const WARM_UP_TICKETS: usize = 100;

/// Layout and bytes of one ticket, as the agent makes them.
///
/// # Errors
/// Where the ticket has not as many lines as it is measured for.
pub fn layout_encode(tickets: usize) -> anyhow::Result<Durations> {
    let (document, paper, marks) = (ticket(), Paper::Mm80, Marks::default());
    let lines = lay_out(&document, paper, &marks).len();
    anyhow::ensure!(lines == LINES, "the ticket has {lines} lines, not {LINES}");
    let mut durations = Durations::default();
    for number in 0..WARM_UP_TICKETS + tickets {
        let at = Instant::now();
        let lines: Vec<Line> = lay_out(black_box(&document), paper, &marks);
        let encoded = encode(&lines, paper, &Dialect::default(), &mut Fonts::installed());
        black_box(encoded);
        if number >= WARM_UP_TICKETS {
            durations.add_ms(at.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(durations)
}

/// A take-away slip with twelve dishes.
fn ticket() -> Document {
    let text = |text: String, style| Block::Text { text, style, align: Align::Left };
    let row = |name: &str, count: &str, price: &str, style| {
        let cell = |text: &str, columns, align| Cell { text: text.into(), columns, align };
        let cells = vec![
            cell(name, None, Align::Left),
            cell(count, Some(6), Align::Right),
            cell(price, Some(10), Align::Right),
        ];
        Block::Row { cells, style }
    };
    let mut blocks = vec![
        Block::Text { text: "美团外卖 #9".into(), style: Style::BIG, align: Align::Center },
        Block::Text { text: "测试面馆(人民路店)".into(), style: Style::NORMAL, align: Align::Center },
        text("下单 11-18 19:06".into(), Style::NORMAL),
        text("备注:少放辣,多放香菜,到了打电话".into(), Style::TALL),
        Block::Rule { title: "1号口袋".into() },
    ];
    for dish in ["红烧牛肉面(大份)", "重庆小面", "宫保鸡丁盖浇饭", "可乐 330ml", "凉拌黄瓜", "卤蛋"]
    {
        blocks.push(row(dish, "×2", "56.00", Style::NORMAL));
        blocks.push(text("  中辣 不要香菜".into(), Style::NORMAL));
    }
    blocks.extend([
        Block::Rule { title: String::new() },
        row("餐盒费", "", "6.00", Style::NORMAL),
        row("配送费", "", "3.00", Style::NORMAL),
        row("实付", "", "87.99", Style::TALL),
        text("张(先生) 13812340000_1234".into(), Style::TALL),
        text("测试小区 (3号楼 502)".into(), Style::TALL),
        text("订单号 27057681346841638".into(), Style::NORMAL),
        Block::Qr { data: "27057681346841638".into(), module_dots: 6 },
    ]);
    Document { blocks }
}
