//! The web shop: visits that begin anonymous and end with a known user.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::account::account_number;
use super::calendar::{AS_OF, BEGIN, DAY, busy_moment, utc_text};
use super::contact_point::written_email;
use super::dice::Dice;
use super::meter::Meter;
use super::population::{Customer, Population, days_between};
use super::row_file::{JsonLinesFile, RowFile, RowMaker, write_rows};
use super::silo::Silo;
use super::truth::Truth;

const BROKEN_ROWS: u32 = 5;
const VISITS_MAX: u32 = 20;
const STAR_VISITS: u32 = 6;
const PRODUCTS: u32 = 400;

/// A row of `web_events.ndjson`.
#[derive(Serialize)]
pub(crate) struct EventRow {
    message_id: String,
    anonymous_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    event: &'static str,
    url: String,
    channel: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revenue: Option<Revenue>,
    occurred_at: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Revenue {
    Amount(f64),
    Broken(&'static str),
}

/// What happens in the shop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Happening {
    PageViewed,
    ProductViewed,
    ProductAdded,
    CheckoutStarted,
    SignedIn,
    OrderCompleted,
}

struct Draft<'a> {
    at: i64,
    device: usize,
    /// Who signed in on the device, once somebody has.
    user: Option<&'a Customer>,
    happening: Happening,
    channel: &'static str,
}

/// Writes `web_events.ndjson`; returns how many of its rows are broken.
pub(crate) fn write(
    path: &Path,
    seed: u64,
    population: &Population,
    truth: &mut Truth,
    meter: &mut Meter<'_>,
) -> io::Result<u32> {
    let mut dice = Dice::new(seed, 3);
    let mut traffic = Traffic { dice: &mut dice, devices: Vec::new(), drafts: Vec::new() };
    traffic.customers(population);
    traffic.strangers(population.customers.len() / 10);
    let Traffic { devices, mut drafts, .. } = traffic;
    drafts.sort_by_key(|draft| draft.at);
    for device in &devices {
        if let [owner] = device.users[..] {
            truth.owns_device(&device.anonymous_id, owner);
        }
    }
    let salt = u64::from(dice.between(0, 99_999_999));
    let mut tracker = Tracker { dice, truth, devices, salt };
    let mut file = JsonLinesFile::create(path)?;
    let broken = write_rows(&mut file, &mut tracker, &drafts, BROKEN_ROWS, meter)?;
    file.finish()?;
    Ok(broken)
}

/// A browser, and whose it is.
struct Device<'a> {
    anonymous_id: String,
    users: Vec<&'a Customer>,
}

/// Makes up who visits when, and on which device.
struct Traffic<'a, 'd> {
    dice: &'d mut Dice,
    devices: Vec<Device<'a>>,
    drafts: Vec<Draft<'a>>,
}

impl<'a> Traffic<'a, '_> {
    fn customers(&mut self, population: &'a Population) {
        // The device that the family of the latest customer may use as well.
        let mut lent: Option<(&'a Customer, usize)> = None;
        for customer in population.within(Silo::Events) {
            let shared = lent
                .take()
                .filter(|(owner, _)| customer.shares_phone && owner.phone == customer.phone)
                .map(|(_, device)| device);
            let device = shared.unwrap_or_else(|| self.new_device());
            self.visits(customer, device);
            if customer.shares_phone && self.dice.percent(60) {
                lent = Some((customer, device));
            }
            if shared.is_none() && self.dice.percent(20) {
                let second = self.new_device();
                self.visits(customer, second);
            }
        }
    }

    /// Visitors who never say who they are, and are nobody's account.
    fn strangers(&mut self, count: usize) {
        for _ in 0..count {
            let device = self.new_device();
            let at = busy_moment(self.dice, BEGIN, AS_OF - DAY);
            self.visit(at, device, None, None);
        }
    }

    fn new_device(&mut self) -> usize {
        self.devices.push(Device { anonymous_id: self.dice.uuid(), users: Vec::new() });
        self.devices.len() - 1
    }

    fn visits(&mut self, customer: &'a Customer, device: usize) {
        let is_shared = !self.devices[device].users.is_empty();
        self.devices[device].users.push(customer);
        let (first, last) = customer.active;
        let count = match customer.is_star() {
            true => STAR_VISITS,
            false => visit_count(self.dice, days_between(first, last)),
        };
        let mut starts: Vec<i64> =
            (0..count).map(|_| busy_moment(self.dice, first, last - 3600)).collect();
        starts.sort_unstable();
        // On a device of one's own the first visit may pass without signing in.
        let anonymous = usize::from(!is_shared && count > 1 && self.dice.percent(50));
        for (index, at) in starts.into_iter().enumerate() {
            match index {
                _ if index < anonymous => self.visit(at, device, None, None),
                _ if index == anonymous || is_shared => {
                    self.visit(at, device, None, Some(customer))
                }
                _ => self.visit(at, device, Some(customer), Some(customer)),
            }
        }
    }

    /// One visit by `user`, who signs in during it if `signs_in` is somebody else than `user`.
    fn visit(
        &mut self,
        start: i64,
        device: usize,
        user: Option<&'a Customer>,
        signs_in: Option<&'a Customer>,
    ) {
        const CHANNELS: [&str; 6] =
            ["organic", "direct", "paid_search", "social", "email", "wechat"];
        let channel = self.dice.pick_early(&CHANNELS);
        let mut draft = |at, user, happening| {
            self.drafts.push(Draft { at, device, user, happening, channel });
        };
        let mut at = start;
        for _ in 0..self.dice.between(1, 3) {
            let viewed = self.dice.pick(&[
                Happening::PageViewed,
                Happening::ProductViewed,
                Happening::ProductViewed,
            ]);
            draft(at, user, viewed);
            at += self.dice.moment(5, 200);
        }
        if user.is_none() && signs_in.is_some() {
            draft(at, signs_in, Happening::SignedIn);
            at += self.dice.moment(5, 60);
        }
        if self.dice.percent(40) {
            draft(at, signs_in, Happening::ProductAdded);
            at += self.dice.moment(5, 300);
            if signs_in.is_some() && self.dice.percent(60) {
                draft(at, signs_in, Happening::CheckoutStarted);
                at += self.dice.moment(20, 400);
                if self.dice.percent(65) {
                    draft(at, signs_in, Happening::OrderCompleted);
                }
            }
        }
    }
}

