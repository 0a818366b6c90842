//! The opaque leaf: the one place where a row is let through or not.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::nullif;
use arrow::datatypes::{Int64Type, SchemaRef};
use async_trait::async_trait;
use custos_consent::SeparateConsent;
use custos_core::Rid;
use custos_keys::MacKey;
use custos_lake::{Access, OpenFile, RowRange};
use custos_policy::{ColumnRule, ReadGrant};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::aging::Aging;
use crate::answer_cache::{TableRead, TablesRead};
use crate::governor::Shared;
use crate::mutants::{self, Mutant};
use crate::others_named::OthersNamed;
use crate::person_ids::PersonIds;
use crate::population::{Asked, Visibility, VisibleSubjects};
use crate::pruning::{FileColumns, Pruning, is_prunable};
use crate::row_bits::{OpenTable, RowBits, RowRules, Viewer};
use crate::source::Shown;
use crate::subjects_read::SubjectsRead;
use crate::units::Unit;
use crate::{GovernedSource, QueryError, mask, scrub, units};

/// The column of the lake that names the subject of a row.
const SUBJECT: usize = 0;

/// A source under a grant, or without one: then it has no rows.
pub(crate) struct GovernedTable {
    source: Arc<GovernedSource>,
    grant: Option<Arc<ReadGrant>>,
    /// The column that names a row's source, and the sources that the purpose may show.
    sources: Option<(usize, BTreeSet<String>)>,
    shared: Arc<Shared>,
}

impl GovernedTable {
    pub(crate) const fn new(
        source: Arc<GovernedSource>,
        grant: Option<Arc<ReadGrant>>,
        sources: Option<(usize, BTreeSet<String>)>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { source, grant, sources, shared }
    }
}

impl fmt::Debug for GovernedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GovernedTable").finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for GovernedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.source.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters stay above the scan; some are applied in it, too, so that less is read.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let schema = self.source.schema();
        let helps = |filter: &&Expr| match is_prunable(filter, schema, &|name| self.is_clear(name))
        {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(helps).collect())
    }

    /// Filters that cannot fail are applied to visible rows as they are shown, and decide which row
    /// groups are read. The limit decides nothing.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.source.shown().len()).collect(),
        };
        let schema = Arc::new(self.source.schema().project(&projection)?);
        let shown = projection.iter().map(|&at| self.source.shown()[at]).collect();
        let opened = match &self.grant {
            Some(grant) => Some(self.open(grant).await.map_err(QueryError::into_engine)?),
            None => None,
        };
        if let Some(read) = state.config().get_extension::<TablesRead>() {
            let table = self.source.table().name().clone();
            let opened =
                opened.as_ref().map(|opened| (Arc::clone(&opened.grant), opened.table.version));
            read.add(TableRead { table, opened });
        }
        // Constant, since a number that follows the files would tell how many are hidden.
        let partitions = state.config().target_partitions();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(GovernedScan {
            pruning: Pruning::new(filters, self.source.schema(), &schema, state).map(Arc::new),
            schema,
            shown,
            opened,
            shared: Arc::clone(&self.shared),
            properties: Arc::new(properties),
            units: OnceLock::new(),
        }))
    }
}

impl GovernedTable {
    /// Whether a column is shown as it is, to whoever sees its row.
    fn is_clear(&self, name: &str) -> bool {
        match (self.source.shown_as(name), &self.grant) {
            (Some(Shown::Value(_)), _) if mutants::is_on(Mutant::MaskedPruned) => true,
            (Some(Shown::Value(at)), Some(grant)) => {
                let name = &self.source.table().spec().columns()[at].name;
                matches!(grant.column(name), ColumnRule::Clear)
                    && !grant.needs_separate_consent(name)
            }
            (Some(Shown::PersonId(_) | Shown::SubjectId(_)), _) => true,
            _ => false,
        }
    }

