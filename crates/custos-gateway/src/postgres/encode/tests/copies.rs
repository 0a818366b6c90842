use arrow::buffer::OffsetBuffer;

use super::*;

fn plain() -> RecordBatch {
    let micros = [1_577_836_800_000_000, -500_000, 946_684_800_000_000].map(Some);
    let [a, b, c] = micros;
    let numbers =
        Decimal128Array::from(vec![Some(250), Some(-1), None, Some(0), Some(0), Some(0), Some(0)]);
    let instants = TimestampMicrosecondArray::from(vec![a, b, None, c, c, c, c]);
    let day = Some(10_957);
    let items = StringArray::from(vec![Some("a"), Some("b c"), Some("\\"), None, Some("a,b")]);
    let field = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let offsets = OffsetBuffer::from_lengths([4, 0, 0, 1, 0, 0, 0]);
    let valid = vec![true, true, false, true, false, false, false];
    let list = ListArray::new(field, offsets, array(items), Some(valid.into()));
    let line: Option<&[u8]> = Some(b"\n");
    let columns = [
        (
            "i",
            array(Int64Array::from(vec![
                Some(1),
                Some(-2),
                None,
                Some(3),
                Some(4),
                Some(5),
                Some(6),
            ])),
        ),
        (
            "t",
            array(StringArray::from(vec![
                Some("plain"),
                Some("tab\t nl\n cr\r bs\\ q\" c, \u{1}\u{8}\u{b}\u{c}"),
                None,
                Some(""),
                Some("\\N"),
                Some("NIL"),
                Some("\\."),
            ])),
        ),
        (
            "f",
            array(Float64Array::from(vec![
                Some(1.5),
                Some(f64::NAN),
                None,
                Some(0.0),
                Some(0.0),
                Some(0.0),
                Some(0.0),
            ])),
        ),
        ("n", array(numbers.with_precision_and_scale(12, 2).unwrap())),
        ("z", array(instants.with_timezone("UTC"))),
        (
            "d",
            array(Date32Array::from(vec![Some(18_263), Some(-735_160), None, day, day, day, day])),
        ),
        (
            "b",
            array(BooleanArray::from(vec![
                Some(true),
                Some(false),
                None,
                Some(true),
                Some(true),
                Some(true),
                Some(true),
            ])),
        ),
        (
            "x",
            array(BinaryArray::from(vec![
                Some(b"\0\xff".as_slice()),
                Some(b""),
                None,
                line,
                line,
                line,
                line,
            ])),
        ),
        ("l", array(list)),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn single() -> RecordBatch {
    let texts = StringArray::from(vec![Some("\\."), Some(""), None, Some("a")]);
    RecordBatch::try_from_iter([("a \"name\"", array(texts))]).unwrap()
}

fn none() -> RecordBatch {
    RecordBatch::try_from_iter([("t", array(StringArray::from(vec!["a"])))]).unwrap().slice(0, 0)
}

fn copied(batch: &RecordBatch, format: CopyFormat, zone: Tz) -> Vec<u8> {
    let encoder = CopyEncoder::new(batch.schema(), format, zone);
    let mut out = BytesMut::new();
    encoder.header(&mut out).unwrap();
    let half = batch.num_rows() / 2;
    encoder.rows(batch, 0..half, &mut out).unwrap();
    encoder.rows(batch, half..batch.num_rows(), &mut out).unwrap();
    encoder.trailer(&mut out).unwrap();
    out.to_vec()
}

/// What the messages hold, without where one ends and the next begins.
fn content(mut messages: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some((head, rest)) = messages.split_first_chunk::<5>() {
        let [kind, length @ ..] = head;
        assert_eq!(*kind, b'd');
        let (data, rest) = rest.split_at(u32::from_be_bytes(*length) as usize - 4);
        content.extend_from_slice(data);
        messages = rest;
    }
    content
}

#[track_caller]
fn check_copy(batch: &RecordBatch, format: &CopyFormat, theirs: &[u8], zone: Tz) {
    let ours = copied(batch, format.clone(), zone);
    let shown = |messages: &[u8]| String::from_utf8_lossy(messages).into_owned();
    if *format == CopyFormat::Binary {
        // PostgreSQL puts the header into the message of the first row.
        assert_eq!(content(&ours), content(theirs));
    } else {
        assert_eq!(shown(&ours), shown(theirs));
        assert_eq!(ours, theirs);
    }
}

fn csv() -> CopyFormat {
    CopyFormat::Csv {
        delimiter: b',',
        quote: b'"',
        escape: b'"',
        null: String::new(),
        header: true,
        force_quote: Vec::new(),
    }
}

fn odd_csv() -> CopyFormat {
    CopyFormat::Csv {
        delimiter: b';',
        quote: b'\'',
        escape: b'\\',
        null: "NIL".to_owned(),
        header: false,
        force_quote: vec![true; 9],
    }
}

#[test]
fn copies_as_text() {
    let format = CopyFormat::Text { delimiter: b'\t', null: "\\N".to_owned() };
    let zone = Tz::Asia__Shanghai;
    check_copy(&plain(), &format, recorded!("copy_plain.text.copy"), zone);
    check_copy(&single(), &format, recorded!("copy_single.text.copy"), Tz::UTC);
    check_copy(&none(), &format, recorded!("copy_none.text.copy"), Tz::UTC);
    let odd = CopyFormat::Text { delimiter: b'-', null: "NIL".to_owned() };
    check_copy(&plain(), &odd, recorded!("copy_plain.text_odd.copy"), zone);
    check_copy(&single(), &odd, recorded!("copy_single.text_odd.copy"), Tz::UTC);
}

#[test]
fn copies_as_csv() {
    let zone = Tz::Asia__Shanghai;
    check_copy(&plain(), &csv(), recorded!("copy_plain.csv.copy"), zone);
    check_copy(&single(), &csv(), recorded!("copy_single.csv.copy"), Tz::UTC);
    check_copy(&none(), &csv(), recorded!("copy_none.csv.copy"), Tz::UTC);
    check_copy(&plain(), &odd_csv(), recorded!("copy_plain.csv_odd.copy"), zone);
    check_copy(&single(), &odd_csv(), recorded!("copy_single.csv_odd.copy"), Tz::UTC);
}

#[test]
fn copies_as_binary() {
    let zone = Tz::Asia__Shanghai;
    check_copy(&plain(), &CopyFormat::Binary, recorded!("copy_plain.binary.copy"), zone);
    check_copy(&single(), &CopyFormat::Binary, recorded!("copy_single.binary.copy"), Tz::UTC);
    check_copy(&none(), &CopyFormat::Binary, recorded!("copy_none.binary.copy"), Tz::UTC);
}
