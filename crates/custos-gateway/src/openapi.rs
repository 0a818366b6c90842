//! `/openapi.json`: what the addresses take and give, told by the code that answers at them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, ToSchema};

use crate::error::RequestError;
use crate::sql::format::Format;
use crate::wire_error::{Failure, Problem};
use crate::{health, keys, metrics, privacy, profiles, sql, statements};

/// The description of the HTTP door.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Custos",
        description = "Governed SQL over customer profiles, and what people ask about their data. \
                       Failures are problem documents (RFC 9457) with a stable `code`; none \
                       repeats a value of the request."
    ),
    paths(
        sql::run,
        sql::explain,
        statements::submit,
        statements::list,
        statements::show,
        statements::fetch,
        statements::cancel,
        profiles::show,
        keys::unwrap,
        privacy::open,
        privacy::show,
        privacy::verify,
        health::live,
        health::ready,
        metrics::show,
    ),
    components(schemas(Problem)),
    security(("secret" = [])),
    modifiers(&Secret, &Problems)
)]
struct Description;

/// The document, made once.
static DOCUMENT: LazyLock<Option<String>> =
    LazyLock::new(|| Description::openapi().to_pretty_json().ok());

/// Shows the description.
pub(crate) async fn show() -> Result<Response, Failure> {
    let document = DOCUMENT.as_deref().ok_or(RequestError::WorkBrokeOff)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response())
}

/// The header that names the purpose.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what `sql::purpose` reads")]
pub(crate) struct PurposeHeader {
    /// What the rows are for; the principal's default purpose if left out.
    #[param(rename = "x-custos-purpose", example = "analytics", pattern = "^[a-z][a-z0-9_.]*$")]
    purpose: Option<String>,
}

/// The header that names a request.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what `IdempotencyKey` reads")]
pub(crate) struct KeyHeader {
    /// A request that is sent again with the same key is the same request.
    #[param(rename = "idempotency-key", min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    key: Option<String>,
}

/// Rows in the form that `accept` names first; the first form if it names none.
pub(crate) struct Rows;

impl IntoResponses for Rows {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let object =
            ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
        let rows = ArrayBuilder::new().items(object).build();
        let bytes = || ObjectBuilder::new().schema_type(Type::String).build();
        let of = |format: Format| match format {
            Format::Array => ContentBuilder::new().schema(Some(rows.clone())).build(),
            _ => ContentBuilder::new().schema(Some(bytes())).build(),
        };
        let all = Format::ALL.into_iter().fold(ResponseBuilder::new(), |response, format| {
            response.content(format.content_type(), of(format))
        });
        let text = "The rows, as they come; an answer that breaks off lacks its end";
        BTreeMap::from([("200".to_owned(), RefOr::T(all.description(text).build()))])
    }
}

/// A request about somebody's data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes `custos_erasure::RequestView`")]
pub(crate) struct PrivacyRequest {
    id: String,
    /// Always `erasure`.
    r#type: String,
    /// How far it came.
    state: String,
    /// The level of forgetting that was reached.
    level: String,
    /// The law it is made under.
    regime: String,
    /// When it was received: an instant of ISO 8601, as all that follow.
    received_at: String,
    /// Who verified it, and when.
    verified: Option<serde_json::Value>,
    /// Accounts of the person.
    subjects: u64,
    tables_rewritten: u64,
    rows_removed: u64,
    bytes_rewritten: u64,
    /// When level L2 was reached.
    completed_at: Option<String>,
    /// With it and the certificate the person can tell that it is about them.
    salt: String,
    /// The certificate, once issued.
    certificate: Option<String>,
}

/// The secret that requests carry.
struct Secret;

impl Modify for Secret {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let secret = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The secret that `custos principal add` shows once"))
            .build();
        components.add_security_scheme("secret", SecurityScheme::Http(secret));
    }
}

/// The failures that any address can have.
struct Problems;

impl Problems {
    const ALL: [(&'static str, &'static str); 11] = [
        ("400", "The request or its statement is not as it must be"),
        ("401", "Nobody is known by this secret"),
        ("403", "This principal may not do this, or not for this purpose"),
        ("404", "There is nothing of this name that the principal may know of"),
        ("409", "The state of things does not allow it now"),
        ("413", "The request or the answer is larger than it may be"),
        ("429", "Too much at a time"),
        ("500", "A defect, or damaged data; the log has the rest under the error id"),
        ("501", "The statement uses what is not supported"),
        ("503", "A part that is needed cannot be reached"),
        ("504", "It took longer than it may"),
    ];

    fn add(operation: &mut Operation) {
        let schema = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        for (status, description) in Self::ALL {
            let response = ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", content.clone())
                .build();
            operation.responses.responses.insert(status.to_owned(), RefOr::T(response));
        }
    }
}

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let operations =
                [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            operations.into_iter().flatten().for_each(Self::add);
        }
    }
}
