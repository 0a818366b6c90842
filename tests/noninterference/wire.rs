//! The same questions over each door: what is compared and searched is what went over the wire.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow_flight::sql::client::FlightSqlServiceClient;
use async_trait::async_trait;
use custos_core::{PrincipalId, StoreError};
use custos_gateway::{Authenticator, Encryption, Gateway, Login, Metrics, salted_password};
use custos_policy::Principal;
use custos_query::Limits;
use futures::TryStreamExt;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, Column, Connection, Row, TypeInfo, ValueRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use crate::observe::{Cell, Seen, cells};
use crate::rows::Asker;
use crate::twins::Worlds;
use crate::world::{World, principal};

/// Generated questions that each door is asked.
const QUESTIONS: usize = 150;

/// The doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Http,
    Postgres,
    Flight,
}

impl Door {
    pub(crate) const ALL: [Self; 3] = [Self::Http, Self::Postgres, Self::Flight];
}

/// Everybody's secret is their name.
#[derive(Debug)]
struct Names;

fn known(name: &str) -> Option<Principal> {
    Asker::ALL.into_iter().map(principal).find(|known| known.id.as_str() == name)
}

#[async_trait]
impl Authenticator for Names {
    async fn principal_by_secret(
        &self,
        sha256: &[u8; 32],
    ) -> Result<Option<Principal>, StoreError> {
        let mut all = Asker::ALL.into_iter().map(principal);
        Ok(all.find(|known| Sha256::digest(known.id.as_str()).as_slice() == sha256))
    }

    async fn principal(&self, name: &PrincipalId) -> Result<Option<Principal>, StoreError> {
        Ok(known(name.as_str()))
    }

    async fn was_revoked(&self, _: &PrincipalId) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn login(&self, name: &PrincipalId) -> Result<Option<Login>, StoreError> {
        let salted_password = salted_password(name.as_str(), &self.salt(name.as_str()));
        Ok(known(name.as_str()).map(|principal| Login { principal, salted_password }))
    }

    fn salt(&self, _: &str) -> [u8; 16] {
        [7; 16]
    }
}

