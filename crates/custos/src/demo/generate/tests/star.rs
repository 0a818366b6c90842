use super::*;
use crate::demo::generate::truth::Star;

fn of(path: &Path, column: &str, key: &str) -> Vec<Row> {
    table(path).into_iter().filter(|row| row[column] == key).collect()
}

fn assert_clean(rows: &[Row], name: Option<&str>, star: &Star) {
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(international(&row["phone"]), star.phone);
        assert!(row.get("email").is_none_or(|email| plain(email) == star.email));
        assert!(name.is_none_or(|name| row[name] == star.name));
    }
}

#[test]
fn the_star_has_a_chinese_name_and_a_telephone_of_their_own() {
    for seed in 0..5 {
        let Made { silos, .. } = &made(100, seed);
        let star = silos.truth.star();
        assert!(star.name.chars().all(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)));
        assert!(star.phone.starts_with("+861") && star.phone.len() == 14);
        assert!(star.email.contains('@'));
        assert!(!silos.truth.households().iter().any(|who| who.contains(&star.customer)));
    }
}

#[test]
fn the_star_is_known_to_every_silo_by_address_and_telephone() {
    for seed in 0..3 {
        let Made { silos, .. } = &made(400, seed);
        let star = silos.truth.star();
        assert_eq!(silos.truth.silo_count(star.customer), 5);
        let orders = of(&silos.orders, "member_no", &star.member_no);
        assert!(orders.len() >= 9);
        assert_clean(&orders, Some("name"), star);
        assert_clean(&of(&silos.contacts, "contact_id", &star.contact_id), Some("full_name"), star);
        assert_clean(&of(&silos.survey, "social_id", &star.social_id), None, star);
        let tickets = table(&silos.tickets).into_iter();
        let tickets: Vec<Row> = tickets.filter(|row| plain(&row["email"]) == star.email).collect();
        assert_clean(&tickets, Some("contact_name"), star);
        let events = events(&silos.events);
        let text = |event: &Value, key: &str| {
            event.get(key).map_or_else(String::new, |value| value.as_str().unwrap().to_owned())
        };
        for device in &star.anonymous_ids {
            let mut own = events.iter().filter(|event| text(event, "anonymous_id") == *device);
            assert!(own.any(|event| {
                text(event, "user_id") == star.user_id && plain(&text(event, "email")) == star.email
            }));
        }
        assert!(!star.anonymous_ids.is_empty());
    }
}

#[test]
fn the_star_s_accounts_are_in_the_truth() {
    let Made { silos, .. } = &made(400, 1);
    let star = silos.truth.star();
    let found: HashSet<(&str, &str)> = silos
        .truth
        .accounts()
        .filter(|(source, _, customer)| *customer == star.customer && *source != "support_tickets")
        .map(|(source, key, _)| (source, key))
        .collect();
    let mut known = HashSet::from([
        ("pos_orders", star.member_no.as_str()),
        ("crm_contacts", star.contact_id.as_str()),
        ("web_events", star.user_id.as_str()),
        ("community_survey", star.social_id.as_str()),
    ]);
    known.extend(star.anonymous_ids.iter().map(|id| ("web_events", id.as_str())));
    assert_eq!(found, known);
}

#[test]
fn the_star_referred_others() {
    let Made { silos, .. } = &made(400, 1);
    let star = silos.truth.star();
    let referred = table(&silos.orders).into_iter().filter(|row| {
        row["member_no"] != star.member_no
            && !row["referrer_phone"].is_empty()
            && international(&row["referrer_phone"]) == star.phone
    });
    assert!(referred.count() >= 3);
}

#[test]
fn the_star_allows_everything() {
    for seed in 0..3 {
        let Made { silos, .. } = &made(400, seed);
        let star = silos.truth.star();
        let names = [&star.email, &star.phone, &star.member_no, &star.contact_id, &star.user_id];
        let consents = table(&silos.consents);
        let own = consents.iter().filter(|row| names.contains(&&row["identifier"]));
        let own: BTreeSet<(&str, &str)> =
            own.map(|row| (row["purpose"].as_str(), row["status"].as_str())).collect();
        let all = [
            ("analytics", "given"),
            ("marketing.advertising.first_party", "given"),
            ("marketing.communications.email", "given"),
        ];
        assert_eq!(own, BTreeSet::from(all));
    }
}
