use super::*;

/// Values as PostgreSQL's binary format has them, most of which are Arrow's own but for the epoch.
fn eights(binary: &[u8]) -> Vec<i64> {
    first_cells(binary).into_iter().map(|c| i64::from_be_bytes(c.try_into().unwrap())).collect()
}

#[test]
fn booleans() {
    let values = BooleanArray::from(vec![Some(true), Some(false), None]);
    check(vec![array(values)], recorded!("bool.text"), recorded!("bool.binary"), Tz::UTC);
}

#[test]
fn integers() {
    let binary = recorded!("integers.binary");
    let wide = eights(binary);
    let four = wide.iter().map(|v| (*v).clamp(i32::MIN.into(), i32::MAX.into()) as i32);
    let two = wide.iter().map(|v| (*v).clamp(i16::MIN.into(), i16::MAX.into()) as i16);
    let columns = vec![
        array(Int64Array::from(wide.clone())),
        array(Int32Array::from_iter_values(four)),
        array(Int16Array::from_iter_values(two)),
    ];
    check(columns, recorded!("integers.text"), binary, Tz::UTC);
}

#[test]
fn integers_of_other_widths_are_the_next_wider_type() {
    let batch = batch(vec![
        array(Int8Array::from(vec![i8::MIN])),
        array(UInt8Array::from(vec![u8::MAX])),
        array(UInt16Array::from(vec![u16::MAX])),
        array(UInt32Array::from(vec![u32::MAX])),
        array(UInt64Array::from(vec![u64::MAX])),
    ]);
    let text = cells(&encoded(&batch, Format::Text, Tz::UTC));
    let text: Vec<_> =
        text[0].iter().map(|c| String::from_utf8(c.clone().unwrap()).unwrap()).collect();
    assert_eq!(text, ["-128", "255", "65535", "4294967295", "18446744073709551615"]);
    let binary = cells(&encoded(&batch, Format::Binary, Tz::UTC));
    let lengths: Vec<_> = binary[0].iter().map(|c| c.as_ref().unwrap().len()).collect();
    assert_eq!(lengths, [2, 2, 4, 8, 8 + 2 * 5]);
}

#[test]
fn doubles() {
    let binary = recorded!("float8.binary");
    let values = eights(binary).into_iter().map(|bits| f64::from_bits(bits as u64));
    let values = Float64Array::from_iter_values(values);
    check(vec![array(values)], recorded!("float8.text"), binary, Tz::UTC);
}

#[test]
fn singles() {
    let binary = recorded!("float4.binary");
    let values = first_cells(binary).into_iter().map(|c| f32::from_be_bytes(c.try_into().unwrap()));
    let values = Float32Array::from_iter_values(values);
    check(vec![array(values)], recorded!("float4.text"), binary, Tz::UTC);
}

#[test]
fn numerics_of_every_width() {
    let texts = first_texts(recorded!("numeric.text"));
    let binaries = first_cells(recorded!("numeric.binary"));
    for (text, binary) in texts.iter().zip(binaries) {
        let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len()) as i8;
        let number = i256::from_string(&text.replace('.', "")).unwrap();
        let wide = Decimal256Array::from(vec![number]).with_precision_and_scale(76, scale).unwrap();
        let mut columns = vec![array(wide)];
        if let Some(number) = number.to_i128()
            && scale <= 38
        {
            let values = Decimal128Array::from(vec![number]);
            columns.push(array(values.with_precision_and_scale(38, scale).unwrap()));
        }
        for column in columns {
            let batch = batch(vec![column]);
            assert_eq!(
                first_texts(&encoded(&batch, Format::Text, Tz::UTC)),
                std::slice::from_ref(text)
            );
            assert_eq!(
                first_cells(&encoded(&batch, Format::Binary, Tz::UTC)),
                std::slice::from_ref(&binary)
            );
        }
    }
}

#[test]
fn numerics_of_negative_scale_end_in_zeros() {
    let values = Decimal128Array::from(vec![123, 0, -5]).with_precision_and_scale(9, -2).unwrap();
    let batch = batch(vec![array(values)]);
    assert_eq!(first_texts(&encoded(&batch, Format::Text, Tz::UTC)), ["12300", "0", "-500"]);
    let binary = first_cells(&encoded(&batch, Format::Binary, Tz::UTC));
    assert_eq!(binary[0], [0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 0x08, 0xfc]);
    assert_eq!(binary[1], [0; 8]);
}

#[test]
fn texts_and_bytes_in_every_layout() {
    let texts =
        vec![Some(""), Some("abc"), Some("张三丰"), None, Some("a\tb\nc\\d\"e"), Some("NULL")];
    for column in [
        array(StringArray::from(texts.clone())),
        array(LargeStringArray::from(texts.clone())),
        array(StringViewArray::from(texts.clone())),
        array(texts.iter().copied().collect::<DictionaryArray<Int8Type>>()),
        array(texts.iter().copied().collect::<RunArray<Int32Type>>()),
    ] {
        check(vec![column], recorded!("text.text"), recorded!("text.binary"), Tz::UTC);
    }
    let bytes: Vec<Option<&[u8]>> =
        vec![Some(b""), Some(b"\0\xff\x10"), None, Some(b"\xde\xad\xbe\xef")];
    for column in [
        array(BinaryArray::from(bytes.clone())),
        array(LargeBinaryArray::from(bytes.clone())),
        array(BinaryViewArray::from(bytes.clone())),
    ] {
        check(vec![column], recorded!("bytea.text"), recorded!("bytea.binary"), Tz::UTC);
    }
    let fixed = FixedSizeBinaryArray::try_from_iter([[1_u8, 2], [3, 4]].into_iter()).unwrap();
    let batch = batch(vec![array(fixed.slice(1, 1))]);
    assert_eq!(first_texts(&encoded(&batch, Format::Text, Tz::UTC)), ["\\x0304"]);
}

