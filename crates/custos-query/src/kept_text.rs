//! Text that operators keep, and memory that is what it takes.
//!
//! Views share buffers, and the engine (DataFusion 55) counts those buffers for each batch that
//! points into them: an operator that keeps what a sort, a partition, a join or an aggregate gave
//! out asks for many times what it holds, and a statement that could be spilled is refused. So text
//! is sorted and passed between partitions by offsets, which cost a copy, and comes out as views,
//! which share the copy; what joins and aggregates give out is copied where most of its buffers are
//! others'.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::joins::{PiecewiseMergeJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

/// The same plan, whose operators ask for the memory that they need.
pub(crate) fn counted(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|node| {
        if !node.schema().fields().iter().any(|field| is_view(field.data_type())) {
            return Ok(Transformed::no(node));
        }
        let any: &dyn Any = &*node;
        let inner = if let Some(sort) = any.downcast_ref::<SortExec>() {
            // Those that keep a few rows only hold no more than those.
            if sort.fetch().is_some() { None } else { Some(sorted(sort)?) }
        } else if let Some(repartition) = any.downcast_ref::<RepartitionExec>() {
            repartitioned(repartition)?
        } else if shares(any) {
            Some(owned(&node)?)
        } else {
            None
        };
        Ok(match inner {
            Some(inner) => {
                let properties = Arc::clone(node.properties());
                Transformed::yes(Arc::new(KeptText { inner, properties }) as _)
            }
            None => Transformed::no(node),
        })
    });
    Ok(plan?.data)
}

/// Whether batches of an operator point into buffers of others.
fn shares(operator: &dyn Any) -> bool {
    operator.is::<AggregateExec>()
        || operator.is::<CrossJoinExec>()
        || operator.is::<HashJoinExec>()
        || operator.is::<NestedLoopJoinExec>()
        || operator.is::<PiecewiseMergeJoinExec>()
        || operator.is::<SortMergeJoinExec>()
        || operator.is::<UnnestExec>()
}

fn is_view(data_type: &DataType) -> bool {
    *data_type == DataType::Utf8View
}

/// A sort of offsets.
fn sorted(sort: &SortExec) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = sort.schema();
    let mut below = columns_as(&schema, by_offsets);
    let mut keys = Vec::new();
    for key in sort.expr() {
        let any: &dyn Any = &*key.expr;
        let expr: Arc<dyn PhysicalExpr> = match any.downcast_ref::<Column>() {
            Some(_) => Arc::clone(&key.expr),
            None => {
                let alias = format!("key {}", below.len());
                let is_text = is_view(&key.expr.data_type(&schema)?);
                let expr = Arc::clone(&key.expr);
                let expr = if is_text { by_offsets(expr) } else { expr };
                below.push(ProjectionExpr { expr, alias: alias.clone() });
                Arc::new(Column::new(&alias, below.len() - 1))
            }
        };
        keys.push(PhysicalSortExpr { expr, options: key.options });
    }
    let Some(keys) = LexOrdering::new(keys) else {
        return internal_err!("a sort by nothing");
    };
    let below = ProjectionExec::try_new(below, Arc::clone(sort.input()))?;
    let sorted = SortExec::new(keys, Arc::new(below))
        .with_preserve_partitioning(sort.preserve_partitioning());
    Ok(Arc::new(ProjectionExec::try_new(columns_as(&schema, by_views), Arc::new(sorted))?))
}

