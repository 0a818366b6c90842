use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;

use crate::governor::tests::{Doors, World};
use crate::{QueryError, Question, Session};

fn session() -> Session {
    Session {
        database: "legal_claims".to_owned(),
        user: "officer".to_owned(),
        databases: vec!["legal_claims".to_owned(), "analytics".to_owned()],
        settings: [("timezone".to_owned(), "UTC".to_owned())].into(),
        pid: 7,
        ..Session::default()
    }
}

async fn ask(doors: &Doors, session: &Session, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
    let principal = crate::governor::tests::principal("officer");
    let purpose = "legal_claims".parse().unwrap();
    let question = Question { session: Some(session), ..Question::new(sql, &principal, &purpose) };
    let governed = doors.governor.govern_question(&question).await?;
    doors.executor.run(governed).await?.try_collect().await
}

#[tokio::test]
async fn scratch() {
    let world = World::with_rows(10).await;
    let doors = world.doors(world.limits()).await;
    let session = session();
    let text = std::fs::read_to_string("/tmp/stmts.txt").unwrap();
    let mut failed = 0;
    for sql in text.split("\n----\n") {
        match ask(&doors, &session, sql).await {
            Ok(batches) => {
                let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
                println!("OK {rows} {}", sql.split_whitespace().collect::<Vec<_>>().join(" "));
                if std::env::var("SHOW").is_ok() && rows < 30 {
                    println!("{}", pretty_format_batches(&batches).unwrap());
                }
            }
            Err(error) => {
                failed += 1;
                println!(
                    "FAIL {error} :: {}",
                    sql.split_whitespace().collect::<Vec<_>>().join(" ")
                );
            }
        }
    }
    println!("failed {failed}");
}
