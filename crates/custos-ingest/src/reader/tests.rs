use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use custos_core::Classify;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::row::{ParsedRow, Value};

/// A contract with the given format, table-wide lines and columns.
fn contract(format: &str, properties: &[&str]) -> Contract {
    let text = format!(
        "apiVersion: v3.0.2
kind: DataContract
id: source
version: 1.0.0
status: active
customProperties:
  - property: custos
    value:
      format: {format}
      write_mode: append
      event_time: none
      time_zone: Europe/Berlin
      purposes: [analytics]
      unattributed: visible
schema:
  - name: rows
    properties:
      - {{{}}}
",
        properties.join("}\n      - {")
    );
    Contract::parse("source.yaml", &text).unwrap()
}

const ORDERS: [&str; 4] = [
    "name: id, logicalType: string, required: true",
    "name: amount, logicalType: number, physicalType: \"decimal(8,2)\"",
    "name: count, logicalType: integer, required: true, quality: [{rule: range, min: 1, max: 9}]",
    "name: at, logicalType: timestamp, customProperties: [{property: custos, value: {format: \"%Y-%m-%d %H:%M\"}}]",
];

fn orders() -> Contract {
    contract("{type: csv}", &ORDERS)
}

fn open(contract: &Contract, bytes: impl Into<Vec<u8>>) -> Result<Reader, ReadError> {
    Reader::from_stream(contract, "orders.csv", Box::new(Cursor::new(bytes.into())))
}

fn records(contract: &Contract, bytes: impl Into<Vec<u8>>) -> Vec<Record> {
    open(contract, bytes).unwrap().map(Result::unwrap).collect()
}

