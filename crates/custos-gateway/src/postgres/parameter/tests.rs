//! Against what PostgreSQL 15 makes of texts (`testdata/meanings.txt`), and there and back.

mod any_bytes;
mod round_trip;

use ::bytes::BytesMut;
use arrow::array::{Array, ArrayRef, RecordBatch};

use super::*;
use crate::postgres::encode::RowEncoder;

/// All types that parameters may have.
const OIDS: [u32; 38] = [
    0, 16, 17, 19, 20, 21, 23, 25, 114, 199, 700, 701, 705, 1000, 1001, 1003, 1005, 1007, 1009,
    1014, 1015, 1016, 1021, 1022, 1042, 1043, 1082, 1083, 1114, 1115, 1182, 1183, 1184, 1185, 1186,
    1187, 1231, 1700,
];

const ZONE: Tz = Tz::America__New_York;

/// What our own encoder sends for a value; `None` for a null.
fn encoded(array: &ArrayRef, format: Format) -> Option<Vec<u8>> {
    let batch = RecordBatch::try_from_iter([("v", ArrayRef::clone(array))]).unwrap();
    let mut out = BytesMut::new();
    RowEncoder::new(batch.schema(), &[format], ZONE).data_rows(&batch, 0..1, &mut out).unwrap();
    let (length, value) = out[7..].split_at(4);
    (length != [0xff; 4]).then(|| value.to_vec())
}

fn oid_of(type_name: &str) -> u32 {
    match type_name {
        "boolean" => 16,
        "smallint" => 21,
        "integer" => 23,
        "bigint" => 20,
        "real" => 700,
        "double precision" => 701,
        "numeric" => 1700,
        "text" => 25,
        "bytea" => 17,
        "date" => 1082,
        "time" => 1083,
        "timestamp" => 1114,
        "timestamp with time zone" => 1184,
        "interval" => 1186,
        "uuid" => 2950,
        "boolean[]" => 1000,
        "integer[]" => 1007,
        "text[]" => 1009,
        "numeric[]" => 1231,
        "bytea[]" => 1001,
        "timestamp[]" => 1115,
        other => unreachable!("no oid for {other}"),
    }
}

#[test]
fn texts_mean_what_they_mean_to_postgresql() {
    let mut wrong = Vec::new();
    for line in include_str!("testdata/meanings.txt").lines() {
        let [type_name, text, theirs] = line.split('|').collect::<Vec<_>>()[..] else {
            unreachable!("{line}")
        };
        let ours = match decode(oid_of(type_name), Format::Text, Some(text.as_bytes()), ZONE) {
            Ok(array) => String::from_utf8(encoded(&array, Format::Text).unwrap()).unwrap(),
            Err(_) => "error".to_owned(),
        };
        let ours = match (type_name, ours.as_str()) {
            // A cast to text has the whole word.
            ("boolean", "t") => "true".to_owned(),
            ("boolean", "f") => "false".to_owned(),
            _ => ours,
        };
        // An array of numerics has one scale in Arrow, and its microseconds end before PostgreSQL's.
        let known = (line == "numeric[]|{1.5,2,NULL,-3.25}|{1.5,2,NULL,-3.25}"
            && ours == "{1.50,2.00,NULL,-3.25}")
            || (text == "294276-12-31 23:59:59" && ours == "error");
        if ours != theirs && !known {
            wrong.push(format!("{line} | ours {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn errors_name_types_and_no_values() {
    let error = |oid, format, bytes| decode(oid, format, Some(bytes), ZONE).unwrap_err();
    for (error, state) in [
        (error(23, Format::Text, b"canary"), "22P02"),
        (error(23, Format::Binary, b"canary"), "22P03"),
        (error(600, Format::Text, b"canary"), "0A000"),
        (error(1009, Format::Text, b"{{canary}}"), "0A000"),
        (error(1700, Format::Text, b"NaN"), "0A000"),
        (error(25, Format::Text, b"canary\0"), "22P02"),
        (error(25, Format::Binary, b"canary\xff"), "22P03"),
    ] {
        assert_eq!(error.sqlstate(), state);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[test]
fn nulls_have_their_type() {
    for oid in OIDS {
        for format in [Format::Text, Format::Binary] {
            let array = decode(oid, format, None, ZONE).unwrap();
            assert_eq!((array.len(), array.null_count()), (1, 1), "{oid}");
        }
    }
}
