//! What the rules come to, for rows and for instants.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::load::Known;
use super::*;
use crate::categories::Categories;
use crate::purposes::Purposes;

const NOW: &str = "2026-11-22T10:00:00Z";

fn read(rules: &str) -> Retention {
    let mut problems = Vec::new();
    let known = Known {
        purposes: &Purposes::default(),
        categories: &Categories::default(),
        jurisdictions: &BTreeSet::from(["cn", "eu"]),
    };
    let text = format!("version: 1\nrules:\n{rules}");
    let retention = Retention::read(&text, known, &mut problems);
    assert_eq!(problems, []);
    retention
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A request for `landing.visits` in `cn`, for analytics, that shows and holds these categories.
struct Asked {
    table: TableName,
    place: Option<&'static str>,
    shown: Vec<DataCategory>,
    held: Vec<DataCategory>,
    duty: bool,
}

fn asked(shown: &[&str], held: &[&str]) -> Asked {
    let categories = |keys: &[&str]| keys.iter().map(|key| key.parse().unwrap()).collect();
    Asked {
        table: "landing.visits".parse().unwrap(),
        place: Some("cn"),
        shown: categories(shown),
        held: categories(held),
        duty: false,
    }
}

impl Asked {
    fn subject(&self) -> Subject<'_> {
        Subject { table: &self.table, jurisdiction: self.place }
    }

    fn window(&self, rules: &str) -> Option<Window> {
        let shown: Vec<&DataCategory> = self.shown.iter().collect();
        let held: Vec<&DataCategory> = self.held.iter().collect();
        let purpose = "analytics".parse().unwrap();
        read(rules).window(self.subject(), &purpose, (&shown, &held), self.duty, at(NOW))
    }

    fn from(&self, rules: &str) -> Option<String> {
        self.window(rules).unwrap().event_time_from.map(|from| from.to_string())
    }

    fn deletion(&self, rules: &str) -> Option<Deletion> {
        let held: Vec<&DataCategory> = self.held.iter().collect();
        read(rules).deletion(self.subject(), &held, at(NOW))
    }
}

/// Everything forever, so that further rules stand alone.
const BASE: &str = "  - {id: base, reason: r, show: {until: forever}, keep: {until: forever}}\n";

fn over_base(rules: &str) -> String {
    format!("{BASE}{rules}")
}

#[test]
fn without_a_rule_for_both_showing_and_keeping_nothing_is_shown() {
    let visits = asked(&[], &[]);
    assert_eq!(visits.window("  - {id: a, reason: r, show: {until: forever}}\n"), None);
    assert_eq!(visits.window("  - {id: a, reason: r, keep: {until: forever}}\n"), None);
    assert_eq!(visits.deletion("  - {id: a, reason: r, show: {until: forever}}\n"), None);
    let elsewhere = "  - {id: a, reason: r, tables: [landing.other], show: {until: forever}, keep: \
                     {until: forever}}\n";
    assert_eq!(visits.window(elsewhere), None);
    let window = visits.window(BASE).unwrap();
    assert_eq!((window.event_time_from, window.undated_visible), (None, true));
    assert_eq!(window.determined_by, ["base"]);
}

#[test]
fn the_strictest_of_all_rules_that_apply_wins() {
    let rules = over_base(
        "  - {id: long, reason: r, purposes: [analytics], show: {until: P3Y}}\n  \
           - {id: short, reason: r, contracts: [visits], show: {until: P12M, undated: shown}}\n  \
           - {id: other_table, reason: r, contracts: [orders], show: {until: P1D}}\n  \
           - {id: other_purpose, reason: r, purposes: [marketing], show: {until: P1D}}\n  \
           - {id: other_place, reason: r, jurisdictions: [eu], show: {until: P1D}}\n",
    );
    let window = asked(&[], &[]).window(&rules).unwrap();
    // The first whole day within the term.
    assert_eq!(window.event_time_from, Some(at("2025-11-23T00:00:00Z")));
    assert!(!window.undated_visible);
    assert_eq!(window.determined_by, ["long", "short"]);
}

#[test]
fn where_the_jurisdiction_is_not_known_every_rule_holds() {
    let rules = over_base("  - {id: eu, reason: r, jurisdictions: [eu], show: {until: P1D}}\n");
    let mut visits = asked(&[], &[]);
    assert_eq!(visits.from(&rules), None);
    visits.place = None;
    assert_eq!(visits.from(&rules).unwrap(), "2026-11-22T00:00:00Z");
}

