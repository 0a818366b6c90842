//! What every implementation of this crate's ports must do, as code that tries it.
//!
//! Each implementation runs the suite of its port in its tests, on a fresh, empty instance.

mod kms;
mod secret_store;

pub use kms::kms;
pub use secret_store::secret_store;

/// A guarantee that an implementation does not keep.
#[derive(Debug, thiserror::Error)]
#[error("a guarantee is broken: {guarantee}")]
pub struct Violation {
    guarantee: &'static str,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

fn ensure(holds: bool, guarantee: &'static str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { guarantee, source: None }) }
}

/// What a call that must succeed returned.
fn succeed<T, E: std::error::Error + Send + Sync + 'static>(
    result: Result<T, E>,
    guarantee: &'static str,
) -> Result<T, Violation> {
    result.map_err(|error| Violation { guarantee, source: Some(Box::new(error)) })
}