/// Partitions of offsets. Rows go where their views would have sent them: the engine's hash of the
/// same text differs, and joins filter what they scan by it.
fn repartitioned(repartition: &RepartitionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    // Its order is known by its columns' names and types.
    if repartition.preserve_order() {
        return Ok(None);
    }
    let schema = repartition.schema();
    let partitioning = match repartition.partitioning() {
        Partitioning::Hash(keys, partitions) => {
            let over_offsets = |key: &Arc<dyn PhysicalExpr>| over_offsets(key, &schema);
            let keys: Result<_> = keys.iter().map(over_offsets).collect();
            Partitioning::Hash(keys?, *partitions)
        }
        other @ (Partitioning::RoundRobinBatch(_) | Partitioning::UnknownPartitioning(_)) => {
            other.clone()
        }
        Partitioning::Range(_) => return Ok(None),
    };
    let below = columns_as(&schema, by_offsets);
    let below = ProjectionExec::try_new(below, Arc::clone(repartition.input()))?;
    let passed = RepartitionExec::try_new(Arc::new(below), partitioning)?;
    let above = ProjectionExec::try_new(columns_as(&schema, by_views), Arc::new(passed))?;
    Ok(Some(Arc::new(above)))
}

fn over_offsets(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let expr = Arc::clone(expr).transform_up(|expr| {
        let any: &dyn Any = &*expr;
        Ok(match any.is::<Column>() && is_view(&expr.data_type(schema)?) {
            true => Transformed::yes(by_views(expr)),
            false => Transformed::no(expr),
        })
    });
    Ok(expr?.data)
}

/// The same rows, whose text is not in buffers of which others use the most.
fn owned(node: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let columns = columns_as(&node.schema(), |column| Arc::new(OwnText(column)));
    Ok(Arc::new(ProjectionExec::try_new(columns, Arc::clone(node))?))
}

/// All columns, those of text as told.
fn columns_as(
    schema: &Schema,
    text: impl Fn(Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr>,
) -> Vec<ProjectionExpr> {
    let column = |(at, field): (usize, &FieldRef)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
        let expr = if is_view(field.data_type()) { text(column) } else { column };
        ProjectionExpr { expr, alias: field.name().clone() }
    };
    schema.fields().iter().enumerate().map(column).collect()
}

fn by_offsets(text: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    Arc::new(CastExpr::new(text, DataType::Utf8, None))
}

fn by_views(text: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    Arc::new(CastExpr::new(text, DataType::Utf8View, None))
}

/// Text, copied if less than half of the buffers it points into is its own.
#[derive(Debug, Eq)]
struct OwnText(Arc<dyn PhysicalExpr>);

// Derived code would move the pointer that it compares.
impl PartialEq for OwnText {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq(&other.0)
    }
}

impl Hash for OwnText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

fn own(text: &StringViewArray) -> Option<StringViewArray> {
    let held: usize = text.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    (held > 2 * text.total_buffer_bytes_used()).then(|| text.gc())
}

impl fmt::Display for OwnText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PhysicalExpr for OwnText {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.0.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let value = self.0.evaluate(batch)?;
        Ok(match &value {
            ColumnarValue::Array(text) => match text.as_string_view_opt().and_then(own) {
                Some(copy) => ColumnarValue::Array(Arc::new(copy)),
                None => value,
            },
            ColumnarValue::Scalar(_) => value,
        })
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.0]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self(children.pop().unwrap_or_else(|| Arc::clone(&self.0)))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}

/// What stands for an operator, and is to others what that was.
struct KeptText {
    inner: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl fmt::Debug for KeptText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptText")
    }
}

impl DisplayAs for KeptText {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptText")
    }
}

