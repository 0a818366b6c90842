//! `EXPLAIN` and `EXPLAIN POLICY`: answers that are about a statement and come from no row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use custos_core::{Purpose, TableName};
use custos_policy::{
    ExplainedBasis, ExplainedColumn, ExplainedRows, Explanation, PolicySet, Principal,
    RuleReference, Unruled,
};
use datafusion::logical_expr::LogicalPlan;

use super::Governor;
use crate::{QueryError, Visibility};

/// The columns of an answer to `EXPLAIN POLICY`, all text.
const COLUMNS: [&str; 8] = ["table", "source", "about", "item", "says", "rule", "effect", "place"];

/// Why a statement sees what it sees, but for what turns on the time it runs at.
#[derive(Debug)]
pub(crate) struct PolicyAnswer {
    rows: Vec<Row>,
}

/// One row of the answer.
#[derive(Debug, Clone, Default)]
struct Row {
    /// The published tables of the statement that read the source.
    table: Option<String>,
    /// The table of the lake.
    source: Option<String>,
    about: &'static str,
    item: Option<String>,
    says: String,
    rule: Option<RuleReference>,
}

impl Governor {
    /// Why a principal sees of a table what they see for a purpose: of a published table, by all
    /// the tables of the lake that it reads, or of one of those; none if there is no such table.
    pub fn explain_table(
        &self,
        table: &str,
        principal: &Principal,
        purpose: &Purpose,
    ) -> Option<Vec<Explanation>> {
        let name = table.strip_prefix("customer.").unwrap_or(table);
        let mut views = Vec::new();
        let sources = match self.collect(name, &mut views, 0) {
            Ok(()) => self.sources_of(&views),
            Err(_) => {
                let named: TableName = table.parse().ok()?;
                BTreeSet::from([self.catalog.sources.get_key_value(&named)?.0])
            }
        };
        let now = self.clock.now();
        let sources = sources.into_iter().filter_map(|source| self.catalog.sources.get(source));
        let explained =
            sources.map(|source| self.policy.explain(principal, purpose, source.dataset(), now));
        Some(explained.collect())
    }

    /// What `EXPLAIN POLICY` answers about a statement over these published tables.
    pub(super) fn explain_policy(
        &self,
        views: &[String],
        principal: &Principal,
        purpose: &Purpose,
    ) -> Result<PolicyAnswer, QueryError> {
        let now = self.clock.now();
        let mut rows = of_statement(&self.policy, principal, purpose);
        let mut read_by: BTreeMap<&TableName, Vec<&str>> = BTreeMap::new();
        for view in views {
            for source in self.sources_of(&self.below(view)?) {
                read_by.entry(source).or_default().push(view);
            }
        }
        for (name, views) in read_by {
            let source = self.catalog.sources.get(name).ok_or(QueryError::Internal)?;
            let explanation = self.policy.explain(principal, purpose, source.dataset(), now);
            let mut of_source = of_source(&explanation);
            // What the law demands needs no notice at any source.
            let unlimited = explanation.rows.as_ref().is_some_and(|rows| rows.people == "always");
            let told = |notified: &[Purpose]| unlimited || self.policy.covers(notified, purpose);
            if explanation.denial.is_none()
                && let Some((_, shown)) = source.sources_for(told)
            {
                let shown = shown.into_iter().collect::<Vec<_>>().join(", ");
                of_source.push(row("rows", Some("sources"), shown));
            }
            for row in &mut of_source {
                row.table = Some(views.join(", "));
                row.source = Some(name.to_string());
            }
            rows.extend(of_source);
        }
        Ok(PolicyAnswer { rows })
    }

    /// A published table and those that it reads.
    pub(crate) fn below(&self, view: &str) -> Result<Vec<String>, QueryError> {
        let mut views = Vec::new();
        self.collect(view, &mut views, 0)?;
        Ok(views)
    }

    /// The tables of the lake that these published tables read themselves.
    pub(crate) fn sources_of(&self, views: &[String]) -> BTreeSet<&TableName> {
        let views = views.iter().filter_map(|view| self.catalog.views.get(view));
        views.flat_map(|view| &view.tables).collect()
    }
}

impl PolicyAnswer {
    /// The answer on the state of consent that a statement would see now.
    pub(super) fn at(&self, now: &Visibility) -> Result<RecordBatch, QueryError> {
        let epoch = |name, value: u64| row("epoch", Some(name), value.to_string());
        let mut rows = self.rows.clone();
        rows.extend([
            epoch("consent", now.epochs.consent),
            epoch("suppression", now.epochs.suppression),
            epoch("persons", now.persons_version),
            row("staleness", None, "none: all tables are read as the statement runs".to_owned()),
        ]);
        let cells = |cell: fn(&Row) -> Option<String>| -> ArrayRef {
            Arc::new(rows.iter().map(cell).collect::<StringArray>())
        };
        let columns: [ArrayRef; COLUMNS.len()] = [
            cells(|row| row.table.clone()),
            cells(|row| row.source.clone()),
            cells(|row| Some(row.about.to_owned())),
            cells(|row| row.item.clone()),
            cells(|row| Some(row.says.clone())),
            cells(|row| row.rule.as_ref().map(|rule| rule.id.clone())),
            cells(|row| row.rule.as_ref().map(|rule| rule.effect.as_str().to_owned())),
            cells(|row| row.rule.as_ref().map(RuleReference::place)),
        ];
        RecordBatch::try_new(policy_columns(), columns.into()).map_err(|_| QueryError::Internal)
    }
}

