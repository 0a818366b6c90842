//! SQL in, governed record batches out; the only crate that holds a DataFusion session.
