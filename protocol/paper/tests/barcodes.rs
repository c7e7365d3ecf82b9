//! Bar codes are read back from their bars, by a reader that knows only widths.

use docket_paper::barcode::Barcode;
use docket_paper::raster::has_real_time;
use docket_protocol::document::Symbology;
use proptest::prelude::*;

/// Dark and light modules in a row.
fn modules(code: &Barcode) -> Vec<bool> {
    let mut modules = vec![false; usize::from(code.modules())];
    for (x, width) in code.bars() {
        modules[usize::from(x)..usize::from(x + width)].fill(true);
    }
    modules
}

fn widths(modules: &[bool]) -> Vec<u8> {
    modules.chunk_by(|a, b| a == b).map(|run| u8::try_from(run.len()).unwrap()).collect()
}

#[test]
fn code_128_known_symbols() {
    // Start B, P J J 1 2 3 C, stop; the check symbol is (104 + 48 + 2 * 42 + 3 * 42 + 4 * 17 + 5 * 18 + 6 * 19 + 7 * 35)
    // mod 103 = 55.
    let code = Barcode::new("PJJ123C", Symbology::Code128).unwrap();
    let expected =
        ["211214", "313121", "112133", "112133", "123221", "223211", "221132", "131321", "311321", "2331112"];
    let found: String = widths(&modules(&code)).iter().map(u8::to_string).collect();
    assert_eq!(found, expected.concat());
}

#[test]
fn digits_are_paired_where_it_is_shorter() {
    let table: [(&str, &[u8]); 7] = [
        ("123405", b"{C\x0c\x22\x05"),
        ("1234056", b"{C\x0c\x22\x05{B6"),
        ("No.9", b"{BNo.9"),
        ("MT2026112400", b"{BMT{C\x14\x1a\x0b\x18\x00"),
        ("A12345", b"{BA1{C\x17\x2d"),
        ("{1}", b"{B{{1}"),
        // 16 04 would be DLE EOT.
        ("160412345678", b"{B160412345678"),
    ];
    for (data, expected) in table {
        let code = Barcode::new(data, Symbology::Code128).unwrap();
        assert_eq!(code.command_data(), expected, "{data}");
        assert_eq!(code.caption(), data);
    }
}

#[test]
fn ean_13_from_gs1s_example() {
    // 4 006381 333931 is the number in many descriptions; its modules are written out here by their tables.
    let code = Barcode::new("400638133393", Symbology::Ean13).unwrap();
    assert_eq!(code.caption(), "4006381333931");
    assert_eq!(code.command_data(), b"4006381333931");
    let bits: String = modules(&code).iter().map(|&dark| if dark { '1' } else { '0' }).collect();
    let expected = [
        "101", "0001101", "0100111", "0101111", "0111101", "0001001", "0110011", "01010", "1000010",
        "1000010", "1000010", "1110100", "1000010", "1100110", "101",
    ];
    assert_eq!(bits, expected.concat());
}

#[test]
fn what_cannot_be_said_is_no_bar_code() {
    let too_long = "a".repeat(65);
    for data in ["", "单号", "a\u{10}\u{4}", "a\n", "é", &too_long] {
        assert_eq!(Barcode::new(data, Symbology::Code128), None, "{data:?}");
    }
    for data in
        ["", "12345678901", "12345678901a", "6901234567893", "69012345678920", "６９０１２３４５６７８９"]
    {
        assert_eq!(Barcode::new(data, Symbology::Ean13), None, "{data:?}");
    }
    assert!(Barcode::new("6901234567892", Symbology::Ean13).is_some());
}

proptest! {
    #[test]
    fn code_128_says_what_it_was_given(data in "[ -~]{1,30}|[0-9]{1,40}|([A-Z]{1,3}[0-9]{1,9}){1,4}") {
        let code = Barcode::new(&data, Symbology::Code128).unwrap();
        prop_assert!(!has_real_time(code.command_data()));
        prop_assert_eq!(read_command(code.command_data()), data.as_bytes());
        let widths = widths(&modules(&code));
        // Six bars and spaces of eleven modules each, and seven for the stop.
        let (symbols, stop) = widths.split_at(widths.len() - 7);
        prop_assert_eq!(stop, [2, 3, 3, 1, 1, 1, 2]);
        for symbol in symbols.chunks(6) {
            prop_assert_eq!(symbol.iter().sum::<u8>(), 11);
            // Bars have an even number of modules in every symbol but the stop.
            prop_assert_eq!((symbol[0] + symbol[2] + symbol[4]) % 2, 0);
        }
    }
}

/// What GS k's data says.
fn read_command(data: &[u8]) -> Vec<u8> {
    let (mut text, mut is_paired) = (Vec::new(), false);
    let mut bytes = data.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'{' => match bytes.next().unwrap() {
                b'B' => is_paired = false,
                b'C' => is_paired = true,
                b'{' => text.push(b'{'),
                other => panic!("{{{other}"),
            },
            pair if is_paired => text.extend([b'0' + pair / 10, b'0' + pair % 10]),
            character => text.push(character),
        }
    }
    text
}
