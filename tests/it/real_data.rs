//! Real exports, every row accounted for, against totals that the test computes by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use chrono::NaiveDate;
use custos_testkit::data_dir;
use serde_json::Value;

use crate::harness::{Custos, contract};

/// Price times quantity in thousandths of a pound.
type Millis = i128;

#[derive(Debug)]
struct Line {
    invoice: String,
    quantity: i64,
    at: String,
    price: Millis,
    customer: Option<String>,
}

fn online_retail(bytes: &[u8]) -> Vec<Line> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).expect("text");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    rows.records()
        .map(|row| {
            let row = row.expect("a row");
            let price: f64 = row[5].parse().expect("a price");
            Line {
                invoice: row[0].to_owned(),
                quantity: row[3].parse().expect("a quantity"),
                at: row[4].replace(' ', "T"),
                price: (price * 1000.0).round() as Millis,
                customer: (!row[6].is_empty()).then(|| row[6].to_owned()),
            }
        })
        .collect()
}

/// A decimal as the answer has it, in thousandths.
fn millis(value: &Value) -> Millis {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let part: Millis = format!("{part:0<3}").parse().expect("digits");
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    whole.parse::<Millis>().expect("digits") * 1000 + sign * part
}

#[test]
fn online_retail_is_accounted_for_row_by_row_and_its_rfm_equals_an_oracle() {
    let Some(data) = data_dir() else { return };
    let file = data.join("purchases/online_retail/online_retail_2010_12.csv.gz");
    let lines = online_retail(&std::fs::read(&file).expect("the data set"));
    let custos = Custos::new();
    custos.use_model("orders.sql");
    let counts = custos.ingest(&contract("online_retail.yaml"), &file).ok().last();
    assert_eq!(counts["read"], 42_481);
    assert_eq!(counts["stored"], 42_481);
    custos.run(&["resolve", "--json"]).ok();
    consent_of_all(&custos, &lines);

    let rows = custos.sql(
        "analyst",
        "analytics",
        "select count(*) as n, count(person_id) as known, sum(quantity * unit_price) as revenue, \
         sum(case when invoice_no like 'C%' then 1 else 0 end) as cancelled from online_retail",
    );
    let revenue: Millis = lines.iter().map(|line| line.price * Millis::from(line.quantity)).sum();
    assert_eq!(rows[0]["n"], 42_481);
    assert_eq!(rows[0]["known"], 42_481 - 15_631);
    assert_eq!(millis(&rows[0]["revenue"]), revenue);
    let cancelled = lines.iter().filter(|line| line.invoice.starts_with('C')).count();
    assert_eq!(rows[0]["cancelled"], cancelled);

    rfm_equals_the_oracle(&custos, &lines);

    // Genuine duplicate rows were kept; the file a second time changes nothing.
    let again = custos.ingest(&contract("online_retail.yaml"), &file).ok().last();
    assert_eq!(again["duplicate"], 42_481);
    let rows = custos.sql("analyst", "analytics", "select count(*) as n from online_retail");
    assert_eq!(rows[0]["n"], 42_481);
    custos.healthy();
}

fn consent_of_all(custos: &Custos, lines: &[Line]) {
    let mut csv = "identifier_type,identifier,purpose,status,at,notice,channel,scope\n".to_owned();
    let customers: std::collections::BTreeSet<_> =
        lines.iter().filter_map(|line| line.customer.as_ref()).collect();
    for customer in customers {
        csv +=
            &format!("customer_id,{customer},analytics,given,2010-11-01T00:00:00Z,v1,web,shop\n");
    }
    let file = custos.file("consents.csv", csv);
    let counts = custos.run(&["consent", "import", "--json", file.to_str().expect("a path")]);
    let counts = counts.ok().last();
    assert_eq!(counts["read"], counts["recorded"]);
}

/// A customer as the file has them.
#[derive(Debug, Default)]
struct Customer {
    orders: BTreeSet<String>,
    revenue: Millis,
    newest: String,
}

impl Customer {
    fn newest_day(&self) -> NaiveDate {
        self.newest[..10].parse().expect("a day")
    }
}

/// For each of `count` customers in their order, the fifth they fall in: the first fifths take
/// what does not divide.
fn fifths(count: usize) -> impl Iterator<Item = i64> {
    (1..=5).flat_map(move |fifth: i64| {
        let size = count / 5 + usize::from((fifth as usize) <= count % 5);
        std::iter::repeat_n(fifth, size)
    })
}

