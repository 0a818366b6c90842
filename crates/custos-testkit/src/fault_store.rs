//! An object store that fails on purpose, at one operation of a job.
//!
//! A job is run once with [`FaultPlan::counting`] to learn how many operations a fault can strike,
//! and then once for each of them with [`FaultPlan::at`]. What object storage does to its users is
//! meant: requests that are refused or whose answer gets lost, bodies that break off or rot, and
//! listings that lag behind.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result,
};

/// What a store says when it does not do what was asked, or pretends so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// HTTP 409: there is an object of that name.
    Conflict,
    /// HTTP 412: a condition of the request does not hold.
    Precondition,
    /// HTTP 503, more often than the client repeats it.
    Unavailable,
    /// None in time.
    Timeout,
}

impl Answer {
    fn error(self, location: &Path) -> Error {
        let path = location.to_string();
        let source: Box<dyn std::error::Error + Send + Sync> = "a fault on purpose".into();
        match self {
            Self::Conflict => Error::AlreadyExists { path, source },
            Self::Precondition => Error::Precondition { path, source },
            Self::Unavailable => Error::Generic { store: "FaultStore", source },
            Self::Timeout => {
                let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
                Error::Generic { store: "FaultStore", source: late.into() }
            }
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before a write.
    DiesBefore,
    /// The process dies after a write, before it learns of it.
    DiesAfter,
    /// A write does not happen, and the answer says so.
    Refused(Answer),
    /// A write happens, and the answer says that it did not.
    Lost(Answer),
    /// A read or a listing fails.
    Unread(Answer),
    /// The body of a read breaks off half way, and nobody says so.
    Truncated,
    /// A bit of the body of a read is another, each time at another place.
    Flipped,
    /// A listing lacks the newest object that it should show.
    ListedLate,
    /// A listing shows objects that were deleted.
    ListedStill,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Write,
    Read,
    List,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 16] = [
        Self::DiesBefore,
        Self::DiesAfter,
        Self::Refused(Answer::Conflict),
        Self::Refused(Answer::Precondition),
        Self::Refused(Answer::Unavailable),
        Self::Refused(Answer::Timeout),
        Self::Lost(Answer::Conflict),
        Self::Lost(Answer::Precondition),
        Self::Lost(Answer::Unavailable),
        Self::Lost(Answer::Timeout),
        Self::Unread(Answer::Unavailable),
        Self::Unread(Answer::Timeout),
        Self::Truncated,
        Self::Flipped,
        Self::ListedLate,
        Self::ListedStill,
    ];

    fn strikes(self, operation: Operation) -> bool {
        match self {
            Self::DiesBefore | Self::DiesAfter | Self::Refused(_) | Self::Lost(_) => {
                operation == Operation::Write
            }
            Self::Unread(_) => operation != Operation::Write,
            Self::Truncated | Self::Flipped => operation == Operation::Read,
            Self::ListedLate | Self::ListedStill => operation == Operation::List,
        }
    }
}

/// At which operation a fault strikes. Shared by its copies.
#[derive(Debug, Clone)]
pub struct FaultPlan(Arc<Plan>);

#[derive(Debug)]
struct Plan {
    fault: Fault,
    at: usize,
    lasts: bool,
    operations: AtomicUsize,
    dead: AtomicBool,
    deleted: Mutex<Vec<ObjectMeta>>,
}

impl FaultPlan {
    /// The fault strikes at the operation of this number among those that it can strike, from 0.
    pub fn at(fault: Fault, at: usize) -> Self {
        let (operations, dead) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self(Arc::new(Plan {
            fault,
            at,
            lasts: false,
            operations,
            dead,
            deleted: Mutex::default(),
        }))
    }

    /// The fault strikes at that operation and at all that follow.
    pub fn from(fault: Fault, at: usize) -> Self {
        let mut plan = Self::at(fault, at);
        if let Some(plan) = Arc::get_mut(&mut plan.0) {
            plan.lasts = true;
        }
        plan
    }

    /// The fault never strikes; [`FaultPlan::operations`] tells how often it could have.
    pub fn counting(fault: Fault) -> Self {
        Self::at(fault, usize::MAX)
    }

    /// What was deleted under an earlier plan may be listed under this one.
    #[must_use]
    pub fn following(self, earlier: &Self) -> Self {
        let deleted = earlier.deleted().clone();
        *self.deleted() = deleted;
        self
    }

    /// The operations so far that the fault can strike.
    pub fn operations(&self) -> usize {
        self.0.operations.load(Ordering::SeqCst)
    }

    fn deleted(&self) -> MutexGuard<'_, Vec<ObjectMeta>> {
        self.0.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault and the number of the operation, if it is the one; an error once the process is
    /// dead.
    fn next(&self, operation: Operation, location: &Path) -> Result<Option<(Fault, usize)>> {
        let plan = &self.0;
        if plan.dead.load(Ordering::SeqCst) {
            return Err(Answer::Unavailable.error(location));
        }
        if !plan.fault.strikes(operation) {
            return Ok(None);
        }
        let number = plan.operations.fetch_add(1, Ordering::SeqCst);
        if number != plan.at && !(plan.lasts && number > plan.at) {
            return Ok(None);
        }
        if matches!(plan.fault, Fault::DiesBefore | Fault::DiesAfter) {
            plan.dead.store(true, Ordering::SeqCst);
        }
        Ok(Some((plan.fault, number)))
    }

