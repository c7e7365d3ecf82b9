//! Ready tickets: documents of typed blocks, without a printer's commands. They go to a station, as the store's printers
//! are mapped, or to one printer.

use super::order::{at_most, line, needed, this_century};
use super::problem::Problem;
use docket_paper::Paper;
use docket_paper::barcode::Barcode;
use docket_paper::layout::{Marks, is_cut_short, lay_out};
use docket_protocol::document::{Align, Block, Cell, Document, Image, QR_BYTES_MAX, Style, Symbology};
use docket_protocol::ids::{OrderKey, PrinterName, Station, TicketId, UnixMs};
use docket_protocol::ticket::{COPIES_MAX, Ticket, TicketKind};
use serde::Deserialize;

/// Tickets in one request.
const TICKETS_MAX: usize = 50;
const BLOCKS_MAX: usize = 4_000;
const CELLS_MAX: usize = 16;
/// A title is for queues and logs.
const TITLE_CHARS_MAX: usize = 100;
const STATION_CHARS_MAX: usize = 64;

/// The body of a submission.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketsForm {
    tickets: Vec<TicketForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketForm {
    #[serde(default)]
    station: Option<String>,
    #[serde(default)]
    printer: Option<String>,
    title: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default = "one")]
    copies: u8,
    #[serde(default)]
    urgent: bool,
    #[serde(default)]
    expires_at_ms: Option<i64>,
    blocks: Vec<BlockForm>,
}

fn one() -> u8 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
enum BlockForm {
    Text {
        text: String,
        #[serde(default)]
        style: StyleForm,
        #[serde(default)]
        align: AlignForm,
    },
    Row {
        cells: Vec<CellForm>,
        #[serde(default)]
        style: StyleForm,
    },
    Rule {
        #[serde(default)]
        title: String,
    },
    Feed {
        #[serde(default = "one")]
        lines: u8,
    },
    Qr {
        data: String,
        #[serde(default = "qr_module_dots")]
        module_dots: u8,
    },
    Barcode {
        data: String,
        symbology: SymbologyForm,
        #[serde(default = "bar_height_dots")]
        height_dots: u8,
        #[serde(default = "bar_module_dots")]
        module_dots: u8,
        #[serde(default)]
        caption: bool,
    },
    Image {
        width_dots: u16,
        rows_base64: String,
        #[serde(default)]
        align: AlignForm,
    },
    Cut {},
    Drawer {
        #[serde(default = "one")]
        connector: u8,
    },
    Buzzer {
        #[serde(default = "one")]
        times: u8,
    },
}

fn qr_module_dots() -> u8 {
    6
}

fn bar_height_dots() -> u8 {
    80
}

