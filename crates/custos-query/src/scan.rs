//! The opaque leaf: the one place where a row is let through or not.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Int64Type, SchemaRef};
use async_trait::async_trait;
use custos_core::Rid;
use custos_keys::MacKey;
use custos_lake::{Access, OpenFile, RowRange};
use custos_policy::{ColumnRule, ReadGrant};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::governor::Shared;
use crate::person_ids::PersonIds;
use crate::population::{Visibility, VisibleSubjects};
use crate::row_bits::{OpenTable, RowBits};
use crate::source::Shown;
use crate::subjects_read::SubjectsRead;
use crate::{GovernedSource, QueryError, mask, scrub};

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

    /// Filters and limit are ignored: nothing of the user's query runs below the leaf.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
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
        // Constant, since a number that follows the files would tell how many are hidden.
        let partitions = state.config().target_partitions();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(GovernedScan {
            schema,
            shown,
            opened,
            shared: Arc::clone(&self.shared),
            properties: Arc::new(properties),
        }))
    }
}

impl GovernedTable {
    async fn open(&self, grant: &Arc<ReadGrant>) -> Result<Opened, QueryError> {
        let table = self.source.table();
        let (snapshot, files) = table.open_current(Access::Read(grant)).await?;
        Ok(Opened {
            grant: Arc::clone(grant),
            tokens: Arc::new(
                self.shared.keys.mac_key(custos_keys::NamedKey::Tokens(grant.purpose().clone())),
            ),
            table: Arc::new(OpenTable {
                source: Arc::clone(&self.source),
                version: snapshot.version,
                files,
                sources: self.sources.clone(),
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
    shared: Arc<Shared>,
    properties: Arc<PlanProperties>,
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
        let units = reader.units(partition, partitions);
        if let Some(read) = context.session_config().get_extension::<SubjectsRead>() {
            reader.note_subjects(&units, &read);
        }
        let rows = stream::iter(units)
            .then(move |(file, row_group)| {
                let reader = Arc::clone(&reader);
                async move { reader.read(file, row_group).await }
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
    ids: Arc<PersonIds>,
    unattributed: bool,
    shown: Vec<Shown>,
    schema: SchemaRef,
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
        let visible = visibility.visible(grant.purpose(), rows.basis, subject_max);
        let ids = scan.shared.person_ids(grant.purpose(), visibility, subject_max);
        let columns = columns_to_read(&scan.shown, &opened);
        Self {
            unattributed: rows.unattributed_visible,
            visible,
            ids,
            shown: scan.shown.clone(),
            schema: Arc::clone(&scan.schema),
            columns,
            batch_rows: context.session_config().batch_size(),
            shared: Arc::clone(&scan.shared),
            opened,
        }
    }

    /// The row groups that one partition reads.
    fn units(&self, partition: usize, partitions: usize) -> Vec<(usize, usize)> {
        let files = &self.opened.table.files;
        (0..files.len())
            .flat_map(|file| (0..files[file].row_groups().len()).map(move |group| (file, group)))
            .skip(partition)
            .step_by(partitions.max(1))
            .collect()
    }

    /// Notes whose rows may be among those of these row groups.
    fn note_subjects(&self, units: &[(usize, usize)], read: &SubjectsRead) {
        let files: BTreeSet<usize> = units.iter().map(|(file, _)| *file).collect();
        for file in files {
            read.add(&(self.opened.table.files[file].subjects() & &self.visible.subjects));
        }
    }

    async fn read(
        self: Arc<Self>,
        file: usize,
        row_group: usize,
    ) -> Result<impl Stream<Item = Result<RecordBatch, QueryError>> + Send, QueryError> {
        let file = Arc::clone(&self.opened.table.files[file]);
        let access = Access::Read(&self.opened.grant);
        let Some(rows) = self.rows(&file, row_group).await? else {
            return Ok(stream::empty().left_stream());
        };
        let range = RowRange { row_group, rows };
        let batches = file.read(access, &self.columns, range, self.batch_rows)?;
        let this = Arc::clone(&self);
        Ok(batches.map(move |batch| this.show(&batch?)).right_stream())
    }

    /// The visible rows of a row group: nothing, if none are.
    async fn rows(
        &self,
        file: &OpenFile,
        row_group: usize,
    ) -> Result<Option<Option<arrow::buffer::BooleanBuffer>>, QueryError> {
        let access = Access::Read(&self.opened.grant);
        let bits = self
            .shared
            .row_bits
            .of_file(&self.opened.table, file, access, &self.visible, self.unattributed)
            .await?;
        let bits = match bits.get() {
            Some(RowBits::All) => return Ok(Some(None)),
            Some(RowBits::Some(bits)) => bits,
            None => return Err(QueryError::Internal),
        };
        let groups = file.row_groups();
        let from = groups[..row_group].iter().sum();
        let bits = bits.slice(from, groups[row_group]);
        Ok(match bits.count_set_bits() {
            0 => None,
            set if set == bits.len() => Some(None),
            _ => Some(Some(bits)),
        })
    }

    /// Turns rows of the lake into rows that may be seen.
    fn show(&self, batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let mut columns = Vec::with_capacity(self.shown.len());
        for (shown, field) in self.shown.iter().zip(self.schema.fields()) {
            let raw = self.columns.iter().position(|&at| at == shown.lake_column());
            let array = match raw {
                Some(at) => self.column(*shown, batch.column(at)),
                // A column that the grant withholds was not even read.
                None => arrow::array::new_null_array(field.data_type(), batch.num_rows()),
            };
            columns.push(scrub::scrub(&array).map_err(|_| QueryError::Internal)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|_| QueryError::Internal)
    }

    fn column(&self, shown: Shown, raw: &ArrayRef) -> ArrayRef {
        match shown {
            Shown::PersonId(_) => self.keyed(raw, |rid| self.ids.person(rid)),
            Shown::SubjectId(_) => self.keyed(raw, |rid| self.ids.subject(rid)),
            Shown::Value(at) => mask::apply(raw, self.rule(at), &self.opened.tokens),
        }
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
                        let seen = !rid.is_none() && self.visible.subjects.contains(rid.get());
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
    let mut columns: Vec<usize> = shown
        .iter()
        .filter(|shown| match shown {
            Shown::Value(at) => !matches!(rule(opened, *at), ColumnRule::Absent),
            Shown::PersonId(_) | Shown::SubjectId(_) => true,
        })
        .map(|shown| shown.lake_column())
        .collect();
    columns.sort_unstable();
    columns.dedup();
    columns
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
