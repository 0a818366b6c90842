//! Cells of a line of JSON, by their paths.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use custos_core::Redacted;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{CELL_BYTES_MAX, JSON_DEPTH_MAX};
use crate::contract::{Column, Contract, LogicalType};
use crate::row::{MomentFormat, ParsedRow, RowFault, RowProblem, Value, check_value, parse_text};

/// The objects that the contract's paths lead through.
#[derive(Default)]
pub(super) struct Shape {
    children: Vec<(String, Step)>,
}

/// What a key of such an object leads to.
enum Step {
    Column(usize),
    Object(Shape),
}

impl Shape {
    /// The shape that a contract's columns describe.
    pub(super) fn of(contract: &Contract) -> Self {
        let mut shape = Self::default();
        for (index, column) in contract.columns.iter().enumerate() {
            shape.add(&column.source_name, index);
        }
        shape
    }

    fn add(&mut self, path: &str, index: usize) {
        let Some((key, rest)) = path.split_once('.') else {
            self.children.push((path.to_owned(), Step::Column(index)));
            return;
        };
        for (known, step) in &mut self.children {
            if let Step::Object(inner) = step
                && known == key
            {
                inner.add(rest, index);
                return;
            }
        }
        let mut inner = Self::default();
        inner.add(rest, index);
        self.children.push((key.to_owned(), Step::Object(inner)));
    }

    fn first_column(&self) -> Option<usize> {
        match &self.children.first()?.1 {
            Step::Column(index) => Some(*index),
            Step::Object(inner) => inner.first_column(),
        }
    }

    /// The values of a line.
    pub(super) fn parse(&self, contract: &Contract, line: &str) -> Result<ParsedRow, RowProblem> {
        validate(line).map_err(RowProblem::of_row)?;
        let line = line.trim();
        if !line.starts_with('{') {
            return Err(RowProblem::of_row(RowFault::NotAnObject));
        }
        let mut values = vec![Value::Null; contract.columns.len()];
        let mut extra = String::new();
        self.walk(contract, line, &mut values, &mut extra)?;
        for (column, value) in contract.columns.iter().zip(&values) {
            check_value(column, value).map_err(|fault| RowProblem::of_column(column, fault))?;
        }
        let extra = (!extra.is_empty()).then(|| Redacted::new(format!("{{{extra}}}")));
        Ok(ParsedRow { values, extra })
    }

    /// Takes the listed values out of one object, and writes what remains as members of `extra`.
    fn walk(
        &self,
        contract: &Contract,
        object: &str,
        values: &mut [Value],
        extra: &mut String,
    ) -> Result<(), RowProblem> {
        let bad_json = |_| RowProblem::of_row(RowFault::BadJson);
        let Members(members) = serde_json::from_str(object).map_err(bad_json)?;
        for (key, raw) in members {
            let raw = raw.get();
            let step =
                self.children.iter().find(|(known, _)| *known == key.0).map(|(_, step)| step);
            let left: Cow<'_, str> = match step {
                None => raw.into(),
                Some(Step::Column(index)) => {
                    if let (Some(column), Some(slot)) =
                        (contract.columns.get(*index), values.get_mut(*index))
                    {
                        *slot = read_value(contract, column, raw)
                            .map_err(|fault| RowProblem::of_column(column, fault))?;
                    }
                    continue;
                }
                Some(Step::Object(_)) if raw == "null" => continue,
                Some(Step::Object(inner)) if raw.starts_with('{') => {
                    let mut rest = String::new();
                    inner.walk(contract, raw, values, &mut rest)?;
                    if rest.is_empty() {
                        continue;
                    }
                    format!("{{{rest}}}").into()
                }
                Some(Step::Object(inner)) => return Err(inner.not_an_object(contract)),
            };
            let name = serde_json::to_string(&key.0).map_err(bad_json)?;
            if !extra.is_empty() {
                extra.push(',');
            }
            extra.extend([name.as_str(), ":", &left]);
        }
        Ok(())
    }

    fn not_an_object(&self, contract: &Contract) -> RowProblem {
        match self.first_column().and_then(|index| contract.columns.get(index)) {
            Some(column) => RowProblem::of_column(column, RowFault::WrongType),
            None => RowProblem::of_row(RowFault::WrongType),
        }
    }
}

/// Reads one JSON value as its column's type: numbers in strings only as exact text, since
/// decimals are often sent so, and nothing else converted.
fn read_value(contract: &Contract, column: &Column, raw: &str) -> Result<Value, RowFault> {
    if raw == "null" {
        return Ok(Value::Null);
    }
    let parse =
        |text: &str| parse_text(column.logical_type, &column.moment, contract.time_zone, text);
    let is_unix = matches!(column.moment, MomentFormat::UnixSeconds | MomentFormat::UnixMillis);
    match (raw.as_bytes().first(), column.logical_type) {
        (Some(b'"'), LogicalType::Boolean) => Err(RowFault::WrongType),
        (Some(b'"'), logical_type) => {
            let Key(text) = serde_json::from_str(raw).map_err(|_| RowFault::BadJson)?;
            if text.len() > CELL_BYTES_MAX {
                return Err(RowFault::CellTooLarge);
            }
            if logical_type != LogicalType::String && text.trim().len() != text.len() {
                let is_moment = matches!(logical_type, LogicalType::Date | LogicalType::Timestamp);
                return Err(if is_moment { RowFault::BadDate } else { RowFault::BadNumber });
            }
            parse(&text)
        }
        (Some(b't' | b'f'), LogicalType::Boolean) => Ok(Value::Boolean(raw == "true")),
        (
            Some(b'-' | b'0'..=b'9'),
            LogicalType::Integer | LogicalType::Float | LogicalType::Decimal { .. },
        ) => parse(raw),
        (Some(b'-' | b'0'..=b'9'), LogicalType::Timestamp) if is_unix => parse(raw),
        _ => Err(RowFault::WrongType),
    }
}

/// Text that borrows from the line unless it has escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an object, their values unread.
struct Members<'a>(Vec<(Key<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// Checks a line as a whole: syntax, depth, keys and characters, listed or not.
fn validate(line: &str) -> Result<(), RowFault> {
    let fault = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let check = Check { depth: 0, fault: &fault };
    let outcome = check.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    outcome.map_err(|_| fault.get().unwrap_or(RowFault::BadJson))
}

/// A value at some depth; it must have no fault that `serde_json` lets pass.
#[derive(Clone, Copy)]
struct Check<'a> {
    depth: usize,
    fault: &'a Cell<Option<RowFault>>,
}

impl Check<'_> {
    fn refuse<E: serde::de::Error>(self, fault: RowFault) -> E {
        self.fault.set(Some(fault));
        E::custom("refused")
    }

    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth < JSON_DEPTH_MAX {
            true => Ok(Self { depth: self.depth + 1, ..self }),
            false => Err(self.refuse(RowFault::TooDeep)),
        }
    }

    fn text<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') { Err(self.refuse(RowFault::NulByte)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner::<A::Error>()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.inner::<A::Error>()?;
        let mut keys: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Key(key)) = entries.next_key()? {
            self.text::<A::Error>(&key)?;
            keys.push(key);
            entries.next_value_seed(inner)?;
        }
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(self.refuse(RowFault::DuplicateKeyInJson));
        }
        Ok(())
    }
}