fn bar_module_dots() -> u8 {
    2
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StyleForm {
    width: u8,
    height: u8,
    bold: bool,
    underline: bool,
    reverse: bool,
}

impl Default for StyleForm {
    fn default() -> Self {
        StyleForm { width: 1, height: 1, bold: false, underline: false, reverse: false }
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AlignForm {
    #[default]
    Left,
    Center,
    Right,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SymbologyForm {
    Code128,
    Ean13,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CellForm {
    text: String,
    #[serde(default)]
    columns: Option<u8>,
    #[serde(default)]
    align: AlignForm,
}

impl TicketsForm {
    /// The tickets, each with a printer where one was chosen.
    pub(super) fn tickets(
        self,
        key: &OrderKey,
        now: UnixMs,
    ) -> Result<Vec<(Ticket, Option<PrinterName>)>, Problem> {
        if self.tickets.is_empty() {
            return Err(Problem::field("tickets", "没有小票", "there are none"));
        }
        at_most("tickets", self.tickets.len(), TICKETS_MAX)?;
        (0..).zip(self.tickets).map(|(place, form)| form.ticket(place, key, now)).collect()
    }
}

impl TicketForm {
    fn ticket(
        self,
        place: u32,
        key: &OrderKey,
        now: UnixMs,
    ) -> Result<(Ticket, Option<PrinterName>), Problem> {
        let at = format!("tickets[{place}]");
        let station = match (&self.station, &self.printer) {
            (Some(station), None) => station.clone(),
            (None, Some(_)) => String::new(),
            _ => {
                return Err(Problem::field(
                    at,
                    "station(档口)和 printer(打印机)写且只写一个",
                    "give either a station or a printer",
                ));
            }
        };
        line(&format!("{at}.station"), &station, STATION_CHARS_MAX)?;
        needed(&format!("{at}.title"), &self.title)?;
        line(&format!("{at}.title"), &self.title, TITLE_CHARS_MAX)?;
        this_century(&format!("{at}.expires_at_ms"), self.expires_at_ms)?;
        between(&format!("{at}.copies"), self.copies, 1, COPIES_MAX)?;
        let kind = self.kind.as_deref().map_or(Some(TicketKind::Bill), TicketKind::from_name);
        let Some(kind) = kind else {
            let kinds = TicketKind::ALL.map(TicketKind::as_str).join("、");
            return Err(Problem::field(
                format!("{at}.kind"),
                format!("应为其中之一:{kinds}"),
                format!("one of {kinds} is taken"),
            ));
        };
        let blocks = blocks(&format!("{at}.blocks"), self.blocks)?;
        let station = Station::new(station);
        let ticket = Ticket {
            id: TicketId::derive_part(key, kind, &station, place + 1, 0),
            order: key.clone(),
            kind,
            station,
            title: self.title,
            made_at: now,
            maybe_printed: false,
            urgent: self.urgent,
            copies: self.copies,
            expires_at: self.expires_at_ms.map(UnixMs),
            document: Document { blocks },
        };
        // The narrowest paper makes the longest ticket.
        if is_cut_short(&lay_out(&ticket.document, Paper::Mm58, &Marks::default())) {
            return Err(Problem::field(
                format!("{at}.blocks"),
                "太长:一张小票最长 45 米",
                "it is too long: a ticket has 45 m of paper at most",
            ));
        }
        Ok((ticket, self.printer.map(PrinterName::new)))
    }
}

fn blocks(at: &str, forms: Vec<BlockForm>) -> Result<Vec<Block>, Problem> {
    if forms.is_empty() {
        return Err(Problem::field(at, "没有内容", "there are none"));
    }
    at_most(at, forms.len(), BLOCKS_MAX)?;
    forms.into_iter().enumerate().map(|(place, form)| form.block(&format!("{at}[{place}]"))).collect()
}

impl BlockForm {
    fn block(self, at: &str) -> Result<Block, Problem> {
        Ok(match self {
            BlockForm::Text { text, style, align } => {
                Block::Text { text, style: style.style(at)?, align: align.into() }
            }
            BlockForm::Row { cells, style } => {
                at_most(&format!("{at}.cells"), cells.len(), CELLS_MAX)?;
                Block::Row { cells: cells.into_iter().map(Cell::from).collect(), style: style.style(at)? }
            }
            BlockForm::Rule { title } => Block::Rule { title },
            BlockForm::Feed { lines } => Block::Feed { lines },
            BlockForm::Qr { data, module_dots } => {
                between(&format!("{at}.module_dots"), module_dots, 1, 16)?;
                if data.is_empty() || data.len() > QR_BYTES_MAX {
                    return Err(Problem::field(
                        format!("{at}.data"),
                        format!("应为 1 到 {QR_BYTES_MAX} 字节"),
                        format!("1 to {QR_BYTES_MAX} bytes are taken"),
                    ));
                }
                Block::Qr { data, module_dots }
            }
            BlockForm::Barcode { data, symbology, height_dots, module_dots, caption } => {
                between(&format!("{at}.height_dots"), height_dots, 1, u8::MAX)?;
                between(&format!("{at}.module_dots"), module_dots, 2, 6)?;
                let symbology = Symbology::from(symbology);
                if Barcode::new(&data, symbology).is_none() {
                    return Err(Problem::field(
                        format!("{at}.data"),
                        "这种条码写不了:只能是 ASCII,EAN-13 是 12 位数字或带正确校验位的 13 位",
                        "such a bar code cannot say it: ASCII only; EAN-13 has 12 digits, or 13 with the right last one",
                    ));
                }
                Block::Barcode { data, symbology, height_dots, module_dots, caption }
            }
            BlockForm::Image { width_dots, rows_base64, align } => {
                let image = Image { width_dots, rows: base64(&rows_base64).unwrap_or_default() };
                if image.rows.is_empty()
                    || width_dots == 0
                    || !image.rows.len().is_multiple_of(image.row_bytes())
                {
                    return Err(Problem::field(
                        format!("{at}.rows_base64"),
                        "应为 Base64,每行 (width_dots + 7) / 8 个字节,至少一行",
                        "Base64 of whole rows is taken, each of (width_dots + 7) / 8 bytes",
                    ));
                }
                Block::Image { image, align: align.into() }
            }
            BlockForm::Cut {} => Block::Cut,
            BlockForm::Drawer { connector } => {
                between(&format!("{at}.connector"), connector, 1, 2)?;
                Block::Drawer { connector }
            }
            BlockForm::Buzzer { times } => {
                between(&format!("{at}.times"), times, 1, 9)?;
                Block::Buzzer { times }
            }
        })
    }
}

impl StyleForm {
    fn style(self, at: &str) -> Result<Style, Problem> {
        let StyleForm { width, height, bold, underline, reverse } = self;
        between(&format!("{at}.style.width"), width, 1, 8)?;
        between(&format!("{at}.style.height"), height, 1, 8)?;
        Ok(Style { width, height, bold, underline, reverse })
    }
}

impl From<CellForm> for Cell {
    fn from(form: CellForm) -> Self {
        Cell { text: form.text, columns: form.columns, align: form.align.into() }
    }
}

impl From<AlignForm> for Align {
    fn from(form: AlignForm) -> Self {
        match form {
            AlignForm::Left => Align::Left,
            AlignForm::Center => Align::Center,
            AlignForm::Right => Align::Right,
        }
    }
}

impl From<SymbologyForm> for Symbology {
    fn from(form: SymbologyForm) -> Self {
        match form {
            SymbologyForm::Code128 => Symbology::Code128,
            SymbologyForm::Ean13 => Symbology::Ean13,
        }
    }
}

fn between(field: &str, value: u8, min: u8, max: u8) -> Result<(), Problem> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Problem::field(field, format!("应为 {min} 到 {max}"), format!("{min} to {max} is taken")))
}

/// RFC 4648, section 4, with its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (digits, padding) = match text.as_bytes() {
        [digits @ .., b'=', b'='] => (digits, 2),
        [digits @ .., b'='] => (digits, 1),
        digits => (digits, 0),
    };
    if (digits.len() + padding) % 4 != 0 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for &digit in group {
            bits = bits << 6 | u32::from(sextet(digit)?);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_the_standard_has_it() {
        // RFC 4648, section 10.
        let vectors = [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")];
        for (text, bytes) in vectors {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(base64("+/8="), Some(vec![0xFB, 0xFF]));
        for wrong in ["Z", "Zg", "Zg=", "Z===", "Zm9v=", "Zm 9v", "Zm9v\n"] {
            assert_eq!(base64(wrong), None, "{wrong:?}");
        }
    }
}
