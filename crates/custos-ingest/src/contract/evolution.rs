//! From one version of a contract to the next.

use super::fields::Problems;
use super::{Column, Contract, ContractProblem};

/// The columns that `newer` adds to `older`.
pub(super) fn added_columns(
    newer: &Contract,
    older: &Contract,
) -> Result<Vec<usize>, Vec<ContractProblem>> {
    let mut problems = Problems::new(&newer.file);
    compare_tables(newer, older, &mut problems);
    for column in &older.columns {
        match newer.columns.iter().find(|candidate| candidate.name == column.name) {
            Some(candidate) => compare_columns(candidate, column, &mut problems),
            None => problems.add(
                newer.version_at,
                format!("the column `{}` is gone", column.name),
                "keep it, nullable if it is no longer delivered, or start a new source",
            ),
        }
    }
    let added: Vec<usize> = newer
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| older.column_index(&column.name).is_none())
        .map(|(index, _)| index)
        .collect();
    for column in added.iter().filter_map(|index| newer.columns.get(*index)) {
        if column.required {
            let message =
                format!("the new column `{}` is required, but old rows lack it", column.name);
            problems.add(column.at, message, "leave `required` out");
        }
    }
    if !added.is_empty() && newer.version <= older.version {
        let message = "columns were added, but the version did not grow";
        problems.add(newer.version_at, message, "count the minor number up");
    }
    if problems.is_empty() { Ok(added) } else { Err(problems.into_sorted()) }
}

fn compare_tables(newer: &Contract, older: &Contract, problems: &mut Problems) {
    let key = |contract: &Contract| names(contract, &contract.record_key);
    let version = |contract: &Contract| names(contract, contract.version_column.as_slice());
    let event_time = |contract: &Contract| names(contract, contract.event_time.as_slice());
    let birth = |contract: &Contract| names(contract, contract.birth.as_slice());
    let changed = [
        ("id", newer.id != older.id),
        ("write_mode", newer.write_mode != older.write_mode),
        ("record_key", key(newer) != key(older)),
        ("version_column", version(newer) != version(older)),
        ("event_time", event_time(newer) != event_time(older)),
        ("birth", birth(newer) != birth(older)),
    ];
    for (what, _) in changed.into_iter().filter(|(_, is_changed)| *is_changed) {
        problems.add(
            newer.version_at,
            format!("`{what}` changed"),
            "put it back, or start a new source with its own id",
        );
    }
}

fn names(contract: &Contract, places: &[usize]) -> Vec<String> {
    let columns = places.iter().filter_map(|place| contract.columns.get(*place));
    columns.map(|column| column.name.clone()).collect()
}

fn compare_columns(newer: &Column, older: &Column, problems: &mut Problems) {
    let person = |column: &Column| {
        let spec = column.identifier.as_ref();
        spec.map(|spec| (spec.kind, spec.scope.clone(), spec.role.clone()))
    };
    let changed = [
        ("type", newer.logical_type != older.logical_type),
        ("kind", newer.kind != older.kind),
        ("identifier", person(newer) != person(older)),
        ("`sensitive`", newer.sensitive != older.sensitive),
    ];
    for (what, _) in changed.into_iter().filter(|(_, is_changed)| *is_changed) {
        problems.add(
            newer.at,
            format!("the {what} of `{}` changed, and old files cannot follow", newer.name),
            "put it back, and add a new nullable column beside it",
        );
    }
    if newer.required && !older.required {
        problems.add(
            newer.at,
            format!("`{}` became required, but old rows may lack it", newer.name),
            "leave `required` out",
        );
    }
}
