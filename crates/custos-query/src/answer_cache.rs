//! Answers that are given again as long as nothing changed that they follow from.
//!
//! An answer follows from its statement, from what each table's grant shows, from the version of
//! each table and from the state of consent, and from nothing else: statements that ask for the time
//! or for something random are not kept. Grants name the day up to which retention lets rows be
//! shown, so that an answer does not outlive a row's term.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use custos_core::{PrincipalId, Purpose, TableName};
use custos_policy::ReadGrant;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use futures::Stream;

use crate::mutants::{self, Mutant};
use crate::{Question, Visibility};

/// An answer may take this part of all that is kept.
const SHARE: usize = 16;

/// What was asked, as far as its text says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asking {
    sql: String,
    parameters: Vec<ScalarValue>,
    purpose: Purpose,
    /// Of a connection that expects PostgreSQL, whose statements may name the principal.
    connection: Option<(PrincipalId, String, BTreeMap<String, String>)>,
}

impl Asking {
    /// What a question asks, if `plan` gives the same rows whenever it runs on the same data.
    pub(crate) fn of(question: &Question<'_>, plan: &LogicalPlan) -> Option<Self> {
        if !is_fixed(plan).unwrap_or(false) {
            return None;
        }
        let values = question.parameters.iter();
        let values = values.map(|value| ScalarValue::try_from_array(value, 0).ok());
        let connection = question.session.map(|session| {
            let user = question.principal.id.clone();
            (user, session.database.clone(), session.settings.clone())
        });
        Some(Self {
            sql: question.sql.to_owned(),
            parameters: values.collect::<Option<_>>()?,
            purpose: question.purpose.clone(),
            connection,
        })
    }
}

/// Whether a plan asks for nothing but data, the views below it included.
fn is_fixed(plan: &LogicalPlan) -> Result<bool, DataFusionError> {
    let mut fixed = true;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(view) = scan.source.get_logical_plan()
        {
            fixed &= is_fixed(&view)?;
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let volatility = match expr {
                    Expr::ScalarFunction(call) => call.func.signature().volatility,
                    Expr::AggregateFunction(call) => call.func.signature().volatility,
                    Expr::WindowFunction(call) => call.fun.signature().volatility,
                    Expr::ScalarVariable(..) => Volatility::Volatile,
                    _ => Volatility::Immutable,
                };
                fixed &= volatility == Volatility::Immutable;
                Ok(if fixed { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
            })
        })
    })?;
    Ok(fixed)
}

/// The tables that a plan reads, noted as it is made.
#[derive(Debug, Default)]
pub(crate) struct TablesRead(Mutex<Vec<TableRead>>);

/// A table, the version that was opened, and what of it is shown; nothing without a grant.
#[derive(Debug, Clone)]
pub(crate) struct TableRead {
    pub(crate) table: TableName,
    pub(crate) opened: Option<(Arc<ReadGrant>, u64)>,
}

impl TableRead {
    fn is_same(&self, other: &Self) -> bool {
        self.table == other.table
            && match (&self.opened, &other.opened) {
                (Some((grant, version)), Some((others, at))) => {
                    version == at && grant.shows_same(others)
                }
                (None, None) => true,
                _ => false,
            }
    }
}

impl TablesRead {
    pub(crate) fn add(&self, read: TableRead) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(read);
    }

    fn take(&self) -> Vec<TableRead> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All that an answer follows from.
#[derive(Debug)]
pub(crate) struct Grounds {
    asking: Asking,
    tables: Vec<TableRead>,
    /// Which [`Visibility`] of this process; none comes twice.
    visibility: u64,
}

impl Grounds {
    pub(crate) fn new(asking: Asking, tables: &TablesRead, visibility: &Visibility) -> Self {
        Self { asking, tables: tables.take(), visibility: visibility.serial() }
    }

    fn are_same(&self, tables: &[TableRead], visibility: u64) -> bool {
        let known = &self.tables;
        (self.visibility == visibility || mutants::is_on(Mutant::OldAnswers))
            && known.len() == tables.len()
            && known.iter().zip(tables).all(|(known, now)| known.is_same(now))
    }
}

/// An answer that was given.
#[derive(Debug, Clone)]
pub(crate) struct KeptAnswer {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Arc<[RecordBatch]>,
}

