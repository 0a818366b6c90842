//! `custos policy explain --person`: why one person is visible for a purpose, or is not.

use std::collections::BTreeMap;

use custos_audit::{Action, Entry, Outcome};
use custos_consent::{ConsentEvent, ConsentState, ConsentTopic, RowBasis};
use custos_core::{ErrorKind, Purpose, Timestamp};
use custos_policy::{Denial, LegalBasis, Principal, Right};
use custos_query::Asked;
use serde::Serialize;

use crate::commands::consent::holders_of;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;
use crate::policy_change::datasets;

/// What holds for one person.
#[derive(Debug, Serialize)]
struct Standing {
    purpose: Purpose,
    at: Timestamp,
    policy: String,
    /// Whether somebody holds the identifier; whoever was erased holds none any more.
    found: bool,
    /// Whether a request for erasure hides them, whatever else holds.
    erased: bool,
    /// What they said about the purpose, or about one that covers it.
    consent: Vec<Said>,
    /// What holds for their rows of each source, if there are any.
    sources: Vec<OfSource>,
}

/// A consent record.
#[derive(Debug, Serialize)]
struct Said {
    status: &'static str,
    purpose: Purpose,
    at: Timestamp,
    expires_at: Option<Timestamp>,
    notice: Option<String>,
    channel: Option<String>,
}

#[derive(Debug, Serialize)]
struct OfSource {
    source: String,
    basis: &'static str,
    visible: bool,
    why: &'static str,
}

impl From<ConsentEvent> for Said {
    fn from(event: ConsentEvent) -> Self {
        Self {
            status: event.status.as_str(),
            purpose: event.purpose,
            at: event.at,
            expires_at: event.expires_at,
            notice: event.notice,
            channel: event.channel,
        }
    }
}

pub(super) async fn run(
    installation: &Installation,
    asker: &Principal,
    purpose: &Purpose,
    (person, json): (&str, bool),
) -> Result<(), Failure> {
    if let Err(denial) = permitted(installation, asker, purpose) {
        record(installation, asker, purpose, Outcome::Refused, None).await?;
        return Err(denial.into());
    }
    let intent = record(installation, asker, purpose, Outcome::Intent, None).await?;
    let standing = standing(installation, person, purpose).await;
    let outcome = if standing.is_ok() { Outcome::Done } else { Outcome::Failed };
    record(installation, asker, purpose, outcome, Some(intent)).await?;
    let standing = standing?;
    if json { output::json(&standing) } else { print(&standing) }
}

/// Lets those pass who may find people by an identifier, for any purpose or for this one.
fn permitted(
    installation: &Installation,
    asker: &Principal,
    purpose: &Purpose,
) -> Result<(), Denial> {
    let policy = &installation.policy;
    let anywhere = policy.permits(asker, Right::Lookup, None);
    anywhere.or_else(|_| policy.permits(asker, Right::Lookup, Some(purpose)))
}

async fn record(
    installation: &Installation,
    asker: &Principal,
    purpose: &Purpose,
    outcome: Outcome,
    tie: Option<u64>,
) -> Result<u64, Failure> {
    let policy = ("policy".to_owned(), installation.policy.version().to_string());
    let entry = Entry {
        at: installation.clock.now(),
        actor: asker.id.to_string(),
        action: Action::Lookup,
        object: "policy explain".to_owned(),
        purpose: Some(purpose.clone()),
        outcome,
        tie,
        detail: BTreeMap::from([policy]),
    };
    Ok(installation.audit.append(entry).await?)
}

