//! Statements over the catalogue in words that the engine understands.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, GroupByExpr, Ident, Join, JoinOperator, ObjectName, Query, Select,
    SelectItem, SetExpr, SetOperator, Statement, TableFactor, TableWithJoins, Visitor,
    visit_expressions_mut,
};

use super::{information, relations, shape};

/// Functions that make one value of many rows, by their names.
const AGGREGATES: [&str; 12] = [
    "count",
    "max",
    "min",
    "sum",
    "avg",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    "every",
    "json_agg",
    "first_value",
];

/// Rewrites what the engine does not plan: arrays of subqueries, subqueries of one row that it
/// cannot tell have one, and the names of types and relations behind their numbers.
pub(crate) fn adapt(statement: &mut Statement) {
    let _never: ControlFlow<()> = visit_expressions_mut(statement, |expr| {
        let adapted = nothing_from(expr)
            .or_else(|| array_of(expr))
            .or_else(|| only_row(expr))
            .or_else(|| name_of(expr))
            .or_else(|| function_named(expr))
            .or_else(|| function_joined(expr));
        if let Some(adapted) = adapted {
            *expr = adapted;
        }
        ControlFlow::Continue(())
    });
}

/// What a subquery without rows stands for.
fn nothing_from(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Subquery(query) if is_empty(query) => {
            Some(cast(Expr::value(ast::Value::Null), ast::DataType::Text))
        }
        Expr::Exists { subquery, negated } if is_empty(subquery) => {
            Some(Expr::value(ast::Value::Boolean(*negated)))
        }
        _ => None,
    }
}

/// `ARRAY(SELECT x ..)` as an aggregate, or nothing where no row can be.
fn array_of(expr: &Expr) -> Option<Expr> {
    let Expr::Function(function) = expr else { return None };
    let FunctionArguments::Subquery(query) = &function.args else { return None };
    if !is_called(function, "array") {
        return None;
    }
    let none = || cast(call("make_array", Vec::new()), text_array());
    if is_empty(query) {
        return Some(none());
    }
    Some(call("coalesce", vec![aggregated(query, "array_agg")?, none()]))
}

/// A subquery that stands for a value, with a proof that it has one row at most.
fn only_row(expr: &Expr) -> Option<Expr> {
    let Expr::Subquery(query) = expr else { return None };
    let select = query.body.as_select()?;
    let is_plain = select.group_by == GroupByExpr::Expressions(Vec::new(), Vec::new())
        && !select.from.is_empty()
        && select.selection.is_some()
        && !select.projection.iter().any(aggregates);
    is_plain.then(|| aggregated(query, "max")).flatten()
}

/// A subquery whose only column is aggregated.
fn aggregated(query: &Query, function: &str) -> Option<Expr> {
    let mut query = Query::clone(query);
    let SetExpr::Select(select) = &mut *query.body else { return None };
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
        &mut select.projection[..]
    else {
        return None;
    };
    *item = call(function, vec![item.clone()]);
    query.order_by = None;
    query.limit_clause = None;
    Some(Expr::Subquery(Box::new(query)))
}

/// `x::regtype::text` and `x::regclass::text`.
fn name_of(expr: &Expr) -> Option<Expr> {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return None };
    let is_text = matches!(data_type, ast::DataType::Text | ast::DataType::Varchar(_))
        || data_type.to_string().ends_with("text");
    let Expr::Cast { expr: number, data_type: alias, .. } = &**inner else { return None };
    let alias = alias.to_string().to_lowercase();
    let function = match alias.rsplit('.').next()? {
        "regtype" => "custos_type_name",
        "regclass" => "custos_relation_name",
        "regnamespace" => "custos_schema_name",
        _ => return None,
    };
    is_text.then(|| call(function, vec![Expr::clone(number)]))
}

/// A comparison of a function's number with a column that names a function, as one of names: those
/// of the functions that types are read and written by are not shared.
fn function_joined(expr: &Expr) -> Option<Expr> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = expr else { return None };
    let (number, names) = match (names_function(left), names_function(right)) {
        (false, true) => (left, right),
        (true, false) => (right, left),
        _ => return None,
    };
    let Expr::CompoundIdentifier(parts) = &**number else { return None };
    let (last, of) = parts.split_last()?;
    if !last.value.eq_ignore_ascii_case("oid") {
        return None;
    }
    let name = of.iter().cloned().chain([Ident::new("proname")]).collect();
    Some(Expr::BinaryOp {
        left: Box::new(Expr::CompoundIdentifier(name)),
        op: BinaryOperator::Eq,
        right: names.clone(),
    })
}

/// Whether an expression is a column of `pg_type` that names a function.
fn names_function(expr: &Expr) -> bool {
    let column = match expr {
        Expr::Identifier(ident) => ident,
        Expr::CompoundIdentifier(parts) => match parts.last() {
            Some(ident) => ident,
            None => return false,
        },
        _ => return false,
    };
    column.value.starts_with("typ")
        && ["input", "output", "receive", "send"].iter().any(|end| column.value.ends_with(end))
}

/// A comparison of a function's name, which is what columns hold here, with the number of a function
/// that is looked up by its name.
fn function_named(expr: &Expr) -> Option<Expr> {
    let Expr::BinaryOp { left, op, right } = expr else { return None };
    let is_function = names_function(left);
    if let (true, Expr::Value(value)) = (is_function, &**right)
        && matches!(value.value, ast::Value::Number(..))
    {
        // No function at all, which has this name.
        let none = Expr::value(ast::Value::SingleQuotedString("-".to_owned()));
        return Some(Expr::BinaryOp { left: left.clone(), op: op.clone(), right: Box::new(none) });
    }
    let Expr::Subquery(query) = &**right else { return None };
    let select = query.body.as_select()?;
    let from = select.from.first()?.relation.to_string();
    if !is_function || !from.contains("pg_proc") {
        return None;
    }
    let text = select.selection.as_ref()?.to_string();
    let name = text.rsplit('\'').nth(1)?.rsplit('.').next()?.to_owned();
    let name = Expr::value(ast::Value::SingleQuotedString(name));
    Some(Expr::BinaryOp { left: left.clone(), op: op.clone(), right: Box::new(name) })
}

