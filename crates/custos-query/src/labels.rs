//! What PostgreSQL calls the columns of an answer.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, Expr, ObjectName, Query, SelectItem, SetExpr, Statement, Subscript,
};

use crate::pg_type::{ALIAS, COMPUTED};

/// What an expression without a name is called.
const NAMELESS: &str = "?column?";

/// The items of a SELECT list, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Label {
    Name {
        name: String,
        /// Whether it was computed, and not read or cast: what the type of a column says of its
        /// values beside its name is lost then.
        is_computed: bool,
    },
    /// As many columns as it takes, named by the tables.
    Wildcard,
}

/// The names of the columns of an answer, as PostgreSQL would choose them
/// (`FigureColname` in its `parse_target.c`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labels(Vec<Label>);

impl Labels {
    /// The names that a query gives its columns.
    pub(crate) fn of(query: &Query) -> Self {
        let items = leftmost(&query.body).map(|select| &select.projection[..]);
        Self(items.unwrap_or_default().iter().map(label).collect())
    }

    /// The name of the only column.
    pub(crate) fn one(name: &str) -> Self {
        Self(vec![Label::Name { name: name.to_owned(), is_computed: false }])
    }

    /// The plan of an answer without rows, whose columns are text.
    pub(crate) fn nothing(&self) -> Result<LogicalPlan, DataFusionError> {
        let fields = self.0.iter().enumerate().filter_map(|(at, label)| {
            // Names may repeat; [`Self::rename`] gives them back.
            label.name().map(|name| Field::new(format!("{name}{at}"), DataType::Utf8, true))
        });
        let schema = DFSchema::try_from(Schema::new(fields.collect::<Vec<_>>()))?;
        let nothing = EmptyRelation { produce_one_row: false, schema: Arc::new(schema) };
        Ok(LogicalPlan::EmptyRelation(nothing))
    }

    /// The same columns under these names.
    ///
    /// Columns of a wildcard keep theirs, and so do all between two wildcards.
    pub(crate) fn rename(&self, schema: &SchemaRef) -> SchemaRef {
        let columns = schema.fields().len();
        let mut names: Vec<Option<(&str, bool)>> = vec![None; columns];
        let wildcards = self.0.iter().filter(|label| **label == Label::Wildcard).count();
        if wildcards == 0 && self.0.len() != columns {
            return Arc::clone(schema);
        }
        let left = self.0.iter().map_while(Label::chosen);
        for (place, name) in names.iter_mut().zip(left) {
            *place = Some(name);
        }
        if wildcards > 0 {
            let right = self.0.iter().rev().map_while(Label::chosen);
            for (place, name) in names.iter_mut().rev().zip(right) {
                *place = Some(name);
            }
        }
        let fields = schema.fields().iter().zip(names).map(|(field, name)| match name {
            Some((name, is_computed)) => {
                let mut field = Field::clone(field).with_name(name);
                // Clients that look types up ask for such, and do not know arrays of other numbers
                // before they have.
                if name.ends_with("oids") && matches!(field.data_type(), DataType::List(_)) {
                    field.metadata_mut().insert(ALIAS.to_owned(), "oids".to_owned());
                }
                if is_computed {
                    field.metadata_mut().insert(COMPUTED.to_owned(), String::new());
                }
                Arc::new(field)
            }
            None => Arc::clone(field),
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

impl Label {
    fn chosen(&self) -> Option<(&str, bool)> {
        match self {
            Self::Name { name, is_computed } => Some((name, *is_computed)),
            Self::Wildcard => None,
        }
    }

    fn name(&self) -> Option<&str> {
        self.chosen().map(|chosen| chosen.0)
    }
}

/// Gives expressions that stand twice in a SELECT list names of their own, which the engine asks
/// for and PostgreSQL does not.
pub(crate) fn tell_apart(statement: &mut Statement) {
    let Statement::Query(query) = statement else { return };
    let Some(select) = leftmost_mut(&mut query.body) else { return };
    let mut seen = Vec::with_capacity(select.projection.len());
    for (at, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let text = expr.to_string();
        if seen.contains(&text) {
            let alias = ast::Ident::with_quote('"', format!("{NAMELESS}{at}"));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        } else {
            seen.push(text);
        }
    }
}

fn leftmost(body: &SetExpr) -> Option<&ast::Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => leftmost(&query.body),
        SetExpr::SetOperation { left, .. } => leftmost(left),
        _ => None,
    }
}

fn leftmost_mut(body: &mut SetExpr) -> Option<&mut ast::Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => leftmost_mut(&mut query.body),
        SetExpr::SetOperation { left, .. } => leftmost_mut(left),
        _ => None,
    }
}

fn label(item: &SelectItem) -> Label {
    match item {
        SelectItem::UnnamedExpr(expr) => Label::Name {
            name: named(expr).map_or_else(|| NAMELESS.to_owned(), |found| found.0),
            is_computed: is_computed(expr),
        },
        SelectItem::ExprWithAlias { expr, alias } => {
            Label::Name { name: folded(alias), is_computed: is_computed(expr) }
        }
        _ => Label::Wildcard,
    }
}

fn is_computed(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => false,
        Expr::Nested(inner) => is_computed(inner),
        Expr::Cast { data_type, .. } => !data_type.to_string().contains('('),
        _ => true,
    }
}

