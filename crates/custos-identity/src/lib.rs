//! Normalising identifiers, matching and clustering subjects into persons, with evidence.