/// The fifths of customers, by person, cut by a measure; equal ones in order of the person.
fn cut<M: Ord>(
    customers: &BTreeMap<i64, Customer>,
    measure: impl Fn(&Customer) -> M,
) -> HashMap<i64, i64> {
    let mut order: Vec<i64> = customers.keys().copied().collect();
    order.sort_by_key(|person| (measure(&customers[person]), *person));
    let count = order.len();
    order.into_iter().zip(fifths(count)).collect()
}

fn segment(r: i64, f: i64, m: i64) -> &'static str {
    match (r, f, m) {
        (4.., 4.., 4..) => "champions",
        (3.., 4.., _) => "loyal",
        (4.., ..) => "potential",
        (..=2, 3.., _) | (..=2, _, 4..) => "at_risk",
        (..=2, ..) => "lost",
        _ => "other",
    }
}

/// Every cell of `customer.rfm` over invoices as orders, against fifths cut here from the file.
fn rfm_equals_the_oracle(custos: &Custos, lines: &[Line]) {
    let persons: HashMap<String, i64> = custos
        .sql(
            "analyst",
            "analytics",
            "select invoice_no, max(person_id) as person from online_retail \
             where person_id is not null group by invoice_no",
        )
        .iter()
        .map(|row| {
            let invoice = row["invoice_no"].as_str().expect("a number").to_owned();
            (invoice, row["person"].as_i64().expect("a person"))
        })
        .collect();
    let mut names: HashMap<&str, i64> = HashMap::new();
    let mut customers: BTreeMap<i64, Customer> = BTreeMap::new();
    for line in lines {
        let Some(name) = &line.customer else { continue };
        let person = persons[&line.invoice];
        assert_eq!(*names.entry(name).or_insert(person), person, "one customer, one person");
        let customer = customers.entry(person).or_default();
        customer.orders.insert(line.invoice.clone());
        customer.revenue += line.price * Millis::from(line.quantity);
        customer.newest = customer.newest.clone().max(line.at.clone());
    }
    assert_eq!(names.len(), customers.len());
    let r = cut(&customers, |customer| customer.newest.clone());
    let f = cut(&customers, |customer| customer.orders.len());
    let m = cut(&customers, |customer| customer.revenue);
    let today = customers.values().map(Customer::newest_day).max().expect("customers");

    let rows = custos.sql("analyst", "analytics", "select * from rfm");
    assert_eq!(rows.len(), customers.len());
    for row in &rows {
        let person = row["person_id"].as_i64().expect("a person");
        let customer = &customers[&person];
        let (r, f, m) = (r[&person], f[&person], m[&person]);
        assert_eq!(row["last_order_at"].as_str().expect("a time")[..19], customer.newest);
        assert_eq!(row["recency_days"], (today - customer.newest_day()).num_days(), "{row}");
        assert_eq!(row["frequency"], customer.orders.len(), "{row}");
        assert_eq!(millis(&row["monetary"]), customer.revenue, "{row}");
        assert_eq!((&row["r"], &row["f"], &row["m"]), (&r.into(), &f.into(), &m.into()), "{row}");
        assert_eq!(row["rfm"], format!("{r}{f}{m}"), "{row}");
        assert_eq!(row["segment"], segment(r, f, m), "{row}");
    }
}

#[test]
fn telco_blank_numbers_are_null_and_its_totals_equal_an_oracle() {
    let Some(data) = data_dir() else { return };
    let file = data.join("purchases/telco/Telco-Customer-Churn.csv");
    let custos = Custos::new();
    let counts = custos.ingest(&contract("telco.yaml"), &file).ok().last();
    assert_eq!((&counts["read"], &counts["stored"]), (&7_043.into(), &7_043.into()));

    let mut reader = csv::Reader::from_path(&file).expect("the data set");
    let (mut blank, mut total, mut churned): (u64, Millis, u64) = (0, 0, 0);
    for row in reader.records() {
        let row = row.expect("a row");
        match row[19].trim() {
            "" => blank += 1,
            amount => {
                total += (amount.parse::<f64>().expect("a number") * 1000.0).round() as Millis
            }
        }
        churned += u64::from(&row[20] == "Yes");
    }
    let rows = custos.sql(
        "officer",
        "legal_claims",
        "select count(*) - count(total_charges) as blank, sum(total_charges) as total, \
         count(*) as n, sum(case when churn then 1 else 0 end) as churned from telco",
    );
    assert_eq!(rows[0]["n"], 7_043);
    assert_eq!(rows[0]["blank"], blank);
    assert_eq!(millis(&rows[0]["total"]), total);
    assert_eq!(rows[0]["churned"], churned);
    // As the data set is published.
    assert_eq!((blank, churned), (11, 1_869));
}
