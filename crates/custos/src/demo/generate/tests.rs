mod population;
mod star;
mod truth;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;

use chrono::{DateTime, NaiveDateTime};
use serde_json::Value;
use tempfile::TempDir;

use super::calendar::{AS_OF, BEGIN};
use super::*;

const CUSTOMERS: u32 = 3000;

type Row = HashMap<String, String>;

struct Made {
    dir: TempDir,
    silos: Silos,
}

fn made(customers: u32, seed: u64) -> Made {
    let dir = TempDir::new().unwrap();
    let silos = generate(dir.path(), customers, seed, &|_, _| ()).unwrap();
    Made { dir, silos }
}

fn table(path: &Path) -> Vec<Row> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn header(path: &Path) -> String {
    fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned()
}

/// A notation undone, without the code that made it.
fn plain(text: &str) -> String {
    let narrow = text.chars().map(|letter| match letter as u32 {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap(),
        _ => letter,
    });
    narrow.collect::<String>().trim().to_lowercase()
}

fn international(text: &str) -> String {
    let text = plain(text);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None if text.starts_with('+') => format!("+{digits}"),
        None => format!("+86{digits}"),
    }
}

fn between(share: f64, low: f64, high: f64) {
    assert!((low..=high).contains(&share), "{share} is not within {low}..{high}");
}

#[test]
fn the_same_seed_makes_the_same_files_and_another_does_not() {
    let (one, same, other) = (made(300, 5), made(300, 5), made(300, 6));
    let mut files = 0;
    for entry in fs::read_dir(one.dir.path()).unwrap() {
        let name = entry.unwrap().file_name();
        let read = |made: &Made| fs::read(made.dir.path().join(&name)).unwrap();
        assert!(read(&one) == read(&same), "{name:?} differs");
        assert!(read(&one) != read(&other), "{name:?} does not depend on the seed");
        files += 1;
    }
    assert_eq!(files, 8);
}