/// The answers that are kept.
#[derive(Debug)]
pub(crate) struct AnswerCache {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<Asking, Entry>,
    bytes: usize,
    uses: u64,
    /// The newest state of consent that was asked for.
    newest: u64,
}

#[derive(Debug)]
struct Entry {
    tables: Vec<TableRead>,
    visibility: u64,
    answer: KeptAnswer,
    bytes: usize,
    last_use: u64,
}

impl AnswerCache {
    /// One for so many bytes of rows.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX), kept: Mutex::default() }
    }

    /// The answer that follows from this.
    pub(crate) fn find(&self, grounds: &Grounds) -> Option<KeptAnswer> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.notice(grounds.visibility);
        kept.uses += 1;
        let uses = kept.uses;
        let entry = kept.answers.get_mut(&grounds.asking)?;
        if !grounds.are_same(&entry.tables, entry.visibility) {
            return None;
        }
        entry.last_use = uses;
        Some(entry.answer.clone())
    }

    /// The rows as they come, which are kept if they come to their end and are not too many.
    pub(crate) fn keeping(
        self: &Arc<Self>,
        grounds: Grounds,
        rows: SendableRecordBatchStream,
    ) -> SendableRecordBatchStream {
        let cache = Arc::clone(self);
        Box::pin(Keeping { rows, gathered: Some((grounds, Vec::new(), 0)), cache })
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).answers.len()
    }

    fn keep(&self, grounds: Grounds, answer: KeptAnswer, bytes: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Grounds { asking, tables, visibility } = grounds;
        // A statement that took long may have begun before consent changed.
        if visibility < kept.newest {
            return;
        }
        kept.notice(visibility);
        kept.uses += 1;
        kept.drop_key(&asking);
        while kept.bytes + bytes > self.bytes_max {
            let oldest = kept.answers.iter().min_by_key(|(_, entry)| entry.last_use);
            let Some(oldest) = oldest.map(|(asking, _)| asking.clone()) else { return };
            kept.drop_key(&oldest);
        }
        kept.bytes += bytes;
        let last_use = kept.uses;
        kept.answers.insert(asking, Entry { tables, visibility, answer, bytes, last_use });
    }
}

impl Kept {
    /// Drops what an older state of consent let be seen, once there is a newer one: nobody finds it
    /// again, and it may be of somebody who was erased.
    fn notice(&mut self, visibility: u64) {
        if visibility > self.newest && !mutants::is_on(Mutant::OldAnswers) {
            self.newest = visibility;
            self.answers.clear();
            self.bytes = 0;
        }
    }

    fn drop_key(&mut self, asking: &Asking) {
        if let Some(entry) = self.answers.remove(asking) {
            self.bytes -= entry.bytes;
        }
    }
}

/// Rows that are gathered while they pass.
struct Keeping {
    rows: SendableRecordBatchStream,
    /// Nothing once they are too many.
    gathered: Option<(Grounds, Vec<RecordBatch>, usize)>,
    cache: Arc<AnswerCache>,
}

impl Keeping {
    fn gather(&mut self, batch: &RecordBatch) {
        let Some((_, batches, bytes)) = &mut self.gathered else { return };
        // Rows can lie in buffers that hold far more than them.
        let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        let copied = take_record_batch(batch, &UInt32Array::from_iter_values(0..rows));
        let Ok(batch) = copied else {
            self.gathered = None;
            return;
        };
        *bytes += batch.get_array_memory_size();
        if *bytes > self.cache.bytes_max / SHARE {
            self.gathered = None;
            return;
        }
        batches.push(batch);
    }
}

impl Stream for Keeping {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.rows.as_mut().poll_next(context));
        match &next {
            Some(Ok(batch)) => self.gather(batch),
            Some(Err(_)) => self.gathered = None,
            None => {
                if let Some((grounds, batches, bytes)) = self.gathered.take() {
                    let answer = KeptAnswer { schema: self.rows.schema(), batches: batches.into() };
                    self.cache.keep(grounds, answer, bytes);
                }
            }
        }
        Poll::Ready(next)
    }
}

impl RecordBatchStream for Keeping {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

#[cfg(test)]
mod tests;
