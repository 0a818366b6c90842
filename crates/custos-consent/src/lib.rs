//! Consent records and events, compiled to states and subject bitmaps per purpose and epoch.
