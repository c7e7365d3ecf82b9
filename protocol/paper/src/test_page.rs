//! The test page: what is printed after a printer was added.
//!
//! There are two ways to it that give the same document, and a test that compares them: the hub fills in the template
//! `test.jinja`, which a chain can change; the agent, which has no template language (0.4 MB), takes
//! [`TestPage::document`]. So what a person at headquarters sees in a preview is what a store prints.

use crate::china;
use docket_protocol::document::{Align, Block, Cell, Document, Style, Symbology};
use docket_protocol::ids::UnixMs;

/// Columns of a row's quantity and amount, as slips have them.
const QUANTITY_COLUMNS: u8 = 5;
const AMOUNT_COLUMNS: u8 = 9;
const QR_MODULE_DOTS: u8 = 6;
const BARCODE_HEIGHT_DOTS: u8 = 60;
const BARCODE_MODULE_DOTS: u8 = 2;

/// What a test page says.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "templates", derive(serde::Serialize))]
pub struct TestPage {
    /// The store's name; may be empty.
    pub store: String,
    /// The printer as the store names it.
    pub printer: String,
    /// Where it is: `192.168.1.50:9100`, `COM3`, `/dev/usb/lp0`.
    pub address: String,
    /// What kind of unit it is, as far as is known.
    pub model: String,
    /// Width of the paper in millimetres.
    pub paper_mm: u16,
    /// Columns of a line.
    pub columns: u16,
    /// When it was made.
    #[cfg_attr(feature = "templates", serde(skip))]
    pub made_at: UnixMs,
}

impl TestPage {
    /// The page as the default template has it.
    pub fn document(&self) -> Document {
        let TestPage { store, printer, address, model, paper_mm, columns, made_at } = self;
        let mut blocks = vec![
            center("测试页".into(), Style::BIG),
            center(printer.clone(), Style { bold: true, ..Style::TALL }),
            center(address.clone(), Style::BOLD),
        ];
        if !store.is_empty() {
            blocks.push(left(format!("门店 {store}")));
        }
        if !model.is_empty() {
            blocks.push(left(format!("型号 {model}")));
        }
        blocks.extend([
            left(format!("时间 {}", china::date_and_time(*made_at))),
            left(format!("纸宽 {paper_mm} mm,每行 {columns} 字")),
            rule("1 下面一行应正好占满纸宽"),
            left(self.ruler()),
            rule("2 各种字样应清楚可读"),
        ]);
        blocks.extend(samples());
        blocks.extend([
            rule("3 三列应对齐"),
            row("红烧牛肉面(大份)", "×2", "56.00", Style::BOLD),
            row("可乐", "×12", "1234.00", Style::NORMAL),
            rule("4 手机应能扫出"),
            Block::Qr { data: format!("DOCKET {printer} {address}"), module_dots: QR_MODULE_DOTS },
            Block::Barcode {
                data: "DOCKET-0123".into(),
                symbology: Symbology::Code128,
                height_dots: BARCODE_HEIGHT_DOTS,
                module_dots: BARCODE_MODULE_DOTS,
                caption: true,
            },
            rule("5 纸应切断,切口平整"),
            center("如有一项不对,请拍照发给总部".into(), Style::NORMAL),
        ]);
        Document { blocks }
    }

    /// `----5---10---15`, as wide as the paper.
    pub(crate) fn ruler(&self) -> String {
        let columns = self.columns;
        let mut out = String::with_capacity(usize::from(columns));
        for tens in (5..=columns).step_by(5) {
            let number = tens.to_string();
            out.extend(std::iter::repeat_n('-', usize::from(tens) - out.len() - number.len()));
            out.push_str(&number);
        }
        out.extend(std::iter::repeat_n('-', usize::from(columns) - out.len()));
        out
    }
}

/// Every style of text, and where text can stand.
fn samples() -> [Block; 11] {
    let wide = Style { width: 2, ..Style::NORMAL };
    let styled = |text: &str, style| Block::Text { text: text.into(), style, align: Align::Left };
    [
        left("普通 Abc 123 中文 ×2 ￥56.00".into()),
        styled("加粗 Abc 123 中文", Style::BOLD),
        styled("下划线 Abc 123 中文", Style { underline: true, ..Style::NORMAL }),
        styled("反白 Abc 123 中文", Style { reverse: true, ..Style::NORMAL }),
        styled("倍高 Abc 123 中文", Style::TALL),
        styled("倍宽 Abc 中文", wide),
        styled("倍高倍宽 中文", Style::BIG),
        styled("三倍", Style { width: 3, height: 3, ..Style::NORMAL }),
        left("居左".into()),
        center("居中".into(), Style::NORMAL),
        Block::Text { text: "居右".into(), style: Style::NORMAL, align: Align::Right },
    ]
}

fn left(text: String) -> Block {
    Block::Text { text, style: Style::NORMAL, align: Align::Left }
}

fn center(text: String, style: Style) -> Block {
    Block::Text { text, style, align: Align::Center }
}

fn rule(title: &str) -> Block {
    Block::Rule { title: title.into() }
}

fn row(dish: &str, quantity: &str, amount: &str, style: Style) -> Block {
    let right = |text: &str, columns| Cell { text: text.into(), columns: Some(columns), align: Align::Right };
    let dish = Cell { text: dish.into(), columns: None, align: Align::Left };
    Block::Row { cells: vec![dish, right(quantity, QUANTITY_COLUMNS), right(amount, AMOUNT_COLUMNS)], style }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ruler_is_as_wide_as_the_paper() {
        let ruler = |columns| TestPage { columns, ..TestPage::default() }.ruler();
        assert_eq!(ruler(12), "----5---10--");
        assert_eq!(ruler(48).len(), 48);
        assert_eq!(ruler(0), "");
    }
}
