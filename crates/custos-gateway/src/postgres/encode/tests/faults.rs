use super::*;

fn failure(columns: Vec<ArrayRef>, out: &mut BytesMut) -> EncodeError {
    let batch = batch(columns);
    let encoder = RowEncoder::new(batch.schema(), &[Format::Binary], Tz::UTC);
    encoder.data_rows(&batch, 0..batch.num_rows(), out).unwrap_err()
}

#[test]
fn a_text_with_a_zero_byte_fails_its_row_and_none_before() {
    let good = array(Int32Array::from(vec![1, 2]));
    for bad in [
        array(StringArray::from(vec!["fine", "a\0canary"])),
        array(StringViewArray::from(vec!["fine", "a\0canary"])),
        array(vec!["fine", "a\0canary"].into_iter().collect::<DictionaryArray<Int32Type>>()),
    ] {
        let mut out = BytesMut::from(&b"before"[..]);
        let error = failure(vec![Arc::clone(&good), bad], &mut out);
        assert_eq!(error, EncodeError::NulInText { column: 1 });
        assert!(!error.to_string().contains("canary"));
        assert_eq!(cells(&out[6..]), [vec![Some(vec![0, 0, 0, 1]), Some(b"fine".to_vec())]]);
    }
}

#[test]
fn values_beyond_the_types_fail() {
    for column in [
        array(Date32Array::from(vec![i32::MIN])),
        array(Date32Array::from(vec![i32::MAX])),
        array(Date64Array::from(vec![i64::MIN])),
        array(Date64Array::from(vec![i64::MAX])),
        array(TimestampSecondArray::from(vec![i64::MAX])),
        array(TimestampMillisecondArray::from(vec![i64::MIN])),
        array(TimestampMicrosecondArray::from(vec![i64::MIN]).with_timezone("UTC")),
        array(Time32SecondArray::from(vec![-1])),
        array(Time64MicrosecondArray::from(vec![86_400_000_001])),
        array(DurationSecondArray::from(vec![i64::MAX])),
    ] {
        let error = failure(vec![column], &mut BytesMut::new());
        assert_eq!(error, EncodeError::OutOfRange { column: 0 });
    }
}

#[test]
fn rows_that_are_not_there_and_other_schemas_are_refused() {
    let ours = batch(vec![array(Int32Array::from(vec![1]))]);
    let encoder = RowEncoder::new(ours.schema(), &[], Tz::UTC);
    let mut out = BytesMut::new();
    #[expect(clippy::reversed_empty_ranges, reason = "what a caller may get wrong")]
    for rows in [0..2, 2..2, 1..0] {
        let error = encoder.data_rows(&ours, rows, &mut out).unwrap_err();
        assert_eq!(error, EncodeError::NotAsAnnounced);
    }
    let other = batch(vec![array(Int64Array::from(vec![1]))]);
    let error = encoder.data_rows(&other, 0..1, &mut out).unwrap_err();
    assert_eq!(error, EncodeError::NotAsAnnounced);
    assert!(out.is_empty());
}

#[test]
fn a_column_has_the_format_asked_for_it() {
    let ours = batch(vec![array(Int32Array::from(vec![7])), array(Int32Array::from(vec![7]))]);
    let (text, binary) = (Some(b"7".to_vec()), Some(vec![0, 0, 0, 7]));
    for (formats, row) in [
        (vec![], [text.clone(), text.clone()]),
        (vec![Format::Binary], [binary.clone(), binary.clone()]),
        (vec![Format::Text, Format::Binary], [text, binary]),
    ] {
        let mut out = BytesMut::new();
        let encoder = RowEncoder::new(ours.schema(), &formats, Tz::UTC);
        encoder.data_rows(&ours, 0..1, &mut out).unwrap();
        assert_eq!(cells(&out), [row]);
    }
}
