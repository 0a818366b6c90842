//! Where the sample data lies, which is not part of the repository.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::workspace_root;

/// The folder of sample data: `CUSTOS_DATA`, seen from the workspace root, or `shared/data` beside
/// the workspace.
///
/// `None` when there is none; this is said on standard error once, since the tests that ask then
/// check less than they could.
pub fn data_dir() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Option<PathBuf> {
    let folder = match env::var_os("CUSTOS_DATA") {
        // Tests run in the folder of their package; whoever set it was in the workspace root.
        Some(folder) => workspace_root().join(folder),
        None => workspace_root().parent()?.join("shared").join("data"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    // Written past the test harness, which would keep it to itself; a closed stream is no reason
    // to fail.
    writeln!(
        std::io::stderr(),
        "note: no sample data (set CUSTOS_DATA to its folder), so tests that need it check nothing"
    )
    .unwrap_or_default();
    None
}
