//! Consent records, and the receipts that people get of them.

use custos_core::{DataCategory, Purpose, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{ConsentEvent, ConsentStatus, ConsentTopic, SeparateConsent};

/// The form of [`ConsentRecord`] and [`ConsentReceipt`].
pub const RECORD_SCHEMA: &str = "custos-consent/1";

/// A consent record, with the sections and field names of
/// [ISO/IEC TS 27560:2023](https://www.iso.org/standard/80392.html), 6.3.
///
/// Its order is fixed by its content, so equal records are equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentRecord {
    /// The form of the record: [`RECORD_SCHEMA`].
    pub schema_version: String,
    /// The record.
    pub record_id: String,
    /// The person, by a name that only the controller can resolve; never an internal id.
    pub pii_principal_id: String,
    /// What was agreed to or not, by purpose.
    pub pii_processing: Vec<PiiProcessing>,
    /// Who is named in the record.
    pub party_identification: Vec<Party>,
    /// What happened, in order of time.
    pub events: Vec<RecordEvent>,
}

/// The processing for one purpose (6.3.4), as a policy states it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiiProcessing {
    /// What for.
    pub purpose: Purpose,
    /// Why it is lawful, by the name in `purposes.yaml`.
    pub lawful_basis: String,
    /// The law that it is under.
    pub jurisdiction: String,
    /// What is processed.
    pub pii_information: Vec<PiiInformation>,
    /// Who is responsible, by [`Party::party_id`].
    pub pii_controllers: Vec<String>,
    /// Whom it is shared with, by [`Party::party_id`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipient_third_parties: Vec<String>,
    /// Where it is kept: countries or cells.
    pub storage_locations: Vec<String>,
    /// Where else it is sent, which asks for a separate consent in some laws.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processing_locations: Vec<String>,
    /// How long it is kept, as an ISO 8601 duration, or until when in words.
    pub retention_period: String,
    /// How to take consent back.
    pub withdrawal_method: String,
    /// The rights that the person has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub privacy_rights: Vec<String>,
}

/// One kind of personal data (6.3.5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiiInformation {
    /// The category.
    pub pii_type: DataCategory,
    /// Whether the law counts it among the sensitive or special ones.
    pub sensitive_pii_category: bool,
}

/// Somebody whom the record names (6.3.6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// By what the record refers to it.
    pub party_id: String,
    /// Its name in law.
    pub party_name: String,
    /// What it is here: controller, processor, recipient, authority.
    pub party_role: String,
    /// The country it is in.
    pub party_address: String,
    /// How to reach it.
    pub party_contact: String,
}

/// Something that happened to a consent (6.3.7).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordEvent {
    /// When.
    pub event_time: Timestamp,
    /// What for; `None` stands for all purposes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Which separate consent it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<SeparateConsent>,
    /// What.
    pub event_state: ConsentStatus,
    /// Who said so.
    pub entity_id: RecordEntity,
    /// For how long a grant is valid, as an ISO 8601 duration in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity_duration: Option<String>,
    /// The notice that was shown, by name and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy_notice: Option<String>,
    /// Where it was said: web, app, shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection_method: Option<String>,
}

/// Who spoke, seen from the person the record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordEntity {
    /// The person.
    PiiPrincipal,
    /// A guardian of the person's.
    Guardian,
}

/// What a record says besides the events, as policies state it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordTerms {
    /// The processing for each purpose.
    pub pii_processing: Vec<PiiProcessing>,
    /// Everybody whom the processing may name.
    pub party_identification: Vec<Party>,
}

impl ConsentRecord {
    /// The record of a person from the events of all their subjects.
    ///
    /// Of the terms it holds those that some event is about. A grant that does not count, because
    /// its source had no authority to record it, is no consent and left out.
    pub fn new<'a>(
        record_id: String,
        pii_principal_id: String,
        terms: &RecordTerms,
        events: impl IntoIterator<Item = &'a ConsentEvent>,
    ) -> Self {
        let counts = |event: &&ConsentEvent| event.status != ConsentStatus::Given || event.grants();
        let mut events: Vec<_> = events.into_iter().filter(counts).map(record_event).collect();
        events.sort_unstable();
        events.dedup();

        let is_told = |purpose: &Purpose| events.iter().any(|event| is_about(event, purpose));
        let processing = terms.pii_processing.iter().filter(|terms| is_told(&terms.purpose));
        let mut pii_processing: Vec<_> = processing.cloned().collect();
        pii_processing.sort_unstable();
        let is_named = |party: &&Party| {
            pii_processing.iter().any(|processing| {
                processing.pii_controllers.contains(&party.party_id)
                    || processing.recipient_third_parties.contains(&party.party_id)
            })
        };
        let parties = terms.party_identification.iter().filter(is_named);
        let mut party_identification: Vec<_> = parties.cloned().collect();
        party_identification.sort_unstable();
        let schema_version = RECORD_SCHEMA.to_owned();
        Self {
            schema_version,
            record_id,
            pii_principal_id,
            pii_processing,
            party_identification,
            events,
        }
    }
}

fn record_event(event: &ConsentEvent) -> RecordEvent {
    let topic = ConsentTopic::of(&event.purpose);
    let entity =
        if topic.by_guardian { RecordEntity::Guardian } else { RecordEntity::PiiPrincipal };
    let is_grant = event.status == ConsentStatus::Given;
    RecordEvent {
        event_time: event.at,
        purpose: topic.purpose,
        event_type: topic.separate,
        event_state: event.status,
        entity_id: entity,
        validity_duration: event.expires_at.filter(|_| is_grant).map(|end| seconds(event.at, end)),
        privacy_notice: event.notice.clone(),
        collection_method: event.channel.clone(),
    }
}

/// Whether an event says something about a purpose, for all or for part of it.
fn is_about(event: &RecordEvent, purpose: &Purpose) -> bool {
    event.purpose.as_ref().is_none_or(|told| purpose.is_within(told) || told.is_within(purpose))
}

fn seconds(from: Timestamp, to: Timestamp) -> String {
    format!("PT{}S", to.micros().saturating_sub(from.micros()).max(0) / 1_000_000)
}

/// A consent receipt (ISO/IEC TS 27560, 6.4): what is signed, as a JWS
/// ([RFC 7515](https://www.rfc-editor.org/rfc/rfc7515)), and handed to the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentReceipt {
    /// The form of the receipt: [`RECORD_SCHEMA`].
    pub schema_version: String,
    /// The receipt.
    pub receipt_id: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Who issued it, by [`Party::party_id`].
    pub issuer: String,
    /// The record as it was then.
    pub record: ConsentRecord,
}

impl ConsentReceipt {
    /// The `typ` in the header of the JWS.
    ///
    /// Verifiers are to refuse any other, so that nothing else we sign passes for a receipt.
    pub const TYPE: &str = "custos-consent-receipt+jws";

    /// The receipt of a record.
    pub fn new(
        receipt_id: String,
        issued_at: Timestamp,
        issuer: String,
        record: ConsentRecord,
    ) -> Self {
        Self { schema_version: RECORD_SCHEMA.to_owned(), receipt_id, issued_at, issuer, record }
    }

    /// The payload of the JWS: JSON in the canonical form of
    /// [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785), so that whoever parsed and wrote it again
    /// arrives at the same bytes.
    pub fn payload(&self) -> Result<Vec<u8>, serde_json::Error> {
        // All that the RFC asks for beyond this is about numbers, and there are none.
        let mut json = serde_json::to_value(self)?;
        json.sort_all_objects();
        serde_json::to_vec(&json)
    }
}

#[cfg(test)]
mod tests;
