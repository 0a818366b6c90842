use custos_consent::ConsentBook;
use custos_core::Timestamp;
use custos_policy::MaintenanceJob;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::governor::tests::World;
use crate::{Epochs, Visibility};

/// All but these, as of a moment of their own.
fn visible_without(suppression: u64, tombstones: &[u32]) -> Arc<VisibleSubjects> {
    let visibility = Visibility::new(
        Epochs { suppression, ..Epochs::default() },
        (0, Arc::default()),
        (Arc::new(ConsentBook::default()), None),
        tombstones.iter().collect(),
        Timestamp::from_micros(0),
    );
    visibility.visible(
        &"legal_claims".parse().unwrap(),
        custos_consent::RowBasis::Always.into(),
        1_000,
    )
}

fn as_bools(bits: &RowBits, rows: usize) -> Vec<bool> {
    let mut builder = BooleanBufferBuilder::new(rows);
    bits.append_to(&mut builder, 0..rows);
    builder.finish().iter().collect()
}

async fn subjects(file: &OpenFile, access: Access<'_>) -> Vec<u32> {
    let row_groups = 0..file.row_groups().len();
    let range = RowRange { row_groups, rows: None };
    let batches: Vec<_> =
        file.read(access, &[0], range, 1_000).unwrap().try_collect().await.unwrap();
    let values = batches.iter().flat_map(|batch| {
        batch.column(0).as_primitive::<Int64Type>().values().iter().map(|&rid| rid as u32)
    });
    values.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_changes_the_bits_are_those_of_who_is_visible() {
    let world = World::with_rows(5_000).await;
    world.sort(1_000, 50).await;
    let doors = world.doors(world.limits()).await;
    let (_, files) = {
        let grant = world.policy.maintenance(MaintenanceJob::Compaction, world.table.name());
        world.table.open_current(Access::Maintenance(&grant)).await.unwrap()
    };
    let source = doors.governor.source(world.table.name());
    let table = OpenTable { source, version: 0, files, rules: RowRules::default() };
    let grant = world.policy.maintenance(MaintenanceJob::Compaction, world.table.name());
    let access = Access::Maintenance(&grant);
    let cache = RowBitsCache::default();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let some = prop::collection::vec(1_u32..=1_000, 0..6);
    let everybody: Vec<u32> = (1..=1_000).collect();
    for epoch in 0..40 {
        let tombstones = match epoch {
            20 => everybody.clone(),
            _ => some.new_tree(&mut runner).unwrap().current(),
        };
        let visible = visible_without(epoch, &tombstones);
        for file in &table.files {
            let viewer = Viewer { access, visible: &visible, unattributed: false };
            let bits = cache.of_file(&table, file, viewer).await.unwrap();
            let subjects = subjects(file, access).await;
            let expected: Vec<bool> =
                subjects.iter().map(|rid| !tombstones.contains(rid)).collect();
            assert_eq!(as_bools(&bits, subjects.len()), expected, "epoch {epoch}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_holds_nobody_whose_visibility_changed_keeps_its_bits() {
    let world = World::with_rows(5_000).await;
    world.sort(1_000, 50).await;
    let doors = world.doors(world.limits()).await;
    let grant = world.policy.maintenance(MaintenanceJob::Compaction, world.table.name());
    let access = Access::Maintenance(&grant);
    let (_, files) = world.table.open_current(access).await.unwrap();
    let source = doors.governor.source(world.table.name());
    let table = OpenTable { source, version: 0, files, rules: RowRules::default() };
    let file = table.files.iter().find(|file| file.subjects().contains(1)).unwrap();
    let cache = RowBitsCache::default();
    let mut kept = Vec::new();
    for (epoch, tombstones) in [&[1][..], &[1, 999], &[1, 2, 999]].into_iter().enumerate() {
        let visible = visible_without(epoch as u64, tombstones);
        let viewer = Viewer { access, visible: &visible, unattributed: false };
        let RowBits::Some(bits) = cache.of_file(&table, file, viewer).await.unwrap() else {
            panic!("some rows are visible and some are not")
        };
        kept.push((bits.inner().as_ptr(), bits.count_set_bits()));
    }
    assert_eq!(kept[0], kept[1]);
    assert_ne!(kept[1].1, kept[2].1);
}
