//! Every package is under a licence that lets us ship it.

use anyhow::{Result, ensure};
use custos_testkit::{DependencyTree, Package};

use crate::console::complain;
use crate::licence_expression::permits;

/// Licences that ask for attribution at most, and so fit a product under Apache-2.0.
const ALLOWED: [&str; 9] = [
    "Apache-2.0",
    // Widens Apache-2.0.
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    // A waiver; its lack of a patent grant does not matter for the hash functions it covers here.
    "CC0-1.0",
    // For data: the root certificates of Mozilla.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    // For the tables of Unicode.
    "Unicode-3.0",
    "Zlib",
];

/// Packages that may be used although their licence is not in the list, and why.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    // Asks for attribution, like the BSD licences.
    ("libbz2-rs-sys", "bzip2-1.0.6", "a permissive licence of one project's own"),
    // Copyleft by file: an obligation only for those who change it, which we do not.
    ("option-ext", "MPL-2.0", "linked unchanged, by way of `dirs`"),
    ("x509-certificate", "MPL-2.0", "linked unchanged, by `pgwire` too"),
];

/// Checks all packages that are built on this platform.
pub(crate) fn check() -> Result<()> {
    let tree = DependencyTree::load()?;
    let mut refused = 0_usize;
    for package in tree.packages().filter(|package| !is_allowed(package)) {
        let licence = package.license.as_deref().unwrap_or("none");
        complain(&format!("{} {}: licence {licence}", package.name, package.version));
        refused += 1;
    }
    for (name, _, reason) in EXCEPTIONS {
        let used = tree.packages().any(|package| package.name == name);
        ensure!(used, "`{name}` is excepted ({reason}) and not used: remove the exception");
    }
    ensure!(refused == 0, "{refused} packages are under licences that are not allowed");
    Ok(())
}

fn is_allowed(package: &Package) -> bool {
    let Some(expression) = package.license.as_deref() else {
        return false;
    };
    permits(expression, |licence| {
        ALLOWED.contains(&licence)
            || EXCEPTIONS.iter().any(|(name, id, _)| package.name == *name && licence == *id)
    })
}
