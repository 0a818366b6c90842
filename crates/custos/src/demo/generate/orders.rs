//! The tills: orders with a member's number, name and telephone.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::account::account_number;
use super::calendar::{AS_OF, BEGIN, DAY, busy_moment, shanghai_text, soon_after};
use super::dice::Dice;
use super::meter::Meter;
use super::population::{Customer, Population};
use super::row_file::{CsvFile, RowFile, RowMaker, write_rows};
use super::silo::Silo;
use super::truth::Truth;

const BROKEN_ROWS: u32 = 7;
const STAR_REFERRALS: u32 = 3;

/// What is sold: category, lowest and highest price in yuan.
const CATEGORIES: [(&str, u32, u32); 7] = [
    ("coffee", 22, 48),
    ("pastry", 15, 58),
    ("beans", 68, 268),
    ("tea", 58, 398),
    ("accessories", 39, 520),
    ("gift_card", 100, 1000),
    ("machines", 899, 5999),
];
const CHINESE_STORES: [&str; 8] = [
    "上海南京西路店",
    "北京三里屯店",
    "深圳万象城店",
    "杭州湖滨店",
    "成都太古里店",
    "广州天河店",
    "南京新街口店",
    "西安大雁塔店",
];
const CHINESE_NOTES: [&str; 6] =
    ["少糖", "请尽快发货", "生日礼物，请包装", "放门口即可", "开发票", "下午三点后送达"];
const WESTERN_NOTES: [&str; 6] = [
    "gift wrapping please",
    "ring twice",
    "leave with the neighbour",
    "no receipt in the parcel",
    "deliver after 6 pm",
    "ground for espresso",
];

/// A row of `pos_orders.csv`.
#[derive(Serialize)]
pub(crate) struct OrderRow {
    order_id: String,
    member_no: String,
    name: String,
    phone: String,
    referrer_phone: String,
    store: &'static str,
    channel: &'static str,
    category: &'static str,
    quantity: u32,
    amount: String,
    currency: &'static str,
    note: String,
    ordered_at: String,
    updated_at: String,
}

struct Draft<'a> {
    at: i64,
    /// `None` for somebody who walked in, paid and left.
    member: Option<(&'a Customer, u32)>,
}

/// Writes `pos_orders.csv`; returns how many of its rows are broken.
///
/// Some orders are corrected at the end of the file: the same id again, later and with another
/// amount.
pub(crate) fn write(
    path: &Path,
    seed: u64,
    population: &Population,
    truth: &mut Truth,
    meter: &mut Meter<'_>,
) -> io::Result<u32> {
    let mut dice = Dice::new(seed, 1);
    let drafts = drafts(&mut dice, population);
    let salt = u64::from(dice.between(0, 99_999_999));
    let mut tills =
        Tills { dice, population, truth, salt, serial: 0, star_referrals: 0, corrections: vec![] };
    let mut file = CsvFile::create(path)?;
    let broken = write_rows(&mut file, &mut tills, &drafts, BROKEN_ROWS, meter)?;
    for row in &tills.corrections {
        file.write(row)?;
    }
    file.finish()?;
    Ok(broken)
}

fn drafts<'a>(dice: &mut Dice, population: &'a Population) -> Vec<Draft<'a>> {
    let mut drafts = Vec::new();
    for customer in population.within(Silo::Orders) {
        let (first, last) = customer.active;
        // Some forget that they are members and become members once more.
        let cards = u32::from(!customer.is_star() && customer.orders > 1 && dice.per_mille(25));
        for order in 0..customer.orders {
            let at = busy_moment(dice, first, last);
            drafts.push(Draft { at, member: Some((customer, order.min(cards))) });
            if dice.per_mille(52) {
                drafts.push(Draft { at: busy_moment(dice, BEGIN, AS_OF - 1), member: None });
            }
        }
    }
    drafts.sort_by_key(|draft| draft.at);
    drafts
}

struct Tills<'a> {
    dice: Dice,
    population: &'a Population,
    truth: &'a mut Truth,
    salt: u64,
    serial: u32,
    star_referrals: u32,
    corrections: Vec<OrderRow>,
}

impl<'a> RowMaker for Tills<'a> {
    type Draft = Draft<'a>;
    type Row = OrderRow;

