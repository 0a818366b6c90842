//! The functions that statements over the catalogue call.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, ListArray, StringArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use datafusion_pg_catalog::pg_catalog as shipped;

use super::objects::{OWNER, OWNER_OID, stable};
use super::shape::{INFORMATION_SCHEMA, PG_CATALOG};
use super::{Catalogue, Facts};
use crate::QueryError;
use crate::governor::PUBLISHED;

/// Functions about definitions that nothing here has.
const UNDEFINED: [&str; 20] = [
    "pg_get_expr",
    "obj_description",
    "shobj_description",
    "col_description",
    "pg_get_viewdef",
    "pg_get_indexdef",
    "pg_get_ruledef",
    "pg_get_triggerdef",
    "pg_get_functiondef",
    "pg_get_function_result",
    "pg_get_function_arguments",
    "pg_get_function_identity_arguments",
    "pg_get_function_sqlbody",
    "pg_get_serial_sequence",
    "pg_tablespace_location",
    "inet_client_addr",
    "inet_server_addr",
    "pg_describe_object",
    "pg_identify_object",
    "acldefault",
];

/// Questions that are always answered with yes.
const TRUE: [&str; 8] = [
    "pg_type_is_visible",
    "pg_function_is_visible",
    "pg_operator_is_visible",
    "pg_opclass_is_visible",
    "pg_opfamily_is_visible",
    "pg_collation_is_visible",
    "pg_ts_config_is_visible",
    "pg_conversion_is_visible",
];

/// Questions that are always answered with no.
const FALSE: [&str; 4] = [
    "pg_is_in_recovery",
    "pg_is_other_temp_schema",
    "pg_is_wal_replay_paused",
    "has_sequence_privilege",
];

/// All functions that the engine does not bring.
pub(super) fn all(
    facts: &Arc<Facts>,
    catalogue: &Arc<Catalogue>,
    types: &HashMap<String, i32>,
) -> Vec<Arc<ScalarUDF>> {
    let mut all = vec![
        word("version", version()),
        word("current_database", facts.database.clone()),
        word("current_schema", PUBLISHED.to_owned()),
        word("session_user", facts.user.clone()),
        word("current_user", facts.user.clone()),
        word("pg_client_encoding", "UTF8".to_owned()),
        word("getdatabaseencoding", "UTF8".to_owned()),
        word("pg_size_pretty", "0 bytes".to_owned()),
        number("pg_backend_pid", facts.pid.into()),
        number("pg_my_temp_schema", 0),
        number("pg_char_to_encoding", 6),
        number("pg_database_size", 0),
        number("pg_table_size", 0),
        number("pg_indexes_size", 0),
        number("txid_current", 0),
        current_schemas(),
        current_setting(Arc::clone(facts)),
        set_config(),
        owner_name(Arc::clone(facts)),
        is_visible(Arc::clone(catalogue)),
        relation_of(Arc::clone(catalogue)),
        relation_name(Arc::clone(catalogue)),
        schema_name(Arc::clone(catalogue)),
        type_of(types.clone()),
        type_name(types),
        quoted("quote_literal", None),
        quoted("quote_nullable", Some("NULL")),
        word("pg_advisory_unlock_all", String::new()),
        json_object("json_build_object"),
        json_object("jsonb_build_object"),
        may_read("has_table_privilege", Arc::clone(catalogue)),
        may_read("has_any_column_privilege", Arc::clone(catalogue)),
        may_read_column(Arc::clone(catalogue)),
        may_use_schema(Arc::clone(catalogue)),
        may_connect(Arc::clone(facts)),
        has_role(Arc::clone(facts)),
    ];
    all.extend(UNDEFINED.map(|name| constant(name, ScalarValue::Utf8(None))));
    all.extend(TRUE.map(|name| constant(name, ScalarValue::Boolean(Some(true)))));
    all.extend(FALSE.map(|name| constant(name, ScalarValue::Boolean(Some(false)))));
    let brought = [
        shipped::format_type::create_format_type_udf(),
        shipped::create_pg_get_partkeydef_udf(),
        shipped::create_pg_relation_is_publishable_udf(),
        shipped::create_pg_get_statisticsobjdef_columns_udf(),
        shipped::create_pg_encoding_to_char_udf(),
        shipped::create_pg_relation_size_udf(),
        shipped::create_pg_total_relation_size_udf(),
        shipped::create_pg_stat_get_numscans(),
        shipped::create_pg_get_constraintdef(),
        shipped::create_pg_get_partition_ancestors_udf(),
        shipped::quote_ident_udf::create_quote_ident_udf(),
        shipped::quote_ident_udf::create_parse_ident_udf(),
        shipped::array_bounds_udf::create_array_upper_udf(),
        shipped::array_bounds_udf::create_array_lower_udf(),
    ];
    all.extend(brought.map(Arc::new));
    all
}

