//! Totals that single out nobody, for purposes that may see no rows.
//!
//! A statement is one aggregate over published tables, and of its groups those are shown that hold
//! enough distinct people of each table that it reads, counting for each total only who has a value
//! in it. Where a group is held back, so is the smallest of the others: a total over all groups,
//! less the groups that are shown, is then never that of the small one alone. See Willenborg and de
//! Waal, *Elements of Statistical Disclosure Control* (2001), on primary and complementary
//! suppression.
//!
//! What this does not stop are differences of statements with different filters; that takes noise.
//! It makes them hard to aim: nobody can be named by an id in a filter, a value that is totalled is
//! one of a table and not computed for some rows only, and nothing below a total can fail on one
//! but the truncation of a date that nobody lives in.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, TableReference};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::functions::core::expr_fn::least;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprFunctionExt, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator,
    SubqueryAlias, ident, lit, when,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use crate::QueryError;
use crate::governor::{CATALOG, PUBLISHED};
use crate::pruning::is_comparison;

/// Totals in which no value of one row can be told.
const TOTALS: [&str; 12] = [
    "count",
    "sum",
    "avg",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "covar_samp",
    "covar_pop",
    "corr",
    "approx_distinct",
    "regr_count",
];

/// Functions below a total. None fails, but those of dates on instants before 1678 and after 2261,
/// which the engine counts in nanoseconds.
const FUNCTIONS: [&str; 13] = [
    "btrim",
    "ceil",
    "coalesce",
    "contains",
    "date_part",
    "date_trunc",
    "floor",
    "lower",
    "ltrim",
    "nullif",
    "rtrim",
    "starts_with",
    "upper",
];

/// What holds an answer back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The statement asks for more than totals; in words, to follow "and".
    Statement(String),
    /// A defect of ours.
    Internal,
}

impl From<DataFusionError> for Refusal {
    fn from(_: DataFusionError) -> Self {
        Self::Internal
    }
}

fn refused<T>(why: impl fmt::Display) -> Result<T, Refusal> {
    Err(Refusal::Statement(why.to_string()))
}

/// A plan that answers what the given one does for groups of at least so many people.
pub(crate) fn over_people(
    plan: LogicalPlan,
    people_min: u32,
    state: &SessionState,
) -> Result<LogicalPlan, QueryError> {
    let options = state.config_options();
    let analyzed = state.analyzer().execute_and_check(plan, options, |_, _| ());
    let analyzed = analyzed.map_err(|error| QueryError::from_planning(&error))?;
    let guard = Guard { people_min, state, of_model: false };
    guard.above(&analyzed).map_err(|refusal| match refusal {
        Refusal::Statement(why) => QueryError::TotalsOnly { people_min, why },
        Refusal::Internal => QueryError::Internal,
    })
}

/// Marks the plan of a published table, so that it is known wherever a statement reads it.
///
/// Nobody else can give a plan such a name: what statements name themselves has no catalogue.
pub(crate) fn mark(plan: LogicalPlan, table: &str) -> Result<LogicalPlan, QueryError> {
    let name = TableReference::full(CATALOG, PUBLISHED, table);
    let marked = LogicalPlanBuilder::from(plan).alias(name).and_then(LogicalPlanBuilder::build);
    marked.map_err(|_| QueryError::Internal)
}

/// Whether this is a published table.
fn is_marked(named: &SubqueryAlias) -> bool {
    named.alias.catalog() == Some(CATALOG) && named.alias.schema() == Some(PUBLISHED)
}

/// Whether this is a published table whose rows are about people.
fn is_about_people(named: &SubqueryAlias) -> bool {
    is_marked(named) && named.schema.has_column_with_unqualified_name(PERSON)
}

#[derive(Clone, Copy)]
struct Guard<'a> {
    people_min: u32,
    state: &'a SessionState,
    /// Whether the aggregate is that of a model, whose author chose what it computes of whom; it
    /// has to hold back small groups all the same.
    of_model: bool,
}

/// A total's people: those of the rows that pass who have every value that it is over.
struct Counted {
    values: Vec<Expr>,
    filter: Option<Expr>,
}

/// A plan below a total, with a column more for each published table, which tells the person.
struct Below {
    plan: LogicalPlan,
    /// For each column of the plan, what it is.
    kinds: Vec<Kind>,
}

