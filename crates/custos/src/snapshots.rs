//! Snapshots of the control store, taken while a command or the server is at work.

use std::future::Future;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

/// Does the work of an installation, and meanwhile and at its end keeps the lake's snapshots of the
/// control store up to date. That they are not is no failure of the work.
pub(crate) async fn kept(
    installation: &Installation,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let Some(snapshots) = &installation.snapshots else { return work.await };
    let (at_work, mut ended) = oneshot::channel::<()>();
    let work = async {
        let done = work.await;
        drop(at_work);
        done
    };
    let keep = async {
        // None is given up half way, whatever the moment at which the work ends.
        loop {
            tokio::select! {
                _ = &mut ended => break,
                () = sleep(installation.config.snapshot_pause) => {}
            }
            if let Err(error) = snapshots.keep().await {
                tracing::error!(%error, "the lake's snapshot of the control store is not up to date");
            }
        }
    };
    let (done, ()) = tokio::join!(work, keep);
    if done.as_ref().is_err_and(Failure::is_unavailable) {
        return done;
    }
    if let Err(error) = snapshots.keep().await {
        output::note(format!(
            "the lake's snapshot of the control store is not up to date: {error}"
        ));
    }
    done
}
