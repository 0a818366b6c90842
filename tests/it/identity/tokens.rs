//! Tokens of a real OpenID provider, OpenBao.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use custos_testkit::OpenBao;
use serde_json::{Value, json};

use super::{Custos, Server, ask_as, ask_for, both, curl, flight, psql, rows, says, secret, shop};

/// Tokens that the provider did not make, each from one that it made.
const FORGED: &str = r#"
import base64, hashlib, hmac, json, sys
token, keys = sys.argv[1], json.loads(sys.argv[2])["keys"]
def encode(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
def part(value):
    return encode(json.dumps(value).encode())
header, claims, signature = token.split(".")
said, claimed = json.loads(decode(header)), json.loads(decode(claims))
key = next(key for key in keys if key["kid"] == said["kid"])
def hs256(secret, header):
    text = part(header) + "." + claims
    return text + "." + encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())
shared = {**said, "alg": "HS256"}
print(json.dumps({
    "more roles": ".".join([header, part({**claimed, "roles": ["officer"]}), signature]),
    "another name": ".".join([header, part({**claimed, "name": "bo"}), signature]),
    "no signature": ".".join([header, claims, ""]),
    "alg none": ".".join([part({**said, "alg": "none"}), claims, ""]),
    "alg None": ".".join([part({**said, "alg": "None"}), claims, signature]),
    "the modulus as secret": hs256(decode(key["n"]), shared),
    "the modulus in text as secret": hs256(key["n"].encode(), shared),
    "the key in text as secret": hs256(json.dumps(key).encode(), shared),
    "nothing as secret": hs256(b"", shared),
    "another algorithm": ".".join([part({**said, "alg": "PS256"}), claims, signature]),
    "another key": ".".join([part({**said, "kid": "guess"}), claims, signature]),
    "no key": ".".join([part({"alg": "RS256"}), claims, signature]),
    "a key of its own": ".".join([part({**said, "jwk": key, "kid": "own"}), claims, signature]),
    "critical": ".".join([part({**said, "crit": ["x"], "x": 1}), claims, signature]),
    "cut": token[:-9],
}))
"#;

/// A provider with these users; each is a member of groups, which are its roles, and confined to a
/// purpose.
struct Provider(OpenBao);

impl Provider {
    fn start(users: &[(&str, &[&str], &str)]) -> Self {
        let provider = Self(OpenBao::start().expect("an OpenBao server"));
        let write = |arguments: &[&str]| provider.write(arguments);
        provider.0.bao(&["auth", "enable", "userpass"]).expect("logins by password");
        let mounts = provider.0.bao(&["auth", "list", "-format=json"]).expect("a list");
        let mounts: Value = serde_json::from_str(&mounts).expect("JSON");
        let accessor = mounts["userpass/"]["accessor"].as_str().expect("an accessor");
        let policy = "path \"identity/oidc/token/*\" { capabilities = [\"read\"] }";
        provider.0.token(&[("tokens", policy)]).expect("a policy");
        write(&["identity/oidc/key/custos", "allowed_client_ids=*", "algorithm=RS256"]);
        let template = "template={\"name\": {{identity.entity.name}}, \
                        \"roles\": {{identity.entity.groups.names}}, \
                        \"purposes\": {{identity.entity.metadata.purposes}}}";
        for (role, audience, lives) in
            [("custos", "custos", "1h"), ("other", "other", "1h"), ("short", "custos", "2s")]
        {
            let (id, ttl) = (format!("client_id={audience}"), format!("ttl={lives}"));
            let path = format!("identity/oidc/role/{role}");
            write(&[&path, "key=custos", &id, &ttl, template]);
        }
        for (name, groups, purpose) in users {
            let password = format!("auth/userpass/users/{name}");
            write(&[&password, "password=correct-horse", "token_policies=tokens"]);
            let (own, purpose) = (format!("name={name}"), format!("metadata=purposes={purpose}"));
            let entity = write(&["identity/entity", &own, &purpose]);
            let id = entity["data"]["id"].as_str().expect("an id").to_owned();
            let (canonical, mount) =
                (format!("canonical_id={id}"), format!("mount_accessor={accessor}"));
            write(&["identity/entity-alias", &own, &canonical, &mount]);
            for group in *groups {
                // A group is made once and has one more member each time.
                let path = format!("identity/group/name/{group}");
                let known = provider.0.bao(&["read", "-format=json", &path]).ok();
                let known = known.map(|it| serde_json::from_str::<Value>(&it).expect("JSON"));
                let members = known.map(|it| it["data"]["member_entity_ids"].clone());
                let members = members.as_ref().and_then(Value::as_array).cloned();
                let mut members: Vec<String> = members
                    .unwrap_or_default()
                    .iter()
                    .map(|member| member.as_str().expect("an id").to_owned())
                    .collect();
                members.push(id.clone());
                let members = format!("member_entity_ids={}", members.join(","));
                write(&[&path, &members]);
            }
        }
        provider
    }

