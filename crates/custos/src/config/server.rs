//! Where clients are served, and whether their connections are encrypted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use custos_gateway::OidcSettings;
use serde::Deserialize;

/// Where HTTP is served unless said otherwise.
const HTTP: &str = "127.0.0.1:8080";

/// Where PostgreSQL's clients are served unless said otherwise.
const POSTGRES: &str = "127.0.0.1:5433";

/// Where Flight SQL is served unless said otherwise.
const FLIGHT: &str = "127.0.0.1:32010";

/// What switches a door off.
const OFF: &str = "off";

/// The settings of this section in the environment.
pub(super) const VARIABLES: [&str; 12] = [
    "CUSTOS_SERVER_HTTP",
    "CUSTOS_SERVER_POSTGRES",
    "CUSTOS_SERVER_FLIGHT",
    "CUSTOS_SERVER_TLS_CERTIFICATE",
    "CUSTOS_SERVER_TLS_KEY",
    "CUSTOS_SERVER_TLS_REQUIRED",
    "CUSTOS_SERVER_TLS_CLIENT_CA",
    "CUSTOS_SERVER_OIDC_ISSUER",
    "CUSTOS_SERVER_OIDC_AUDIENCE",
    "CUSTOS_SERVER_OIDC_NAME_CLAIM",
    "CUSTOS_SERVER_OIDC_ROLES_CLAIM",
    "CUSTOS_SERVER_OIDC_PURPOSES_CLAIM",
];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawServer {
    http: Option<String>,
    postgres: Option<String>,
    flight: Option<String>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_required: Option<bool>,
    tls_client_ca: Option<PathBuf>,
    oidc: RawOidc,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawOidc {
    issuer: Option<String>,
    audience: Option<String>,
    name_claim: Option<String>,
    roles_claim: Option<String>,
    purposes_claim: Option<String>,
}

/// Where clients are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) http: SocketAddr,
    /// Where PostgreSQL's clients are, if they are.
    pub(crate) postgres: Option<SocketAddr>,
    /// Where those of Flight SQL are, if they are.
    pub(crate) flight: Option<SocketAddr>,
    /// What connections are encrypted with, if they are.
    pub(crate) tls: Option<Tls>,
    /// Whose tokens are accepted, if any are.
    pub(crate) oidc: Option<OidcSettings>,
}

/// A certificate with its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Whether clients that do not encrypt are turned away.
    pub(crate) is_required: bool,
    /// Who signs certificates that clients log in with, if they can.
    pub(crate) client_ca: Option<PathBuf>,
}

impl RawServer {
    /// The settings of the file and the environment, which wins; problems are added to the list.
    pub(super) fn resolve(
        self,
        folder: &Path,
        environment: &BTreeMap<String, String>,
        problems: &mut Vec<String>,
    ) -> Option<Server> {
        let set = |name: &str, written: Option<String>| environment.get(name).cloned().or(written);
        let path = |name: &str, written: Option<PathBuf>| {
            let set = environment.get(name).map(PathBuf::from).or(written);
            set.filter(|path| !path.as_os_str().is_empty()).map(|path| folder.join(path))
        };
        let http = set("CUSTOS_SERVER_HTTP", self.http).unwrap_or_else(|| HTTP.to_owned());
        let http = address("http", &http, HTTP, problems);
        let postgres = set("CUSTOS_SERVER_POSTGRES", self.postgres);
        let postgres = door("postgres", postgres.as_deref(), POSTGRES, problems)?;
        let flight = set("CUSTOS_SERVER_FLIGHT", self.flight);
        let flight = door("flight", flight.as_deref(), FLIGHT, problems)?;
        let required =
            set("CUSTOS_SERVER_TLS_REQUIRED", self.tls_required.map(|on| on.to_string()));
        let is_required = match required.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                problems.push(format!("server.tls_required: `{other}` is neither true nor false"));
                return None;
            }
        };
        let certificate = path("CUSTOS_SERVER_TLS_CERTIFICATE", self.tls_certificate);
        let client_ca = path("CUSTOS_SERVER_TLS_CLIENT_CA", self.tls_client_ca);
        let tls = match (certificate, path("CUSTOS_SERVER_TLS_KEY", self.tls_key)) {
            (Some(certificate), Some(key)) => {
                Some(Tls { certificate, key, is_required, client_ca })
            }
            (None, None) if !is_required && client_ca.is_none() => None,
            _ => {
                let needed = "server.tls_certificate and server.tls_key are needed, both of them";
                problems.push(needed.to_owned());
                None
            }
        };
        let oidc = self.oidc.resolve(environment, problems);
        Some(Server { http: http?, postgres, flight, tls, oidc })
    }
}

impl RawOidc {
    fn resolve(
        self,
        environment: &BTreeMap<String, String>,
        problems: &mut Vec<String>,
    ) -> Option<OidcSettings> {
        let set = |name: &str, written: Option<String>| {
            let set = environment.get(&format!("CUSTOS_SERVER_OIDC_{name}")).cloned().or(written);
            set.filter(|text| !text.is_empty())
        };
        let name = set("NAME_CLAIM", self.name_claim);
        let roles = set("ROLES_CLAIM", self.roles_claim);
        let purposes = set("PURPOSES_CLAIM", self.purposes_claim);
        match (set("ISSUER", self.issuer), set("AUDIENCE", self.audience)) {
            (Some(issuer), Some(audience)) => Some(OidcSettings {
                issuer,
                audience,
                name_claim: name.unwrap_or_else(|| "sub".to_owned()),
                roles_claim: roles.unwrap_or_else(|| "roles".to_owned()),
                purposes_claim: purposes,
            }),
            (None, None) if name.is_none() && roles.is_none() && purposes.is_none() => None,
            _ => {
                problems
                    .push("server.oidc: issuer and audience are needed, both of them".to_owned());
                None
            }
        }
    }
}

/// The address of a door that can be switched off.
fn door(
    name: &str,
    set: Option<&str>,
    default: &str,
    problems: &mut Vec<String>,
) -> Option<Option<SocketAddr>> {
    match set {
        Some(OFF | "") => Some(None),
        set => address(name, set.unwrap_or(default), default, problems).map(Some),
    }
}

fn address(
    door: &str,
    text: &str,
    example: &str,
    problems: &mut Vec<String>,
) -> Option<SocketAddr> {
    let parsed = text.parse();
    if parsed.is_err() {
        problems.push(format!("server.{door}: `{text}` is not an address such as `{example}`"));
    }
    parsed.ok()
}
