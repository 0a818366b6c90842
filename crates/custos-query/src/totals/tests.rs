use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::QueryError;
use crate::governor::tests::{Doors, World, principal, sorted};

/// Of persons 1 to 1000, person `n + 1` has the rows `n`, `n + 1000` and so on, and `g` is `n % 100`.
const PEOPLE: i64 = 1_000;

/// A statement, and its rows.
const SHOWN: &[(&str, &[&str])] = &[
    ("select count(*) from people", &["3000"]),
    ("select count(*) from people where n < 10", &["10"]),
    // Nine people; and few people with many rows.
    ("select count(*) from people where n < 9", &[]),
    (
        "select count(*) from people where n in (0, 1000, 2000, 1, 1001, 2001, 2, 1002, 2002, 3, 4)",
        &[],
    ),
    ("select count(*) from people where n < 0", &[]),
    // A third of the rows is of `b`, which would tell `a` to who knows the total.
    (
        "select case when n < 3 then 'a' when n < 20 then 'b' else 'c' end as k, count(*) as c \
         from people group by k",
        &["c,2980"],
    ),
    (
        "select g, count(*) as c from people where n < 995 group by g having count(*) > 8 order by g limit 3",
        &["1,10", "2,10", "3,10"],
    ),
    // What fails on a group that is held back tells its total.
    (
        "select g, count(*) as c from people where n < 995 group by g \
         having 1 / (count(*) - 9) < 5 order by g limit 1",
        &["1,10"],
    ),
    (
        "select g, 1 / (count(*) - 9) as c from people where n < 995 group by g order by g limit 1",
        &["1,1"],
    ),
    // Fifteen people have the one value and fifteen the other, and five have both.
    (
        "select regr_count(a.n, b.n) from (select person_id, n from people where n < 15) a \
         full join (select person_id, n from people where n between 10 and 24) b \
         on a.person_id = b.person_id",
        &[],
    ),
    ("select g from people where n < 1000 and g < 2 group by g", &["0", "1"]),
    (
        "select sum(n), count(distinct person_id), min_of from (select n, person_id, 1 as min_of from \
      people where n < 20) as few group by min_of",
        &["190,20,1"],
    ),
    // Whoever is joined to too few is not enough.
    (
        "select count(*), sum(b.n) from people a left join (select person_id, n from people \
         where n < 5) b on a.person_id = b.person_id",
        &[],
    ),
    (
        "select count(*), count(b.n) from people a left join (select person_id, n from people \
         where n < 15) b on a.person_id = b.person_id where a.n < 1000",
        &["1000,15"],
    ),
    // A name of the statement's own is not that of a published table.
    (
        "with people as (select 7 as person_id, n from customer.people where n < 9) \
      select count(*) from people",
        &[],
    ),
    ("with few as (select g, n from people where n < 30) select count(*) * 2 from few f", &["60"]),
    ("select count(*) from people where n < 5 or g is null or lower(canary_text) = 'x'", &[]),
    ("select count(*) from people where n < 5 + 10 and cast(n as double) < 1e3", &["15"]),
    // A model without people of its own, of which one group is of five people.
    ("select age, many from counted", &["old,2980"]),
    ("select avg(n) from people where n between 0 and 9", &["4.5"]),
    ("select 1 + 1", &["2"]),
];

