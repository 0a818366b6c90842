//! `custos audit`: the log of who did what.

use serde_json::json;

use crate::cli::AuditCommand;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

const PAGE: u32 = 1_000;

pub(super) async fn run(
    installation: &Installation,
    command: &AuditCommand,
) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(args) => {
            let head = installation.audit.head().await?;
            let verified = installation.audit.verify().await?;
            if args.json {
                return output::json(&json!({
                    "entries": verified.size,
                    "root": verified.root,
                    "heads_checked": verified.heads_checked,
                    "signed_at": head.at,
                }));
            }
            output::line(format!(
                "the audit log holds: {} entries, {} signed heads, root {}",
                verified.size, verified.heads_checked, verified.root
            ))
        }
        AuditCommand::Export { from } => export(installation, *from).await,
    }
}

async fn export(installation: &Installation, mut from: u64) -> Result<(), Failure> {
    loop {
        let page = installation.audit.export(from, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        from = last.index + 1;
        page.iter().try_for_each(output::json)?;
    }
}
