use std::collections::{BTreeMap, BTreeSet};

use custos_core::Assurance::{self, Claimed, Verified};
use custos_core::IdentifierType::{self, CustomerId, DeviceId, Email, Ip, NationalId, Phone};
use custos_core::{PersonMap, Redacted, Rid};
use proptest::prelude::*;

use super::*;
use crate::name_key;

const CRM: Option<u16> = Some(1);
const POS: Option<u16> = Some(2);

fn scoped(
    rid: u32,
    kind: IdentifierType,
    scope: Option<u16>,
    value: u8,
    assurance: Assurance,
) -> Link {
    Link { rid: Rid::new(rid), kind, scope, hash: [value; 16], assurance }
}

fn link(rid: u32, kind: IdentifierType, value: u8, assurance: Assurance) -> Link {
    scoped(rid, kind, None, value, assurance)
}

fn name(rid: u32, name: &str) -> SubjectName {
    SubjectName { rid: Rid::new(rid), key: Redacted::new(name_key(name)) }
}

fn resolved(links: &[Link], names: &[SubjectName]) -> Resolution {
    resolve(links, names, &Limits::default())
}

/// The persons of two and more subjects.
fn persons(resolution: &Resolution) -> Vec<Vec<u32>> {
    resolution.persons.clusters().map(|(_, members)| members.to_vec()).collect()
}

fn reasons(resolution: &Resolution) -> Vec<RefusalReason> {
    resolution.refused.iter().map(|refusal| refusal.reason).collect()
}

#[test]
fn verified_identifiers_of_one_person_join_through_each_other() {
    let resolution = resolved(
        &[
            link(1, Email, 1, Verified),
            link(2, Email, 1, Verified),
            link(2, NationalId, 2, Verified),
            link(3, NationalId, 2, Verified),
            link(4, Email, 3, Verified),
        ],
        &[],
    );
    assert_eq!(persons(&resolution), [[1, 2, 3]]);
    assert_eq!(resolution.evidence.len(), 2);
    assert!(resolution.evidence.iter().all(|evidence| evidence.rule == Rule::VerifiedExclusive));
}

#[test]
fn a_customer_id_means_something_within_its_scope_only() {
    let links = [
        scoped(1, CustomerId, CRM, 1, Verified),
        scoped(2, CustomerId, POS, 1, Verified),
        scoped(3, CustomerId, CRM, 1, Verified),
    ];
    assert_eq!(persons(&resolved(&links, &[])), [[1, 3]]);
}

#[test]
fn addresses_join_nobody() {
    let resolution = resolved(&[link(1, Ip, 1, Verified), link(2, Ip, 1, Verified)], &[]);
    assert_eq!(resolution, Resolution::default());
}

#[test]
fn one_person_at_the_till_and_in_the_crm_is_joined_by_phone_and_name() {
    let links = [
        scoped(1, CustomerId, CRM, 1, Verified),
        link(1, Phone, 9, Verified),
        link(1, Email, 1, Verified),
        scoped(2, CustomerId, POS, 7, Verified),
        link(2, Phone, 9, Verified),
        link(2, Email, 2, Verified),
    ];
    for (crm, pos) in [("张三", "Zhang San"), ("Jonathan Smith", "SMITH, JONATHON")] {
        let resolution = resolved(&links, &[name(1, crm), name(2, pos)]);
        assert_eq!(persons(&resolution), [[1, 2]]);
        assert_eq!(resolution.evidence[0].rule, Rule::VerifiedShared);
        assert!(resolution.refused.is_empty());
    }
    // Without names, two e-mail addresses speak for two people.
    assert!(persons(&resolved(&links, &[])).is_empty());
}

#[test]
fn a_household_phone_does_not_glue_a_family() {
    let links = [
        link(1, Phone, 9, Verified),
        link(2, Phone, 9, Verified),
        link(3, Phone, 9, Verified),
        link(4, Phone, 9, Claimed),
        link(5, Phone, 9, Claimed),
        link(6, Phone, 9, Verified),
    ];
    let names = [name(1, "张三"), name(2, "张四"), name(3, "Zhang San"), name(4, "张 四")];
    let resolution = resolved(&links, &names);
    // Neither the order 5 nor the account 6 says whose it is.
    assert_eq!(persons(&resolution), [[1, 3], [2, 4]]);
    assert_eq!(reasons(&resolution), [RefusalReason::HeldByDifferentPeople]);
    assert_eq!(resolution.refused[0].subjects, 6);
}

#[test]
fn different_numbers_of_one_kind_speak_for_different_people() {
    for kind in [CustomerId, NationalId] {
        let links = [
            scoped(1, kind, CRM, 1, Verified),
            link(1, Phone, 9, Verified),
            scoped(2, kind, CRM, 2, Verified),
            link(2, Phone, 9, Verified),
        ];
        let resolution = resolved(&links, &[name(1, "John Smith"), name(2, "John Smith")]);
        assert!(persons(&resolution).is_empty());
        assert_eq!(reasons(&resolution), [RefusalReason::HeldByDifferentPeople]);
    }
}

