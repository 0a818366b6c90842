//! E-mail addresses and telephone numbers, and the ways they get written down.

use std::collections::HashSet;

use super::chinese;
use super::dice::Dice;
use super::person_name::PersonName;
use super::population::Customer;
use super::western::Country;

/// An address that a form demanded and nobody has.
pub(crate) const PLACEHOLDER_EMAIL: &str = "test@test.com";
/// A number that a form demanded and nobody has.
pub(crate) const PLACEHOLDER_PHONE: &str = "00000000000";

/// Domains reserved for examples, so that no address made here can be anybody's.
const CHINESE_DOMAINS: [&str; 5] =
    ["qqmail.example", "mail163.example", "example.com", "foxpost.example", "sinapost.example"];
const WESTERN_DOMAINS: [&str; 6] = [
    "gpost.example",
    "outmail.example",
    "example.org",
    "example.net",
    "webpost.example",
    "fastletter.example",
];

/// A telephone number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Phone {
    calling_code: &'static str,
    national: String,
}

impl Phone {
    /// A number of the form `+8613800138000`.
    pub(crate) fn international(&self) -> String {
        format!("+{}{}", self.calling_code, self.national)
    }

    /// The number as somebody wrote it: with and without country code (only Chinese numbers go
    /// without), grouped, or in full-width digits.
    pub(crate) fn written(&self, dice: &mut Dice) -> String {
        let national = &self.national;
        if self.calling_code != "86" {
            return self.written_abroad(dice);
        }
        let (head, middle, tail) = (&national[..3], &national[3..7], &national[7..]);
        match dice.between(0, 99) {
            0..=59 => national.clone(),
            60..=69 => format!("{head} {middle} {tail}"),
            70..=79 => self.international(),
            80..=87 => format!("+86 {head}-{middle}-{tail}"),
            88..=93 => format!("{head}-{middle}-{tail}"),
            94..=96 => format!("0086{national}"),
            _ => full_width(national),
        }
    }

    fn written_abroad(&self, dice: &mut Dice) -> String {
        let (code, national) = (self.calling_code, &self.national);
        let (head, tail) = national.split_at(3);
        let (middle, last) = tail.split_at(3);
        match dice.between(0, 99) {
            0..=54 => self.international(),
            55..=74 => format!("+{code} {head} {middle} {last}"),
            75..=84 => format!("+{code}-{head}-{middle}-{last}"),
            85..=92 => format!("+{code} ({head}) {middle}-{last}"),
            93..=97 => format!("00{code} {head} {tail}"),
            _ => full_width(&self.international()),
        }
    }
}

/// An e-mail address as somebody wrote it: with capitals, blanks or full-width characters.
pub(crate) fn written_email(dice: &mut Dice, email: &str) -> String {
    match dice.between(0, 99) {
        0..=88 => email.to_owned(),
        89..=92 => email.to_uppercase(),
        93..=94 => email.replacen(|_: char| true, &email[..1].to_uppercase(), 1),
        95..=96 => format!(" {email} "),
        97..=98 => email.replace('@', "＠"),
        _ => full_width(email),
    }
}

fn full_width(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '!'..='~' => char::from_u32(letter as u32 + 0xfee0).unwrap_or(letter),
            other => other,
        })
        .collect()
}

/// Hands out addresses and numbers, none of them twice.
#[derive(Default)]
pub(crate) struct ContactPoints {
    emails: HashSet<String>,
    phones: HashSet<Phone>,
}

impl ContactPoints {
    /// An address made of the customer's name, at a domain usual for them.
    pub(crate) fn email(&mut self, dice: &mut Dice, customer: &Customer) -> String {
        let domains: &[&str] =
            if customer.is_chinese() { &CHINESE_DOMAINS } else { &WESTERN_DOMAINS };
        let domain = dice.pick_early(domains);
        let stem = email_stem(dice, &customer.name, customer.birth_year);
        let mut email = format!("{stem}@{domain}");
        while self.emails.contains(&email) {
            email = format!("{stem}{}@{domain}", dice.digits(4));
        }
        self.emails.insert(email.clone());
        email
    }

    /// A Chinese mobile number.
    pub(crate) fn chinese_phone(&mut self, dice: &mut Dice) -> Phone {
        self.phone(dice, "86", |dice| {
            format!("{}{}", dice.pick(&chinese::MOBILE_PREFIXES), dice.digits(8))
        })
    }

    /// A mobile number of `country`.
    pub(crate) fn western_phone(&mut self, dice: &mut Dice, country: &Country) -> Phone {
        self.phone(dice, country.calling_code, |dice| {
            let (prefix, length) = dice.pick(country.mobile);
            format!("{prefix}{}", dice.digits(length))
        })
    }

    fn phone(
        &mut self,
        dice: &mut Dice,
        calling_code: &'static str,
        national: impl Fn(&mut Dice) -> String,
    ) -> Phone {
        loop {
            let phone = Phone { calling_code, national: national(dice) };
            if self.phones.insert(phone.clone()) {
                return phone;
            }
        }
    }
}

fn email_stem(dice: &mut Dice, name: &PersonName, birth_year: u32) -> String {
    let (given, family) = (letters_of(&name.latin_given), letters_of(&name.latin_family));
    let initial = &given[..1];
    match dice.between(0, 3) {
        0 => format!("{given}.{family}"),
        1 => format!("{given}{family}{}", birth_year % 100),
        2 => format!("{initial}.{family}{}", dice.digits(2)),
        _ => format!("{family}_{given}{}", dice.digits(3)),
    }
}

fn letters_of(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}
