//! Differences tell what a change opens and closes, and nothing else.

use super::*;
use crate::diff::{Change, PolicyDiff, Section};

fn orders_and_contacts() -> Vec<Dataset> {
    let contacts = Dataset {
        table: "landing.crm_contacts".parse().unwrap(),
        columns: vec![column("email", Some("user.contact.email"), KeyClass::Identifier)],
        ..orders()
    };
    let table = "landing.pos_orders".parse().unwrap();
    vec![Dataset { table, event_time: Some("amount".to_owned()), ..orders() }, contacts]
}

/// A head count: a thousand people, of whom some gave consent, objected or were restricted, and
/// half of whom did nothing in the last three years and a quarter of whom nothing in the last four.
fn thousand(_: &Purpose, rows: RowRule) -> Option<u64> {
    let people = match rows.basis {
        RowBasis::NeedsGrant => 400,
        RowBasis::UnlessObjected => 900,
        RowBasis::UnlessRestricted => 990,
        RowBasis::Always => 1_000,
    };
    let four_years_ago = "2022-12-31T00:00:00Z".parse().unwrap();
    Some(match rows.event_time_from {
        None => people,
        Some(from) if from < four_years_ago => people * 3 / 4,
        Some(_) => people / 2,
    })
}

fn between(old: &PolicySet, new: &PolicySet) -> PolicyDiff {
    let now = "2026-11-22T10:00:00Z".parse().unwrap();
    let mut principals = old.representatives();
    principals.extend(new.representatives());
    principals.sort_by(|a, b| a.id.cmp(&b.id));
    principals.dedup();
    PolicyDiff::between(old, new, &orders_and_contacts(), &principals, now, &thousand)
}

/// The differences that come of replacing a text in a shipped file.
fn changed(file: &str, before: &str, after: &str) -> PolicyDiff {
    let files = with(file, |text| {
        assert!(text.contains(before), "{before}");
        text.replacen(before, after, 1)
    });
    between(&SHIPPED, &load(&files))
}