#[test]
fn a_claim_joins_who_has_verified_nothing() {
    let links = [
        link(1, Email, 1, Verified),
        link(2, Email, 1, Claimed),
        link(3, Email, 5, Claimed),
        link(4, Email, 5, Claimed),
    ];
    let resolution = resolved(&links, &[]);
    assert_eq!(persons(&resolution), [[1, 2], [3, 4]]);
    assert!(resolution.evidence.iter().all(|evidence| evidence.rule == Rule::Claimed));
}

#[test]
fn a_claim_never_joins_two_who_each_have_verified_something() {
    let links =
        [link(1, Email, 1, Verified), link(2, Phone, 2, Verified), link(2, Email, 1, Claimed)];
    let resolution = resolved(&links, &[]);
    assert!(persons(&resolution).is_empty());
    assert_eq!(reasons(&resolution), [RefusalReason::ClaimedBetweenVerified]);
}

#[test]
fn a_visitor_joins_who_has_verified_the_address_and_not_who_claims_it() {
    let links = [
        link(1, Phone, 2, Verified),
        link(1, Email, 1, Claimed),
        link(2, Email, 1, Verified),
        link(3, Email, 1, Claimed),
    ];
    assert_eq!(persons(&resolved(&links, &[])), [[2, 3]]);
}

#[test]
fn a_visitor_whose_claims_lead_to_two_people_does_not_make_them_one() {
    let links = [
        link(1, Email, 1, Verified),
        link(2, Phone, 2, Verified),
        link(3, Email, 1, Claimed),
        link(3, Phone, 2, Claimed),
    ];
    let resolution = resolved(&links, &[]);
    assert_eq!(persons(&resolution), [[1, 3]]);
    assert_eq!(reasons(&resolution), [RefusalReason::ClaimedBetweenVerified]);
}

#[test]
fn a_claim_under_another_name_joins_nobody() {
    let links = [link(1, Email, 1, Verified), link(2, Email, 1, Claimed)];
    let resolution = resolved(&links, &[name(1, "张三"), name(2, "李四")]);
    assert!(persons(&resolution).is_empty());
    assert_eq!(reasons(&resolution), [RefusalReason::HeldByDifferentPeople]);
}

#[test]
fn a_device_joins_the_only_person_seen_on_it() {
    let links = [
        link(1, DeviceId, 1, Claimed),
        link(2, DeviceId, 1, Claimed),
        link(2, Email, 1, Verified),
        link(3, Email, 1, Verified),
        link(3, DeviceId, 1, Claimed),
        link(4, DeviceId, 1, Verified),
    ];
    let resolution = resolved(&links, &[]);
    assert_eq!(persons(&resolution), [[1, 2, 3, 4]]);
    assert_eq!(
        resolution.evidence.iter().filter(|evidence| evidence.rule == Rule::Device).count(),
        2
    );
}

#[test]
fn a_device_that_several_people_use_joins_nobody() {
    for assurance in [Claimed, Verified] {
        let links = [
            link(1, DeviceId, 1, assurance),
            link(2, DeviceId, 1, assurance),
            scoped(2, CustomerId, CRM, 1, Verified),
            link(3, DeviceId, 1, assurance),
            scoped(3, CustomerId, CRM, 2, Verified),
        ];
        let resolution = resolved(&links, &[]);
        assert!(persons(&resolution).is_empty());
        assert_eq!(reasons(&resolution), [RefusalReason::HeldByDifferentPeople]);
    }
}

#[test]
fn a_visitor_with_the_devices_of_two_people_joins_neither() {
    let links = [
        link(1, DeviceId, 1, Claimed),
        link(1, DeviceId, 2, Claimed),
        link(2, DeviceId, 1, Claimed),
        link(2, Email, 1, Verified),
        link(3, DeviceId, 2, Claimed),
        link(3, Email, 2, Verified),
    ];
    assert!(persons(&resolved(&links, &[])).is_empty());
}

#[test]
fn a_device_without_any_person_is_one_visitor() {
    let links = [
        link(1, DeviceId, 1, Claimed),
        link(2, DeviceId, 1, Claimed),
        link(2, DeviceId, 2, Claimed),
        link(3, DeviceId, 2, Claimed),
        link(3, Email, 1, Claimed),
    ];
    assert_eq!(persons(&resolved(&links, &[])), [[1, 2, 3]]);
}

#[test]
fn an_identifier_of_too_many_subjects_joins_nobody() {
    let links: Vec<_> = (1..=5).map(|rid| link(rid, Email, 1, Verified)).collect();
    let few = Limits { subjects_per_identifier_max: 4 };
    let resolution = resolve(&links, &[], &few);
    assert!(persons(&resolution).is_empty());
    assert_eq!(reasons(&resolution), [RefusalReason::TooManySubjects]);
    assert_eq!(resolution.refused[0].subjects, 5);
    assert_eq!(persons(&resolve(&links[..4], &[], &few)), [[1, 2, 3, 4]]);
}