/// A statement, and a part of why it is refused.
const REFUSED: &[(&str, &str)] = &[
    ("select n from people", "asks for rows"),
    ("select distinct g from people", "GROUP BY"),
    ("select max(n) from people", "`max`"),
    ("select array_agg(n) from people", "`array_agg`"),
    ("select first_value(n order by n) from people", "`first_value`"),
    ("select sum(case when n = 5 then n end) from people", "not over a column"),
    (
        "select sum(x) from (select case when n = 5 then n else 0 end as x from people) t",
        "not over a column",
    ),
    ("select count(nullif(n, 5)) from people", "not over a column"),
    ("select sum(person_id) from people", "not over a column"),
    ("select count(*) filter (where n = 5) from people", "FILTER"),
    ("select sum(distinct n) from people", "DISTINCT"),
    ("select count(*) from people where person_id <> 5", "one person"),
    ("select count(*) from people where subject_id <> 5", "one person"),
    ("select count(*) from (select person_id as p from people) t where p <> 5", "one person"),
    ("select person_id, count(*) from people group by person_id", "one person"),
    ("select count(*) from people a join people b on a.person_id = b.n", "one person"),
    ("select count(*) from people where 10 / n > 1", "may fail"),
    ("select count(*) from people where cast(canary_text as bigint) > 1", "conversion"),
    ("select count(*) from people where substr(canary_text, 1, -1) = ''", "`substr`"),
    ("select count(*) from (select n from people limit 5) t", "LIMIT"),
    ("select count(*) from (select n from people order by n limit 50) t", "LIMIT"),
    ("select count(*) from (select distinct g from people) t", "DISTINCT"),
    ("select sum(many) from counted", "aggregate of an"),
    ("select avg(c) from (select g, count(*) as c from people group by g) t", "aggregate of an"),
    ("select count(*) from people where n > (select avg(n) from people)", "another expression"),
    ("select count(*) from people where n in (select n from people)", "another expression"),
    ("select count(*) + (select count(*) from people) from people", "subquery"),
    ("select count(*) from (select n from people union all select n from people) t", "UNION"),
    ("select count(*) from people union all select count(*) from people", "UNION"),
    ("select count(*) over () from people", "window"),
    ("select sum(count(*)) over () from people", "window"),
    ("select count(*) from (select row_number() over () as r from people) t", "window"),
    (
        "select a.c from (select count(*) as c from people) a cross join (select count(*) as d from people) b",
        "joins",
    ),
];

async fn rows(doors: &Doors, sql: &str) -> Result<Vec<String>, QueryError> {
    let purpose = "functional.service.improve".parse().unwrap();
    let governed = doors.governor.govern(sql, &principal("analyst"), &purpose).await?;
    let batches: Vec<_> = doors.executor.run(governed).await?.try_collect().await?;
    Ok(sorted(&batches))
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_few_people_are_held_back_and_what_would_tell_them() {
    let world = World::with_rows(3 * PEOPLE).await;
    let doors = world.doors(world.limits()).await;
    let mut failures = String::new();
    for (sql, expected) in SHOWN {
        match rows(&doors, sql).await {
            Ok(found) if found == *expected => {}
            other => failures += &format!("{sql}\n{other:?}\n"),
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_tell_one_person_is_refused_with_the_reason() {
    let world = World::with_rows(PEOPLE).await;
    let doors = world.doors(world.limits()).await;
    let mut failures = String::new();
    for (sql, why) in REFUSED {
        match rows(&doors, sql).await {
            Err(error @ QueryError::TotalsOnly { .. }) if error.to_string().contains(why) => {}
            other => failures += &format!("{sql}\n{other:?}\n"),
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn of_any_groups_those_are_shown_that_tell_no_small_one() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::with_rows(PEOPLE));
    let doors = runtime.block_on(world.doors(world.limits()));
    let sizes = prop::collection::vec(prop_oneof![1..12_i64, 9..40_i64], 1..7);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(40));
    let checked = runner.run(&sizes, |sizes| {
        let (mut cases, mut until) = (String::new(), 0);
        for (group, size) in sizes.iter().enumerate() {
            until += size;
            cases += &format!(" when n < {until} then {group}");
        }
        let sql = format!(
            "select case{cases} end as k, count(*) as c from people where n < {until} group by k"
        );
        let found = runtime.block_on(rows(&doors, &sql)).unwrap();
        prop_assert_eq!(found, expected(&sizes), "{}", sql);
        Ok(())
    });
    checked.unwrap();
}

/// By the definition: no small group, and if there are any not the smallest of the others.
fn expected(sizes: &[i64]) -> Vec<String> {
    let mut groups: Vec<(i64, usize)> = sizes.iter().copied().zip(0..).collect();
    groups.sort_unstable();
    let small = groups.iter().filter(|(size, _)| *size < 10).count();
    let held_back = if small == 0 { 0 } else { small + 1 };
    let mut shown: Vec<String> =
        groups.into_iter().skip(held_back).map(|(size, group)| format!("{group},{size}")).collect();
    shown.sort_unstable();
    shown
}
