//! Explanations say what was decided, and why.

use super::*;
use crate::explanation::{Remedy, RuleEffect, Unruled};

fn explain(policies: &PolicySet, role: &str, key: &str, dataset: &Dataset) -> Explanation {
    policies.explain(&principal(&[role]), &purpose(key), dataset, NOW)
}

#[test]
fn a_permit_is_explained_rule_by_rule() {
    let explanation = explain(&SHIPPED, "analyst", "analytics", &orders());
    assert_eq!(explanation.denial, None);
    let rules = shipped();
    let rules = rules.text("access.cedar").unwrap();
    let stated = |id: &str, effect| RuleReference {
        id: id.to_owned(),
        effect,
        file: "access.cedar",
        line: u32::try_from(
            1 + rules.split(&format!("@id(\"{id}\")")).next().unwrap().matches('\n').count(),
        )
        .ok(),
    };
    assert_eq!(explanation.usage, [stated("analysts_use_analytics", RuleEffect::Permits)]);
    let column = |name: &str| explanation.columns.iter().find(|it| it.name == name).unwrap();
    assert_eq!(column("phone").shown, ColumnRule::Masked(Mask::Phone));
    assert_eq!(
        column("phone").rules,
        [stated("analysts_see_identifiers_masked", RuleEffect::Permits)]
    );
    assert_eq!(
        column("note").rules,
        [stated("content_only_for_service_and_legal_purposes", RuleEffect::Forbids)]
    );
    assert_eq!(column("order_id").unruled, Some(Unruled::Technical));
    assert_eq!(column("shoe_size").unruled, Some(Unruled::CategoryUnknown));
    let rows = explanation.rows.as_ref().unwrap();
    assert_eq!((rows.people, rows.event_time_from, rows.undated), ("needs_grant", None, true));
    assert_eq!(rows.rules[0].id, "sources_without_terms_of_their_own");
    assert_eq!(rows.rules[0].file, "retention.yaml");
    assert!(rows.rules[0].line.is_some());
    let basis = explanation.legal_basis.as_ref().unwrap();
    assert_eq!((basis.basis, basis.by_jurisdiction["us"]), ("consent", "legitimate_interest"));
    assert_eq!(explanation.purposes.len(), SHIPPED.leaves().count());
    let categorise = Remedy::CategoriseColumn { column: "shoe_size".to_owned() };
    assert!(explanation.remedies.contains(&categorise), "{:?}", explanation.remedies);
}

#[test]
fn each_denial_comes_with_its_remedy() {
    let remedies = |role, key| explain(&SHIPPED, role, key, &orders()).remedies;
    let granted = |role: &str, remedies: &[Remedy]| {
        remedies.iter().any(|it| matches!(it, Remedy::GrantRole { role: r, .. } if r == role))
    };
    assert!(granted("analyst", &remedies("engineer", "analytics")));
    assert!(!granted("marketer", &remedies("engineer", "analytics")));
    let other = remedies("analyst", "marketing.communications.sms");
    assert!(granted("marketer", &other));
    let ask = |it: &Remedy| matches!(it, Remedy::AskForPurpose { purpose, .. } if purpose.as_str() == "analytics");
    assert!(other.iter().any(ask), "{other:?}");
    let service = purpose("essential.service");
    assert_eq!(
        remedies("support", "essential.service")[0],
        Remedy::NotifyPurpose { purpose: service }
    );
    let uncovered = load(&with("retention.yaml", |_| "version: 1\nrules: []\n".to_owned()));
    let remedies = explain(&uncovered, "analyst", "analytics", &orders()).remedies;
    assert_eq!(remedies, [Remedy::AddRetentionRule]);
}

#[test]
fn a_failing_rule_is_named_with_its_place() {
    let policies = load(&with_rule(
        "@id(\"fails\") forbid (principal, action == Action::\"use\", resource == \
         Purpose::\"personalize\") when { 9223372036854775807 + 1 > 0 };",
    ));
    let explanation = explain(&policies, "analyst", "personalize", &orders());
    let rule = explanation.denial.unwrap().rule.unwrap();
    let lines = shipped().text("access.cedar").unwrap().lines().count();
    assert_eq!((rule.id.as_str(), rule.line), ("fails", u32::try_from(lines + 2).ok()));
    assert_eq!(explanation.remedies[0], Remedy::CorrectRule { rule: Some(rule) });
}

