//! SQL in, governed record batches out.
//!
//! A statement becomes a [`Governed`] plan or a refusal; an [`Executor`] runs nothing else. Each
//! table of such a plan is an opaque leaf that opens files against a
//! [`ReadGrant`](custos_policy::ReadGrant), shows only rows whose subject is visible for the
//! purpose now, masks columns, replaces internal ids by keyed ones, and tells the planner nothing
//! about what it hides.
//!
//! This crate alone holds a DataFusion session. It does not know wire formats, contracts, where
//! consent is stored, or how files are encrypted.
//!
//! Read first: [`Governor::govern`], [`Executor::run`], then `scan.rs`, where a row is let
//! through or not.

mod allow;
mod error;
mod governor;
mod mask;
mod person_ids;
mod population;
mod row_bits;
mod scan;
mod scrub;
mod source;

pub use error::QueryError;
pub use governor::{Catalog, Executor, Governed, Governor, RowStream, View};
pub use population::{Epochs, Population, Visibility};
pub use source::GovernedSource;
