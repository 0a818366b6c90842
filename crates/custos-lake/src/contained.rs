//! Panics of the libraries that decode what storage holds.
//!
//! Whoever can write to the bucket can put any bytes there, and the decoders of Parquet and of the
//! Delta log do not take all bytes without a panic: of too short a sealed part, parquet 59 takes a
//! slice that is not there. Such a panic ends one reading, and not the process.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

/// What a decoding comes to; nothing if it panics.
///
/// What the decoding changes must not be used after that, or be right at every moment.
pub(crate) async fn contained<T>(decoding: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(decoding).catch_unwind().await.ok()
}
