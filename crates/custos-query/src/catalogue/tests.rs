use arrow::array::RecordBatch;
use custos_testkit::data_dir;
use futures::TryStreamExt;

use crate::governor::tests::{Doors, World, principal};
use crate::{Limits, QueryError, Question, Session};

/// The names of the columns, and how many rows there are.
async fn ask(doors: &Doors, sql: &str) -> Result<(Vec<String>, usize), QueryError> {
    let session =
        Session::new("legal_claims".into(), "officer".into(), vec!["analytics".into()], 7);
    let (principal, purpose) = (principal("officer"), "legal_claims".parse().unwrap());
    let question = Question { session: Some(&session), ..Question::new(sql, &principal, &purpose) };
    let governed = doors.governor.govern_question(&question).await?;
    let rows = doors.executor.run(governed).await?;
    let names = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    Ok((names, batches.iter().map(RecordBatch::num_rows).sum()))
}

#[tokio::test]
async fn what_clients_are_known_to_ask_of_the_catalogue_is_answered() {
    let Some(folder) = data_dir() else { return };
    let text =
        std::fs::read_to_string(folder.join("pgwire/pg_client_queries_public.jsonl")).unwrap();
    let world = World::with_rows(10).await;
    let doors = world.doors(world.limits()).await;
    let mut asked = 0;
    for line in text.lines() {
        let recorded: serde_json::Value = serde_json::from_str(line).unwrap();
        let sql = recorded["sql"].as_str().unwrap().trim().trim_end_matches(';');
        let asks = ["select", "with"].iter().any(|word| sql.to_lowercase().starts_with(word));
        // The door answers what else sessions say.
        if !asks
            || recorded["catalog"] != true
            || !recorded["params"].is_null()
            || sql.contains('$')
        {
            continue;
        }
        let answered = ask(&doors, sql).await;
        assert!(answered.is_ok(), "{answered:?} {sql}");
        asked += 1;
    }
    assert!(asked > 40, "{asked}");
}

#[tokio::test]
async fn the_catalogue_shows_what_is_published_and_is_never_mixed_with_it() {
    let world = World::with_rows(10).await;
    let doors = world.doors(world.limits()).await;
    let columns = "select column_name from information_schema.columns where table_name = 'people'";
    assert_eq!(ask(&doors, columns).await.unwrap(), (vec!["column_name".to_owned()], 5));
    let tables = "select relname from pg_class where relnamespace = 'customer'::regnamespace";
    assert_eq!(ask(&doors, tables).await.unwrap().1, 2);
    assert_eq!(
        ask(&doors, "select 1, count(*) from people").await.unwrap().0,
        ["?column?", "count"]
    );
    let mixed = ask(&doors, "select 1 from people, pg_class").await;
    assert!(matches!(mixed, Err(QueryError::Mixed)), "{mixed:?}");
    let other = ask(&doors, "select 1 from analytics.customer.people").await;
    assert!(matches!(other, Err(QueryError::OtherDatabase)), "{other:?}");
    ask(&doors, "select 1 from legal_claims.customer.people").await.unwrap();
    // Nothing of anybody was read by what only the catalogue answers.
    let entries = world.entries().await;
    assert!(entries.iter().all(|entry| !entry.object.contains("pg_")), "{entries:?}");
}

#[tokio::test]
async fn what_reads_no_table_is_held_to_the_same_limits() {
    let world = World::with_rows(10).await;
    let doors = world.doors(world.limits()).await;
    for sql in ["select repeat('x', 2000000000)", "select lpad(relname, 2000000000) from pg_class"]
    {
        let refused = ask(&doors, sql).await;
        assert!(matches!(refused, Err(QueryError::TooLarge)), "{sql}: {refused:?}");
    }
}

#[tokio::test]
async fn a_new_session_takes_one_turn_for_its_first_statement() {
    let world = World::with_rows(10).await;
    let doors = world.doors(Limits { principal_statements: 1, ..world.limits() }).await;
    // Where it waits for itself, it is refused as one too many once its time is over.
    let first = ask(&doors, "select 1").await;
    assert!(first.is_ok(), "{first:?}");
}
