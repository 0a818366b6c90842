//! Contracts and connectors: validate, split identifiers from facts, journal, quarantine, commit.
