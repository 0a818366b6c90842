//! What a plan may contain. Everything that is not listed here is refused.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::DefaultTableSource;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, TableSource};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;

use crate::catalogue::Reads;
use crate::mutants::{self, Mutant};
use crate::{QueryError, scan};

/// Most nodes of a plan, views included.
const NODES_MAX: usize = 2_000;

/// Functions that tell about files, plans or this program rather than about rows.
const FUNCTIONS_WITHHELD: [&str; 8] = [
    "arrow_field",
    "arrow_metadata",
    "file_row_index",
    "input_file_name",
    "version",
    "with_metadata",
    "current_schema",
    "current_catalog",
];

/// Whether a function of the engine is offered to statements.
pub(crate) fn function(name: &str) -> bool {
    !FUNCTIONS_WITHHELD.contains(&name) || mutants::is_on(Mutant::EveryFunction)
}

/// Refuses a plan that does something else than read what it says it reads: governed tables, or the
/// tables of a session that has only those of the catalogue.
pub(crate) fn logical(plan: &LogicalPlan, reads: Reads) -> Result<(), QueryError> {
    let mut nodes = 0;
    let mut refusal = None;
    let visited = plan.apply_with_subqueries(|node| {
        nodes += 1;
        refusal = refuse(node, reads).or((nodes > NODES_MAX).then_some(QueryError::TooComplex));
        Ok(if refusal.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    match (visited, refusal) {
        (_, Some(refusal)) => Err(refusal),
        (Err(_), None) => Err(QueryError::Internal),
        (Ok(_), None) => Ok(()),
    }
}

fn refuse(node: &LogicalPlan, reads: Reads) -> Option<QueryError> {
    let what = match node {
        LogicalPlan::TableScan(_) | LogicalPlan::RecursiveQuery(_) if reads == Reads::Catalogue => {
            return None;
        }
        LogicalPlan::Aggregate(aggregate) if has_grouping_sets(aggregate) => "a ROLLUP or CUBE",
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Unnest(_) => return None,
        LogicalPlan::TableScan(scan) if is_governed(&*scan.source) => return None,
        LogicalPlan::TableScan(_) => return Some(QueryError::Internal),
        LogicalPlan::RecursiveQuery(_) => "a recursive query",
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => "EXPLAIN",
        LogicalPlan::DescribeTable(_) => "DESCRIBE",
        LogicalPlan::Statement(_) => "a session statement",
        LogicalPlan::Dml(_) => "changing data",
        LogicalPlan::Ddl(_) => "changing tables",
        LogicalPlan::Copy(_) => "COPY",
        LogicalPlan::Extension(_) => "this statement",
    };
    Some(QueryError::NotSelect { what })
}

/// Whether an aggregate has several groupings at once.
///
/// Where a grouped expression is the same for all rows, the engine (DataFusion 55) gives the row of
/// the total once for each partition that has rows; which have some depends on hidden rows.
fn has_grouping_sets(aggregate: &Aggregate) -> bool {
    aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)))
}

fn is_governed(source: &dyn TableSource) -> bool {
    let source: &dyn std::any::Any = source;
    source
        .downcast_ref::<DefaultTableSource>()
        .is_some_and(|source| scan::is_governed_table(&*source.table_provider))
}

/// Refuses a physical plan with a leaf that is neither governed nor free of stored data. A session
/// that has only the catalogue has no other leaves.
pub(crate) fn physical(plan: &dyn ExecutionPlan, reads: Reads) -> Result<(), QueryError> {
    let children = plan.children();
    if children.is_empty() && reads == Reads::Published && !is_permitted_leaf(plan) {
        return Err(QueryError::Internal);
    }
    children.into_iter().try_for_each(|child| physical(&**child, reads))
}

fn is_permitted_leaf(plan: &dyn ExecutionPlan) -> bool {
    let any: &dyn std::any::Any = plan;
    let in_memory = any.downcast_ref::<DataSourceExec>().is_some_and(|source| {
        let source: &dyn std::any::Any = &**source.data_source();
        source.is::<MemorySourceConfig>()
    });
    scan::is_governed(plan) || any.is::<EmptyExec>() || any.is::<PlaceholderRowExec>() || in_memory
}