/// What a column below a total is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A value as the published table has it.
    Plain,
    /// Something that the statement computes.
    Computed,
    /// A keyed id, by which somebody can be told from all others.
    Id,
    /// Ours: the person of a row of a published table.
    Person,
}

impl Guard<'_> {
    /// Follows a plan down to its one aggregate.
    fn above(&self, plan: &LogicalPlan) -> Result<LogicalPlan, Refusal> {
        if reads_nothing(plan)? {
            return Ok(plan.clone());
        }
        match plan {
            LogicalPlan::Aggregate(aggregate) => self.total(aggregate),
            LogicalPlan::SubqueryAlias(named) if is_marked(named) && !is_about_people(named) => {
                let of_model = Self { of_model: true, ..*self };
                let shown = LogicalPlanBuilder::from(of_model.above(&named.input)?);
                Ok(shown.alias(named.alias.clone())?.build()?)
            }
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::SubqueryAlias(_) => {
                let expressions = plan.expressions();
                if expressions.iter().any(has_subquery) {
                    return refused("it has a subquery in an expression");
                }
                let inputs = plan.inputs();
                let [input] = inputs.as_slice() else { return Err(Refusal::Internal) };
                Ok(plan.with_new_exprs(expressions, vec![self.above(input)?])?)
            }
            LogicalPlan::TableScan(_) => refused("it asks for rows: use an aggregate"),
            LogicalPlan::Distinct(_) => refused("it has a DISTINCT: use GROUP BY"),
            LogicalPlan::Join(_) => refused("it joins totals, or asks for rows"),
            LogicalPlan::Union(_) => refused("it has a UNION"),
            LogicalPlan::Window(_) => refused("it has a window function"),
            _ => refused("it is not one aggregate over published tables"),
        }
    }

    /// Holds back the groups of an aggregate that are too small.
    fn total(&self, aggregate: &Aggregate) -> Result<LogicalPlan, Refusal> {
        let below = self.below(&aggregate.input, &mut 0)?;
        for group in &aggregate.group_expr {
            self.check(group, &below)?;
        }
        let mut counted = Vec::new();
        for total in &aggregate.aggr_expr {
            // Who has a value is among those of all rows: a total over all rows asks no more.
            let of_total = self.counted(total, &below)?;
            counted.extend(
                (of_total.filter.is_some() || !of_total.values.is_empty()).then_some(of_total),
            );
        }
        if counted.is_empty() {
            counted.push(Counted { values: Vec::new(), filter: None });
        }
        let people = below.people();
        if people.is_empty() {
            return refused("it reads no published table");
        }
        let mut counts = Vec::new();
        for person in &people {
            counts.extend(counted.iter().map(|counted| distinct(person.clone(), counted)));
        }
        let names: Vec<String> = (0..counts.len()).map(|at| format!("__people_{at}")).collect();
        let counts = counts.into_iter().zip(&names).map(|(count, name)| count.alias(name));
        let totals = aggregate.aggr_expr.iter().cloned().chain(counts);
        let with_people = LogicalPlan::Aggregate(Aggregate::try_new(
            Arc::new(below.plan),
            aggregate.group_expr.clone(),
            totals.collect(),
        )?);
        let wanted: Vec<Expr> = aggregate.schema.columns().into_iter().map(Expr::Column).collect();
        let fewest = match names.as_slice() {
            [one] => ident(one),
            all => least(all.iter().map(ident).collect()),
        };
        let keys = wanted.iter().take(aggregate.group_expr.len()).cloned();
        self.hold_back(with_people, fewest, (keys.collect(), wanted))
    }

    /// Leaves out the groups of too few people, and if there are any the next larger one.
    fn hold_back(
        &self,
        counted: LogicalPlan,
        fewest: Expr,
        (keys, wanted): (Vec<Expr>, Vec<Expr>),
    ) -> Result<LogicalPlan, Refusal> {
        const FEWEST: &str = "__fewest";
        let with_fewest = wanted.iter().cloned().chain([fewest.alias(FEWEST)]);
        let is_small = ident(FEWEST).lt(lit(i64::from(self.people_min)));
        let one = when(is_small.clone(), lit(1_i64)).otherwise(lit(0_i64))?;
        let small = Expr::from(WindowFunction::new(sum_udaf(), vec![one]));
        // Groups of one size in the order of their keys, so that an answer is the same each time.
        let order = [ident(FEWEST)].into_iter().chain(keys);
        let order = order.map(|key| key.sort(true, true)).collect();
        let place = Expr::from(WindowFunction::new(row_number_udwf(), Vec::new()));
        let place = place.order_by(order).build()?;
        let named = |expr: &Expr| Expr::Column(Column::from_name(expr.schema_name().to_string()));
        let (small_in_all, place_of_group) = (named(&small), named(&place));
        let ranked = LogicalPlanBuilder::from(counted).project(with_fewest)?.build()?;
        let ranked = LogicalPlanBuilder::window_plan(ranked, [small, place])?;
        let beyond = place_of_group.cast_to(&DataType::Int64, ranked.schema())?;
        let is_shown = small_in_all.clone().eq(lit(0_i64)).or(beyond.gt(small_in_all + lit(1_i64)));
        let is_shown = is_small.is_false().and(is_shown);
        // The engine may join a HAVING to this filter, and compute it of groups that do not pass.
        // They are null by then, so that what fails on a total tells of no total held back.
        let mut shown = Vec::new();
        for column in wanted {
            let Expr::Column(Column { relation, name, .. }) = column.clone() else {
                return Err(Refusal::Internal);
            };
            let value = when(is_shown.clone(), column).end()?;
            shown.push(value.alias_qualified(relation, name));
        }
        Ok(LogicalPlanBuilder::from(ranked).filter(is_shown)?.project(shown)?.build()?)
    }

    /// Whom a total is over.
    fn counted(&self, total: &Expr, below: &Below) -> Result<Counted, Refusal> {
        let total = match total {
            Expr::Alias(alias) => &*alias.expr,
            other => other,
        };
        let Expr::AggregateFunction(function) = total else { return Err(Refusal::Internal) };
        let (name, params) = (function.func.name(), &function.params);
        if !TOTALS.contains(&name) {
            return refused(format!("`{name}` can tell the value of one row"));
        }
        if params.filter.is_some() && !self.of_model {
            return refused(format!("`{name}` has a FILTER: use WHERE"));
        }
        if !params.order_by.is_empty() || (params.distinct && name != "count") {
            return refused(format!("`{name}` has a DISTINCT or ORDER BY"));
        }
        let mut values = Vec::new();
        for argument in &params.args {
            values.extend(self.value(argument, name, below)?);
        }
        Ok(Counted { values, filter: params.filter.as_deref().cloned() })
    }

    /// What of an argument must be there for somebody to count; nothing of a constant.
    fn value(&self, argument: &Expr, of: &str, below: &Below) -> Result<Option<Expr>, Refusal> {
        if matches!(argument, Expr::Literal(..)) {
            return Ok(None);
        }
        if self.of_model {
            return Ok(Some(argument.clone()));
        }
        let inner = match argument {
            Expr::Cast(cast)
                if never_fails(
                    &cast.expr.get_type(below.plan.schema())?,
                    cast.field.data_type(),
                ) =>
            {
                &*cast.expr
            }
            other => other,
        };
        match bare(inner).map(|column| below.kind(column)).transpose()? {
            Some(Kind::Plain) => Ok(Some(inner.clone())),
            Some(Kind::Id) if of == "count" => Ok(Some(inner.clone())),
            _ => refused(format!("`{of}` is not over a column of a published table")),
        }
    }

    /// Follows a plan below a total down to its published tables.
    fn below(&self, plan: &LogicalPlan, tables: &mut usize) -> Result<Below, Refusal> {
        match plan {
            LogicalPlan::SubqueryAlias(named) if is_about_people(named) => {
                *tables += 1;
                let columns = named.schema.columns();
                let kinds = columns.iter().map(|column| kind_of_published(&column.name));
                let kinds = kinds.chain([Kind::Person]).collect();
                let person = ident(PERSON).alias(format!("__person_{tables}"));
                let columns = columns.into_iter().map(Expr::Column).chain([person]);
                let plan = LogicalPlanBuilder::from(plan.clone()).project(columns)?.build()?;
                Ok(Below { plan, kinds })
            }
            LogicalPlan::SubqueryAlias(named) => {
                let below = self.below(&named.input, tables)?;
                let plan = LogicalPlanBuilder::from(below.plan).alias(named.alias.clone())?;
                Ok(Below { plan: plan.build()?, kinds: below.kinds })
            }
            LogicalPlan::Projection(projection) => {
                let below = self.below(&projection.input, tables)?;
                let mut kinds = Vec::new();
                for expr in &projection.expr {
                    kinds.push(match bare(expr) {
                        Some(column) => below.kind(column)?,
                        None => {
                            self.check(expr, &below)?;
                            Kind::Computed
                        }
                    });
                }
                let people = below.people();
                kinds.extend(people.iter().map(|_| Kind::Person));
                let columns = projection.expr.iter().cloned().chain(people);
                let plan = LogicalPlanBuilder::from(below.plan).project(columns)?.build()?;
                Ok(Below { plan, kinds })
            }
            LogicalPlan::Filter(filter) => {
                let below = self.below(&filter.input, tables)?;
                let predicate = self.simplified(&filter.predicate, below.plan.schema())?;
                self.check(&predicate, &below)?;
                let plan = LogicalPlanBuilder::from(below.plan).filter(predicate)?;
                Ok(Below { plan: plan.build()?, kinds: below.kinds })
            }
            LogicalPlan::Join(join) => {
                let (left, right) =
                    (self.below(&join.left, tables)?, self.below(&join.right, tables)?);
                for (ours, theirs) in &join.on {
                    let ids = (left.is_id(ours), right.is_id(theirs));
                    if ids != (true, true) {
                        self.check(ours, &left)?;
                        self.check(theirs, &right)?;
                    }
                }
                if !matches!(
                    join.join_type,
                    JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
                ) {
                    return refused("it has a join that is not inner, left, right or full");
                }
                let kinds = left.kinds.into_iter().chain(right.kinds).collect();
                let inputs = vec![left.plan, right.plan];
                let below = Below { plan: plan.with_new_exprs(plan.expressions(), inputs)?, kinds };
                for condition in join.filter.iter().flat_map(split_conjunction) {
                    if !below.compares_ids(condition) {
                        self.check(condition, &below)?;
                    }
                }
                Ok(below)
            }
            LogicalPlan::TableScan(_) => refused("it reads a table without `person_id`"),
            LogicalPlan::Aggregate(_) => refused("it has an aggregate of an aggregate"),
            LogicalPlan::Distinct(_) => refused("it has a DISTINCT below its aggregate"),
            LogicalPlan::Union(_) => refused("it has a UNION below its aggregate"),
            LogicalPlan::Window(_) => refused("it has a window function"),
            LogicalPlan::Limit(_) => refused("it has a LIMIT below its aggregate"),
            _ => {
                refused("it has something else below its aggregate than tables, joins and filters")
            }
        }
    }

    /// Refuses an expression below a total that could fail, or tell one person from others.
    fn check(&self, expr: &Expr, below: &Below) -> Result<(), Refusal> {
        if self.of_model {
            return Ok(());
        }
        let mut refusal = None;
        expr.apply(|part| {
            if self.is_constant(part) {
                return Ok(TreeNodeRecursion::Jump);
            }
            refusal = self.refuse(part, below);
            Ok(match refusal {
                Some(_) => TreeNodeRecursion::Stop,
                None => TreeNodeRecursion::Continue,
            })
        })?;
        refusal.map_or(Ok(()), Err)
    }

    fn refuse(&self, part: &Expr, below: &Below) -> Option<Refusal> {
        let why = match part {
            Expr::Column(column) => match below.kind(column) {
                Ok(Kind::Plain | Kind::Computed) => return None,
                Ok(Kind::Id | Kind::Person) => {
                    format!("`{}` tells one person from others", column.name)
                }
                Err(refusal) => return Some(refusal),
            },
            Expr::BinaryExpr(binary) if is_total(binary.op) => return None,
            Expr::BinaryExpr(binary) => format!("`{}` below its aggregate may fail", binary.op),
            Expr::ScalarFunction(function) if FUNCTIONS.contains(&function.name()) => return None,
            Expr::ScalarFunction(function) => {
                format!("`{}` is not offered below its aggregate", function.name())
            }
            Expr::Cast(cast) => {
                let from = cast.expr.get_type(below.plan.schema()).ok()?;
                let to = cast.field.data_type();
                if never_fails(&from, to) {
                    return None;
                }
                "a conversion below its aggregate may fail: use TRY_CAST".to_owned()
            }
            Expr::Alias(_)
            | Expr::Literal(..)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::Like(_)
            | Expr::InList(_)
            | Expr::Case(_)
            | Expr::TryCast(_) => return None,
            _ => "it has another expression below its aggregate than comparisons".to_owned(),
        };
        Some(Refusal::Statement(why))
    }

    /// The same expression, in which values that are known are computed, and columns are compared
    /// as they are: `at >= now() - interval '1 day'` converts the column to the type of the other side.
    fn simplified(&self, expr: &Expr, schema: &DFSchemaRef) -> Result<Expr, Refusal> {
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(schema))
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_current_time()
            .build();
        Ok(ExprSimplifier::new(context).simplify(expr.clone())?)
    }

    /// Whether an expression is a value that is known before a row is read.
    fn is_constant(&self, expr: &Expr) -> bool {
        if !expr.column_refs().is_empty() || has_subquery(expr) {
            return false;
        }
        let simplified = self.simplified(expr, &Arc::new(DFSchema::empty()));
        simplified.is_ok_and(|expr| matches!(expr, Expr::Literal(..)))
    }
}

