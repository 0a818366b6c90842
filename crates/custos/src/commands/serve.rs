//! `custos serve`: the doors.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use custos_core::{ErrorKind, PrincipalId};
use custos_erasure::ErasureService;
use custos_gateway::{Gateway, Metrics, OidcProvider, OidcSettings};
use custos_ingest::Compactor;
use custos_policy::Principal;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::vacuum;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;
use crate::principals::StoredPrincipals;
use crate::tls;

/// Time between looks for requests to work on.
const PAUSE: Duration = Duration::from_secs(5);

/// Time between looks for loaded files to sort, for which each table's log is read.
const SORTING_PAUSE: Duration = Duration::from_secs(60);

/// Time between looks for bytes that nothing needs. They have seven days to go.
const VACUUM_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// How old they are when they go, so that nothing reads them any more.
const VACUUM_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Who works in the background, for the audit log.
const WORKER: &str = "custos.worker";

/// Serves until the process is asked to end.
pub(crate) async fn serve(installation: &Installation) -> Result<(), Failure> {
    let engine = installation.engine().await?;
    let exports = Arc::new(installation.exports());
    let config = &installation.config.server;
    let oidc = config.oidc.clone().map(|settings| provider(installation, settings)).transpose()?;
    let profiles = Arc::new(installation.profiles(&engine).await?);
    let gateway = Gateway {
        metrics: Arc::new(Metrics::new(engine.executor.tally())),
        profiles: Arc::clone(&profiles),
        governor: engine.governor,
        executor: engine.executor,
        exports,
        erasure: Arc::new(installation.erasure()?),
        authenticator: Arc::new(StoredPrincipals::new(
            installation.store.clone(),
            Arc::clone(&installation.keys),
        )),
        oidc,
        attempts: Arc::default(),
        audit: Arc::clone(&installation.audit),
        clock: Arc::clone(&installation.clock),
    };
    let encryption = config.tls.as_ref().map(tls::encryption).transpose()?.unwrap_or_default();
    let http = TcpListener::bind(config.http).await?;
    output::note(format!("serving http://{}", http.local_addr()?));
    let postgres = match config.postgres {
        Some(address) => Some(TcpListener::bind(address).await?),
        None => None,
    };
    let mut doors = JoinSet::new();
    if let Some(listener) = postgres {
        output::note(format!("serving postgres://{}", listener.local_addr()?));
        let (gateway, encryption) = (gateway.clone(), encryption.clone());
        doors.spawn(custos_gateway::serve_postgres(listener, gateway, encryption, ended()));
    }
    if let Some(address) = config.flight {
        let listener = TcpListener::bind(address).await?;
        output::note(format!("serving grpc://{}", listener.local_addr()?));
        let (gateway, encryption) = (gateway.clone(), encryption.clone());
        doors.spawn(custos_gateway::serve_flight(listener, gateway, encryption, ended()));
    }
    let erasure = Arc::clone(&gateway.erasure);
    let executor = Arc::clone(&gateway.executor);
    doors.spawn(custos_gateway::serve(http, gateway, encryption, ended()));
    let compactor = installation.compactor();
    let all = async {
        while let Some(door) = doors.join_next().await {
            door.map_err(std::io::Error::other)??;
        }
        Ok::<_, Failure>(())
    };
    let served = tokio::select! {
        served = all => served,
        never = work(&erasure, WORKER.parse()?) => match never {},
        never = sort(&compactor) => match never {},
        never = clean(installation) => match never {},
        never = profiles.keep() => match never {},
    };
    // Not before all doors are shut: it ends what is left of statements, and records that.
    executor.close().await;
    served
}

/// Whose tokens are accepted.
fn provider(
    installation: &Installation,
    settings: OidcSettings,
) -> Result<Arc<OidcProvider>, Failure> {
    let provider = OidcProvider::new(settings, Arc::clone(&installation.clock));
    provider.map(Arc::new).map_err(|problem| {
        Failure::new(ErrorKind::Invalid, format!("server.oidc.issuer: {problem}"))
    })
}

/// Goes on with verified requests, those that a crash or a lost client left included.
async fn work(erasure: &ErasureService, id: PrincipalId) -> Infallible {
    let worker = Principal::new(id, vec!["officer".to_owned()]);
    loop {
        if let Err(error) = erasure.work(&worker).await {
            tracing::error!(%error, "a request could not be worked on");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sorts what was loaded.
async fn sort(compactor: &Compactor) -> Infallible {
    loop {
        if let Err(error) = compactor.run(WORKER, &|_| ()).await {
            tracing::error!(%error, "loaded files could not be sorted");
        }
        tokio::time::sleep(SORTING_PAUSE).await;
    }
}

/// Deletes bytes that nothing needs any more.
async fn clean(installation: &Installation) -> Infallible {
    loop {
        tokio::time::sleep(VACUUM_PAUSE).await;
        if let Err(failure) = vacuum::sweep(installation, WORKER, VACUUM_KEPT).await {
            tracing::error!(
                error = failure.message(),
                "bytes that nothing needs could not be deleted"
            );
        }
    }
}

/// Waits for Ctrl-C or, from a service manager, SIGTERM.
pub(super) async fn ended() {
    let interrupted = tokio::signal::ctrl_c();
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupted => {}
        _ = terminated => {}
    }
}
