//! Functions and operators that analysts and BI tools know from PostgreSQL and the engine lacks.

mod age;
mod format;
mod interval;
mod zone;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use datafusion::common::{Result, plan_err};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Statement, visit_expressions_mut,
};

use crate::QueryError;
use crate::catalogue::call;

/// All of these functions.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![age::function(), format::function(), zone::function()]
}

/// Says what PostgreSQL has words for by these functions: `AT TIME ZONE`, which to the engine is the
/// same instant under another name, and the age of one time, which is how far today's midnight is
/// from it.
pub(crate) fn translate(statement: &mut Statement) {
    let _never: ControlFlow<()> = visit_expressions_mut(statement, |expr| {
        match expr {
            Expr::AtTimeZone { timestamp, time_zone } => {
                let arguments = vec![Expr::clone(time_zone), Expr::clone(timestamp)];
                *expr = call("timezone", arguments);
            }
            Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("age") => {
                if let FunctionArguments::List(list) = &mut function.args
                    && list.args.len() == 1
                {
                    let today = FunctionArgExpr::Expr(call("current_date", Vec::new()));
                    list.args.insert(0, FunctionArg::Unnamed(today));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
}

/// The engine's ways to plan operators and ours, which are asked first.
pub(crate) fn expr_planners() -> Vec<Arc<dyn ExprPlanner>> {
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(interval::Spans)];
    planners.extend(SessionStateDefaults::default_expr_planners());
    planners
}

const SPAN: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const NAIVE: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A function by its parts.
struct Function {
    name: &'static str,
    signature: Signature,
    /// Which types it takes for those that it is given.
    takes: fn(&[DataType]) -> Option<Vec<DataType>>,
    returns: fn(&[DataType]) -> DataType,
    call: fn(ScalarFunctionArgs) -> Result<ColumnarValue>,
}

impl Function {
    fn make(
        name: &'static str,
        takes: fn(&[DataType]) -> Option<Vec<DataType>>,
        returns: fn(&[DataType]) -> DataType,
        call: fn(ScalarFunctionArgs) -> Result<ColumnarValue>,
    ) -> Arc<ScalarUDF> {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Self { name, signature, takes, returns, call }))
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl std::hash::Hash for Function {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match (self.takes)(given) {
            Some(taken) => Ok(taken),
            None => plan_err!("there is no {} of these types", self.name),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok((self.returns)(types))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        (self.call)(args)
    }
}

/// That a time, or a span of time, cannot be told.
fn out_of_range() -> ArrowError {
    ArrowError::ExternalError(Box::new(QueryError::TimeOutOfRange.into_engine()))
}

/// The time that a date, instant or text stands for: an instant, or a time that no zone is known of.
fn as_time(given: &DataType) -> Option<DataType> {
    match given {
        DataType::Timestamp(_, Some(_)) => Some(instant()),
        DataType::Timestamp(_, None)
        | DataType::Date32
        | DataType::Date64
        | DataType::Utf8
        | DataType::Utf8View
        | DataType::LargeUtf8
        | DataType::Null => Some(NAIVE),
        _ => None,
    }
}
