//! Integration tests, in one program: linking the engines takes longer than running them.

// `cfg(test)` always holds here; it tells clippy that helpers, too, may unwrap.
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod compaction;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod export;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod flight;
#[cfg(test)]
mod governance;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hostile_clients;
#[cfg(test)]
mod http;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod invariants;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod object_store;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod races;
#[cfg(test)]
mod real_data;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod superset;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod vacuum;
#[cfg(test)]
mod wire_clients;