    async fn open(&self, grant: &Arc<ReadGrant>) -> Result<Opened, QueryError> {
        let table = self.source.table();
        let (snapshot, files) = table.open_current(Access::Read(grant)).await?;
        Ok(Opened {
            grant: Arc::clone(grant),
            tokens: Arc::new(self.shared.keys.mac_key(custos_keys::NamedKey::Tokens(
                mutants::purpose(Mutant::SharedTokens, grant.purpose()).into_owned(),
            ))),
            table: Arc::new(OpenTable {
                source: Arc::clone(&self.source),
                version: snapshot.version,
                files,
                rules: RowRules {
                    sources: self.sources.clone(),
                    aging: Aging::of(grant, table.spec()),
                },
            }),
        })
    }
}

/// A table opened against a grant.
#[derive(Clone)]
struct Opened {
    grant: Arc<ReadGrant>,
    tokens: Arc<MacKey>,
    table: Arc<OpenTable>,
}

/// Reads the visible rows. A leaf without children, metrics or statistics, so that neither rules
/// nor EXPLAIN see into it.
struct GovernedScan {
    schema: SchemaRef,
    shown: Vec<Shown>,
    opened: Option<Opened>,
    pruning: Option<Arc<Pruning>>,
    shared: Arc<Shared>,
    properties: Arc<PlanProperties>,
    /// What is to be read; the partitions share it.
    units: OnceLock<Vec<Unit>>,
}

impl fmt::Debug for GovernedScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GovernedScan")
    }
}

impl DisplayAs for GovernedScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GovernedScan")
    }
}

impl ExecutionPlan for GovernedScan {
    fn name(&self) -> &str {
        "GovernedScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    /// The planner is told nothing about what is hidden.
    fn partition_statistics(&self, _: Option<usize>) -> Result<Arc<Statistics>> {
        let mut known = Statistics::new_unknown(&self.schema);
        if mutants::is_on(Mutant::RowsCounted)
            && let Some(opened) = &self.opened
        {
            let rows: u64 = opened.table.files.iter().map(|file| file.entry().rows).sum();
            known.num_rows = Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX));
        }
        Ok(Arc::new(known))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(&self.schema);
        let Some(opened) = self.opened.clone() else {
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::empty())));
        };
        // Without the state of consent as of this execution nothing is read.
        let visibility = context
            .session_config()
            .get_extension::<Visibility>()
            .ok_or_else(|| QueryError::Internal.into_engine())?;
        let partitions = self.properties.output_partitioning().partition_count();
        let reader = Arc::new(Reader::new(self, opened, &visibility, &context));
        let all = self.units.get_or_init(|| reader.units());
        let units: Vec<Unit> = all.iter().skip(partition).step_by(partitions).cloned().collect();
        if let Some(read) = context.session_config().get_extension::<SubjectsRead>() {
            reader.note_subjects(&units, &read);
        }
        if let Some(others) = context.session_config().get_extension::<OthersNamed>()
            && self.shown.iter().any(Shown::is_of_another)
        {
            others.note();
        }
        let rows = stream::iter(units)
            .then(move |unit| {
                let reader = Arc::clone(&reader);
                async move { reader.read(unit).await }
            })
            .try_flatten()
            .map_err(QueryError::into_engine);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// One execution's way from files to visible, masked rows.
struct Reader {
    opened: Opened,
    shared: Arc<Shared>,
    visible: Arc<VisibleSubjects>,
    /// Those of them whose sensitive values may be shown, if that is a question.
    sensitive: Option<Arc<VisibleSubjects>>,
    ids: Arc<PersonIds>,
    unattributed: bool,
    shown: Vec<Shown>,
    schema: SchemaRef,
    pruning: Option<Arc<Pruning>>,
    /// The columns that are read, in the order they are read in.
    columns: Vec<usize>,
    batch_rows: usize,
}

