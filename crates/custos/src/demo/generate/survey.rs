//! The survey among followers in social networks.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::calendar::{DAY, office_text};
use super::contact_point::written_email;
use super::dice::Dice;
use super::meter::Meter;
use super::population::{Customer, Population};
use super::row_file::{CsvFile, RowFile, RowMaker, write_rows};
use super::silo::Silo;
use super::truth::Truth;

const BROKEN_ROWS: u32 = 2;
/// How long before their last sign of life customers answer, at most.
const ANSWERED_BEFORE_LAST: i64 = 240 * DAY;

/// Networks and how ids in them begin.
const CHINESE_PLATFORMS: [(&str, &str); 4] =
    [("wechat", "o6"), ("weibo", "wb"), ("xiaohongshu", "xhs"), ("douyin", "dy")];
const WESTERN_PLATFORMS: [(&str, &str); 3] =
    [("instagram", "ig"), ("facebook", "fb"), ("reddit", "t2")];

const CHINESE_COMMENTS: [&str; 9] = [
    "不会再来了",
    "物流太慢",
    "客服没有回复",
    "一般",
    "还可以",
    "价格偏高",
    "咖啡很好喝",
    "强烈推荐",
    "店员很热情",
];
const WESTERN_COMMENTS: [&str; 9] = [
    "never again",
    "delivery took ages",
    "support did not answer",
    "it is alright",
    "decent",
    "a bit pricey",
    "great coffee",
    "told all my friends",
    "lovely people in the shop",
];

/// A row of `community_survey.csv`.
#[derive(Serialize)]
pub(crate) struct SurveyRow {
    response_id: String,
    social_id: String,
    nickname: String,
    email: String,
    phone: String,
    platform: &'static str,
    nps: u32,
    comment: &'static str,
    answered_at: String,
}

struct Draft<'a> {
    at: i64,
    follower: usize,
    customer: &'a Customer,
}

/// Who a customer is in a network.
struct Follower {
    platform: &'static str,
    social_id: String,
    nickname: String,
}

/// Writes `community_survey.csv`; returns how many of its rows are broken.
pub(crate) fn write(
    path: &Path,
    seed: u64,
    population: &Population,
    truth: &mut Truth,
    meter: &mut Meter<'_>,
) -> io::Result<u32> {
    let mut dice = Dice::new(seed, 5);
    let mut followers = Vec::new();
    let mut drafts = Vec::new();
    for customer in population.within(Silo::Survey) {
        let (first, last) = customer.active;
        let answers = 1 + u32::from(!customer.is_star() && dice.percent(20));
        for _ in 0..answers {
            let at = dice.moment(first.max(last - ANSWERED_BEFORE_LAST), last);
            drafts.push(Draft { at, follower: followers.len(), customer });
        }
        followers.push(Follower::new(&mut dice, customer));
    }
    drafts.sort_by_key(|draft| draft.at);
    let mut community = Community { dice, truth, followers, serial: 0 };
    let mut file = CsvFile::create(path)?;
    let broken = write_rows(&mut file, &mut community, &drafts, BROKEN_ROWS, meter)?;
    file.finish()?;
    Ok(broken)
}

impl Follower {
    fn new(dice: &mut Dice, customer: &Customer) -> Self {
        let (platform, prefix) = match customer.is_chinese() {
            true => dice.pick_early(&CHINESE_PLATFORMS),
            false => dice.pick_early(&WESTERN_PLATFORMS),
        };
        let given = customer.name.latin_given.to_lowercase();
        Self {
            platform,
            social_id: format!("{prefix}_{}", dice.letters(22)),
            nickname: format!("{given}_{}", dice.letters(5)),
        }
    }
}

struct Community<'a> {
    dice: Dice,
    truth: &'a mut Truth,
    followers: Vec<Follower>,
    serial: u32,
}

impl<'a> RowMaker for Community<'a> {
    type Draft = Draft<'a>;
    type Row = SurveyRow;

    fn row(&mut self, draft: &Draft<'a>) -> SurveyRow {
        self.serial += 1;
        let customer = draft.customer;
        let follower = &self.followers[draft.follower];
        self.truth.owns(Silo::Survey, &follower.social_id, customer);
        self.truth.wrote(&follower.nickname);
        let (social_id, nickname) = (follower.social_id.clone(), follower.nickname.clone());
        let platform = follower.platform;
        let nps = recommendation(&mut self.dice, customer.satisfaction);
        SurveyRow {
            response_id: format!("R-{:07}", self.serial),
            social_id,
            nickname,
            email: self.email(customer),
            phone: self.phone(customer),
            platform,
            nps,
            comment: self.comment(customer, nps),
            answered_at: office_text(draft.at, customer.is_chinese()),
        }
    }

    fn spoil(row: &mut SurveyRow, way: u32) {
        row.answered_at = ["2026-02-29T12:00:00Z", "-"][way as usize % 2].to_owned();
    }
}

impl Community<'_> {
    fn email(&mut self, customer: &Customer) -> String {
        let email = customer.online_email();
        let Some(email) = email.filter(|_| customer.is_star() || self.dice.percent(65)) else {
            return String::new();
        };
        let written = written_email(&mut self.dice, email);
        self.truth.wrote_email(customer, email, &written);
        written
    }

    fn phone(&mut self, customer: &Customer) -> String {
        let phone = customer.phone.as_ref();
        let Some(phone) = phone.filter(|_| customer.is_star() || self.dice.percent(35)) else {
            return String::new();
        };
        let written = phone.written(&mut self.dice);
        self.truth.wrote_phone(customer, &written);
        written
    }

    fn comment(&mut self, customer: &Customer, nps: u32) -> &'static str {
        if self.dice.percent(40) {
            return "";
        }
        let comments = if customer.is_chinese() { &CHINESE_COMMENTS } else { &WESTERN_COMMENTS };
        let third = match nps {
            0..=6 => 0,
            7..=8 => 3,
            _ => 6,
        };
        self.dice.pick(&comments[third..third + 3])
    }
}

/// From 0 to 10, following the customer's satisfaction but not strictly.
fn recommendation(dice: &mut Dice, satisfaction: u32) -> u32 {
    ((satisfaction + dice.between(0, 30)).saturating_sub(12) / 10).min(10)
}
