//! The erasure request state machine, suppression, proofs and certificates.