/// Passes bytes on, and keeps those that the server sends.
#[derive(Debug, Clone)]
struct Tap {
    port: u16,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    async fn before(server: u16, tasks: &mut JoinSet<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&sent);
        tasks.spawn(async move {
            let mut passing = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                passing.spawn(async move {
                    let _ended = tokio::io::copy(&mut from_client, &mut to_server).await;
                });
                let kept = Arc::clone(&kept);
                passing.spawn(async move {
                    let mut bytes = vec![0; 64 * 1024];
                    while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
                        kept.lock().unwrap().extend_from_slice(&bytes[..count]);
                        if to_client.write_all(&bytes[..count]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, sent }
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

/// A world that is served, and the connections to it.
pub(crate) struct Served {
    taps: [Tap; 3],
    http: reqwest::Client,
    postgres: BTreeMap<&'static str, PgConnection>,
    flight: BTreeMap<&'static str, FlightSqlServiceClient<Channel>>,
    /// What serves and taps, as long as this lives.
    _tasks: JoinSet<()>,
}

impl World {
    /// Serves this world by all doors.
    pub(crate) async fn served(&self, limits: Limits) -> Served {
        let doors = self.doors(limits).await;
        let gateway = Gateway {
            metrics: Arc::new(Metrics::new(doors.executor.tally())),
            governor: Arc::clone(&doors.governor),
            executor: Arc::clone(&doors.executor),
            oidc: None,
            profiles: self.profiles(&doors).await,
            erasure: self.erasure(&doors.audit).await,
            exports: self.exports(&doors.audit).await,
            authenticator: Arc::new(Names),
            attempts: Arc::default(),
            audit: Arc::clone(&doors.audit),
            clock: self.clock(),
        };
        let mut listeners = Vec::new();
        for _ in Door::ALL {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let port = |at: usize| listeners[at].local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        let taps = [
            Tap::before(port(0), &mut tasks).await,
            Tap::before(port(1), &mut tasks).await,
            Tap::before(port(2), &mut tasks).await,
        ];
        let [http, postgres, flight]: [TcpListener; 3] = listeners.try_into().unwrap();
        let clear = Encryption::default;
        let other = gateway.clone();
        tasks.spawn(async move {
            custos_gateway::serve(http, other, clear(), pending()).await.unwrap();
        });
        let other = gateway.clone();
        tasks.spawn(async move {
            custos_gateway::serve_postgres(postgres, other, clear(), pending()).await.unwrap();
        });
        tasks.spawn(async move {
            custos_gateway::serve_flight(flight, gateway, clear(), pending()).await.unwrap();
        });
        let http = reqwest::Client::new();
        Served { taps, http, postgres: BTreeMap::new(), flight: BTreeMap::new(), _tasks: tasks }
    }
}

impl Served {
    /// Asks by a door; `Err` is what must never come.
    pub(crate) async fn ask(
        &mut self,
        door: Door,
        asker: Asker,
        sql: &str,
    ) -> Result<Seen, String> {
        self.taps[door as usize].take();
        let seen = match door {
            Door::Http => self.by_http(asker, sql).await,
            Door::Postgres => self.by_postgres(asker, sql).await,
            Door::Flight => self.by_flight(asker, sql).await,
        };
        let sent = self.taps[door as usize].take();
        let holds = |word: &&&str| sent.windows(word.len()).any(|bytes| bytes == word.as_bytes());
        // What the statement itself says can come back with it.
        let mut hidden = asker.forbidden().iter().filter(|word| !sql.contains(**word));
        match hidden.find(holds) {
            Some(word) => Err(format!("`{word}` went over the wire")),
            None => Ok(seen),
        }
    }

    async fn by_http(&self, asker: Asker, sql: &str) -> Seen {
        let request = self
            .http
            .post(format!("http://127.0.0.1:{}/v1/sql", self.taps[0].port))
            .bearer_auth(principal(asker).id)
            .header("x-custos-purpose", asker.purpose())
            .header("accept", "application/vnd.apache.arrow.stream")
            .body(json!({ "sql": sql }).to_string());
        let answer = request.send().await.unwrap();
        let is_ok = answer.status().is_success();
        match answer.bytes().await {
            Ok(body) if is_ok => {
                let reader = StreamReader::try_new(&body[..], None).unwrap();
                let schema = reader.schema();
                rows_seen(&schema, &reader.map(Result::unwrap).collect::<Vec<_>>())
            }
            Ok(body) => {
                let problem: Value = serde_json::from_slice(&body).unwrap();
                let text = |name: &str| problem[name].as_str().map(str::to_owned);
                Seen::Error {
                    kind: kind(&text("code").unwrap()),
                    text: text("detail").unwrap(),
                    hint: text("hint"),
                }
            }
            // It broke off after its first rows.
            Err(_) => broken_off(),
        }
    }

    async fn by_postgres(&mut self, asker: Asker, sql: &str) -> Seen {
        if !self.postgres.contains_key(asker.name()) {
            let name = principal(asker).id;
            let options = PgConnectOptions::new_without_pgpass()
                .host("127.0.0.1")
                .port(self.taps[1].port)
                .username(name.as_str())
                .password(name.as_str())
                .database(asker.purpose())
                .ssl_mode(PgSslMode::Disable);
            let connection = PgConnection::connect_with(&options).await.unwrap();
            self.postgres.insert(asker.name(), connection);
        }
        let connection = self.postgres.get_mut(asker.name()).unwrap();
        match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await {
            Ok(rows) => {
                let names = rows.first().map_or(&[][..], |row| row.columns());
                let field = |column: &sqlx::postgres::PgColumn| {
                    let of = format!("{} {}", column.name(), column.type_info().name());
                    Field::new(of, DataType::Utf8, true)
                };
                let schema = Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>()));
                Seen::Rows { schema, rows: rows.iter().map(text_cells).collect() }
            }
            Err(sqlx::Error::Database(error)) => {
                let error = error.downcast::<sqlx::postgres::PgDatabaseError>();
                Seen::Error {
                    kind: kind(error.code()),
                    text: error.message().to_owned(),
                    hint: error.hint().map(str::to_owned),
                }
            }
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    async fn by_flight(&mut self, asker: Asker, sql: &str) -> Seen {
        if !self.flight.contains_key(asker.name()) {
            let address = format!("http://127.0.0.1:{}", self.taps[2].port);
            let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
            let mut client = FlightSqlServiceClient::new(channel);
            client.set_token(principal(asker).id.to_string());
            client.set_header("x-custos-purpose", asker.purpose());
            self.flight.insert(asker.name(), client);
        }
        let client = self.flight.get_mut(asker.name()).unwrap();
        let answer = async {
            let info = client.execute(sql.to_owned(), None).await?;
            let (mut schema, mut batches) = (None, Vec::new());
            for endpoint in info.endpoint {
                let mut stream = client.do_get(endpoint.ticket.unwrap()).await?;
                while let Some(batch) = stream.try_next().await? {
                    batches.push(batch);
                }
                schema = stream.schema().cloned();
            }
            Ok::<_, arrow_flight::error::FlightError>((schema, batches))
        };
        match answer.await {
            Ok((schema, batches)) => rows_seen(&schema.unwrap(), &batches),
            Err(error) => {
                let text = error.to_string();
                let (code, text) = match &error {
                    arrow_flight::error::FlightError::Tonic(status) => {
                        (format!("{:?}", status.code()), status.message().to_owned())
                    }
                    _ => (String::new(), text),
                };
                Seen::Error { kind: kind(&code), text, hint: None }
            }
        }
    }
}

fn rows_seen(schema: &SchemaRef, batches: &[RecordBatch]) -> Seen {
    Seen::Rows { schema: Arc::clone(schema), rows: cells(batches) }
}

/// What of a failure is compared where rows were on their way already; see EXCLUSIONS.md.
fn broken_off() -> Seen {
    Seen::Error { kind: "TooLarge".to_owned(), text: String::new(), hint: None }
}

/// One name for shortages, whatever the wire calls them.
fn kind(code: &str) -> String {
    let is_shortage = ["too_large", "54000", "53200", "ResourceExhausted"].contains(&code);
    if is_shortage { "TooLarge".to_owned() } else { code.to_owned() }
}

fn text_cells(row: &PgRow) -> Vec<Cell> {
    let cell = |at: usize| {
        let value = row.try_get_raw(at).unwrap();
        let is_float = value.type_info().name().starts_with("FLOAT");
        let is_bool = value.type_info().name() == "BOOL";
        if value.is_null() {
            return Cell::Other("NULL".to_owned());
        }
        let text = value.as_str().unwrap();
        match text.parse() {
            Ok(float) if is_float => Cell::Float(float),
            _ if is_bool => Cell::Other((text == "t").to_string()),
            _ => Cell::Other(text.to_owned()),
        }
    };
    (0..row.len()).map(cell).collect()
}

#[test]
fn each_door_gives_what_it_would_if_what_is_hidden_had_never_existed() {
    let _alone = crate::run::alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let questions = crate::queries::questions();
    let generated: Vec<_> =
        (0..QUESTIONS).map(|_| questions.new_tree(&mut runner).unwrap().current()).collect();
    runtime.block_on(async {
        let worlds = Worlds::new().await;
        let (mut plain, mut full) = worlds.served().await;
        let attacks = crate::attacks::ALIKE
            .iter()
            .flat_map(|(_, sql)| Asker::OF_ROWS.map(|asker| (asker, (*sql).to_owned(), false)));
        let generated = generated.into_iter().map(|one| (one.asker, one.sql, one.ordered));
        let mut answered = BTreeMap::new();
        for (asker, sql, ordered) in attacks.chain(generated) {
            for door in Door::ALL {
                let expected = plain[asker as usize].ask(door, asker, &sql).await;
                let expected = expected.unwrap_or_else(|error| panic!("{door:?}: {sql}: {error}"));
                let found = full.ask(door, asker, &sql).await;
                let found = found.unwrap_or_else(|error| panic!("{door:?}: {sql}: {error}"));
                if expected.is_shortage() || found.is_shortage() {
                    continue;
                }
                if let Some(difference) = expected.differs(&found, ordered) {
                    panic!("{door:?}, {}: {sql}: {difference}", asker.name());
                }
                *answered.entry(door as usize).or_insert(0) += usize::from(!found.is_empty());
            }
        }
        // Doors that refuse, or find nothing, would prove little.
        for door in Door::ALL {
            assert!(answered[&(door as usize)] >= QUESTIONS / 3, "{door:?}: {answered:?}");
        }
    });
}