/// A call of a function.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn cast(expr: Expr, data_type: ast::DataType) -> Expr {
    Expr::Cast {
        kind: ast::CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn text_array() -> ast::DataType {
    let item = Box::new(ast::DataType::Text);
    ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(item, None))
}

fn is_called(function: &Function, name: &str) -> bool {
    let last = function.name.0.last().and_then(|part| part.as_ident());
    last.is_some_and(|ident| ident.value.eq_ignore_ascii_case(name))
}

fn aggregates(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
        return false;
    };
    let mut found = Aggregates { depth: 0 };
    ast::Visit::visit(expr, &mut found).is_break()
}

/// Looks for aggregates, but those of subqueries, which are of other rows.
struct Aggregates {
    depth: usize,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function)
                if self.depth == 0 && AGGREGATES.iter().any(|name| is_called(function, name)) =>
            {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Whether a query has no rows whatever it computes, because it joins a relation that has none
/// here: there are no constraints, indexes, triggers and the like.
pub(crate) fn is_empty(query: &Query) -> bool {
    query.fetch.is_none() && is_empty_set(&query.body)
}

fn is_empty_set(set: &SetExpr) -> bool {
    match set {
        SetExpr::Select(select) => is_empty_select(select),
        SetExpr::Query(query) => is_empty(query),
        SetExpr::SetOperation { op, left, right, .. } => match op {
            SetOperator::Union => is_empty_set(left) && is_empty_set(right),
            SetOperator::Intersect => is_empty_set(left) || is_empty_set(right),
            SetOperator::Except | SetOperator::Minus => is_empty_set(left),
        },
        _ => false,
    }
}

fn is_empty_select(select: &Select) -> bool {
    let is_grouped = select.group_by != GroupByExpr::Expressions(Vec::new(), Vec::new());
    (is_grouped || !select.projection.iter().any(aggregates))
        && select.from.iter().any(is_empty_join)
}

fn is_empty_join(tables: &TableWithJoins) -> bool {
    let mut is_empty = is_empty_table(&tables.relation);
    for Join { relation, join_operator, .. } in &tables.joins {
        is_empty = match join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                is_empty || is_empty_table(relation)
            }
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => is_empty,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => is_empty_table(relation),
            _ => is_empty && is_empty_table(relation),
        };
    }
    is_empty
}

fn is_empty_table(table: &TableFactor) -> bool {
    match table {
        TableFactor::Table { name, args: None, .. } => is_empty_relation(name),
        // Options of relations, of which none has any.
        TableFactor::Table { name, args: Some(arguments), .. } => {
            name.to_string().to_lowercase().ends_with("unnest")
                && arguments
                    .args
                    .iter()
                    .any(|argument| argument.to_string().ends_with("reloptions"))
        }
        TableFactor::UNNEST { array_exprs, .. } => {
            array_exprs.iter().any(|expr| expr.to_string().ends_with("reloptions"))
        }
        TableFactor::Derived { subquery, .. } => is_empty(subquery),
        TableFactor::NestedJoin { table_with_joins, .. } => is_empty_join(table_with_joins),
        _ => false,
    }
}

fn is_empty_relation(name: &ObjectName) -> bool {
    let mut parts = name.0.iter().rev().filter_map(|part| part.as_ident());
    let Some(table) = parts.next().map(|ident| ident.value.to_lowercase()) else { return false };
    let schema = parts.next().map(|ident| ident.value.to_lowercase());
    match schema.as_deref().unwrap_or(shape::PG_CATALOG) {
        schema @ shape::PG_CATALOG => {
            shape::find(schema, &table).is_some() && !relations::has_rows(&table)
        }
        schema @ shape::INFORMATION_SCHEMA => {
            shape::find(schema, &table).is_some() && !information::has_rows(&table)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn query(sql: &str) -> Query {
        match Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0) {
            Statement::Query(query) => *query,
            _ => unreachable!(),
        }
    }

    #[test]
    fn a_query_is_empty_only_where_a_join_cannot_have_rows() {
        for (sql, expected) in [
            ("select * from pg_index", true),
            ("select * from pg_catalog.pg_class c join pg_index i on true", true),
            ("select * from pg_class c, pg_trigger t", true),
            ("select * from pg_class c left join pg_index i on true", false),
            ("select * from pg_index i left join pg_class c on true", true),
            ("select * from pg_class c right join pg_index i on true", true),
            ("select * from pg_class c full join pg_index i on true", false),
            ("select count(*) from pg_index", false),
            ("select 1 + count(*) from pg_index", false),
            ("select (select count(*) from pg_class) from pg_index", true),
            ("select a, count(*) from pg_index group by a", true),
            ("select * from (select * from pg_index) as x", true),
            ("select * from (select count(*) from pg_index) as x", false),
            ("select 1 from pg_index union select 1", false),
            ("select 1 from pg_index intersect select 1", true),
            ("select 1 from pg_index union all select 2 from pg_constraint", true),
            ("select * from pg_class", false),
            ("select * from orders", false),
            ("select * from customer.pg_index", false),
        ] {
            assert_eq!(is_empty(&query(sql)), expected, "{sql}");
        }
    }
}
