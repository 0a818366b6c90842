use arrow::buffer::{OffsetBuffer, ScalarBuffer};

use super::*;

/// A list of the items, an empty one, and as many nulls as asked for.
fn lists(items: ArrayRef, nulls: usize) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let lengths = [items.len(), 0].into_iter().chain(std::iter::repeat_n(0, nulls));
    let valid = [true, true].into_iter().chain(std::iter::repeat_n(false, nulls));
    let offsets = OffsetBuffer::from_lengths(lengths);
    array(ListArray::new(field, offsets, items, Some(valid.collect::<Vec<_>>().into())))
}

#[test]
fn lists_of_scalars_are_arrays() {
    let micros = 1_577_934_245_000_000;
    let columns = vec![
        lists(array(Int32Array::from(vec![Some(1), None, Some(-3)])), 1),
        lists(
            array(StringArray::from(vec![
                Some("a"),
                Some(""),
                None,
                Some("null"),
                Some("x y"),
                Some("q\"\\,{}"),
                Some("\t"),
                Some("张"),
            ])),
            1,
        ),
        lists(array(BooleanArray::from(vec![Some(true), None, Some(false)])), 1),
        lists(array(Float64Array::from(vec![1.5, f64::NAN, 1e20])), 1),
        lists(array(BinaryArray::from(vec![b"\0\xff".as_slice(), b""])), 1),
        lists(array(TimestampMicrosecondArray::from(vec![Some(micros), None])), 1),
        lists(array(Date32Array::from(vec![-735_160, 18_294])), 1),
    ];
    check(columns, recorded!("lists.text"), recorded!("lists.binary"), Tz::UTC);
}

#[test]
fn lists_of_more_scalars_are_arrays() {
    let numbers = Decimal128Array::from(vec![Some(150), None, Some(-325)]);
    let instant = TimestampSecondArray::from(vec![Some(1_577_836_800), None]);
    let intervals = [(0, 1, 0), (0, 0, 3_600_000_000_000), (0, 0, 0)];
    let intervals = intervals.map(|(m, d, n)| IntervalMonthDayNano::new(m, d, n));
    let columns = vec![
        lists(array(numbers.with_precision_and_scale(10, 2).unwrap()), 0),
        lists(array(instant.with_timezone("UTC")), 0),
        lists(array(IntervalMonthDayNanoArray::from(intervals.to_vec())), 0),
        lists(array(Time32SecondArray::from(vec![3_723])), 0),
    ];
    let zone = Tz::Asia__Shanghai;
    check(columns, recorded!("more_lists.text"), recorded!("more_lists.binary"), zone);
}

#[test]
fn structs_are_json_as_to_json_has_it() {
    let numbers = Decimal128Array::from(vec![Some(250), None]);
    let instants = TimestampSecondArray::from(vec![Some(1_577_836_800), None]);
    let integers = Int32Array::from(vec![Some(1), None, Some(3)]);
    let list = lists(array(integers), 0);
    let list = arrow::compute::concat(&[&list.slice(0, 1), &new_null_array(list.data_type(), 1)]);
    let interval = Some(IntervalMonthDayNano::new(0, 1, 0));
    let micros = 1_577_934_245_600_000;
    let members: Vec<(&str, ArrayRef)> = vec![
        ("i", array(Int32Array::from(vec![Some(1), None]))),
        ("s", array(StringArray::from(vec![Some("a\"\\\n\t\u{1}\u{1f}/张"), None]))),
        ("f", array(Float64Array::from(vec![Some(1.5), None]))),
        ("n", array(Float64Array::from(vec![Some(f64::NAN), None]))),
        ("d", array(numbers.with_precision_and_scale(5, 2).unwrap())),
        ("b", array(BooleanArray::from(vec![Some(true), None]))),
        ("day", array(Date32Array::from(vec![Some(18_263), None]))),
        ("ts", array(TimestampMicrosecondArray::from(vec![Some(micros), None]))),
        ("tz", array(instants.with_timezone("UTC"))),
        ("by", array(BinaryArray::from(vec![Some(b"\xff\0".as_slice()), None]))),
        ("l", list.unwrap()),
        ("iv", array(IntervalMonthDayNanoArray::from(vec![interval, None]))),
        ("ti", array(Time32SecondArray::from(vec![Some(3_723), None]))),
        ("big", array(Float64Array::from(vec![Some(1e20), None]))),
    ];
    let fields = members.iter();
    let fields = fields.map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let columns = members.iter().map(|(_, array)| Arc::clone(array)).collect();
    let column = StructArray::new(fields.collect::<Vec<_>>().into(), columns, None);
    let zone = Tz::Asia__Shanghai;
    check(vec![array(column)], recorded!("json.text"), recorded!("json.binary"), zone);
}

#[test]
fn maps_unions_and_lists_of_lists_are_json() {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("a\"");
    map.values().append_value(1);
    map.keys().append_value("b");
    map.values().append_null();
    map.append(true).unwrap();
    let fields = UnionFields::from_iter([
        (0, Arc::new(Field::new("n", DataType::Int32, true))),
        (5, Arc::new(Field::new("t", DataType::Utf8, true))),
    ]);
    let children = vec![array(Int32Array::from(vec![7])), array(StringArray::from(vec!["x"]))];
    let ids = ScalarBuffer::from(vec![5_i8]);
    let union = UnionArray::try_new(fields, ids, Some(vec![0].into()), children).unwrap();
    let inner = lists(array(Int32Array::from(vec![Some(1), None])), 1);
    let outer = OffsetBuffer::from_lengths([inner.len()]);
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let ours = batch(vec![
        array(map.finish()),
        array(union),
        array(ListArray::new(field, outer, inner, None)),
    ]);
    for format in [Format::Text, Format::Binary] {
        let row = cells(&encoded(&ours, format, Tz::UTC)).remove(0);
        let row: Vec<_> = row.into_iter().map(|c| String::from_utf8(c.unwrap()).unwrap()).collect();
        assert_eq!(row, [r#"{"a\"":1,"b":null}"#, r#""x""#, "[[1,null],[],null]"]);
    }
}

#[test]
fn slices_begin_where_they_should() {
    let items = array(StringArray::from(vec!["a", "b", "c", "d"]));
    let offsets = OffsetBuffer::from_lengths([1, 2, 1]);
    let field = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let list: ArrayRef =
        array(ListArray::new(Arc::clone(&field), offsets, Arc::clone(&items), None));
    let fixed: ArrayRef = array(FixedSizeListArray::new(field, 2, Arc::clone(&items), None));
    let words = ["x", "x", "y"];
    let runs: ArrayRef = array(words.into_iter().collect::<RunArray<Int16Type>>());
    let three = batch(vec![list, runs]);
    let mut out = BytesMut::new();
    let encoder = RowEncoder::new(three.schema(), &[], Tz::UTC);
    encoder.data_rows(&three.slice(1, 2), 1..2, &mut out).unwrap();
    encoder.data_rows(&three, 1..2, &mut out).unwrap();
    let rows = cells(&out);
    assert_eq!(rows[0], [Some(b"{d}".to_vec()), Some(b"y".to_vec())]);
    assert_eq!(rows[1], [Some(b"{b,c}".to_vec()), Some(b"x".to_vec())]);
    let ours = batch(vec![fixed.slice(1, 1)]);
    assert_eq!(first_texts(&encoded(&ours, Format::Text, Tz::UTC)), ["{c,d}"]);
}
