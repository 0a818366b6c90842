//! The shipped policies decide as they should.

mod diff;
mod explain;
mod mistakes;

use std::sync::LazyLock;

use custos_consent::{RowBasis, SeparateConsent, SeparateConsents};
use custos_core::{ColumnKind, KeyClass};
use proptest::prelude::*;

use super::*;
use crate::basis::{LegalBasis, RowRule};
use crate::column_rule::{ColumnRule, Mask};
use crate::dataset::DatasetColumn;
use crate::explanation::{Explanation, RuleReference};
use crate::grant::ReadGrant;
use crate::purposes::OutputMode;

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn shipped() -> PolicyFiles {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");
    PolicyFiles::from_dir(folder.as_ref()).unwrap()
}

const FILES: [&str; 6] = [
    "regimes.yaml",
    "purposes.yaml",
    "categories.yaml",
    "access.cedar",
    "access.cedarschema",
    "retention.yaml",
];

/// The shipped files with one of them changed.
fn with(file: &str, change: impl Fn(&str) -> String) -> PolicyFiles {
    let shipped = shipped();
    PolicyFiles::from_pairs(FILES.map(|name| {
        let text = shipped.text(name).unwrap();
        (name, if name == file { change(text) } else { text.to_owned() })
    }))
}

fn with_rule(rule: &str) -> PolicyFiles {
    with("access.cedar", |text| format!("{text}\n{rule}"))
}

/// The shipped policies, loaded once for tests that ask a lot.
static SHIPPED: LazyLock<PolicySet> = LazyLock::new(|| load(&shipped()));

fn load(files: &PolicyFiles) -> PolicySet {
    PolicySet::load(files).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>())
    })
}

fn principal(roles: &[&str]) -> Principal {
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    Principal::new("sam".parse().unwrap(), roles)
}

fn purpose(key: &str) -> Purpose {
    key.parse().unwrap()
}

fn column(name: &str, category: Option<&str>, class: KeyClass) -> DatasetColumn {
    let category = category.map(|key| key.parse().unwrap());
    DatasetColumn { name: name.to_owned(), category, kind: None, class }
}

fn orders() -> Dataset {
    let note = DatasetColumn {
        kind: Some(ColumnKind::Content),
        ..column("note", Some("user.behavior"), KeyClass::Content)
    };
    Dataset {
        table: "landing.orders".parse().unwrap(),
        columns: vec![
            column("order_id", None, KeyClass::Core),
            column("amount", Some("user.behavior.purchase_history"), KeyClass::Fact),
            column("phone", Some("user.contact.phone_number"), KeyClass::Identifier),
            column("shoe_size", Some("user.shoe_size"), KeyClass::Sensitive),
            note,
        ],
        purposes: vec![purpose("analytics"), purpose("marketing")],
        unattributed_visible: true,
        jurisdiction: "cn".to_owned(),
        event_time: None,
    }
}

fn permit(policies: &PolicySet, role: &str, key: &str, dataset: &Dataset) -> ReadGrant {
    match policies.decide(&principal(&[role]), &purpose(key), dataset, NOW) {
        Decision::Permit(grant) => grant,
        Decision::Deny(denial) => panic!("{denial}"),
    }
}

fn denial(policies: &PolicySet, role: &str, key: &str, dataset: &Dataset) -> Denial {
    match policies.decide(&principal(&[role]), &purpose(key), dataset, NOW) {
        Decision::Permit(grant) => panic!("{grant:?}"),
        Decision::Deny(denial) => denial,
    }
}

#[test]
fn every_shipped_test_passes() {
    let files = shipped();
    let outcomes = load(&files).run_tests(&files);
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(outcomes.len() > 40);
}

#[test]
fn every_shipped_rule_decides_some_shipped_test() {
    let files = shipped();
    let rules = files.text("access.cedar").unwrap();
    let tests = files.text("access.test.yaml").unwrap();
    let ids = rules.split("@id(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for id in ids {
        assert!(tests.contains(&format!("rule: {id}}}")), "{id}");
    }
}

