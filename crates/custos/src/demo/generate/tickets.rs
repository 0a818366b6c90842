//! The help desk: what customers complained about, and how content they were after.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::calendar::{AS_OF, DAY, office_text, soon_after};
use super::contact_point::{PLACEHOLDER_EMAIL, written_email};
use super::dice::Dice;
use super::meter::Meter;
use super::population::{Customer, Population};
use super::row_file::{CsvFile, RowFile, RowMaker, write_rows};
use super::silo::Silo;
use super::truth::Truth;

const BROKEN_ROWS: u32 = 3;
const STAR_TICKETS: u32 = 2;

/// Subject and body of a ticket.
const CHINESE_MATTERS: [(&str, &str); 6] = [
    ("订单未收到", "我的订单已经一周了还没有收到，请帮忙查一下。"),
    ("申请退款", "咖啡机有故障，申请退款。"),
    ("积分问题", "会员积分没有到账。"),
    ("更改地址", "我搬家了，请更改送货地址。"),
    ("发票", "请补开上个月的发票。"),
    ("服务态度", "门店服务很差，非常失望。"),
];
const WESTERN_MATTERS: [(&str, &str); 6] = [
    ("Parcel not delivered", "My parcel should have been here last week. Where is it?"),
    ("Refund", "The grinder stopped working after two days, I want my money back."),
    ("Points missing", "My loyalty points do not show."),
    ("New address", "I have moved, please update my delivery address."),
    ("Invoice", "Could you send the invoice of my last order again?"),
    ("Unsubscribe", "I still get your newsletter although I unsubscribed twice."),
];

/// A row of `support_tickets.csv`.
#[derive(Serialize)]
pub(crate) struct TicketRow {
    ticket_id: String,
    contact_name: String,
    email: String,
    phone: String,
    subject: &'static str,
    body: String,
    priority: &'static str,
    status: &'static str,
    csat: Option<u32>,
    opened_at: String,
    closed_at: String,
}

struct Draft<'a> {
    at: i64,
    customer: &'a Customer,
}

/// Writes `support_tickets.csv`; returns how many of its rows are broken.
pub(crate) fn write(
    path: &Path,
    seed: u64,
    population: &Population,
    truth: &mut Truth,
    meter: &mut Meter<'_>,
) -> io::Result<u32> {
    let mut dice = Dice::new(seed, 4);
    let drafts = drafts(&mut dice, population);
    let mut desk = Desk { dice, truth, serial: 0 };
    let mut file = CsvFile::create(path)?;
    let broken = write_rows(&mut file, &mut desk, &drafts, BROKEN_ROWS, meter)?;
    file.finish()?;
    Ok(broken)
}

fn drafts<'a>(dice: &mut Dice, population: &'a Population) -> Vec<Draft<'a>> {
    let mut drafts = Vec::new();
    for customer in population.within(Silo::Tickets) {
        let count = match customer.is_star() {
            true => STAR_TICKETS,
            // Who is discontent writes more often.
            false => 1 + dice.between(0, 160 - customer.satisfaction) / 45,
        };
        for _ in 0..count {
            let at = dice.moment(customer.active.0, customer.active.1);
            drafts.push(Draft { at, customer });
        }
    }
    drafts.sort_by_key(|draft| draft.at);
    drafts
}

struct Desk<'a> {
    dice: Dice,
    truth: &'a mut Truth,
    serial: u32,
}

impl<'a> RowMaker for Desk<'a> {
    type Draft = Draft<'a>;
    type Row = TicketRow;

    fn row(&mut self, draft: &Draft<'a>) -> TicketRow {
        self.serial += 1;
        let customer = draft.customer;
        let contact_name = customer.written_name(&mut self.dice);
        self.truth.appears(Silo::Tickets, customer);
        self.truth.wrote(&contact_name);
        let (email, phone) = self.contact_points(customer);
        let (subject, body) = self.matter(customer);
        let closed_at = soon_after(&mut self.dice, draft.at, 9 * DAY);
        let is_closed = closed_at < AS_OF - DAY && self.dice.percent(94);
        let rates = is_closed && self.dice.percent(70);
        TicketRow {
            ticket_id: format!("T-{:07}", self.serial),
            contact_name,
            email,
            phone,
            subject,
            body,
            priority: self.dice.pick_early(&["normal", "low", "high", "urgent"]),
            status: if is_closed { "closed" } else { self.dice.pick(&["open", "pending"]) },
            csat: rates.then(|| rating(&mut self.dice, customer.satisfaction)),
            opened_at: office_text(draft.at, customer.is_chinese()),
            closed_at: match is_closed {
                true => office_text(closed_at, customer.is_chinese()),
                false => String::new(),
            },
        }
    }

    fn spoil(row: &mut TicketRow, way: u32) {
        row.opened_at =
            ["yesterday", "2025-00-10T08:00:00+01:00", "08/15/26"][way as usize % 3].to_owned();
    }
}

impl Desk<'_> {
    /// The address and the telephone number given with a ticket: never neither.
    fn contact_points(&mut self, customer: &Customer) -> (String, String) {
        // A shared telephone alone would not tell whose ticket it is.
        let with_email = customer.is_star() || customer.shares_phone || self.dice.percent(85);
        let email = customer.email.as_deref().filter(|_| with_email || customer.phone.is_none());
        let with_phone = customer.is_star() || email.is_none() || self.dice.percent(55);
        let phone = customer.phone.as_ref().filter(|_| with_phone);
        let email_text = match email {
            Some(email) => written_email(&mut self.dice, email),
            None if self.dice.percent(5) => PLACEHOLDER_EMAIL.to_owned(),
            None => String::new(),
        };
        let phone_text = phone.map_or_else(String::new, |phone| phone.written(&mut self.dice));
        if let Some(email) = email {
            self.truth.wrote_email(customer, email, &email_text);
        }
        if phone.is_some() {
            self.truth.wrote_phone(customer, &phone_text);
        }
        let key = if email.is_some() { &email_text } else { &phone_text };
        self.truth.owns(Silo::Tickets, key, customer);
        (email_text, phone_text)
    }

    fn matter(&mut self, customer: &Customer) -> (&'static str, String) {
        let matters = if customer.is_chinese() { &CHINESE_MATTERS } else { &WESTERN_MATTERS };
        let (subject, body) = self.dice.pick(matters);
        let signed = match (&customer.phone, &customer.email) {
            (Some(phone), _) if self.dice.percent(8) => {
                let written = phone.written(&mut self.dice);
                self.truth.wrote(&written);
                format!("{body} {} {written}", customer.name.full())
            }
            (_, Some(email)) if self.dice.percent(5) => format!("{body} ({email})"),
            _ => body.to_owned(),
        };
        (subject, signed)
    }
}

/// From 1 to 5, following the customer's satisfaction but not strictly.
fn rating(dice: &mut Dice, satisfaction: u32) -> u32 {
    let felt = (satisfaction + dice.between(0, 40)).saturating_sub(20).min(99);
    1 + felt / 20
}