/// One word a row: the fault and its column, or `ok`.
fn outcomes(contract: &Contract, bytes: impl Into<Vec<u8>>) -> Vec<String> {
    let outcome = |record: Record| match record.cells {
        Ok(_) => "ok".to_owned(),
        Err(RowProblem { column, code, remedy }) => {
            assert!(!remedy.is_empty());
            format!("{code} {}", column.as_deref().unwrap_or("-"))
        }
    };
    records(contract, bytes).into_iter().map(outcome).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn values(contract: &Contract, bytes: impl Into<Vec<u8>>) -> Vec<Vec<Value>> {
    records(contract, bytes).into_iter().map(|record| record.cells.unwrap().values).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

const HEADER: &str = "id,amount,count,at\n";

#[test]
fn good_rows_become_typed_values() {
    let file = "\u{feff}count,at,id,amount\r\n1,2026-03-01 10:00,\"a,\"\"b\"\"\nc\", 12.5 \r\n\r\n2,,x,\r\n";
    let rows = records(&orders(), file);
    let numbers: Vec<(u64, u64)> = rows.iter().map(|row| (row.number, row.line)).collect();
    assert_eq!(numbers, [(1, 2), (2, 5)]);
    assert_eq!(rows[0].raw.expose(), b"1,2026-03-01 10:00,\"a,\"\"b\"\"\nc\", 12.5 ");
    let expected = |id, amount, count, at| {
        Ok(ParsedRow { values: vec![text(id), amount, Value::Integer(count), at], extra: None })
    };
    let instant = Value::Timestamp(1_772_355_600_000_000);
    assert_eq!(rows[0].cells, expected("a,\"b\"\nc", Value::Decimal(1250), 1, instant));
    assert_eq!(rows[1].cells, expected("x", Value::Null, 2, Value::Null));
}

#[test]
fn each_bad_row_says_what_is_wrong_and_the_next_goes_on() {
    for (row, expected) in [
        (",1,1,", "missing_value id"),
        ("a,1,,", "missing_value count"),
        ("a,1,   ,", "missing_value count"),
        ("a,12 3,1,", "bad_number amount"),
        ("a,\"1,000.00\",1,", "bad_number amount"),
        ("a,1.005,1,", "bad_number amount"),
        ("a,1000000,1,", "bad_number amount"),
        ("a,1,1.0,", "bad_number count"),
        ("a,1,99999999999999999999,", "bad_number count"),
        ("a,1,10,", "out_of_range count"),
        ("a,1,0,", "out_of_range count"),
        ("a,1,1,2026-02-30 10:00", "bad_date at"),
        ("a,1,1,2026-03-29 02:30", "bad_date at"),
        ("a,1,1,2026-03-01T10:00:00Z", "bad_date at"),
        ("a,1,1", "wrong_column_count -"),
        ("a,1,1,,", "wrong_column_count -"),
        ("\"a\"b,1,1,", "bad_quoting id"),
        ("a\0b,1,1,", "nul_byte id"),
    ] {
        let file = format!("{HEADER}a,1,1,\n{row}\nb,2,2,\n");
        assert_eq!(outcomes(&orders(), file.as_str()), ["ok", expected, "ok"], "{row}");
        let problem = format!("{:?}", records(&orders(), file).swap_remove(1));
        assert!(!problem.contains("2026-0") && !problem.contains("12 3"), "{problem}");
    }
}

#[test]
fn invalid_utf_8_refuses_its_row_only() {
    let file = [HEADER.as_bytes(), b"a,1,1,\n\xC3(,1,1,\nb,1,1,"].concat();
    assert_eq!(outcomes(&orders(), file), ["ok", "invalid_utf8 id", "ok"]);
}

#[test]
fn truth_values_and_lists_are_checked() {
    let contract = contract(
        "{type: csv, delimiter: \"\\t\", null_values: [NA]}",
        &[
            "name: yes, logicalType: boolean",
            "name: tier, logicalType: string, quality: [{rule: accepted_values, values: [gold]}]",
            "name: ratio, logicalType: number",
        ],
    );
    let file = "yes\ttier\tratio\nYes\tgold\t1e3\nNA\tNA\tNA\nmaybe\t\t\n1\tGold\t\n1\t\tnan\n";
    let expected = ["ok", "ok", "bad_boolean yes", "not_accepted tier", "bad_number ratio"];
    assert_eq!(outcomes(&contract, file), expected);
    let rows = records(&contract, file);
    let first = vec![Value::Boolean(true), text("gold"), Value::Float(1000.0)];
    assert_eq!(rows[0].cells.as_ref().unwrap().values, first);
    assert_eq!(rows[1].cells.as_ref().unwrap().values, [Value::Null, Value::Null, Value::Null]);
}

#[test]
fn unlisted_columns_go_to_extra() {
    let file = "x,id,amount,count,at,\na \"q\",1,,1,,9\n,1,,1,,\n";
    let rows = records(&orders(), file);
    let extra = |row: &Record| row.cells.as_ref().unwrap().extra.clone();
    let expected = r#"{"x":"a \"q\"","column_6":"9"}"#;
    assert_eq!(extra(&rows[0]), Some(Redacted::new(expected.to_owned())));
    assert_eq!(extra(&rows[1]), None);
}

#[test]
fn files_without_header_are_read_by_position() {
    let format = "{type: csv, header: false, quote: \"'\", escape: \"\\\\\"}";
    let by_order =
        contract(format, &["name: a, logicalType: string", "name: b, logicalType: integer"]);
    assert_eq!(values(&by_order, "'x\\'y''z',1\n"), [[text("x'y'z"), Value::Integer(1)]]);
    let third = "customProperties: [{property: custos, value: {position: 3}}]";
    let placed = contract(format, &[&format!("name: a, logicalType: string, {third}")]);
    let rows = records(&placed, "x,,z\n1,2\n");
    let row = rows[0].cells.as_ref().unwrap();
    assert_eq!(row.values, [text("z")]);
    assert_eq!(row.extra, Some(Redacted::new(r#"{"column_1":"x"}"#.to_owned())));
    assert_eq!(rows[1].cells.as_ref().unwrap_err().code, RowFault::WrongColumnCount);
}

#[test]
fn wrong_headers_are_refused_without_showing_data() {
    let message = |file: &str| {
        let error = open(&orders(), file).unwrap_err();
        assert_eq!(error.kind(), custos_core::ErrorKind::Invalid);
        format!("{error}; {}", error.hint().unwrap())
    };
    assert!(message("id;amount;count;at\n").contains("it has 1 columns, the contract lists 4"));
    assert!(message("id;amount;count;at\n").contains("is the delimiter `,` right?"));
    let data = message("ana@example.test,1,2,3\n");
    assert!(data.contains("it has 4 columns") && data.contains("header: false"), "{data}");
    assert!(!data.contains("ana"));
    let missing = message("id,amount,Count,at,13812345678,b@example.test\n");
    assert!(
        missing.contains("no column `count`; found: [id, amount, Count, at, ?, ?]"),
        "{missing}"
    );
    assert!(message("id,amount,count,at,id\n").contains("columns 1 and 5"));
    assert!(message("id,amount,\"count,at\n1,2,3").contains("never closed"));
    assert!(message("i\0d,amount,count,at\n").contains("nul_byte"));
    assert!(message("\n\n").contains("is empty"));
    assert!(message("").contains("is empty"));
    assert!(open(&orders(), HEADER).unwrap().next().is_none());
}

#[test]
fn a_missing_file_is_not_found() {
    let error = Reader::open(&orders(), Path::new("/nowhere/orders.csv")).unwrap_err();
    assert_eq!(error.kind(), custos_core::ErrorKind::NotFound);
    assert_eq!(error.to_string(), "`/nowhere/orders.csv` cannot be opened");
}

#[test]
fn compressed_files_are_read_to_a_verified_end() {
    let file = format!("{HEADER}{}", "a,1,1,\n".repeat(50_000));
    let (first, second) = file.split_at(1000);
    let bytes = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    assert_eq!(records(&orders(), bytes.clone()).len(), 50_000);

    for cut in [bytes.len() - 1, bytes.len() - 9, bytes.len() / 2] {
        let items: Vec<_> = open(&orders(), &bytes[..cut]).unwrap().collect();
        let rows = items.len() as u64 - 1;
        let last = items.into_iter().next_back().unwrap();
        assert!(matches!(last, Err(ReadError::Truncated { row, .. }) if row == rows), "{cut}");
    }
    let mut damaged = bytes.clone();
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    let last = open(&orders(), damaged).unwrap().last();
    assert!(matches!(last, Some(Err(ReadError::Damaged { .. }))), "{last:?}");
    assert!(matches!(open(&orders(), &bytes[..2]), Err(ReadError::Truncated { row: 0, .. })));
    assert!(matches!(open(&orders(), gzip(b"")), Err(ReadError::Empty { .. })));
}

#[test]
fn a_quote_that_is_never_closed_refuses_the_file() {
    let file = format!("{HEADER}a,1,1,\n\"b,1,1,\nc,1,1,\n");
    let items: Vec<_> = open(&orders(), file).unwrap().collect();
    assert_eq!(items.len(), 2);
    assert!(matches!(items[1], Err(ReadError::UnclosedQuote { line: 3, .. })));
}

#[test]
fn cells_and_rows_that_are_too_large_are_dropped_in_bounded_memory() {
    let big = "x".repeat(10 << 20);
    for cell in [big.clone(), format!("\"{big}\n\"")] {
        let file = format!("{HEADER}a,1,1,\n{cell},1,1,\nb,1,1,\n");
        assert_eq!(outcomes(&orders(), file.as_str()), ["ok", "cell_too_large id", "ok"]);
        let raw = records(&orders(), file).swap_remove(1).raw;
        assert!(raw.expose().len() <= CELL_BYTES_MAX + 2 * 65_536);
    }
    let long = format!("{HEADER}{}\nb,1,1,\n", format!("{},", "x".repeat(1 << 19)).repeat(20));
    assert_eq!(outcomes(&orders(), long), ["row_too_large -", "ok"]);
    let wide = format!("{HEADER}{}\nb,1,1,\n", "1,".repeat(5 << 20));
    assert_eq!(outcomes(&orders(), wide), ["wrong_column_count -", "ok"]);
    let fits = format!("{HEADER}{},1,1,\n", "x".repeat(CELL_BYTES_MAX));
    assert_eq!(outcomes(&orders(), fits), ["ok"]);
    let over = format!("{HEADER}{},1,1,\n", "x".repeat(CELL_BYTES_MAX + 1));
    assert_eq!(outcomes(&orders(), over), ["cell_too_large id"]);
}

#[test]
fn other_encodings_are_read_and_their_faults_found() {
    let header_and_row = "id,amount,count,at\n客户é,1,1,\n";
    let in_encoding = |label: &str| contract(&format!("{{type: csv, encoding: {label}}}"), &ORDERS);
    let utf_16 = |mark: &[u8], to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        mark.iter().copied().chain(header_and_row.encode_utf16().flat_map(to_bytes)).collect()
    };
    let (gb18030, _, _) = encoding_rs::GB18030.encode(header_and_row);
    for (label, bytes) in [
        ("gb18030", gb18030.into_owned()),
        ("utf-16", utf_16(b"\xFF\xFE", u16::to_le_bytes)),
        ("utf-16", utf_16(b"\xFE\xFF", u16::to_be_bytes)),
        ("utf-16be", utf_16(b"", u16::to_be_bytes)),
    ] {
        let rows = records(&in_encoding(label), gzip(&bytes));
        assert_eq!(rows[0].cells.as_ref().unwrap().values[0], text("客户é"), "{label}");
        assert_eq!(rows[0].raw.expose(), "客户é,1,1,".as_bytes());
    }
    for label in ["windows-1252", "latin1"] {
        let file = [HEADER.as_bytes(), b"Ren\xE9 \x80,1,1,\n"].concat();
        assert_eq!(values(&in_encoding(label), file)[0][0], text("René €"));
    }
    let broken = [HEADER.as_bytes(), b"a,1,1,\n\xFFb,1,1,\nc,1,1,\n"].concat();
    assert_eq!(outcomes(&in_encoding("gb18030"), broken), ["ok", "invalid_utf8 id", "ok"]);
    let unmarked = open(&orders(), utf_16(b"\xFF\xFE", u16::to_le_bytes)).unwrap_err();
    assert!(matches!(unmarked, ReadError::WrongEncoding { encoding: "UTF-8", .. }));
    let unmarked = open(&orders(), utf_16(b"", u16::to_le_bytes)).unwrap_err();
    assert!(matches!(unmarked, ReadError::BadHeader { fault: RowFault::NulByte, .. }));
}

fn events() -> Contract {
    contract(
        "{type: ndjson}",
        &[
            "name: id, logicalType: string, required: true",
            "name: price, physicalName: item.price, logicalType: number, physicalType: \"decimal(8,2)\"",
            "name: count, physicalName: item.count, logicalType: integer",
            "name: ok, logicalType: boolean",
            "name: at, logicalType: timestamp",
            "name: seen, logicalType: timestamp, customProperties: [{property: custos, value: {format: unix_ms}}]",
        ],
    )
}

#[test]
fn json_lines_are_read_by_path_and_the_rest_kept() {
    let file = concat!(
        r#"{"id":"a\u00e9","item":{"price":12.30,"count":"7","colour":{"r":1.50}},"ok":true,"tags":[1,"x"],"at":"1970-01-01T00:00:01Z","seen":1500}"#,
        "\r\n\n",
        r#" {"id": "b", "item": null, "seen": "2"} "#,
    );
    let rows = records(&events(), file);
    let first = rows[0].cells.as_ref().unwrap();
    assert_eq!(
        first.values,
        [
            text("aé"),
            Value::Decimal(1230),
            Value::Integer(7),
            Value::Boolean(true),
            Value::Timestamp(1_000_000),
            Value::Timestamp(1_500_000)
        ]
    );
    let extra = r#"{"item":{"colour":{"r":1.50}},"tags":[1,"x"]}"#;
    assert_eq!(first.extra, Some(Redacted::new(extra.to_owned())));
    assert_eq!((rows[1].number, rows[1].line), (2, 3));
    assert_eq!(rows[1].cells.as_ref().unwrap().values[5], Value::Timestamp(2000));
}

#[test]
fn each_bad_line_says_what_is_wrong() {
    let deep =
        |depth: usize| format!(r#"{{"id":"a","x":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let (deepest, too_deep, abyss) = (deep(63), deep(64), deep(200_000));
    let big = format!(r#"{{"id":"{}"}}"#, "x".repeat(CELL_BYTES_MAX + 1));
    let huge = format!(r#"{{"id":"{}"}}"#, "x".repeat(10 << 20));
    for (line, expected) in [
        ("{}", "missing_value id"),
        (r#"{"id":null}"#, "missing_value id"),
        (r#"{"id":1}"#, "wrong_type id"),
        (r#"{"id":["a"]}"#, "wrong_type id"),
        (r#"{"id":"a","ok":"true"}"#, "wrong_type ok"),
        (r#"{"id":"a","ok":1}"#, "wrong_type ok"),
        (r#"{"id":"a","at":1}"#, "wrong_type at"),
        (r#"{"id":"a","at":" 1970-01-01T00:00:01Z"}"#, "bad_date at"),
        (r#"{"id":"a","item":7}"#, "wrong_type price"),
        (r#"{"id":"a","item":{"price":1.005}}"#, "bad_number price"),
        (r#"{"id":"a","item":{"price":"1 000"}}"#, "bad_number price"),
        (r#"{"id":"a","item":{"price":" 1"}}"#, "bad_number price"),
        (r#"{"id":"a","item":{"count":1.0}}"#, "bad_number count"),
        (r#"{"id":"a","item":{"price":NaN}}"#, "bad_json -"),
        (r#"{"id":"a","x":1e999}"#, "bad_json -"),
        (r#"{"id":"a","x":"\ud800"}"#, "bad_json -"),
        (r#"{"id":"a"} {"id":"b"}"#, "bad_json -"),
        (r#"{"id":"a""#, "bad_json -"),
        ("[]", "not_an_object -"),
        ("\"a\"", "not_an_object -"),
        (r#"{"id":"a","id":"b"}"#, "duplicate_key_in_json -"),
        (r#"{"id":"a","\u0069d":"b"}"#, "duplicate_key_in_json -"),
        (r#"{"id":"a","x":[{"y":1,"z":2,"y":3}]}"#, "duplicate_key_in_json -"),
        (r#"{"id":"a\u0000"}"#, "nul_byte -"),
        (&deepest, "ok"),
        (&too_deep, "too_deep -"),
        (&abyss, "too_deep -"),
        (&big, "cell_too_large id"),
        (&huge, "row_too_large -"),
    ] {
        let file = format!("{{\"id\":\"a\"}}\n{line}\n{{\"id\":\"b\"}}");
        let shown: String = line.chars().take(60).collect();
        assert_eq!(outcomes(&events(), file), ["ok", expected, "ok"], "{shown}");
    }
}

/// A file of the public data sets, if they are there.
fn data_set(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("CUSTOS_DATA").map_or_else(beside, PathBuf::from);
    let path = root.join(name);
    if !path.exists() {
        println!("skipped: no {name} under CUSTOS_DATA");
        return None;
    }
    Some(path)
}

fn read_data_set(contract: &str, name: &str) -> Option<Vec<ParsedRow>> {
    let path = data_set(name)?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/contracts").join(contract);
    let text = std::fs::read_to_string(file).unwrap();
    let contract = Contract::parse(contract, &text).unwrap();
    let rows = Reader::open(&contract, &path).unwrap();
    Some(rows.map(|record| record.unwrap().cells.unwrap()).collect())
}

#[test]
fn online_retail_has_no_bad_row() {
    let Some(rows) =
        read_data_set("online_retail.yaml", "purchases/online_retail/online_retail_2010_12.csv.gz")
    else {
        return;
    };
    assert_eq!(rows.len(), 42_481);
    assert!(rows.iter().any(|row| row.values[6].is_null()));
    assert_eq!(rows[0].values[5], Value::Decimal(2550));
    assert!(rows.iter().all(|row| row.extra.is_none()));
}

#[test]
fn telco_has_no_bad_row_and_blank_charges_are_null() {
    let Some(rows) = read_data_set("telco.yaml", "purchases/telco/Telco-Customer-Churn.csv") else {
        return;
    };
    assert_eq!(rows.len(), 7043);
    let blank = rows.iter().filter(|row| row.values[19].is_null()).count();
    assert_eq!(blank, 11);
}

/// A stream that gives its bytes a few at a time, so that every border is met.
struct Trickle {
    bytes: Cursor<Vec<u8>>,
    step: usize,
}

impl Read for Trickle {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let length = self.step.min(target.len());
        self.bytes.read(&mut target[..length])
    }
}

fn four_texts(format: &str) -> Contract {
    let columns = ["a", "b", "c", "d"].map(|name| format!("name: {name}, logicalType: string"));
    contract(format, &columns.each_ref().map(String::as_str))
}

proptest! {
    #[test]
    fn what_the_csv_crate_writes_reads_back_equal(
        rows in prop::collection::vec(prop::array::uniform4("[a\"',;\\\\ \r\n\t客é]{0,6}"), 0..20),
        delimiter in prop::sample::select(vec![b',', b';', b'\t', b'|']),
        crlf in any::<bool>(),
        step in 1_usize..9,
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer =
            csv::WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(vec![]);
        writer.write_record(["a", "b", "c", "d"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let format = format!("{{type: csv, delimiter: \"\\x{delimiter:02x}\"}}");
        let contract = four_texts(&format);
        let stream = Trickle { bytes: Cursor::new(bytes), step };
        let read: Vec<Vec<Value>> = Reader::from_stream(&contract, "x", Box::new(stream))
            .unwrap()
            .map(|record| record.unwrap().cells.unwrap().values)
            .collect();
        let cell = |cell: &String| if cell.is_empty() { Value::Null } else { text(cell) };
        let written: Vec<Vec<Value>> =
            rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn any_text_is_split_as_the_csv_crate_splits_it_or_refused(
        body in "[a,\"\r\n]{0,40}",
        step in 1_usize..9,
    ) {
        let contract = four_texts("{type: csv}");
        let file = format!("a,b,c,d\n{body}");
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).from_reader(Cursor::new(file.clone()));
        let theirs: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let stream = Trickle { bytes: Cursor::new(file.into_bytes()), step };
        let ours = Reader::from_stream(&contract, "x", Box::new(stream)).unwrap();
        for (index, item) in ours.enumerate() {
            let Ok(record) = item else { break };
            let theirs = theirs.get(index).unwrap();
            match record.cells {
                Ok(row) => {
                    let cell = |cell: &str| {
                        if cell.is_empty() { Value::Null } else { text(cell) }
                    };
                    prop_assert_eq!(row.values, theirs.iter().map(cell).collect::<Vec<_>>());
                }
                Err(problem) if problem.code == RowFault::WrongColumnCount => {
                    prop_assert_ne!(theirs.len(), 4);
                }
                Err(problem) => prop_assert_eq!(problem.code, RowFault::BadQuoting),
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        is_json in any::<bool>(),
        step in 1_usize..9,
    ) {
        let contract = if is_json { events() } else { four_texts("{type: csv, encoding: gb18030, header: false}") };
        let stream = Trickle { bytes: Cursor::new(bytes), step };
        if let Ok(reader) = Reader::from_stream(&contract, "x", Box::new(stream)) {
            prop_assert!(reader.count() <= 201);
        }
    }
}
