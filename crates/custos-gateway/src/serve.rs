//! The HTTP door.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use crate::error::RequestError;
use crate::gateway::{App, Gateway};
use crate::observe::observe;
use crate::sql::format::Format;
use crate::statements::Statements;
use crate::tasks::Tasks;
use crate::wire_error::Failure;
use crate::{
    Encryption, health, http_listener, keys, metrics, openapi, privacy, profiles, sql, statements,
};

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
    encryption: Encryption,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let tasks = Arc::new(Tasks::default());
    let (stop, stopping) = oneshot::channel::<()>();
    let open = state.metrics.connections("http");
    let statements = Arc::<Statements>::default();
    let (tasks_of, kept) = (Arc::clone(&tasks), Arc::clone(&statements));
    let app = App { gateway: state, tasks: tasks_of, statements: kept };
    let serving = http_listener::serve(listener, (encryption, open), router(app), async move {
        shutdown.await;
        drop(stop);
    });
    let done = async {
        serving.await;
        statements.cancel_all();
        tasks.idle().await;
    };
    let overdue = async {
        // Resolves when the other end is dropped, which is when the shutdown begins.
        if stopping.await.is_err() {
            sleep(Duration::from_secs(DRAIN_SECONDS_MAX)).await;
        }
    };
    tokio::select! {
        () = done => {}
        () = overdue => tracing::warn!("requests did not end in time and are cut off"),
    }
    Ok(())
}

fn router(app: App) -> Router {
    let sql: MethodRouter<App> = post(sql::run).layer(compressed());
    let sql = sql.layer(DefaultBodyLimit::max(SQL_BODY_BYTES_MAX));
    let privacy = Router::new()
        .route("/v1/privacy/requests", post(privacy::open))
        .route("/v1/privacy/requests/{id}", get(privacy::show))
        .route("/v1/privacy/requests/{id}/verify", post(privacy::verify))
        .layer(DefaultBodyLimit::max(PRIVACY_BODY_BYTES_MAX));
    let key = post(keys::unwrap).layer(DefaultBodyLimit::max(KEY_BODY_BYTES_MAX));
    let statements = get(statements::list).merge(post(statements::submit));
    let statements = statements.layer(DefaultBodyLimit::max(SQL_BODY_BYTES_MAX));
    let fetch: MethodRouter<App> = get(statements::fetch).layer(compressed());
    let router = Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .route("/openapi.json", get(openapi::show))
        .route("/v1/sql", sql)
        .route("/v1/statements", statements)
        .route("/v1/statements/{id}", get(statements::show).delete(statements::cancel))
        .route("/v1/statements/{id}/rows", fetch)
        .route("/v1/policy/explain", get(sql::explain))
        .route("/v1/profiles/{subject}", get(profiles::show))
        .route("/v1/keys/unwrap", key)
        .merge(privacy)
        .method_not_allowed_fallback(no_such_method)
        .fallback(nothing_here);
    let metrics = Arc::clone(&app.gateway.metrics);
    // Bodies are in memory that it shares out.
    let router = router.layer(Extension(Arc::clone(&app.gateway.governor)));
    router.layer(from_fn_with_state(metrics, observe)).with_state(app)
}

/// Compresses answers for clients that take them compressed, but for Parquet, which is.
fn compressed() -> CompressionLayer<impl Predicate> {
    let parquet = NotForContentType::const_new(Format::Parquet.content_type());
    CompressionLayer::new().compress_when(SizeAbove::default().and(parquet))
}

async fn no_such_method() -> Failure {
    Failure::from(RequestError::NoSuchMethod).with_status(StatusCode::METHOD_NOT_ALLOWED)
}

async fn nothing_here() -> Failure {
    RequestError::NoSuchAddress.into()
}
