//! `custos consent signal`: what a browser or a consent platform says about one person.

use custos_audit::Action;
use custos_consent::signals::{GppString, Observation, Signal, SignalRules, TcString, UsPrivacy};
use custos_consent::{ConsentEvent, ConsentTopic};
use custos_core::{ErrorKind, Rid};
use custos_policy::PolicySet;
use custos_query::Population;
use serde_json::json;

use crate::cli::{SignalArgs, SignalText};
use crate::commands::record::Deed;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(installation: &Installation, args: &SignalArgs) -> Result<(), Failure> {
    let rules = rules(args, &installation.policy)?;
    let signal = decode(&args.signal)?;
    let now = installation.clock.now();
    let at = args.at.unwrap_or(now);
    if at > now {
        let failure = Failure::new(ErrorKind::Invalid, "--at lies in the future");
        return Err(failure.with_hint("give the time at which the signal was received"));
    }
    let holders = super::holders_of(installation, args.subject.parse()?).await?;
    let said = |rid: &Rid| {
        let (channel, authority) = (args.channel.clone(), args.authority);
        rules.events(&signal, &Observation { rid: *rid, at, authority, channel })
    };
    let events: Vec<ConsentEvent> = holders.iter().flat_map(said).collect();
    let book = Population::consents(&installation.store).await?;
    let is_known = |event: &&ConsentEvent| book.history(event.rid).contains(*event);
    let (known, fresh): (Vec<_>, Vec<_>) = events.iter().partition(is_known);
    let deed = Deed { action: Action::ConsentImport, object: "signal" };
    let intent = deed.intent(installation, &[]).await?;
    let fresh: Vec<ConsentEvent> = fresh.into_iter().cloned().collect();
    let stored = installation.store.add_consents(&fresh).await.map_err(Failure::from);
    let counted = |_: &u64| {
        vec![("recorded", fresh.len().to_string()), ("duplicate", known.len().to_string())]
    };
    deed.outcome(installation, intent, stored, counted).await?;
    if args.json {
        return output::json(&json!({
            "accounts": holders.len(),
            "recorded": fresh.len(),
            "duplicate": known.len(),
        }));
    }
    if holders.is_empty() {
        return output::line("nobody holds this identifier; load the source, then try again");
    }
    let mut table = output::table(["purpose", "status", "at", "expires"]);
    for event in &events {
        table.add_row([
            event.purpose.to_string(),
            event.status.as_str().to_owned(),
            event.at.to_string(),
            event.expires_at.map(|at| at.to_string()).unwrap_or_default(),
        ]);
    }
    output::line(table.to_string())
}

/// Reads what signals mean. A purpose that no policy knows would be refused or granted in vain.
fn rules(args: &SignalArgs, policy: &PolicySet) -> Result<SignalRules, Failure> {
    let text = std::fs::read_to_string(&args.rules).map_err(|error| {
        let what = format!("`{}` cannot be read: {error}", args.rules.display());
        Failure::new(ErrorKind::NotFound, what)
    })?;
    let rules: SignalRules = serde_json::from_str(&text).map_err(|error| {
        Failure::new(ErrorKind::Invalid, format!("{}: {error}", args.rules.display()))
    })?;
    let purposes = rules.tcf.iter().map(|rule| &rule.purpose);
    let refused = rules.opt_outs.values().flatten().chain(&rules.gpc);
    for name in purposes.chain(refused) {
        let purpose = ConsentTopic::of(name).purpose;
        if purpose.as_ref().is_none_or(|purpose| policy.purpose(purpose).is_none()) {
            let what = format!("{}: `{name}` is not a purpose", args.rules.display());
            let failure = Failure::new(ErrorKind::Invalid, what);
            return Err(failure.with_hint("use a purpose of purposes.yaml"));
        }
    }
    Ok(rules)
}

fn decode(text: &SignalText) -> Result<Signal, Failure> {
    let signal = match text {
        SignalText { tcf: Some(text), .. } => {
            text.parse::<TcString>().map(|string| Signal::Tcf(Box::new(string)))
        }
        SignalText { gpp: Some(text), .. } => text.parse::<GppString>().map(Signal::Gpp),
        SignalText { us_privacy: Some(text), .. } => {
            text.parse::<UsPrivacy>().map(Signal::UsPrivacy)
        }
        SignalText { .. } => Ok(Signal::Gpc),
    };
    signal.map_err(|error| Failure::of(&error))
}