#[test]
fn every_policy_has_tests_and_every_retention_rule_decides_one() {
    let files = shipped();
    for file in FILES.iter().filter_map(|file| file.strip_suffix(".yaml")) {
        assert!(files.text(&format!("{file}.test.yaml")).is_some(), "{file}");
    }
    let tests = files.text("retention.test.yaml").unwrap();
    for rule in load(&files).retention_rules() {
        assert!(tests.contains(&rule.id), "{}", rule.id);
    }
}

#[test]
fn every_right_is_tested_and_none_is_given_when_a_rule_fails() {
    let files = shipped();
    let tests = files.text("access.test.yaml").unwrap();
    let failing = "when { 9223372036854775807 + 1 > 0 };";
    let policies = load(&with_rule(&format!(
        "@id(\"root\") permit (principal in Role::\"officer\", action, resource);
         @id(\"fails\") permit (principal, action in [{}], resource) {failing}",
        Right::ALL.map(|right| format!("Action::\"{}\"", right.as_str())).join(", ")
    )));
    let officer = principal(&["officer"]);
    for right in Right::ALL {
        assert!(tests.contains(&format!("right: {},", right.as_str())), "{right:?}");
        for purpose in [None, Some(purpose("legal_claims"))] {
            let denial = policies.permits(&officer, right, purpose.as_ref()).unwrap_err();
            assert_eq!(denial.reason, DenialReason::EvaluationError, "{right:?}");
            assert_eq!(denial.rule.as_deref(), Some("fails"));
        }
    }
}

#[test]
fn a_grant_bounds_the_event_time_and_opens_the_column_that_tells_it() {
    let policies = load(&shipped());
    let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let mut dataset = Dataset {
        table: "landing.pos_orders".parse().unwrap(),
        columns: vec![column("ordered_at", Some("user.health_and_medical"), KeyClass::Sensitive)],
        event_time: Some("ordered_at".to_owned()),
        ..orders()
    };
    let grant = |dataset: &Dataset| match policies.decide(
        &principal(&["analyst"]),
        &purpose("analytics"),
        dataset,
        now,
    ) {
        Decision::Permit(grant) => grant,
        Decision::Deny(denial) => panic!("{denial}"),
    };
    let bounded = grant(&dataset);
    let from = "2023-11-23T00:00:00Z".parse().unwrap();
    assert_eq!(bounded.rows().event_time_from, Some(from));
    assert!(!bounded.rows().undated_visible);
    assert_eq!(bounded.rows_determined_by(), ["insight_looks_back_three_years"]);
    assert_eq!(bounded.column("ordered_at"), ColumnRule::Absent);
    assert_eq!(bounded.event_time(), Some("ordered_at"));
    assert!(bounded.reads("ordered_at") && bounded.opens(KeyClass::Sensitive));
    assert!(!bounded.reads("another"));

    dataset.table = "landing.imported".parse().unwrap();
    let unbounded = grant(&dataset);
    assert!(!unbounded.rows().reads_event_time());
    assert!(!unbounded.reads("ordered_at") && !unbounded.opens(KeyClass::Sensitive));

    dataset.event_time = Some("of_no_column".to_owned());
    assert_eq!(grant(&dataset).event_time(), None);
}

#[test]
fn a_table_that_no_retention_rule_covers_is_shown_to_nobody() {
    let files = with("retention.yaml", |_| "version: 1\nrules: []\n".to_owned());
    let policies = load(&files);
    for (role, key) in [("analyst", "analytics"), ("officer", "legal_claims")] {
        assert_eq!(denial(&policies, role, key, &orders()).reason, DenialReason::RetentionMissing);
    }
    let denied = policies.deletion(&orders(), NOW).unwrap_err();
    assert_eq!(denied.reason, DenialReason::RetentionMissing);
}

#[test]
fn a_grant_says_what_may_be_seen_and_why() {
    let policies = load(&shipped());
    let grant = permit(&policies, "analyst", "analytics", &orders());
    assert_eq!(grant.column("order_id"), ColumnRule::Clear);
    assert_eq!(grant.column("amount"), ColumnRule::Clear);
    assert_eq!(grant.column("phone"), ColumnRule::Masked(Mask::Phone));
    assert_eq!(grant.column("note"), ColumnRule::Absent);
    assert_eq!(grant.column("shoe_size"), ColumnRule::Absent);
    assert_eq!(grant.column("of another table"), ColumnRule::Absent);
    assert_eq!(grant.columns().count(), 5);
    let open: Vec<_> = KeyClass::ALL.into_iter().filter(|class| grant.opens(*class)).collect();
    assert_eq!(open, [KeyClass::Core, KeyClass::Fact, KeyClass::Identifier]);
    let rows = RowRule {
        basis: RowBasis::NeedsGrant,
        separate: SeparateConsents::NONE,
        unattributed_visible: true,
        event_time_from: None,
        undated_visible: true,
    };
    assert_eq!(grant.rows(), rows);
    assert_eq!(grant.basis("us"), LegalBasis::LegitimateInterest);
    assert_eq!(grant.basis("atlantis"), LegalBasis::Consent);
    assert_eq!(grant.output(), OutputMode::Row);
    assert_eq!(grant.expires_at(), NOW.plus_seconds(60));
    assert_eq!(grant.version(), policies.version());
    assert_eq!(
        grant.determined_by(),
        [
            "analysts_see_facts",
            "analysts_see_identifiers_masked",
            "analysts_use_analytics",
            "content_only_for_service_and_legal_purposes",
        ]
    );
    assert_eq!(grant.column_determined_by("amount"), ["analysts_see_facts"]);
}

#[test]
fn each_denial_has_its_reason() {
    let policies = load(&shipped());
    let reason = |role, key| denial(&policies, role, key, &orders()).reason;
    assert_eq!(reason("analyst", "world_domination"), DenialReason::UnknownPurpose);
    assert_eq!(reason("marketer", "marketing"), DenialReason::NotALeaf);
    assert_eq!(reason("analyst", "personalize"), DenialReason::PurposeNotAllowed);
    assert_eq!(reason("support", "essential.service"), DenialReason::SourceNotNotified);
    let nobody = policies.permits(&principal(&[]), Right::Lookup, None).unwrap_err();
    assert_eq!(nobody.reason, DenialReason::RightNotHeld);
}

#[test]
fn notice_of_a_purpose_covers_those_below_it_and_legal_duties_need_none() {
    let policies = load(&shipped());
    let grant = permit(&policies, "marketer", "marketing.communications.sms", &orders());
    assert_eq!(grant.rows().basis, RowBasis::NeedsGrant);
    let grant = permit(&policies, "officer", "legal_claims", &orders());
    assert_eq!(grant.rows().basis, RowBasis::Always);
    assert_eq!(grant.column("note"), ColumnRule::Clear);
    let notified = [purpose("marketing.advertising")];
    assert!(policies.covers(&notified, &purpose("marketing.advertising.first_party")));
    assert!(!policies.covers(&notified, &purpose("marketing.communications.sms")));
    assert!(!policies.covers(&notified, &purpose("marketing.advertising.unheard_of")));
}

#[test]
fn uncategorised_content_and_identifiers_are_withheld() {
    let policies = load(&shipped());
    let mut dataset = orders();
    for (kind, class) in [
        (Some(ColumnKind::Content), KeyClass::Fact),
        (Some(ColumnKind::Identifier), KeyClass::Fact),
        (None, KeyClass::Content),
        (None, KeyClass::Identifier),
        (None, KeyClass::Sensitive),
    ] {
        let extra = DatasetColumn { kind, ..column("extra", None, class) };
        dataset.columns = vec![extra];
        let grant = permit(&policies, "officer", "legal_claims", &dataset);
        assert_eq!(grant.column("extra"), ColumnRule::Absent, "{kind:?} {class:?}");
    }
}

#[test]
fn a_column_declared_sensitive_is_treated_as_a_special_category() {
    let policies = load(&shipped());
    let mut dataset = orders();
    dataset.columns = vec![column("dna", Some("user.behavior"), KeyClass::Sensitive)];
    let grant = permit(&policies, "analyst", "analytics", &dataset);
    assert_eq!(grant.column("dna"), ColumnRule::Absent);
    assert!(!grant.opens(KeyClass::Sensitive));
    assert_eq!(
        permit(&policies, "officer", "legal_claims", &dataset).column("dna"),
        ColumnRule::Clear
    );
}

/// The shipped policies, but that analytics shares data abroad, and may read special categories.
fn sharing_analytics() -> PolicyFiles {
    let shipped = shipped();
    let text = |name| shipped.text(name).unwrap().to_owned();
    PolicyFiles::from_pairs(FILES.map(|name| {
        let text = match name {
            "purposes.yaml" => text(name).replace(
                "description: Understanding customers and their",
                "separate: [sharing, cross_border]\n    description: Understanding customers and their",
            ),
            "access.cedar" => text(name).replace(
                "[Purpose::\"legal_claims\", Purpose::\"essential.legal_obligation\"]",
                "[Purpose::\"legal_claims\", Purpose::\"analytics\"]",
            ),
            _ => text(name),
        };
        (name, text)
    }))
}

#[test]
fn a_law_that_wants_separate_consents_gets_them_where_no_duty_or_contract_demands_otherwise() {
    let policies = load(&sharing_analytics());
    let both: SeparateConsents =
        [SeparateConsent::Sharing, SeparateConsent::CrossBorder].into_iter().collect();
    let mut dataset = orders();
    dataset.columns.push(column("dna", Some("user.behavior"), KeyClass::Sensitive));
    // Where the law is not known, the strictest counts.
    for (place, separate) in [("cn", both), ("eu", SeparateConsents::NONE), ("atlantis", both)] {
        dataset.jurisdiction = place.to_owned();
        let grant = permit(&policies, "analyst", "analytics", &dataset);
        assert_eq!(grant.rows().separate, separate, "{place}");
        assert_eq!(grant.column("dna"), ColumnRule::Clear);
        assert_eq!(grant.needs_separate_consent("dna"), !separate.is_empty(), "{place}");
        assert!(!grant.needs_separate_consent("amount"));
        let duty = permit(&policies, "officer", "legal_claims", &dataset);
        assert!(duty.rows().separate.is_empty() && !duty.needs_separate_consent("dna"));
        let told = policies.explain(&principal(&["analyst"]), &purpose("analytics"), &dataset, NOW);
        assert_eq!(told.to_string().contains("separate consent"), !separate.is_empty());
    }
}

#[test]
fn of_two_columns_by_one_name_the_less_visible_counts() {
    let policies = load(&shipped());
    let mut dataset = orders();
    for flip in [false, true] {
        dataset.columns = vec![
            column("x", Some("user.behavior"), KeyClass::Fact),
            column("x", Some("user.unique_id"), KeyClass::Fact),
        ];
        if flip {
            dataset.columns.reverse();
        }
        let grant = permit(&policies, "analyst", "analytics", &dataset);
        assert_eq!(grant.column("x"), ColumnRule::Tokenised);
    }
}

#[test]
fn a_failing_rule_denies_what_it_would_have_decided() {
    let failing = "9223372036854775807 + 1 > 0";
    let policies = load(&with_rule(&format!(
        "@id(\"fails_on_use\") forbid (principal, action == Action::\"use\", resource == \
         Purpose::\"personalize\") when {{ {failing} }};
         @id(\"fails_on_names\") forbid (principal, action, resource == Category::\"user.name\") \
         when {{ {failing} }};
         @id(\"fails_on_erase\") forbid (principal, action == Action::\"erase\", resource) \
         when {{ {failing} }};"
    )));
    let failed =
        |rule: &str| Denial { reason: DenialReason::EvaluationError, rule: Some(rule.to_owned()) };
    assert_eq!(denial(&policies, "officer", "personalize", &orders()), failed("fails_on_use"));
    let mut dataset = orders();
    drop(permit(&policies, "officer", "legal_claims", &dataset));
    dataset.columns.push(column("name", Some("user.name"), KeyClass::Identifier));
    assert_eq!(denial(&policies, "officer", "legal_claims", &dataset), failed("fails_on_names"));
    let officer = principal(&["officer"]);
    let erase = policies.permits(&officer, Right::Erase, None);
    assert_eq!(erase, Err(failed("fails_on_erase")));
    assert_eq!(policies.permits(&officer, Right::Lookup, None), Ok(()));
}

#[test]
fn rules_may_look_at_table_jurisdiction_and_principal() {
    let policies = load(&with_rule(
        "@id(\"a\") forbid (principal == Principal::\"sam\", action in Action::\"read\", resource \
         in Category::\"user.contact\") when { context.table == \"landing.orders\" && \
         context.jurisdiction == \"cn\" };",
    ));
    let mut dataset = orders();
    let phone =
        |dataset: &Dataset| permit(&policies, "analyst", "analytics", dataset).column("phone");
    assert_eq!(phone(&dataset), ColumnRule::Absent);
    dataset.jurisdiction = "us".to_owned();
    assert_eq!(phone(&dataset), ColumnRule::Masked(Mask::Phone));
    dataset.jurisdiction = "cn".to_owned();
    dataset.table = "landing.others".parse().unwrap();
    assert_eq!(phone(&dataset), ColumnRule::Masked(Mask::Phone));
}

#[test]
fn default_purposes_follow_the_first_role_that_has_one() {
    let policies = load(&shipped());
    let default = |roles: &[&str]| policies.default_purpose(&principal(roles)).cloned();
    assert_eq!(
        default(&["engineer", "marketer", "analyst"]),
        Some(purpose("marketing.advertising.first_party"))
    );
    assert_eq!(default(&["engineer"]), None);
}

#[test]
fn every_type_of_identifier_has_a_category_that_masks_it() {
    let policies = load(&shipped());
    for kind in custos_core::IdentifierType::ALL {
        let category = kind.default_category().unwrap();
        let node = policies.category(&category).unwrap_or_else(|| panic!("{category}"));
        assert_ne!(node.masked, ColumnRule::Masked(Mask::Null), "{category}");
    }
}

#[test]
fn a_maintenance_grant_names_job_table_and_version() {
    let policies = load(&shipped());
    let table = orders().table;
    let grant = policies.maintenance(MaintenanceJob::Compaction, &table);
    assert_eq!((grant.job(), grant.table()), (MaintenanceJob::Compaction, &table));
    assert_eq!(grant.version(), policies.version());
}

#[test]
fn regimes_know_their_clocks() {
    let policies = load(&shipped());
    let gdpr = policies.regime("gdpr").unwrap();
    assert_eq!((gdpr.answer.count, gdpr.answer.unit), (1, crate::DeadlineUnit::Months));
    assert!(policies.regime("hammurabi").is_none());
}

#[test]
fn repeated_decisions_come_from_the_cache() {
    let policies = load(&shipped());
    let columns = policies.categories().take(50).map(|node| node.key.as_str());
    let mut dataset = orders();
    dataset.columns = columns.map(|key| column(key, Some(key), KeyClass::Fact)).collect();
    let first = permit(&policies, "analyst", "analytics", &dataset);
    let again = permit(&policies, "analyst", "analytics", &dataset);
    for (one, other) in first.columns.values().zip(again.columns.values()) {
        assert!(Arc::ptr_eq(&one.determined_by, &other.determined_by));
    }
}

#[test]
fn failing_and_broken_policy_tests_are_told_apart_from_passing_ones() {
    let policies = load(&shipped());
    let files = PolicyFiles::from_pairs([(
        "x.test.yaml",
        "version: 1\ntests:\n  - {name: a, role: analyst, purpose: analytics, expect: permitted}\n  \
         - {name: b, role: analyst, purpose: analytics, expect: denied}\n  \
         - {name: c, role: analyst, purpose: analytics, expect: permitted, rule: other}\n  \
         - {name: d, role: analyst, purpose: analytics, expect: perhaps}\n",
    )]);
    let outcomes = policies.run_tests(&files);
    let passed: Vec<_> = outcomes.iter().map(|o| (o.line, o.passed())).collect();
    assert_eq!(passed, [(Some(3), true), (Some(4), false), (Some(5), false), (Some(6), false)]);
    assert!(outcomes[2].failure.as_ref().unwrap().contains("`other`"));
}

#[test]
fn failing_tests_of_facts_say_what_was_expected_and_what_was_found() {
    let policies = load(&shipped());
    let tests = [
        ("purposes", "purpose: analytics, jurisdiction: cn", "basis: contract"),
        ("purposes", "role: analyst", "default_purpose: none"),
        ("categories", "category: user.name", "masked: email"),
        ("regimes", "regime: gdpr", "answer: {days: 30}"),
        ("retention", "contract: web_events, at: \"2026-01-01T00:00:00Z\"", "deleted_before: none"),
        ("retention", "contract: web_events, at: soon", "deleted: true"),
        ("regimes", "regime: gdpr", "horses: 3"),
    ];
    let files = tests.map(|(file, about, expect)| {
        let text = format!("version: 1\ntests:\n- {{name: a, {about}, expect: {{{expect}}}}}\n");
        PolicyFiles::from_pairs([(format!("{file}.test.yaml"), text)])
    });
    let failures = files.map(|files| {
        let outcomes = policies.run_tests(&files);
        assert_eq!((outcomes.len(), outcomes[0].line), (1, Some(3)), "{outcomes:?}");
        let failure = outcomes[0].failure.clone().unwrap();
        format!("{}: {failure}", outcomes[0].file)
    });
    assert_eq!(
        failures,
        [
            "purposes.test.yaml: expected `basis: contract`, found `basis: consent`",
            "purposes.test.yaml: expected `default_purpose: none`, found `default_purpose: analytics`",
            "categories.test.yaml: expected `masked: email`, found `masked: name`",
            "regimes.test.yaml: expected `answer: {days: 30}`, found `answer: {months: 1}`",
            "retention.test.yaml: expected `deleted_before: none`, found `deleted_before: \
             2023-01-01T00:00:00Z`",
            "retention.test.yaml: retention.test.yaml:3:39: not an RFC 3339 instant, such as \
             `2026-03-01T10:00:00+08:00` (write such an instant, in quotes)",
            "regimes.test.yaml: expected `horses: 3`, found only `acknowledge`, `answer`, \
             `extension`, `jurisdictions`, `known`, `minors`, `name`, `opt_out`",
        ]
    );
}

/// How visible each category is to each role for each purpose; `Absent` where denied.
fn visibility(policies: &PolicySet) -> Vec<ColumnRule> {
    let columns =
        |node: &CategoryNode| column(node.key.as_str(), Some(node.key.as_str()), KeyClass::Fact);
    let mut dataset = orders();
    dataset.columns = policies.categories().map(columns).collect();
    dataset.purposes = policies.leaves().map(|node| node.key.clone()).collect();
    let mut all = Vec::new();
    for role in policies.roles() {
        for purpose in dataset.purposes.clone() {
            let decision = policies.decide(&principal(&[role]), &purpose, &dataset, NOW);
            all.extend(dataset.columns.iter().map(|column| match &decision {
                Decision::Permit(grant) => grant.column(&column.name),
                Decision::Deny(_) => ColumnRule::Absent,
            }));
        }
    }
    all
}

fn forbid() -> impl Strategy<Value = String> {
    let who = prop::sample::select(vec![
        "principal",
        "principal in Role::\"analyst\"",
        "principal in Role::\"officer\"",
    ]);
    let action = prop::sample::select(vec![
        "action",
        "action == Action::\"use\"",
        "action == Action::\"readClear\"",
        "action in [Action::\"readClear\", Action::\"readMasked\"]",
        "action in Action::\"read\"",
    ]);
    let condition = prop::sample::select(vec![
        "",
        "when { resource in [Category::\"user.contact\", Category::\"user.name\"] }",
        "when { resource == Category::\"user.behavior\" || resource in Purpose::\"marketing\" }",
        "when { principal in Role::\"marketer\" }",
        "unless { resource in Category::\"user.demographic\" }",
    ]);
    (who, action, condition).prop_map(|(who, action, condition)| {
        format!("@id(\"added\") forbid ({who}, {action}, resource) {condition};")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_a_forbid_never_adds_visibility(rule in forbid()) {
        let before = visibility(&load(&shipped()));
        // A combination that can never apply is refused, and then adds nothing either.
        if let Ok(policies) = PolicySet::load(&with_rule(&rule)) {
            for (before, after) in before.into_iter().zip(visibility(&policies)) {
                let rank = |rule| match rule {
                    ColumnRule::Clear => 0,
                    ColumnRule::Masked(_) => 1,
                    ColumnRule::Tokenised => 2,
                    ColumnRule::Absent => 3,
                };
                prop_assert!(rank(before) <= rank(after), "{rule}");
            }
        }
    }
}

#[test]
fn who_is_confined_to_purposes_does_nothing_else() {
    let free = principal(&["officer", "analyst"]);
    let confined = |purposes: &[&str]| Principal {
        purposes: Some(purposes.iter().map(|key| purpose(key)).collect()),
        ..free.clone()
    };
    let (analytics, claims) = (purpose("analytics"), purpose("legal_claims"));
    let analyst = confined(&["analytics"]);
    let kept_out = Err(Denial { reason: DenialReason::PurposeNotAllowed, rule: None });
    assert_eq!(SHIPPED.may_use(&free, &claims), Ok(()));
    assert_eq!(SHIPPED.may_use(&analyst, &claims), kept_out);
    assert_eq!(SHIPPED.may_use(&analyst, &analytics), Ok(()));
    let read = |who, purpose| SHIPPED.decide(who, purpose, &orders(), NOW);
    assert!(matches!(read(&free, &claims), Decision::Permit(_)));
    let Decision::Deny(denial) = read(&analyst, &claims) else { panic!("it is kept out") };
    assert_eq!(kept_out, Err(denial));
    assert!(matches!(read(&analyst, &analytics), Decision::Permit(_)));

    assert_eq!(SHIPPED.default_purpose(&free), Some(&claims));
    assert_eq!(SHIPPED.default_purpose(&analyst), Some(&analytics));
    assert_eq!(SHIPPED.default_purpose(&confined(&[])), None);

    // What is no purpose of anybody's is for no purpose at all.
    assert_eq!(SHIPPED.permits(&free, Right::Erase, None), Ok(()));
    let denial = SHIPPED.permits(&confined(&["legal_claims"]), Right::Erase, None).unwrap_err();
    assert_eq!(denial.reason, DenialReason::RightNotHeld);

    // A purpose above others stands for them, and opens nothing that roles do not.
    let below = purpose("marketing.advertising.first_party");
    assert!(confined(&["marketing"]).is_open_to(&below));
    assert!(!confined(&["market", "marketing.advertising.first_party.x"]).is_open_to(&below));
    let everything: Vec<&str> = SHIPPED.leaves().map(|leaf| leaf.key.as_str()).collect();
    for leaf in SHIPPED.leaves() {
        let same = SHIPPED.may_use(&confined(&everything), &leaf.key);
        assert_eq!(same, SHIPPED.may_use(&free, &leaf.key), "{}", leaf.key);
    }
}