#[test]
fn a_category_limits_rows_only_where_a_value_of_it_is_shown() {
    let rules = over_base(
        "  - {id: where, reason: r, categories: [user.location], show: {until: P90D}}\n  \
           - {id: gone, reason: r, categories: [user.location], keep: {until: P1Y}}\n",
    );
    let precise = "user.location.precise";
    let shown = asked(&[precise], &[precise]);
    assert_eq!(shown.from(&rules).unwrap(), "2026-08-25T00:00:00Z");
    let withheld = asked(&[], &[precise]);
    assert_eq!(withheld.from(&rules).unwrap(), "2025-11-23T00:00:00Z");
    assert_eq!(asked(&[], &["user.locations"]).from(&rules), None);
}

#[test]
fn what_must_be_deleted_is_shown_only_to_duties_of_law() {
    let rules = over_base("  - {id: gone, reason: r, keep: {until: P1Y}}\n");
    let mut visits = asked(&[], &[]);
    let window = visits.window(&rules).unwrap();
    assert_eq!(window.determined_by, ["gone"]);
    assert_eq!(window.event_time_from, Some(at("2025-11-23T00:00:00Z")));
    // Nothing ages a row without event time, so keeping does not hide it.
    assert!(window.undated_visible);
    let deletion = visits.deletion(&rules).unwrap();
    assert_eq!(deletion.event_time_before, Some(at("2025-11-22T00:00:00Z")));
    assert_eq!(deletion.determined_by, ["gone"]);
    visits.duty = true;
    assert_eq!(visits.from(&rules), None);
}

#[test]
fn a_term_that_no_calendar_can_count_shows_nothing_and_deletes_nothing() {
    let rules = over_base("  - {id: a, reason: r, show: {until: P1D}, keep: {until: P1D}}\n");
    let visits = asked(&[], &[]);
    let dawn = Timestamp::from_micros(i64::MIN);
    let purpose = "analytics".parse().unwrap();
    let window = read(&rules).window(visits.subject(), &purpose, (&[], &[]), false, dawn).unwrap();
    assert!(window.event_time_from.is_some_and(|from| from > at("9999-12-31T00:00:00Z")));
    let deletion = read(&rules).deletion(visits.subject(), &[], dawn).unwrap();
    assert_eq!(deletion.event_time_before, None);
}

#[test]
fn rules_are_facts_that_can_be_printed() {
    let rules = read(
        "  - {id: a, reason: why, contracts: [visits], show: {until: P18M}, keep: {until: forever}}\n",
    );
    assert_eq!(
        serde_json::to_value(&rules.rules).unwrap(),
        serde_json::json!([{
            "id": "a",
            "reason": "why",
            "tables": ["landing.visits", "quarantine.visits"],
            "categories": [],
            "purposes": [],
            "jurisdictions": [],
            "show": {"until": "P1Y6M", "undated": false},
            "keep": "forever",
            "line": 3,
        }])
    );
}

fn rule() -> impl Strategy<Value = String> {
    let term = prop::sample::select(vec!["P1D", "P30D", "P13M", "P2Y", "forever"]);
    let selector = prop::sample::select(vec![
        "",
        "contracts: [visits], ",
        "categories: [user], ",
        "jurisdictions: [cn], ",
        "contracts: [orders], ",
    ]);
    let undated = prop::sample::select(vec!["shown", "hidden"]);
    (selector, term.clone(), term, undated, any::<bool>()).prop_map(
        |(selector, show, keep, undated, shows)| match shows {
            true => format!("{selector}show: {{until: {show}, undated: {undated}}}"),
            false => format!("{selector}keep: {{until: {keep}}}"),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_a_rule_never_shows_a_row_and_what_is_due_is_never_shown(
        rules in prop::collection::vec(rule(), 0..5),
        added in rule(),
        age_days in 0_i64..2_000,
    ) {
        let text = |rules: &[String]| {
            let numbered = rules.iter().enumerate();
            over_base(&numbered.map(|(n, rule)| {
                format!("  - {{id: r{n}, reason: r, {rule}}}\n")
            }).collect::<String>())
        };
        let visits = asked(&["user.name"], &["user.name"]);
        let row = at(NOW).plus_seconds(-age_days * 86_400);
        let visible = |window: &Window| window.event_time_from.is_none_or(|from| row >= from);
        let fewer = visits.window(&text(&rules)).unwrap();
        let more_text = text(&[rules, vec![added]].concat());
        let more = visits.window(&more_text).unwrap();
        prop_assert!(visible(&fewer) || !visible(&more));
        prop_assert!(fewer.undated_visible || !more.undated_visible);
        let due = visits.deletion(&more_text).unwrap().event_time_before;
        prop_assert!(!(visible(&more) && due.is_some_and(|before| row < before)));
        prop_assert!(!more.determined_by.is_empty());
    }
}
