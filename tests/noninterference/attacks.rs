//! The catalogue of attacks, each as statements.
//!
//! What is not here, and why:
//!
//! | attack | why |
//! |---|---|
//! | A20, A21, A41, A43: plans, sessions, tickets and cursors kept over a change | a statement is planned anew for each execution, in a session of its own. Cursors, tickets and statements for later over a change are tests of the doors. Row bits, visibility, files and answers kept over a change are here: all doors are opened, and asked, before the last withdrawals |
//! | A30, A31, A32 of totals: differences of several statements | `EXCLUSIONS.md`; that thresholds hold back what they must are tests of `custos-query` |
//! | A34, A36, A38: physical order, plans that follow sizes, time | `EXCLUSIONS.md` |
//! | A37, A46: memory and temporary space | errors have fixed texts; the bytes of temporary files are searched by tests of `custos-query` |
//! | A40, A42: Substrait, ingestion and counts over Flight | not served; tests of Flight see them refused |
//! | A47: names in the lake | tests of `custos-lake` |

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::observe::{Cell, Seen};
use crate::rows::{Asker, SUBJECTS};
use crate::twins::{Question, Twins};

/// What is answered alike in all worlds, whether with rows or with an error.
pub(crate) const ALIKE: &[(&str, &str)] = &[
    ("A1", "select * from people where age > 40"),
    ("A1", "select order_no, array_agg(order_no) over (order by order_no) from orders"),
    ("A2", "select page, note, case when age > 40 then email end as shown from people"),
    ("A3", "select cast(code as bigint) from people"),
    ("A3", "select count(*) from people where cast(code as bigint) >= 0"),
    ("A3", "select cast(email as bigint) from people"),
    ("A4", "select 1000 / age from people"),
    ("A4", "select sum(1000 / quantity) from orders"),
    ("A4", "select sum(quantity), max(quantity) + 1, min(quantity) - 1 from orders"),
    ("A4", "select arrow_cast(code, 'Int16') from people"),
    ("A4", "select sum(1000 / duration), max(abs(event_no)) from events where source = 'shop'"),
    ("A5", "select count(*) from people where city like 'B%' and 100 / age > 1"),
    (
        "A6",
        "select count(*) from orders o where o.person_id in (select person_id from people) \
            and 100 / o.quantity > 5",
    ),
    ("A7", "select count(*) from people"),
    ("A7", "select count(*) from orders"),
    ("A7", "select count(*), max(event_no), min(event_no), min(kind), max(kind) from events"),
    ("A7", "select min(age), max(age), sum(age), count(distinct city), max(city) from people"),
    (
        "A7",
        "select min(order_no), max(order_no), max(amount), max(rate), max(ordered_at) from orders",
    ),
    ("A12", "select emial from people"),
    ("A12", "select lenght(email) from people"),
    ("A16", "with consent as (values (1, 'analytics')) select count(*) from people"),
    ("A17", "with people as (select 1 as person_id) select * from people"),
    ("A17", "select count(*) from \"people\""),
    ("A17", "select count(*) from custos.customer.people"),
    ("A19", "select * from spend"),
    ("A22", "select source, count(*), min(event_no) from events group by source"),
    ("A25", "select member, count(*) from people group by member"),
    ("A25", "select a.member from people a join people b on a.member = b.email"),
    ("A26", "select min(email), max(email), count(distinct email) from people"),
    ("A26", "select email, subject_id from people where email < 'm' order by email, subject_id"),
    ("A26", "select count(*) from people where email like '%xq7%' or email between 'f' and 'g'"),
    ("A26", "select count(*) from people where email = '***'"),
    ("A26", "select count(*) from people where email < '0'"),
    ("A27", "select named_struct('e', email, 'n', note)['e'] as e from people"),
    ("A27", "select make_array(email, page)[1] as e from people"),
    ("A28", "select count(*) from people where note like '%7%'"),
    ("A28", "select note, page, count(*) from people group by note, page"),
    ("A28", "select subject_id, rank() over (order by note) as r from people"),
    ("A29", "select lag(age) over (order by subject_id) as l, count(*) over () as n from people"),
    ("A33", "select count(*) from (select * from people limit 100000) p"),
    ("A33", "select age, subject_id from people order by age, subject_id limit 5"),
    ("A35", "select age, subject_id from people order by age desc, subject_id limit 3"),
    ("A35", "select email, subject_id from people order by email desc, subject_id limit 3"),
    (
        "A35",
        "select count(*) from people p join orders o on p.subject_id = o.subject_id \
             where p.age = 41",
    ),
    ("A39", "select * from people for system_time as of '2020-01-01'"),
    ("A44", "select count(*) from orders where order_no in ('o00001', 'o00002', 'o00003')"),
    ("pruned", "select 1 from people where 1 / (age - age) = 1 and age > 200"),
    ("pruned", "select 1 from people where 1 / (age - age) = 1 and age < -200"),
    ("pruned", "select 1 from people where cast(city as bigint) = 1 and city > 'y'"),
    ("pruned", "select 1 from people where 1 / (age - age) = 1 and age in (-1, 999999)"),
    ("A30", "select city, count(*), sum(age) from people group by city"),
    ("A30", "select count(*), count(distinct person_id) from people where age > 40"),
    ("A31", "select kind, count(*) from events group by kind having count(*) > 3 order by kind"),
    (
        "A31",
        "select p.city, count(*), avg(o.quantity) from people p join orders o \
             on p.person_id = o.person_id group by p.city",
    ),
    (
        "A32",
        "select case when age > 60 then 1 else 0 end as old, count(*) from people group by old",
    ),
    ("A8", "explain select * from people"),
    ("A8", "explain select email from people where age > 41 order by email limit 3"),
    ("A50", "select person_id_referrer, count(*) from orders group by person_id_referrer"),
];

