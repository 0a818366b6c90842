use serde_json::json;

use super::kept::Statement;
use super::*;

fn asker(name: &str, purpose: &str) -> Asker {
    let principal = custos_policy::Principal::new(name.parse().unwrap(), Vec::new());
    Asker { principal, purpose: purpose.parse().unwrap() }
}

fn request(sql: &str) -> SqlRequest {
    SqlRequest { sql: sql.to_owned(), parameters: vec![json!(1)] }
}

fn keep(
    all: &Statements,
    name: &str,
    key: Option<&str>,
    sql: &str,
) -> Result<(Arc<Statement>, bool), RequestError> {
    let asker = asker(name, "analytics");
    let digest = digest(&asker, &request(sql));
    let now = custos_core::Timestamp::from_micros(0);
    all.keep(asker, now, (key.map(str::to_owned), digest))
}

#[test]
fn a_request_that_is_repeated_is_the_same_statement() {
    let all = Statements::default();
    let (first, is_new) = keep(&all, "ana", Some("k"), "SELECT 1").unwrap();
    assert!(is_new);
    let (again, is_new) = keep(&all, "ana", Some("k"), "SELECT 1").unwrap();
    assert!(!is_new && Arc::ptr_eq(&first, &again));
    let other = keep(&all, "ana", Some("k"), "SELECT 2");
    assert!(matches!(other, Err(RequestError::IdempotencyKeyUsed)));
    assert!(keep(&all, "bo", Some("k"), "SELECT 2").unwrap().1, "keys are a principal's own");
    assert!(keep(&all, "ana", None, "SELECT 1").unwrap().1);
}

#[test]
fn a_statement_is_unknown_to_others() {
    let all = Statements::default();
    let (statement, _) = keep(&all, "ana", None, "SELECT 1").unwrap();
    let id = statement.address().rsplit('/').next().unwrap().to_owned();
    let [ana, bo] = ["ana", "bo"].map(|name| name.parse().unwrap());
    assert!(all.find(&id, &ana).is_ok());
    assert!(matches!(all.find(&id, &bo), Err(RequestError::NoSuchStatement)));
    assert_eq!((all.of(&ana).len(), all.of(&bo).len()), (1, 0));
    statement.cancel();
    assert!(all.find(&id, &ana).is_ok(), "it is known for some time after its end");
}

#[test]
fn what_is_spent_makes_room_and_what_runs_does_not() {
    let all = Statements::default();
    let kept: Vec<_> = (0..8).map(|_| keep(&all, "ana", None, "SELECT 1").unwrap().0).collect();
    let refused = keep(&all, "ana", None, "SELECT 1");
    assert!(matches!(refused, Err(RequestError::TooManyStatements { limit: 8 })));
    assert!(keep(&all, "bo", None, "SELECT 1").is_ok());
    kept[3].cancel();
    assert!(keep(&all, "ana", None, "SELECT 1").is_ok());
}

#[test]
fn what_is_asked_differs_by_purpose_text_and_values() {
    let of = |purpose, sql: &str, values| {
        let request = SqlRequest { sql: sql.to_owned(), parameters: values };
        digest(&asker("ana", purpose), &request)
    };
    let one = of("analytics", "SELECT $1", vec![json!(1)]);
    assert_eq!(one, of("analytics", "SELECT $1", vec![json!(1)]));
    for other in [
        of("essential", "SELECT $1", vec![json!(1)]),
        of("analytics", "SELECT $1 ", vec![json!(1)]),
        of("analytics", "SELECT $1", vec![json!("1")]),
        of("analytics", "SELECT $1", vec![]),
    ] {
        assert_ne!(one, other);
    }
}
