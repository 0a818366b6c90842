//! Documented behaviour, as files in the format of sqllogictest.
//!
//! Of the format there is: `connection`, which here names who asks, `query T rowsort` with
//! columns separated by tabs, `statement error` followed by a part of its text, and comments.

use std::fs;

use crate::observe::{Cell, Seen};
use crate::rows::Asker;
use crate::twins::{Twins, Worlds};

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

/// Checks one record in all worlds; the error says what differs.
async fn check(twins: &Twins, asker: Asker, record: &str) -> Result<(), String> {
    let (head, body) = record.split_once('\n').ok_or("a record without statement")?;
    let (sql, expected) = body.split_once("\n----").unwrap_or((body, ""));
    let expected: Vec<&str> = expected.trim().lines().collect();
    for doors in twins.full().chain([twins.plain(asker)]) {
        let seen = doors.ask(asker, sql).await?;
        match head.strip_prefix("statement error ") {
            Some(words) => match seen {
                Seen::Error { text, .. } if text.contains(words) => {}
                other => return Err(format!("{sql}: {other:?}")),
            },
            None if head == "query T rowsort" => {
                let found = lines(seen)?;
                if found != expected {
                    return Err(format!("{sql}: {found:?}, not {expected:?}"));
                }
            }
            None => return Err(format!("`{head}` is not known here")),
        }
    }
    Ok(())
}

#[test]
fn documented_behaviour_is_what_happens() {
    let _alone = crate::run::alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = custos_testkit::workspace_root().join("tests/noninterference/slt");
    let mut checked = 0;
    runtime.block_on(async {
        let worlds = Worlds::new().await;
        let twins = worlds.twins().await;
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
                    check(&twins, asker, record).await.unwrap();
                    checked += 1;
                }
            }
        }
    });
    assert!(checked > 20, "{checked}");
}