/// A plan as rows of text, one a node. Nothing in it turns on what the tables hold: it is made of
/// the statement, of the models, and of which columns are shown in clear.
pub(super) fn plan_lines(plan: &LogicalPlan) -> Result<RecordBatch, QueryError> {
    let text = plan.display_indent().to_string();
    let lines: StringArray = text.lines().map(Some).collect();
    RecordBatch::try_new(plan_columns(), vec![Arc::new(lines)]).map_err(|_| QueryError::Internal)
}

/// The columns of a plan.
pub(super) fn plan_columns() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]))
}

/// The columns of an explanation of policy.
pub(super) fn policy_columns() -> SchemaRef {
    Arc::new(Schema::new(COLUMNS.map(|name| Field::new(name, DataType::Utf8, true)).to_vec()))
}

fn row(about: &'static str, item: Option<&str>, says: String) -> Row {
    Row { about, item: item.map(str::to_owned), says, ..Row::default() }
}

/// One row for each rule, or one without.
fn ruled(row: Row, rules: &[RuleReference]) -> Vec<Row> {
    if rules.is_empty() {
        return vec![row];
    }
    rules.iter().map(|rule| Row { rule: Some(rule.clone()), ..row.clone() }).collect()
}

fn of_statement(policy: &PolicySet, principal: &Principal, purpose: &Purpose) -> Vec<Row> {
    let output = policy.purpose(purpose).map(|node| node.output.to_string());
    vec![
        row("policy", Some("version"), policy.version().to_string()),
        row("policy", Some("principal"), principal.id.to_string()),
        row("policy", Some("roles"), principal.roles.join(", ")),
        row("policy", Some("purpose"), purpose.to_string()),
        row("policy", Some("output"), output.unwrap_or_default()),
    ]
}

fn of_source(explanation: &Explanation) -> Vec<Row> {
    let decision = match &explanation.denial {
        None => row("decision", None, "may be read".to_owned()),
        Some(denial) => Row {
            rule: denial.rule.clone(),
            ..row("decision", None, format!("may not be read: {}", denial.reason))
        },
    };
    let mut rows = vec![decision];
    rows.extend(ruled(
        row("use", None, format!("`{}` may be asked for", explanation.purpose)),
        &explanation.usage,
    ));
    rows.extend(explanation.columns.iter().flat_map(of_column));
    rows.extend(explanation.rows.iter().flat_map(of_rows));
    rows.extend(explanation.legal_basis.iter().flat_map(of_basis));
    rows.extend(explanation.purposes.iter().map(|tried| {
        let says = match &tried.denied {
            None => format!("shows {} column(s)", tried.columns_shown),
            Some(reason) => format!("denied: {reason}"),
        };
        row("purpose", Some(tried.purpose.as_str()), says)
    }));
    rows.extend(explanation.remedies.iter().map(|it| row("remedy", None, it.to_string())));
    rows
}

fn of_column(column: &ExplainedColumn) -> Vec<Row> {
    let why = match column.unruled {
        None => "",
        Some(Unruled::Technical) => ": it is about nobody",
        Some(Unruled::CategoryUnknown) => ": it has no category that is known",
        Some(Unruled::NotPermitted) => ": no rule permits it",
    };
    let whom = match column.separate_consent {
        true => " of those who gave separate consent to sensitive data",
        false => "",
    };
    let says = format!("{}{whom}{why}", column.shown);
    ruled(row("column", Some(&column.name), says), &column.rules)
}

fn of_rows(rows: &ExplainedRows) -> Vec<Row> {
    let seen = |visible: bool| if visible { "shown" } else { "hidden" }.to_owned();
    let from = match (&rows.event_time, rows.event_time_from) {
        (_, None) => "of any age".to_owned(),
        (Some(column), Some(from)) => format!("`{column}` from {from} on"),
        (None, Some(from)) => format!("from {from} on, but there is no event time"),
    };
    let kept = rows
        .deleted_before
        .map_or_else(|| "kept forever".to_owned(), |before| format!("deleted if before {before}"));
    let mut told = vec![
        row("rows", Some("people"), rows.people.to_owned()),
        row("rows", Some("unattributed"), seen(rows.unattributed)),
        row("rows", Some("undated"), seen(rows.undated)),
    ];
    if !rows.separate.is_empty() {
        told.push(row("rows", Some("separate consent"), rows.separate.join(", ")));
    }
    told.extend(ruled(row("retention", Some("shown"), from), &rows.rules));
    told.extend(ruled(row("retention", Some("kept"), kept), &rows.deletion_rules));
    told
}

fn of_basis(basis: &ExplainedBasis) -> Vec<Row> {
    let mut told = vec![row("basis", None, format!("{} in `{}`", basis.basis, basis.jurisdiction))];
    for (place, basis) in &basis.by_jurisdiction {
        told.push(row("basis", Some(place), (*basis).to_owned()));
    }
    told.push(row("basis", Some("elsewhere"), basis.elsewhere.to_owned()));
    told
}