/// What `version()` says, which clients read numbers from: the release whose dialect, catalogue and
/// protocol this is.
fn version() -> String {
    format!("PostgreSQL 15.0 (Custos {})", env!("CARGO_PKG_VERSION"))
}

type Body = Arc<dyn Fn(&[ArrayRef], usize) -> Result<ArrayRef> + Send + Sync>;

/// A function with any arguments.
struct Function {
    name: &'static str,
    signature: Signature,
    returns: DataType,
    body: Body,
}

impl Function {
    fn of(
        name: &'static str,
        returns: DataType,
        body: impl Fn(&[ArrayRef], usize) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> Arc<ScalarUDF> {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        let signature = Signature::one_of(any, Volatility::Stable);
        Arc::new(ScalarUDF::new_from_impl(Self { name, signature, returns, body: Arc::new(body) }))
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
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

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let answer = (self.body)(&arrays, rows)?;
        match is_constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?)),
            false => Ok(ColumnarValue::Array(answer)),
        }
    }
}

fn constant(name: &'static str, value: ScalarValue) -> Arc<ScalarUDF> {
    Function::of(name, value.data_type(), move |_, rows| value.to_array_of_size(rows))
}

fn word(name: &'static str, value: String) -> Arc<ScalarUDF> {
    constant(name, ScalarValue::Utf8(Some(value)))
}

fn number(name: &'static str, value: i64) -> Arc<ScalarUDF> {
    constant(name, ScalarValue::Int64(Some(value)))
}

