//! Append-only Merkle log of decisions and actions with signed heads; its failure fails the operation.
