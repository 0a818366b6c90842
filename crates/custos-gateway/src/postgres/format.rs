//! The two ways the protocol writes a value.

/// How the values of a column, or a parameter, are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// As the type's input and output functions have it (format code 0).
    Text,
    /// As the type's send and receive functions have it (format code 1).
    Binary,
}