/// What is refused, and a part of the words in which it is.
const REFUSED: &[(&str, &str, &str)] = &[
    ("A9", "explain analyze select * from people", "EXPLAIN"),
    ("totals", "select city, count(*) from people group by rollup (city)", "ROLLUP"),
    ("totals", "select city, count(*) from people group by cube (city)", "ROLLUP"),
    ("A10", "explain verbose select * from people", "EXPLAIN"),
    ("A10", "set datafusion.explain.show_statistics = true", "SET"),
    ("A11", "select * from information_schema.tables", "does not exist"),
    ("A11", "select * from information_schema.df_settings", "does not exist"),
    ("A11", "select * from pg_catalog.pg_class", "does not exist"),
    ("A11", "show create table people", "not"),
    ("A11", "show tables", "not"),
    ("A11", "describe people", "not"),
    ("A12", "select * from landing.crm_contacts", "does not exist"),
    ("A12", "select * from landing.nothing_at_all", "does not exist"),
    ("A12", "select * from vault.persons", "does not exist"),
    ("A13", "create external table t stored as parquet location 'file:///tmp/t'", "not allowed"),
    ("A14", "copy (select * from people) to 'file:///tmp/t' stored as parquet", "not allowed"),
    ("A14", "insert into people values (1)", "not allowed"),
    ("A15", "select * from 'people.parquet'", "does not exist"),
    ("A15", "select * from generate_series(1, 3)", "not"),
    ("A18", "set datafusion.catalog.default_schema = 'landing'", "SET"),
    ("A18", "set datafusion.runtime.temp_directory = '/tmp'", "SET"),
    ("A19", "create view v as select * from people", "not allowed"),
    ("A20", "prepare q as select * from people", "not allowed"),
    ("A21", "set role officer", "SET"),
    ("A23", "create function f(bigint) returns bigint return $1", "not"),
    ("A24", "select input_file_name() from people", "does not exist"),
    ("A24", "select file_row_index() from people", "does not exist"),
    ("A24", "select version()", "does not exist"),
    (
        "A44",
        "with recursive t as (select 1 as n union all select n + 1 from t) \
             select count(*) from t",
        "recursive",
    ),
    ("A48", "delete from people where email = 'a'", "not allowed"),
    ("A48", "update people set age = 1", "not allowed"),
];

/// Tries everything on some worlds; the error is the first thing that was seen and must not be.
pub(crate) async fn try_all(twins: &Twins) -> Result<(), String> {
    for (attack, sql) in ALIKE {
        for asker in Asker::ALL {
            // Places that between them ask in all worlds.
            for place in [0, 1, 3, 5, 6] {
                let ordered = sql.contains(" limit ");
                let question = Question { asker, sql: (*sql).to_owned(), ordered, place };
                let checked = twins.check(&question).await;
                checked.map_err(|what| format!("{attack}, {}: {sql}: {what}", asker.role()))?;
            }
        }
    }
    for (attack, sql, words) in REFUSED {
        for asker in Asker::ALL {
            let question = Question { asker, sql: (*sql).to_owned(), ordered: false, place: 1 };
            match twins.check(&question).await? {
                Seen::Error { text, .. } if text.contains(words) => {}
                Seen::Error { text, .. } => return Err(format!("{attack}: {sql}: `{text}`")),
                Seen::Rows { .. } => return Err(format!("{attack}: {sql} was answered")),
            }
        }
    }
    names_tell_nothing(twins).await
}

/// A column of an answer, as text.
async fn column(twins: &Twins, asker: Asker, sql: &str) -> Result<BTreeSet<String>, String> {
    match twins.plain(asker).ask(asker, sql).await? {
        Seen::Rows { rows, .. } => {
            let text = |row: Vec<Cell>| match row.into_iter().next() {
                Some(Cell::Other(text)) => text,
                other => format!("{other:?}"),
            };
            Ok(rows.into_iter().map(text).collect())
        }
        Seen::Error { text, .. } => Err(text),
    }
}

/// Ids and tokens are neither what they stand for nor the same for two purposes (A25).
async fn names_tell_nothing(twins: &Twins) -> Result<(), String> {
    for sql in [
        "select person_id from people",
        "select subject_id from people",
        "select member from people where member is not null",
    ] {
        let mut seen = BTreeSet::new();
        for asker in Asker::OF_ROWS {
            let names = column(twins, asker, sql).await?;
            let is_rid = |name: &String| name.parse().is_ok_and(|id: u64| id <= SUBJECTS.into());
            if names.is_empty() || names.iter().any(is_rid) {
                return Err(format!("A25: {sql}: internal ids are shown"));
            }
            if !seen.is_disjoint(&names) {
                return Err(format!("A25: {sql}: purposes share names"));
            }
            seen.extend(names);
        }
    }
    Ok(())
}

/// Where log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A45: and neither answers nor log lines nor audit entries tell of what is hidden.
#[test]
fn no_known_attack_learns_of_what_is_hidden() {
    let _alone = crate::run::alone();
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::info!("log lines are kept");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let worlds = crate::twins::Worlds::new().await;
        let twins = worlds.twins().await;
        try_all(&twins).await.unwrap();
        for doors in twins.full() {
            let entries = doors.audit.export(0, 10_000).await.unwrap();
            assert!(!entries.is_empty());
            for entry in &entries {
                assert!(!String::from_utf8_lossy(entry.leaf()).contains("xq7"));
            }
        }
    });
    let lines = lines.0.lock().unwrap();
    let lines = String::from_utf8_lossy(&lines);
    assert!(lines.contains("log lines are kept"));
    assert!(!lines.contains("xq7"), "a log line quotes a value");
}
