//! The policies, contracts and models that the program carries.

use custos_models::ModelFiles;
use custos_policy::PolicyFiles;

macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../", $folder, "/", $name)))),+]
    };
}

const POLICIES: &[(&str, &str)] = files!("policies":
    "access.cedar",
    "access.cedarschema",
    "access.test.yaml",
    "categories.test.yaml",
    "categories.yaml",
    "purposes.test.yaml",
    "purposes.yaml",
    "regimes.test.yaml",
    "regimes.yaml",
    "retention.test.yaml",
    "retention.yaml",
);

/// The contracts of the demo's five silos, by file name.
pub(crate) const CONTRACTS: &[(&str, &str)] = files!("policies/contracts":
    "pos_orders.yaml",
    "crm_contacts.yaml",
    "web_events.yaml",
    "support_tickets.yaml",
    "community_survey.yaml",
);

const MODELS: &[(&str, &str)] = files!("sql":
    "events.sql",
    "metrics_nps.sql",
    "orders.sql",
    "profiles.sql",
    "rfm.sql",
    "segments.sql",
    "surveys.sql",
    "tags.sql",
    "tickets.sql",
);

/// The policies that hold unless the configuration names a folder.
pub(crate) fn policies() -> PolicyFiles {
    PolicyFiles::from_pairs(POLICIES.iter().copied())
}

/// The models that are published unless a folder replaces them by name.
pub(crate) fn models() -> ModelFiles {
    ModelFiles::from_pairs(MODELS.iter().copied())
}
