//! Rows that are too old to be shown, by the time of their event.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use custos_lake::{Access, OpenFile, TableSpec};
use custos_policy::ReadGrant;

use crate::mutants::{self, Mutant};

const DAY_MICROS: i64 = 86_400_000_000;

/// The least event time that a retention rule lets be shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Aging {
    /// The column of the lake that says when the event was; rows of a table without one have no
    /// event time.
    pub(crate) column: Option<usize>,
    /// In microseconds since 1970; nothing if any age may be shown.
    from: Option<i64>,
    /// Whether rows without event time are shown.
    undated: bool,
}

impl Aging {
    /// The rule of a grant, if it has one.
    pub(crate) fn of(grant: &ReadGrant, spec: &TableSpec) -> Option<Self> {
        let rows = grant.rows();
        let reads = rows.reads_event_time() && !mutants::is_on(Mutant::AgeIgnored);
        reads.then(|| Self {
            column: grant.event_time().and_then(|name| spec.position(name)),
            from: rows.event_time_from.map(custos_core::Timestamp::micros),
            undated: rows.undated_visible || mutants::is_on(Mutant::UndatedShown),
        })
    }

    /// For each row group whether all of its rows are young enough, as far as that is known
    /// without reading them.
    pub(crate) fn passed_by(&self, file: &OpenFile, access: Access<'_>) -> Vec<bool> {
        let groups = file.row_groups().len();
        let Some(column) = self.column else { return vec![self.undated; groups] };
        let Ok(Some(bounds)) = file.bounds(access, column) else { return vec![false; groups] };
        let least = self.young(&bounds.least);
        let dated = |at| bounds.nulls.is_valid(at) && bounds.nulls.value(at) == 0;
        let passes =
            |at: usize| bounds.least.is_valid(at) && least.value(at) && (self.undated || dated(at));
        (0..groups).map(passes).collect()
    }

    /// Which of these event times may be shown.
    pub(crate) fn young(&self, times: &ArrayRef) -> BooleanBuffer {
        let from = self.from.unwrap_or(i64::MIN);
        let is_young = |at: usize, micros: &dyn Fn(usize) -> i64| match times.is_valid(at) {
            true => micros(at) >= from,
            false => self.undated,
        };
        match times.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let times = times.as_primitive::<TimestampMicrosecondType>().values();
                BooleanBuffer::collect_bool(times.len(), |at| is_young(at, &|at| times[at]))
            }
            DataType::Date32 => {
                let days = times.as_primitive::<Date32Type>().values();
                let micros = |at: usize| i64::from(days[at]) * DAY_MICROS;
                BooleanBuffer::collect_bool(days.len(), |at| is_young(at, &micros))
            }
            // What is no time tells no age.
            _ => BooleanBuffer::new_unset(times.len()),
        }
    }

    /// Whether rows without event time are shown.
    pub(crate) const fn shows_undated(&self) -> bool {
        self.undated
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    fn shown(aging: &Aging, times: impl Array + 'static) -> Vec<bool> {
        aging.young(&(Arc::new(times) as ArrayRef)).iter().collect()
    }

    #[test]
    fn a_row_is_shown_from_its_day_on_and_without_one_if_that_was_said() {
        let from = 2 * DAY_MICROS;
        for undated in [false, true] {
            let aging = Aging { column: Some(1), from: Some(from), undated };
            let instants = vec![Some(from - 1), Some(from), None];
            let instants = TimestampMicrosecondArray::from(instants).with_timezone("UTC");
            assert_eq!(shown(&aging, instants), [false, true, undated]);
            let days = Date32Array::from(vec![Some(1), Some(2), None]);
            assert_eq!(shown(&aging, days), [false, true, undated]);
            let texts = StringArray::from(vec![Some("2026-01-01"), None]);
            assert_eq!(shown(&aging, texts), [false, false]);
        }
        let aging = Aging { column: Some(1), from: None, undated: false };
        assert_eq!(shown(&aging, Date32Array::from(vec![Some(-9), None])), [true, false]);
    }
}
