use super::*;
use futures::FutureExt;
use std::sync::Arc;

#[tokio::test]
async fn work_answers_its_caller() {
    assert_eq!(Tasks::default().finish(async { 7 }).await.unwrap(), 7);
}

#[tokio::test]
async fn work_goes_on_when_its_caller_has_left() {
    let tasks = Tasks::default();
    let done = Arc::new(Mutex::new(false));
    let (go, gone) = oneshot::channel::<()>();
    let mark = Arc::clone(&done);
    let work = tasks.finish(async move {
        gone.await.unwrap();
        *mark.lock().unwrap() = true;
    });
    // The caller asks once and hangs up.
    assert!(work.now_or_never().is_none());
    go.send(()).unwrap();
    tasks.idle().await;
    assert!(*done.lock().unwrap());
}

#[tokio::test]
async fn work_that_panics_is_reported_and_does_not_stop_other_work() {
    let tasks = Tasks::default();
    let broken = tasks.finish(async { assert_eq!(1 + 1, 3) }).await;
    assert!(matches!(broken, Err(RequestError::WorkBrokeOff)));
    assert_eq!(tasks.finish(async { 7 }).await.unwrap(), 7);
    tasks.idle().await;
}
