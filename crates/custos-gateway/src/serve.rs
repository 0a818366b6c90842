//! The HTTP door.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::error::RequestError;
use crate::gateway::{App, Gateway};
use crate::observe::observe;
use crate::tasks::Tasks;
use crate::wire_error::Failure;
use crate::{health, keys, privacy, profiles, sql};

/// Longest body with a statement.
const SQL_BODY_BYTES_MAX: usize = 512 * 1024;

/// Longest body about a privacy request.
const PRIVACY_BODY_BYTES_MAX: usize = 16 * 1024;

/// Longest body with a reference to a key.
const KEY_BODY_BYTES_MAX: usize = 1024;

/// How long requests may go on after the shutdown began.
pub(crate) const DRAIN_SECONDS_MAX: u64 = 30;

/// Answers requests on `listener` until `shutdown` completes.
///
/// Then no connection is accepted any more, and what was begun has 30 seconds to end. Work for
/// privacy requests is resumable, and statements only read, so what is cut off does no harm. Its
/// statements go on until the executor that all doors share is closed.
pub async fn serve(
    listener: TcpListener,
    state: Gateway,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let tasks = Arc::new(Tasks::default());
    let app = App { gateway: state, tasks: Arc::clone(&tasks) };
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
        shutdown.await;
        drop(stop);
    });
    let done = async {
        serving.await?;
        tasks.idle().await;
        Ok(())
    };
    let overdue = async {
        // Resolves when the other end is dropped, which is when the shutdown begins.
        if stopping.await.is_err() {
            sleep(Duration::from_secs(DRAIN_SECONDS_MAX)).await;
        }
    };
    tokio::select! {
        done = done => done,
        () = overdue => {
            tracing::warn!("requests did not end in time and are cut off");
            Ok(())
        }
    }
}

fn router(app: App) -> Router {
    let sql = post(sql::run).layer(DefaultBodyLimit::max(SQL_BODY_BYTES_MAX));
    let privacy = Router::new()
        .route("/v1/privacy/requests", post(privacy::open))
        .route("/v1/privacy/requests/{id}", get(privacy::show))
        .route("/v1/privacy/requests/{id}/verify", post(privacy::verify))
        .layer(DefaultBodyLimit::max(PRIVACY_BODY_BYTES_MAX));
    let key = post(keys::unwrap).layer(DefaultBodyLimit::max(KEY_BODY_BYTES_MAX));
    let router = Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/v1/sql", sql)
        .route("/v1/policy/explain", get(sql::explain))
        .route("/v1/profiles/{subject}", get(profiles::show))
        .route("/v1/keys/unwrap", key)
        .merge(privacy)
        .fallback(nothing_here);
    router.layer(from_fn(observe)).with_state(app)
}

async fn nothing_here() -> Failure {
    RequestError::NoSuchAddress.into()
}
