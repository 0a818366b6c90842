//! What is true about the generated data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::population::{Customer, Population};
use super::silo::{Silo, SiloSet};

/// Who is behind every account of every silo.
pub(crate) struct Truth {
    accounts: BTreeMap<(&'static str, String), u32>,
    households: Vec<Vec<u32>>,
    traces: Vec<Trace>,
    star: Star,
    personal_values: BTreeSet<String>,
}

/// The identifiers of the customer that the story is told with: in all five silos, with consent
/// to every purpose.
#[derive(Clone, Default)]
pub(crate) struct Star {
    /// The customer's number.
    pub(crate) customer: u32,
    /// The name in Chinese characters.
    pub(crate) name: String,
    /// The address, in lower case.
    pub(crate) email: String,
    /// The telephone number, as in `+8613800138000`.
    pub(crate) phone: String,
    /// The account in `pos_orders`.
    pub(crate) member_no: String,
    /// The account in `crm_contacts`.
    pub(crate) contact_id: String,
    /// The account in `web_events`.
    pub(crate) user_id: String,
    /// The devices in `web_events`.
    pub(crate) anonymous_ids: Vec<String>,
    /// The account in `community_survey`.
    pub(crate) social_id: String,
}

/// What the silos know of one customer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trace {
    /// Where the customer appears.
    pub(crate) silos: SiloSet,
    /// Whether some silo holds the customer's first address.
    pub(crate) email: bool,
    /// Whether some silo holds the customer's telephone number.
    pub(crate) phone: bool,
}

impl Truth {
    /// The truth before any silo is written.
    pub(crate) fn new(population: &Population) -> Self {
        let mut truth = Self {
            accounts: BTreeMap::new(),
            households: population.households.clone(),
            traces: vec![Trace::default(); population.customers.len()],
            star: Star::default(),
            personal_values: BTreeSet::new(),
        };
        for customer in &population.customers {
            truth.know(customer);
        }
        truth
    }

    /// Whose account it is: the source's id and, as it stands in the file, the account's primary
    /// identifier (`member_no`; `contact_id`; `user_id` and `anonymous_id`; a ticket's first real
    /// one of `email` and `phone`; `social_id`) with the customer's number.
    ///
    /// Devices of several users and rows without real identifiers are nobody's account.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&'static str, &str, u32)> {
        self.accounts.iter().map(|((source, key), customer)| (*source, key.as_str(), *customer))
    }

    /// The numbers of customers who share one telephone, family by family.
    pub(crate) fn households(&self) -> &[Vec<u32>] {
        &self.households
    }

    /// In how many silos a customer appears.
    pub(crate) fn silo_count(&self, customer: u32) -> u32 {
        self.trace(customer).silos.count()
    }

    /// The identifiers of the customer that the story is told with.
    pub(crate) const fn star(&self) -> &Star {
        &self.star
    }

    /// Every name, address and telephone number, both as it is and as it stands in a file.
    pub(crate) fn personal_values(&self) -> impl Iterator<Item = &str> {
        self.personal_values.iter().map(String::as_str)
    }

    /// What the silos know of a customer.
    pub(crate) fn trace(&self, customer: u32) -> Trace {
        self.traces.get(index_of(customer)).copied().unwrap_or_default()
    }

    /// Notes that `customer` appears in `silo`.
    pub(crate) fn appears(&mut self, silo: Silo, customer: &Customer) {
        if let Some(trace) = self.traces.get_mut(index_of(customer.number)) {
            trace.silos = trace.silos.with(silo);
        }
    }

    /// Notes that `key` is an account of `customer` in `silo`.
    pub(crate) fn owns(&mut self, silo: Silo, key: &str, customer: &Customer) {
        self.appears(silo, customer);
        let owner = self.accounts.insert((silo.source(), key.to_owned()), customer.number);
        debug_assert!(owner.is_none_or(|owner| owner == customer.number), "an account of two");
        if customer.is_star() {
            match silo {
                Silo::Orders => key.clone_into(&mut self.star.member_no),
                Silo::Contacts => key.clone_into(&mut self.star.contact_id),
                Silo::Survey => key.clone_into(&mut self.star.social_id),
                Silo::Events | Silo::Tickets => {}
            }
        }
    }

    /// Notes that nobody but `customer` uses the device `anonymous_id` in the web shop.
    pub(crate) fn owns_device(&mut self, anonymous_id: &str, customer: &Customer) {
        self.owns(Silo::Events, anonymous_id, customer);
        if customer.is_star() {
            self.star.anonymous_ids.push(anonymous_id.to_owned());
        }
    }

    /// Notes that `user_id` is the login of `customer` in the web shop.
    pub(crate) fn owns_login(&mut self, user_id: &str, customer: &Customer) {
        self.owns(Silo::Events, user_id, customer);
        if customer.is_star() {
            user_id.clone_into(&mut self.star.user_id);
        }
    }

    /// Notes that a silo holds an address of `customer`, written as `written`.
    pub(crate) fn wrote_email(&mut self, customer: &Customer, email: &str, written: &str) {
        if customer.email.as_deref() == Some(email)
            && let Some(trace) = self.traces.get_mut(index_of(customer.number))
        {
            trace.email = true;
        }
        self.wrote(written);
    }

    /// Notes that a silo holds the telephone number of `customer`, written as `written`.
    pub(crate) fn wrote_phone(&mut self, customer: &Customer, written: &str) {
        if let Some(trace) = self.traces.get_mut(index_of(customer.number)) {
            trace.phone = true;
        }
        self.wrote(written);
    }

    /// Notes that a silo holds this personal value.
    pub(crate) fn wrote(&mut self, value: &str) {
        let value = value.trim();
        if !self.personal_values.contains(value) {
            self.personal_values.insert(value.to_owned());
        }
    }

    /// Writes the accounts as `truth.csv` and the personal values, one a line, as
    /// `personal_values.txt`.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let mut table = csv::Writer::from_path(dir.join("truth.csv"))?;
        table.write_record(["source", "account_key", "customer"])?;
        for (source, key, customer) in self.accounts() {
            table.write_record([source, key, &customer.to_string()])?;
        }
        table.flush()?;
        let mut lines = BufWriter::new(File::create(dir.join("personal_values.txt"))?);
        for value in self.personal_values() {
            writeln!(lines, "{value}")?;
        }
        lines.flush()
    }

    fn know(&mut self, customer: &Customer) {
        let phone = customer.phone.as_ref().map(|phone| phone.international());
        let name = customer.name.full();
        if customer.is_star() {
            self.star.customer = customer.number;
            self.star.name.clone_from(&name);
            self.star.email = customer.email.clone().unwrap_or_default();
            self.star.phone = phone.clone().unwrap_or_default();
        }
        self.personal_values.insert(name);
        self.personal_values.extend(customer.email.clone());
        self.personal_values.extend(customer.second_email.clone());
        self.personal_values.extend(phone);
    }
}

const fn index_of(customer: u32) -> usize {
    (customer as usize).wrapping_sub(1)
}
