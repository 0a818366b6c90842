//! How a connection begins: encryption, and who it is of.

use std::sync::Arc;

use custos_core::{PrincipalId, Purpose};
use custos_policy::Principal;
use pgwire::api::auth::Password;
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use pgwire::messages::response::ReadyForQuery;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus,
    PasswordMessageFamily, Startup,
};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion};

use super::cancel::Cancel;
use super::error::PgError;
use super::session::Session;
use super::settings::Settings;
use super::shape::is_first_proof;
use super::wire::{Stream, Wire};
use super::{Door, Stop};
use crate::authenticator::SCRAM_ROUNDS;
use crate::listener::Peer;
use crate::tls::Certificate;

const MECHANISM: &str = "SCRAM-SHA-256";

/// The databases that stand for the principal's default purpose, beside its own name.
const DEFAULT_DATABASE: &str = "postgres";

/// Logs a client in, and tells it that it may ask.
pub(super) async fn log_in<S: Stream>(
    door: &Door,
    wire: &mut Wire<S>,
    startup: &Startup,
    (peer, is_encrypted): &(Peer, bool),
) -> Result<(Session, Cancel), Stop> {
    let version = version(wire, startup)?;
    let parameter = |name: &str| startup.parameters.get(name).map(String::as_str);
    let user = parameter("user").unwrap_or_default();
    let principal = match &peer.certificate {
        Some(certificate) => certified(door, user, certificate).await?,
        None => prove(door, wire, user, peer.address).await?,
    };
    let database = parameter("database").filter(|name| !name.is_empty()).unwrap_or(user);
    let purpose = purpose(door, &principal, user, database)?;
    let mut settings = Settings::new(user, *is_encrypted);
    for (name, value) in &startup.parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => begin_with_options(&mut settings, value)?,
            _ => settings.begin_with(name, value)?,
        }
    }
    let memory = || door.gateway.governor.client_memory(&principal.id);
    let kept = memory();
    wire.trust(version, memory());
    let cancel = door.cancels.register(version).map_err(|_| no_randomness())?;
    let databases = databases(door, &principal);
    let told =
        custos_query::Session::new(database.to_owned(), user.to_owned(), databases, cancel.pid);
    wire.put(PgWireBackendMessage::Authentication(Authentication::Ok))?;
    for (name, value) in settings.reported() {
        let status = ParameterStatus::new(name.to_owned(), value);
        wire.put(PgWireBackendMessage::ParameterStatus(status))?;
    }
    let key = BackendKeyData::new(cancel.pid, cancel.key.clone());
    wire.put(PgWireBackendMessage::BackendKeyData(key))?;
    let session = Session::new(principal, purpose, settings, told, kept);
    wire.put(PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(session.status())))?;
    wire.send().await?;
    Ok((session, cancel))
}

/// The version that both sides speak.
fn version<S: Stream>(wire: &mut Wire<S>, startup: &Startup) -> Result<ProtocolVersion, Stop> {
    let (major, minor) = (startup.protocol_number_major, startup.protocol_number_minor);
    if let Some(version) = ProtocolVersion::from_version_number(major, minor) {
        return Ok(version);
    }
    if major != 3 {
        return Err(PgError::new("0A000", "this version of the protocol is not supported")
            .fatal()
            .into());
    }
    let newest = ProtocolVersion::PROTOCOL3_2;
    let offer = NegotiateProtocolVersion::new(newest.into(), Vec::new());
    wire.put(PgWireBackendMessage::NegotiateProtocolVersion(offer))?;
    Ok(newest)
}

/// The principal whom a certificate names, if the client says that it is that one. Such a client is
/// asked for nothing more.
async fn certified(door: &Door, user: &str, certificate: &Certificate) -> Result<Principal, Stop> {
    let name = certificate.name.as_ref().filter(|name| name.as_str() == user);
    let found = match name {
        Some(name) => door.gateway.authenticator.principal(name).await,
        None => Ok(None),
    };
    found.map_err(|error| PgError::of(&error).fatal())?.ok_or_else(|| {
        let text = "certificate authentication failed";
        let hint = "connect as the user whose name is the common name of the certificate";
        PgError::new("28000", text).with_hint(hint).fatal().into()
    })
}