    fn row(&mut self, draft: &Draft<'a>) -> OrderRow {
        self.serial += 1;
        let abroad = draft.member.and_then(|(customer, _)| customer.abroad);
        let (store, channel) = self.place(abroad.is_some());
        let (category, quantity, cents) = self.basket(abroad.is_some());
        let settled = soon_after(&mut self.dice, draft.at, 2 * 3600);
        let mut row = OrderRow {
            order_id: format!("P{:08}", self.serial),
            member_no: String::new(),
            name: String::new(),
            phone: String::new(),
            referrer_phone: String::new(),
            store,
            channel,
            category,
            quantity,
            amount: decimal(cents),
            currency: abroad.map_or("CNY", |country| country.currency),
            note: String::new(),
            ordered_at: shanghai_text(draft.at),
            updated_at: shanghai_text(settled),
        };
        if let Some((customer, card)) = draft.member {
            self.fill_in_member(&mut row, customer, card);
        }
        if self.dice.per_mille(20) && settled < AS_OF - 20 * DAY {
            self.correct(&row, settled, cents);
        }
        row
    }

    fn spoil(row: &mut OrderRow, way: u32) {
        match way % 3 {
            0 => row.ordered_at = "2026-02-30 25:61:00".to_owned(),
            1 => row.amount = "12,9O".to_owned(),
            _ => row.updated_at = "soon".to_owned(),
        }
    }
}

impl Tills<'_> {
    fn place(&mut self, abroad: bool) -> (&'static str, &'static str) {
        if abroad {
            ("online international", self.dice.pick(&["web", "web", "app"]))
        } else if self.dice.percent(35) {
            ("online", self.dice.pick(&["mini_program", "app", "web"]))
        } else {
            (self.dice.pick_early(&CHINESE_STORES), "store")
        }
    }

    /// Category, number of pieces and price in hundredths of the customer's money.
    fn basket(&mut self, abroad: bool) -> (&'static str, u32, u32) {
        let (category, low, high) = self.dice.pick_early(&CATEGORIES);
        let quantity = if low < 100 { self.dice.heavy_tail(12) as u32 } else { 1 };
        let price_cents = self.dice.between(low * 10, high * 10) * 10;
        // A euro, dollar or pound buys what seven yuan do.
        (category, quantity, quantity * price_cents / if abroad { 7 } else { 1 })
    }

    fn fill_in_member(&mut self, row: &mut OrderRow, customer: &Customer, card: u32) {
        row.member_no = format!("M{:08}", account_number(customer.number, card, self.salt));
        row.name = customer.written_name(&mut self.dice);
        self.truth.owns(Silo::Orders, &row.member_no, customer);
        self.truth.wrote(&row.name);
        if let Some(phone) = &customer.phone
            && (customer.is_star() || self.dice.percent(92))
        {
            row.phone = phone.written(&mut self.dice);
            self.truth.wrote_phone(customer, &row.phone);
        }
        row.referrer_phone = self.referrer_phone(customer);
        row.note = self.note(customer);
    }

    fn referrer_phone(&mut self, customer: &Customer) -> String {
        if !self.dice.per_mille(45) {
            return String::new();
        }
        let star = self.population.customers.first();
        let by_star = self.star_referrals < STAR_REFERRALS && !customer.is_star();
        self.star_referrals += u32::from(by_star);
        let phone = match star {
            Some(star) if by_star => star.phone.as_ref(),
            _ => self.population.phone_of_another(&mut self.dice, customer),
        };
        let Some(phone) = phone else {
            return String::new();
        };
        let written = phone.written(&mut self.dice);
        self.truth.wrote(&written);
        written
    }

    fn note(&mut self, customer: &Customer) -> String {
        if self.dice.percent(72) {
            return String::new();
        }
        let common = if customer.is_chinese() { &CHINESE_NOTES } else { &WESTERN_NOTES };
        let common = self.dice.pick(common);
        // Telephone numbers and addresses end up in free text, too.
        match (&customer.phone, &customer.email) {
            (Some(phone), _) if self.dice.percent(6) => {
                let written = phone.written(&mut self.dice);
                self.truth.wrote(&written);
                format!("{common} tel {written}")
            }
            (_, Some(email)) if self.dice.percent(3) => format!("{common}, {email}"),
            _ => common.to_owned(),
        }
    }

    fn correct(&mut self, row: &OrderRow, settled: i64, cents: u32) {
        let later = soon_after(&mut self.dice, settled + DAY, 14 * DAY);
        // A discount found too late; never the amount as it was.
        let corrected = cents - (cents * self.dice.between(5, 40) / 100).max(1);
        self.corrections.push(OrderRow {
            order_id: row.order_id.clone(),
            member_no: row.member_no.clone(),
            name: row.name.clone(),
            phone: row.phone.clone(),
            referrer_phone: row.referrer_phone.clone(),
            amount: decimal(corrected),
            note: row.note.clone(),
            ordered_at: row.ordered_at.clone(),
            updated_at: shanghai_text(later),
            ..*row
        });
    }
}

fn decimal(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