/// The column of published tables that tells whom a row is about.
const PERSON: &str = "person_id";

/// Keyed ids are known by their names, which are those that contracts give them.
fn kind_of_published(name: &str) -> Kind {
    let is_id = name == "subject_id" || name.starts_with(PERSON);
    if is_id { Kind::Id } else { Kind::Plain }
}

impl Below {
    fn kind(&self, column: &Column) -> Result<Kind, Refusal> {
        let at = self.plan.schema().index_of_column(column)?;
        self.kinds.get(at).copied().ok_or(Refusal::Internal)
    }

    fn is_id(&self, expr: &Expr) -> bool {
        bare(expr).is_some_and(|column| self.kind(column) == Ok(Kind::Id))
    }

    /// Whether a condition of a join is that two ids are the same.
    fn compares_ids(&self, condition: &Expr) -> bool {
        match condition {
            Expr::BinaryExpr(binary) => {
                binary.op == Operator::Eq && self.is_id(&binary.left) && self.is_id(&binary.right)
            }
            _ => false,
        }
    }

    /// The columns that tell the people.
    fn people(&self) -> Vec<Expr> {
        let columns = self.plan.schema().columns().into_iter().zip(&self.kinds);
        columns
            .filter(|(_, kind)| **kind == Kind::Person)
            .map(|(column, _)| Expr::Column(column))
            .collect()
    }
}

