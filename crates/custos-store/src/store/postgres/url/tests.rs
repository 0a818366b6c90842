use super::*;

fn parse(text: &str) -> Result<PostgresUrl, PostgresUrlError> {
    text.parse()
}

#[test]
fn a_url_shows_where_the_database_is_and_not_how_to_get_in() {
    let url = parse("postgres://ana:canary-7f3a@db.example.test:6432/control").unwrap();
    assert_eq!(url.place(), "postgres://db.example.test:6432/control");
    for shown in [format!("{url:?}"), format!("{url:#?}")] {
        assert!(!shown.contains("canary-7f3a") && !shown.contains("ana"), "{shown}");
    }
    let url = parse("postgresql://ana@localhost/control?host=/run/pg").unwrap();
    assert_eq!(url.place(), "postgres:///run/pg:5432/control");
}

#[test]
fn what_is_wrong_with_a_url_is_said_without_its_values() {
    for (text, expected) in [
        ("", PostgresUrlError::Form),
        ("control", PostgresUrlError::Form),
        ("mysql://canary@host/db", PostgresUrlError::Form),
        ("postgres:canary", PostgresUrlError::Form),
        ("postgres://host:canary/db", PostgresUrlError::Form),
        ("postgres://host/db?pasword=canary", PostgresUrlError::Parameter),
        ("postgres://host/db?sslmode=canary", PostgresUrlError::Value),
        ("postgres://host/db?sslmode=allow", PostgresUrlError::Value),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains("canary"));
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn a_server_elsewhere_must_show_who_it_is_unless_the_url_says_otherwise() {
    for (text, safe) in [
        ("postgres://host/db", true),
        ("postgres://10.0.0.1/db", true),
        ("postgres://host/db?sslmode=verify-full", true),
        ("postgres://host/db?sslmode=disable", false),
        ("postgres://localhost/db", false),
        ("postgres://127.0.0.1/db", false),
        ("postgres://[::1]/db", false),
        ("postgres://host/db?host=/run/postgresql", false),
    ] {
        let mode = parse(text).unwrap().options().get_ssl_mode();
        assert_eq!(matches!(mode, PgSslMode::VerifyFull), safe, "{text}: {mode:?}");
    }
}
