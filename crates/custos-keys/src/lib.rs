//! Key management: KMS, epochs, file and record secrets, shredding; the only crate that sees key bytes.
