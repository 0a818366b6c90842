use super::*;

const HEADER: &str = "identifier_type,identifier,purpose,status,at,notice,channel";
const ROW: &str = "email,canary-7f3a@example.test,marketing.advertising.first_party,given,2026-03-01T10:00:00+08:00,privacy-v3,web";

fn read(text: &str) -> CsvImport {
    read_csv(text.as_bytes())
}

/// The problems, after checking that nothing printed shows the canary.
fn problems(import: &CsvImport) -> Vec<(u64, &str)> {
    let printed = format!("{import:?}");
    assert!(!printed.contains("canary"), "{printed}");
    assert!(import.problems.iter().all(|problem| !problem.remedy.is_empty()));
    import.problems.iter().map(|problem| (problem.line, problem.message.as_str())).collect()
}

#[test]
fn a_row_reads_as_written_with_and_without_byte_order_mark() {
    for mark in ["", "\u{feff}"] {
        let import = read(&format!("{mark}{HEADER}\r\n{ROW}\r\n"));
        assert_eq!(problems(&import), []);
        let row = &import.rows[0];
        assert_eq!(row.line, 2);
        assert_eq!(row.identifier_type, IdentifierType::Email);
        assert_eq!(row.identifier.expose(), "canary-7f3a@example.test");
        assert_eq!(row.purpose.as_str(), "marketing.advertising.first_party");
        assert_eq!(row.status, ConsentStatus::Given);
        assert_eq!(row.at.to_string(), "2026-03-01T02:00:00Z");
        assert_eq!(row.notice.as_deref(), Some("privacy-v3"));
        assert_eq!(row.channel.as_deref(), Some("web"));
        assert_eq!((&row.scope, row.expires_at), (&None, None));
    }
}

#[test]
fn scope_and_expiry_are_read_where_the_header_names_them() {
    let import = read(&format!(
        "{HEADER},scope,expires_at\ncustomer_id,7,marketing,given,2026-03-01T10:00:00Z,,,pos,2027-03-01T10:00:00Z\n"
    ));
    assert_eq!(problems(&import), []);
    assert_eq!(import.rows[0].scope.as_deref(), Some("pos"));
    assert_eq!(
        import.rows[0].expires_at.map(|at| at.to_string()).as_deref(),
        Some("2027-03-01T10:00:00Z")
    );
    assert_eq!((&import.rows[0].notice, &import.rows[0].channel), (&None, &None));
}

#[test]
fn a_customer_id_without_scope_is_a_problem() {
    let import =
        read(&format!("{HEADER}\ncustomer_id,canary,marketing,given,2026-03-01T10:00:00Z,,\n"));
    assert_eq!(
        problems(&import),
        [(2, "`scope` is missing, and a customer id means nothing without it")]
    );
    assert!(import.rows.is_empty());
}

#[test]
fn every_problem_of_a_row_is_named_and_the_rows_around_it_are_kept() {
    let import =
        read(&format!("{HEADER}\n{ROW}\nfax,,Canary Purpose,canary,canary-yesterday,,\n\n{ROW}\n"));
    assert_eq!(
        problems(&import),
        [
            (3, "`identifier_type` is not a type of identifier"),
            (3, "`identifier` is empty"),
            (3, "`purpose` is not a purpose"),
            (3, "`status` is not a consent status"),
            (3, "`at` is not an instant with its offset from UTC"),
        ]
    );
    assert_eq!(import.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 5]);
}

#[test]
fn a_name_does_not_say_whose_consent_it_is() {
    let import = read(&format!("{HEADER}\nname,canary,marketing,given,2026-03-01T10:00:00Z,,\n"));
    assert_eq!(problems(&import), [(2, "`identifier_type` does not point to one person")]);
}

#[test]
fn missing_and_extra_columns_are_named() {
    let import = read(&format!("{HEADER}\nemail,canary\n{ROW},canary\n"));
    assert_eq!(
        problems(&import),
        [
            (2, "the row has 2 columns where the header has 7"),
            (3, "the row has 8 columns where the header has 7"),
        ]
    );
}

#[test]
fn a_header_that_is_none_is_named_by_place() {
    let import = read(&format!("{ROW}\n{ROW}\n"));
    let named = problems(&import);
    assert_eq!(named[0], (1, "the header's column 1 is none of consent events"));
    assert_eq!(named[7], (1, "the header lacks `identifier_type`"));
    assert!(import.rows.is_empty());

    let import = read("identifier_type,identifier,identifier,purpose,status,at,notice\n");
    assert_eq!(
        problems(&import),
        [(1, "the header has `identifier` twice"), (1, "the header lacks `channel`")]
    );
    assert_eq!(problems(&read("")), [(1, "the file is empty")]);
}

#[test]
fn bytes_that_are_not_utf_8_are_named_and_do_not_end_the_file() {
    let mut bytes = format!("{HEADER}\n{ROW}\n").into_bytes();
    bytes.extend(b"email,canary\xff@example.test,marketing,given,2026-03-01T10:00:00Z,,\n");
    bytes.extend(ROW.bytes());
    let import = read_csv(bytes.as_slice());
    assert_eq!(problems(&import), [(3, "`identifier` is not UTF-8")]);
    assert_eq!(import.rows.len(), 2);
}

#[test]
fn a_quotation_mark_that_is_never_closed_does_not_swallow_rows_silently() {
    let import = read(&format!(
        "{HEADER}\nemail,canary@x.cn,marketing,given,2026-03-01T10:00:00Z,v1,\"web\n{ROW}\n"
    ));
    assert_eq!(problems(&import), [(2, "`channel` has a line break or another control character")]);
}

#[test]
fn a_source_that_fails_is_a_problem() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("canary"))
        }
    }
    let import = read_csv(format!("{HEADER}\n{ROW}\n").as_bytes().chain(Failing));
    assert_eq!(problems(&import), [(3, "the file could not be read any further")]);
    assert_eq!(import.rows.len(), 1);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let mut file = format!("{HEADER}\n").into_bytes();
        file.extend(&bytes);
        for import in [read_csv(bytes.as_slice()), read_csv(file.as_slice())] {
            proptest::prop_assert!(import.rows.len() + import.problems.len() <= 9 * 203);
        }
    }
}
