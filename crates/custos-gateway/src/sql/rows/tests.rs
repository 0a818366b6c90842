use std::sync::{Arc, Mutex};

use super::*;
use crate::testing::{Answer, observed, send};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    ListArray, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int64Type;
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::{Value, json};
use tokio::task::yield_now;

type Batches = Vec<Result<RecordBatch, QueryError>>;

fn numbers(values: std::ops::Range<i64>) -> Result<RecordBatch, QueryError> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    Ok(RecordBatch::try_from_iter([("n", column)]).unwrap())
}

/// Serves these batches once.
async fn get_rows(batches: Batches, format: Format) -> Answer {
    let columns = batches.iter().find_map(|batch| Some(batch.as_ref().ok()?.schema()));
    let columns = columns.unwrap_or_else(|| numbers(0..0).unwrap().schema());
    let batches = Mutex::new(Some(batches));
    let handler = async move |Extension(id): Extension<CallId>| {
        let batches = batches.lock().unwrap().take().unwrap();
        // Rows that take their time, so that the server sends what it has.
        let rows = stream::iter(batches).then(|rows| async {
            yield_now().await;
            rows
        });
        answer(&columns, Box::pin(rows), format, id).await
    };
    let handler = Arc::new(handler);
    let route = get(move |id| {
        let handler = Arc::clone(&handler);
        async move { handler(id).await }
    });
    let router = observed(Router::new().route("/", route));
    send(router, "GET / HTTP/1.1", "").await
}

fn lines(body: &str) -> Vec<Value> {
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn both_forms_hold_the_same_rows() {
    let batches = || vec![numbers(0..0), numbers(0..3), numbers(0..0), numbers(3..5)];
    let expected: Vec<Value> = (0..5).map(|n| json!({ "n": n })).collect();

    let array = get_rows(batches(), Format::Array).await;
    assert_eq!(array.status(), 200);
    assert_eq!(array.header("content-type"), Some("application/json"));
    assert_eq!(array.json(), Value::Array(expected.clone()));

    let answer = get_rows(batches(), Format::Lines).await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let (body, whole) = answer.body();
    assert!(whole && body.ends_with('\n'));
    assert_eq!(lines(&body), expected);
}

#[tokio::test]
async fn no_rows_are_an_empty_answer_and_no_failure() {
    for batches in [|| vec![], || vec![numbers(0..0)]] {
        let array = get_rows(batches(), Format::Array).await;
        assert_eq!((array.status(), array.json()), (200, json!([])));
        let answer = get_rows(batches(), Format::Lines).await;
        assert_eq!((answer.status(), answer.body()), (200, (String::new(), true)));
    }
}

#[tokio::test]
async fn a_failure_before_the_first_row_is_a_problem() {
    for format in [Format::Array, Format::Lines] {
        for batches in [
            vec![Err(QueryError::DivideByZero)],
            vec![numbers(0..0), Err(QueryError::DivideByZero)],
        ] {
            let answer = get_rows(batches, format).await;
            assert_eq!(answer.status(), 400);
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.json()["detail"], "division by zero");
        }
    }
}

#[tokio::test]
async fn a_failure_after_the_first_row_cuts_the_answer_so_that_it_shows() {
    for format in [Format::Array, Format::Lines] {
        let answer = get_rows(vec![numbers(0..2), Err(QueryError::Timeout)], format).await;
        let (body, whole) = answer.body();
        assert!(!whole, "{body}");
        assert!(body.contains(r#"{"n":1}"#) && !body.contains(']'), "{body}");
        assert!(!answer.text().contains("longer than it may"));
    }
}

#[tokio::test]
async fn nothing_is_read_after_a_failure() {
    let batches = vec![numbers(0..2), Err(QueryError::Timeout), numbers(2..4)];
    let (body, whole) = get_rows(batches, Format::Lines).await.body();
    assert!(!whole);
    assert_eq!(lines(&body).len(), 2);
}

#[tokio::test]
async fn values_have_the_documented_form() {
    let columns: [(&str, ArrayRef); 9] = [
        ("id", Arc::new(Int64Array::from(vec![Some((1 << 53) - 1), None]))),
        ("text", Arc::new(StringArray::from(vec![Some("a \"b\"\n\u{4e2d}"), None]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("ratio", Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN)]))),
        ("amount", {
            let decimals = Decimal128Array::from(vec![Some(1999), None]);
            Arc::new(decimals.with_precision_and_scale(12, 2).unwrap())
        }),
        ("day", Arc::new(Date32Array::from(vec![Some(0), None]))),
        ("at", {
            let instants = TimestampMicrosecondArray::from(vec![Some(1_500_000), None]);
            Arc::new(instants.with_timezone("UTC"))
        }),
        ("bytes", Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\x00\xff"), None]))),
        ("list", {
            let lists = [Some(vec![Some(1), None]), None];
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))
        }),
    ];
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, column, true)),
    );
    let (body, whole) = get_rows(vec![Ok(rows.unwrap())], Format::Lines).await.body();
    assert!(whole);
    assert_eq!(
        body.lines().collect::<Vec<_>>(),
        [
            r#"{"id":9007199254740991,"text":"a \"b\"\n中","flag":true,"ratio":0.5,"amount":19.99,"day":"1970-01-01","at":"1970-01-01T00:00:01.500Z","bytes":"00ff","list":[1,null]}"#,
            r#"{"id":null,"text":null,"flag":null,"ratio":null,"amount":null,"day":null,"at":null,"bytes":null,"list":null}"#,
        ]
    );
}
