//! Apache Superset against the PostgreSQL door, and against PostgreSQL itself with the same rows.
//!
//! It takes minutes and half a gigabyte to install, so it is run where it is asked for:
//! `cargo xtask superset`.

use custos_testkit::WireClient;

use crate::wire_clients::compare;

/// Set where it is asked for. The program that is tested would refuse a setting of its own that it
/// does not know.
const ASKED: &str = "CLIENTS_SUPERSET";

#[test]
fn superset_shows_of_custos_what_it_shows_of_postgresql() {
    if std::env::var_os(ASKED).is_none() {
        eprintln!("Superset was not run: `cargo xtask superset` does");
        return;
    }
    assert_eq!(WireClient::SUPERSET.missing(), None);
    compare(&[WireClient::SUPERSET]);
}