    fn write(&self, arguments: &[&str]) -> Value {
        let told = self.0.bao(&[&["write", "-force", "-format=json"], arguments].concat());
        serde_json::from_str(&told.expect("it is written")).unwrap_or_default()
    }

    fn issuer(&self) -> String {
        format!("{}/v1/identity/oidc", self.0.address())
    }

    /// What is at an address, for whom a token of the server's own is of.
    fn get(&self, path: &str, token: &str) -> Value {
        let (url, header) =
            (format!("{}/v1/{path}", self.0.address()), format!("x-vault-token: {token}"));
        let (status, said) = curl(&[&url, "-H", &header]);
        assert_eq!(status, 200, "{said}");
        let (_, body) = said.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    }

    /// A signed token of a user.
    fn token(&self, user: &str, role: &str) -> String {
        let login = format!("auth/userpass/login/{user}");
        let login = self.write(&[&login, "password=correct-horse"]);
        let own = login["auth"]["client_token"].as_str().expect("a token");
        let told = self.get(&format!("identity/oidc/token/{role}"), own);
        told["data"]["token"].as_str().expect("a signed token").to_owned()
    }

    fn rotate(&self) {
        self.write(&["identity/oidc/key/custos/rotate"]);
    }

    fn forged(&self, token: &str) -> Vec<(String, String)> {
        let keys = self.get("identity/oidc/.well-known/keys", "").to_string();
        let mut python = Command::new("python3");
        let output = python.args(["-c", FORGED, token, &keys]).output().expect("python3 runs");
        assert!(output.status.success(), "{output:?}");
        let forged: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let forged = forged.as_object().expect("tokens").iter();
        forged
            .map(|(how, token)| (how.clone(), token.as_str().expect("a token").to_owned()))
            .collect()
    }

    /// A shop that accepts its tokens.
    fn shop(&self) -> Custos {
        shop(&[
            ("CUSTOS_SERVER_OIDC_ISSUER", &self.issuer()),
            ("CUSTOS_SERVER_OIDC_AUDIENCE", "custos"),
            ("CUSTOS_SERVER_OIDC_NAME_CLAIM", "name"),
            ("CUSTOS_SERVER_OIDC_PURPOSES_CLAIM", "purposes"),
        ])
    }
}

fn ask_as_for(server: &Server, token: &str, purpose: &str) -> u16 {
    let header = format!("authorization: Bearer {token}");
    ask_for(purpose, &format!("http://{}", server.address()), &["-H", &header]).0
}

fn by_token(server: &Server, token: &str) -> [Value; 2] {
    let uri = format!("grpc://{}", server.door("grpc"));
    flight(&both(&json!({"uri": uri, "token": token}))).try_into().expect("two answers")
}

#[test]
fn a_token_opens_what_it_says_and_no_other_token_does() {
    let provider = Provider::start(&[
        ("ana", &["analyst", "officer"], "analytics"),
        ("bo", &["analyst"], ""),
        ("cy", &["officer"], "legal_claims"),
    ]);
    let custos = provider.shop();
    let server = Server::start(&custos);
    let short = (provider.token("ana", "short"), Instant::now());
    let ana = provider.token("ana", "custos");
    for token in [&ana, &short.0] {
        let (status, said) = ask_as(&server, token);
        assert!(status == 200 && said.contains("o3"), "{said}");
    }
    assert_eq!(by_token(&server, &ana), rows());

    // Roles give no more than the purposes do, and purposes no more than the roles.
    assert_eq!(ask_as_for(&server, &ana, "legal_claims"), 403);
    assert_eq!(ask_as_for(&server, &provider.token("bo", "custos"), "analytics"), 403);
    let cy = provider.token("cy", "custos");
    assert_eq!(ask_as_for(&server, &cy, "legal_claims"), 200);
    assert_eq!(ask_as_for(&server, &cy, "analytics"), 403);
    let (url, header) = (
        format!("http://{}/v1/privacy/requests", server.address()),
        format!("authorization: Bearer {cy}"),
    );
    let body = json!({"type": "erasure", "subject": "customer_id@pos:M-ANA", "regime": "gdpr"});
    let (body, json) = (body.to_string(), "content-type: application/json");
    let (status, said) = curl(&[&url, "-d", &body, "-H", json, "-H", &header]);
    assert_eq!(status, 403, "{said}");

    // What the provider did not sign, and what is for another.
    let without_id = |said: &str| said.split("\r\n\r\n").nth(1).map(str::to_owned);
    let unknown = without_id(&ask_as(&server, "guess").1);
    let other = ("another audience".to_owned(), provider.token("ana", "other"));
    let forged = provider.forged(&ana);
    assert_eq!(forged.len(), 15);
    for (how, token) in forged.iter().chain([&other]) {
        let (status, said) = ask_as(&server, token);
        assert_eq!((status, without_id(&said)), (401, unknown.clone()), "{how}");
    }
    for (how, token) in [&other, &forged[0], &forged[3], &forged[5]] {
        for told in by_token(&server, token) {
            assert!(told.to_string().contains("no valid bearer token"), "{how}: {told}");
        }
    }
    let as_ana = [("PGUSER", "oidc:ana"), ("PGPASSWORD", &*ana)];
    psql(&server, &as_ana, "select 1").fails(2, &["password authentication failed"]);

    // A token that is over.
    sleep(Duration::from_secs(34).saturating_sub(short.1.elapsed()));
    assert_eq!(ask_as(&server, &short.0).0, 401);
    assert_eq!(ask_as(&server, &ana).0, 200);

    let log = server.end();
    for token in [&ana, &cy] {
        let signature = token.rsplit('.').next().expect("a signature");
        assert!(!log.contains(signature), "{log}");
    }
    // The record tells who it was.
    let entries = custos.run(&["audit", "export"]).ok();
    let of = |actor: &str| entries.out.contains(&format!("\"actor\":\"{actor}\""));
    assert!(of("oidc:ana") && of("oidc:cy") && !of("ana"), "{entries:?}");
    custos.healthy();
}

