//! What there is to ask for, told without asking.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use custos_core::{Classify, ErrorKind, Purpose};
use custos_policy::Principal;
use datafusion::catalog::CatalogProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::asked::Read;
use super::{Governor, Lent, PUBLISHED, Planned, Schemas, Wanted};
use crate::catalogue::{Catalogue, Shipped};
use crate::{Description, QueryError, Question, Session, allow, compute};

impl Governor {
    /// Tells what a statement takes and gives, without running it.
    ///
    /// Of the values of its parameters the types count only; where they say none
    /// ([`DataType::Null`]), or there are none, the statement says what it takes them for.
    pub async fn describe(&self, question: &Question<'_>) -> Result<Description, QueryError> {
        let explained = self.admit(question)?;
        let lent = self.resources.statement(&question.principal.id).await?;
        compute::aside(self.describe_with(explained, question, &lent), lent.computes_for()).await
    }

    async fn describe_with(
        &self,
        explained: Option<&str>,
        question: &Question<'_>,
        lent: &Lent,
    ) -> Result<Description, QueryError> {
        if let Some(sql) = explained {
            let planned = self.plan_explanation(sql, question, lent)?;
            return described(&planned, Vec::new());
        }
        let Some(_) = question.session else {
            let planned = self.plan(question, lent).await?;
            let parameters = parameter_types(&planned.plan)?;
            return described(&planned, parameters);
        };
        let types = self.types(question, lent).await?;
        let typed = types.iter().map(|of| match of {
            DataType::Null => new_null_array(&DataType::Utf8, 1),
            of => new_null_array(of, 1),
        });
        let typed: Vec<ArrayRef> = typed.collect();
        let planned = self.plan(&Question { parameters: &typed, ..*question }, lent).await?;
        described(&planned, types)
    }

    /// The types of all parameters: those that are said, and what follows of the others.
    async fn types(
        &self,
        question: &Question<'_>,
        lent: &Lent,
    ) -> Result<Vec<DataType>, QueryError> {
        let outside = self.schemas(question, lent)?;
        let mut read = Read::of(question, &outside.state)?;
        read.single_out();
        let arrays = std::mem::take(&mut read.arrays);
        let planned = self.plan_read(read, question, lent, outside).await?;
        let fields = parameter_fields(&planned.plan)?;
        let mut types: Vec<_> = fields.iter().map(|field| field.data_type().clone()).collect();
        for (at, (of, field)) in types.iter_mut().zip(&fields).enumerate() {
            match question.parameters.get(at).map(|value| value.data_type()) {
                Some(DataType::Null) | None if arrays.contains(&(at + 1)) => {
                    let item = if *of == DataType::Null { DataType::Utf8 } else { of.clone() };
                    // Which of PostgreSQL's own types it is stays known.
                    let item = Field::new_list_field(item, true);
                    *of = DataType::List(Arc::new(item.with_metadata(field.metadata().clone())));
                }
                Some(DataType::Null) | None => {}
                Some(said) => *of = said.clone(),
            }
        }
        Ok(types)
    }

    /// The published tables that a principal may see for a purpose, and their columns.
    pub async fn tables(
        &self,
        principal: &Principal,
        purpose: &Purpose,
    ) -> Result<Vec<(String, SchemaRef)>, QueryError> {
        let question = Question::new("", principal, purpose);
        self.admit(&question)?;
        let lent = self.resources.statement(&principal.id).await?;
        self.tables_within(&question, &lent).await
    }

