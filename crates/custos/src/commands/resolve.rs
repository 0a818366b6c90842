//! `custos resolve`: which accounts are one person.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cli::JsonArg;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(installation: &Installation, args: &JsonArg) -> Result<(), Failure> {
    let report = installation.resolver().run(&super::actor()?).await?;
    let joined: usize = report.persons.clusters().map(|(_, members)| members.len()).sum();
    let clusters = report.persons.clusters().count();
    let persons = report.subjects - joined as u64 + clusters as u64;
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for refusal in &report.refused {
        *refused.entry(refusal.reason.as_str()).or_default() += 1;
    }
    if args.json {
        return output::json(&json!({
            "subjects": report.subjects,
            "persons": persons,
            "persons_with_several_subjects": clusters,
            "links": report.links,
            "refused": refused,
        }));
    }
    let mut table = output::table(["accounts", "persons", "with several accounts", "links"]);
    table.add_row([report.subjects, persons, clusters as u64, report.links]);
    output::line(table.to_string())?;
    for (reason, identifiers) in refused {
        output::line(format!("{identifiers} identifier(s) joined nobody: {reason}"))?;
    }
    Ok(())
}
