//! What templates make of orders, and what is refused.

use super::sample::{HOSTILE, full, views};
use super::{Bound, Fault, Images, Part, Slip, Template, TemplateError, TemplateKind, View};
use crate::Paper;
use crate::layout::{Marks, is_cut_short, lay_out};
use crate::line::Line;
use docket_protocol::document::{Align, Block, Cell, Document, Image, QR_BYTES_MAX, Style, Symbology};
use docket_protocol::frame::{FRAME_BYTES_MAX, payload};
use docket_protocol::ids::{Fen, UnixMs};
use docket_protocol::order::{Dish, Order};

fn view_of(kind: TemplateKind, order: &Order) -> View {
    let parts = [Part { station: "热菜", dishes: order.dishes.iter().collect() }];
    View::slip(&Slip {
        kind,
        order,
        store: "人民路店",
        station: "热菜",
        parts: &parts,
        made_at: UnixMs(0),
        reason: "",
        table: "",
        piece: (1, 1),
    })
}

fn read(text: &str) -> Template {
    Template::read(TemplateKind::Kitchen, "kitchen.jinja", text, &Images::new())
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// The blocks that a template makes of an order whose note is `note`.
fn blocks(text: &str, note: &str) -> Vec<Block> {
    let order = Order { note: note.into(), ..full() };
    let made = read(text).render(&view_of(TemplateKind::Kitchen, &order));
    made.unwrap_or_else(|error| panic!("{text:?}: {error}")).blocks
}

fn text(text: &str, style: Style, align: Align) -> Block {
    Block::Text { text: text.into(), style, align }
}

fn plain(line: &str) -> Block {
    text(line, Style::NORMAL, Align::Left)
}

fn refused(text: &str) -> TemplateError {
    Template::check(TemplateKind::Kitchen, "kitchen.jinja", text, &Images::new()).unwrap_err()
}

#[test]
fn a_template_becomes_blocks() {
    let made = blocks(
        "{# a note #}\n[big center] {{ platform }} #{{ pickup }}\n\n\
         {% for dish in dishes %}\n  [tall] {{ dish.name }} |5> ×{{ dish.quantity }} | {{ dish.code }}\n{% endfor %}\n\
         [rule] 完\n[横线]\n[qr 4] {{ order_id }}\n[barcode 60 caption] {{ pickup }}\n[feed 2]\n[cut]\n[钱箱 2]\n[buzzer 3]\n\
         {% if note %}备注 {{ note }}{% endif %}",
        "",
    );
    let cell = |text: &str, columns, align| Cell { text: text.into(), columns, align };
    let row = |name: &str, quantity: &str, code: &str| Block::Row {
        cells: vec![
            cell(name, None, Align::Left),
            cell(quantity, Some(5), Align::Right),
            cell(code, None, Align::Left),
        ],
        style: Style::TALL,
    };
    assert_eq!(
        made,
        [
            text("美团外卖 #17", Style::BIG, Align::Center),
            row("红烧牛肉面(大份)", "×2", "F1001"),
            row("招牌老坛酸菜龙利鱼配手擀宽粉双人分享套餐", "×1", "F9003"),
            row("油㸆大虾", "×1", "F9004"),
            row("杨枝甘露🥭", "×3", "F2001"),
            Block::Rule { title: "完".into() },
            Block::Rule { title: String::new() },
            Block::Qr { data: "27057681346841638".into(), module_dots: 4 },
            Block::Barcode {
                data: "17".into(),
                symbology: Symbology::Code128,
                height_dots: 60,
                module_dots: 2,
                caption: true,
            },
            Block::Feed { lines: 2 },
            Block::Cut,
            Block::Drawer { connector: 2 },
            Block::Buzzer { times: 3 },
        ]
    );
}

#[test]
fn pictures_go_by_name() {
    let image = Image { width_dots: 8, rows: vec![0xF0, 0x0F] };
    let images = Images::from([("logo".into(), image.clone())]);
    let template =
        Template::check(TemplateKind::Label, "label.jinja", "[image logo right]", &images).unwrap();
    let document = template.render(&view_of(TemplateKind::Label, &full())).unwrap();
    assert_eq!(document.blocks, [Block::Image { image, align: Align::Right }]);
    let error = refused("a\n[图片 logo]");
    assert_eq!((error.code(), error.line), ("template-image", 2));
}

#[test]
fn pictures_count_as_bytes() {
    let images = Images::from([("big".into(), Image { width_dots: 576, rows: vec![0xFF; 72 * 800] })]);
    let check = |text: &str| Template::check(TemplateKind::Label, "label.jinja", text, &images);
    assert!(check("[image big]\n[image big]").is_ok());
    let fault = check("[image big]\n[image big]\n[image big]").unwrap_err().fault;
    assert_eq!(fault, Fault::Bound { bound: Bound::Bytes });
}

#[test]
fn what_is_inserted_is_text() {
    let shown = " [big center] x [cut] |9> y | z {{ total }} {% raw %} \\[ @ 末";
    for template in [
        "{{ note }}",
        "[tall] {{ note }}",
        "{% set n %}{{ note }}{% endset %}{{ n }}",
        "{{ note ~ '' }}",
        "{% for n in [note] %}{{ n }}{% endfor %}",
        "{% if note %}{{ note }}{% endif %}",
        "{% autoescape false %}{{ note }}{% endautoescape %}",
    ] {
        let made = blocks(template, HOSTILE);
        let [Block::Text { text, .. }] = made.as_slice() else { panic!("{template:?}: {made:?}") };
        assert_eq!(text, shown, "{template:?}");
    }
    assert_eq!(blocks("[rule] {{ note }}", HOSTILE), [Block::Rule { title: shown.trim().into() }]);
    let made = blocks("a | {{ note }} |5> b", HOSTILE);
    let [Block::Row { cells, .. }] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!(cells.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>(), ["a", shown.trim(), "b"]);
}

#[test]
fn pieces_of_what_is_inserted_are_text_too() {
    for template in [
        "{% set n %}{{ note }}{% endset %}{{ n[1:] }}",
        "{% set n %}{{ note }}{% endset %}{{ n[3:20] }}",
        "{{ note[1:] }}",
        "{{ note[1:]|multiline }}",
    ] {
        for at in 0..HOSTILE.chars().count() {
            let rest: String = HOSTILE.chars().skip(at).collect();
            if rest.trim().is_empty() {
                continue;
            }
            let made = read(template)
                .render(&view_of(TemplateKind::Kitchen, &Order { note: rest.clone(), ..full() }))
                .map(|document| document.blocks);
            match made.as_deref() {
                Ok([Block::Text { style, align, .. }]) => {
                    assert_eq!((*style, *align), (Style::NORMAL, Align::Left), "{template:?} {rest:?}");
                }
                Err(TemplateError { fault: Fault::Blank, .. }) => {}
                other => panic!("{template:?} {rest:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn lines_of_a_text_are_kept_where_that_is_wanted() {
    let big = |line: &str| text(line, Style::BIG, Align::Left);
    assert_eq!(
        blocks("[big] {{ note|multiline }}\nb", "甲\n[rule]\n乙"),
        [big("甲\n[rule]\n乙"), plain("b")]
    );
    assert_eq!(blocks("[big] {{ note }}\nb", "甲\n[rule]\r\n乙"), [big("甲 [rule]  乙"), plain("b")]);
}

#[test]
fn a_line_without_content_is_not_printed() {
    let made = blocks("[big] {{ note }}\n[qr] {{ note }}\n{{ note }} | {{ note }}\na", "");
    assert_eq!(made, [plain("a")]);
    assert_eq!(blocks("[big]   \n\n {{ note }}\na", "  "), [plain("a")]);
}

#[test]
fn escaped_signs_are_printed() {
    assert_eq!(blocks("\\[big] a \\| b \\\\", ""), [plain("[big] a | b \\")]);
    assert_eq!(blocks("a{{ '|' }}b", ""), [plain("a|b")]);
}

#[test]
fn the_default_templates_pass_their_own_check() {
    for kind in TemplateKind::ALL {
        let checked = Template::check(kind, kind.file(), kind.default_text(), &Images::new());
        assert!(checked.is_ok(), "{}", checked.unwrap_err());
        assert_eq!(TemplateKind::from_name(kind.as_str()), Some(kind));
        assert!(!kind.title().is_empty());
    }
}

#[test]
fn mistakes_are_refused_with_line_and_reason() {
    let cases: [(&str, usize, &str, &str); 10] = [
        ("a\n[bigg] b", 2, "template-brackets", "bigg"),
        ("a\n\n{% if note %}\nb", 3, "template-syntax", ""),
        ("a\n{{ note", 2, "template-syntax", ""),
        ("a\n{{ nota }}", 2, "template-name", "nota"),
        ("a\n{% if nota %}b{% endif %}", 2, "template-name", "nota"),
        ("{% for dish in dishes %}\n{{ dish.nam }}\n{% endfor %}\na", 2, "template-name", "nam"),
        ("a\nb\n{{ note|nofilter }}", 3, "template-failed", "nofilter"),
        ("a\n{{ dishes }}", 2, "template-failed", "{% for %}"),
        ("a {{ recipient.phone }}", 1, "template-name", "recipient.phone"),
        ("{{ note }}", 0, "template-blank", ""),
    ];
    for (template, line, code, says) in cases {
        let error = refused(template);
        assert_eq!((error.code(), error.line), (code, line), "{template:?}: {error}");
        assert_eq!(error.file, "kitchen.jinja");
        assert!(error.to_string().contains(says), "{template:?}: {error}");
        assert!(!error.zh().is_empty() && !error.en().is_empty());
    }
}

#[test]
fn a_fault_in_a_branch_that_no_order_takes_is_found() {
    let error = refused("a\n{% if pickup == 'never' %}\n[bigg] b\n{% endif %}");
    assert_eq!((error.code(), error.line), ("template-brackets", 3));
}

#[test]
fn filling_in_ends() {
    let bound = |text: &str| match refused(text).fault {
        Fault::Bound { bound } => bound,
        other => panic!("{text:?}: {other:?}"),
    };
    let nested = |inner: &str| {
        let digits = "[1,2,3,4,5,6,7,8,9,0]";
        let loops: String = (0..6).map(|n| format!("{{% for a{n} in {digits} %}}")).collect();
        format!("{loops}{inner}{}", "{% endfor %}".repeat(6))
    };
    assert_eq!(bound(&nested("{{ a0 }}")), Bound::Steps);
    let long = "长".repeat(20_000);
    assert_eq!(bound(&format!("{{% for a in [1,2,3,4,5] %}}{long}{{% endfor %}}")), Bound::Bytes);
    let lines = "[rule]\n".repeat(100);
    let digits = "[1,2,3,4,5,6,7,8,9,0]";
    assert_eq!(
        bound(&format!(
            "{{% for a in {digits} %}}{{% for b in {digits} %}}\n{lines}\n{{% endfor %}}{{% endfor %}}"
        )),
        Bound::Blocks
    );
    assert_eq!(bound(&format!("a\n{}", "[feed 20]\n".repeat(700))), Bound::Paper);
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    let blocks = |open: &str, close: &str| {
        let times = 60 * 1024 / (open.len() + close.len());
        format!("x {}y{}", open.repeat(times), close.repeat(times))
    };
    let inserted = |before: &str, after: &str| {
        let times = 60 * 1024 / (before.len() + after.len());
        format!("x {{{{ {}1{} }}}}", before.repeat(times), after.repeat(times))
    };
    for text in [
        inserted("(", ")"),
        inserted("[", "]"),
        inserted("not ", ""),
        inserted("-", ""),
        inserted("", "+1"),
        inserted("", "**1"),
        inserted("", "|upper"),
        inserted("", "[0]"),
        inserted("", " is defined"),
        inserted("", " if 1 else 1"),
        format!("x {{{{ {{'a': {{}}}}{} }}}}", "+1".repeat(20_000)),
        format!("x {{{{ '\\'}}}}'{} }}}}", "+1".repeat(20_000)),
        format!("x {{% if note{} %}}y{{% endif %}}", "+1".repeat(20_000)),
        format!("x {{% if note %}}1{}{{% endif %}}", "{% elif note %}2".repeat(3_000)),
        blocks("{% if note %}", "{% endif %}"),
        blocks("{% for a in [1] %}", "{% endfor %}"),
        "{% macro m() %}{{ m() }}{% endmacro %}x {{ m() }}".into(),
    ] {
        // On a thread of the size that the hub's are of: what overflows its stack takes the test with it.
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let shown = text.chars().take(40).collect::<String>();
        let checked =
            thread.spawn(move || Template::check(TemplateKind::Kitchen, "x", &text, &Images::new()).is_ok());
        assert!(!checked.unwrap().join().unwrap(), "{shown}");
    }
}

#[test]
fn a_failure_can_be_told_without_what_was_filled_in() {
    let order = Order { note: "张先生 13812345678".into(), ..full() };
    let failed = read("{{ note[0].x.y }}").render(&view_of(TemplateKind::Front, &order)).unwrap_err();
    assert!(!failed.without_contents().to_string().contains("138"));
    let failed = TemplateError {
        file: "front.jinja".into(),
        line: 3,
        fault: Fault::Failed { kind: "invalid operation", detail: "13812345678".into() },
    };
    assert!(failed.to_string().contains("13812345678"));
    assert!(!failed.without_contents().to_string().contains("138"));
}

/// Everything that a document says.
fn words(document: &Document) -> String {
    format!("{document:?}")
}

#[test]
fn only_the_front_slip_is_given_the_recipient() {
    let snoop = "{{ recipient.name if recipient else '' }}{{ recipient.phone if recipient else '' }} {{ note }} {{ reason }} x";
    for kind in TemplateKind::ALL.into_iter().filter(|&kind| kind != TemplateKind::Test) {
        let template = Template::check(kind, kind.file(), snoop, &Images::new()).unwrap();
        let default = Template::default_of(kind);
        for view in views(kind) {
            let document = words(&template.render(&view).unwrap()) + &words(&default.render(&view).unwrap());
            let personal = ["张(先生)", "13812340000", "13812345678", "13800001111"];
            let seen = personal.iter().any(|secret| document.contains(secret));
            assert!(!seen || kind == TemplateKind::Front, "{kind:?}: {document}");
        }
    }
    let front = Template::default_of(TemplateKind::Front).render(&views(TemplateKind::Front)[0]).unwrap();
    assert!(words(&front).contains("13812340000_1234") && words(&front).contains("13812345678"));
}

#[test]
fn the_largest_order_fits_bounds_and_frame() {
    let name = "面".repeat(125);
    let dish = |n: u32| Dish {
        code: format!("F{n}"),
        name: name.clone(),
        spec: String::new(),
        choices: vec!["少冰".into(), "三分糖".into()],
        quantity: 10_000,
        price: Fen(1_000_000_000),
        box_fee: Fen(100),
        bag: n,
    };
    let order = Order { dishes: (0..300).map(dish).collect(), note: "辣".repeat(1_000), ..full() };
    for kind in TemplateKind::ALL.into_iter().filter(|&kind| kind != TemplateKind::Test) {
        let document = Template::default_of(kind).render(&view_of(kind, &order));
        let document = document.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let bytes = payload(&document).len();
        assert!(bytes < FRAME_BYTES_MAX * 3 / 4, "{kind:?}: {bytes} bytes");
        assert!(words(&document).contains(&name));
        let marks = Marks { repeat: 1, backup_for: Some("厨房的第二台打印机".into()), late_min: 75 };
        let lines = lay_out(&document, Paper::Mm58, &marks);
        assert!(!is_cut_short(&lines), "{kind:?}");
        let count = |text: &str| text.matches('面').count();
        let printed = lines.iter().map(|line| match line {
            Line::Text { text, .. } => count(text),
            _ => 0,
        });
        assert_eq!(printed.sum::<usize>(), count(&words(&document)), "{kind:?}: nothing is left out");
    }
}

#[test]
fn a_code_that_holds_too_much_is_the_layouts_business() {
    let made = blocks("[qr] {{ note }}", &"长".repeat(1_000));
    let [Block::Qr { data, .. }] = made.as_slice() else { panic!("{made:?}") };
    assert!(data.len() > QR_BYTES_MAX, "the layout prints it as text");
}

/// `docs/templates.md`, which is all that a chain's person has.
fn manual() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/templates.md");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_manual_has_every_word_and_every_variable() {
    let manual = manual();
    for (en, zh) in super::words::pairs() {
        for word in [en, zh] {
            let is_there = ["[", " ", "`"].iter().any(|before| manual.contains(&format!("{before}{word}")));
            assert!(is_there, "docs/templates.md does not say {word}");
        }
    }
    for kind in [TemplateKind::Front, TemplateKind::Test] {
        let View(value) = views(kind).remove(0);
        for name in value.try_iter().unwrap() {
            let name = format!("`{name}`");
            assert!(manual.contains(&name), "docs/templates.md does not say {name}");
        }
        let dish = value.get_attr("dish").unwrap();
        for name in dish.try_iter().into_iter().flatten() {
            assert!(manual.contains(&format!("`dish.{name}`")), "docs/templates.md does not say dish.{name}");
        }
    }
    for kind in TemplateKind::ALL {
        assert!(manual.contains(&kind.file()), "docs/templates.md does not say {}", kind.file());
    }
}

#[test]
fn the_manuals_example_is_in_order() {
    let manual = manual();
    let (_, rest) = manual.split_once("```jinja\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    for kind in [TemplateKind::Kitchen, TemplateKind::Front] {
        let checked = Template::check(kind, "templates.md", example, &Images::new());
        assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }
}

/// Pieces that templates are made of, and some that they are not.
const PIECES: &[&str] = &[
    "a",
    " ",
    "\n",
    "[big]",
    "[",
    "]",
    "|",
    "|5>",
    "\\",
    "{{ note }}",
    "{{ note[1:] }}",
    "{{ note|multiline }}",
    "{{ note|list|join('|') }}",
    "{{ note|replace('a', '[') }}",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{%-",
    "-%}",
    "{% for dish in dishes %}",
    "{% endfor %}",
    "{{ dish.name }}",
    "{% if note %}",
    "{% else %}",
    "{% endif %}",
    "{% set n %}",
    "{% endset %}",
    "{{ n }}",
    "{{ n|upper }}",
    "{{ n[:3] }}",
    "{% raw %}",
    "{% endraw %}",
    "[cut]",
    "[rule]",
    "[qr]",
    "{% macro m() %}",
    "{% endmacro %}",
    "{{ m() }}",
    "{{ m()|list|last }}",
    "'",
    "\"",
    "单",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    /// However a template is put together: it is refused or it prints, and the note that it prints says nothing
    /// but its own words. A note of layout makes as many blocks and cells as one of the same length without.
    #[test]
    fn no_template_turns_a_note_into_layout(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 1..14)) {
        let template: String = pieces.concat();
        let Ok(template) = Template::read(TemplateKind::Kitchen, "x", &template, &Images::new()) else { return Ok(()) };
        let shape = |note: &str| {
            let made = template.render(&view_of(TemplateKind::Kitchen, &Order { note: note.into(), ..full() }));
            made.map(|document| document.blocks.iter().map(|block| match block {
                Block::Text { style, align, .. } => format!("text {style:?} {align:?}"),
                Block::Row { cells, style } => {
                    format!("{style:?} {:?}", cells.iter().map(|cell| (cell.columns, cell.align)).collect::<Vec<_>>())
                }
                Block::Rule { .. } => "rule".into(),
                Block::Qr { .. } => "qr".into(),
                other => format!("{other:?}"),
            }).collect::<Vec<_>>())
        };
        proptest::prop_assert_eq!(shape("x[cut]xx|9>xxx[big]x\\[x|x"), shape("xaaaaaxxaaaxxxaaaaaxaaaxax"));
    }
}

#[test]
fn only_the_word_raw_ends_layout() {
    let set = "{% set raw_note, rawer = note, note %}";
    for begin in ["{{ raw_note }}", "{% if rawer %}{% endif %}{{ rawer }}", "{% set rawest = 1 %}辣"] {
        let made = blocks(&format!("{set}{begin}\n[rule]"), "辣");
        assert_eq!(made, [plain("辣"), Block::Rule { title: String::new() }], "{begin}");
    }
    for (begin, end) in [("{% raw %}", "{% endraw %}"), ("{%-raw-%}", "{%-endraw-%}")] {
        assert_eq!(blocks(&format!("辣{begin}[rule]{end}"), ""), [plain("辣[rule]")], "{begin}");
    }
}
