//! The text files of the workspace.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// One text file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Where it lies, from the workspace root, with `/` between the parts.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl SourceFile {
    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// All text files of the workspace, in order of their paths.
#[derive(Debug)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Reads all text files below `root`, but for what Git is told to ignore there.
    ///
    /// Only plain names are understood in `.gitignore`; each stands for files and folders of that
    /// name at any depth.
    ///
    /// # Errors
    /// A file or folder could not be read.
    pub fn read(root: &Path) -> Result<Self> {
        let listed = fs::read_to_string(root.join(".gitignore")).context("no .gitignore")?;
        let mut ignored: Vec<&str> = listed
            .lines()
            .map(|line| line.trim().trim_matches('/'))
            .filter(|name| !name.is_empty() && !name.starts_with('#'))
            .collect();
        ignored.push(".git");
        let mut files = Vec::new();
        walk(root, "", &ignored, &mut files)?;
        files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(Self { files })
    }

    /// Takes files as they are, for tests of rules.
    pub const fn from_files(files: Vec<SourceFile>) -> Self {
        Self { files }
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter()
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &SourceFile> {
        self.files().filter(|file| file.is_rust())
    }

    /// The file at `path`, if there is one.
    pub fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files().find(|file| file.path == path)
    }
}

fn walk(folder: &Path, prefix: &str, ignored: &[&str], into: &mut Vec<SourceFile>) -> Result<()> {
    let failed = || format!("could not read `{prefix}`");
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if ignored.contains(&name.as_str()) {
            continue;
        }
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let kind = entry.file_type().with_context(failed)?;
        if kind.is_dir() {
            walk(&entry.path(), &path, ignored, into)?;
        } else if kind.is_file() {
            let bytes =
                fs::read(entry.path()).with_context(|| format!("could not read `{path}`"))?;
            // What is not UTF-8 is not text of ours: images, and samples in other encodings.
            if let Ok(text) = String::from_utf8(bytes) {
                into.push(SourceFile { path, text });
            }
        }
    }
    Ok(())
}