/// Mostly few, seldom many; no more than the time allows.
fn visit_count(dice: &mut Dice, days: u32) -> u32 {
    let count = (dice.heavy_tail(VISITS_MAX) * 1.1) as u32 + 1;
    count.min(1 + days / 15)
}

/// Turns visits into what the tracking script sends.
struct Tracker<'a> {
    dice: Dice,
    truth: &'a mut Truth,
    devices: Vec<Device<'a>>,
    salt: u64,
}

impl<'a> RowMaker for Tracker<'a> {
    type Draft = Draft<'a>;
    type Row = EventRow;

    fn row(&mut self, draft: &Draft<'a>) -> EventRow {
        let user_id = draft.user.map(|customer| self.user_id(customer));
        let email = draft.user.and_then(|customer| self.email(customer, draft.happening));
        let product = draft.happening.concerns_product().then(|| self.dice.between(1, PRODUCTS));
        let revenue = (draft.happening == Happening::OrderCompleted)
            .then(|| Revenue::Amount(f64::from(self.dice.between(2_900, 68_000)) / 100.0));
        EventRow {
            message_id: self.dice.uuid(),
            anonymous_id: self.devices[draft.device].anonymous_id.clone(),
            user_id,
            email,
            event: draft.happening.name(),
            url: self.url(draft, product),
            channel: draft.channel,
            product_id: product.map(|number| format!("SKU-{number:04}")),
            revenue,
            occurred_at: utc_text(draft.at),
        }
    }

    fn spoil(row: &mut EventRow, way: u32) {
        match way % 2 {
            0 => row.occurred_at = "2026-09-31T99:00:00Z".to_owned(),
            _ => row.revenue = Some(Revenue::Broken("free?")),
        }
    }
}

impl Tracker<'_> {
    fn user_id(&mut self, customer: &Customer) -> String {
        let user_id = format!("u{:08}", account_number(customer.number, 0, self.salt));
        self.truth.owns_login(&user_id, customer);
        user_id
    }

    /// The address goes with signing in and buying, seldom with anything else.
    fn email(&mut self, customer: &Customer, happening: Happening) -> Option<String> {
        let email = customer.online_email()?;
        let matters = matches!(happening, Happening::SignedIn | Happening::OrderCompleted);
        if !matters && !self.dice.percent(10) {
            return None;
        }
        let written = written_email(&mut self.dice, email);
        self.truth.wrote_email(customer, email, &written);
        Some(written)
    }

    fn url(&mut self, draft: &Draft<'_>, product: Option<u32>) -> String {
        const SHOP: &str = "https://shop.custos-demo.example";
        let email = draft.user.and_then(Customer::online_email);
        match (product, email) {
            // Newsletters whose links name their reader are a leak that real shops have.
            (_, Some(email)) if draft.channel == "email" && self.dice.percent(5) => {
                format!("{SHOP}/welcome?email={email}")
            }
            (Some(number), _) => format!("{SHOP}/p/SKU-{number:04}"),
            (None, _) => format!("{SHOP}/{}", draft.happening.page()),
        }
    }
}

impl Happening {
    const fn name(self) -> &'static str {
        match self {
            Self::PageViewed => "page_viewed",
            Self::ProductViewed => "product_viewed",
            Self::ProductAdded => "product_added",
            Self::CheckoutStarted => "checkout_started",
            Self::SignedIn => "signed_in",
            Self::OrderCompleted => "order_completed",
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::PageViewed | Self::ProductViewed | Self::ProductAdded => "",
            Self::CheckoutStarted => "checkout",
            Self::SignedIn => "login",
            Self::OrderCompleted => "thank-you",
        }
    }

    const fn concerns_product(self) -> bool {
        matches!(self, Self::ProductViewed | Self::ProductAdded | Self::OrderCompleted)
    }
}
