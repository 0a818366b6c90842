//! Functions that stand in the place of the engine's own, and are like it but for what they compute.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

/// What is done in the place of the engine's function, or before it is called.
pub(crate) trait Instead: Debug + Send + Sync + 'static {
    /// Computes a call.
    fn invoke(&self, engine: &ScalarUDF, args: ScalarFunctionArgs) -> Result<ColumnarValue>;
}

/// A function that is planned like the engine's and computed otherwise.
pub(crate) fn function(engine: Arc<ScalarUDF>, instead: impl Instead) -> Arc<ScalarUDF> {
    let signature = engine.signature().clone();
    Arc::new(ScalarUDF::new_from_impl(Replaced { engine, signature, instead }))
}

/// The same, but that nothing is computed while a statement is planned.
pub(crate) fn unplanned(engine: Arc<ScalarUDF>, instead: impl Instead) -> Arc<ScalarUDF> {
    let signature = Signature { volatility: Volatility::Volatile, ..engine.signature().clone() };
    Arc::new(ScalarUDF::new_from_impl(Replaced { engine, signature, instead }))
}

#[derive(Debug)]
struct Replaced<I> {
    engine: Arc<ScalarUDF>,
    signature: Signature,
    instead: I,
}

impl<I> PartialEq for Replaced<I> {
    fn eq(&self, other: &Self) -> bool {
        self.engine == other.engine
    }
}

impl<I> Eq for Replaced<I> {}

impl<I> Hash for Replaced<I> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.engine.hash(state);
    }
}

impl<I: Instead> ScalarUDFImpl for Replaced<I> {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn aliases(&self) -> &[String] {
        self.engine.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.engine.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.engine.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.engine.inner().coerce_types(types)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.engine.output_ordering(inputs)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.instead.invoke(&self.engine, args)
    }
}