#[test]
fn keys_are_exchanged_and_a_provider_that_is_away_lets_nobody_new_in() {
    let mut provider = Provider::start(&[("ana", &["analyst"], "analytics")]);
    let custos = provider.shop();
    let own = secret(&custos, "stored", "analyst");
    let server = Server::start(&custos);
    let before = provider.token("ana", "custos");
    assert_eq!(ask_as(&server, &before).0, 200);
    provider.rotate();
    let after = provider.token("ana", "custos");
    assert_ne!(before.split('.').next(), after.split('.').next(), "another key");
    let deadline = Instant::now() + Duration::from_secs(15);
    while ask_as(&server, &after).0 != 200 {
        assert!(Instant::now() < deadline, "the new key is not known");
        sleep(Duration::from_millis(500));
    }
    assert_eq!(ask_as(&server, &before).0, 200, "the provider still vouches for it");
    assert_eq!(by_token(&server, &after), rows());

    provider.0.stop().expect("it ends");
    assert_eq!(ask_as(&server, &after).0, 200, "its keys are known");
    server.end();
    let server = Server::start(&custos);
    let (status, said) = ask_as(&server, &after);
    assert!(status == 503 && said.contains("does not answer"), "{said}");
    for told in by_token(&server, &after) {
        says(&told, &["does not answer"]);
    }
    assert_eq!(ask_as(&server, &own).0, 200, "secrets need no provider");
    provider.0.start_again().expect("it is back");
    let deadline = Instant::now() + Duration::from_secs(15);
    while ask_as(&server, &after).0 != 200 {
        assert!(Instant::now() < deadline, "the provider is back");
        sleep(Duration::from_millis(500));
    }
    server.end();
}

#[test]
fn who_was_revoked_by_name_does_not_come_back_by_token() {
    let provider =
        Provider::start(&[("ana", &["analyst"], "analytics"), ("bo", &["analyst"], "analytics")]);
    let custos = provider.shop();
    let server = Server::start(&custos);
    let [ana, bo] = ["ana", "bo"].map(|name| provider.token(name, "custos"));
    // A stored principal of the name is another one: neither has what the other has.
    let own = secret(&custos, "ana", "marketer");
    assert_eq!((ask_as(&server, &ana).0, ask_as(&server, &own).0), (200, 403));
    custos.run(&["principal", "revoke", "ana"]).ok();
    assert_eq!((ask_as(&server, &ana).0, ask_as(&server, &own).0), (401, 401));
    assert!(
        by_token(&server, &ana).iter().all(|told| told.to_string().contains("no valid bearer"))
    );
    assert_eq!((ask_as(&server, &bo).0, by_token(&server, &bo)), (200, rows()));
    secret(&custos, "ana", "analyst");
    assert_eq!(ask_as(&server, &ana).0, 200);
    server.end();

    let add = ["principal", "add", "oidc:bo", "--role", "officer"];
    custos.run(&add).fails(3, &["leave `oidc:` out"]);
    custos.run(&["principal", "revoke", "oidc:bo"]).fails(5, &["add a principal of the name"]);
}
