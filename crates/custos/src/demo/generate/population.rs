//! The customers as they really are, before any silo has seen a part of them.

use super::calendar::{AS_OF, BEGIN, DAY};
use super::chinese;
use super::contact_point::{ContactPoints, Phone};
use super::dice::Dice;
use super::person_name::PersonName;
use super::silo::{Silo, SiloSet};
use super::western::{COUNTRIES, Country};

/// The number of the customer whose every trace is known and clean enough to tell a story with.
pub(crate) const STAR: u32 = 1;

const BIRTH_YEARS: (u32, u32) = (1950, 2007);
const ORDERS_MAX: u32 = 60;
const STAR_ORDERS: u32 = 9;

/// One customer.
#[derive(Clone)]
pub(crate) struct Customer {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) name: PersonName,
    pub(crate) email: Option<String>,
    /// A further address, used in the web shop and in surveys instead of the first.
    pub(crate) second_email: Option<String>,
    pub(crate) phone: Option<Phone>,
    /// Whether the telephone belongs to others in the family as well.
    pub(crate) shares_phone: bool,
    /// The country, unless it is China.
    pub(crate) abroad: Option<&'static Country>,
    pub(crate) city: &'static str,
    pub(crate) gender: &'static str,
    pub(crate) birth_year: u32,
    /// When the first and the last thing happens; in seconds since 1970.
    pub(crate) active: (i64, i64),
    /// From 0, about to leave or gone, to 100.
    pub(crate) satisfaction: u32,
    /// How many orders there will be in the shops.
    pub(crate) orders: u32,
    pub(crate) silos: SiloSet,
}

impl Customer {
    /// Whether this is the customer the story is told with.
    pub(crate) const fn is_star(&self) -> bool {
        self.number == STAR
    }

    pub(crate) const fn is_chinese(&self) -> bool {
        self.abroad.is_none()
    }

    /// ISO 3166 code of the country.
    pub(crate) fn country_code(&self) -> &'static str {
        self.abroad.map_or("CN", |country| country.code)
    }

    /// The address given where it is typed by the customer, not by the shop.
    pub(crate) fn online_email(&self) -> Option<&str> {
        self.second_email.as_deref().or(self.email.as_deref())
    }

    /// The name as some clerk wrote it; the star's is always right.
    pub(crate) fn written_name(&self, dice: &mut Dice) -> String {
        if self.is_star() { self.name.full() } else { self.name.written(dice) }
    }
}

/// All customers.
pub(crate) struct Population {
    pub(crate) customers: Vec<Customer>,
    /// The numbers of customers who share one telephone, family by family.
    pub(crate) households: Vec<Vec<u32>>,
}

impl Population {
    /// Makes `size` customers: the star first, single ones and families after.
    pub(crate) fn new(dice: &mut Dice, size: u32) -> Self {
        let mut made = Self { customers: Vec::new(), households: Vec::new() };
        let mut points = ContactPoints::default();
        for number in 1..=size {
            // The previous customer's family goes on, or a new one may start.
            let relative = made.family_to_join(dice, number).cloned();
            let mut customer = new_customer(dice, &mut points, number, relative.as_ref());
            if let Some(relative) = relative {
                made.join(&relative, &mut customer);
            }
            made.customers.push(customer);
        }
        made
    }

    /// The customers who are in `silo`.
    pub(crate) fn within(&self, silo: Silo) -> impl Iterator<Item = &Customer> {
        self.customers.iter().filter(move |customer| customer.silos.has(silo))
    }

    /// Some customer's telephone, but not that of `customer` or their family.
    pub(crate) fn phone_of_another(&self, dice: &mut Dice, customer: &Customer) -> Option<&Phone> {
        let other = &self.customers[dice.index(self.customers.len())];
        other.phone.as_ref().filter(|_| other.phone != customer.phone)
    }

    fn family_to_join(&self, dice: &mut Dice, number: u32) -> Option<&Customer> {
        let last = self.customers.last()?;
        if last.is_star() || last.phone.is_none() || last.email.is_none() {
            return None;
        }
        // A family of three is the most: its members are numbered one after the other.
        let members = self.households.last().filter(|family| family.contains(&(number - 1)));
        let joins = match members.map(Vec::len) {
            None => dice.per_mille(24),
            Some(2) => dice.percent(25),
            Some(_) => false,
        };
        joins.then_some(last)
    }

    fn join(&mut self, relative: &Customer, customer: &mut Customer) {
        customer.phone.clone_from(&relative.phone);
        customer.shares_phone = true;
        if let Some(last) = self.customers.last_mut() {
            last.shares_phone = true;
        }
        match self.households.last_mut().filter(|family| family.contains(&relative.number)) {
            Some(family) => family.push(customer.number),
            None => self.households.push(vec![relative.number, customer.number]),
        }
    }
}