#[test]
fn people_and_programs_read_the_same() {
    let explanation = explain(&SHIPPED, "analyst", "analytics", &orders());
    let text = explanation.to_string();
    for part in [
        "`landing.orders` may be read\n  by sam (analyst) for `analytics`",
        "phone: masked (phone), user.contact.phone_number; `analysts_see_identifiers_masked`",
        "order_id: clear; it is about nobody",
        "consent in `cn`, which counts here",
        "`essential.service` is denied: the principal may not act for the purpose",
        "give `shoe_size` a category of categories.yaml",
        "of people who gave consent",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["columns"][3]["shown"], "masked (phone)");
    assert_eq!(json["usage"][0]["effect"], "permits");
    assert_eq!(json["purposes"][0]["purpose"], "analytics");
    assert_eq!(json["remedies"][0]["do"], "categorise_column");
}

fn some_principal() -> impl Strategy<Value = Principal> {
    let roles = ["analyst", "marketer", "officer", "support", "engineer", "stranger"];
    prop::sample::subsequence(roles.to_vec(), 0..=3).prop_map(|roles| principal(&roles))
}

fn some_purpose() -> impl Strategy<Value = Purpose> {
    let mut keys: Vec<Purpose> = SHIPPED.leaves().map(|node| node.key.clone()).collect();
    keys.extend(["marketing", "world_domination"].map(purpose));
    prop::sample::select(keys)
}

fn some_dataset() -> impl Strategy<Value = Dataset> {
    let keys: Vec<_> = SHIPPED.categories().map(|node| Some(node.key.to_string())).collect();
    let keys = [keys, vec![None, Some("user.shoe_size".to_owned())]].concat();
    let columns = (prop::sample::select(keys), prop::sample::select(KeyClass::ALL.to_vec()));
    let tables = ["landing.pos_orders", "landing.crm_contacts", "landing.imported"];
    let notified = prop::sample::subsequence(vec!["analytics", "marketing", "essential"], 0..=3);
    (
        prop::collection::vec(columns, 0..6),
        prop::sample::select(tables.to_vec()),
        notified,
        prop::sample::select(vec!["cn", "us", "atlantis"]),
    )
        .prop_map(|(columns, table, notified, place)| Dataset {
            table: table.parse().unwrap(),
            columns: columns
                .iter()
                .enumerate()
                .map(|(n, (category, class))| column(&format!("c{n}"), category.as_deref(), *class))
                .collect(),
            purposes: notified.into_iter().map(purpose).collect(),
            unattributed_visible: false,
            jurisdiction: place.to_owned(),
            event_time: None,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn explanations_agree_with_decisions(
        principal in some_principal(),
        purpose in some_purpose(),
        dataset in some_dataset(),
    ) {
        let explanation = SHIPPED.explain(&principal, &purpose, &dataset, NOW);
        match SHIPPED.decide(&principal, &purpose, &dataset, NOW) {
            Decision::Permit(grant) => {
                prop_assert_eq!(&explanation.denial, &None);
                let shown = explanation.columns.iter().map(|it| (it.name.as_str(), it.shown));
                prop_assert_eq!(shown.collect::<Vec<_>>(), grant.columns().collect::<Vec<_>>());
                let columns = explanation.columns.iter().flat_map(|it| &it.rules);
                let mut rules: Vec<_> = columns.chain(&explanation.usage).map(|it| &it.id).collect();
                rules.sort_unstable();
                rules.dedup();
                prop_assert_eq!(rules, grant.determined_by().iter().collect::<Vec<_>>());
                let rows = explanation.rows.unwrap();
                prop_assert_eq!(rows.event_time_from, grant.rows().event_time_from);
                prop_assert_eq!(rows.undated, grant.rows().undated_visible);
            }
            Decision::Deny(denial) => {
                let explained = explanation.denial.unwrap();
                prop_assert_eq!(explained.reason, denial.to_string());
                prop_assert_eq!(explained.rule.map(|rule| rule.id), denial.rule);
                prop_assert!(explanation.columns.is_empty() && explanation.rows.is_none());
            }
        }
        // Whatever is recommended does what it says.
        for remedy in explanation.remedies {
            let (principal, purpose, columns) = match remedy {
                Remedy::GrantRole { role, columns } => {
                    let roles = [principal.roles.clone(), vec![role]].concat();
                    (Principal { roles, ..principal.clone() }, purpose.clone(), columns)
                }
                Remedy::AskForPurpose { purpose, columns } => (principal.clone(), purpose, columns),
                _ => continue,
            };
            let Decision::Permit(grant) = SHIPPED.decide(&principal, &purpose, &dataset, NOW) else {
                return Err(TestCaseError::fail("a remedy that is denied"));
            };
            prop_assert!(columns.iter().all(|name| grant.column(name) != ColumnRule::Absent));
        }
    }
}
