//! Single records that are sealed, such as the payload of a request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use custos_core::FileId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A record sealed under a secret of its own; destroying the owner's secret destroys the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedRecord {
    /// Whose secret opens the record; nothing else has this id.
    pub owner: FileId,
    /// The sealed bytes; base64 as text.
    #[serde(serialize_with = "to_text", deserialize_with = "from_text")]
    pub bytes: Vec<u8>,
}

fn to_text<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