fn new_customer(
    dice: &mut Dice,
    points: &mut ContactPoints,
    number: u32,
    relative: Option<&Customer>,
) -> Customer {
    let is_star = number == STAR;
    let (abroad, city) = home(dice, is_star, relative);
    // Children and many spouses bear the family's name, the others their own.
    let namesake = relative.filter(|_| dice.percent(70)).map(|relative| &relative.name);
    let name = match abroad {
        Some(country) => PersonName::western(dice, country, namesake),
        None => PersonName::chinese(dice, namesake),
    };
    let silos = if is_star { SiloSet::all() } else { some_silos(dice) };
    let (active, satisfaction) = if is_star { ((BEGIN, AS_OF - 1), 85) } else { lifetime(dice) };
    let orders = match silos.has(Silo::Orders) {
        true if is_star => STAR_ORDERS,
        true => order_count(dice, active),
        false => 0,
    };
    let mut customer = Customer {
        number,
        name,
        email: None,
        second_email: None,
        phone: None,
        shares_phone: false,
        abroad,
        city,
        gender: dice.pick(&["female", "male", "female", "male", "female", "male", ""]),
        birth_year: dice.between(BIRTH_YEARS.0, BIRTH_YEARS.1),
        active,
        satisfaction,
        orders,
        silos,
    };
    give_contact_points(dice, points, &mut customer, relative.is_some());
    customer
}

/// The country, unless it is China, and the city.
fn home(
    dice: &mut Dice,
    is_star: bool,
    relative: Option<&Customer>,
) -> (Option<&'static Country>, &'static str) {
    if let Some(relative) = relative {
        return (relative.abroad, relative.city);
    }
    if !is_star && dice.percent(40) {
        let country = western_country(dice);
        (Some(country), dice.pick_early(country.cities))
    } else {
        (None, dice.pick_early(&chinese::CITIES))
    }
}

/// Everybody gets an address or a telephone; who shares a telephone also gets an address.
fn give_contact_points(
    dice: &mut Dice,
    points: &mut ContactPoints,
    customer: &mut Customer,
    shares_phone: bool,
) {
    let is_star = customer.is_star();
    let has_phone = is_star || dice.percent(if customer.is_chinese() { 97 } else { 85 });
    if has_phone && !shares_phone {
        customer.phone = Some(match customer.abroad {
            Some(country) => points.western_phone(dice, country),
            None => points.chinese_phone(dice),
        });
    }
    if is_star || shares_phone || !has_phone || dice.percent(93) {
        customer.email = Some(points.email(dice, customer));
        let has_second = !is_star && dice.percent(7);
        customer.second_email = has_second.then(|| points.email(dice, customer));
    }
}

fn western_country(dice: &mut Dice) -> &'static Country {
    &COUNTRIES[dice.index(COUNTRIES.len()).min(dice.index(COUNTRIES.len()))]
}

fn some_silos(dice: &mut Dice) -> SiloSet {
    const SHARES: [(Silo, u32); 5] = [
        (Silo::Orders, 75),
        (Silo::Contacts, 66),
        (Silo::Events, 60),
        (Silo::Tickets, 25),
        (Silo::Survey, 21),
    ];
    let mut silos = SiloSet::default();
    for (silo, percent) in SHARES {
        if dice.percent(percent) {
            silos = silos.with(silo);
        }
    }
    if silos.count() == 0 { silos.with(Silo::Contacts) } else { silos }
}

/// When a customer comes and goes, and how content they are: those who went were less so.
fn lifetime(dice: &mut Dice) -> ((i64, i64), u32) {
    let joined = if dice.percent(55) { BEGIN } else { dice.moment(BEGIN, AS_OF - 7 * DAY) };
    let may_lapse = joined < AS_OF - 210 * DAY;
    if may_lapse && dice.percent(36) {
        let left = dice.moment(joined + 30 * DAY, AS_OF - 150 * DAY);
        ((joined, left), dice.between(0, 65))
    } else {
        ((joined, AS_OF - 1), dice.between(40, 100))
    }
}

/// Mostly few, seldom many; no more than the time allows.
fn order_count(dice: &mut Dice, (first, last): (i64, i64)) -> u32 {
    let has_lapsed = last < AS_OF - 1;
    let scale = if has_lapsed { 1.1 } else { 1.9 };
    let count = ((dice.heavy_tail(ORDERS_MAX) - 1.0) * scale + 1.4) as u32;
    count.min(ORDERS_MAX).min(1 + days_between(first, last) / 18)
}

/// Whole days from `first` to `last`.
pub(crate) fn days_between(first: i64, last: i64) -> u32 {
    u32::try_from((last - first) / DAY).unwrap_or(0)
}
