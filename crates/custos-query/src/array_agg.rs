//! `array_agg` whose memory is counted.
//!
//! The engine's own counts of views what they are and not what they point to: a statement that
//! gathers text would go beyond its memory unseen. Text is gathered by offsets.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
    Volatility,
};

/// Puts the counted function in the place of the engine's, if this is it.
pub(crate) fn replace(function: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    match function.name() {
        "array_agg" => {
            let engine = AggregateUDF::clone(&function);
            let signature = Signature::user_defined(Volatility::Immutable);
            Arc::new(AggregateUDF::new_from_shared_impl(Arc::new(ArrayAgg { engine, signature })))
        }
        _ => function,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayAgg {
    engine: AggregateUDF,
    signature: Signature,
}

fn counted(given: &DataType) -> DataType {
    match given {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

impl AggregateUDFImpl for ArrayAgg {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [item] = take_function_args(self.name(), given)?;
        Ok(vec![counted(item)])
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let [item] = take_function_args(self.name(), given)?;
        Ok(DataType::List(Arc::new(Field::new_list_field(counted(item), true))))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.engine.inner().state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.engine.inner().accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.engine.inner().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.engine.inner().create_groups_accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.engine.inner().order_sensitivity()
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        is_ordered: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let engine = Arc::clone(self.engine.inner()).with_beneficial_ordering(is_ordered)?;
        let with = |engine| -> Arc<dyn AggregateUDFImpl> {
            let engine = AggregateUDF::new_from_shared_impl(engine);
            Arc::new(Self { engine, signature: self.signature.clone() })
        };
        Ok(engine.map(with))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.engine.inner().reverse_expr()
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.engine.inner().supports_null_handling_clause()
    }
}
