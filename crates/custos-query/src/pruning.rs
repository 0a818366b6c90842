//! Which row groups a filter of the user cannot find anything in.
//!
//! A filter is compared with the bounds of row groups, which cover hidden rows too, and a row group
//! in which no row, hidden or not, passes it is not read. Of the others only the visible rows that
//! pass leave the scan: were all of them to leave, an expression above that fails on a visible row
//! would fail or not depending on whether its row group was read, and so on hidden rows.
//!
//! Only comparisons of a column with a value of its own type are taken, since they cannot fail,
//! and of columns that are shown as they are: bounds of raw values say nothing about masked ones.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use custos_core::Rid;
use custos_lake::{Access, OpenFile};
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use roaring::RoaringBitmap;

use crate::mutants::{self, Mutant};
use crate::person_ids::PersonIds;
use crate::source::Shown;

/// The filters of a query that bounds can be held against.
#[derive(Debug)]
pub(crate) struct Pruning {
    /// Over the columns that the scan shows.
    filter: Arc<dyn PhysicalExpr>,
    /// Over all columns of the table.
    predicate: PruningPredicate,
}

impl Pruning {
    /// Out of filters over the columns of `schema`, each of which [`is_prunable`], for a scan that
    /// shows the columns of `projected`.
    pub(crate) fn new(
        filters: &[Expr],
        schema: &SchemaRef,
        projected: &SchemaRef,
        session: &dyn Session,
    ) -> Option<Self> {
        let filter = conjunction(filters.iter().cloned())?;
        let over = |schema: &SchemaRef| {
            let names = DFSchema::try_from(Arc::clone(schema)).ok()?;
            session.create_physical_expr(filter.clone(), &names).ok()
        };
        let predicate = PruningPredicateBuilder::new()
            .with_file_schema(Arc::clone(schema))
            .try_build(over(schema)?)
            .ok()?;
        Some(Self { filter: over(projected)?, predicate })
    }

    /// For each row group of a file whether something may be found in it.
    pub(crate) fn keeps(&self, columns: &FileColumns<'_>) -> Vec<bool> {
        let all = || vec![true; columns.file.row_groups().len()];
        // What cannot be decided is read.
        self.predicate.prune(columns).unwrap_or_else(|_| all())
    }

    /// The rows of a batch that pass.
    pub(crate) fn pass(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if mutants::is_on(Mutant::FiltersOnlyPrune) {
            return Ok(batch.clone());
        }
        let passes = self.filter.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(filter_record_batch(batch, as_boolean_array(&passes)?)?)
    }
}

/// Whether a filter over governed columns may be held against bounds; `is_clear` says which
/// columns are shown as they are.
pub(crate) fn is_prunable(filter: &Expr, schema: &Schema, is_clear: &dyn Fn(&str) -> bool) -> bool {
    let column = |expr: &Expr| match expr {
        Expr::Column(column) if is_clear(&column.name) => {
            let field = schema.field_with_name(&column.name).ok()?;
            // Bounds leave out values that are no numbers, which compare as the greatest of all.
            (*field.data_type() != DataType::Float64).then(|| field.data_type().clone())
        }
        _ => None,
    };
    let value = |expr: &Expr, of: &DataType| match expr {
        Expr::Literal(value, _) => value.data_type() == *of,
        _ => false,
    };
    let compares = |one: &Expr, other: &Expr| column(one).is_some_and(|of| value(other, &of));
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            is_prunable(left, schema, is_clear) && is_prunable(right, schema, is_clear)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            is_comparison(*op) && (compares(left, right) || compares(right, left))
        }
        Expr::InList(InList { expr, list, .. }) => {
            column(expr).is_some_and(|of| list.iter().all(|item| value(item, &of)))
        }
        Expr::Between(Between { expr, low, high, .. }) => {
            column(expr).is_some_and(|of| value(low, &of) && value(high, &of))
        }
        Expr::IsNull(expr) | Expr::IsNotNull(expr) => column(expr).is_some(),
        _ => false,
    }
}

/// Operators that compare two values.
pub(crate) const fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
    )
}

/// The columns of a governed table as one file has them.
pub(crate) struct FileColumns<'a> {
    pub(crate) file: &'a OpenFile,
    pub(crate) access: Access<'a>,
    pub(crate) ids: &'a PersonIds,
    /// What a column of this name shows.
    pub(crate) shown: &'a dyn Fn(&str) -> Option<Shown>,
}

impl FileColumns<'_> {
    fn bounds(&self, column: &Column) -> Option<custos_lake::ColumnBounds> {
        match (self.shown)(&column.name)? {
            Shown::Value(at) => self.file.bounds(self.access, at).ok()?,
            // Ids are a permutation: their order is not that of subjects.
            Shown::PersonId(_) | Shown::SubjectId(_) => None,
        }
    }
}

impl PruningStatistics for FileColumns<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        Some(self.bounds(column)?.least)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        Some(self.bounds(column)?.greatest)
    }

    fn num_containers(&self) -> usize {
        self.file.row_groups().len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        Some(Arc::new(self.bounds(column)?.nulls))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self.file.row_groups().into_iter().map(|rows| rows as u64);
        Some(Arc::new(rows.collect::<UInt64Array>()))
    }

    /// Row groups outside whose range of subjects all those lie whose id is asked for.
    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        let is_person = match (self.shown)(&column.name)? {
            Shown::PersonId(0) => true,
            Shown::SubjectId(0) => false,
            _ => return None,
        };
        let mut wanted = RoaringBitmap::new();
        for value in values {
            // Rows about nobody have no id, so that null finds none of the subjects.
            let ScalarValue::Int64(Some(id)) = value else { return None };
            match is_person {
                true => wanted.extend(self.ids.of_person(*id).into_iter().map(Rid::get)),
                false => wanted.extend(self.ids.of_subject(*id).map(Rid::get)),
            }
        }
        wanted &= self.file.subjects();
        let groups = self.file.subject_bounds().into_iter().map(|bounds| {
            let is_out = bounds.is_some_and(|bounds| wanted.range_cardinality(bounds) == 0);
            is_out.then_some(false)
        });
        Some(groups.collect())
    }
}

#[cfg(test)]
mod tests;
