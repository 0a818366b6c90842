//! `custos principal`: who has access.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use custos_audit::{Action, Entry, Outcome};
use custos_core::{ErrorKind, PrincipalId};
use custos_keys::random_bytes;
use custos_store::NewPrincipal;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cli::PrincipalCommand;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;
use crate::principals::sealed_login;

pub(super) async fn run(
    installation: &Installation,
    command: &PrincipalCommand,
) -> Result<(), Failure> {
    match command {
        PrincipalCommand::Add { name, roles, json } => {
            let secret = add(installation, name, roles).await?;
            if *json {
                return output::json(&json!({"name": name, "secret": secret}));
            }
            output::note("this secret is shown once; it is the bearer token of every door");
            output::line(secret)
        }
        PrincipalCommand::List(args) => list(installation, args.json).await,
        PrincipalCommand::Revoke { name } => revoke(installation, name).await,
    }
}

/// Adds a principal and returns its secret.
pub(crate) async fn add(
    installation: &Installation,
    name: &PrincipalId,
    roles: &[String],
) -> Result<String, Failure> {
    if name.is_of_provider() {
        let message = "a name that begins with `oidc:` is that of a token's bearer";
        return Err(Failure::new(ErrorKind::Invalid, message)
            .with_hint("leave `oidc:` out; the provider gives its bearers access"));
    }
    let known: Vec<&str> = installation.policy.roles().collect();
    if let Some(unknown) = roles.iter().find(|role| !known.contains(&role.as_str())) {
        let message = format!("`{unknown}` is not a role of the policies");
        let hint = format!("use one of {}", known.join(", "));
        return Err(Failure::new(ErrorKind::Invalid, message).with_hint(hint));
    }
    let secret = format!("custos_{name}_{}", BASE64URL.encode(random_bytes::<32>()?));
    installation
        .store
        .add_principal(&NewPrincipal {
            name: name.clone(),
            roles: roles.to_vec(),
            secret_sha256: Sha256::digest(secret.as_bytes()).into(),
            scram: sealed_login(&installation.keys, name, &secret)?,
            created_at: installation.clock.now(),
        })
        .await
        .map_err(|error| {
            Failure::of(&error).with_hint("a principal of this name may exist; revoke it first")
        })?;
    record(installation, Action::PrincipalAdded, name, &roles.join(" ")).await?;
    Ok(secret)
}

async fn revoke(installation: &Installation, name: &PrincipalId) -> Result<(), Failure> {
    if !installation.store.revoke_principal(name, installation.clock.now()).await? {
        let failure = Failure::new(ErrorKind::NotFound, "there is no such principal");
        return Err(match name.is_of_provider() {
            true => failure.with_hint(
                "to shut out a token's bearer, add a principal of the name behind `oidc:` and revoke it",
            ),
            false => failure,
        });
    }
    record(installation, Action::PrincipalRevoked, name, "").await?;
    output::note(format!("{name} has no access any more"));
    Ok(())
}

async fn list(installation: &Installation, json: bool) -> Result<(), Failure> {
    let principals = installation.store.principals().await?;
    if json {
        return principals.iter().try_for_each(|known| {
            output::json(&json!({
                "name": known.name,
                "roles": known.roles,
                "created_at": known.created_at,
                "revoked_at": known.revoked_at,
            }))
        });
    }
    let mut table = output::table(["name", "roles", "since", "revoked"]);
    for known in principals {
        table.add_row([
            known.name.to_string(),
            known.roles.join(", "),
            known.created_at.to_string(),
            known.revoked_at.map(|at| at.to_string()).unwrap_or_default(),
        ]);
    }
    output::line(table.to_string())
}

async fn record(
    installation: &Installation,
    action: Action,
    name: &PrincipalId,
    roles: &str,
) -> Result<(), Failure> {
    installation
        .audit
        .append(Entry {
            at: installation.clock.now(),
            actor: super::actor()?,
            action,
            object: name.to_string(),
            purpose: None,
            outcome: Outcome::Done,
            tie: None,
            detail: [("roles".to_owned(), roles.to_owned())].into(),
        })
        .await?;
    Ok(())
}