/// Has the client prove the secret of a name, by SCRAM-SHA-256
/// ([RFC 7677](https://www.rfc-editor.org/rfc/rfc7677)).
///
/// A name that nobody has is asked for a proof like any other, which then fails like a wrong one.
async fn prove<S: Stream>(
    door: &Door,
    wire: &mut Wire<S>,
    user: &str,
    peer: std::net::IpAddr,
) -> Result<Principal, Stop> {
    if door.attempts.wait(Some(user), peer).is_some() {
        let text = "too many failed logins; try again in a minute";
        return Err(PgError::new("53300", text).fatal().into());
    }
    let authenticator = &door.gateway.authenticator;
    let login = match user.parse::<PrincipalId>() {
        Ok(name) => {
            authenticator.login(&name).await.map_err(|error| PgError::of(&error).fatal())?
        }
        Err(_) => None,
    };
    let mut unknown = [0; 32];
    getrandom::fill(&mut unknown).map_err(|_| no_randomness())?;
    let (principal, salted) = match login {
        Some(login) => (Some(login.principal), login.salted_password),
        None => (None, unknown.to_vec()),
    };
    let password = Password::new(Some(authenticator.salt(user).to_vec()), salted);
    let mut server = ScramServerAuth::new();
    server.set_iterations(SCRAM_ROUNDS);

    let offer = Authentication::SASL(vec![MECHANISM.to_owned()]);
    wire.put(PgWireBackendMessage::Authentication(offer))?;
    wire.send().await?;
    let first = answer(wire).await?;
    let PgWireFrontendMessage::PasswordMessageFamily(first) = first else {
        return Err(unexpected());
    };
    if !matches!(&first, PasswordMessageFamily::Raw(body) if is_first_proof(body)) {
        return Err(unexpected());
    }
    let first = first.into_sasl_initial_response().map_err(|_| unexpected())?;
    let data = first.data.filter(|_| first.auth_method == MECHANISM).ok_or_else(unexpected)?;
    let (challenge, waiting) =
        server.on_client_first_message(&data, password).map_err(|_| unexpected())?;
    let challenge = Authentication::SASLContinue(challenge.into());
    wire.put(PgWireBackendMessage::Authentication(challenge))?;
    wire.send().await?;
    let last = answer(wire).await?;
    let PgWireFrontendMessage::PasswordMessageFamily(last) = last else { return Err(unexpected()) };
    let last = last.into_sasl_response().map_err(|_| unexpected())?;
    match (waiting.on_client_final_message(&last.data), principal) {
        (Ok(proof), Some(principal)) => {
            door.attempts.succeeded(user, peer);
            let proof = Authentication::SASLFinal(proof.into());
            wire.put(PgWireBackendMessage::Authentication(proof))?;
            Ok(principal)
        }
        _ => {
            door.attempts.failed(Some(user), peer);
            tracing::warn!(%peer, "a login failed");
            Err(PgError::new("28P01", "password authentication failed").fatal().into())
        }
    }
}

async fn answer<S: Stream>(wire: &mut Wire<S>) -> Result<PgWireFrontendMessage, Stop> {
    wire.next().await?.ok_or(Stop::Gone)
}

fn unexpected() -> Stop {
    PgError::protocol("the login is not one by SCRAM-SHA-256").fatal().into()
}

fn no_randomness() -> PgError {
    PgError::new("58000", "the system gives no random bytes").fatal()
}

/// The purpose that a database stands for.
fn purpose(
    door: &Door,
    principal: &Principal,
    user: &str,
    database: &str,
) -> Result<Purpose, PgError> {
    let policy = door.gateway.governor.policy();
    if database == DEFAULT_DATABASE || database == user {
        return policy.default_purpose(principal).cloned().ok_or_else(|| {
            PgError::new("3D000", "this principal has no default purpose")
                .with_hint("connect to a database that has the name of a purpose")
                .fatal()
        });
    }
    let named = database.parse().ok();
    // A purpose that is not there and one that is not open look the same.
    named.filter(|purpose| policy.may_use(principal, purpose).is_ok()).ok_or_else(|| {
        PgError::new("3D000", "there is no database of this name for this principal")
            .with_hint(format!(
                "databases stand for purposes: {}",
                databases(door, principal).join(", ")
            ))
            .fatal()
    })
}

/// The databases of a principal: the purposes that it may ask for.
fn databases(door: &Door, principal: &Principal) -> Vec<String> {
    let policy = Arc::clone(door.gateway.governor.policy());
    let open = policy.leaves().filter(|node| policy.may_use(principal, &node.key).is_ok());
    open.map(|node| node.key.to_string()).collect()
}

/// Settings as a command line has them: `-c name=value` and `--name=value`.
fn begin_with_options(settings: &mut Settings, options: &str) -> Result<(), PgError> {
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        let pair = match word {
            "-c" => words.next(),
            _ => word.strip_prefix("--").or_else(|| word.strip_prefix("-c")),
        };
        if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
            settings.begin_with(&name.replace('-', "_"), value)?;
        }
    }
    Ok(())
}
