//! Clients of PostgreSQL that tests drive, from the packages of the operating system.

use std::collections::BTreeSet;

use custos_testkit::{WireClient, is_root};

use crate::console::say;
use crate::services::apt_get;

/// Installs what clients miss, where this may be done, and names each that cannot be run.
///
/// The tests of those fail and say the same: a client is never passed over in silence.
pub(crate) fn install() {
    let missing: BTreeSet<&str> =
        WireClient::ALL.iter().flat_map(WireClient::missing_packages).collect();
    if is_root() && !missing.is_empty() {
        let install = ["install", "--yes", "--no-install-recommends"];
        let arguments: Vec<&str> = install.into_iter().chain(missing).collect();
        if let Err(error) = apt_get(&["update"]).and_then(|()| apt_get(&arguments)) {
            say(&format!("clients were not installed: {error:#}"));
        }
    }
    for client in WireClient::ALL {
        if let Some(why) = client.missing() {
            say(&format!("{} cannot be run: {why}", client.name));
        }
    }
}
