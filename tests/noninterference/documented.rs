//! Documented behaviour, as files in the format of sqllogictest, in process and over each door.
//!
//! Of the format there is: `connection`, which here names who asks, `query T rowsort` with
//! columns separated by tabs, `statement error` followed by a part of its text, `skipif postgres`
//! for what that protocol says otherwise, and comments.

use std::fs;

use crate::observe::{Cell, Seen};
use crate::rows::Asker;
use crate::twins::Worlds;
use crate::wire::Door;

/// The rows of an answer as lines in order.
fn lines(seen: Seen) -> Result<Vec<String>, String> {
    let Seen::Rows { rows, .. } = seen else { return Err(format!("no rows: {seen:?}")) };
    let cell = |cell: &Cell| match cell {
        Cell::Float(float) => float.to_string(),
        Cell::Other(text) => text.clone(),
    };
    let line = |row: &Vec<Cell>| row.iter().map(cell).collect::<Vec<_>>().join("\t");
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.sort_unstable();
    Ok(lines)
}

/// A statement, and what is to come of it.
#[derive(Debug)]
struct Record {
    asker: Asker,
    /// Not by PostgreSQL's protocol.
    is_skipped_by_postgres: bool,
    head: String,
    sql: String,
    expected: Vec<String>,
}

impl Record {
    fn parse(asker: Asker, text: &str) -> Self {
        let rest = text.strip_prefix("skipif postgres\n");
        let (head, body) = rest.unwrap_or(text).split_once('\n').unwrap();
        let (sql, expected) = body.split_once("\n----").unwrap_or((body, ""));
        Self {
            asker,
            is_skipped_by_postgres: rest.is_some(),
            head: head.to_owned(),
            sql: sql.to_owned(),
            expected: expected.trim().lines().map(str::to_owned).collect(),
        }
    }

    /// Compares what came of it; the error says what differs.
    fn check(&self, seen: Seen) -> Result<(), String> {
        let Self { head, sql, expected, .. } = self;
        match head.strip_prefix("statement error ") {
            Some(words) => match seen {
                Seen::Error { text, .. } if text.contains(words) => Ok(()),
                other => Err(format!("{sql}: {other:?}")),
            },
            None if head == "query T rowsort" => match lines(seen)? {
                found if found == *expected => Ok(()),
                found => Err(format!("{sql}: {found:?}, not {expected:?}")),
            },
            None => Err(format!("`{head}` is not known here")),
        }
    }
}

fn records() -> Vec<Record> {
    let folder = custos_testkit::workspace_root().join("tests/noninterference/slt");
    let mut records = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let mut asker = Asker::Analyst;
        for record in text.split("\n\n") {
            let lines = record.lines().filter(|line| !line.starts_with('#'));
            let record = lines.collect::<Vec<_>>().join("\n");
            let record = record.trim();
            if let Some(name) = record.strip_prefix("connection ") {
                asker = Asker::ALL.into_iter().find(|asker| asker.name() == name).unwrap();
            } else if !record.is_empty() {
                records.push(Record::parse(asker, record));
            }
        }
    }
    assert!(records.len() > 20, "{}", records.len());
    records
}

#[test]
fn documented_behaviour_is_what_happens() {
    let _alone = crate::run::alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let worlds = Worlds::new().await;
        let twins = worlds.twins().await;
        for record in records() {
            for doors in twins.full().chain([twins.plain(record.asker)]) {
                record.check(doors.ask(record.asker, &record.sql).await.unwrap()).unwrap();
            }
        }
    });
}

#[test]
fn documented_behaviour_is_what_happens_over_each_door() {
    let _alone = crate::run::alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let worlds = Worlds::new().await;
        let (_, mut full) = worlds.served().await;
        let mut wrong = Vec::new();
        for record in records() {
            for door in Door::ALL {
                if record.is_skipped_by_postgres && door == Door::Postgres {
                    continue;
                }
                let seen = full.ask(door, record.asker, &record.sql).await.unwrap();
                wrong.extend(record.check(seen).err().map(|wrong| format!("{door:?}: {wrong}")));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}
