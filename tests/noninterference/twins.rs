//! The same question to databases that must look the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use custos_query::Limits;

use crate::observe::Seen;
use crate::rows::{Asker, Hidden, Rows};
use crate::wire::Served;
use crate::world::{Common, Cut, Doors, World};

const GIB: u64 = 1 << 30;
const KIB: u64 = 1 << 10;

/// Into how many parts statements are divided, how many rows are computed at a time, and in how
/// much memory.
const CELLS: [(usize, usize, u64); 4] =
    [(1, 8_192, GIB), (2, 7, GIB), (4, 64, GIB), (2, 64, 256 * KIB)];

/// A question, and where it is asked.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) asker: Asker,
    pub(crate) sql: String,
    /// Whether the order of its rows is told.
    pub(crate) ordered: bool,
    /// Chooses among layouts and cells.
    pub(crate) place: usize,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { asker, sql, place, .. } = self;
        write!(f, "{} at {place}: {sql}", asker.role())
    }
}

/// One who holds only what the asker may see, and ones who hold more.
pub(crate) struct Worlds {
    common: Arc<Common>,
    plain: Vec<World>,
    full: Vec<World>,
}

impl Worlds {
    pub(crate) async fn new() -> Self {
        let common = Arc::new(Common::new().await);
        let rows = Rows::all(Hidden::Ordinary);
        let mut plain = Vec::new();
        for asker in Asker::ALL {
            plain.push(World::with(&common, &rows.seen_by(asker), Cut::Whole).await);
        }
        let mut full = Vec::new();
        for hidden in [Hidden::Ordinary, Hidden::Hostile] {
            for cut in [Cut::Loaded, Cut::Sorted] {
                full.push(World::with(&common, &Rows::all(hidden), cut).await);
            }
        }
        Self { common, plain, full }
    }

    /// All worlds of one layout and kind on the wire: those that hold only what is seen, by asker,
    /// and the one that holds hostile rows besides.
    pub(crate) async fn served(&self) -> (Vec<Served>, Served) {
        let mut plain = Vec::new();
        for world in &self.plain {
            plain.push(world.served(self.limits(CELLS[0])).await);
        }
        (plain, self.full[3].served(self.limits(CELLS[1])).await)
    }

    fn limits(&self, cell: (usize, usize, u64)) -> Limits {
        let (partitions, batch_rows, statement_memory_bytes) = cell;
        let limits = Limits::with_spill_in(self.common.folder.path().to_owned());
        Limits { partitions: Some(partitions), batch_rows, statement_memory_bytes, ..limits }
    }

    /// Doors to all worlds, whose caches know nothing of other doors.
    pub(crate) async fn twins(&self) -> Twins {
        let short = AtomicU64::default();
        let mut twins = Twins { plain: Vec::new(), full: Vec::new(), short };
        for world in &self.plain {
            twins.plain.push(world.doors(self.limits(CELLS[0])).await);
        }
        for world in &self.full {
            let mut doors = Vec::new();
            for cell in CELLS {
                doors.push(world.doors(self.limits(cell)).await);
            }
            twins.full.push(doors);
        }
        twins
    }
}

/// Doors to worlds that must look the same to who asks.
pub(crate) struct Twins {
    /// By asker.
    plain: Vec<Doors>,
    /// By kind of hidden rows and layout, and by cell.
    full: Vec<Vec<Doors>>,
    /// How often memory ran out, so that nothing was compared.
    short: AtomicU64,
}

impl Twins {
    /// The world that holds only what an asker sees.
    pub(crate) fn plain(&self, asker: Asker) -> &Doors {
        &self.plain[asker as usize]
    }

    /// The worlds that hold all, in one layout each.
    pub(crate) fn full(&self) -> impl Iterator<Item = &Doors> {
        self.full.iter().flatten()
    }

    /// How often memory ran out.
    pub(crate) fn short(&self) -> u64 {
        self.short.load(Ordering::Relaxed)
    }

    /// Asks in the plain world, in one with ordinary and in one with hostile rows. What differs is
    /// the error.
    pub(crate) async fn check(&self, question: &Question) -> Result<Seen, String> {
        let Question { asker, sql, ordered, place } = question;
        let expected = self.plain(*asker).ask(*asker, sql).await?;
        let cells = CELLS.len();
        for (kind, hidden) in ["ordinary", "hostile"].into_iter().enumerate() {
            let at = place / (kind + 1);
            let (layout, cell) = (at % 2, at / 2 % cells);
            let found = self.full[kind * 2 + layout][cell].ask(*asker, sql).await;
            let within = |what: String| {
                let cut = ["loaded", "sorted"][layout];
                format!("among {hidden} hidden rows, {cut}, in cell {cell}: {what}")
            };
            let found = found.map_err(within)?;
            if expected.is_shortage() || found.is_shortage() {
                self.short.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            if let Some(difference) = expected.differs(&found, *ordered) {
                return Err(within(difference));
            }
        }
        Ok(expected)
    }
}
