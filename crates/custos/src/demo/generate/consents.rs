//! What customers agreed to, refused and took back.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::calendar::{AS_OF, DAY, office_text, soon_after};
use super::dice::Dice;
use super::meter::Meter;
use super::population::{Customer, Population};
use super::row_file::{CsvFile, RowFile};
use super::silo::Silo;
use super::truth::Truth;

const ANALYTICS: &str = "analytics";
const ADVERTISING: &str = "marketing.advertising.first_party";
const NEWSLETTER: &str = "marketing.communications.email";
const PURPOSES: [&str; 3] = [ANALYTICS, ADVERTISING, NEWSLETTER];

/// A row of `consents.csv`.
#[derive(Serialize)]
pub(crate) struct ConsentRow<'a> {
    identifier_type: &'static str,
    identifier: &'a str,
    purpose: &'static str,
    status: &'static str,
    at: String,
    notice: &'static str,
    channel: &'static str,
    scope: &'static str,
}

/// How a customer is named in a consent.
struct Identifier {
    kind: &'static str,
    value: String,
    /// Within which numbering a customer number counts; empty for what is the same everywhere.
    scope: &'static str,
}

/// A statement of will, by one of the customer's identifiers.
struct Statement {
    at: i64,
    customer: usize,
    identifier: usize,
    purpose: &'static str,
    status: &'static str,
    channel: &'static str,
}

/// What became of a customer's will about one purpose.
#[derive(Clone, Copy)]
enum Course {
    Silent,
    Refused,
    Given,
    Withdrawn,
    /// Given by one identifier and withdrawn by another.
    WithdrawnElsewhere,
    /// Refused by one identifier and given later by another.
    GivenElsewhere,
}

/// Writes `consents.csv`, oldest first.
///
/// Everybody is named by identifiers that some silo holds as well; addresses and telephone numbers
/// are in their plain form, and a telephone of a family speaks for nobody.
pub(crate) fn write(
    path: &Path,
    seed: u64,
    population: &Population,
    truth: &Truth,
    meter: &mut Meter<'_>,
) -> io::Result<()> {
    let mut dice = Dice::new(seed, 6);
    let identifiers = identifiers(population, truth);
    let mut statements = Vec::new();
    for (index, customer) in population.customers.iter().enumerate() {
        let known = identifiers[index].len();
        if known > 0 && (customer.is_star() || dice.percent(92)) {
            state_will(&mut dice, customer, known, &mut statements);
        }
    }
    statements.sort_by_key(|statement| statement.at);
    let mut file = CsvFile::create(path)?;
    for (index, statement) in statements.iter().enumerate() {
        let customer = &population.customers[statement.customer];
        let identifier = &identifiers[statement.customer][statement.identifier];
        file.write(&consent_row(statement, customer, identifier))?;
        meter.at(index + 1, statements.len());
    }
    meter.next_stage();
    file.finish()
}

/// The identifiers of each customer that a silo holds, the address first.
fn identifiers(population: &Population, truth: &Truth) -> Vec<Vec<Identifier>> {
    let mut known: Vec<Vec<Identifier>> = population
        .customers
        .iter()
        .map(|customer| {
            let trace = truth.trace(customer.number);
            let email = customer.email.clone().filter(|_| trace.email);
            let phone = customer.phone.as_ref().filter(|_| trace.phone && !customer.shares_phone);
            let email = email.map(|value| Identifier { kind: "email", value, scope: "" });
            let phone = phone.map(|phone| Identifier {
                kind: "phone",
                value: phone.international(),
                scope: "",
            });
            email.into_iter().chain(phone).collect()
        })
        .collect();
    for (source, key, customer) in truth.accounts() {
        if let Some(scope) = scope_of(source, key) {
            let value = key.to_owned();
            let identifier = Identifier { kind: "customer_id", value, scope };
            known[customer as usize - 1].push(identifier);
        }
    }
    known
}

/// The numbering that an account's key belongs to, if it is a customer number at all.
fn scope_of(source: &str, key: &str) -> Option<&'static str> {
    if source == Silo::Orders.source() {
        Some("pos")
    } else if source == Silo::Contacts.source() {
        Some("crm")
    } else if source == Silo::Events.source() && key.starts_with('u') {
        Some("web")
    } else {
        None
    }
}

fn state_will(dice: &mut Dice, customer: &Customer, known: usize, statements: &mut Vec<Statement>) {
    for (position, purpose) in PURPOSES.into_iter().enumerate() {
        let course = if customer.is_star() { Course::Given } else { course(dice) };
        let first = if customer.is_star() { position % known } else { dice.index(known) };
        let other = (first + 1) % known;
        let begun = soon_after(dice, customer.active.0, 30 * DAY);
        let changed = dice.moment((begun + DAY).min(AS_OF - 1), AS_OF - 1);
        let mut say = |at, identifier, status, channel| {
            let customer = customer.number as usize - 1;
            statements.push(Statement { at, customer, identifier, purpose, status, channel });
        };
        let channel = dice.pick(&["web", "store", "app"]);
        match course {
            Course::Silent => {}
            Course::Refused => say(begun, first, "refused", channel),
            Course::Given => say(begun, first, "given", channel),
            Course::Withdrawn => {
                say(begun, first, "given", channel);
                say(changed, first, "withdrawn", channel);
            }
            Course::WithdrawnElsewhere => {
                say(begun, first, "given", channel);
                say(changed, other, "withdrawn", "call_center");
            }
            Course::GivenElsewhere => {
                say(begun, first, "refused", channel);
                say(changed, other, "given", "call_center");
            }
        }
    }
}

fn course(dice: &mut Dice) -> Course {
    match dice.between(0, 99) {
        0..=11 => Course::Silent,
        12..=19 => Course::Refused,
        20..=25 => Course::Withdrawn,
        26..=30 => Course::WithdrawnElsewhere,
        31..=33 => Course::GivenElsewhere,
        _ => Course::Given,
    }
}

fn consent_row<'a>(
    statement: &Statement,
    customer: &Customer,
    identifier: &'a Identifier,
) -> ConsentRow<'a> {
    ConsentRow {
        identifier_type: identifier.kind,
        identifier: &identifier.value,
        purpose: statement.purpose,
        status: statement.status,
        at: office_text(statement.at, customer.is_chinese()),
        // The privacy notice was rewritten a year before the end.
        notice: if statement.at < AS_OF - 365 * DAY { "privacy-v2" } else { "privacy-v3" },
        channel: statement.channel,
        scope: identifier.scope,
    }
}
