use super::*;
use crate::postgres::text::pieces;

fn command(sql: &str) -> Result<Command, PgError> {
    Command::of(&pieces(sql).unwrap()[0])
}

#[test]
fn statements_of_sessions_are_told_from_those_that_ask_for_rows() {
    let name = || "c".to_owned();
    let set = |name: &str, value: Option<&str>, is_local| Command::Set {
        name: name.to_owned(),
        value: value.map(str::to_owned),
        is_local,
    };
    let fetch = |rows, is_move| Command::Fetch(Fetch { name: name(), rows, is_move });
    for (sql, expected) in [
        ("select 1", Command::Rows),
        ("WITH a AS (select 1) select * from a", Command::Rows),
        ("explain select 1", Command::Rows),
        ("BEGIN", Command::Begin(Vec::new())),
        (
            "begin transaction isolation level serializable, not deferrable",
            Command::Begin(vec![
                ("transaction_isolation", "serializable"),
                ("transaction_deferrable", "off"),
            ]),
        ),
        ("START TRANSACTION READ ONLY", Command::Begin(vec![("transaction_read_only", "on")])),
        ("end", Command::Commit { is_chained: false }),
        ("commit work and chain", Command::Commit { is_chained: true }),
        ("abort", Command::Rollback { is_chained: false }),
        ("rollback to savepoint c", Command::RollbackTo(name())),
        ("ROLLBACK TO \"C\"", Command::RollbackTo("C".to_owned())),
        ("release c", Command::Release(name())),
        ("set TimeZone = 'Asia/Shanghai'", set("timezone", Some("Asia/Shanghai"), false)),
        ("SET LOCAL timezone TO default", set("timezone", None, true)),
        ("set time zone 'UTC'", set("TimeZone", Some("UTC"), false)),
        ("SET search_path = a, \"B\"", set("search_path", Some("a, B"), false)),
        ("set my.own.name to 5", set("my.own.name", Some("5"), false)),
        ("SET statement_timeout = -1", set("statement_timeout", Some("-1"), false)),
        ("set names 'utf8'", set("client_encoding", Some("utf8"), false)),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            Command::Modes { modes: vec![("transaction_read_only", "on")], is_session: true },
        ),
        ("show transaction isolation level", Command::Show("transaction_isolation".to_owned())),
        ("SHOW server_version", Command::Show("server_version".to_owned())),
        ("show all", Command::ShowAll),
        ("RESET ALL", Command::Reset(None)),
        ("discard all", Command::DiscardAll),
        ("fetch c", fetch(Some(1), false)),
        ("FETCH FORWARD 100 FROM c", fetch(Some(100), false)),
        ("fetch all in c", fetch(None, false)),
        ("move 5 from c", fetch(Some(5), true)),
        ("close all", Command::Close(None)),
        ("CLOSE c", Command::Close(Some(name()))),
        ("deallocate prepare all", Command::Deallocate(None)),
        ("UNLISTEN *", Command::Nothing("UNLISTEN")),
        (
            "prepare c (int, text) as select $1, $2",
            Command::Prepare { name: name(), sql: "select $1, $2".to_owned() },
        ),
        ("execute c (1, 'a)')", Command::Execute { name: name(), arguments: "1, 'a)'".to_owned() }),
        (
            "DECLARE c BINARY NO SCROLL CURSOR WITH HOLD FOR select 1",
            Command::Declare(Declare {
                name: name(),
                is_binary: true,
                is_held: true,
                sql: "select 1".to_owned(),
            }),
        ),
        (
            "SELECT pg_catalog.set_config('search_path', '', false)",
            Command::SetConfig {
                name: "search_path".to_owned(),
                value: Given::Text(String::new()),
                is_local: false,
            },
        ),
        (
            "select set_config('jit', $1, true)",
            Command::SetConfig {
                name: "jit".to_owned(),
                value: Given::Parameter(1),
                is_local: true,
            },
        ),
    ] {
        assert_eq!(command(sql), Ok(expected), "{sql}");
    }
}

#[test]
fn copies_are_read_in_the_forms_of_today_and_of_old() {
    let copy = |sql: &str| match command(sql) {
        Ok(Command::Copy { sql, format }) => (sql, format),
        other => panic!("{other:?}"),
    };
    let text = |delimiter| CopyFormat::Text { delimiter, null: "\\N".to_owned() };
    assert_eq!(copy("copy orders to stdout"), ("SELECT * FROM \"orders\"".to_owned(), text(b'\t')));
    let (sql, format) =
        copy("COPY customer.orders (a, \"B\") TO STDOUT (FORMAT text, DELIMITER '|')");
    assert_eq!(sql, "SELECT a, \"B\" FROM \"customer\".\"orders\"");
    assert_eq!(format, text(b'|'));
    let csv = CopyFormat::Csv {
        delimiter: b',',
        quote: b'"',
        escape: b'"',
        null: String::new(),
        header: true,
        force_quote: Vec::new(),
    };
    assert_eq!(
        copy("copy (select 1) to stdout with csv header"),
        ("select 1".to_owned(), csv.clone())
    );
    assert_eq!(copy("copy (select 1) to stdout (format csv, header true)").1, csv);
    assert_eq!(copy("COPY (TABLE a) TO STDOUT (FORMAT binary)").1, CopyFormat::Binary);
}

#[test]
fn what_would_change_something_or_is_not_served_says_so() {
    for (sql, code) in [
        ("insert into a values (1)", "25006"),
        ("DROP TABLE a", "25006"),
        ("copy a from stdin", "42501"),
        ("copy a to '/tmp/a'", "42501"),
        ("copy a to program 'x'", "42501"),
        ("listen a", "0A000"),
        ("fetch prior from c", "55000"),
        ("fetch -1 from c", "55000"),
        ("set", "42601"),
        ("copy a to stdout (delimiter '||')", "22023"),
        ("copy a to stdout (nothing)", "0A000"),
    ] {
        assert_eq!(command(sql).unwrap_err().code, code, "{sql}");
    }
}
