//! Weakenings of the enforcement, each of which what else is here must notice.

use custos_query::mutants::{self, Mutant};

use crate::attacks;
use crate::run::{Asking, Tally, alone};
use crate::twins::Worlds;

/// Questions after which a weakening counts as unnoticed.
const QUERIES: u32 = 500;

#[test]
fn every_weakening_of_the_enforcement_is_noticed() {
    let _alone = alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let worlds = runtime.block_on(Worlds::new());
    let noticed = |mutant: Option<Mutant>| {
        mutants::switch(mutant);
        let twins = runtime.block_on(worlds.twins());
        let tally = Tally::default();
        let asking = Asking { count: QUERIES, seed: 7, shrink: 0 };
        let attacked = runtime.block_on(attacks::try_all(&twins));
        let generated = asking.ask(runtime.handle(), &twins, &tally);
        mutants::switch(None);
        (attacked.err(), generated.err(), tally)
    };
    let (attacked, generated, _) = noticed(None);
    assert_eq!((attacked, generated), (None, None), "something is seen without any weakening");
    let mut unnoticed = Vec::new();
    // One alone, such as `CUSTOS_NI_MUTANT=PlainIds`.
    let only = std::env::var("CUSTOS_NI_MUTANT").ok();
    let chosen = |mutant: &&Mutant| only.as_ref().is_none_or(|name| *name == format!("{mutant:?}"));
    for &mutant in Mutant::ALL.iter().filter(chosen) {
        let (attacked, generated, tally) = noticed(Some(mutant));
        println!(
            "{mutant:?}: {}, {}",
            if attacked.is_some() { "seen by an attack" } else { "seen by no attack" },
            match generated {
                Some(_) => format!("by generated statement {}", tally.asked() + 1),
                None => format!("by none of {QUERIES} generated statements"),
            }
        );
        if attacked.is_none() && generated.is_none() {
            unnoticed.push(mutant);
        }
    }
    assert!(unnoticed.is_empty(), "unnoticed: {unnoticed:?}");
}
