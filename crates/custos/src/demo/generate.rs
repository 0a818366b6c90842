//! The demo's customers: five silos that know them under different names, and the truth.
//!
//! Everything follows from a seed; there is no clock. The data ends before 2026-10-31 and goes
//! back 24 months. All persons are made up: addresses are at domains reserved for examples, and
//! telephone numbers are drawn at random.
//!
//! The silos disagree as real ones do: names with slips, in other letters or another order,
//! addresses and numbers in every notation, families that share a telephone or a device,
//! customers entered twice, placeholders, late corrections and a few rows that are broken.

mod account;
mod calendar;
mod chinese;
mod consents;
mod contact_point;
mod contacts;
mod dice;
mod events;
mod meter;
mod orders;
mod person_name;
mod population;
mod row_file;
mod silo;
mod survey;
mod tickets;
mod truth;
mod western;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use self::truth::Truth;

use self::dice::Dice;
use self::meter::Meter;
use self::population::Population;
use self::silo::Silo;

/// The generated files and what is true about them.
pub(crate) struct Silos {
    /// Comma-separated, append and correct: source `pos_orders`.
    pub(crate) orders: PathBuf,
    /// Comma-separated, one row a contact: source `crm_contacts`.
    pub(crate) contacts: PathBuf,
    /// One JSON object a line: source `web_events`.
    pub(crate) events: PathBuf,
    /// Comma-separated: source `support_tickets`.
    pub(crate) tickets: PathBuf,
    /// Comma-separated: source `community_survey`.
    pub(crate) survey: PathBuf,
    /// Comma-separated: what customers agreed to.
    pub(crate) consents: PathBuf,
    /// Who is behind every account.
    pub(crate) truth: Truth,
    /// How many rows of each source are broken and must end in quarantine.
    pub(crate) broken_rows: BTreeMap<&'static str, u32>,
}

/// Writes the silos of `customers` customers into the existing folder `dir`, with `truth.csv`
/// and `personal_values.txt`; `progress` hears how much is done out of how much.
pub(crate) fn generate(
    dir: &Path,
    customers: u32,
    seed: u64,
    progress: &dyn Fn(u64, u64),
) -> io::Result<Silos> {
    let mut meter = Meter::new(customers, progress);
    let population = Population::new(&mut Dice::new(seed, 0), customers);
    meter.next_stage();
    let mut silos = Silos {
        orders: dir.join("pos_orders.csv"),
        contacts: dir.join("crm_contacts.csv"),
        events: dir.join("web_events.ndjson"),
        tickets: dir.join("support_tickets.csv"),
        survey: dir.join("community_survey.csv"),
        consents: dir.join("consents.csv"),
        truth: Truth::new(&population),
        broken_rows: BTreeMap::new(),
    };
    for silo in Silo::ALL {
        let (path, write): (_, Write) = match silo {
            Silo::Orders => (&silos.orders, orders::write),
            Silo::Contacts => (&silos.contacts, contacts::write),
            Silo::Events => (&silos.events, events::write),
            Silo::Tickets => (&silos.tickets, tickets::write),
            Silo::Survey => (&silos.survey, survey::write),
        };
        let broken = write(path, seed, &population, &mut silos.truth, &mut meter)?;
        silos.broken_rows.insert(silo.source(), broken);
    }
    consents::write(&silos.consents, seed, &population, &silos.truth, &mut meter)?;
    silos.truth.write(dir)?;
    Ok(silos)
}

/// Writes one silo and returns how many of its rows are broken.
type Write = fn(&Path, u64, &Population, &mut Truth, &mut Meter<'_>) -> io::Result<u32>;
