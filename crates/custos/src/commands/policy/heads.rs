//! How many people a purpose shows, by their consent.

use std::sync::Arc;

use custos_audit::Action;
use custos_consent::RowBasis;
use custos_core::Purpose;
use custos_ingest::Contract;
use custos_lake::Access;
use custos_policy::{MaintenanceJob, RowRule};
use custos_query::Visibility;
use roaring::RoaringBitmap;

use crate::commands::record::Deed;
use crate::failure::Failure;
use crate::installation::Installation;

/// Who there is, and what they consented to.
pub(super) struct Heads {
    visibility: Arc<Visibility>,
    /// The purposes notified at each source, and the subjects with rows of it.
    sources: Vec<(Vec<Purpose>, RoaringBitmap)>,
}

impl Heads {
    /// Reads consent, and whose rows the sources hold.
    pub(super) async fn read(
        installation: &Installation,
        contracts: &[Contract],
    ) -> Result<Self, Failure> {
        let job = MaintenanceJob::PolicyDiff;
        let deed = Deed { action: Action::Maintenance, object: job.as_str() };
        let intent = deed.intent(installation, &[]).await?;
        let read = async {
            let mut sources = Vec::new();
            for contract in contracts {
                let table = installation.lake.table(Arc::new(contract.landing_spec()?)).await?;
                let grant = installation.policy.maintenance(job, table.name());
                let (_, files) = table.open_current(Access::Maintenance(&grant)).await?;
                let mut subjects = RoaringBitmap::new();
                files.iter().for_each(|file| subjects |= file.subjects());
                sources.push((contract.purposes.clone(), subjects));
            }
            let visibility = installation.engine().await?.executor.visibility().await?;
            Ok::<_, Failure>(Self { visibility, sources })
        };
        deed.outcome(installation, intent, read.await, |_| Vec::new()).await
    }

    /// How many people consent lets the purpose show; none where the age of rows counts too,
    /// which only the rows know.
    pub(super) fn count(&self, purpose: &Purpose, rows: RowRule) -> Option<u64> {
        if rows.event_time_from.is_some() {
            return None;
        }
        // What the law demands needs no notice at the source.
        let told = |notified: &[Purpose]| {
            rows.basis == RowBasis::Always || notified.iter().any(|above| purpose.is_within(above))
        };
        let mut subjects = RoaringBitmap::new();
        for (_, of_source) in self.sources.iter().filter(|(notified, _)| told(notified)) {
            subjects |= of_source;
        }
        Some(self.visibility.people(purpose, rows.into(), &subjects))
    }
}
