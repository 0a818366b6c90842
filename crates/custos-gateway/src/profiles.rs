//! `GET /v1/profiles/{type}:{value}`: what may be seen of one person.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::json::ArrayWriter;
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use custos_core::{Purpose, Timestamp};
use custos_erasure::SubjectRef;
use custos_query::{ConsentRecord, Lookup, Profile, ProfilePart, ProfileParts, Profiles};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::error::RequestError;
use crate::gateway::App;
use crate::openapi::PurposeHeader;
use crate::sql::purpose;
use crate::wire_error::Failure;

/// How many events and the like an answer has unless said.
const ROWS: usize = 20;

/// The column of `tags` that is shown alone.
const TAG: &str = "tag";

/// What is wanted of a profile.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Names of parts, with commas between.
    #[param(example = "traits,tags,consent")]
    include: Option<String>,
    /// How many events and the like.
    #[param(maximum = 100)]
    limit: Option<usize>,
}

/// A profile as it is answered. Parts that were not asked for are not there.
#[derive(Serialize, ToSchema)]
pub(crate) struct Answer {
    /// The person's id for the purpose, as in statements.
    person_id: i64,
    /// What the rows are for.
    #[schema(value_type = String)]
    purpose: Purpose,
    /// What landed later may be missing.
    #[schema(value_type = String)]
    as_of: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    traits: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    segments: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    events: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    orders: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    tickets: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    surveys: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    consent: Option<Consent>,
}

/// What the person said about the purpose.
#[derive(Serialize)]
struct Consent {
    basis: &'static str,
    state: &'static str,
    records: Vec<Said>,
}

#[derive(Serialize)]
struct Said {
    status: &'static str,
    purpose: Purpose,
    at: Timestamp,
    expires_at: Option<Timestamp>,
    notice: Option<String>,
    channel: Option<String>,
}

impl From<ConsentRecord> for Said {
    fn from(record: ConsentRecord) -> Self {
        let ConsentRecord { status, purpose, at, expires_at, notice, channel } = record;
        Self { status, purpose, at, expires_at, notice, channel }
    }
}

/// Shows the person who holds an identifier, for the purpose of the header or for the principal's
/// default one.
#[utoipa::path(
    get,
    path = "/v1/profiles/{subject}",
    tag = "profiles",
    params(
        ("subject" = String, Path, description = "The type of an identifier, a colon and the identifier: `email:ana@example.com`"),
        PurposeHeader,
        Wanted
    ),
    responses((status = 200, description = "What may be seen of the person", body = Answer))
)]
pub(crate) async fn show(
    State(app): State<App>,
    Caller(principal): Caller,
    headers: HeaderMap,
    subject: Result<Path<String>, PathRejection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Answer>, Failure> {
    // The rejections' own texts quote the address.
    let Path(subject) = subject.map_err(|_| RequestError::BadProfileAddress)?;
    let Query(wanted) = wanted.map_err(|_| RequestError::BadProfileParameter)?;
    let sought = subject.parse::<SubjectRef>().and_then(|subject| subject.sought());
    let sought = sought.map_err(RequestError::BadSubject)?;
    let parts = parts(wanted.include.as_deref())?;
    let rows_max = wanted.limit.unwrap_or(ROWS);
    if rows_max > Profiles::ROWS_MAX {
        return Err(RequestError::BadProfileParameter.into());
    }
    let policy = app.gateway.governor.policy();
    let purpose = purpose(&headers, policy.default_purpose(&principal))?;
    let lookup = Lookup {
        sought: &sought,
        parts: &parts,
        rows_max,
        principal: &principal,
        purpose: &purpose,
    };
    let profile = app.gateway.profiles.look_up(lookup).await?;
    Ok(Json(answer(profile, purpose)?))
}

fn parts(include: Option<&str>) -> Result<BTreeSet<ProfilePart>, RequestError> {
    match include {
        None => Ok(ProfilePart::USUAL.into()),
        Some(names) => {
            let names = names.split(',').map(|name| name.trim().parse());
            names.collect::<Result<_, _>>().map_err(RequestError::BadProfilePart)
        }
    }
}

fn answer(profile: Profile, purpose: Purpose) -> Result<Answer, RequestError> {
    let Profile { person_id, as_of, parts, consent } = profile;
    let rows = |part| parts.get(&part).map(json).transpose();
    Ok(Answer {
        person_id,
        purpose,
        as_of,
        traits: traits(&parts)?,
        tags: tags(&parts)?,
        segments: rows(ProfilePart::Segments)?,
        events: rows(ProfilePart::Events)?,
        orders: rows(ProfilePart::Orders)?,
        tickets: rows(ProfilePart::Tickets)?,
        surveys: rows(ProfilePart::Surveys)?,
        consent: consent.map(|consent| Consent {
            basis: consent.basis,
            state: consent.state,
            records: consent.records.into_iter().map(Said::from).collect(),
        }),
    })
}

/// The one row of traits as an object.
fn traits(parts: &ProfileParts) -> Result<Option<Box<RawValue>>, RequestError> {
    let Some(rows) = parts.get(&ProfilePart::Traits) else { return Ok(None) };
    let row = json(&rows.slice(0, rows.num_rows().min(1)))?;
    let row = row.get().strip_prefix('[').and_then(|row| row.strip_suffix(']'));
    let row = row.filter(|row| !row.is_empty()).unwrap_or("{}").to_owned();
    RawValue::from_string(row).map(Some).map_err(|_| RequestError::Unwritable)
}

/// The tags by name.
fn tags(parts: &ProfileParts) -> Result<Option<Box<RawValue>>, RequestError> {
    let Some(rows) = parts.get(&ProfilePart::Tags) else { return Ok(None) };
    let Some(tags) = rows.column_by_name(TAG) else { return json(rows).map(Some) };
    let tags = cast(tags, &DataType::Utf8).map_err(|_| RequestError::Unwritable)?;
    let tags = arrow::array::AsArray::as_string::<i32>(&*tags);
    let tags: Vec<&str> = tags.iter().flatten().collect();
    serde_json::value::to_raw_value(&tags).map(Some).map_err(|_| RequestError::Unwritable)
}

/// Rows as an array of objects, each with all columns, in the form that rows have anywhere.
fn json(rows: &RecordBatch) -> Result<Box<RawValue>, RequestError> {
    let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer: ArrayWriter<Vec<u8>> = builder.build(Vec::new());
    // The writer's own text quotes what it could not write.
    let written = writer.write(rows).and_then(|()| writer.finish());
    written.map_err(|_| RequestError::Unwritable)?;
    let mut text = String::from_utf8(writer.into_inner()).map_err(|_| RequestError::Unwritable)?;
    if text.is_empty() {
        text.push_str("[]");
    }
    RawValue::from_string(text).map_err(|_| RequestError::Unwritable)
}

#[cfg(test)]
mod tests;
