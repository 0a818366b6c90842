//! The rows of the worlds, and who of the askers may see which: an account of its own of what
//! the enforcement decides.

/// 2026-06-01.
pub(crate) const NOW: i64 = 1_780_272_000_000_000;
const DAY: i64 = 86_400_000_000;

/// Subjects are 1 to this.
pub(crate) const SUBJECTS: u32 = 160;

/// In values of people and rows that no purpose shows.
/// Eight bytes, so that numbers can hold it, too.
pub(crate) const ERASED: &str = "xq7erase";
/// In values of rows that only analytics shows, only marketing, and neither.
pub(crate) const ANALYTICS: &str = "xq7onlyana";
pub(crate) const MARKETING: &str = "xq7onlymkt";
pub(crate) const NOBODY: &str = "xq7nobody";
/// In what is to be masked, tokenised or left out.
pub(crate) const RAW: &str = "xq7raw";

/// Who asks, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    Analyst,
    Marketer,
    Officer,
    /// Who may see totals only.
    Improver,
}

impl Asker {
    pub(crate) const ALL: [Self; 4] =
        [Self::Analyst, Self::Marketer, Self::Officer, Self::Improver];

    /// Those who may see rows.
    pub(crate) const OF_ROWS: [Self; 3] = [Self::Analyst, Self::Marketer, Self::Officer];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Improver => "improver",
            _ => self.role(),
        }
    }

    pub(crate) const fn role(self) -> &'static str {
        match self {
            Self::Analyst | Self::Improver => "analyst",
            Self::Marketer => "marketer",
            Self::Officer => "officer",
        }
    }

    pub(crate) const fn purpose(self) -> &'static str {
        match self {
            Self::Analyst => "analytics",
            Self::Marketer => "marketing.advertising.first_party",
            Self::Officer => "legal_claims",
            Self::Improver => "functional.service.improve",
        }
    }

    /// What no answer to them may hold, in any byte.
    pub(crate) const fn forbidden(self) -> &'static [&'static str] {
        match self {
            Self::Analyst | Self::Improver => &[ERASED, MARKETING, NOBODY, RAW],
            Self::Marketer => &[ERASED, ANALYTICS, NOBODY, RAW],
            Self::Officer => &[ERASED],
        }
    }
}

/// What became of a subject's consents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    AgreedToBoth,
    AgreedToAnalytics,
    AgreedToMarketing,
    NeverAsked,
    Withdrew,
    Erased,
    /// A child who agreed to both, whose guardians were not asked.
    Child,
    /// A child whose guardians agreed to both.
    GuardedChild,
}

impl Standing {
    /// Subjects of all kinds lie side by side, so that no range of them is visible alone.
    pub(crate) const fn of(rid: u32) -> Self {
        match rid % 8 {
            4 if rid % 16 == 12 => Self::Child,
            7 if rid % 16 == 15 => Self::GuardedChild,
            2 => Self::AgreedToAnalytics,
            3 => Self::AgreedToMarketing,
            4 => Self::NeverAsked,
            5 => Self::Withdrew,
            6 => Self::Erased,
            _ => Self::AgreedToBoth,
        }
    }

    pub(crate) const fn shows(self, asker: Asker) -> bool {
        match (self, asker) {
            (Self::Erased, _) => false,
            (Self::AgreedToBoth | Self::GuardedChild, _) | (_, Asker::Officer) => true,
            (Self::AgreedToAnalytics, Asker::Analyst | Asker::Improver) => true,
            (Self::AgreedToMarketing, Asker::Marketer) => true,
            _ => false,
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::AgreedToBoth | Self::GuardedChild => "",
            Self::AgreedToAnalytics => ANALYTICS,
            Self::AgreedToMarketing => MARKETING,
            Self::NeverAsked | Self::Withdrew | Self::Child => NOBODY,
            Self::Erased => ERASED,
        }
    }
}

/// Whether a subject may be seen; 0 is nobody.
pub(crate) const fn sees(asker: Asker, rid: u32) -> bool {
    rid != 0 && Standing::of(rid).shows(asker)
}

/// Subjects that are one person. Named by one that everybody may see.
pub(crate) fn persons() -> Vec<Vec<u32>> {
    (1..SUBJECTS / 16).map(|at| vec![at * 16, at * 16 + 1, at * 16 + 6]).collect()
}

/// Whether a subject gave the separate consent to sensitive data, for analytics.
pub(crate) const fn agreed_to_sensitive(rid: u32) -> bool {
    rid.is_multiple_of(3)
        && matches!(Standing::of(rid), Standing::AgreedToBoth | Standing::AgreedToAnalytics)
}

/// Whether the sensitive values in the rows of a subject may be seen.
fn shows_sensitive(asker: Asker, rid: u32) -> bool {
    let person = persons().into_iter().find(|members| members.contains(&rid));
    asker == Asker::Officer
        || person.unwrap_or_else(|| vec![rid]).into_iter().any(agreed_to_sensitive)
}

