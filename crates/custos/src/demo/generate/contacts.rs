//! The customer relationship management: one row a contact, some contacts twice.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::account::account_number;
use super::calendar::{DAY, office_text, soon_after};
use super::contact_point::{PLACEHOLDER_EMAIL, PLACEHOLDER_PHONE, written_email};
use super::dice::Dice;
use super::meter::Meter;
use super::population::{Customer, Population};
use super::row_file::{CsvFile, RowFile, RowMaker, write_rows};
use super::silo::Silo;
use super::truth::Truth;

const BROKEN_ROWS: u32 = 3;

/// A row of `crm_contacts.csv`.
#[derive(Serialize)]
pub(crate) struct ContactRow {
    contact_id: String,
    full_name: String,
    email: String,
    phone: String,
    city: &'static str,
    country: &'static str,
    gender: &'static str,
    birth_year: Option<u32>,
    loyalty_tier: &'static str,
    updated_at: String,
}

struct Draft<'a> {
    at: i64,
    customer: &'a Customer,
    copy: u32,
}

/// Writes `crm_contacts.csv`; returns how many of its rows are broken.
pub(crate) fn write(
    path: &Path,
    seed: u64,
    population: &Population,
    truth: &mut Truth,
    meter: &mut Meter<'_>,
) -> io::Result<u32> {
    let mut dice = Dice::new(seed, 2);
    let drafts = drafts(&mut dice, population);
    let salt = u64::from(dice.between(0, 99_999_999));
    let mut office = Office { dice, truth, salt };
    let mut file = CsvFile::create(path)?;
    let broken = write_rows(&mut file, &mut office, &drafts, BROKEN_ROWS, meter)?;
    file.finish()?;
    Ok(broken)
}

fn drafts<'a>(dice: &mut Dice, population: &'a Population) -> Vec<Draft<'a>> {
    let mut drafts = Vec::new();
    for customer in population.within(Silo::Contacts) {
        let copies = u32::from(!customer.is_star() && dice.percent(6));
        for copy in 0..=copies {
            let at = soon_after(dice, customer.active.0, 60 * DAY);
            drafts.push(Draft { at, customer, copy });
        }
    }
    drafts.sort_by_key(|draft| draft.at);
    drafts
}

struct Office<'a> {
    dice: Dice,
    truth: &'a mut Truth,
    salt: u64,
}

impl<'a> RowMaker for Office<'a> {
    type Draft = Draft<'a>;
    type Row = ContactRow;

    fn row(&mut self, draft: &Draft<'a>) -> ContactRow {
        let customer = draft.customer;
        let number = account_number(customer.number, draft.copy, self.salt);
        let contact_id = format!("C-{number:08}");
        let full_name = customer.written_name(&mut self.dice);
        self.truth.owns(Silo::Contacts, &contact_id, customer);
        self.truth.wrote(&full_name);
        ContactRow {
            contact_id,
            full_name,
            email: self.email(customer),
            phone: self.phone(customer, draft.copy),
            city: customer.city,
            country: customer.country_code(),
            gender: customer.gender,
            birth_year: self.dice.percent(80).then_some(customer.birth_year),
            loyalty_tier: tier(customer.orders),
            updated_at: office_text(draft.at, customer.is_chinese()),
        }
    }

    fn spoil(row: &mut ContactRow, way: u32) {
        row.updated_at = ["2026-13-01T00:00:00Z", "31.10.2025", "n/a"][way as usize % 3].to_owned();
        row.contact_id.insert(2, 'X');
    }
}

impl Office<'_> {
    fn email(&mut self, customer: &Customer) -> String {
        let Some(email) = &customer.email else {
            return String::new();
        };
        if !customer.is_star() && self.dice.percent(7) {
            let nobodys = self.dice.percent(10);
            return if nobodys { PLACEHOLDER_EMAIL.to_owned() } else { String::new() };
        }
        let written = written_email(&mut self.dice, email);
        self.truth.wrote_email(customer, email, &written);
        written
    }

    /// A contact entered twice was entered by telephone, so there is a number in the copy.
    fn phone(&mut self, customer: &Customer, copy: u32) -> String {
        let Some(phone) = &customer.phone else {
            return String::new();
        };
        if !customer.is_star() && copy == 0 && self.dice.percent(18) {
            let nobodys = self.dice.percent(4);
            return if nobodys { PLACEHOLDER_PHONE.to_owned() } else { String::new() };
        }
        let written = phone.written(&mut self.dice);
        self.truth.wrote_phone(customer, &written);
        written
    }
}

const fn tier(orders: u32) -> &'static str {
    match orders {
        0..=1 => "basic",
        2..=4 => "silver",
        5..=11 => "gold",
        _ => "platinum",
    }
}