impl ExecutionPlan for KeptText {
    fn name(&self) -> &str {
        "KeptText"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.inner]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(inner), true) => {
                Ok(Arc::new(Self { inner, properties: Arc::clone(&self.properties) }))
            }
            _ => internal_err!("an operator stands for one"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.inner.execute(partition, context)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::common::utils::memory::get_record_batch_memory_size;
    use datafusion::physical_plan::collect;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    type Plan = Arc<dyn ExecutionPlan>;

    /// What rows of two tables would be planned as, as the engine does it and counted.
    async fn plans(people: RecordBatch, sql: &str) -> (SessionContext, Plan, Plan) {
        let config = SessionConfig::new().with_target_partitions(3).with_batch_size(500);
        // Small tables are passed between partitions, too.
        let config =
            config.set_usize("datafusion.optimizer.hash_join_single_partition_threshold", 0);
        let config =
            config.set_usize("datafusion.optimizer.hash_join_single_partition_threshold_rows", 0);
        let context = SessionContext::new_with_config(config);
        context.register_batch("people", people).unwrap();
        let state = context.state();
        let logical = state.create_logical_plan(sql).await.unwrap();
        let plan = state.create_physical_plan(&logical).await.unwrap();
        let again = state.create_physical_plan(&logical).await.unwrap();
        (context, plan, counted(again).unwrap())
    }

    #[tokio::test]
    async fn what_is_counted_comes_in_the_same_order_and_types() {
        let names = ["Änne", "bo", "", "a name that is too long for a view", "Bo", "王芳", "bo"];
        let rows = || (0..2_000_i64).map(|at| at * 7_919 % 2_003);
        let name = |at: i64| (at % 11 != 0).then(|| names[usize::try_from(at % 7).unwrap()]);
        let columns: [(&str, ArrayRef); 3] = [
            ("name", Arc::new(rows().map(name).collect::<StringViewArray>())),
            ("n", Arc::new(rows().collect::<Int64Array>())),
            ("other", Arc::new(rows().map(|at| name(at / 7)).collect::<StringViewArray>())),
        ];
        let people = RecordBatch::try_from_iter(columns).unwrap();
        for sql in [
            "select * from people order by name, n",
            "select * from people order by lower(name) desc nulls last, n desc",
            "select n, name || other as both from people order by name || other, n",
            "select n, other, row_number() over (partition by name order by other, n) as place \
             from people order by n",
            "select n, name, count(*) over (partition by lower(other)) from people order by n, name",
            "select l.n, r.name from people l join people r on l.n = r.n + 1 order by r.name, l.n",
            "select l.n, r.n from people l join people r on l.name || l.other = r.other order by 1, 2",
            "select lower(name) as name, other, sum(n) from people group by 1, 2 order by 1, 2",
            "select p.n, g.name from people p join (select name, max(n) as n from people group by 1) g \
             on p.name = g.name and p.n = g.n order by 1, 2",
        ] {
            let (context, plan, changed) = plans(people.clone(), sql).await;
            assert!(changed.exists(|node| Ok(node.name() == "KeptText")).unwrap(), "{sql}");
            let wanted = collect(plan, context.task_ctx()).await.unwrap();
            let found = collect(changed, context.task_ctx()).await.unwrap();
            assert_eq!(found[0].schema(), wanted[0].schema(), "{sql}");
            let shown =
                |batches: &[RecordBatch]| pretty_format_batches(batches).unwrap().to_string();
            assert_eq!(shown(&found), shown(&wanted), "{sql}");
        }
    }

    #[tokio::test]
    async fn what_an_operator_gives_out_takes_the_memory_that_is_counted_for_it() {
        let name = |at| Some(format!("a name that is too long for a view: {at}"));
        let names: ArrayRef = Arc::new((0..100_000).map(name).collect::<StringViewArray>());
        let numbers: ArrayRef = Arc::new((0..100_000).collect::<Int64Array>());
        let bytes = names.get_array_memory_size();
        let people = RecordBatch::try_from_iter([("name", names), ("n", numbers)]).unwrap();
        for sql in [
            "select name, n from people order by name",
            "select name from people group by name",
            "select l.name, r.n from people l join people r on l.n = r.n",
            "select name, row_number() over (partition by n) from people",
        ] {
            let (context, plan, counted) = plans(people.clone(), sql).await;
            let memory = async |plan| -> usize {
                let batches = collect(plan, context.task_ctx()).await.unwrap();
                batches.iter().map(get_record_batch_memory_size).sum()
            };
            let (engine, counted) = (memory(plan).await, memory(counted).await);
            assert!(engine > 6 * bytes, "{sql} needs nothing of this: {engine} of {bytes}");
            assert!(counted < 4 * bytes, "{sql} asks for {counted}, holds {bytes}");
        }
    }
}