/// What the rows that nobody may see are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// Like the others.
    Ordinary,
    /// Extreme, failing whatever is computed of them, and many.
    Hostile,
}

/// A row of `people`.
#[derive(Debug, Clone)]
pub(crate) struct PersonRow {
    pub(crate) rid: u32,
    pub(crate) email: Option<String>,
    pub(crate) page: Option<String>,
    pub(crate) member: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) age: Option<i64>,
    pub(crate) score: Option<f64>,
    pub(crate) active: Option<bool>,
}

/// A row of `orders`.
#[derive(Debug, Clone)]
pub(crate) struct OrderRow {
    pub(crate) rid: u32,
    pub(crate) referrer: u32,
    pub(crate) record: u32,
    pub(crate) version: i64,
    pub(crate) order_no: Option<String>,
    pub(crate) amount: Option<i128>,
    pub(crate) quantity: Option<i64>,
    pub(crate) rate: Option<f64>,
    pub(crate) ordered_at: Option<i64>,
}

/// A row of `events`.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) rid: u32,
    pub(crate) source: Option<&'static str>,
    pub(crate) kind: Option<String>,
    pub(crate) event_no: Option<i64>,
    pub(crate) duration: Option<i64>,
    pub(crate) at: Option<i64>,
}

/// All rows of a world.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) people: Vec<PersonRow>,
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) events: Vec<EventRow>,
}

const CITIES: [&str; 6] = ["Berlin", "上海", "Lyon", "Oslo", "Porto", "Zürich"];
const KINDS: [&str; 5] = ["visit", "click", "search", "buy", "leave"];

/// A number from a number, in no order.
const fn mixed(number: u32) -> u32 {
    let number = number.wrapping_mul(0x9E37_79B1);
    (number >> 15) ^ (number.wrapping_mul(0x85EB_CA6B) >> 7)
}

/// The bytes of [`ERASED`] as a number.
const MARKED: i64 = i64::from_le_bytes(*b"xq7erase");

impl Rows {
    /// Everything, with hidden rows of a kind.
    pub(crate) fn all(hidden: Hidden) -> Self {
        let mut all = Self { people: Vec::new(), orders: Vec::new(), events: Vec::new() };
        for rid in 1..=SUBJECTS {
            all.people.push(person(rid, rid));
            all.orders.extend((0..3).map(|nth| order(rid, rid * 3 + nth)));
            all.events.extend((0..2).map(|nth| event(rid, rid * 2 + nth)));
        }
        all.people.extend((0..5).map(|nth| person(0, 7_000 + nth)));
        all.orders.extend((0..5).map(|nth| order(0, 7_000 + nth)));
        all.events.extend((0..9).map(|nth| event(0, 7_000 + nth)));
        // Records whose older version stays in the files.
        let newest = all.orders.clone();
        all.orders.extend(newest.into_iter().step_by(4).map(|order| OrderRow {
            version: 1,
            order_no: Some(format!("{ERASED}{}", order.record)),
            amount: Some(77_777),
            ..order
        }));
        if hidden == Hidden::Hostile {
            all.make_hostile();
        }
        all
    }

    /// Only what an asker may see. What is masked or withheld may be anything else with the same
    /// look, unless the asker sees it in clear.
    pub(crate) fn seen_by(&self, asker: Asker) -> Self {
        let newest = |order: &OrderRow| order.version == 2;
        let young = |order: &OrderRow| {
            asker == Asker::Officer || order.ordered_at.is_some_and(|at| at > NOW - 3 * 365 * DAY)
        };
        let notified = |event: &EventRow| {
            let to_marketer = event.source == Some("partner") && asker == Asker::Marketer;
            asker == Asker::Officer || event.source == Some("shop") || to_marketer
        };
        let mut seen = self.clone();
        seen.people.retain(|row| sees(asker, row.rid));
        seen.orders.retain(|row| sees(asker, row.rid) && newest(row) && young(row));
        seen.events.retain(|row| (row.rid == 0 || sees(asker, row.rid)) && notified(row));
        for order in &mut seen.orders {
            order.referrer = if sees(asker, order.referrer) { order.referrer } else { 0 };
        }
        if asker != Asker::Officer {
            for (nth, row) in (0_u32..).zip(&mut seen.people) {
                row.email = row.email.take().map(|email| email.replacen(RAW, "other", 1));
                row.page = (nth % 2 == 0).then(|| format!("https://{RAW}.example/{nth}"));
                row.note = Some(format!("{} {RAW}", mixed(nth)));
                if !shows_sensitive(asker, row.rid) {
                    row.score = (nth % 3 == 0).then_some(-4_711.5);
                }
            }
        }
        seen
    }

