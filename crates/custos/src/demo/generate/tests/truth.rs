use super::*;

#[test]
fn every_account_belongs_to_one_customer_however_it_is_written() {
    let Made { silos, .. } = &made(CUSTOMERS, 9);
    let mut owners: HashMap<(&str, String), u32> = HashMap::new();
    let mut appears: HashMap<u32, HashSet<&str>> = HashMap::new();
    for (source, key, customer) in silos.truth.accounts() {
        let key = if source == "support_tickets" && !plain(key).contains('@') {
            international(key)
        } else {
            plain(key)
        };
        let owner = *owners.entry((source, key)).or_insert(customer);
        assert_eq!(owner, customer, "an account of {source}");
        appears.entry(customer).or_default().insert(source);
    }
    assert_eq!(appears.len(), CUSTOMERS as usize);
    for customer in 1..=CUSTOMERS {
        // A device of several users is no account, but each of them has a login.
        assert_eq!(silos.truth.silo_count(customer), appears[&customer].len() as u32);
    }
}

#[test]
fn every_account_in_a_file_is_in_the_truth() {
    let Made { silos, dir } = &made(CUSTOMERS, 9);
    let truth: HashMap<(&str, &str), u32> =
        silos.truth.accounts().map(|(source, key, customer)| ((source, key), customer)).collect();
    for row in table(&silos.orders) {
        let member = row["member_no"].as_str();
        assert!(member.is_empty() || truth.contains_key(&("pos_orders", member)));
        assert!(!member.is_empty() || row["name"].is_empty() && row["phone"].is_empty());
    }
    for row in table(&silos.survey) {
        assert!(truth.contains_key(&("community_survey", row["social_id"].as_str())));
    }
    for row in table(&silos.tickets) {
        let email = row["email"].as_str();
        let key = if email.is_empty() || email == "test@test.com" { &row["phone"] } else { email };
        assert!(truth.contains_key(&("support_tickets", key)));
    }
    for event in events(&silos.events) {
        if let Some(user) = event.get("user_id") {
            assert!(truth.contains_key(&("web_events", user.as_str().unwrap())));
        }
    }
    let file = table(&dir.path().join("truth.csv"));
    assert_eq!(file.len(), truth.len());
    for row in file {
        let customer = truth[&(row["source"].as_str(), row["account_key"].as_str())];
        assert_eq!(row["customer"], customer.to_string());
    }
}

#[test]
fn devices_are_anonymous_first_and_a_few_belong_to_a_family() {
    let Made { silos, .. } = &made(CUSTOMERS, 10);
    let truth: HashMap<&str, u32> = silos
        .truth
        .accounts()
        .filter(|(source, ..)| *source == "web_events")
        .map(|(_, key, customer)| (key, customer))
        .collect();
    let mut users: HashMap<String, Vec<u32>> = HashMap::new();
    for event in events(&silos.events) {
        let device = event["anonymous_id"].as_str().unwrap();
        let seen = users.get(device).map_or(0, Vec::len);
        match event.get("user_id") {
            Some(user) => {
                assert!(seen > 0, "a device that begins with a user");
                users.get_mut(device).unwrap().push(truth[user.as_str().unwrap()]);
            }
            None => users.entry(device.to_owned()).or_default().push(0),
        }
    }
    let mut shared = 0;
    for (device, users) in users {
        let users: HashSet<u32> = users.into_iter().filter(|user| *user != 0).collect();
        if users.len() > 1 {
            shared += 1;
            assert!(!truth.contains_key(device.as_str()));
            let is_family = |family: &Vec<u32>| users.iter().all(|user| family.contains(user));
            assert!(silos.truth.households().iter().any(is_family));
        } else {
            assert_eq!(truth.get(device.as_str()), users.iter().next());
        }
    }
    assert!(shared >= 3, "{shared} shared devices");
}

#[test]
fn consents_conflict_and_name_people_by_what_a_silo_holds() {
    let Made { silos, .. } = &made(CUSTOMERS, 13);
    let mut emails = HashSet::new();
    let mut phones = HashSet::new();
    for path in [&silos.orders, &silos.contacts, &silos.tickets, &silos.survey] {
        for row in table(path) {
            phones.insert(international(&row["phone"]));
            emails.extend(row.get("email").map(|email| plain(email)));
        }
    }
    for event in events(&silos.events) {
        emails.extend(event.get("email").map(|email| plain(email.as_str().unwrap())));
    }
    let accounts: HashSet<&str> = silos.truth.accounts().map(|(_, key, _)| key).collect();
    let mut statuses: HashMap<String, u32> = HashMap::new();
    for row in table(&silos.consents) {
        let identifier = &row["identifier"];
        let is_known = match row["identifier_type"].as_str() {
            "email" => emails.contains(identifier),
            "phone" => phones.contains(identifier),
            _ => accounts.contains(identifier.as_str()) && !row["scope"].is_empty(),
        };
        assert!(is_known, "a consent of nobody");
        *statuses.entry(row["status"].clone()).or_default() += 1;
    }
    assert_eq!(statuses.len(), 3);
    assert!(statuses["given"] > 4 * statuses["withdrawn"]);
}

#[test]
fn personal_values_are_those_in_the_files_and_no_placeholders() {
    let Made { silos, dir } = &made(CUSTOMERS, 14);
    let values: HashSet<&str> = silos.truth.personal_values().collect();
    let file = fs::read_to_string(dir.path().join("personal_values.txt")).unwrap();
    assert_eq!(file.lines().collect::<HashSet<_>>(), values);
    let mut placeholders = 0;
    for (path, columns) in [
        (&silos.orders, &["name", "phone", "referrer_phone"][..]),
        (&silos.contacts, &["full_name", "email", "phone"]),
        (&silos.tickets, &["contact_name", "email", "phone"]),
        (&silos.survey, &["nickname", "email", "phone"]),
    ] {
        for row in table(path) {
            for value in columns.iter().map(|column| row[*column].trim()) {
                match value {
                    "" => {}
                    "test@test.com" | "00000000000" => placeholders += 1,
                    value => assert!(values.contains(value), "a value of {path:?}"),
                }
            }
        }
    }
    assert!(placeholders > 3);
    assert!(!values.contains("test@test.com") && !values.contains("00000000000"));
    assert!(values.iter().all(|value| !value.is_empty()));
}