impl Reader {
    fn new(
        scan: &GovernedScan,
        opened: Opened,
        visibility: &Visibility,
        context: &TaskContext,
    ) -> Self {
        let grant = &opened.grant;
        let rows = grant.rows();
        let subject_max =
            opened.table.files.iter().filter_map(|file| file.subjects().max()).max().unwrap_or(0);
        let visible = visibility.visible(grant.purpose(), rows.into(), subject_max);
        let sensitive = has_sensitive(&scan.shown, &opened).then(|| {
            let separate = rows.separate.with(SeparateConsent::SensitiveData);
            let asked = Asked { basis: rows.basis, separate };
            visibility.visible(grant.purpose(), asked, subject_max)
        });
        let ids = scan.shared.person_ids(grant.purpose(), visibility, subject_max);
        let columns = columns_to_read(&scan.shown, &opened);
        Self {
            unattributed: rows.unattributed_visible,
            visible,
            sensitive,
            ids,
            shown: scan.shown.clone(),
            schema: Arc::clone(&scan.schema),
            pruning: scan.pruning.clone(),
            columns,
            batch_rows: context.session_config().batch_size(),
            shared: Arc::clone(&scan.shared),
            opened,
        }
    }

    /// The row groups in which the query may find something.
    fn units(&self) -> Vec<Unit> {
        let source = &self.opened.table.source;
        let access = Access::Read(&self.opened.grant);
        let shown = |name: &str| source.shown_as(name);
        units::cut(&self.opened.table.files, |file| match &self.pruning {
            Some(pruning) => {
                pruning.keeps(&FileColumns { file, access, ids: &self.ids, shown: &shown })
            }
            None => Vec::new(),
        })
    }

    /// Notes whose rows may be among those of these row groups.
    fn note_subjects(&self, units: &[Unit], read: &SubjectsRead) {
        let files: BTreeSet<usize> = units.iter().map(|unit| unit.file).collect();
        for file in files {
            read.add(&(self.opened.table.files[file].subjects() & &self.visible.subjects));
        }
    }

    async fn read(
        self: Arc<Self>,
        unit: Unit,
    ) -> Result<impl Stream<Item = Result<RecordBatch, QueryError>> + Send, QueryError> {
        let file = Arc::clone(&self.opened.table.files[unit.file]);
        let access = Access::Read(&self.opened.grant);
        let rows = match self.rows(&file, &unit).await? {
            _ if mutants::is_on(Mutant::RowBitsDropped) => None,
            RowBits::Nothing => return Ok(stream::empty().left_stream()),
            RowBits::All => None,
            RowBits::Some(bits) => Some(bits),
        };
        let range = RowRange { row_groups: unit.row_groups, rows };
        let batches = file.read_views(access, &self.columns, range, self.batch_rows)?;
        let this = Arc::clone(&self);
        Ok(batches.map(move |batch| this.show(&batch?)).right_stream())
    }

    /// The visible rows of a piece.
    async fn rows(&self, file: &OpenFile, unit: &Unit) -> Result<RowBits, QueryError> {
        let (table, cache) = (&self.opened.table, &self.shared.row_bits);
        let access = Access::Read(&self.opened.grant);
        let unattributed = self.unattributed || mutants::is_on(Mutant::UnattributedShown);
        let viewer = Viewer { access, visible: &self.visible, unattributed };
        let bits = cache.of_file(table, file, viewer).await?.slice(unit.rows.clone());
        let Some(newest) = cache.newest(table, access).await? else { return Ok(bits) };
        let newest = newest.get(&file.entry().file).ok_or(QueryError::Internal)?;
        Ok(bits.and(&newest.slice(unit.rows.start, unit.rows.len())))
    }

