//! Ending what computes without a pause.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};

use crate::{QueryError, compute};

/// What a caller holds: once it is dropped, the statement is over.
#[derive(Debug, Default)]
pub(crate) struct Wanted(Arc<AtomicBool>);

impl Wanted {
    /// What tells the statement so.
    pub(crate) fn over(&self) -> Over {
        Over(Arc::clone(&self.0))
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether a statement is over.
#[derive(Debug, Clone)]
pub(crate) struct Over(Arc<AtomicBool>);

impl Over {
    /// The same plan, whose joins can be left: they make many rows of few, and the engine counts
    /// (DataFusion 55) only what is read below them. Nested-loop joins let others compute, and fail
    /// once the statement is over: their filters are what they come back to however few rows pass.
    pub(crate) fn interrupts(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        time: Duration,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let deadline = Instant::now() + time;
        let plan = plan.transform_up(|node| {
            let any: &dyn Any = &*node;
            if any.is::<CrossJoinExec>()
                || any.is::<HashJoinExec>()
                || any.is::<SortMergeJoinExec>()
            {
                let left: Arc<dyn ExecutionPlan> = Arc::new(CooperativeExec::new(node));
                return Ok(Transformed::yes(left));
            }
            let Some((join, filter)) = any
                .downcast_ref::<NestedLoopJoinExec>()
                .and_then(|join| Some((join, join.filter()?)))
            else {
                return Ok(Transformed::no(node));
            };
            let expr = Interruptible {
                expr: Arc::clone(filter.expression()),
                over: self.clone(),
                deadline,
            };
            let filter = JoinFilter::new(
                Arc::new(expr),
                filter.column_indices().to_vec(),
                Arc::clone(filter.schema()),
            );
            let [left, right] = [join.left(), join.right()].map(Arc::clone);
            let projection = join.projection().as_ref().map(|columns| columns.to_vec());
            let join = NestedLoopJoinExec::try_new(
                left,
                right,
                Some(filter),
                join.join_type(),
                projection,
            )?;
            Ok(Transformed::yes(Arc::new(join) as Arc<dyn ExecutionPlan>))
        });
        Ok(plan?.data)
    }
}

/// An expression that fails once a statement is over.
#[derive(Debug)]
struct Interruptible {
    expr: Arc<dyn PhysicalExpr>,
    over: Over,
    deadline: Instant,
}

impl PartialEq for Interruptible {
    fn eq(&self, other: &Self) -> bool {
        self.expr.eq(&other.expr)
    }
}

impl Eq for Interruptible {}

impl Hash for Interruptible {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expr.hash(state);
    }
}

impl fmt::Display for Interruptible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

impl PhysicalExpr for Interruptible {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.expr.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.expr.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.over.0.load(Ordering::Relaxed) {
            return Err(QueryError::Cancelled.into_engine());
        }
        if Instant::now() > self.deadline {
            return Err(QueryError::Timeout.into_engine());
        }
        compute::pause();
        self.expr.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.expr]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let expr = children.pop().unwrap_or_else(|| Arc::clone(&self.expr));
        Ok(Arc::new(Self { expr, over: self.over.clone(), deadline: self.deadline }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt_sql(f)
    }
}
