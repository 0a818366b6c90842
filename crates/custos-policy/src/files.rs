//! The texts of a `policies/` folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs, io};

use custos_core::{Classify, ErrorKind};
use sha2::{Digest, Sha256};

/// The texts of policy files by name, such as `purposes.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFiles {
    texts: BTreeMap<String, String>,
}

/// A folder of policies could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFilesError {
    /// The folder or one of its files could not be opened or read.
    #[error("policy file or folder `{name}` could not be read")]
    Unreadable {
        /// The name of the file or folder.
        name: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A file is not UTF-8.
    #[error("policy file `{name}` is not UTF-8 text")]
    NotText {
        /// The name of the file.
        name: String,
    },
}

impl Classify for PolicyFilesError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Unreadable { .. } => ErrorKind::Unavailable,
            Self::NotText { .. } => ErrorKind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => "check that it exists and may be read".to_owned(),
            Self::NotText { .. } => "save it as UTF-8".to_owned(),
        })
    }
}

impl PolicyFiles {
    /// Reads the `.yaml`, `.cedar` and `.cedarschema` files of a folder, sub-folders left out.
    pub fn from_dir(folder: &Path) -> Result<Self, PolicyFilesError> {
        let unreadable = |path: &Path| {
            let name = path.display().to_string();
            move |source| PolicyFilesError::Unreadable { name, source }
        };
        let mut texts = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if !matches!(extension, Some("yaml" | "cedar" | "cedarschema")) || !path.is_file() {
                continue;
            }
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let bytes = fs::read(&path).map_err(unreadable(&path))?;
            let text = String::from_utf8(bytes)
                .map_err(|_| PolicyFilesError::NotText { name: name.to_owned() })?;
            texts.insert(name.to_owned(), text);
        }
        Ok(Self { texts })
    }

    /// Takes names and texts as they are, such as those built into the binary.
    pub fn from_pairs<N: Into<String>, T: Into<String>>(
        pairs: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        Self { texts: pairs.into_iter().map(|(name, text)| (name.into(), text.into())).collect() }
    }

    /// The text of the file `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// All names with their texts, in order of name.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The test files, those named `*.test.yaml`, in order of name.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs().filter(|(name, _)| is_test(name))
    }

    /// The version of what these files say, tests left out since they decide nothing.
    pub(crate) fn version(&self) -> PolicyVersion {
        let mut hasher = Sha256::new();
        for (name, text) in self.texts.iter().filter(|(name, _)| !is_test(name)) {
            for part in [name, text] {
                // With the length in front, no two sets of files look alike to the hash.
                hasher.update(part.len().to_be_bytes());
                hasher.update(part);
            }
        }
        PolicyVersion(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn is_test(name: &str) -> bool {
    name.ends_with(".test.yaml")
}

/// Which texts a decision was taken under: the SHA-256 of the policy files, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PolicyVersion(String);

impl PolicyVersion {
    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_reads_as_its_policy_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("purposes.yaml"), "version: 1").unwrap();
        fs::write(folder.path().join("notes.txt"), "x").unwrap();
        fs::create_dir(folder.path().join("contracts.yaml")).unwrap();
        let files = PolicyFiles::from_dir(folder.path()).unwrap();
        assert_eq!(files, PolicyFiles::from_pairs([("purposes.yaml", "version: 1")]));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = PolicyFiles::from_dir(&folder.path().join("none")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        fs::write(folder.path().join("access.cedar"), [0xff]).unwrap();
        let error = PolicyFiles::from_dir(folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "policy file `access.cedar` is not UTF-8 text");
    }

    #[test]
    fn the_version_follows_what_decides_and_nothing_else() {
        let version = |pairs: &[(&str, &str)]| {
            PolicyFiles::from_pairs(pairs.iter().copied()).version().to_string()
        };
        let one = version(&[("a.yaml", "x"), ("b.yaml", "y")]);
        assert_eq!(one, version(&[("b.yaml", "y"), ("a.yaml", "x"), ("a.test.yaml", "z")]));
        assert_ne!(one, version(&[("a.yaml", "xb.yaml"), ("b.yaml", "y")]));
        assert_eq!(one.len(), 64);
    }
}
