use super::super::account::account_number;
use super::*;

#[test]
fn families_share_a_telephone_and_often_a_name() {
    let size = 10_000;
    let population = Population::new(&mut Dice::new(11, 0), size);
    let mut phones: HashMap<String, Vec<u32>> = HashMap::new();
    let mut emails = HashSet::new();
    let mut chinese = 0_u32;
    for customer in &population.customers {
        assert!(customer.phone.is_some() || customer.email.is_some());
        if let Some(phone) = &customer.phone {
            phones.entry(phone.international()).or_default().push(customer.number);
        }
        for email in customer.email.iter().chain(&customer.second_email) {
            assert!(emails.insert(email), "an address of two");
        }
        chinese += u32::from(customer.is_chinese());
    }
    let mut shared: Vec<Vec<u32>> = phones.into_values().filter(|who| who.len() > 1).collect();
    shared.sort();
    assert_eq!(shared, population.households);
    let members = shared.iter().map(Vec::len).sum::<usize>();
    between(members as f64 / f64::from(size), 0.03, 0.05);
    between(f64::from(chinese) / f64::from(size), 0.57, 0.63);
    let customer = |number: u32| &population.customers[number as usize - 1];
    let namesakes = shared
        .iter()
        .filter(|who| customer(who[0]).name.family == customer(who[1]).name.family)
        .filter(|who| customer(who[0]).is_chinese());
    assert!(namesakes.count() > 50);
}

#[test]
fn the_discontent_leave() {
    let population = Population::new(&mut Dice::new(12, 0), CUSTOMERS);
    let mean = |lapsed: bool| {
        let of: Vec<f64> = population
            .customers
            .iter()
            .filter(|customer| (customer.active.1 < AS_OF - 1) == lapsed)
            .map(|customer| f64::from(customer.satisfaction))
            .collect();
        assert!(of.len() > 400);
        of.iter().sum::<f64>() / of.len() as f64
    };
    assert!(mean(true) + 25.0 < mean(false));
}

#[test]
fn account_numbers_do_not_repeat() {
    let mut seen = HashSet::new();
    for customer in 1..=50_000 {
        assert!(seen.insert(account_number(customer, 0, 77)));
        assert!(seen.insert(account_number(customer, 1, 77)));
    }
}
