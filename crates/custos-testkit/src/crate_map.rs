//! The crate table of the README, made from the manifests.

use anyhow::{Context, Result};

use crate::Workspace;

const BEGIN: &str = "<!-- crates -->";
const END: &str = "<!-- /crates -->";

/// The table of crates in Markdown: name and description, in the order of the design.
pub fn crate_map(workspace: &Workspace) -> String {
    let mut table = String::from("| crate | what it is for |\n|---|---|\n");
    for package in workspace.packages() {
        let (name, folder) = (&package.name, Workspace::folder(package));
        let description = package.description.as_deref().unwrap_or("");
        table.push_str(&format!("| [`{name}`]({folder}) | {description} |\n"));
    }
    table
}

/// `readme` with `table` between the lines `<!-- crates -->` and `<!-- /crates -->`.
///
/// # Errors
/// One of the two lines is missing.
pub fn with_crate_map(readme: &str, table: &str) -> Result<String> {
    let (before, rest) =
        readme.split_once(BEGIN).with_context(|| format!("README.md has no line `{BEGIN}`"))?;
    let (_, after) =
        rest.split_once(END).with_context(|| format!("README.md has no line `{END}`"))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_markers_is_replaced() {
        let readme = "# A\n<!-- crates -->\nold\n<!-- /crates -->\nB\n";
        let fresh = "# A\n<!-- crates -->\nnew\n<!-- /crates -->\nB\n";
        assert_eq!(with_crate_map(readme, "new\n").unwrap(), fresh);
        assert_eq!(with_crate_map(fresh, "new\n").unwrap(), fresh);
        assert!(with_crate_map("# A\n<!-- crates -->\n", "new\n").is_err());
    }
}
