//! Non-interference: answers equal those of a database that holds only what the asker may see.
//!
//! Generated statements, templates of known attacks and documented behaviour are asked in twin
//! worlds, with and without what is hidden. `CUSTOS_NI_QUERIES` and `CUSTOS_NI_SEED` choose how
//! many statements are generated and which; `cargo xtask noninterference` sets them.
//! What is not compared stands in `EXCLUSIONS.md`.

// `cfg(test)` always holds here; it tells clippy that helpers, too, may unwrap.
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod documented;
#[cfg(all(test, feature = "mutants"))]
mod mutants;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod run;
#[cfg(test)]
mod twins;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod world;