    /// The same within the turn of a statement, which would wait for itself if this took another.
    async fn tables_within(
        &self,
        question: &Question<'_>,
        lent: &Lent,
    ) -> Result<Vec<(String, SchemaRef)>, QueryError> {
        let mut tables = Vec::new();
        for name in self.catalog.views.keys() {
            match self.columns_of(name, question, lent).await {
                Ok(columns) => tables.push((name.clone(), columns)),
                Err(error) => match error.kind() {
                    // It is not open to this principal, or its model is broken: it cannot be read.
                    ErrorKind::Denied
                    | ErrorKind::Invalid
                    | ErrorKind::NotFound
                    | ErrorKind::Unsupported => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(tables)
    }

    /// The columns of a published table.
    async fn columns_of(
        &self,
        name: &str,
        question: &Question<'_>,
        lent: &Lent,
    ) -> Result<SchemaRef, QueryError> {
        let (inside, outside) = (self.schemas(question, lent)?, self.schemas(question, lent)?);
        let mut tables = Vec::new();
        self.collect(name, &mut tables, 0)?;
        let (principal, purpose) = (question.principal, question.purpose);
        self.provide(&tables, principal, purpose, &inside, &outside).await?;
        outside.columns(name).await
    }

    /// A session of the engine with the catalogue of a connection.
    pub(super) async fn catalogue_state(
        &self,
        session: &Session,
        question: &Question<'_>,
        lent: &Lent,
    ) -> Result<SessionState, QueryError> {
        let catalogue = session.catalogue.get_or_try_init(|| async {
            let of_nothing = Question::new("", question.principal, question.purpose);
            let tables = self.tables_within(&of_nothing, lent).await?;
            Ok::<_, QueryError>(Arc::new(Catalogue::new(tables)))
        });
        let catalogue = catalogue.await?;
        let shipped = match self.shipped.get() {
            Some(shipped) => shipped,
            None => {
                let read = Arc::new(Shipped::new()?);
                self.shipped.get_or_init(|| read)
            }
        };
        catalogue.state(session, shipped, self.config(Some(session)), lent.runtime()).await
    }
}

impl Schemas {
    async fn columns(&self, name: &str) -> Result<SchemaRef, QueryError> {
        let schema = self.catalog.schema(PUBLISHED).ok_or(QueryError::Internal)?;
        let table = schema.table(name).await.map_err(|_| QueryError::Internal)?;
        Ok(table.ok_or(QueryError::Internal)?.schema())
    }
}

fn described(planned: &Planned, parameters: Vec<DataType>) -> Result<Description, QueryError> {
    allow::logical(&planned.plan, planned.reads)?;
    let columns = columns(planned);
    let columns = match &planned.labels {
        Some(labels) => labels.rename(&columns),
        None => columns,
    };
    let (plan, rows) = (&planned.plan, matches!(planned.wanted, Wanted::Rows));
    let sorted = plan.exists(|node| Ok(matches!(node, LogicalPlan::Sort(_))));
    let ordered = sorted.map_err(|error| QueryError::from_planning(&error))? || !rows;
    Ok(Description { parameters, columns, rows_max: plan.max_rows().filter(|_| rows), ordered })
}

fn columns(planned: &Planned) -> SchemaRef {
    match &planned.wanted {
        Wanted::Rows => Arc::clone(planned.plan.schema().inner()),
        Wanted::Plan => super::explain::plan_columns(),
        Wanted::Policy(_) => super::explain::policy_columns(),
    }
}

/// The types of the parameters, in their order.
fn parameter_types(plan: &LogicalPlan) -> Result<Vec<DataType>, QueryError> {
    let fields = parameter_fields(plan)?;
    Ok(fields.iter().map(|field| field.data_type().clone()).collect())
}

fn parameter_fields(plan: &LogicalPlan) -> Result<Vec<FieldRef>, QueryError> {
    let mut fields =
        plan.get_parameter_fields().map_err(|error| QueryError::from_planning(&error))?;
    // What is cast to a type is of that type.
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Cast(cast) = expr
                    && let Expr::Placeholder(Placeholder { id, field: None }) = &*cast.expr
                {
                    fields.insert(id.clone(), Some(Arc::clone(&cast.field)));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(|error| QueryError::from_planning(&error))?;
    let any: FieldRef = Arc::new(Field::new("", DataType::Null, true));
    let mut parameters = Vec::new();
    for (name, field) in fields {
        let number = name.trim_start_matches('$').parse::<usize>().unwrap_or(0);
        if number == 0 || number > usize::from(u16::MAX) {
            return Err(QueryError::NoParameter { number });
        }
        if parameters.len() < number {
            parameters.resize(number, Arc::clone(&any));
        }
        if let (Some(place), Some(field)) = (parameters.get_mut(number - 1), field) {
            *place = match field.data_type() {
                // Views are how columns are computed with, not a type that callers give values in.
                DataType::Utf8View => Arc::new(Field::clone(&field).with_data_type(DataType::Utf8)),
                _ => field,
            };
        }
    }
    Ok(parameters)
}
