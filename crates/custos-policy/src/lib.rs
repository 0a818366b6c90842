//! `policies/` in, decisions out; the only mint of [`ReadGrant`] and [`MaintenanceGrant`].
//!
//! Loads purposes, data categories, regimes, retention and Cedar access rules, reports every mistake in them
//! with file, line and remedy, and decides who may read which columns of a table for which purpose.
//! Missing means deny, a forbid wins over every permit, and a rule that fails to evaluate denies the
//! request (plain Cedar skips it).
//!
//! What it does not know: people, rows and their consents (a [`RowRule`] only says which consent is
//! needed and how old a row may be), tables beyond the [`Dataset`] it is handed, clocks, files other
//! than policies.
//!
//! Read first: [`PolicySet`], [`Decision`], [`ReadGrant`]; for people, [`Explanation`] and
//! [`PolicyDiff`].
//!
//! ```
//! use custos_core::{KeyClass, Timestamp};
//! use custos_policy::{
//!     ColumnRule, Dataset, DatasetColumn, Decision, Mask, PolicyFiles, PolicySet, Principal,
//! };
//!
//! # let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");
//! let files = PolicyFiles::from_dir(policies.as_ref())?;
//! let policies = PolicySet::load(&files).map_err(|problems| problems[0].to_string())?;
//! let contacts = Dataset {
//!     table: "landing.contacts".parse()?,
//!     columns: vec![DatasetColumn {
//!         name: "mail".into(),
//!         category: Some("user.contact.email".parse()?),
//!         kind: None,
//!         class: KeyClass::Identifier,
//!     }],
//!     purposes: vec!["analytics".parse()?],
//!     unattributed_visible: false,
//!     jurisdiction: "eu".into(),
//!     event_time: None,
//! };
//! let ana = Principal::new("ana".parse()?, vec!["analyst".into()]);
//! let now = Timestamp::from_micros(0);
//!
//! let decision = policies.decide(&ana, &"analytics".parse()?, &contacts, now);
//! let Decision::Permit(grant) = decision else { unreachable!() };
//! assert_eq!(grant.column("mail"), ColumnRule::Masked(Mask::Email));
//!
//! let decision = policies.decide(&ana, &"legal_claims".parse()?, &contacts, now);
//! assert!(matches!(decision, Decision::Deny(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod basis;
mod categories;
mod column_rule;
mod dataset;
mod decision;
mod diff;
mod document;
mod explanation;
mod files;
mod grant;
mod maintenance;
mod policy_set;
mod policy_test;
mod principal;
mod problem;
mod purposes;
mod regimes;
mod retention;
mod tree;

pub use basis::{LegalBasis, RowRule};
pub use categories::CategoryNode;
pub use column_rule::{ColumnRule, Mask};
pub use dataset::{Dataset, DatasetColumn};
pub use decision::{Decision, Denial, DenialReason};
pub use diff::{Affected, Change, HeadCount, PolicyDiff, Section, ShownColumn};
pub use explanation::{
    ExplainedBasis, ExplainedColumn, ExplainedDenial, ExplainedRows, Explanation, Remedy,
    RuleEffect, RuleReference, TriedPurpose, Unruled,
};
pub use files::{PolicyFiles, PolicyFilesError, PolicyVersion};
pub use grant::ReadGrant;
pub use maintenance::{MaintenanceGrant, MaintenanceJob};
pub use policy_set::PolicySet;
pub use policy_test::TestOutcome;
pub use principal::{Principal, Right};
pub use problem::Problem;
pub use purposes::{OutputMode, PurposeNode};
pub use regimes::{Deadline, DeadlineUnit, Regime};
pub use retention::{Deletion, Period, PeriodError, RetentionRule, Showing, Term};