/// An argument as text, row by row.
fn text(arguments: &[ArrayRef], at: usize) -> Result<StringArray> {
    let argument = arguments.get(at).ok_or_else(|| missing().into_engine())?;
    Ok(cast(argument, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn missing() -> QueryError {
    QueryError::Plan
}

/// Answers by a text.
fn told(texts: &StringArray, answer: impl Fn(&str) -> Option<bool>) -> ArrayRef {
    Arc::new(texts.iter().map(|text| text.and_then(&answer)).collect::<BooleanArray>())
}

/// An object in JSON, of names and values in turns.
fn json_object(name: &'static str) -> Arc<ScalarUDF> {
    Function::of(name, DataType::Utf8, |arguments, rows| {
        let objects = (0..rows).map(|row| {
            let mut object = serde_json::Map::new();
            for pair in arguments.chunks(2) {
                let [key, value] = pair else { continue };
                let key = ScalarValue::try_from_array(key, row)?.to_string();
                let value = match ScalarValue::try_from_array(value, row)? {
                    value if value.is_null() => serde_json::Value::Null,
                    ScalarValue::Boolean(Some(flag)) => flag.into(),
                    ScalarValue::Int64(Some(number)) => number.into(),
                    ScalarValue::Int32(Some(number)) => number.into(),
                    other => other.to_string().into(),
                };
                object.insert(key, value);
            }
            Ok(Some(serde_json::Value::Object(object).to_string()))
        });
        Ok(Arc::new(objects.collect::<Result<StringArray>>()?))
    })
}

/// A text as a literal of SQL.
fn quoted(name: &'static str, nothing: Option<&'static str>) -> Arc<ScalarUDF> {
    Function::of(name, DataType::Utf8, move |arguments, _| {
        let texts = text(arguments, 0)?;
        let literals = texts.iter().map(|text| match text {
            Some(text) => {
                let escape = if text.contains('\\') { "E" } else { "" };
                let text = text.replace('\\', "\\\\").replace('\'', "''");
                Some(format!("{escape}'{text}'"))
            }
            None => nothing.map(str::to_owned),
        });
        Ok(Arc::new(literals.collect::<StringArray>()))
    })
}

fn current_schemas() -> Arc<ScalarUDF> {
    let returns = DataType::new_list(DataType::Utf8, true);
    Function::of("current_schemas", returns, |arguments, rows| {
        let with_system = arguments
            .first()
            .and_then(|argument| argument.as_boolean_opt())
            .is_some_and(|flags| !flags.is_empty() && flags.value(0));
        let names = match with_system {
            true => vec![PG_CATALOG, PUBLISHED],
            false => vec![PUBLISHED],
        };
        let names = ScalarValue::new_list_nullable(
            &names.into_iter().map(ScalarValue::from).collect::<Vec<_>>(),
            &DataType::Utf8,
        );
        let list = ListArray::clone(&names);
        ScalarValue::List(Arc::new(list)).to_array_of_size(rows)
    })
}

fn current_setting(facts: Arc<Facts>) -> Arc<ScalarUDF> {
    Function::of("current_setting", DataType::Utf8, move |arguments, _| {
        let names = text(arguments, 0)?;
        let values = names.iter().map(|name| {
            let name = name?.to_ascii_lowercase();
            let found = facts.settings.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        });
        Ok(Arc::new(values.collect::<StringArray>()))
    })
}

/// What was set is what is returned; the door has set it before.
fn set_config() -> Arc<ScalarUDF> {
    Function::of("set_config", DataType::Utf8, |arguments, _| Ok(Arc::new(text(arguments, 1)?)))
}

fn owner_name(facts: Arc<Facts>) -> Arc<ScalarUDF> {
    let own = i64::from(stable("role", &facts.user));
    Function::of("pg_get_userbyid", DataType::Utf8, move |arguments, rows| {
        let Some(numbers) = arguments.first() else {
            return Ok(new_null_array(&DataType::Utf8, rows));
        };
        let numbers = cast(numbers, &DataType::Int64)?;
        let names = numbers.as_primitive::<Int64Type>().iter().map(|number| {
            number.map(|number| match number {
                number if number == own => facts.user.clone(),
                number if number == i64::from(OWNER_OID) => OWNER.to_owned(),
                other => format!("unknown (OID={other})"),
            })
        });
        Ok(Arc::new(names.collect::<StringArray>()))
    })
}

/// Whether a relation is found by its name alone.
fn is_visible(catalogue: Arc<Catalogue>) -> Arc<ScalarUDF> {
    Function::of("pg_table_is_visible", DataType::Boolean, move |arguments, _| {
        let names = text(arguments, 0)?;
        Ok(told(&names, |name| Some(catalogue.objects.has_unqualified(name))))
    })
}

fn relation_of(catalogue: Arc<Catalogue>) -> Arc<ScalarUDF> {
    Function::of("to_regclass", DataType::Int64, move |arguments, _| {
        let names = text(arguments, 0)?;
        let numbers = names.iter().map(|name| catalogue.objects.relation(name?).map(i64::from));
        Ok(Arc::new(numbers.collect::<Int64Array>()))
    })
}

/// The name of the relation of a number, as `regclass` shows it; the number if there is none.
fn relation_name(catalogue: Arc<Catalogue>) -> Arc<ScalarUDF> {
    Function::of("custos_relation_name", DataType::Utf8, move |arguments, _| {
        let numbers = text(arguments, 0)?;
        let names = numbers.iter().map(|oid| Some(catalogue.objects.shown_relation(oid?)));
        Ok(Arc::new(names.collect::<StringArray>()))
    })
}

/// The name of the schema of a number.
fn schema_name(catalogue: Arc<Catalogue>) -> Arc<ScalarUDF> {
    Function::of("custos_schema_name", DataType::Utf8, move |arguments, _| {
        let numbers = text(arguments, 0)?;
        let names = numbers.iter().map(|oid| {
            let all = [PG_CATALOG, INFORMATION_SCHEMA, PUBLISHED];
            let oid = oid?;
            let found =
                all.iter().find(|name| catalogue.objects.namespace(name).to_string() == oid);
            Some(found.map_or_else(|| oid.to_owned(), |name| (*name).to_owned()))
        });
        Ok(Arc::new(names.collect::<StringArray>()))
    })
}

/// The number of the type of a name.
fn type_of(types: HashMap<String, i32>) -> Arc<ScalarUDF> {
    Function::of("to_regtype", DataType::Int32, move |arguments, _| {
        let names = text(arguments, 0)?;
        let numbers = names.iter().map(|name| types.get(internal_name(name?)).copied());
        Ok(Arc::new(numbers.collect::<Int32Array>()))
    })
}

/// The name of the type of a number, as `regtype` shows it.
fn type_name(types: &HashMap<String, i32>) -> Arc<ScalarUDF> {
    let names: HashMap<String, String> =
        types.iter().map(|(name, number)| (number.to_string(), sql_name(name))).collect();
    Function::of("custos_type_name", DataType::Utf8, move |arguments, _| {
        let numbers = text(arguments, 0)?;
        let found = numbers.iter().map(|oid| {
            let oid = oid?;
            Some(names.get(oid).cloned().unwrap_or_else(|| oid.to_owned()))
        });
        Ok(Arc::new(found.collect::<StringArray>()))
    })
}

/// Names of types that SQL has others for.
const RENAMED: [(&str, &str); 12] = [
    ("bool", "boolean"),
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("float4", "real"),
    ("float8", "double precision"),
    ("varchar", "character varying"),
    ("bpchar", "character"),
    ("time", "time without time zone"),
    ("timetz", "time with time zone"),
    ("timestamp", "timestamp without time zone"),
    ("timestamptz", "timestamp with time zone"),
];

/// What `pg_type` calls a type.
fn internal_name(name: &str) -> &str {
    let bare = name.trim().trim_start_matches("pg_catalog.");
    let found = RENAMED.iter().find(|(_, sql)| bare.eq_ignore_ascii_case(sql));
    match found {
        Some((internal, _)) => internal,
        None if bare.eq_ignore_ascii_case("int") => "int4",
        None => bare,
    }
}

/// What SQL calls a type of `pg_type`; an array has brackets.
fn sql_name(name: &str) -> String {
    let (item, brackets) = name.strip_prefix('_').map_or((name, ""), |item| (item, "[]"));
    let found = RENAMED.iter().find(|(internal, _)| *internal == item);
    format!("{}{brackets}", found.map_or(item, |(_, sql)| sql))
}

/// Whether each of these privileges, set apart by commas, is one of reading.
fn is_reading(privileges: &str, reading: &[&str]) -> bool {
    privileges
        .split(',')
        .any(|privilege| reading.contains(&privilege.trim().to_uppercase().as_str()))
}

/// The arguments of a question for a privilege without the role, which comes first or not at all.
fn asked(arguments: &[ArrayRef], without_role: usize) -> Result<(StringArray, StringArray)> {
    let skipped = usize::from(arguments.len() > without_role);
    Ok((text(arguments, skipped)?, text(arguments, arguments.len().saturating_sub(1))?))
}

fn privilege(
    name: &'static str,
    without_role: usize,
    holds: impl Fn(&str, &str) -> Option<bool> + Send + Sync + 'static,
) -> Arc<ScalarUDF> {
    Function::of(name, DataType::Boolean, move |arguments, _| {
        let (objects, privileges) = asked(arguments, without_role)?;
        let answers = objects.iter().zip(privileges.iter());
        let answers = answers.map(|(object, privilege)| holds(object?, privilege?));
        Ok(Arc::new(answers.collect::<BooleanArray>()))
    })
}

fn may_read(name: &'static str, catalogue: Arc<Catalogue>) -> Arc<ScalarUDF> {
    privilege(name, 2, move |table, privilege| {
        let known = catalogue.objects.has_named(table)?;
        Some(known && is_reading(privilege, &["SELECT"]))
    })
}

fn may_read_column(catalogue: Arc<Catalogue>) -> Arc<ScalarUDF> {
    privilege("has_column_privilege", 3, move |table, privilege| {
        let known = catalogue.objects.has_named(table)?;
        Some(known && is_reading(privilege, &["SELECT"]))
    })
}

fn may_use_schema(catalogue: Arc<Catalogue>) -> Arc<ScalarUDF> {
    privilege("has_schema_privilege", 2, move |schema, privilege| {
        let names = [PG_CATALOG, INFORMATION_SCHEMA, PUBLISHED];
        let known = match schema.parse::<i32>() {
            Ok(oid) => names.iter().any(|name| catalogue.objects.namespace(name) == oid),
            Err(_) => names.contains(&schema.trim_matches('"')),
        };
        known.then(|| is_reading(privilege, &["USAGE"]))
    })
}

fn may_connect(facts: Arc<Facts>) -> Arc<ScalarUDF> {
    privilege("has_database_privilege", 2, move |database, privilege| {
        let known = facts.databases.iter().any(|name| {
            name == database.trim_matches('"') || stable("database", name).to_string() == database
        });
        known.then(|| is_reading(privilege, &["CONNECT"]))
    })
}

fn has_role(facts: Arc<Facts>) -> Arc<ScalarUDF> {
    privilege("pg_has_role", 2, move |role, _| {
        Some(role == facts.user || role == stable("role", &facts.user).to_string())
    })
}
