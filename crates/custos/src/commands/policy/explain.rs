//! `custos policy explain`: why somebody sees of a table what they see.

use custos_core::ErrorKind;
use custos_policy::Explanation;

use crate::cli::ExplainArgs;
use crate::commands::operator;
use crate::commands::sql::purpose_of;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

pub(super) async fn run(installation: &Installation, args: &ExplainArgs) -> Result<(), Failure> {
    let principal = match &args.principal {
        Some(name) => installation.principal(name).await?,
        None => operator()?,
    };
    let purpose = purpose_of(installation, &principal, args.purpose.as_ref())?;
    if let Some(person) = &args.person {
        return super::person::run(installation, &principal, &purpose, (person, args.json)).await;
    }
    let table = args.table.as_deref().unwrap_or_default();
    let governor = installation.engine().await?.governor;
    let Some(explanations) = governor.explain_table(table, &principal, &purpose) else {
        let known = governor.published().join(", ");
        let failure = Failure::new(ErrorKind::NotFound, "there is no such table");
        return Err(failure.with_hint(format!("published tables: {known}")));
    };
    if args.json {
        return explanations.iter().try_for_each(output::json);
    }
    let text: Vec<String> = explanations.iter().map(Explanation::to_string).collect();
    output::line(text.join("\n").trim_end())
}