    /// Does a write, or not, and answers as planned.
    async fn write<T>(&self, location: &Path, write: impl Future<Output = Result<T>>) -> Result<T> {
        match self.next(Operation::Write, location)? {
            Some((Fault::Refused(answer), _)) => Err(answer.error(location)),
            Some((Fault::DiesBefore, _)) => Err(Answer::Unavailable.error(location)),
            Some((Fault::Lost(answer), _)) => write.await.and(Err(answer.error(location))),
            Some((Fault::DiesAfter, _)) => {
                write.await.and(Err(Answer::Unavailable.error(location)))
            }
            _ => write.await,
        }
    }

    /// Lists as planned what is really there.
    fn listed(
        &self,
        prefix: Option<&Path>,
        mut objects: Vec<ObjectMeta>,
    ) -> Result<Vec<ObjectMeta>> {
        let location = prefix.cloned().unwrap_or_default();
        match self.next(Operation::List, &location)? {
            Some((Fault::Unread(answer), _)) => return Err(answer.error(&location)),
            Some((Fault::ListedLate, _)) => {
                let newest = (0..objects.len()).max_by_key(|at| objects[*at].last_modified);
                newest.map(|at| objects.remove(at));
            }
            Some((Fault::ListedStill, _)) => {
                let deleted = self.deleted();
                let below = |object: &&ObjectMeta| {
                    prefix.is_none_or(|prefix| object.location.prefix_matches(prefix))
                };
                objects.extend(deleted.iter().filter(below).cloned());
                objects.sort_by(|a, b| a.location.cmp(&b.location));
                objects.dedup_by(|a, b| a.location == b.location);
            }
            _ => {}
        }
        Ok(objects)
    }
}

/// A store seen through a plan.
#[derive(Debug)]
pub struct FaultStore {
    inner: Arc<dyn ObjectStore>,
    plan: FaultPlan,
}

impl FaultStore {
    /// The same store, in which a fault strikes as planned.
    pub fn new(inner: Arc<dyn ObjectStore>, plan: &FaultPlan) -> Self {
        Self { inner, plan: plan.clone() }
    }

    fn read(&self, location: &Path) -> Result<Option<(Fault, usize)>> {
        match self.plan.next(Operation::Read, location)? {
            Some((Fault::Unread(answer), _)) => Err(answer.error(location)),
            strike => Ok(strike),
        }
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultStore")
    }
}

/// A body as it arrives.
fn broken(bytes: Bytes, strike: Option<(Fault, usize)>) -> Bytes {
    match strike {
        Some((Fault::Truncated, _)) => bytes.slice(..bytes.len() / 2),
        Some((Fault::Flipped, number)) if !bytes.is_empty() => {
            let mut flipped = bytes.to_vec();
            let place = number.wrapping_mul(7_919) % flipped.len();
            flipped[place] ^= 1 << (number % 8);
            flipped.into()
        }
        _ => bytes,
    }
}

/// A listing as a stream.
fn objects(
    listed: impl Future<Output = Result<Vec<ObjectMeta>>> + Send + 'static,
) -> BoxStream<'static, Result<ObjectMeta>> {
    stream::once(listed)
        .map_ok(|objects| stream::iter(objects.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.plan.write(location, self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.plan.write(location, self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let strike = self.read(location)?;
        let is_head = options.head;
        let found = self.inner.get_opts(location, options).await?;
        if strike.is_none() || is_head {
            return Ok(found);
        }
        let (meta, range) = (found.meta.clone(), found.range.clone());
        let attributes = found.attributes.clone();
        let bytes = broken(found.bytes().await?, strike);
        let payload = GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed());
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let strike = self.read(location)?;
        let mut bodies = self.inner.get_ranges(location, ranges).await?;
        if let Some(last) = bodies.pop() {
            bodies.push(broken(last, strike));
        }
        Ok(bodies)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (inner, plan) = (Arc::clone(&self.inner), self.plan.clone());
        let delete = move |location: Result<Path>| {
            let (inner, plan) = (Arc::clone(&inner), plan.clone());
            async move {
                let location = location?;
                let known = inner.head(&location).await;
                let deleted = plan.write(&location, inner.delete(&location)).await;
                if inner.head(&location).await.is_err() {
                    plan.deleted().extend(known);
                }
                deleted.map(|()| location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (plan, prefix) = (self.plan.clone(), prefix.cloned());
        let found = self.inner.list(prefix.as_ref());
        objects(async move { plan.listed(prefix.as_ref(), found.try_collect().await?) })
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (plan, prefix, offset) = (self.plan.clone(), prefix.cloned(), offset.clone());
        let found = self.inner.list_with_offset(prefix.as_ref(), &offset);
        objects(async move {
            let mut listed = plan.listed(prefix.as_ref(), found.try_collect().await?)?;
            listed.retain(|object| object.location > offset);
            Ok(listed)
        })
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut found = self.inner.list_with_delimiter(prefix).await?;
        found.objects = self.plan.listed(prefix, found.objects)?;
        let parts = prefix.map_or(0, |prefix| prefix.parts().count());
        found.objects.retain(|object| object.location.parts().count() == parts + 1);
        Ok(found)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.plan.write(to, self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.plan.write(to, self.inner.rename_opts(from, to, options)).await
    }
}
