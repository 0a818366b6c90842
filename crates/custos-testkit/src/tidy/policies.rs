//! Rules about policies.

use super::Finding;
use crate::Sources;

/// Every policy has cases beside it: `access.test.yaml` for `access.cedar`. Contracts are not
/// policies of their own; they are tested by landing files under them.
pub fn policy_tests(sources: &Sources) -> Vec<Finding> {
    sources
        .files()
        .filter_map(|file| Some((file, policy_stem(&file.path)?)))
        .filter(|(_, stem)| sources.file(&format!("{stem}.test.yaml")).is_none())
        .map(|(file, stem)| {
            Finding::new(&file.path, 1, format!("has no tests: write `{stem}.test.yaml`"))
        })
        .collect()
}

/// `policies/access` of `policies/access.cedar`; `None` for what is not a policy.
fn policy_stem(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("policies/")?;
    if inside.starts_with("contracts/") || path.ends_with(".test.yaml") {
        return None;
    }
    path.strip_suffix(".yaml").or_else(|| path.strip_suffix(".cedar"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_and_tests_are_no_policies() {
        for (path, stem) in [
            ("policies/access.cedar", Some("policies/access")),
            ("policies/retention.yaml", Some("policies/retention")),
            ("policies/access.cedarschema", None),
            ("policies/access.test.yaml", None),
            ("policies/contracts/pos_orders.yaml", None),
            ("deploy/compose.yaml", None),
        ] {
            assert_eq!(policy_stem(path), stem, "{path}");
        }
    }
}
