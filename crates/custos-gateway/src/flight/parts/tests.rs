use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::ready;

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use futures::{FutureExt, stream};
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::*;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
}

fn batch(number: i64) -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(vec![number]))]).unwrap()
}

fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
    let number = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().value(0);
    batches.iter().map(number).collect()
}

/// A run of as many batches.
fn run_of(batches: i64) -> Run {
    Run::new(schema(), stream::iter((0..batches).map(|number| Ok(batch(number)))).boxed())
}

type Row = Result<RecordBatch, QueryError>;

/// A run whose batches come as they are sent.
fn run() -> (mpsc::Sender<Row>, Run) {
    let (sender, mut rows) = mpsc::channel(4);
    (sender, Run::new(schema(), stream::poll_fn(move |context| rows.poll_recv(context)).boxed()))
}

fn announced(parts: u8) -> Announced<()> {
    Announced::new(Arc::new(Statement::new("SELECT 1".to_owned())), parts)
}

fn principal(role: &str) -> Principal {
    Principal::new("ana".parse().unwrap(), vec![role.to_owned()])
}

fn text(failure: &Failure) -> String {
    failure.status("an-id").message().to_owned()
}

fn all(part: Part) -> Vec<i64> {
    let batches: Vec<_> = part.map(Result::unwrap).collect().now_or_never().unwrap();
    numbers(&batches)
}

/// Counts how often it is called.
#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A part with a client of its own.
struct Client {
    part: Part,
    calls: Arc<Calls>,
}

impl Client {
    fn of(run: &Arc<Run>) -> Self {
        Self { part: Part::of(Arc::clone(run)), calls: Arc::default() }
    }

    /// What the next batch holds; none says that there is no more.
    fn read(&mut self) -> Poll<Option<Result<i64, Failure>>> {
        let waker = Waker::from(Arc::clone(&self.calls));
        let next = ready!(self.part.poll_next_unpin(&mut Context::from_waker(&waker)));
        Poll::Ready(next.map(|row| row.map(|batch| numbers(&[batch])[0])))
    }

    fn calls(&self) -> usize {
        self.calls.0.load(Ordering::Relaxed)
    }
}

/// Fetches a part of what sees `of`.
async fn fetch(
    tickets: &Announced<()>,
    part: u8,
    by: &Principal,
    of: &Arc<()>,
    start: impl Future<Output = Result<Run, Failure>>,
) -> Result<Part, Failure> {
    tickets.fetch(part, by, async { Ok(Arc::clone(of)) }, start).await
}

