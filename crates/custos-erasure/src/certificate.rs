//! The certificate: what was done, what of it is proven, and by what.
//!
//! A [JWS](https://www.rfc-editor.org/rfc/rfc7515) in compact form, signed with Ed25519
//! ([RFC 8037](https://www.rfc-editor.org/rfc/rfc8037)). It can be checked without Custos' data:
//! the signature, and the inclusion ([RFC 9162](https://www.rfc-editor.org/rfc/rfc9162)) of the
//! erasure's entry in the audit log under a head with a signature of its own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use custos_audit::{Action, Entry, InclusionProof, SignedHead, verify_inclusion};
use custos_core::{Classify, ErrorKind, FileId, RequestId, TableName, Timestamp};
use custos_keys::{Destruction, PublicKey, SigningKey};
use serde::{Deserialize, Serialize};

use crate::{Level, Verified};

const TYPE: &str = "custos-erasure+jws";

/// What a certificate states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The form of this statement.
    pub version: u32,
    /// The request.
    pub request: RequestId,
    /// The law that it was made under.
    pub regime: String,
    /// The level that is proven.
    pub level: Level,
    /// When the request was received.
    pub received_at: Timestamp,
    /// Who made sure that the person is who they say.
    pub verified: Verified,
    /// When the level was reached.
    pub completed_at: Timestamp,
    /// Whom it is about, for those who have the salt.
    pub subject: SubjectCommitment,
    /// Accounts of the person that were erased.
    pub subjects_erased: u64,
    /// What happened in each table that held them.
    pub tables: Vec<TableStatement>,
    /// Files whose secrets are destroyed: no copy of them opens.
    pub files_destroyed: Vec<FileId>,
    /// How finally the key management destroys epochs.
    pub key_management: Destruction,
    /// What keeps old rows from coming back.
    pub barred: Barred,
    /// What follows from this certificate alone.
    pub proven: Vec<String>,
    /// What its issuer asserts beyond that.
    pub attested: Vec<String>,
    /// The version of the policies in force.
    pub policy: String,
    /// The program that did it.
    pub software: String,
    /// Where the audit log records it.
    pub audit: AuditProof,
}

/// A commitment to the identifier that the request named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectCommitment {
    /// The type of the identifier.
    pub r#type: String,
    /// Base64url SHA-256 of salt, type, scope and normalised identifier, joined by `:`.
    pub sha256: String,
}

/// What happened in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStatement {
    /// The table.
    pub table: TableName,
    /// Its version before.
    pub version_before: u64,
    /// The version that was read back.
    pub version_after: u64,
    /// Files that held the person.
    pub files_replaced: Vec<FileId>,
    /// Rows that are gone.
    pub rows_removed: u64,
    /// Cells that named the person in another's row, cleared.
    pub cells_cleared: u64,
    /// Live files whose sealed subject lists were checked afterwards.
    pub files_checked: u64,
    /// Rows that were read back.
    pub rows_read_back: u64,
    /// Rows that still name the person: none.
    pub hits: u64,
}

/// What keeps old rows of the person from coming back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barred {
    /// Identifiers whose keyed hashes are on the list.
    pub identifiers: u64,
    /// Rows about events up to then are barred.
    pub until: Timestamp,
}

/// The audit log's entry about the erasure, and its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditProof {
    /// The entry, base64url.
    pub leaf: String,
    /// The path from the entry to the head's root.
    pub inclusion: InclusionProof,
    /// The signed head.
    pub head: SignedHead,
}

#[derive(Debug, Serialize, Deserialize)]
struct JwsHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// A certificate that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is not a JWS of this kind.
    #[error("this is not a certificate of erasure")]
    Malformed,
    /// It was signed with another key, or changed.
    #[error(
        "the signature does not hold: the certificate was changed, or the key is not the issuer's"
    )]
    Signature,
    /// The audit log does not contain what it says.
    #[error("the audit proof does not hold")]
    Audit,
    /// Its tables do not support its level.
    #[error("the certificate claims a level that its own evidence does not support")]
    Level,
}

impl Classify for CertificateError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed => ErrorKind::Invalid,
            Self::Signature | Self::Audit | Self::Level => ErrorKind::Integrity,
        }
    }
}

impl Statement {
    /// Signs the statement.
    pub(crate) fn sign(&self, key: &SigningKey) -> Option<String> {
        let header = JwsHeader { alg: "EdDSA".to_owned(), typ: TYPE.to_owned(), kid: key.key_id() };
        let header = BASE64URL.encode(serde_json::to_vec(&header).ok()?);
        let payload = BASE64URL.encode(serde_json::to_vec(self).ok()?);
        let signed = format!("{header}.{payload}");
        let signature = BASE64URL.encode(key.sign(signed.as_bytes()));
        Some(format!("{signed}.{signature}"))
    }

    /// Whether the tables bear the level out.
    fn supports_its_level(&self) -> bool {
        let replaced = self.tables.iter().flat_map(|table| &table.files_replaced);
        let mut all_destroyed = replaced.map(|file| self.files_destroyed.contains(file));
        self.level < Level::L2
            || (self.tables.iter().all(|table| table.hits == 0) && all_destroyed.all(|gone| gone))
    }
}

/// Checks a certificate with nothing but the issuer's public key.
pub fn verify(certificate: &str, key: &PublicKey) -> Result<Statement, CertificateError> {
    let mut parts = certificate.trim().split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(CertificateError::Malformed);
    };
    let decode = |text: &str| BASE64URL.decode(text).map_err(|_| CertificateError::Malformed);
    let parsed: JwsHeader =
        serde_json::from_slice(&decode(header)?).map_err(|_| CertificateError::Malformed)?;
    if parsed.alg != "EdDSA" || parsed.typ != TYPE {
        return Err(CertificateError::Malformed);
    }
    let signature: [u8; 64] =
        decode(signature)?.try_into().map_err(|_| CertificateError::Malformed)?;
    key.verify(format!("{header}.{payload}").as_bytes(), &signature)
        .map_err(|_| CertificateError::Signature)?;
    let statement: Statement =
        serde_json::from_slice(&decode(payload)?).map_err(|_| CertificateError::Malformed)?;
    let leaf = decode(&statement.audit.leaf)?;
    let audit = &statement.audit;
    verify_inclusion(&leaf, &audit.inclusion, &audit.head, key)
        .map_err(|_| CertificateError::Audit)?;
    let entry: Entry = serde_json::from_slice(&leaf).map_err(|_| CertificateError::Audit)?;
    let about_this =
        entry.action == Action::CertificateIssued && entry.object == statement.request.to_string();
    if !about_this {
        return Err(CertificateError::Audit);
    }
    if !statement.supports_its_level() {
        return Err(CertificateError::Level);
    }
    Ok(statement)
}