    /// Turns rows of the lake into rows that may be seen.
    fn show(&self, batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let mut columns = Vec::with_capacity(self.shown.len());
        for (shown, field) in self.shown.iter().zip(self.schema.fields()) {
            let raw = self.columns.iter().position(|&at| at == shown.lake_column());
            let array = match raw {
                Some(at) => self.column(*shown, batch.column(at), batch)?,
                // A column that the grant withholds was not even read.
                None => arrow::array::new_null_array(field.data_type(), batch.num_rows()),
            };
            columns.push(array);
        }
        let shown = self.batch(columns, batch.num_rows())?;
        let passed = match &self.pruning {
            Some(pruning) => pruning.pass(&shown).map_err(|_| QueryError::Internal)?,
            None => shown,
        };
        let scrubbed = passed.columns().iter().map(scrub::scrub).collect::<Result<Vec<_>>>();
        self.batch(scrubbed.map_err(|_| QueryError::Internal)?, passed.num_rows())
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, QueryError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|_| QueryError::Internal)
    }

    fn column(
        &self,
        shown: Shown,
        raw: &ArrayRef,
        batch: &RecordBatch,
    ) -> Result<ArrayRef, QueryError> {
        Ok(match shown {
            Shown::PersonId(_) => self.keyed(raw, |rid| self.ids.person(rid)),
            Shown::SubjectId(_) => self.keyed(raw, |rid| self.ids.subject(rid)),
            Shown::Value(at) => {
                let masked = mask::apply(raw, self.rule(at), &self.opened.tokens);
                match &self.sensitive {
                    Some(consenting) if is_sensitive(&self.opened, at) => {
                        nullif(&masked, &self.not_of(consenting, batch)?)
                            .map_err(|_| QueryError::Internal)?
                    }
                    _ => masked,
                }
            }
        })
    }

    /// For each row whether it is about none of these subjects.
    fn not_of(
        &self,
        subjects: &VisibleSubjects,
        batch: &RecordBatch,
    ) -> Result<BooleanArray, QueryError> {
        let at = self.columns.iter().position(|&at| at == SUBJECT);
        let rids = batch.column(at.ok_or(QueryError::Internal)?).as_primitive::<Int64Type>();
        let is_one = |rid: Option<i64>| {
            let rid = rid.and_then(Rid::from_column).filter(|rid| !rid.is_none());
            rid.is_some_and(|rid| subjects.subjects.contains(rid.get()))
        };
        Ok(rids.iter().map(|rid| Some(!is_one(rid))).collect())
    }

    fn rule(&self, at: usize) -> ColumnRule {
        rule(&self.opened, at)
    }

    /// Keyed ids of those subjects that may be seen; in a row about one person, another who may
    /// not be is nobody.
    fn keyed(&self, raw: &ArrayRef, id: impl Fn(Rid) -> i64) -> ArrayRef {
        let rids = raw.as_primitive::<Int64Type>();
        let mut last = None;
        let ids: Int64Array = rids
            .iter()
            .map(|rid| {
                let rid = Rid::from_column(rid?)?;
                match last {
                    Some((same, shown)) if same == rid => shown,
                    _ => {
                        let seen = !rid.is_none()
                            && (self.visible.subjects.contains(rid.get())
                                || mutants::is_on(Mutant::OthersShown));
                        let shown = seen.then(|| id(rid));
                        last = Some((rid, shown));
                        shown
                    }
                }
            })
            .collect();
        Arc::new(ids)
    }
}

fn columns_to_read(shown: &[Shown], opened: &Opened) -> Vec<usize> {
    let decides = has_sensitive(shown, opened).then_some(SUBJECT);
    let mut columns: Vec<usize> = shown
        .iter()
        .filter(|shown| match shown {
            Shown::Value(at) => !matches!(rule(opened, *at), ColumnRule::Absent),
            Shown::PersonId(_) | Shown::SubjectId(_) => true,
        })
        .map(|shown| shown.lake_column())
        .chain(decides)
        .collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Whether a value is shown only of those who gave the separate consent to sensitive data.
fn is_sensitive(opened: &Opened, at: usize) -> bool {
    opened.grant.needs_separate_consent(&opened.table.source.table().spec().columns()[at].name)
        && !mutants::is_on(Mutant::SensitiveShown)
}

fn has_sensitive(shown: &[Shown], opened: &Opened) -> bool {
    shown.iter().any(|shown| matches!(shown, Shown::Value(at) if is_sensitive(opened, *at)))
}

fn rule(opened: &Opened, at: usize) -> ColumnRule {
    opened.grant.column(&opened.table.source.table().spec().columns()[at].name)
}

/// Whether a plan's leaf is ours.
pub(crate) fn is_governed(plan: &dyn ExecutionPlan) -> bool {
    let plan: &dyn std::any::Any = plan;
    plan.is::<GovernedScan>()
}

/// Whether a table of a plan is ours.
pub(crate) fn is_governed_table(table: &dyn TableProvider) -> bool {
    let table: &dyn std::any::Any = table;
    table.is::<GovernedTable>()
}