/// A name, and whether it is so by the expression's own right: that of a type is not.
fn named(expr: &Expr) -> Option<(String, bool)> {
    let own = |name: &str| Some((name.to_owned(), true));
    match expr {
        Expr::Identifier(ident) => Some((folded(ident), true)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| (folded(ident), true)),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(inner)) => named(inner),
            Some(AccessExpr::Subscript(Subscript::Index { .. } | Subscript::Slice { .. }))
            | None => named(root),
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => named(inner),
        Expr::Function(function) => last(&function.name).map(|name| (name, true)),
        Expr::Cast { expr, data_type, .. } => match named(expr) {
            Some((name, true)) => Some((name, true)),
            _ => Some((type_name(data_type), false)),
        },
        Expr::TypedString(typed) => Some((type_name(&typed.data_type), false)),
        Expr::Interval(_) => Some(("interval".to_owned(), false)),
        Expr::Value(value) if matches!(value.value, ast::Value::Boolean(_)) => {
            Some(("bool".to_owned(), false))
        }
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(named) {
            Some((name, true)) => Some((name, true)),
            _ => Some(("case".to_owned(), false)),
        },
        Expr::Exists { .. } => own("exists"),
        Expr::Subquery(query) => match label(leftmost(&query.body)?.projection.first()?) {
            Label::Name { name, .. } if name != NAMELESS => Some((name, true)),
            _ => None,
        },
        Expr::Array(_) => own("array"),
        Expr::Tuple(_) => own("row"),
        Expr::Extract { .. } => own("extract"),
        Expr::Ceil { .. } => own("ceil"),
        Expr::Floor { .. } => own("floor"),
        Expr::Position { .. } => own("position"),
        Expr::Substring { .. } => own("substring"),
        Expr::Overlay { .. } => own("overlay"),
        Expr::Trim { trim_where, .. } => own(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            Some(ast::TrimWhereField::Both) | None => "btrim",
        }),
        Expr::AtTimeZone { .. } => own("timezone"),
        _ => None,
    }
}

fn last(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(folded)
}

/// A name as PostgreSQL keeps it.
fn folded(ident: &ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The name of a type in the system catalogue.
fn type_name(data_type: &ast::DataType) -> String {
    let text = data_type.to_string().to_lowercase();
    let bare = text.split(['(', ' ', '[']).next().unwrap_or_default();
    let bare = bare.rsplit('.').next().unwrap_or_default();
    match bare {
        "int" | "integer" | "int4" => "int4",
        "bigint" | "int8" => "int8",
        "smallint" | "int2" => "int2",
        "real" | "float4" => "float4",
        "double" | "float" | "float8" => "float8",
        "boolean" | "bool" => "bool",
        "decimal" | "dec" | "numeric" => "numeric",
        "char" | "character" if text.contains("varying") => "varchar",
        "char" | "character" => "bpchar",
        "timestamp" if text.contains("with time zone") => "timestamptz",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn query(sql: &str) -> Query {
        let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
        match statements.remove(0) {
            Statement::Query(query) => *query,
            _ => unreachable!(),
        }
    }

    fn names(sql: &str) -> Vec<String> {
        let Labels(labels) = Labels::of(&query(sql));
        labels.iter().map(|label| label.name().unwrap_or("*").to_owned()).collect()
    }

    #[test]
    fn columns_are_called_what_postgresql_calls_them() {
        // Each was asked of PostgreSQL 15.
        for (item, expected) in [
            ("a", "a"),
            ("t.a", "a"),
            ("\"A b\"", "A b"),
            ("A", "a"),
            ("1", "?column?"),
            ("1 + 1", "?column?"),
            ("count(*)", "count"),
            ("pg_catalog.count(*)", "count"),
            ("count(*)::int", "count"),
            ("a::text", "a"),
            ("'x'::text", "text"),
            ("1::bigint", "int8"),
            ("cast('1' as double precision)", "float8"),
            ("date '2026-01-01'", "date"),
            ("interval '1 day'", "interval"),
            ("true", "bool"),
            ("case when true then 1 else a end", "a"),
            ("case when true then 1 else 2 end", "case"),
            ("coalesce(a, 1)", "coalesce"),
            ("extract(year from a)", "extract"),
            ("exists (select 1)", "exists"),
            ("(select max(b) from t)", "max"),
            ("array[1, 2]", "array"),
            ("trim(a)", "btrim"),
            ("a at time zone 'UTC'", "timezone"),
            ("-a", "?column?"),
            ("a is null", "?column?"),
            ("sum(a) over ()", "sum"),
            ("(a)", "a"),
            ("1 as x", "x"),
            ("*", "*"),
        ] {
            assert_eq!(names(&format!("select {item} from t")), [expected], "{item}");
        }
        assert_eq!(names("select 1 as x union all select 2 as y"), ["x"]);
    }

    #[test]
    fn a_wildcard_takes_what_the_others_leave() {
        let fields = ["count(*)", "a", "b", "Int64(1)"];
        let fields: Vec<_> =
            fields.into_iter().map(|name| Field::new(name, DataType::Int64, true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let renamed = |sql: &str| {
            let schema = Labels::of(&query(sql)).rename(&schema);
            schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
        };
        assert_eq!(renamed("select count(*), *, 1 from t"), ["count", "a", "b", "?column?"]);
        assert_eq!(renamed("select 1"), ["count(*)", "a", "b", "Int64(1)"]);
    }

    #[test]
    fn what_stands_twice_is_told_apart() {
        let mut statement = Statement::Query(Box::new(query("select 1, 1, a, a from t")));
        tell_apart(&mut statement);
        assert_eq!(
            statement.to_string(),
            "SELECT 1, 1 AS \"?column?1\", a, a AS \"?column?3\" FROM t"
        );
    }
}