#[test]
fn the_columns_are_those_of_the_contracts() {
    let Made { silos, .. } = &made(50, 1);
    assert_eq!(
        header(&silos.orders),
        "order_id,member_no,name,phone,referrer_phone,store,channel,category,quantity,amount,\
         currency,note,ordered_at,updated_at"
    );
    assert_eq!(
        header(&silos.contacts),
        "contact_id,full_name,email,phone,city,country,gender,birth_year,loyalty_tier,updated_at"
    );
    assert_eq!(
        header(&silos.tickets),
        "ticket_id,contact_name,email,phone,subject,body,priority,status,csat,opened_at,closed_at"
    );
    assert_eq!(
        header(&silos.survey),
        "response_id,social_id,nickname,email,phone,platform,nps,comment,answered_at"
    );
    assert_eq!(
        header(&silos.consents),
        "identifier_type,identifier,purpose,status,at,notice,channel,scope"
    );
    let keys: BTreeSet<String> = events(&silos.events)
        .iter()
        .flat_map(|event| event.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
        .collect();
    let expected = [
        "anonymous_id",
        "channel",
        "email",
        "event",
        "message_id",
        "occurred_at",
        "product_id",
        "revenue",
        "url",
        "user_id",
    ];
    assert_eq!(keys.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn the_silos_are_as_large_as_promised() {
    let Made { silos, .. } = &made(CUSTOMERS, 2);
    let per_customer = |rows: usize| rows as f64 / f64::from(CUSTOMERS);
    between(per_customer(table(&silos.orders).len()), 2.6, 3.4);
    between(per_customer(table(&silos.contacts).len()), 0.63, 0.78);
    between(per_customer(events(&silos.events).len()), 6.7, 8.8);
    between(per_customer(table(&silos.tickets).len()), 0.34, 0.5);
    between(per_customer(table(&silos.survey).len()), 0.21, 0.3);
    let consents = table(&silos.consents);
    let named: HashSet<&String> = consents.iter().map(|row| &row["identifier"]).collect();
    assert!(per_customer(named.len()) > 0.8);
}

#[test]
fn small_populations_can_be_made() {
    for customers in [1, 2, 7] {
        let Made { silos, .. } = made(customers, 3);
        assert_eq!(silos.truth.silo_count(1), 5);
    }
}

#[test]
fn exactly_the_counted_rows_are_broken() {
    let Made { silos, .. } = &made(CUSTOMERS, 4);
    let is_local = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").is_ok();
    let is_instant = |text: &str| DateTime::parse_from_rfc3339(text).is_ok();
    let broken = |rows: Vec<Row>, is_good: &dyn Fn(&Row) -> bool| {
        rows.iter().filter(|row| !is_good(row)).count() as u32
    };
    let orders = broken(table(&silos.orders), &|row| {
        is_local(&row["ordered_at"])
            && is_local(&row["updated_at"])
            && row["amount"].parse::<f64>().is_ok_and(|amount| amount > 0.0)
    });
    let contacts = broken(table(&silos.contacts), &|row| is_instant(&row["updated_at"]));
    let tickets = broken(table(&silos.tickets), &|row| {
        is_instant(&row["opened_at"])
            && (row["closed_at"].is_empty() || is_instant(&row["closed_at"]))
            && ["", "1", "2", "3", "4", "5"].contains(&row["csat"].as_str())
    });
    let survey = broken(table(&silos.survey), &|row| {
        is_instant(&row["answered_at"]) && row["nps"].parse::<u32>().unwrap() <= 10
    });
    let events = events(&silos.events)
        .iter()
        .filter(|event| {
            let amount = event.get("revenue").is_none_or(Value::is_number);
            !amount || !is_instant(event["occurred_at"].as_str().unwrap())
        })
        .count() as u32;
    assert!(table(&silos.consents).iter().all(|row| is_instant(&row["at"])));
    let counted = [
        ("community_survey", survey),
        ("crm_contacts", contacts),
        ("pos_orders", orders),
        ("support_tickets", tickets),
        ("web_events", events),
    ];
    assert_eq!(silos.broken_rows, BTreeMap::from(counted));
    assert_eq!(silos.broken_rows.values().sum::<u32>(), 20);
}

#[test]
fn record_keys_are_unique_but_for_corrected_orders() {
    let Made { silos, .. } = &made(CUSTOMERS, 4);
    for (path, key) in [
        (&silos.contacts, "contact_id"),
        (&silos.tickets, "ticket_id"),
        (&silos.survey, "response_id"),
    ] {
        let rows = table(path);
        let keys: HashSet<&String> = rows.iter().map(|row| &row[key]).collect();
        assert_eq!(keys.len(), rows.len(), "{key}");
    }
    let events = events(&silos.events);
    let ids: HashSet<&str> = events.iter().map(|e| e["message_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len());

    let mut versions: HashMap<String, Row> = HashMap::new();
    let mut corrected = 0;
    for row in table(&silos.orders) {
        let updated_at = row["updated_at"].clone();
        let amount = row["amount"].clone();
        if let Some(old) = versions.insert(row["order_id"].clone(), row) {
            assert!(old["updated_at"] < updated_at || old["updated_at"] == "soon");
            assert_ne!(old["amount"], amount);
            corrected += 1;
        }
    }
    between(f64::from(corrected) / versions.len() as f64, 0.01, 0.03);
}

#[test]
fn everything_happens_within_the_two_years() {
    let Made { silos, .. } = &made(500, 8);
    let within = |at: i64| (BEGIN..AS_OF).contains(&at);
    for event in events(&silos.events) {
        if let Ok(at) = DateTime::parse_from_rfc3339(event["occurred_at"].as_str().unwrap()) {
            assert!(within(at.timestamp()));
        }
    }
    for (path, column) in
        [(&silos.tickets, "opened_at"), (&silos.consents, "at"), (&silos.survey, "answered_at")]
    {
        for row in table(path) {
            if let Ok(at) = DateTime::parse_from_rfc3339(&row[column]) {
                assert!(within(at.timestamp()), "{column}");
            }
        }
    }
}

#[test]
fn progress_grows_up_to_the_whole() {
    let dir = TempDir::new().unwrap();
    let heard = RefCell::new(Vec::new());
    let progress = |done, of| heard.borrow_mut().push((done, of));
    generate(dir.path(), 800, 1, &progress).map(drop).unwrap();
    let heard = heard.into_inner();
    assert!(heard.is_sorted());
    assert_eq!(heard.first(), Some(&(0, 5600)));
    assert_eq!(heard.last(), Some(&(5600, 5600)));
}
