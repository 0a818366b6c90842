//! The threads that compute answers, and whose turn it is there.
//!
//! They are apart from those that talk to clients, and principals take turns at them: some
//! operators of the engine (DataFusion 55, a nested-loop join whose filter few rows pass) compute
//! for minutes without a pause, and with one such on every thread nobody could even cancel them.

use std::any::Any;
use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread::available_parallelism;

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::fair_queue::{Account, Asked, FairQueue, Slice};
use crate::{QueryError, STACK_BYTES};

static THREADS: OnceLock<Option<Runtime>> = OnceLock::new();

static QUEUE: OnceLock<Arc<FairQueue>> = OnceLock::new();

thread_local! {
    /// The slice of the task that this thread computes.
    static CURRENT: RefCell<Option<Slice>> = const { RefCell::new(None) };
}

/// Where statements run.
pub(crate) fn threads() -> Result<&'static Handle, QueryError> {
    let runtime = THREADS.get_or_init(|| {
        // Tasks that the engine makes compute for whom the task does that makes them. That it was
        // told so before is no error.
        let _told = set_join_set_tracer(&Inherited);
        Builder::new_multi_thread()
            // One more than compute, which takes tasks in that ask for their turn.
            .worker_threads(processors() + 1)
            .thread_name("custos-compute")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .ok()
    });
    runtime.as_ref().map(Runtime::handle).ok_or(QueryError::Busy)
}

fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn queue() -> &'static Arc<FairQueue> {
    QUEUE.get_or_init(|| FairQueue::new(processors()))
}

/// A task that computes when it is its principal's turn.
pub(crate) fn in_turn<F>(future: F, account: Arc<Account>) -> impl Future<Output = F::Output>
where
    F: Future,
{
    InTurn { future: Box::pin(future), account, asked: None }
}

/// The same here and now, for what is not to keep others from the threads that talk to clients.
pub(crate) async fn aside<F: Future>(future: F, account: &Arc<Account>) -> F::Output {
    let mut future = pin!(future);
    let can_leave = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    let polled = std::future::poll_fn(|context| match can_leave {
        true => block_in_place(|| future.as_mut().poll(context)),
        false => future.as_mut().poll(context),
    });
    in_turn(polled, Arc::clone(account)).await
}

/// Lets others compute whose turn it is, for what computes long without a pause.
pub(crate) fn pause() {
    let Some(slice) = CURRENT.take() else { return };
    if !slice.is_due() {
        CURRENT.set(Some(slice));
        return;
    }
    let slice = match slice.again() {
        Some(Asked::Given(slice)) => Some(slice),
        // The threads stay as many as there are processors.
        Some(Asked::Waits(waits)) => block_in_place(|| waits.blocking_recv().ok()),
        None => None,
    };
    CURRENT.set(slice.map(Slice::begin));
}

struct InTurn<F: ?Sized> {
    future: Pin<Box<F>>,
    account: Arc<Account>,
    asked: Option<Asked>,
}

impl<F: Future + ?Sized> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        // Part of a task that has its turn.
        if CURRENT.with_borrow(Option::is_some) {
            return this.future.as_mut().poll(context);
        }
        let slice = loop {
            match this.asked.take().unwrap_or_else(|| queue().ask(&this.account)) {
                Asked::Given(slice) => break slice,
                Asked::Waits(mut waits) => match waits.poll_unpin(context) {
                    Poll::Ready(Ok(slice)) => break slice,
                    Poll::Ready(Err(_)) => {}
                    Poll::Pending => {
                        this.asked = Some(Asked::Waits(waits));
                        return Poll::Pending;
                    }
                },
            }
        };
        let _turn = OnThread::begin(slice);
        this.future.as_mut().poll(context)
    }
}

/// A slice that is this thread's until dropped, or whatever [`pause`] got in its place.
struct OnThread;

impl OnThread {
    fn begin(slice: Slice) -> Self {
        CURRENT.set(Some(slice.begin()));
        Self
    }
}

impl Drop for OnThread {
    fn drop(&mut self) {
        // Outside of the borrow: to drop a slice wakes others.
        let _slice = CURRENT.take();
    }
}

struct Inherited;

impl JoinSetTracer for Inherited {
    fn trace_future(
        &self,
        future: BoxFuture<'static, Box<dyn Any + Send>>,
    ) -> BoxFuture<'static, Box<dyn Any + Send>> {
        let account =
            CURRENT.with_borrow(|slice| slice.as_ref().map(|of| Arc::clone(of.account())));
        match account {
            Some(account) => InTurn { future, account, asked: None }.boxed(),
            None => future,
        }
    }

    fn trace_block(
        &self,
        block: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>,
    ) -> Box<dyn FnOnce() -> Box<dyn Any + Send> + Send> {
        block
    }
}
