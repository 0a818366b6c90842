//! Who may ask.

use custos_core::{PrincipalId, StoreError, Timestamp};

use crate::Store;
use crate::column::{from_json, parse, to_json};
use crate::error::failed;
use crate::statement::query;

/// A principal to be added.
#[derive(Clone)]
pub struct NewPrincipal {
    /// Its name.
    pub name: PrincipalId,
    /// What access rules know it by.
    pub roles: Vec<String>,
    /// The SHA-256 of its secret, which is random and long.
    pub secret_sha256: [u8; 32],
    /// What proves the secret to those who log in by SCRAM, sealed.
    pub scram: Vec<u8>,
    /// When it is added.
    pub created_at: Timestamp,
}

/// A principal as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPrincipal {
    /// Its name.
    pub name: PrincipalId,
    /// What access rules know it by.
    pub roles: Vec<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was revoked; a name can be added again afterwards.
    pub revoked_at: Option<Timestamp>,
}

impl std::fmt::Debug for NewPrincipal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPrincipal")
            .field("name", &self.name)
            .field("roles", &self.roles)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Adds a principal; [`StoreError::Conflict`] if there is an active one of this name, or any
    /// with this secret.
    pub async fn add_principal(&self, principal: &NewPrincipal) -> Result<(), StoreError> {
        query(
            "INSERT INTO principal (name, roles, secret_sha256, created_at, scram) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(principal.name.as_str())
        .bind(to_json(&principal.roles)?)
        .bind(&principal.secret_sha256[..])
        .bind(principal.created_at.micros())
        .bind(&principal.scram[..])
        .execute(self.writers())
        .await
        .map_err(failed("adding a principal"))?;
        Ok(())
    }

    /// Revokes a principal; returns whether there was an active one of this name.
    pub async fn revoke_principal(
        &self,
        name: &PrincipalId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let revoked = query(
            "UPDATE principal SET revoked_at = $2, scram = NULL \
                 WHERE name = $1 AND revoked_at IS NULL",
        )
        .bind(name.as_str())
        .bind(at.micros())
        .execute(self.writers())
        .await
        .map_err(failed("revoking a principal"))?;
        Ok(revoked > 0)
    }

    /// All principals, revoked ones included, in the order they were added.
    pub async fn principals(&self) -> Result<Vec<StoredPrincipal>, StoreError> {
        let rows: Vec<PrincipalRow> =
            query("SELECT name, roles, created_at, revoked_at FROM principal ORDER BY seq")
                .fetch_all(self.readers())
                .await
                .map_err(failed("listing principals"))?;
        rows.into_iter().map(read_principal).collect()
    }

    /// The active principal whose secret has this SHA-256.
    pub async fn principal_by_secret(
        &self,
        secret_sha256: &[u8; 32],
    ) -> Result<Option<StoredPrincipal>, StoreError> {
        let row: Option<PrincipalRow> = query(
            "SELECT name, roles, created_at, revoked_at FROM principal \
             WHERE secret_sha256 = $1 AND revoked_at IS NULL",
        )
        .bind(&secret_sha256[..])
        .fetch_optional(self.readers())
        .await
        .map_err(failed("looking for a principal"))?;
        row.map(read_principal).transpose()
    }

    /// Whether there was a principal of this name, and is no active one.
    pub async fn was_revoked(&self, name: &PrincipalId) -> Result<bool, StoreError> {
        let row: Option<(i64, Option<i64>)> = query(
            "SELECT COUNT(*), SUM(CASE WHEN revoked_at IS NULL THEN 1 ELSE 0 END) \
             FROM principal WHERE name = $1",
        )
        .bind(name.as_str())
        .fetch_optional(self.readers())
        .await
        .map_err(failed("looking for a principal"))?;
        Ok(row.is_some_and(|(all, active)| all > 0 && active.unwrap_or(0) == 0))
    }

    /// The active principal of this name.
    pub async fn principal(
        &self,
        name: &PrincipalId,
    ) -> Result<Option<StoredPrincipal>, StoreError> {
        let row: Option<PrincipalRow> = query(
            "SELECT name, roles, created_at, revoked_at FROM principal \
             WHERE name = $1 AND revoked_at IS NULL",
        )
        .bind(name.as_str())
        .fetch_optional(self.readers())
        .await
        .map_err(failed("looking for a principal"))?;
        row.map(read_principal).transpose()
    }
}

impl Store {
    /// The active principal of this name with what proves its secret by SCRAM, sealed; none if it
    /// cannot log in so.
    pub async fn scram_login(
        &self,
        name: &PrincipalId,
    ) -> Result<Option<(StoredPrincipal, Vec<u8>)>, StoreError> {
        let row: Option<LoginRow> = query(
            "SELECT name, roles, created_at, revoked_at, scram FROM principal \
             WHERE name = $1 AND revoked_at IS NULL AND scram IS NOT NULL",
        )
        .bind(name.as_str())
        .fetch_optional(self.readers())
        .await
        .map_err(failed("looking for a principal"))?;
        let Some((name, roles, created_at, revoked_at, Some(scram))) = row else { return Ok(None) };
        Ok(Some((read_principal((name, roles, created_at, revoked_at))?, scram)))
    }
}

/// The same with what proves the secret.
type LoginRow = (String, String, i64, Option<i64>, Option<Vec<u8>>);

/// Name, roles, when it was added, when it was revoked.
type PrincipalRow = (String, String, i64, Option<i64>);

fn read_principal(row: PrincipalRow) -> Result<StoredPrincipal, StoreError> {
    let (name, roles, created_at, revoked_at) = row;
    Ok(StoredPrincipal {
        name: parse(&name, "the name of a principal")?,
        roles: from_json(&roles, "the roles of a principal")?,
        created_at: Timestamp::from_micros(created_at),
        revoked_at: revoked_at.map(Timestamp::from_micros),
    })
}

#[cfg(test)]
mod tests;