#[test]
fn dates() {
    let binary = recorded!("date.binary");
    let days = first_cells(binary).into_iter();
    let days: Vec<_> = days.map(|c| i32::from_be_bytes(c.try_into().unwrap())).collect();
    let small: Vec<i32> = days.iter().map(|days| days + 10_957).collect();
    let millis = days.iter().map(|days| (i64::from(*days) + 10_957) * 86_400_000);
    let text = recorded!("date.text");
    check(vec![array(Date64Array::from_iter_values(millis))], text, binary, Tz::UTC);
    check(vec![array(Date32Array::from(small))], text, binary, Tz::UTC);
}

#[test]
fn times_of_day() {
    let (text, binary) = (recorded!("time.text"), recorded!("time.binary"));
    let micros = eights(binary);
    let nanos = Time64NanosecondArray::from_iter_values(micros.iter().map(|v| v * 1_000 + 999));
    check(vec![array(Time64MicrosecondArray::from(micros))], text, binary, Tz::UTC);
    let last = cells(text).len() - 1;
    let ours = encoded(&batch(vec![array(nanos.slice(2, last - 1))]), Format::Text, Tz::UTC);
    assert_eq!(cells(&ours), cells(text)[2..=last]);
}

#[test]
fn timestamps() {
    let (text, binary) = (recorded!("timestamp.text"), recorded!("timestamp.binary"));
    // The latest are beyond what Arrow's own microseconds reach.
    let unix: Vec<_> = eights(binary).iter().map(|v| v.checked_add(946_684_800_000_000)).collect();
    assert_eq!(unix.iter().filter(|v| v.is_none()).count(), 1);
    let ours = batch(vec![array(TimestampMicrosecondArray::from(unix))]);
    let known = |rows: Vec<Vec<Option<Vec<u8>>>>| -> Vec<_> {
        rows.into_iter().enumerate().filter(|(at, _)| *at != 4).collect()
    };
    for (format, theirs) in [(Format::Text, text), (Format::Binary, binary)] {
        assert_eq!(known(cells(&encoded(&ours, format, Tz::UTC))), known(cells(theirs)));
    }
}

#[test]
fn timestamps_of_every_unit_are_rounded_down_to_microseconds() {
    let ours = batch(vec![
        array(TimestampSecondArray::from(vec![-1])),
        array(TimestampMillisecondArray::from(vec![-1])),
        array(TimestampNanosecondArray::from(vec![-1])),
    ]);
    let text = cells(&encoded(&ours, Format::Text, Tz::UTC));
    let text: Vec<_> =
        text[0].iter().map(|c| String::from_utf8(c.clone().unwrap()).unwrap()).collect();
    let second = "1969-12-31 23:59:59";
    assert_eq!(text, [second.to_owned(), format!("{second}.999"), format!("{second}.999999")]);
}

#[test]
fn instants_in_zones() {
    for (zone, text, binary) in [
        (Tz::UTC, recorded!("instant_utc.text"), recorded!("instant_utc.binary")),
        (
            Tz::Asia__Shanghai,
            recorded!("instant_shanghai.text"),
            recorded!("instant_shanghai.binary"),
        ),
        (Tz::Asia__Kolkata, recorded!("instant_kolkata.text"), recorded!("instant_kolkata.binary")),
        (
            Tz::America__New_York,
            recorded!("instant_new_york.text"),
            recorded!("instant_new_york.binary"),
        ),
        (
            Tz::Australia__Lord_Howe,
            recorded!("instant_lord_howe.text"),
            recorded!("instant_lord_howe.binary"),
        ),
        (
            Tz::America__St_Johns,
            recorded!("instant_st_johns.text"),
            recorded!("instant_st_johns.binary"),
        ),
    ] {
        let unix = eights(binary).into_iter().map(|v| v + 946_684_800_000_000);
        let values = TimestampMicrosecondArray::from_iter_values(unix).with_timezone("UTC");
        check(vec![array(values)], text, binary, zone);
    }
}

#[test]
fn intervals() {
    let (text, binary) = (recorded!("interval.text"), recorded!("interval.binary"));
    let values = first_cells(binary).into_iter().map(|cell| {
        let four = |at: usize| i32::from_be_bytes(cell[at..at + 4].try_into().unwrap());
        let micros = i64::from_be_bytes(cell[..8].try_into().unwrap());
        IntervalMonthDayNano::new(four(12), four(8), micros * 1_000)
    });
    let values = IntervalMonthDayNanoArray::from_iter_values(values);
    check(vec![array(values)], text, binary, Tz::UTC);
}

#[test]
fn intervals_of_other_layouts() {
    let ours = batch(vec![
        array(IntervalYearMonthArray::from(vec![-13])),
        array(IntervalDayTimeArray::from(vec![IntervalDayTime::new(-1, 1_500)])),
        array(DurationSecondArray::from(vec![90_000])),
        array(DurationNanosecondArray::from(vec![-1])),
        array(NullArray::new(1)),
    ]);
    let text = cells(&encoded(&ours, Format::Text, Tz::UTC));
    let shown = |c: &Option<Vec<u8>>| String::from_utf8(c.clone().unwrap_or_default()).unwrap();
    let text: Vec<_> = text[0].iter().map(shown).collect();
    assert_eq!(
        text,
        ["-1 years -1 mons", "-1 days +00:00:01.5", "25:00:00", "-00:00:00.000001", ""]
    );
}
