//! A hundred thousand secrets under a new key-encryption key.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use custos_core::KeyClass;

use crate::report::{Report, forget_peak, peak_bytes};
use crate::world::World;

const SECRETS: usize = 100_000;
const CLASSES: [KeyClass; 4] =
    [KeyClass::Core, KeyClass::Fact, KeyClass::Content, KeyClass::Identifier];

/// The whole rotation: rewrapped, counted, backed up, restored, verified, the old key destroyed.
pub(crate) async fn run(report: &Report) -> Result<()> {
    let world = World::new().await?;
    world.keys.note_epochs(&*world.clock).await?;
    for _ in 0..SECRETS / CLASSES.len() / 500 {
        world.keys.create_many(500, &CLASSES).await?;
    }
    forget_peak()?;
    let began = Instant::now();
    world.store.rotate(&world.keys, &*world.kms, &*world.clock, &|_| ()).await?;
    let took = began.elapsed().as_secs_f64();
    let figures = [
        ("seconds", took),
        ("secrets_per_second", SECRETS as f64 / took),
        ("peak_bytes", peak_bytes()?),
    ];
    report.line("rotation_100000", &BTreeMap::from(figures))
}