fn told(diff: &PolicyDiff) -> Vec<String> {
    let text = diff.to_string();
    let lines = text.lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// One change a case: file; a text in it; what replaces it; what is told of it.
const CHANGES: &[(&str, &str, &str, &[&str])] = &[
    (
        "access.cedar",
        "Purpose::\"functional.service.improve\"] };",
        "Purpose::\"personalize\"] };",
        &[
            "The change opens:",
            "To role `analyst`, for `personalize`",
            "- may act for the purpose",
            "The change closes:",
            "To role `analyst`, for `functional.service.improve`",
            "- may no longer act for the purpose",
        ],
    ),
    (
        "access.cedar",
        "resource in [Category::\"user.contact\", Category::\"user.name\"]\n",
        "resource in [Category::\"user.name\"]\n",
        &[
            "The change opens nothing.",
            "The change closes:",
            "To role `analyst`, for `analytics`",
            "- column `phone` of `landing.pos_orders` is absent, was masked (phone)",
            "- column `email` of `landing.crm_contacts` is absent, was masked (email)",
        ],
    ),
    (
        "categories.yaml",
        "default_mask: phone",
        "default_mask: name",
        &["The change opens nothing.", "The change closes nothing."],
    ),
    (
        "categories.yaml",
        "description: A telephone number., default_mask: phone",
        "description: A telephone number., default_mask: token",
        &[
            "The change opens:",
            "To role `analyst`, for `analytics`",
            "- column `phone` of `landing.pos_orders` is tokenised, was masked (phone)",
            "To role `marketer`, for `marketing.advertising.first_party`",
            "- column `phone` of `landing.pos_orders` is tokenised, was masked (phone)",
            "The change closes nothing.",
        ],
    ),
    (
        "purposes.yaml",
        "name: Analytics\n    description: Understanding customers and their behaviour, without acting on single people.\n    output: row\n    basis: {default: consent, us: legitimate_interest}",
        "name: Analytics\n    description: Understanding.\n    output: aggregate\n    basis: {default: consent, cn: legitimate_interest, us: consent}",
        &[
            "The change opens:",
            "To role `analyst`, for `analytics`",
            "- rows of `landing.pos_orders` are those of people who did not object, were of people who gave consent; 250 people more",
            "- rows of `landing.crm_contacts` are those of people who did not object, were of people who gave consent; 500 people more",
            "For `analytics`, whoever asks",
            "- the legal basis in `cn` is legitimate_interest, was consent",
            "The change closes:",
            "To role `analyst`, for `analytics`",
            "- answers are by aggregate over 10 people or more, were by row",
            "For `analytics`, whoever asks",
            "- the legal basis in `us` is consent, was legitimate_interest",
        ],
    ),
    (
        "retention.yaml",
        "purposes: [analytics, functional]\n    show: {until: P3Y}",
        "purposes: [analytics, functional]\n    show: {until: P4Y, undated: shown}",
        &[
            "The change opens:",
            "To role `analyst`, for `analytics`",
            "- rows of `landing.pos_orders` are shown from 2022-11-23T00:00:00Z on, were from 2023-11-23T00:00:00Z on; 100 people more",
            "- rows of `landing.pos_orders` without event time are shown",
            "The change closes nothing.",
        ],
    ),
    (
        "retention.yaml",
        "keep: {until: P10Y}",
        "keep: {until: P6Y}",
        &[
            "The change opens nothing.",
            "The change closes:",
            "Whatever the purpose, whoever asks",
            "- rows of `landing.pos_orders` are deleted if before 2020-11-22T00:00:00Z, were deleted if before 2016-11-22T00:00:00Z",
        ],
    ),
    (
        "regimes.yaml",
        "minors: {guardian_below: 14, unknown_age: adult}   # Art. 31",
        "minors: {guardian_below: 18, unknown_age: adult}",
        &[
            "The change opens nothing.",
            "The change closes:",
            "Whatever the purpose, whoever asks",
            "- of the young in `cn` a guardian consents below 18, was a guardian consents below 14",
            "- of the young where the jurisdiction is unknown a guardian consents below 18, a grant is needed below 16, was a guardian consents below 16, a grant is needed below 16",
        ],
    ),
    (
        "access.cedar",
        "action in [Action::\"lookup\", Action::\"link\", Action::\"export\", Action::\"erase\"],",
        "action in [Action::\"lookup\", Action::\"export\", Action::\"erase\", Action::\"administer\"],",
        &[
            "The change opens:",
            "To role `officer`, whatever the purpose",
            "- gains the right `administer`",
            "To role `officer`, for `essential.legal_obligation`",
            "- gains the right `administer`",
            "To role `officer`, for `legal_claims`",
            "- gains the right `administer`",
            "The change closes:",
            "To role `officer`, whatever the purpose",
            "- loses the right `link`",
            "To role `officer`, for `essential.legal_obligation`",
            "- loses the right `link`",
            "To role `officer`, for `legal_claims`",
            "- loses the right `link`",
        ],
    ),
];

#[test]
fn each_change_is_told_in_words_with_what_opens_first() {
    let mut failures = String::new();
    for (file, before, after, expected) in CHANGES {
        let found = told(&changed(file, before, after));
        if found != *expected {
            failures += &format!("{file}: {before} -> {after}\n{found:#?}\n");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn a_table_gained_is_told_with_its_columns_and_people() {
    let rule = "@id(\"sam_helps\") permit (principal == Principal::\"sam\", action in \
                [Action::\"use\", Action::\"readClear\"], resource) when { resource in \
                Purpose::\"analytics\" || resource == Category::\"user.contact.email\" };";
    let diff = between(&SHIPPED, &load(&with_rule(rule)));
    assert_eq!((diff.opening(), diff.closing()), (5, 0), "{diff}");
    let sam = diff.opens.iter().find(|it| it.principal.as_ref().is_some_and(|p| p.name == "sam"));
    let Section { purpose, changes, .. } = sam.unwrap();
    assert_eq!(purpose.as_ref().map(Purpose::as_str), Some("analytics"));
    let Change::Table { table, columns, people } = &changes[2] else { panic!("{changes:?}") };
    assert_eq!((table.as_str(), columns.len(), *people), ("landing.crm_contacts", 1, Some(400)));
    let told = told(&diff);
    assert!(told.contains(&"To `sam`, who has no role, for `analytics`".to_owned()), "{told:#?}");
    let orders = "- may read `landing.pos_orders`: `order_id` clear; 200 people";
    assert!(told.contains(&orders.to_owned()), "{told:#?}");
    // An analyst sees the table anyway, and masked: of that only Sam as an analyst sees more.
    let as_analyst = told.iter().position(|line| line == "To `sam` (analyst), for `analytics`");
    let clear = "- column `email` of `landing.crm_contacts` is clear, was masked (email)";
    assert_eq!(told.get(as_analyst.unwrap() + 1).map(String::as_str), Some(clear), "{told:#?}");
    assert!(!told.iter().any(|line| line.contains("role `analyst`")), "{told:#?}");
    let json = serde_json::to_value(&diff).unwrap();
    assert_eq!(json["opens"][0]["changes"][1]["what"], "table");
    assert_eq!(json["old"].as_str().unwrap().len(), 64);
}

#[test]
fn another_mask_counts_as_opening_both_ways() {
    let masks = [
        "description: A telephone number., default_mask: phone",
        "description: A telephone number., default_mask: name",
    ];
    let other = load(&with("categories.yaml", |text| text.replacen(masks[0], masks[1], 1)));
    for diff in [between(&SHIPPED, &other), between(&other, &SHIPPED)] {
        assert_eq!((diff.opening(), diff.closing()), (2, 0), "{diff}");
    }
}

#[test]
fn what_a_purpose_gone_or_a_failing_rule_takes_away_is_told() {
    let failing = with_rule(
        "@id(\"fails\") forbid (principal, action == Action::\"readClear\", resource) when { \
         context.table == \"landing.pos_orders\" && 9223372036854775807 + 1 > 0 };",
    );
    let diff = between(&SHIPPED, &load(&failing));
    assert_eq!(diff.opens, []);
    let lost = |section: &Section| {
        section.changes.iter().any(|it| matches!(it, Change::Table { table, .. } if table.as_str() == "landing.pos_orders"))
    };
    assert!(diff.closes.iter().all(lost) && diff.closes.len() > 3, "{diff}");
}

#[test]
fn whoever_cannot_tell_ages_still_counts_whom_consent_lets_be_seen() {
    let by_consent = |purpose: &Purpose, rows: RowRule| match rows.event_time_from {
        None => thousand(purpose, rows),
        Some(_) => None,
    };
    let diff = |before: &str, after: &str| {
        let text = shipped();
        let text =
            text.text("retention.yaml").unwrap().to_owned() + text.text("purposes.yaml").unwrap();
        assert!(text.contains(before), "{before}");
        let file = if before.contains("basis") { "purposes.yaml" } else { "retention.yaml" };
        let new = load(&with(file, |text| text.replacen(before, after, 1)));
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let principals = SHIPPED.representatives();
        let tables = orders_and_contacts();
        PolicyDiff::between(&SHIPPED, &new, &tables, &principals, now, &by_consent).to_string()
    };
    let opened = diff(
        "basis: {default: consent, us: legitimate_interest}",
        "basis: {default: legitimate_interest}",
    );
    assert!(opened.contains("`landing.pos_orders`, `landing.crm_contacts` are those of people who did not object, were of people who gave consent; 500 people more"), "{opened}");
    let aged = diff(
        "purposes: [analytics, functional]\n    show: {until: P3Y}",
        "purposes: [analytics, functional]\n    show: {until: P4Y}",
    );
    assert!(aged.contains("were from 2023-11-23T00:00:00Z on\n"), "{aged}");
}

#[test]
fn nothing_differs_from_itself() {
    let comment = load(&with("retention.yaml", |text| format!("# A remark.\n{text}")));
    let diff = between(&SHIPPED, &comment);
    assert!(diff.is_empty(), "{diff}");
    assert_ne!(diff.old, diff.new);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_forbid_opens_nothing_and_what_it_closes_its_removal_opens(rule in forbid()) {
        if let Ok(after) = PolicySet::load(&with_rule(&rule)) {
            let (added, removed) = (between(&SHIPPED, &after), between(&after, &SHIPPED));
            prop_assert_eq!(&added.opens, &Vec::new());
            prop_assert_eq!(&removed.closes, &Vec::new());
            prop_assert_eq!(added.closing(), removed.opening());
        }
    }
}