async fn standing(
    installation: &Installation,
    person: &str,
    purpose: &Purpose,
) -> Result<Standing, Failure> {
    let policy = &installation.policy;
    let Some(node) = policy.purpose(purpose).filter(|node| node.leaf) else {
        let failure = Failure::new(ErrorKind::Invalid, "the purpose cannot be asked for");
        return Err(failure.with_hint("use a purpose of purposes.yaml that has none below it"));
    };
    let holders = holders_of(installation, person.parse()?).await?;
    let mut standing = Standing {
        purpose: purpose.clone(),
        at: installation.clock.now(),
        policy: policy.version().to_string(),
        found: !holders.is_empty(),
        erased: false,
        consent: Vec::new(),
        sources: Vec::new(),
    };
    if holders.is_empty() {
        return Ok(standing);
    }
    let visibility = installation.engine().await?.executor.visibility().await?;
    let subjects = visibility.same_people(&holders);
    let mut said = installation.store.consent_history(&subjects).await?;
    said.retain(|event| {
        let topic = ConsentTopic::of(&event.purpose);
        topic.purpose.is_none_or(|named| purpose.is_within(&named))
    });
    let erased = visibility.is_erased(&subjects);
    let states = visibility.states(purpose, &subjects);
    for dataset in datasets(&installation.contracts().await?)? {
        let (basis, separate) = policy.asked(node, &dataset.jurisdiction);
        let notified =
            basis == LegalBasis::LegalObligation || policy.covers(&dataset.purposes, purpose);
        let asked = Asked { basis: basis.rows(), separate };
        let shown = visibility.is_visible(purpose, asked, &subjects);
        let but_for_age = visibility.is_visible_of_age(purpose, asked, &subjects);
        let but_for_separate = visibility.is_visible(purpose, basis.rows().into(), &subjects);
        let why = match (notified, erased, shown) {
            (false, ..) => "people were not told of the purpose at the source",
            (true, _, true) => why_visible(basis.rows()),
            (true, true, false) => "they asked to be erased",
            (true, false, false) if but_for_age => {
                "they are too young to consent alone, and no guardian did"
            }
            (true, false, false) if but_for_separate => "they gave no separate consent",
            (true, false, false) => why_hidden(&states),
        };
        let (source, basis) = (dataset.table.to_string(), basis.as_str());
        standing.sources.push(OfSource { source, basis, visible: notified && shown, why });
    }
    standing.erased = erased;
    standing.consent = said.into_iter().map(Said::from).collect();
    Ok(standing)
}

const fn why_visible(basis: RowBasis) -> &'static str {
    match basis {
        RowBasis::NeedsGrant => "their grant is valid, and they said nothing against it",
        RowBasis::UnlessObjected => "they said nothing against it",
        RowBasis::UnlessRestricted => "processing is not restricted",
        RowBasis::Always => "the law demands it, whatever they said",
    }
}

/// What keeps a person from being visible, given what holds for each of their accounts.
fn why_hidden(states: &[ConsentState]) -> &'static str {
    let holds = |state| states.contains(&state);
    if holds(ConsentState::Restricted) {
        "processing is restricted"
    } else if holds(ConsentState::Objected) {
        "they objected"
    } else if holds(ConsentState::Withdrawn) {
        "they withdrew their consent"
    } else if holds(ConsentState::Refused) {
        "they refused their consent"
    } else if holds(ConsentState::Expired) {
        "their grant ran out"
    } else {
        "they gave no consent"
    }
}

fn print(standing: &Standing) -> Result<(), Failure> {
    if !standing.found {
        return output::line("nobody holds this identifier");
    }
    let mut sources = output::table(["source", "basis", "visible", "why"]);
    for of in &standing.sources {
        let visible = if of.visible { "yes" } else { "no" };
        sources.add_row([&*of.source, of.basis, visible, of.why]);
    }
    output::line(sources.to_string())?;
    let mut said = output::table(["said", "for", "at", "expires", "notice", "channel"]);
    for event in &standing.consent {
        said.add_row([
            event.status.to_owned(),
            event.purpose.to_string(),
            event.at.to_string(),
            event.expires_at.map(|at| at.to_string()).unwrap_or_default(),
            event.notice.clone().unwrap_or_default(),
            event.channel.clone().unwrap_or_default(),
        ]);
    }
    output::line(said.to_string())
}