    /// Values that move statistics and make computing fail, in rows that no asker may see.
    fn make_hostile(&mut self) {
        let erased = |rid: u32| rid == 0 || Standing::of(rid) == Standing::Erased;
        for (nth, row) in self.people.iter_mut().enumerate().filter(|(_, row)| erased(row.rid)) {
            row.age = [Some(0), Some(i64::MAX), Some(i64::MIN), None][nth % 4];
            row.score = [Some(f64::NAN), Some(f64::INFINITY), Some(-1e308), None][nth / 2 % 4];
            row.code = Some(format!("{ERASED}-no number"));
            row.city =
                [Some(format!("\u{10ffff}{ERASED}")), Some(String::new()), None][nth % 3].clone();
            row.email = Some(format!("\u{1}{RAW}{ERASED}@{ERASED}"));
        }
        let hidden = |row: &OrderRow| erased(row.rid) || row.version == 1;
        for (nth, row) in self.orders.iter_mut().enumerate().filter(|(_, row)| hidden(row)) {
            row.quantity = [Some(0), Some(i64::MAX), Some(MARKED), None][nth % 4];
            row.rate = [Some(f64::NAN), Some(f64::NEG_INFINITY), None][nth % 3];
            row.amount = [Some(999_999_999_999), Some(-999_999_999_999), Some(0), None][nth % 4];
            row.order_no =
                [Some(format!("{ERASED}\u{10ffff}")), None, Some(String::new())][nth % 3].clone();
        }
        for (nth, row) in self.events.iter_mut().enumerate() {
            if row.rid != 0 && erased(row.rid) {
                row.duration = [Some(0), Some(i64::MIN), Some(MARKED), None][nth % 4];
                row.event_no = [Some(i64::MAX), Some(i64::MIN), None][nth % 3];
                row.kind = Some(ERASED.repeat(nth % 40));
            }
        }
        // One row of somebody erased, many times.
        let again = self.events.iter().find(|row| row.rid == 6).cloned();
        self.events.extend(std::iter::repeat_n(again, 300).flatten());
        let again = self.people.iter().find(|row| row.rid == 14).cloned();
        self.people.extend(std::iter::repeat_n(again, 100).flatten());
    }
}

fn person(rid: u32, number: u32) -> PersonRow {
    let mark = if rid == 0 { ERASED } else { Standing::of(rid).mark() };
    let any = mixed(number);
    let letter = char::from(b'a' + (any % 26) as u8);
    PersonRow {
        rid,
        // What is no address is masked as a whole, and then sorts before all raw values.
        email: (!any.is_multiple_of(9)).then(|| match any % 5 {
            0 => format!("{letter}{RAW}{mark}{any} is no address"),
            _ => format!("{letter}{RAW}{mark}{any}@example.{}", any % 3),
        }),
        page: Some(format!("https://{RAW}{mark}.example/{number}")),
        member: (!any.is_multiple_of(11)).then(|| format!("{RAW}M-{}", any % 90)),
        note: (!any.is_multiple_of(3)).then(|| format!("{RAW} called about {number}")),
        city: (!any.is_multiple_of(7))
            .then(|| format!("{}{mark}", CITIES[any as usize % CITIES.len()])),
        code: Some((any % 100).to_string()),
        age: Some(i64::from(18 + any % 70)),
        score: (!any.is_multiple_of(13)).then(|| f64::from(any % 64) / 8.0),
        active: [Some(true), Some(false), None][any as usize % 3],
    }
}

fn order(rid: u32, number: u32) -> OrderRow {
    let mark = if rid == 0 { ERASED } else { Standing::of(rid).mark() };
    let any = mixed(number + 31);
    let days = match any % 17 {
        0 => None,
        1 | 2 => Some(1_300),
        _ => Some(any % 900),
    };
    OrderRow {
        rid,
        referrer: if any.is_multiple_of(3) { 0 } else { any % SUBJECTS + 1 },
        record: number,
        version: 2,
        order_no: Some(format!("o{mark}{number:05}")),
        amount: (!any.is_multiple_of(19)).then(|| i128::from(any % 50_000)),
        quantity: Some(i64::from(1 + any % 12)),
        rate: (!any.is_multiple_of(5)).then(|| f64::from(any % 32) / 16.0),
        ordered_at: days
            .map(|days| NOW - i64::from(days) * DAY - i64::from(any % 86_400) * 1_000_000),
    }
}

fn event(rid: u32, number: u32) -> EventRow {
    let mark = if rid == 0 { "" } else { Standing::of(rid).mark() };
    let any = mixed(number + 77);
    EventRow {
        rid,
        source: [Some("shop"), Some("shop"), Some("partner"), Some("lab"), Some("shop"), None]
            [any as usize % 6],
        kind: (!any.is_multiple_of(8))
            .then(|| format!("{}{mark}", KINDS[any as usize % KINDS.len()])),
        event_no: Some(i64::from(number)),
        duration: Some(i64::from(1 + any % 500)),
        at: Some(NOW - i64::from(any % 700) * DAY),
    }
}
