//! `custos serve`: the doors.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use custos_core::PrincipalId;
use custos_erasure::ErasureService;
use custos_gateway::Gateway;
use custos_ingest::Compactor;
use custos_policy::Principal;
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::installation::{Installation, StoredPrincipals};
use crate::output;

/// Time between looks for requests to work on.
const PAUSE: Duration = Duration::from_secs(5);

/// Serves until the process is asked to end.
pub(crate) async fn serve(installation: Installation) -> Result<(), Failure> {
    let engine = installation.engine().await?;
    let exports = Arc::new(installation.exports());
    let gateway = Gateway {
        governor: engine.governor,
        executor: engine.executor,
        exports,
        erasure: Arc::new(installation.erasure()?),
        authenticator: Arc::new(StoredPrincipals(installation.store.clone())),
        audit: Arc::clone(&installation.audit),
        clock: Arc::clone(&installation.clock),
    };
    let listener = TcpListener::bind(installation.config.http).await?;
    output::note(format!("serving http://{}", listener.local_addr()?));
    let erasure = Arc::clone(&gateway.erasure);
    let compactor = installation.compactor();
    tokio::select! {
        served = custos_gateway::serve(listener, gateway, ended()) => served?,
        never = work(&erasure, &compactor, "custos.worker".parse()?) => match never {},
    }
    Ok(())
}

/// Goes on with verified requests, those that a crash or a lost client left included, and then
/// sorts what was loaded.
async fn work(erasure: &ErasureService, compactor: &Compactor, id: PrincipalId) -> Infallible {
    let actor = id.to_string();
    let worker = Principal { id, roles: vec!["officer".to_owned()] };
    loop {
        if let Err(error) = erasure.work(&worker).await {
            tracing::error!(%error, "a request could not be worked on");
        }
        if let Err(error) = compactor.run(&actor, &|_| ()).await {
            tracing::error!(%error, "loaded files could not be sorted");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits for Ctrl-C or, from a service manager, SIGTERM.
async fn ended() {
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