#[tokio::test]
async fn one_part_alone_has_all_rows_and_again_when_it_is_fetched_again() {
    let (tickets, ana, runs) = (announced(3), principal("analyst"), AtomicUsize::new(0));
    let now = Arc::default();
    let part_of = async |part| {
        let start = async {
            runs.fetch_add(1, Ordering::Relaxed);
            Ok(run_of(3))
        };
        fetch(&tickets, part, &ana, &now, start).await.map(all)
    };
    assert_eq!(part_of(1).await.unwrap(), [0, 1, 2]);
    for other in [0, 2] {
        assert!(part_of(other).await.unwrap().is_empty(), "one part had it all");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(part_of(1).await.unwrap(), [0, 1, 2]);
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    let beyond = part_of(3).await.unwrap_err();
    assert_eq!(text(&beyond), text(&Refusal::UnknownTicket.into()));
}

#[tokio::test]
async fn other_roles_of_a_principal_do_not_fetch_from_its_run() {
    let (tickets, now) = (announced(2), Arc::default());
    let [steward, analyst] = ["steward", "analyst"].map(principal);
    let first = fetch(&tickets, 0, &steward, &now, async { Ok(run_of(2)) }).await.unwrap();
    let other = fetch(&tickets, 1, &analyst, &now, async { Ok(run_of(1)) }).await.unwrap();
    assert_eq!((all(first), all(other)), (vec![0, 1], vec![0]));
}

#[tokio::test]
async fn a_run_that_does_not_start_is_no_run() {
    let (tickets, ana, now) = (announced(2), principal("analyst"), Arc::default());
    let refused = async { Err(QueryError::Busy.into()) };
    assert!(fetch(&tickets, 0, &ana, &now, refused).await.is_err());
    let rows = fetch(&tickets, 0, &ana, &now, async { Ok(run_of(1)) }).await.unwrap();
    assert_eq!(all(rows), [0]);
}

#[tokio::test]
async fn once_consent_changed_no_other_part_is_given_out() {
    let (tickets, ana) = (announced(3), principal("analyst"));
    let [before, after] = [Arc::default(), Arc::default()];
    let (rows, run) = run();
    let first = fetch(&tickets, 0, &ana, &before, async { Ok(run) }).await.unwrap();
    rows.try_send(Ok(batch(0))).unwrap();
    let changed = text(&RequestError::ConsentChanged.into());
    for part in [1, 2, 1] {
        let refused = fetch(&tickets, part, &ana, &after, async { unreachable!() }).await;
        assert_eq!(text(&refused.unwrap_err()), changed);
    }
    drop(first);
    // The same part again is another run, which sees what is so now.
    let anew = fetch(&tickets, 0, &ana, &after, async { Ok(run_of(1)) }).await.unwrap();
    let other = fetch(&tickets, 1, &ana, &after, async { unreachable!() }).await.unwrap();
    assert_eq!((all(anew), all(other)), (vec![0], vec![]));
}

#[test]
fn a_part_whose_client_does_not_read_keeps_no_other_waiting() {
    let (rows, run) = run();
    let run = Arc::new(run);
    let (mut reads, mut sleeps) = (Client::of(&run), Client::of(&run));
    for number in 0..3 {
        // In both orders: whoever waited last is the one that the rows know of.
        if number % 2 == 0 {
            assert!(sleeps.read().is_pending() && reads.read().is_pending());
        } else {
            assert!(reads.read().is_pending() && sleeps.read().is_pending());
        }
        let before = (reads.calls(), sleeps.calls());
        rows.try_send(Ok(batch(number))).unwrap();
        assert_eq!((reads.calls(), sleeps.calls()), (before.0 + 1, before.1 + 1));
        assert!(matches!(reads.read(), Poll::Ready(Some(Ok(read))) if read == number));
    }
    assert!(reads.read().is_pending() && sleeps.read().is_pending());
    drop(rows);
    assert!(matches!(reads.read(), Poll::Ready(None)));
    assert!(matches!(sleeps.read(), Poll::Ready(None)));
}

#[test]
fn a_failure_is_told_to_every_part() {
    let (rows, run) = run();
    let run = Arc::new(run);
    let mut clients = [Client::of(&run), Client::of(&run)];
    assert!(clients[1].read().is_pending());
    rows.try_send(Err(QueryError::Timeout)).unwrap();
    let [first, second] = &mut clients;
    let told = |client: &mut Client| match client.read() {
        Poll::Ready(Some(Err(failure))) => text(&failure),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(first), text(&QueryError::Timeout.into()));
    assert_eq!(told(second), text(&Refusal::Incomplete.into()));
    let mut late = Client::of(&run);
    assert_eq!(told(&mut late), text(&Refusal::Incomplete.into()));
    for client in [first, second, &mut late] {
        assert!(matches!(client.read(), Poll::Ready(None)));
    }
}

#[test]
fn an_answer_that_all_have_left_is_cancelled_and_not_taken_for_complete() {
    let (rows, run) = run();
    let run = Arc::new(run);
    let (mut one, other) = (Client::of(&run), Client::of(&run));
    rows.try_send(Ok(batch(0))).unwrap();
    assert!(matches!(one.read(), Poll::Ready(Some(Ok(0)))));
    drop(one);
    assert!(!rows.is_closed(), "one part is left");
    drop(other);
    assert!(rows.is_closed());
    assert!(matches!(Client::of(&run).read(), Poll::Ready(Some(Err(_)))));
}

#[test]
fn only_large_answers_without_an_order_are_divided() {
    let of = |rows_max, ordered| {
        parts(&Description { parameters: Vec::new(), columns: schema(), rows_max, ordered })
    };
    assert_eq!([of(None, false), of(Some(ROWS_LARGE + 1), false)], [PARTS; 2]);
    assert_eq!([of(None, true), of(Some(ROWS_LARGE), false)], [1; 2]);
}

proptest! {
    #[test]
    fn every_row_is_in_one_part(rows in 0_i64..20, readers in prop::collection::vec(0_usize..3, 60)) {
        let run = Arc::new(run_of(rows));
        let mut clients: Vec<Client> = (0..3).map(|_| Client::of(&run)).collect();
        let mut seen = Vec::new();
        for reader in readers.into_iter().chain([0, 1, 2].repeat(20)) {
            if let Poll::Ready(Some(row)) = clients[reader].read() {
                seen.push(row.unwrap());
            }
        }
        prop_assert_eq!(seen, (0..rows).collect::<Vec<_>>());
    }
}
