use std::ops::Not;

use arrow::array::AsArray;
use arrow::datatypes::{Field, Int64Type};
use datafusion::prelude::{col, lit};
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::governor::tests::{World, sorted};

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("clear", DataType::Int64, true),
        Field::new("masked", DataType::Int64, true),
        Field::new("ratio", DataType::Float64, true),
    ])
}

#[test]
fn only_comparisons_of_clear_columns_with_values_of_their_type_are_held_against_bounds() {
    let is_clear = |name: &str| name != "masked";
    let prunable = |filter: Expr| is_prunable(&filter, &schema(), &is_clear);
    for filter in [
        col("clear").eq(lit(1_i64)),
        lit(1_i64).lt(col("clear")),
        col("clear").in_list(vec![lit(1_i64), lit(2_i64)], true),
        col("clear").between(lit(1_i64), lit(2_i64)),
        col("clear").is_null(),
        col("clear").gt(lit(1_i64)).or(col("clear").is_not_null()),
    ] {
        assert!(prunable(filter.clone()), "{filter}");
    }
    for filter in [
        // Bounds of raw values would tell of masked ones.
        col("masked").eq(lit(1_i64)),
        col("masked").is_null(),
        col("clear").eq(lit(1_i64)).and(col("masked").eq(lit(1_i64))),
        // What may fail must not see a hidden row.
        (lit(1_i64) / col("clear")).eq(lit(1_i64)),
        col("clear").eq(lit(1_i32)),
        col("clear").eq(lit("1")),
        col("clear").eq(col("clear")),
        // No bound holds for values that are no numbers.
        col("ratio").gt(lit(1.0)),
        col("clear").eq(lit(1_i64)).not(),
    ] {
        assert!(!prunable(filter.clone()), "{filter}");
    }
}

/// The condition, and the same in words that no bounds are held against.
fn condition() -> impl Strategy<Value = (String, String)> {
    let column = prop_oneof![Just(("n", 0..6_000_i64)), Just(("g", 0..100_i64))];
    let comparison = (column, prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]))
        .prop_flat_map(|((name, range), op)| {
            range.prop_map(move |value| {
                (format!("{name} {op} {value}"), format!("{name} + 0 {op} {value}"))
            })
        });
    let text = (0..16_u32).prop_map(|digit| {
        let bound = format!("'{digit:x}'");
        (format!("canary_text < {bound}"), format!("concat(canary_text, '') < {bound}"))
    });
    let leaf = prop_oneof![4 => comparison, 1 => text];
    leaf.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), prop_oneof![Just("and"), Just("or")], inner).prop_map(|(one, op, other)| {
            (format!("({} {op} {})", one.0, other.0), format!("({} {op} {})", one.1, other.1))
        })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_finds_the_same_rows_whether_bounds_are_held_against_it_or_not() {
    let world = World::with_rows(5_000).await;
    world.sort(1_000, 50).await;
    let doors = world.doors(world.limits()).await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..60 {
        let (pruned, whole) = condition().new_tree(&mut runner).unwrap().current();
        let select = |condition: &str| {
            format!("select person_id, subject_id, canary_text, n, g from people where {condition}")
        };
        let found = sorted(&doors.rows(&select(&pruned)).await.unwrap());
        assert_eq!(found, sorted(&doors.rows(&select(&whole)).await.unwrap()), "{pruned}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_found_by_id_without_reading_the_files_of_others() {
    let world = World::with_rows(5_000).await;
    world.sort(1_000, 50).await;
    let doors = world.doors(world.limits()).await;
    let rows = doors.rows("select person_id, subject_id from people where n = 17").await.unwrap();
    let id = |at: usize| rows[0].column(at).as_primitive::<Int64Type>().value(0);
    for condition in [format!("person_id = {}", id(0)), format!("subject_id in ({}, 5)", id(1))] {
        let sql = format!("select n from people where {condition}");
        let mut governed = doors.govern(&sql).await.unwrap();
        let read = governed.record_subjects().unwrap();
        let rows: Vec<_> = doors.executor.run(governed).await.unwrap().try_collect().await.unwrap();
        assert_eq!(sorted(&rows), ["1017", "17", "2017", "3017", "4017"], "{condition}");
        // One file of five, each of which holds the rows of two hundred subjects.
        assert_eq!(read.bitmap().len(), 200, "{condition}");
    }
}