/// How many different people a total is over.
fn distinct(person: Expr, counted: &Counted) -> Expr {
    let has_values = counted.values.iter().cloned().map(Expr::is_not_null);
    let filter = conjunction(has_values.chain(counted.filter.clone()));
    let count = AggregateFunction::new_udf(
        count_udaf(),
        vec![person],
        true,
        filter.map(Box::new),
        Vec::new(),
        None,
    );
    Expr::AggregateFunction(count)
}

/// The column that an expression is, by whatever name.
fn bare(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => bare(&alias.expr),
        _ => None,
    }
}

fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |part: &Expr| {
        Ok(matches!(
            part,
            Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::ScalarSubquery(_)
                | Expr::SetComparison(_)
        ))
    };
    // An expression that cannot be looked through may hold one.
    expr.exists(is_subquery).unwrap_or(true)
}

/// Whether no table is read, so that there is nobody to protect.
fn reads_nothing(plan: &LogicalPlan) -> Result<bool, Refusal> {
    let mut reads = false;
    plan.apply_with_subqueries(|node| {
        reads |= matches!(node, LogicalPlan::TableScan(_));
        Ok(if reads { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(!reads)
}

/// Operators that have an answer for all operands.
const fn is_total(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::And
            | Operator::Or
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::StringConcat
    ) || is_comparison(operator)
}

/// Whether each value of a type has one in the other.
fn never_fails(from: &DataType, to: &DataType) -> bool {
    if let (DataType::Decimal128(digits, scale), DataType::Decimal128(more, finer)) = (from, to) {
        // As many digits before the point, and after it.
        return finer >= scale
            && i16::from(*more) - i16::from(*finer) >= i16::from(*digits) - i16::from(*scale);
    }
    let has_text = from.is_numeric() || from.is_string() || *from == DataType::Boolean;
    (to.is_string() && has_text)
        || from == to
        || (from.is_integer() && to.is_floating())
        || (from.is_signed_integer() && *to == DataType::Int64)
        || (from.is_unsigned_integer() && matches!(to, DataType::UInt64))
        || (*from == DataType::Float32 && *to == DataType::Float64)
}

#[cfg(test)]
mod tests;
