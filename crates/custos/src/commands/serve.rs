//! `custos serve`: the doors.

use std::sync::Arc;

use custos_gateway::Gateway;
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::installation::{Installation, StoredPrincipals};
use crate::output;

/// Serves until the process is asked to end.
pub(crate) async fn serve(installation: Installation) -> Result<(), Failure> {
    let engine = installation.engine().await?;
    let gateway = Gateway {
        governor: engine.governor,
        executor: engine.executor,
        erasure: Arc::new(installation.erasure()?),
        authenticator: Arc::new(StoredPrincipals(installation.store.clone())),
        audit: Arc::clone(&installation.audit),
        clock: Arc::clone(&installation.clock),
    };
    let listener = TcpListener::bind(installation.config.http).await?;
    output::note(format!("serving http://{}", listener.local_addr()?));
    custos_gateway::serve(listener, gateway, ended()).await?;
    Ok(())
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
