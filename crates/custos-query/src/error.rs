//! Why a statement did not produce rows.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use custos_core::{Classify, ErrorKind, Purpose, StoreError};
use custos_lake::LakeError;
use custos_policy::DenialReason;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

/// A statement that did not produce rows.
///
/// The engine's own messages quote values and are dropped at this border: what is left names
/// tables, columns and functions as the caller wrote them.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is not SQL.
    #[error("the statement is not valid SQL")]
    Syntax,
    /// The statement does something else than read.
    #[error("{what} is not allowed; only a single SELECT is")]
    NotSelect {
        /// What it tried.
        what: &'static str,
    },
    /// No published table has this name.
    #[error("table `{name}` does not exist")]
    UnknownTable {
        /// The name, as written.
        name: String,
        /// The published tables.
        known: Vec<String>,
    },
    /// No column in reach has this name.
    #[error("column `{name}` does not exist")]
    UnknownColumn {
        /// The name, as written.
        name: String,
    },
    /// No permitted function has this name.
    #[error("function `{name}` does not exist")]
    UnknownFunction {
        /// The name, as written.
        name: String,
    },
    /// A parameter has no value.
    #[error("there is no parameter ${number}")]
    NoParameter {
        /// Its number, from 1.
        number: usize,
    },
    /// Tables of the system catalogue and others in one statement.
    #[error("published tables and the system catalogue cannot be read in one statement")]
    Mixed,
    /// A table of another database.
    #[error("tables of another database cannot be read: a database stands for a purpose")]
    OtherDatabase,
    /// The types of an expression do not fit.
    #[error("the statement could not be planned: its types or names do not fit together")]
    Plan,
    /// The engine lacks the feature.
    #[error("the statement uses a feature that is not supported")]
    NotSupported,
    /// The principal may not act for the purpose.
    #[error("purpose `{purpose}` is not open to this principal")]
    Denied {
        /// The purpose.
        purpose: Purpose,
        /// Why, for the audit log.
        reason: DenialReason,
    },
    /// The purpose may see totals only, and the statement asks for more.
    #[error("only totals over {people_min} people or more may be seen for this purpose, and {why}")]
    TotalsOnly {
        /// The fewest people of a group.
        people_min: u32,
        /// What the statement has that cannot be shown.
        why: String,
    },
    /// The purpose may see totals with noise only, which are not served.
    #[error("purpose `{purpose}` may see totals with noise only, and those are not served")]
    NoiseOnly {
        /// The purpose.
        purpose: Purpose,
    },
    /// A value could not be converted.
    #[error("a value could not be converted to the type asked for")]
    Cast,
    /// A division by zero.
    #[error("division by zero")]
    DivideByZero,
    /// A number left its range.
    #[error("a number is out of range")]
    OutOfRange,
    /// A time or a span of time left its range.
    #[error("a time is out of range")]
    TimeOutOfRange,
    /// A subquery that stands for a value has several.
    #[error("a subquery that stands for a value has more than one row")]
    SeveralRows,
    /// A function was given what it does not take.
    #[error("an argument of {function}() is none that it takes: {what}")]
    Argument {
        /// The function.
        function: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// Another failure while computing.
    #[error("the statement failed while it was computed")]
    Compute,
    /// The text is too long, or the plan has too many parts.
    #[error("the statement is longer or has more parts than it may have")]
    TooComplex,
    /// The statement needs more memory than it may have.
    #[error("the statement needs more memory than it may have")]
    TooLarge,
    /// The statement needs more temporary space than it may have.
    #[error("the statement needs more temporary space than it may have")]
    SpillFull,
    /// The disk refused a temporary file.
    #[error("temporary space could not be used")]
    SpillDisk,
    /// A temporary file is not what was written.
    #[error("temporary space failed a check of integrity")]
    SpillDamaged,
    /// Other statements hold the memory or the temporary space.
    #[error("other statements hold all memory or temporary space")]
    Busy,
    /// What clients sent and have kept takes all the memory that is for it.
    #[error("connections hold as much memory as they may have, all or those of this principal")]
    ClientMemoryFull,
    /// The principal has as many statements as it may have.
    #[error("this principal has {limit} statements running, and others waiting")]
    TooManyStatements {
        /// How many may run.
        limit: usize,
    },
    /// The principal began as many statements of late as it may.
    #[error("this principal began too many statements within a minute")]
    TooFast {
        /// How long there is to wait before the next one.
        wait: Duration,
    },
    /// The answer has more rows than it may have.
    #[error("the answer has more than {limit} rows")]
    TooManyRows {
        /// How many it may have.
        limit: u64,
    },
    /// The answer is larger than it may be.
    #[error("the answer is larger than {limit} bytes")]
    TooManyBytes {
        /// How large it may be.
        limit: u64,
    },
    /// The statement took longer than it may.
    #[error("the statement took longer than it may")]
    Timeout,
    /// The caller left before the answer was complete.
    #[error("the caller left before the answer was complete")]
    Cancelled,
    /// The program is being shut down.
    #[error("the statement was stopped because the program is shutting down")]
    Stopped,
    /// Nobody who may be shown holds the identifier.
    #[error("nobody is known by this identifier")]
    UnknownPerson,
    /// Several people who may be shown hold the identifier.
    #[error("several people are known by this identifier")]
    SeveralPeople,
    /// Too many people are looked up of whom nothing is in readiness.
    #[error("more people are looked up than can be while profiles are prepared")]
    TooManyLookups,
    /// The state that decides about visibility could not be read.
    #[error("the statement was refused because consent could not be checked")]
    Store(#[from] StoreError),
    /// The lake could not be read.
    #[error("the lake could not be read")]
    Lake(#[from] LakeError),
    /// The audit log could not be written, so nothing was read.
    #[error("the statement was refused because it could not be audited")]
    Audit(#[from] custos_audit::AuditError),
    /// A defect of Custos.
    #[error("internal error")]
    Internal,
}

impl Classify for QueryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Syntax
            | Self::NoParameter { .. }
            | Self::UnknownColumn { .. }
            | Self::UnknownFunction { .. }
            | Self::Plan
            | Self::Cast
            | Self::DivideByZero
            | Self::OutOfRange
            | Self::TimeOutOfRange
            | Self::SeveralRows
            | Self::Argument { .. }
            | Self::Compute => ErrorKind::Invalid,
            Self::NotSelect { .. }
            | Self::Mixed
            | Self::OtherDatabase
            | Self::NotSupported
            | Self::TotalsOnly { .. }
            | Self::NoiseOnly { .. } => ErrorKind::Unsupported,
            Self::UnknownTable { .. } | Self::UnknownPerson => ErrorKind::NotFound,
            Self::SeveralPeople => ErrorKind::Conflict,
            Self::Denied { .. } => ErrorKind::Denied,
            Self::TooComplex
            | Self::TooLarge
            | Self::SpillFull
            | Self::TooManyRows { .. }
            | Self::TooManyBytes { .. } => ErrorKind::TooLarge,
            Self::Busy
            | Self::ClientMemoryFull
            | Self::TooManyStatements { .. }
            | Self::TooManyLookups
            | Self::TooFast { .. } => ErrorKind::Throttled,
            Self::Timeout | Self::Cancelled => ErrorKind::Timeout,
            Self::SpillDisk | Self::Stopped => ErrorKind::Unavailable,
            Self::SpillDamaged => ErrorKind::Integrity,
            Self::Store(error) => error.kind(),
            Self::Lake(error) => error.kind(),
            Self::Audit(error) => error.kind(),
            Self::Internal => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownTable { known, .. } => {
                Some(format!("published tables: {}", known.join(", ")))
            }
            Self::Denied { .. } => {
                Some("ask an officer for the role that this purpose needs".to_owned())
            }
            Self::Mixed => Some("ask in two statements".to_owned()),
            Self::OtherDatabase => {
                Some("connect to the database that has the name of the purpose".to_owned())
            }
            Self::Cast => Some("use TRY_CAST to get NULL instead".to_owned()),
            Self::SeveralRows => Some("use an aggregate such as max, or LIMIT 1".to_owned()),
            Self::DivideByZero => Some("use NULLIF(divisor, 0)".to_owned()),
            Self::TooComplex => Some("split it into several statements".to_owned()),
            Self::TooLarge => Some(
                "read fewer columns, filter or aggregate before joining, or have the operator \
                 raise `query.statement_memory`"
                    .to_owned(),
            ),
            Self::SpillFull => Some(
                "read fewer columns, filter or aggregate before sorting, or have the operator \
                 raise `query.statement_spill`"
                    .to_owned(),
            ),
            Self::SpillDisk => Some(
                "the operator sees to room and rights in the folder that `query.spill` names"
                    .to_owned(),
            ),
            Self::SpillDamaged => Some(
                "run it again; if it fails again, the operator checks the disk below `query.spill`"
                    .to_owned(),
            ),
            Self::Busy | Self::TooManyStatements { .. } => Some("try again in a moment".to_owned()),
            Self::ClientMemoryFull => Some(
                "close connections, prepared statements and cursors that are not needed, or send \
                 shorter parameters"
                    .to_owned(),
            ),
            Self::TooFast { wait } => Some(format!(
                "try again in {} seconds, or have the operator raise \
                 `query.principal_statements_per_minute`",
                wait.as_secs() + 1
            )),
            Self::UnknownPerson => Some(
                "write it as its source does; whoever has no right to find people for the purpose \
                 finds nobody"
                    .to_owned(),
            ),
            Self::SeveralPeople => Some(
                "name an identifier that one person has, such as a customer number with its \
                 numbering: `customer_id@pos:M-17`"
                    .to_owned(),
            ),
            Self::TooManyLookups => Some("try again in a few seconds".to_owned()),
            Self::TooManyRows { .. } | Self::TooManyBytes { .. } => Some(
                "aggregate, add a LIMIT, ask in parts, or have the operator raise \
                 `query.answer_rows` or `query.answer`"
                    .to_owned(),
            ),
            Self::Timeout => Some(
                "ask for less at a time, read the answer faster, or have the operator raise \
                 `query.statement_seconds`"
                    .to_owned(),
            ),
            Self::Stopped => Some("try again when the program runs again".to_owned()),
            Self::Lake(error) => error.hint(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooFast { wait } => Some(*wait),
            _ => None,
        }
    }
}

/// Longest name of the caller's that a message repeats.
const NAME_BYTES_MAX: usize = 64;

/// The caller's own name for something, if it looks like a name and not like a value.
fn as_name(text: &str) -> String {
    let plain = text.len() <= NAME_BYTES_MAX
        && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.')
        && !text.starts_with(|c: char| c.is_ascii_digit());
    if plain { text.to_owned() } else { "?".to_owned() }
}

impl QueryError {
    /// An unknown table, named as the caller did.
    pub(crate) fn unknown_table(name: &str, known: Vec<String>) -> Self {
        Self::UnknownTable { name: as_name(name), known }
    }

    /// An unknown function, named as the caller did.
    pub(crate) fn unknown_function(name: &str) -> Self {
        Self::UnknownFunction { name: as_name(name) }
    }

    /// Translates a failure of planning, leaving the engine's text behind.
    pub(crate) fn from_planning(error: &DataFusionError) -> Self {
        let root = error.find_root();
        if let Some(own) = Self::carried(root) {
            return own;
        }
        match root {
            DataFusionError::SQL(..) => Self::Syntax,
            DataFusionError::SchemaError(schema, _) => match &**schema {
                SchemaError::FieldNotFound { field, .. } => {
                    Self::UnknownColumn { name: as_name(&field.name) }
                }
                SchemaError::AmbiguousReference { .. }
                | SchemaError::DuplicateQualifiedField { .. }
                | SchemaError::DuplicateUnqualifiedField { .. } => Self::Plan,
            },
            DataFusionError::NotImplemented(_) => Self::NotSupported,
            DataFusionError::Plan(text) => match invalid_function(text) {
                Some(name) => Self::unknown_function(name),
                None => Self::Plan,
            },
            // Constants are computed while a statement is planned.
            DataFusionError::ArrowError(..) => Self::from_execution(error),
            _ => Self::Plan,
        }
    }

    /// Translates a failure of execution, leaving the engine's text behind.
    pub(crate) fn from_execution(error: &DataFusionError) -> Self {
        use datafusion::arrow::error::ArrowError;
        let root = error.find_root();
        if let Some(own) = Self::carried(root) {
            return own;
        }
        match root {
            DataFusionError::ResourcesExhausted(_) => Self::TooLarge,
            DataFusionError::ArrowError(arrow, _) => match &**arrow {
                ArrowError::DivideByZero => Self::DivideByZero,
                ArrowError::CastError(_) | ArrowError::ParseError(_) => Self::Cast,
                ArrowError::ArithmeticOverflow(_) => Self::OutOfRange,
                _ => Self::Compute,
            },
            DataFusionError::Execution(text) if text == SEVERAL_ROWS => Self::SeveralRows,
            _ => Self::Compute,
        }
    }

    /// Wraps our own error for the way through the engine.
    pub(crate) fn into_engine(self) -> DataFusionError {
        DataFusionError::External(Box::new(Carried(Mutex::new(Some(self)))))
    }

    /// Takes our own error out of the engine's wrappings, if it is one.
    fn carried(root: &DataFusionError) -> Option<Self> {
        let DataFusionError::External(inner) = root else { return None };
        let Carried(own) = inner.downcast_ref()?;
        // What several partitions report is told by the first.
        Some(own.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(Self::Compute))
    }
}

/// Our own error on its way through the engine, which shares errors between partitions.
#[derive(Debug)]
struct Carried(Mutex<Option<QueryError>>);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the statement failed")
    }
}

impl std::error::Error for Carried {}

/// How the engine says that a subquery that stands for a value has several.
const SEVERAL_ROWS: &str = "Scalar subquery returned more than one row";

/// The name in the engine's message about an unknown function.
fn invalid_function(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("Invalid function '")?;
    rest.split('\'').next()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use datafusion::arrow::error::ArrowError;

    #[test]
    fn our_own_error_comes_out_of_any_wrapping_as_it_went_in() {
        let own = || QueryError::Timeout.into_engine();
        let arrow = |error| DataFusionError::from(ArrowError::ExternalError(Box::new(error)));
        let shared = |error| DataFusionError::Shared(Arc::new(error));
        let wrapped = [
            own(),
            own().context("a task"),
            arrow(own()),
            shared(own()),
            shared(arrow(shared(own()).context("a partition"))),
        ];
        for error in &wrapped {
            assert!(matches!(QueryError::from_execution(error), QueryError::Timeout), "{error:?}");
        }
    }

    #[test]
    fn a_name_that_looks_like_a_value_is_not_repeated() {
        assert_eq!(as_name("order_id"), "order_id");
        assert_eq!(as_name("zhang@example.cn"), "?");
        assert_eq!(as_name("13800138000"), "?");
    }
}