#[test]
fn the_result_prints_no_name() {
    let printed = format!("{:?}", [name(1, "canary")]);
    assert!(!printed.contains("canary"));
}

const NAMES: [&str; 5] = ["张三", "Zhang San", "张四", "Jonathan Smith", "Jonathon Smith"];

fn a_link() -> impl Strategy<Value = Link> {
    let kinds = vec![CustomerId, Email, Phone, NationalId, DeviceId];
    (1u32..12, prop::sample::select(kinds), 0u8..4, prop::option::of(0u16..2), any::<bool>())
        .prop_map(|(rid, kind, value, scope, is_verified)| {
            scoped(rid, kind, scope, value, if is_verified { Verified } else { Claimed })
        })
}

fn links() -> impl Strategy<Value = Vec<Link>> {
    prop::collection::vec(a_link(), 0..30)
}

fn names() -> impl Strategy<Value = Vec<SubjectName>> {
    prop::collection::vec((1u32..12, prop::sample::select(NAMES.to_vec())), 0..8)
        .prop_map(|names| names.into_iter().map(|(rid, text)| name(rid, text)).collect())
}

/// Connected components by repeated relabelling.
fn components(pairs: &[(Rid, Rid)]) -> PersonMap {
    let mut label: BTreeMap<Rid, Rid> =
        pairs.iter().flat_map(|&(left, right)| [(left, left), (right, right)]).collect();
    loop {
        let before = label.clone();
        for (left, right) in pairs {
            let least = label[left].min(label[right]);
            label.insert(*left, least);
            label.insert(*right, least);
        }
        if label == before {
            break;
        }
    }
    let mut clusters: BTreeMap<Rid, Vec<Rid>> = BTreeMap::new();
    for (rid, least) in label {
        clusters.entry(least).or_default().push(rid);
    }
    PersonMap::from_clusters(clusters.into_values())
}

fn holds(links: &[Link], rid: Rid, kind: IdentifierType, hash: [u8; 16]) -> bool {
    links.iter().any(|link| link.rid == rid && link.kind == kind && link.hash == hash)
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_of_the_input_matters(
        (links, shuffled) in links().prop_flat_map(|links| (Just(links.clone()), Just(links).prop_shuffle())),
        (names, other_names) in names().prop_flat_map(|names| (Just(names.clone()), Just(names).prop_shuffle())),
    ) {
        let once = resolved(&links, &names);
        prop_assert_eq!(&resolved(&shuffled, &other_names), &once);
        prop_assert_eq!(&resolved(&[links, shuffled].concat(), &[names, other_names].concat()), &once);
    }

    #[test]
    fn evidence_explains_the_persons_and_no_more(links in links(), names in names()) {
        let resolution = resolved(&links, &names);
        let pairs: Vec<_> = resolution.evidence.iter().map(|one| (one.left, one.right)).collect();
        prop_assert_eq!(&components(&pairs), &resolution.persons);
        let joined: usize = persons(&resolution).iter().map(|members| members.len() - 1).sum();
        prop_assert_eq!(joined, pairs.len());
        for one in &resolution.evidence {
            prop_assert!(one.left < one.right);
            prop_assert!(holds(&links, one.left, one.kind, one.hash));
            prop_assert!(holds(&links, one.right, one.kind, one.hash));
        }
    }

    #[test]
    fn verified_exclusive_identifiers_make_connected_components(links in links()) {
        let links: Vec<_> = links
            .into_iter()
            .filter(|link| is_exclusive(link.kind))
            .map(|link| Link { assurance: Verified, ..link })
            .collect();
        let scope = |link: &Link| link.scope.filter(|_| link.kind == CustomerId);
        let mut pairs = Vec::new();
        for left in &links {
            for right in &links {
                if (left.kind, scope(left), left.hash) == (right.kind, scope(right), right.hash) {
                    pairs.push((left.rid, right.rid));
                }
            }
        }
        prop_assert_eq!(resolved(&links, &[]).persons, components(&pairs));
    }

    #[test]
    fn claims_join_no_two_who_have_verified_something(links in links(), names in names()) {
        let links: Vec<_> = links.into_iter().filter(|link| link.kind != DeviceId).collect();
        let verified: Vec<_> =
            links.iter().copied().filter(|link| link.assurance == Verified).collect();
        let without_claims = resolved(&verified, &names).persons;
        let with_claims = resolved(&links, &names).persons;
        let holders: BTreeSet<_> = verified.iter().map(|link| link.rid).collect();
        for &left in &holders {
            for &right in &holders {
                prop_assert_eq!(
                    with_claims.person_of(left) == with_claims.person_of(right),
                    without_claims.person_of(left) == without_claims.person_of(right)
                );
            }
        }
    }
}
